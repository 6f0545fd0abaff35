"""The options of launch/export.py."""

import dataclasses
import re
from typing import ClassVar

from hbt_jax.config.option import option
from hbt_jax.config.shared import LanguageRemoval, SavedModel, Truncation
from hbt_jax.config.values import DTYPES
from hbt_jax.errors import InputError


@dataclasses.dataclass(frozen=True)
class ExportConfig(LanguageRemoval, Truncation, SavedModel):
    """What launch/export.py writes."""

    title: ClassVar[str] = "Export"

    out: str = option("", "folder to write; an existing export is overwritten only if it is unmodified")
    max_length: int = option(
        0,
        "maximum length of a text, in tokens; 0: that of the longer side in training, or as the model's files say",
        minimum=0,
    )
    peft_adapter: bool = option(
        False,
        "also write the low-rank adapters of a run that trained some, as PEFT files in OUT/adapter for the model that"
        " it started from",
    )
    dtype: str = option(
        "float32",
        "dtype of the written weights; bfloat16 changes the embeddings in the third digit",
        choices=DTYPES,
    )
    onnx: bool = option(
        False, "also write OUT/onnx/model.onnx, in float32, and check it in ONNX Runtime; needs the extra `onnx`"
    )
    push: str = option(
        "",
        "id OWNER/NAME on the Hugging Face hub to upload the folder to, once it is written; uses your"
        " huggingface_hub login (`hf auth login`, or HF_TOKEN)",
    )
    push_dry_run: bool = option(False, "print what --push would upload, without contacting the hub")
    push_private: bool = option(False, "make the repository private if --push has to create it")
    license: str = option(
        "unknown", "licence in the model card, as the hub writes it (apache-2.0, cc-by-4.0); unknown: none stated"
    )

    def __post_init__(self):
        super().__post_init__()
        if not re.fullmatch(r"[a-z0-9][a-z0-9.+-]*", self.license):
            raise InputError(
                f"--license={self.license!r}: expected the hub's name of a licence, in small letters without spaces,"
                " such as apache-2.0, mit, cc-by-4.0, other or unknown"
            )
        if self.push and not re.fullmatch(r"[\w-][\w.-]*/[\w-][\w.-]*", self.push, re.ASCII):
            raise InputError(f"--push={self.push}: expected OWNER/NAME on the Hugging Face hub, such as acme/retriever")
        if self.onnx and self.dtype != "float32":
            raise InputError(
                f"--onnx always writes float32 and cannot be combined with --dtype={self.dtype}: run two exports"
            )
        for name in ("push_dry_run", "push_private"):
            if getattr(self, name) and not self.push:
                raise InputError(f"--{name} needs --push=OWNER/NAME")

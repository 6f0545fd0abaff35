"""The options of launch/embed.py."""

import dataclasses
from typing import ClassVar

from hbt_jax.config.option import option
from hbt_jax.config.shared import Compression, Embedding, SavedModel


@dataclasses.dataclass(frozen=True)
class EmbedConfig(Embedding, Compression, SavedModel):
    """What launch/embed.py embeds."""

    title: ClassVar[str] = "Texts and output"

    input: str = option(
        "-", "texts: a .txt file, one per line; a .jsonl file, one object per line; - for standard input, one per line"
    )
    field: str = option(
        "",
        "field of a JSON line that holds the text; empty: text; with --input=-, it means that the lines are JSON",
    )
    output: str = option(
        "",
        "file to write: .npy, float32 [texts, width], or as --quantization says; or .parquet, columns id (if given),"
        " text and embedding",
    )
    side: str = option("query", "side whose prefix and maximum length apply to all texts", choices=("query", "passage"))
    nearest: int = option(
        0,
        "for each text, print this many others with the highest scores, all embedded as --side; 0: none",
        minimum=0,
    )

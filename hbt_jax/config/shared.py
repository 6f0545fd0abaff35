"""Parts of a configuration that several commands share: texts, models that are read, benchmarks."""

import dataclasses
from typing import Any, ClassVar

from hbt_jax.config.devices import Devices
from hbt_jax.config.option import Part, option
from hbt_jax.config.values import OF_MODEL, POOLINGS, QUANTIZATIONS, WHOLE
from hbt_jax.errors import InputError
from hbt_jax.languages import UNDER_RESOURCED, canonical

_IN_A_FLAGFILE = ', which needs quotes in a flag file: --query_prefix="query: "'


@dataclasses.dataclass(frozen=True)
class Prefixes(Part):
    """What is put before every text."""

    query_prefix: str = option(
        OF_MODEL,
        f"text put before every query, usually ending in a space{_IN_A_FLAGFILE}; `model`: as in training, or the"
        " prompt in the model's files; 'query: ' if there is neither",
        spaces_count=True,
    )
    passage_prefix: str = option(
        OF_MODEL,
        "text put before every passage; `model`: as for --query_prefix, 'passage: ' if there is neither",
        spaces_count=True,
    )


@dataclasses.dataclass(frozen=True)
class Pooling(Part):
    """How token vectors become one embedding."""

    pooling: str = option(
        OF_MODEL,
        "how token vectors become one: mean over the text, or cls (its first token); `model`: as in training, or as the"
        " model's files say; mean if there is neither",
        choices=(OF_MODEL, *POOLINGS),
    )
    normalize: bool | None = option(
        None,
        "scale embeddings to unit length, so that scores are cosines; not given: as in training, or as the model's"
        " files say; true if there is neither",
    )


@dataclasses.dataclass(frozen=True)
class Benchmarks(Part):
    """Which benchmarks are evaluated."""

    title: ClassVar[str] = "Benchmarks"

    benchmarks: tuple = option((), "benchmarks to evaluate, comma-separated; in training, after the last step")
    data_dir: str = option("", "folder that holds one folder per benchmark")
    layer_probe: int = option(
        0,
        "number of evenly spaced items whose queries are compared across languages after every layer (arXiv"
        " 2506.15415); 0: none",
        minimum=0,
    )

    def __post_init__(self):
        super().__post_init__()
        if self.layer_probe == 1:
            raise InputError("--layer_probe=1: one item has no random pairs: expected 2 or more, or 0 for no probe")


@dataclasses.dataclass(frozen=True)
class SavedModel(Part):
    """A model that is read."""

    title: ClassVar[str] = "Model"

    model: str = option(
        "",
        "workdir of a run (may be gs://BUCKET/FOLDER), or folder or hub id of an encoder in Hugging Face's layout;"
        " launch/eval.py also takes st:FOLDER, any model that sentence-transformers can run",
        remote="gs",
    )
    checkpoint: str = option(
        "best",
        "which checkpoint of a workdir to load: best (falls back to last), last or untrained",
        choices=("best", "last", "untrained"),
    )


@dataclasses.dataclass(frozen=True)
class Embedding(Devices, Pooling, Prefixes):
    """How a model that is read embeds texts."""

    title: ClassVar[str] = "Embedding"

    max_length: int = option(
        0, "maximum length of a text, in tokens; 0: as in training, or as the model's files say", minimum=0
    )
    eval_batch: int = option(
        256,
        "texts of 64 tokens embedded at a time on each device; scaled down for longer texts, capped at 32 on CPU",
        minimum=1,
    )


@dataclasses.dataclass(frozen=True)
class Truncation(Part):
    """How many numbers of an embedding are kept."""

    title: ClassVar[str] = "Embedding"

    truncate_dim: int = option(
        0,
        "how many leading dimensions of each embedding are kept, rescaled to unit length if the model's are; for models"
        " trained with --matryoshka_widths; 0: all",
        minimum=0,
    )


@dataclasses.dataclass(frozen=True)
class Compression(Truncation):
    """How much of an embedding is kept."""

    quantization: str = option(
        WHOLE,
        "how embeddings are stored: int8, with one scale per text; binary, one bit per dimension, compared by the"
        " number of equal bits; none: float32",
        choices=QUANTIZATIONS,
    )


@dataclasses.dataclass(frozen=True)
class LanguageRemoval(Part):
    """Which directions of language are projected out of a model's embeddings."""

    title: ClassVar[str] = "Language directions"

    remove_language_directions: int = option(
        0,
        "number of directions to project out of all embeddings: those in which the means of languages vary most (LSAR,"
        " arXiv 2401.05792); at most the number of languages minus one; 0: none",
        minimum=0,
    )
    language_texts: str = option(
        "",
        "folder of texts by language (not a benchmark's) for flags that need them: LANGUAGE.txt or LANGUAGE.txt.gz, one"
        " text per line",
    )

    @property
    def uses_language_texts(self) -> tuple[str, ...]:
        """The options with a value that need --language_texts, written as flags."""
        count = self.remove_language_directions
        return (f"--remove_language_directions={count}",) if count else ()

    def __post_init__(self):
        super().__post_init__()
        if self.uses_language_texts and not self.language_texts:
            raise InputError(f"{self.uses_language_texts[0]} needs --language_texts, a folder of texts by language")
        if self.language_texts and not self.uses_language_texts:
            raise InputError(f"--language_texts={self.language_texts}: no other flag uses it: leave it out")


def under_resourced_option() -> Any:
    """The option that says which languages evaluation counts as under-resourced."""
    return option(
        UNDER_RESOURCED,
        "codes of the languages that robustness and the report set apart as under-resourced, comma-separated; the"
        " default is the five that XM3600 chose as under-resourced",
    )


def check_languages(flag: str, codes: tuple[str, ...]) -> None:
    """Raises InputError for a code that is no language's."""
    for code in codes:
        try:
            canonical(code)
        except InputError as error:
            raise InputError(f"--{flag}={','.join(codes)}: {error}") from error

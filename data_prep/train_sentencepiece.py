#!/usr/bin/env python3
"""Trains a SentencePiece tokenizer on the training split of a source, and on nothing else.

    python data_prep/train_sentencepiece.py --source=facts --raw_dir=DIR --out_dir=DIR

Writes OUT_DIR/tokenizer.model, and OUT_DIR/training.json, which says what it was trained on.
"""

import collections
import dataclasses
import hashlib
import io
import json
import sys
from pathlib import Path
from typing import ClassVar

import sentencepiece

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from data_prep.scratch.whole_folder import whole_folder  # noqa: E402
from data_prep.sources import registry  # noqa: E402
from hbt_jax.config.option import Part, option
from hbt_jax.config.training import PreparationConfig
from hbt_jax.errors import InputError  # noqa: E402
from hbt_jax.files import utf8
from hbt_jax.holding import held  # noqa: E402
from hbt_jax.models.tokenizer import composed  # noqa: E402

SPLIT = "train"
PREFIXES = {"queries": "query: ", "passages": "passage: "}
SETTINGS = {
    "model_type": "unigram",
    "normalization_rule_name": "nmt_nfkc",
    "character_coverage": 1.0,  # with many scripts, even the rarest character is a letter of some language
    "byte_fallback": False,
    "pad_id": 0,
    "bos_id": 1,
    "eos_id": 2,
    "unk_id": 3,
    "pad_piece": "<pad>",
    "bos_piece": "<s>",
    "eos_piece": "</s>",
    "unk_piece": "<unk>",
    "shuffle_input_sentence": False,
    "input_sentence_size": 0,  # all of them
    "num_threads": 2,  # fixed, because the order of sums over threads decides the last digits of the scores
}


def train_sentencepiece(source: str, raw_dir: str | Path, out_dir: str | Path, vocabulary: int, **settings) -> dict:
    """Trains on the queries and passages of the training split and writes OUT_DIR completely or not at all.

    Each text is given with its prefix ("query: " or "passage: "), normalised as the tokenizer does it.  The same texts
    and settings give the same file.

    Args:
      source: a name in `data_prep.sources.registry.SOURCES`.
      raw_dir: folder of the prepared sources.
      out_dir: folder to write; replaced if it exists.
      vocabulary: number of pieces, including the four special ones.
      **settings: passed to the source's builder.

    Returns:
      what training.json holds.

    Raises:
      InputError: an unknown source, a vocabulary too small or too large for the texts, OUT_DIR holds other files, or
        another process is writing it.
    """
    with held(out_dir, "--out_dir", beside=True):
        return _train_and_write(source, raw_dir, Path(out_dir), vocabulary, settings)


def _train_and_write(source: str, raw_dir: str | Path, out_dir: Path, vocabulary: int, settings: dict) -> dict:
    counts, texts = collections.Counter(), []
    for table, prefix in PREFIXES.items():
        for record in registry.records(source, table, SPLIT, raw_dir, **settings):
            counts[record["language"]] += 1
            texts.append(composed(prefix + record["text"]))
    model = _train(texts, vocabulary, source)
    report = {
        "source": source,
        "split": SPLIT,
        "vocabulary": vocabulary,
        "settings": SETTINGS,
        "texts": len(texts),
        "texts_by_language": dict(sorted(counts.items())),
        "fingerprint": f"sha256:{hashlib.sha256(model).hexdigest()}",
    }
    _write(out_dir, model, report)
    return report


def _train(texts: list[str], vocabulary: int, source: str) -> bytes:
    written = io.BytesIO()
    try:
        sentencepiece.SentencePieceTrainer.train(
            sentence_iterator=iter(texts), model_writer=written, vocab_size=vocabulary, minloglevel=2, **SETTINGS
        )
    except RuntimeError as error:  # SentencePiece's only error; its text names the limit that vocab_size exceeds
        raise InputError(
            f"--vocabulary={vocabulary} does not suit the {len(texts)} training texts of {source}:"
            f" {' '.join(str(error).split())}; choose another --vocabulary"
        ) from error
    return written.getvalue()


def _write(out_dir: Path, model: bytes, report: dict) -> None:
    with whole_folder(out_dir, ("tokenizer.model", "training.json")) as folder:
        (folder / "tokenizer.model").write_bytes(model)
        text = json.dumps(report, indent=1, ensure_ascii=False) + "\n"
        (folder / "training.json").write_bytes(utf8(text))


_PIECES = PreparationConfig.__dataclass_fields__["vocabulary"]


@dataclasses.dataclass(frozen=True)
class TextOptions(registry.SourceOptions):
    """The source to train on, its files, and the folder it is prepared in."""

    source: str = option("facts", f"name of the source to train on: {', '.join(registry.SOURCES)}")


@dataclasses.dataclass(frozen=True)
class TokenizerOptions(Part):
    """The tokenizer to train."""

    title: ClassVar[str] = "Tokenizer"

    out_dir: str = option("", "folder to write the tokenizer to")
    vocabulary: int = option(_PIECES.default, "vocabulary size of the tokenizer", minimum=_PIECES.metadata["minimum"])


def main(_: list[str]) -> None:
    """Trains as the flags say and prints what was made and what was left out."""
    require(("raw_dir", "out_dir"))
    given, made = values(TextOptions), values(TokenizerOptions)
    settings = registry.flag_settings()
    report = train_sentencepiece(given.source, given.raw_dir, made.out_dir, made.vocabulary, **settings)
    print(f"{made.out_dir}: {report['vocabulary']} pieces from {report['texts']} texts, {report['fingerprint']}")
    for line in registry.dropped_lines(given.source, given.raw_dir, **settings):
        print(line)


if __name__ == "__main__":
    from hbt_jax.flags import define, require, run_command, values

    define(TextOptions, TokenizerOptions)
    run_command(main)

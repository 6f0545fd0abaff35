#!/usr/bin/env python3
"""Holds out a part of a folder in SQuAD's layout: writes OUT_DIR/train and OUT_DIR/validation, LANG.json files in each.

    python data_prep/hold_out.py --input_dir=data/mlqa-r --out_dir=runs/mlqa-held-out --part=0.2

build_store.py and write_benchmark.py then take the two as splits, by --source=squad --input_dir=OUT_DIR.  Whole
paragraphs are held out, as they stand, with all paragraphs, of any language, that have one of their question ids, the
text of one of their questions, or their text (hbt_jax/text_identity.py says when texts are the same).  These ids and
the seed alone decide it, so a question stays where it is when others that share none of these are added.
"""

import collections
import dataclasses
import hashlib
import json
import sys
from pathlib import Path
from typing import ClassVar

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from data_prep.scratch.whole_folder import whole_folder  # noqa: E402
from hbt_jax import connected, json_text  # noqa: E402
from hbt_jax.config.option import Part, option
from hbt_jax.errors import InputError  # noqa: E402
from hbt_jax.evaluation.reading import squad_layout  # noqa: E402
from hbt_jax.files import utf8  # noqa: E402
from hbt_jax.text_identity import JUDGED, identity_text  # noqa: E402

SPLITS = ("train", "validation")


def hold_out(input_dir: str | Path, out_dir: str | Path, part: float, seed: int = 0) -> dict[str, int]:
    """Writes OUT_DIR completely or not at all.

    Args:
      input_dir: folder of LANG.json files.
      out_dir: folder to write; replaced if it exists.
      part: about this share of the questions goes to `validation`; above 0, below 1.
      seed: seed of the draw.

    Returns:
      split -> how many questions it has; translations count as one.

    Raises:
      InputError: no files, a malformed one, nothing in one of the splits, or OUT_DIR holds other files.
    """
    files = squad_layout.language_files(Path(input_dir))
    if not files:
        found = "no file such as en.json" if Path(input_dir).is_dir() else "no such folder"
        raise InputError(f"--input_dir={input_dir}: {found}: expected a folder with one file per language")
    paragraphs = {code: squad_layout.read(path) for code, path in files.items()}
    asked = {
        f"{code} {one.number}": [question.id for question in one.questions]
        for code, of_language in paragraphs.items()
        for one in of_language
    }
    shared = {f"{code} {one.number}": _shared(one) for code, of in paragraphs.items() for one in of}
    group, asked_by = connected.groups(shared), collections.defaultdict(set)
    for name, ids in asked.items():
        asked_by[group[name]].update(ids)
    drawn = {name: SPLITS[_fraction(min(ids, default=""), seed) < part] for name, ids in asked_by.items()}
    split_of = {name: drawn[group[name]] for name in asked}
    counts = {split: len({id_ for name in asked if split_of[name] == split for id_ in asked[name]}) for split in SPLITS}
    for split, count in counts.items():
        if not count and len(asked_by) == 1:
            raise InputError(
                f"{input_dir}: all paragraphs share ids, questions or texts with each other, directly or transitively,"
                " so none can be held out: add paragraphs that share none of these with them"
            )
        if not count:
            raise InputError(f"--part={part:g}: no question of {input_dir} goes to {split}: give another part or seed")
    share = counts[SPLITS[1]] / sum(counts.values())
    if abs(share - part) > part / 2:
        most = max(map(len, asked_by.values()))
        print(f"note: {share:.0%} of the questions are held out, not {part:.0%}: up to {most:,} of them stay together")
    with whole_folder(out_dir, SPLITS) as folder:
        for split in SPLITS:
            (folder / split).mkdir()
        for code, path in files.items():
            content = json_text.read(path)
            splits = (split_of[f"{code} {one.number}"] for one in paragraphs[code])  # in the order of the file
            split_paragraphs = [[(next(splits), one) for one in article["paragraphs"]] for article in content["data"]]
            for split in SPLITS:
                kept = [[one for its, one in article if its == split] for article in split_paragraphs]
                articles = [
                    article | {"paragraphs": ones} for article, ones in zip(content["data"], kept, strict=True) if ones
                ]
                if articles:
                    whole = json.dumps(content | {"data": articles}, ensure_ascii=False)
                    (folder / split / f"{code}.json").write_bytes(utf8(whole))
    return counts


def _shared(paragraph: squad_layout.Paragraph) -> set[tuple[str, str]]:
    """What no paragraph of the other split may have: the ids and texts of the questions, and the context."""
    questions = {pair for one in paragraph.questions for pair in (("id", one.id), ("question", _same(one.text)))}
    return questions | {("context", _same(paragraph.context))}


def _same(text: str) -> str:
    return identity_text(text, JUDGED)  # as in the benchmark that a split becomes


def _fraction(id_: str, seed: int) -> float:
    """A number in [0, 1) for an id, evenly distributed."""
    digest = hashlib.blake2b(f"{seed} {id_}".encode(), digest_size=8).digest()
    return int.from_bytes(digest) / 2**64


@dataclasses.dataclass(frozen=True)
class HoldOutOptions(Part):
    """What to hold out."""

    title: ClassVar[str] = "Held-out part"

    input_dir: str = option("", "folder of LANG.json files in SQuAD's layout")
    out_dir: str = option("", "folder to write; an earlier split there is replaced")
    part: float = option(0.1, "share of the questions that is held out", above=0, maximum=0.9)
    seed: int = option(0, "seed of the draw", minimum=0)


def main(_: list[str]) -> None:
    """Divides what the flags say and prints the counts."""
    require(("input_dir", "out_dir"))
    given = values(HoldOutOptions)
    counts = hold_out(given.input_dir, given.out_dir, given.part, given.seed)
    print(f"{given.out_dir}: " + ", ".join(f"{count:,} questions in {split}" for split, count in counts.items()))


if __name__ == "__main__":
    from hbt_jax.flags import define, require, run_command, values

    define(HoldOutOptions)
    run_command(main)

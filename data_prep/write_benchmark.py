#!/usr/bin/env python3
"""Writes a held-out split as a benchmark folder: queries.jsonl, candidates.jsonl, qrels.trec, made_from.json.

    python data_prep/write_benchmark.py --source=jsonl --input_dir=DIR --split=test --raw_dir=DIR --out_dir=DIR/mine

launch/eval.py evaluates it by its path: --benchmarks=DIR/mine.
"""

import dataclasses
import json
import sys
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence, Set
from pathlib import Path
from typing import ClassVar

import numpy as np

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from data_prep.scratch.whole_folder import whole_folder  # noqa: E402
from data_prep.sources import registry  # noqa: E402
from hbt_jax.config.option import Part, option
from hbt_jax.evaluation.benchmarks.benchmark import BenchmarkTexts  # noqa: E402
from hbt_jax.evaluation.benchmarks.copies import Same, joined_items, not_joined_note, said  # noqa: E402
from hbt_jax.evaluation.benchmarks.judged_alike import Alike, judge_alike  # noqa: E402
from hbt_jax.holding import held  # noqa: E402

HELD_OUT = ("test", "validation")
_COUNTED = ("queries", "candidates", "judgements")


def write_benchmark(
    source: str,
    raw_dir: str | Path,
    out_dir: str | Path,
    split: str = "test",
    *,
    say: Callable[[str], None] = print,
    **settings,
) -> dict[str, int]:
    """Writes OUT_DIR completely or not at all.

    Queries are those of the split, in every language.  Candidates are all passages of the split and of the source's
    held-out splits (test, validation), in every language.  A query's relevant candidates are its passages in each
    language that has them.

    Texts of one language that are the same text (`hbt_jax.text_identity`) are one query or one candidate, under the
    first id.  Items that share a text are judged as one, in all their languages (`benchmarks/judged_alike.py`), and
    share a name.  So a question that two rows ask has the passages of both.

    made_from.json says what the texts were made from.

    Args:
      source: a name in `data_prep.sources.registry.SOURCES`.
      raw_dir: folder of the prepared sources.
      out_dir: the benchmark's folder, such as DATA_DIR/facts; replaced if it exists.
      split: the split whose queries are asked.
      say: called with a sentence, including an example, for each kind of copies that were merged.
      **settings: passed to the source's builder.

    Returns:
      counts: {"queries", "candidates", "judgements"}.

    Raises:
      InputError: an unknown source or split, OUT_DIR holds other files, or another process is writing it.
    """
    with held(out_dir, "--out_dir", beside=True):
        return _write_benchmark(source, raw_dir, out_dir, split, say, settings)


def _write_benchmark(
    source: str, raw_dir: str | Path, out_dir: str | Path, split: str, say: Callable[[str], None], settings: dict
) -> dict[str, int]:
    asked = {_id(record) for record in registry.records(source, "queries", split, raw_dir, **settings)}
    info = registry.builder(source, "pairs", raw_dir, **settings).info
    there = info.splits
    splits = dict.fromkeys([split, *(other for other in HELD_OUT if other in there)])

    def everywhere(table: str) -> Iterable[dict]:
        return (record for other in splits for record in registry.records(source, table, other, raw_dir, **settings))

    queries, candidates = _texts(everywhere("queries")), _texts(everywhere("passages"))
    alike = judge_alike(queries, candidates, _judgements(queries, candidates, everywhere("pairs")), {})
    kept = [n for n in _firsts(alike.queries) if queries.ids[n] in asked]
    relevant = _of_firsts(alike)
    judgements = [f"{queries.ids[n]} 0 {candidates.ids[one]} 1" for n in kept for one in sorted(relevant[n])]
    lines = {
        "queries.jsonl": _lines(queries, alike.queries, kept),
        "candidates.jsonl": _lines(candidates, alike.candidates, _firsts(alike.candidates)),
        "qrels.trec": judgements,
        "made_from.json": [_made_from(source, split, info.metadata)],
    }
    with whole_folder(out_dir, tuple(lines)) as folder:
        for name, content in lines.items():
            _write_lines(folder / name, content)
    for note in _notes(queries, candidates, alike, asked):
        say(note)
    return {side: len(content) for side, content in zip(_COUNTED, lines.values(), strict=False)}


def _made_from(source: str, split: str, metadata: Mapping) -> str:
    return json.dumps({"source": source, "split": split, "metadata": dict(metadata)}, ensure_ascii=False)


def _id(record: dict) -> str:
    return f"{record['id']}:{record['language']}"


def _texts(records: Iterable[dict]) -> BenchmarkTexts:
    """The texts of some splits; a record in two splits counts once."""
    found = list({_id(record): record for record in records}.values())
    return BenchmarkTexts(
        list(map(_id, found)), *([record[field] for record in found] for field in ("id", "language", "text"))
    )


def _lines(texts: BenchmarkTexts, same: Same, kept: Sequence[int]) -> list[str]:
    items = joined_items(texts.items, same)
    fields = ("id", "item", "language", "text")
    rows = ((texts.ids[n], items[n], texts.languages[n], texts.texts[n]) for n in kept)
    return [json.dumps(dict(zip(fields, row, strict=True)), ensure_ascii=False) for row in rows]


def _judgements(queries: BenchmarkTexts, candidates: BenchmarkTexts, pairs: Iterable[dict]) -> list[set[int]]:
    """For each query, the indexes of its passages in every language."""
    texts_of: dict[str, list[int]] = {}
    for n, item in enumerate(candidates.items):
        texts_of.setdefault(item, []).append(n)
    passages_of: dict[str, set[str]] = {}
    for pair in pairs:
        passages_of.setdefault(pair["query"], set()).add(pair["passage"])
    return [{n for passage in passages_of[item] for n in texts_of[passage]} for item in queries.items]


def _firsts(same: Same) -> list[int]:
    return np.flatnonzero(~same.is_copy_N).tolist()


def _of_firsts(alike: Alike) -> dict[int, set[int]]:
    """First query of each text -> what is relevant to any copy of it; candidates by the first copy of their text."""
    relevant: dict[int, set[int]] = {}
    for query, found in zip(alike.queries.first_N.tolist(), alike.relevant, strict=True):
        relevant.setdefault(query, set()).update(alike.candidates.first_N[list(found)].tolist())
    return relevant


def _notes(queries: BenchmarkTexts, candidates: BenchmarkTexts, alike: Alike, asked: Set[str]) -> Iterator[str]:
    for side, texts, same in (("queries", queries, alike.queries), ("candidates", candidates, alike.candidates)):
        copies = [n for n in np.flatnonzero(same.is_copy_N).tolist() if side == "candidates" or texts.ids[n] in asked]
        if copies:
            first = int(same.first_N[copies[0]])
            yield f"{said(side, len(copies), texts.ids, copies[0], first)}: each text is written once"
        yield from not_joined_note(side, texts, same)


def _write_lines(path: Path, lines: Iterable[str]) -> None:
    with path.open("w", encoding="utf-8", newline="\n") as file:
        file.writelines(line + "\n" for line in lines)


@dataclasses.dataclass(frozen=True)
class AskedOptions(registry.SplitOptions):
    """The held-out split, its source's files, and the folder the source is prepared in."""

    split: str = option("test", "split whose queries the benchmark asks", choices=registry.SPLITS)


@dataclasses.dataclass(frozen=True)
class BenchmarkOptions(Part):
    """The benchmark to write."""

    title: ClassVar[str] = "Benchmark"

    out_dir: str = option("", "folder of the benchmark; an existing benchmark there is replaced")


def main(_: list[str]) -> None:
    """Writes what the flags say and prints what was made and what was left out."""
    require(("source", "raw_dir", "out_dir"))
    given, out_dir = values(AskedOptions), values(BenchmarkOptions).out_dir
    settings = registry.flag_settings()
    notes: list[str] = []
    counts = write_benchmark(given.source, given.raw_dir, out_dir, given.split, say=notes.append, **settings)
    print(f"{out_dir}: " + ", ".join(f"{number:,} {name}" for name, number in counts.items()))
    for note in notes:
        print(f"  {note}")
    for line in registry.dropped_lines(given.source, given.raw_dir, **settings):
        print(line)


if __name__ == "__main__":
    from hbt_jax.flags import define, require, run_command, values

    define(AskedOptions, BenchmarkOptions)
    run_command(main)

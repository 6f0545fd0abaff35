#!/usr/bin/env python3
"""Writes a held-out split as a benchmark folder: queries.jsonl, candidates.jsonl, qrels.trec.

    python data_prep/write_benchmark.py --source=jsonl --input_dir=DIR --split=test --raw_dir=DIR --out_dir=DIR/mine

OUT_DIR is evaluated by its path: --benchmarks=DIR/mine.
"""

import json
import sys
from collections.abc import Iterable
from pathlib import Path

from absl import flags

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from data_prep import sources  # noqa: E402
from data_prep.whole_folder import whole_folder  # noqa: E402
from hbt_jax.holding import held  # noqa: E402

HELD_OUT = ("test", "validation")
_FILES = ("queries.jsonl", "candidates.jsonl", "qrels.trec")


def write_benchmark(
    source: str, raw_dir: str | Path, out_dir: str | Path, split: str = "test", **settings
) -> dict[str, int]:
    """Writes OUT_DIR whole or not at all.

    Queries are those of the split, in every language; candidates are all passages of the split and of the held-out
    splits (test, validation) that the source has, in every language; a query's relevant candidates are its passages
    in each language that has them.  A text that two splits share is one candidate.

    Args:
      source: a name in `data_prep.sources.SOURCES`.
      raw_dir: folder of the prepared sources.
      out_dir: the benchmark's folder, such as DATA_DIR/facts; an older one is replaced.
      split: the split whose queries are asked.
      **settings: passed to the source's builder.

    Returns:
      counts: {"queries", "candidates", "judgements"}.

    Raises:
      InputError: an unknown source or split, OUT_DIR holds other files, or another process writes it.
    """
    with held(out_dir, "--out_dir", beside=True):
        return _write_benchmark(source, raw_dir, out_dir, split, settings)


def _write_benchmark(
    source: str, raw_dir: str | Path, out_dir: str | Path, split: str, settings: dict
) -> dict[str, int]:
    queries = list(sources.records(source, "queries", split, raw_dir, **settings))
    there = sources.builder(source, "pairs", raw_dir, **settings).info.splits
    splits = dict.fromkeys([split, *(other for other in HELD_OUT if other in there)])

    def everywhere(table: str) -> Iterable[dict]:
        return (record for other in splits for record in sources.records(source, table, other, raw_dir, **settings))

    candidates = list({_id(record): record for record in everywhere("passages")}.values())
    judgements = list(_judgements(queries, candidates, everywhere("pairs")))
    with whole_folder(out_dir, _FILES) as folder:
        for name, lines in zip(_FILES, (map(_line, queries), map(_line, candidates), judgements), strict=True):
            _write_lines(folder / name, lines)
    return {"queries": len(queries), "candidates": len(candidates), "judgements": len(judgements)}


def _id(record: dict) -> str:
    return f"{record['id']}:{record['language']}"


def _line(record: dict) -> str:
    fields = {"id": _id(record), "item": record["id"], "language": record["language"], "text": record["text"]}
    return json.dumps(fields, ensure_ascii=False)


def _judgements(queries: list[dict], candidates: list[dict], pairs: Iterable[dict]) -> Iterable[str]:
    texts_of: dict[str, list[str]] = {}
    for candidate in candidates:
        texts_of.setdefault(candidate["id"], []).append(_id(candidate))
    passages_of: dict[str, dict[str, None]] = {}  # a pair that stands twice is judged once
    for pair in pairs:
        passages_of.setdefault(pair["query"], {})[pair["passage"]] = None
    for query in queries:
        for passage in passages_of[query["id"]]:
            for text in texts_of[passage]:
                yield f"{_id(query)} 0 {text} 1"


def _write_lines(path: Path, lines: Iterable[str]) -> None:
    with path.open("w", encoding="utf-8", newline="\n") as file:
        file.writelines(line + "\n" for line in lines)


def main(_: list[str]) -> None:
    """Writes what the flags say and prints what was made and what was left out."""
    require(("source", "raw_dir", "out_dir"))
    given = flags.FLAGS
    settings = sources.flag_settings()
    counts = write_benchmark(given.source, given.raw_dir, given.out_dir, given.split, **settings)
    print(f"{given.out_dir}: " + ", ".join(f"{number:,} {name}" for name, number in counts.items()))
    for line in sources.dropped_lines(given.source, given.raw_dir, **settings):
        print(line)


if __name__ == "__main__":
    from hbt_jax.flags import require, run_command

    flags.DEFINE_string("source", "", "name of the source, by its name in data_prep/sources.py")
    flags.DEFINE_enum("split", "test", ["train", "validation", "test"], "split whose queries are asked")
    sources.define_flags()
    flags.DEFINE_string("raw_dir", "", "folder of the prepared sources; the source is prepared when it is not there")
    flags.DEFINE_string("out_dir", "", "the benchmark's folder; an older benchmark there is replaced")
    run_command(main)

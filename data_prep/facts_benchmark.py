"""Writes the held-out facts as a benchmark folder: queries.jsonl, candidates.jsonl, qrels.trec."""

import itertools
import json
import shutil
from collections.abc import Iterable
from pathlib import Path

from data_prep import sources


def write_benchmark(source: str, raw_dir: str | Path, out_dir: str | Path) -> dict[str, int]:
    """Writes OUT_DIR whole or not at all.

    Queries are those of the test split, in every language; candidates are all held-out passages, of the test and of
    the validation split, in every language; a query's relevant candidates are its passage in each language that has it.

    Args:
      source: a name in `data_prep.sources.SOURCES` with the splits test and validation.
      raw_dir: folder of the prepared sources.
      out_dir: the benchmark's folder, such as DATA_DIR/facts; an older one is replaced.

    Returns:
      counts: {"queries", "candidates", "judgements"}.
    """
    out_dir = Path(out_dir)
    partial = out_dir.with_name(out_dir.name + ".partial")
    shutil.rmtree(partial, ignore_errors=True)
    partial.mkdir(parents=True)
    queries = list(sources.records(source, "queries", "test", raw_dir))
    held_out = ("test", "validation")
    candidates = list(
        itertools.chain.from_iterable(sources.records(source, "passages", split, raw_dir) for split in held_out)
    )
    pairs = list(sources.records(source, "pairs", "test", raw_dir))
    _write_lines(partial / "queries.jsonl", map(_line, queries))
    _write_lines(partial / "candidates.jsonl", map(_line, candidates))
    judgements = list(_judgements(queries, candidates, pairs))
    _write_lines(partial / "qrels.trec", judgements)
    shutil.rmtree(out_dir, ignore_errors=True)
    partial.rename(out_dir)
    return {"queries": len(queries), "candidates": len(candidates), "judgements": len(judgements)}


def _id(record: dict) -> str:
    return f"{record['id']}:{record['language']}"


def _line(record: dict) -> str:
    fields = {"id": _id(record), "item": record["id"], "language": record["language"], "text": record["text"]}
    return json.dumps(fields, ensure_ascii=False)


def _judgements(queries: list[dict], candidates: list[dict], pairs: list[dict]) -> Iterable[str]:
    texts_of: dict[str, list[str]] = {}
    for candidate in candidates:
        texts_of.setdefault(candidate["id"], []).append(_id(candidate))
    passages_of: dict[str, list[str]] = {}
    for pair in pairs:
        passages_of.setdefault(pair["query"], []).append(pair["passage"])
    for query in queries:
        for passage in passages_of[query["id"]]:
            for text in texts_of[passage]:
                yield f"{_id(query)} 0 {text} 1"


def _write_lines(path: Path, lines: Iterable[str]) -> None:
    with path.open("w", encoding="utf-8", newline="\n") as file:
        file.writelines(line + "\n" for line in lines)

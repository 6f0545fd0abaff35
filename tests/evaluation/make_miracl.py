"""A small corpus in MIRACL's official layout, written by us: three languages, ties, gaps and odd passages.

Words are numbers, which the tokenizer of tests/evaluation/word_model.py reads.
"""

import gzip
import json
from pathlib import Path

import numpy as np

SHARDS = {"en": (40, 40, 13), "sw": (25, 20), "yo": (9,)}  # passages of each
QUERIES = {"en": 7, "sw": 5, "yo": 3}


def passages(code: str) -> list[dict]:
    """The passages of a language in the order of its shards.

    Every seventh has the text of the one before, so that scores are equal; one has no title and one nothing at all.
    Docids such as 9#0 and 10#0 are in another order as numbers than as texts.
    """
    rng = np.random.default_rng(sum(map(ord, code)))
    found = []
    for number in range(sum(SHARDS[code])):
        words = rng.integers(30, 128, rng.integers(2, 30))
        text = " ".join(map(str, words))
        if number % 7 == 6:
            text = found[-1]["text"]
        found.append({"docid": f"{number // 3 + 5}#{number % 3}", "title": str(30 + number // 7), "text": text})
    found[2]["title"] = ""
    found[4] = found[4] | {"title": "", "text": ""}
    return found


def judgements(code: str) -> list[tuple[str, str, int]]:
    """(query id, docid, grade): each query has some of grade 0, 1 and 2; the last has none above 0."""
    rng, rows = np.random.default_rng(len(code) + QUERIES[code]), []
    for query in range(QUERIES[code]):
        chosen = rng.choice(sum(SHARDS[code]), 6, replace=False)
        grades = [0] * 6 if query == QUERIES[code] - 1 else [0, 1, 0, 2, 1, 0]
        rows += [(str(query), passages(code)[n]["docid"], grade) for n, grade in zip(chosen, grades, strict=True)]
    return rows


def queries(code: str) -> list[tuple[str, str]]:
    """(query id, text): the ids of the languages are the same; a query has words of a passage."""
    relevant = {query: docid for query, docid, grade in judgements(code) if grade > 0}
    text = {row["docid"]: row["text"] for row in passages(code)}
    return [(str(n), text.get(relevant.get(str(n)), "")[:20].strip() or "77 78") for n in range(QUERIES[code])]


def shard_path(folder: Path, code: str, number: int) -> Path:
    return folder / f"miracl-corpus-v1.0-{code}" / f"docs-{number}.jsonl.gz"


def topics_path(folder: Path, code: str) -> Path:
    return folder / f"miracl-v1.0-{code}" / "topics" / f"topics.miracl-v1.0-{code}-dev.tsv"


def qrels_path(folder: Path, code: str) -> Path:
    return folder / f"miracl-v1.0-{code}" / "qrels" / f"qrels.miracl-v1.0-{code}-dev.tsv"


def write_shards(folder: Path, code: str, sizes: tuple[int, ...]) -> None:
    rows = passages(code)
    for number, size in enumerate(sizes):
        start = sum(sizes[:number])
        path = shard_path(folder, code, number)
        path.parent.mkdir(parents=True, exist_ok=True)
        with gzip.open(path, "wt", encoding="utf-8") as file:
            file.writelines(json.dumps(row) + "\n" for row in rows[start : start + size])


def write(folder: Path, codes=("en", "sw", "yo"), shards=None) -> Path:
    """Writes both repositories into `folder`; `shards` gives other sizes of a language's shards."""
    for code in codes:
        write_shards(folder, code, (shards or {}).get(code, SHARDS[code]))
        for path, lines in (
            (topics_path(folder, code), [f"{id_}\t{text}\n" for id_, text in queries(code)]),
            (qrels_path(folder, code), [f"{q}\tQ0\t{docid}\t{grade}\n" for q, docid, grade in judgements(code)]),
        ):
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text("".join(lines), encoding="utf-8")
    return folder

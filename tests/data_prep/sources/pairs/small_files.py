"""Small files of training pairs in several layouts and kinds, and what is read from them."""

import csv
import gzip
import json
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet

from data_prep.builders.row import BadRow, Dropped, Row
from data_prep.sources.pairs import examples, judged
from data_prep.sources.pairs.inputs import Options, splits_of

TEVATRON = [
    {
        "query_id": "7",
        "query": "When did the harbour freeze?",
        "positive_passages": [{"docid": "a", "title": "Harbour", "text": "It froze in 1709."}],
        "negative_passages": [{"docid": "b", "title": "", "text": "Bread is baked."}],
    },
    {
        "query_id": "8",
        "query": "What is baked?",
        "positive_passages": [{"docid": "b", "title": "", "text": "Bread is baked."}],
        "negative_passages": [],
    },
]
FLAGEMBEDDING = [
    {"query": "q1", "pos": ["p1", "p2"], "neg": ["n1", "n2"], "pos_scores": [4, 3.5], "neg_scores": [0.5, -1]},
    {"query": "q2", "pos": ["p3"], "neg": [], "pos_scores": [2], "neg_scores": []},
]
TRIPLETS = [
    {"anchor": "q1", "positive": "p1", "negative": "n1"},
    {"anchor": "q2", "positive": "p2", "negative": "n2"},
]


def write(path: Path, rows: list[dict]) -> Path:
    """Writes rows in the kind of file that the path's name says."""
    path.parent.mkdir(parents=True, exist_ok=True)
    names = list(rows[0]) if rows else []
    lines = "".join(f"{json.dumps(row)}\n" for row in rows)
    if path.name.endswith(".jsonl.gz"):
        path.write_bytes(gzip.compress(lines.encode()))
    elif path.suffix == ".json":
        path.write_text(json.dumps(rows), encoding="utf-8")
    elif path.suffix == ".jsonl":
        path.write_text(lines, encoding="utf-8")
    elif path.suffix == ".tsv":
        table = [names, *(["" if row[name] is None else str(row[name]) for name in names] for row in rows)]
        path.write_text("".join("\t".join(cells) + "\n" for cells in table), encoding="utf-8")
    elif path.suffix == ".csv":
        with path.open("w", encoding="utf-8", newline="") as file:
            made = csv.DictWriter(file, names)
            made.writeheader()
            made.writerows(rows)
    elif path.suffix == ".parquet":
        pyarrow.parquet.write_table(pa.Table.from_pylist(rows), path)
    else:
        table = pa.Table.from_pylist(rows)
        with pa.OSFile(str(path), "wb") as sink, pa.ipc.new_stream(sink, table.schema) as writer:
            writer.write_table(table)
    return path


def write_beir(folder: Path, corpus: list[dict], queries: list[dict], qrels: dict[str, str]) -> Path:
    """Writes a folder in BEIR's layout; qrels: name of a file -> its lines without the header."""
    write(folder / "corpus.jsonl", corpus)
    write(folder / "queries.jsonl", queries)
    (folder / "qrels").mkdir()
    for name, lines in qrels.items():
        (folder / "qrels" / f"{name}.tsv").write_text(f"query-id\tcorpus-id\tscore\n{lines}", encoding="utf-8")
    return folder


def read(
    scratch: Path, *given: Path, split: str = "train", language: str = "en", form: str = "auto", renamed=()
) -> tuple[list[Row], list[str], list[str]]:
    """What is read from files: rows; messages of rows that cannot be used and reasons of what is dropped; notes."""
    found, notes = splits_of(given, Options(form, dict(renamed), language))
    made = []
    scratch.mkdir(exist_ok=True)
    made += examples.rows((one for file in found[split].files for one in file.examples()), scratch)
    for number, folder in enumerate(found[split].judged):
        own = scratch / str(number)
        own.mkdir()
        made += judged.rows(folder, own)
    wrong = [str(one) if isinstance(one, BadRow) else f"{one.count} {one.reason}" for one in made
             if isinstance(one, BadRow | Dropped)]  # fmt: skip
    return [one for one in made if isinstance(one, Row)], wrong, notes

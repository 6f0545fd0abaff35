"""BEIR folders: found by their files, with grades; everything wrong in them is named."""

import gzip
import json

import pytest

from hbt_jax.errors import InputError
from hbt_jax.evaluation.benchmarks.registry import load_benchmark

CORPUS = [{"_id": "d1", "title": "Lima", "text": "is in Peru"}, {"_id": "d2", "title": "", "text": "bread"},
          {"_id": "d3", "text": "", "language": "de"}]  # fmt: skip
QUERIES = [{"_id": "q1", "text": "capital of Peru?"}, {"_id": "q2", "text": "unjudged"}]
QRELS = ["query-id\tcorpus-id\tscore", "q1\td1\t2", "q1\td2\t0"]


def write(folder, corpus=CORPUS, queries=QUERIES, qrels=QRELS):
    (folder / "qrels").mkdir(parents=True)
    (folder / "corpus.jsonl.gz").write_bytes(gzip.compress("".join(f"{json.dumps(r)}\n" for r in corpus).encode()))
    (folder / "queries.jsonl").write_text("".join(f"{json.dumps(row)}\n" for row in queries))
    (folder / "qrels" / "test.tsv").write_text("\n".join(qrels) + "\n")
    return folder


def test_a_folder_is_read(tmp_path):
    folder = write(tmp_path / "mine")
    (folder / "qrels" / "dev.tsv").write_text("q2\td1\t1\n")
    benchmark = load_benchmark(str(folder), "", language="en", candidate_text="sentence")
    assert benchmark.name == "mine"
    assert benchmark.queries.ids == ["q1"] and benchmark.queries.languages == ["en"]
    assert benchmark.candidates.texts == ["Lima is in Peru", "bread", ""]
    assert benchmark.candidates.languages == ["en", "en", "de"]
    assert benchmark.relevant_QG.tolist() == [[0]] and benchmark.judged == [{0: 2, 1: 0}]
    assert benchmark.notes == (
        "judgements of test.tsv",
        "1 queries without a relevant candidate are left out",
        "1 candidates have no text; they are ranked all the same",
    )


@pytest.mark.parametrize(
    ("changes", "language", "message"),
    [
        ({}, "", "queries.jsonl:1: no field 'language': give the language of all texts by --language"),
        ({}, "xx", "queries.jsonl:1: "),
        ({"queries": [{"id": "q1", "text": "x"}]}, "en", "queries.jsonl:1: only id, text: expected the string '_id'"),
        ({"queries": [{"_id": "q1", "text": 3}]}, "en", "queries.jsonl:1: 'text' is 3: expected the string 'text'"),
        ({"queries": [{"_id": "q1", "text": " "}]}, "en", "queries.jsonl:1: the text of 'q1' is empty"),
        *(
            (
                {"corpus": [{**CORPUS[0], "title": wrong}]},
                "en",
                f"corpus.jsonl.gz:1: 'title' is {json.dumps(wrong)}: expected a string, empty or left out",
            )
            for wrong in (None, 0, 7, False, [], {})
        ),
        ({"corpus": [{**CORPUS[0], "text": None}]}, "en", "corpus.jsonl.gz:1: 'text' is null: expected the string"),
        ({"queries": [{**QUERIES[0], "language": None}]}, "en", "queries.jsonl:1: unknown language None"),
        ({"queries": [{**QUERIES[0], "language": ["en"]}]}, "en", "queries.jsonl:1: unknown language"),
        ({"corpus": [*CORPUS, CORPUS[0]]}, "en", "corpus.jsonl.gz:4: duplicate _id 'd1'"),
        ({"qrels": [*QRELS, "q1\td9\t1"]}, "en", "test.tsv:4: unknown corpus-id 'd9'"),
        ({"qrels": [*QRELS, "q9\td1\t1"]}, "en", "test.tsv:4: unknown query-id 'q9'"),
        ({"qrels": [*QRELS, "q1\td1\t1"]}, "en", "test.tsv:4: query 'q1' and candidate 'd1' are judged twice"),
        ({"qrels": [*QRELS, "q1 d1 1"]}, "en", "test.tsv:4: 'q1 d1 1': expected query-id, corpus-id, score, with tabs"),
        ({"qrels": [*QRELS, "q2\td1\tnan"]}, "en", "test.tsv:4: 'q2\\td1\\tnan': expected query-id"),
        ({"qrels": [*QRELS, "q2\td1\t--1"]}, "en", "test.tsv:4: 'q2\\td1\\t--1': expected query-id"),
        ({"qrels": [*QRELS, "q2\td1\t" + "1" * 5000]}, "en", "test.tsv:4: 'q2\\td1\\t1111"),
        ({"qrels": QRELS[::2]}, "en", "mine: no query has a relevant candidate"),
    ],
)
def test_what_is_wrong_is_named(changes, language, message, tmp_path):
    folder = write(tmp_path / "mine", **changes)
    with pytest.raises(InputError) as caught:
        load_benchmark(str(folder), "", language=language)
    assert message in str(caught.value)


def test_without_a_test_split_there_must_be_one(tmp_path):
    folder = write(tmp_path / "mine")
    (folder / "qrels" / "test.tsv").rename(folder / "qrels" / "dev.tsv")
    assert load_benchmark(str(folder), "", language="en").notes[0] == "judgements of dev.tsv"
    (folder / "qrels" / "train.tsv").write_text("q1\td1\t1\n")
    with pytest.raises(InputError, match=r"qrels: dev.tsv, train.tsv: expected test.tsv, or one file"):
        load_benchmark(str(folder), "", language="en")

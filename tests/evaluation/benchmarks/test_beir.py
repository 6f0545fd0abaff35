"""BEIR folders: found by their files, with grades; everything wrong in them is named."""

import gzip
import json

import pytest

from hbt_jax.errors import InputError
from hbt_jax.evaluation.benchmarks.registry import load_benchmark

CORPUS = [{"_id": "d1", "title": "Lima", "text": "is in Peru"}, {"_id": "d2", "title": None, "text": "bread"},
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
    assert benchmark.unanswered == {"q2"}
    assert benchmark.candidates.texts == ["Lima is in Peru", "bread", ""]
    assert benchmark.candidates.languages == ["en", "en", "de"]
    assert benchmark.relevant_QG.tolist() == [[0]] and benchmark.judged == [{0: 2, 1: 0}]
    assert benchmark.notes == (
        "judgements of test.tsv",
        "1 queries without a relevant candidate are left out",
        "1 candidates have no text; they are ranked all the same",
    )


COPIES = [  # the same but for full width, a zero-width space and decomposition; another language; no text at all
    {"_id": "d1", "title": "Caf\u00e9", "text": "Lima"}, {"_id": "d2", "text": "Cafe\u0301  Li\u200bma"},
    {"_id": "d3", "text": "Ｃａｆé Lima"}, {"_id": "d4", "text": "Café Lima", "language": "de"},
    {"_id": "d5", "text": ""}, {"_id": "d6", "text": " "}, {"_id": "d7", "text": "café lima"},
]  # fmt: skip


def test_copies_are_reported_and_judged_as_published(tmp_path):
    queries = [{"_id": "q1", "text": "where?"}, {"_id": "q2", "text": "where? "}, {"_id": "q3", "text": "Where?"}]
    folder = write(tmp_path / "mine", COPIES, queries, ["q1\td2\t1", "q2\td7\t1", "q3\td1\t1"])
    benchmark = load_benchmark(str(folder), "", language="en")
    assert benchmark.relevant_QG.tolist() == [[1], [6], [0]] and benchmark.judged == [{1: 1}, {6: 1}, {0: 1}]
    assert benchmark.counts["copies"] == {"queries": 1, "candidates": 2} and len(benchmark.candidates) == 7
    why = "they are judged by their ids alone, as in published results"
    assert benchmark.notes[1:] == (
        "2 candidates have no text; they are ranked all the same",
        f"1 queries have the same text as another one in their language, such as q2 (a copy of q1): {why}",
        f"2 candidates have the same text as another one in their language, such as d2 (a copy of d1): {why}",
    )


def test_spellings_of_a_language_are_one_language(tmp_path):
    corpus = [{"_id": "d1", "text": "isa", "language": "tl"}, {"_id": "d2", "text": "dalawa", "language": "tgl_Latn"}]
    benchmark = load_benchmark(str(write(tmp_path / "mine", corpus, QUERIES[:1], ["q1\td1\t1"])), "", language="fil")
    assert benchmark.languages == ("fil",)


def test_copies_of_queries_without_an_answer_and_of_no_text_do_not_count(tmp_path):
    queries = [QUERIES[0], {**QUERIES[0], "_id": "q9"}]
    blank = [{"_id": id_, "text": ""} for id_ in ("d1", "d2")]
    benchmark = load_benchmark(str(write(tmp_path / "mine", blank, queries, ["q1\td1\t1"])), "", language="en")
    assert benchmark.counts == {"queries_left_out": 1, "empty_candidates": 2, "copies": {"queries": 0, "candidates": 0}}
    assert not [note for note in benchmark.notes if "text as another" in note]


@pytest.mark.parametrize(
    ("changes", "language", "message"),
    [
        ({}, "", "queries.jsonl:1: no field 'language': give the language of all texts as --language"),
        ({}, "xx", "queries.jsonl:1: "),
        ({"queries": [{"id": "q1", "text": "x"}]}, "en", "queries.jsonl:1: only id, text: expected the string '_id'"),
        ({"queries": [{"_id": "q1", "text": 3}]}, "en", "queries.jsonl:1: 'text' is 3: expected the string 'text'"),
        ({"queries": [{"_id": "q1", "text": " "}]}, "en", "queries.jsonl:1: the text of 'q1' is empty"),
        *(
            (
                {"corpus": [{**CORPUS[0], "title": wrong}]},
                "en",
                f"corpus.jsonl.gz:1: 'title' is {json.dumps(wrong)}: expected a string, or null for no title",
            )
            for wrong in (0, 7, False, [], {})
        ),
        ({"corpus": [{**CORPUS[0], "text": None}]}, "en", "corpus.jsonl.gz:1: 'text' is null: expected the string"),
        ({"queries": [{**QUERIES[0], "language": None}]}, "en", "queries.jsonl:1: 'language' is null: expected a code"),
        ({"queries": [{**QUERIES[0], "language": ["en"]}]}, "en", "queries.jsonl:1: unknown language"),
        ({"corpus": [*CORPUS, CORPUS[0]]}, "en", "corpus.jsonl.gz:4: duplicate _id 'd1'"),
        ({"qrels": [*QRELS, "q1\td9\t1"]}, "en", "test.tsv:4: unknown corpus-id 'd9'"),
        ({"qrels": [*QRELS, "q9\td1\t1"]}, "en", "test.tsv:4: unknown query-id 'q9'"),
        ({"qrels": [*QRELS, "q1\td1\t1"]}, "en", "test.tsv:4: query 'q1' and candidate 'd1' are judged twice"),
        ({"qrels": [*QRELS, "q1 d1 1"]}, "en", "test.tsv:4: 'q1 d1 1': expected query-id, corpus-id, score, separated"),
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

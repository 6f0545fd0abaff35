"""Judgements: what is read, and the text of every error."""

import pytest

from hbt_jax.errors import InputError
from hbt_jax.evaluation.reading.qrels import KnownIds, read_qrels

QUERIES, CANDIDATES = KnownIds({"q1", "q2"}, "queries.jsonl"), KnownIds({"a", "b"}, "candidates.jsonl")


@pytest.fixture
def read(tmp_path):
    def read(text, *known):
        (tmp_path / "qrels.trec").write_text(text, encoding="utf-8")
        return read_qrels(str(tmp_path / "qrels.trec"), "expected judgements", *(known or (QUERIES, CANDIDATES)))

    return read


def test_grades_by_query_in_the_order_of_the_file(read):
    found = read("q2 Q0 b 2\r\n\nq1\t0\ta\t0\nq2  x a -1\n")
    assert found == {"q2": {"b": 2, "a": -1}, "q1": {"a": 0}}
    assert list(found["q2"]) == ["b", "a"]
    assert read("q1 0 elsewhere 1\n", QUERIES) == {"q1": {"elsewhere": 1}}


@pytest.mark.parametrize(
    ("line", "message"),
    [
        ("q1 0 a", "3 fields: expected 4, QUERY_ID 0 CANDIDATE_ID GRADE"),
        ("q1 0 a 1 2", "5 fields: expected 4, QUERY_ID 0 CANDIDATE_ID GRADE"),
        ("q3 0 a 1", "unknown query id 'q3': it is not in queries.jsonl"),
        ("q1 0 c 1", "unknown candidate id 'c': it is not in candidates.jsonl"),
        ("q2 0 b 2", "query 'q2' and candidate 'b' are judged twice: keep one line"),
        *(
            (f"q1 0 a {grade}", f"grade '{grade}': expected a whole number, above 0 if relevant")
            for grade in ("yes", "1.0", "1_0", "--1", "²", "１")
        ),
    ],
)
def test_a_wrong_line_is_named(read, line, message):
    with pytest.raises(InputError, match=rf"qrels\.trec:2: {message}$"):
        read(f"q2 0 b 1\n{line}\n")


def test_a_missing_and_an_empty_file_are_errors(read, tmp_path):
    with pytest.raises(InputError, match=r"nowhere: no such file: expected judgements"):
        read_qrels(str(tmp_path / "nowhere"), "expected judgements", QUERIES)
    with pytest.raises(InputError, match="the file is empty"):
        read("\n \n")

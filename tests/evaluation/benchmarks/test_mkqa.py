"""MKQA in its official layout."""

import json

import pytest

from hbt_jax.errors import InputError
from hbt_jax.evaluation.benchmarks.registry import load_benchmark

ROWS = [
    {"example_id": 1, "queries": {"en": "when?", "zh_hk": "幾時?", "zh_cn": "何时?"},
     "answers": {"en": [{"type": "date", "text": "1990"}], "zh_hk": [{"type": "date", "text": "1990年"}],
                 "zh_cn": [{"type": "date", "text": "1990年"}]}},
    {"example_id": 2, "queries": {"en": "which year?"},
     "answers": {"en": [{"type": "number", "text": "1990"}, {"type": "number", "text": "1991"}]}},
    {"example_id": 3, "queries": {"en": "is it?"}, "answers": {"en": [{"type": "binary", "text": "yes"}]}},
]  # fmt: skip


def read(root, rows):
    (root / "mkqa").mkdir()
    (root / "mkqa" / "mkqa.jsonl").write_text("".join(f"{json.dumps(row)}\n" for row in rows))
    return load_benchmark("mkqa", str(root))


def test_questions_find_their_answers_in_every_language(tmp_path):
    benchmark = read(tmp_path, ROWS)
    assert benchmark.queries.ids == ["1:en", "1:zh_hk", "1:zh_cn", "2:en"]
    assert benchmark.queries.languages == ["en", "zh-Hant", "zh", "en"]
    assert benchmark.candidates.ids == ["en:a0", "zh-Hant:a1", "zh:a2", "en:a3"]
    assert benchmark.relevant_QG.tolist() == [[0, 1, 2]] * 3 + [[0, 3, -1]]
    assert benchmark.notes == (
        "1 of 3 questions have no short answer and are left out",
        "not the published MKQA: 3 of 10,000 questions",
    )


@pytest.mark.parametrize(
    ("row", "message"),
    [
        (
            {**ROWS[0], "example_id": None},
            "mkqa.jsonl:1: field 'example_id' is null: expected an id, a string or a whole",
        ),
        ({**ROWS[0], "example_id": False}, "mkqa.jsonl:1: field 'example_id' is false: expected an id"),
        ({**ROWS[0], "example_id": [1]}, "mkqa.jsonl:1: field 'example_id' is [1]: expected an id"),
        ({**ROWS[0], "example_id": ""}, "mkqa.jsonl:1: example_id '' is empty or holds white space"),
        ({"example_id": 7, "answers": ROWS[0]["answers"]}, "mkqa.jsonl:1: queries is null: expected an object"),
        ({**ROWS[0], "answers": {"en": "1990"}}, "mkqa.jsonl:1: answers in 'en' are \"1990\": expected a list"),
        ({**ROWS[0], "queries": {"qq": "?"}}, "mkqa.jsonl:1: unknown language 'qq'"),
        (ROWS[2], "no question has an answer text"),
    ],
)
def test_what_is_wrong_is_named(row, message, tmp_path):
    with pytest.raises(InputError) as caught:
        read(tmp_path, [row])
    assert message in str(caught.value)

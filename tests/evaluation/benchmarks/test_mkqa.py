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
    assert benchmark.queries.languages == ["en", "zh-HK", "zh", "en"]
    assert benchmark.candidates.ids == ["en:a0", "zh-HK:a1", "zh:a2", "en:a3"]
    assert benchmark.relevant_QG.tolist() == [[0, 1, 2]] * 3 + [[0, 3, -1]]
    assert benchmark.notes == (
        "1 of 3 questions have no short answer and are left out",
        "not the published MKQA: 3 of 10,000 questions",
    )


def test_the_three_kinds_of_chinese_are_languages_of_their_own(tmp_path):
    texts = {"zh_cn": "何时?", "zh_hk": "何時?", "zh_tw": "何時?"}
    row = {"example_id": 1, "queries": texts,
           "answers": {lang: [{"type": "entity", "text": "香港"}] for lang in texts}}  # fmt: skip
    benchmark = read(tmp_path, [row])
    assert benchmark.languages == ("zh", "zh-HK", "zh-Hant")
    assert benchmark.candidates.languages == ["zh", "zh-HK", "zh-Hant"] == benchmark.queries.languages
    assert benchmark.counts["copies"] == {"queries": 0}


def test_equal_queries_of_a_language_are_reported_and_judged_as_published(tmp_path):
    rows = [
        {"example_id": n, "queries": queries, "answers": {"en": [{"type": "entity", "text": f"answer {n}"}]}}
        for n, queries in enumerate(
            (
                {"en": "how high?", "de": "wie hoch?"},
                {"en": "how  hi\u00adgh?"},
                {"en": "How high?", "de": "wie hoch？"},
                {"en": "how high?"},
            )
        )
    ]
    benchmark = read(tmp_path, rows)
    assert benchmark.relevant_QG[:, 0].tolist() == [0, 0, 1, 2, 2, 3] and benchmark.counts["copies"] == {"queries": 3}
    assert benchmark.notes[-1] == (
        "3 queries have the same text as another one in their language, such as 1:en (a copy of 0:en):"
        " they are not merged, and only the answers of a question's own line are relevant to it"
    )


@pytest.mark.parametrize("type_", ["unanswerable", "binary", "long_answer"])
def test_answers_without_a_text_leave_a_question_out(type_, tmp_path):
    without = {"example_id": 9, "queries": {"en": "why?"}, "answers": {"en": [{"type": type_, "text": None}]}}
    assert read(tmp_path, [*ROWS[:2], without]).counts["questions_left_out"] == 1


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
        (
            {**ROWS[0], "queries": {"no": "når?", "nb": "når?"}},
            "queries in 'no' and in 'nb' are both in 'no': keep one",
        ),
        ({**ROWS[0], "answers": {"zh_tw": [], "zh-Hant": []}}, "answers in 'zh_tw' and in 'zh-Hant' are both in 'zh-"),
        *(
            (
                {**ROWS[0], "answers": {"de": [answer]}},
                f"mkqa.jsonl:1: the type of an answer in 'de' is {said}: expected",
            )
            for answer, said in (
                ({"type": None, "text": "x"}, "null"),
                ({"type": None, "text": None}, "null"),
                ({"text": "x"}, "null"),
                ({"type": "year", "text": "x"}, '"year"'),
                ({"type": ["date"], "text": "x"}, '["date"]'),
            )
        ),
        ({**ROWS[0], "answers": {"de": [{"type": "date", "text": None}]}}, "field 'text' is null: expected a string"),
        (ROWS[2], "no question has an answer text"),
    ],
)
def test_what_is_wrong_is_named(row, message, tmp_path):
    with pytest.raises(InputError) as caught:
        read(tmp_path, [row])
    assert message in str(caught.value)

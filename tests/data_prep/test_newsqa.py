"""The source `newsqa`: which answer counts, and what part of the story is the passage."""

import doctest

import pytest

from data_prep import newsqa_rows, sources
from data_prep.newsqa_rows import answer
from hbt_jax.errors import InputError
from tests.data_prep.source_rows import dropped, rows


def test_the_passage_is_the_part_of_the_story_around_the_answer(tmp_path):
    clock, number = rows("newsqa", tmp_path)
    assert clock[0] == {"en": "When was the oldest clock made?"} and clock[2] == []
    assert "made in 1510 by a smith" in clock[1]["en"] and len(clock[1]["en"].split()) <= 100
    assert "It shows 40 clocks." in number[1]["en"] and "\n" not in number[1]["en"]
    assert clock[3] == number[3] == "story ./cnn/stories/aa.story"
    assert dropped("newsqa", tmp_path) == {newsqa_rows.NO_ANSWER: 1}
    assert [row[0] for row in rows("newsqa", tmp_path, "validation")] == [{"en": "What fell?"}]


@pytest.mark.parametrize(("marked", "validated", "expected"), [
    ("1:4|1:4|7:9", "", [(1, 4)]),
    ("7:9|1:4", "", [(7, 9)]),  # as many votes: the first
    ("None|1:4,7:9|None", "", None),
    ("1:4|1:4", '{"none": 2, "1:4": 1}', None),
    ("None|1:4,7:9", '{"1:4,7:9": 2, "none": 1}', [(1, 4), (7, 9)]),
])  # fmt: skip
def test_the_answer_with_the_most_votes_counts(marked, validated, expected):
    assert answer("file:1", marked, validated) == expected


def test_stories_and_ids_are_both_needed(tmp_path):
    (tmp_path / "in").mkdir()
    (tmp_path / "in" / "train_story_ids.csv").write_text("story_id\n./a\n")
    with pytest.raises(InputError, match="in lacks combined-newsqa-data-v1.csv: expected .*github.com/Maluuba/newsqa"):
        sources.builder("newsqa", "pairs", tmp_path / "raw", input_dir=tmp_path / "in")
    (tmp_path / "in" / "combined-newsqa-data-v1.csv").write_text("story_id,question\n")
    with pytest.raises(InputError, match="data-v1.csv:1: no column answer_char_ranges: expected a first line with"):
        sources.builder("newsqa", "pairs", tmp_path / "raw", input_dir=tmp_path / "in")


def test_examples_in_docstrings():
    assert doctest.testmod(newsqa_rows).failed == 0

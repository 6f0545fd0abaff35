"""The source `newsqa`: which answer counts, and what part of the story is the passage."""

import doctest
import re
import shutil

import pytest

from data_prep.builders.row import BadRow
from data_prep.sources import newsqa, registry
from data_prep.sources.newsqa import answer
from hbt_jax.errors import InputError
from tests.data_prep.source_rows import FIXTURES, dropped, rows


def test_the_passage_is_the_part_of_the_story_around_the_answer(tmp_path):
    clock, number = rows("newsqa", tmp_path)
    assert clock[0] == {"en": "When was the oldest clock made?"} and clock[2] == []
    assert "made in 1510 by a smith" in clock[1]["en"] and len(clock[1]["en"].split()) <= 100
    assert "It shows 40 clocks." in number[1]["en"] and "\n" not in number[1]["en"]
    assert clock[3] == number[3] == "story ./cnn/stories/aa.story"
    assert dropped("newsqa", tmp_path) == {newsqa.NO_ANSWER: 1}
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
    with pytest.raises(InputError, match="in holds no file of questions and stories: expected .*github.com/Maluuba/ne"):
        registry.builder("newsqa", "pairs", tmp_path / "raw", input_dir=tmp_path / "in")
    (tmp_path / "in" / "combined-newsqa-data-v1.csv").write_text("story_id,question\n")
    with pytest.raises(InputError, match="data-v1.csv:1: no column answer_char_ranges: expected a first line with"):
        registry.builder("newsqa", "pairs", tmp_path / "raw", input_dir=tmp_path / "in")


def test_the_json_file_gives_the_same_rows(tmp_path):
    made = [rows("newsqa", tmp_path / fixture, split, fixture) for fixture in ("newsqa", "newsqa_json")
            for split in ("train", "validation")]  # fmt: skip
    assert made[:2] == made[2:] and dropped("newsqa", tmp_path / "newsqa_json", fixture="newsqa_json") == {
        newsqa.NO_ANSWER: 1
    }
    folder = shutil.copytree(FIXTURES / "newsqa_json", tmp_path / "in")
    shutil.copy(FIXTURES / "newsqa" / "combined-newsqa-data-v1.csv", folder)
    with pytest.raises(InputError, match="in holds two files of questions and stories: expected combined-newsqa-data"):
        registry.builder("newsqa", "pairs", tmp_path / "raw", input_dir=folder)


@pytest.mark.parametrize(("old", "new", "message"), [
    ('"e": 5', '"e": 55', r"1.json:\d+: questions\[0\]: the answer is at 0:55 of a story of 11 characters: exp"),
    ('"s": 0', '"start": 0', r"1.json:\d+: questions\[0\]: missing field 's': expected a whole number"),
    ('"text": "Trees fell."', '"text": ""', r"1.json:\d+: questions\[0\]: the story is empty: expected a text"),
    ('"questions": [', '"asked": [', r"1.json:\d+: missing field 'questions': expected a list"),
])  # fmt: skip
def test_a_wrong_story_or_question_of_the_json_file_is_named(tmp_path, old, new, message):
    before, last = (FIXTURES / "newsqa_json" / "combined-newsqa-data-v1.json").read_text().rsplit('"storyId"', 1)
    assert old in last
    path = tmp_path / "combined-newsqa-data-v1.json"
    path.write_text(f'{before}"storyId"{last.replace(old, new, 1)}')
    [bad] = newsqa.rows(path, FIXTURES / "newsqa_json" / "dev_story_ids.csv")
    assert isinstance(bad, BadRow) and re.search(message, str(bad))


def test_examples_in_docstrings():
    assert doctest.testmod(newsqa).failed == 0

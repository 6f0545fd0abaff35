"""The source `yahoo`, in its two forms."""

import shutil

import pytest

from data_prep.sources import registry, yahoo
from hbt_jax.errors import InputError
from tests.data_prep.source_rows import FIXTURES, dropped, rows


def test_the_best_answer_is_the_passage(tmp_path):
    tomatoes, cat = rows("yahoo", tmp_path)
    assert tomatoes[:3] == ({"en": "Why do my tomatoes split?"}, {"en": "Too much water at once."}, [])
    assert cat[1] == {"en": "You don't."} and cat[3] != tomatoes[3]
    assert dropped("yahoo", tmp_path) == {yahoo.OTHERS: 2, yahoo.EMPTY: 1}


def test_titles_and_answers_a_line_share_a_group_where_the_question_is_the_same(tmp_path):
    first, second = rows("yahoo", tmp_path, fixture="yahoo_titles")
    assert first[:2] == ({"en": "why is the sky blue?"}, {"en": "Air scatters blue light most."})
    assert second[0] == first[0] and second[3] == first[3] and second[1] == {"en": "Because of scattering."}
    assert dropped("yahoo", tmp_path, fixture="yahoo_titles") == {yahoo.EMPTY: 1}


def test_both_forms_at_once_are_refused(tmp_path):
    folder = shutil.copytree(FIXTURES / "yahoo", tmp_path / "in")
    shutil.copy(FIXTURES / "yahoo_titles" / "yahoo_answers_title_answer.jsonl", folder)
    with pytest.raises(
        InputError, match="holds two files with the same questions: expected nfL6.json .* or yahoo_answ"
    ):
        registry.builder("yahoo", "pairs", tmp_path / "raw", input_dir=folder)

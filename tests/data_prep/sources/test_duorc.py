"""The source `duorc`, and the part of a long text around an answer."""

import doctest

import pytest

from data_prep.sources import answer_window, duorc
from data_prep.sources.answer_window import best_window, sentences, window
from tests.data_prep.source_rows import dropped, rows


def test_the_passage_is_the_part_of_the_plot_around_the_answer(tmp_path):
    salt, start, paraphrased = rows("duorc", tmp_path)
    assert salt[0] == {"en": "Who buys the salt from the captain in Lisbon?"}
    assert "In Lisbon the captain sells the salt to a widow." in salt[1]["en"] and "Bergen" not in salt[1]["en"]
    assert 90 <= len(salt[1]["en"].split()) <= 100
    assert start[1]["en"].startswith("The captain leaves Bergen at dawn.")  # the first answer is not in the plot
    assert paraphrased[1] == {"en": "A man trades salt for fruit in Portugal."}
    assert {group for *_, group in (salt, start, paraphrased)} == {"film /m/1"}
    assert dropped("duorc", tmp_path) == {duorc.NO_ANSWER: 1, duorc.NOT_THERE: 1}
    assert [query for query, *_ in rows("duorc", tmp_path, "validation")] == [{"en": "What does Ada build?"}]


def test_the_place_that_shares_most_words_with_the_question_is_taken():
    text = "Ann waves. " + "Nothing happens. " * 60 + "Later the thief robs Ann at night. " + "Rain falls. " * 60
    assert "thief" in best_window(text, "Whom does the thief rob at night?", "ann")
    assert best_window(text, "Who smiles?", "Ann").startswith("Ann waves.")
    assert best_window(text, "Who?", "An") is None


def test_sentences_end_with_their_stop_or_line_and_a_long_one_stays_whole():
    text = 'He said "Go!" She went.\n\nHome (at last). 3.5 miles'
    assert [text[slice(*place)].strip() for place in sentences(text)] == [
        'He said "Go!"', "She went.", "Home (at last).", "3.5 miles",
    ]  # fmt: skip
    long = "word " * 150 + "end."
    assert window(long, sentences(long), 10, 14) == " ".join(long.split())


@pytest.mark.parametrize("words", [1, 3, 6, 100])
def test_a_window_holds_neighbours_as_long_as_they_fit(words):
    text = "a b. c d e. f. g h i j. k."
    found = window(text, sentences(text), 13, 14, words)
    assert "f." in found and found in text
    assert len(found.split()) <= max(words, 1)
    assert found == {1: "f.", 3: "f.", 6: "f. g h i j. k.", 100: text}[words]


def test_examples_in_docstrings():
    assert doctest.testmod(answer_window).failed == 0

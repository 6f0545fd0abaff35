"""Texts come apart into sentences and together again without a loss."""

import sys

import hypothesis
import hypothesis.strategies as st
import pytest

from data_prep.translation.sentences import joined, splitter, worth_translating
from hbt_jax.errors import InputError

pytest.importorskip("sentencex")

TEXT = " Dr. Smith went to Lima.  It rained!\n\nThen, on 5 May, he left. 1990. "
PARTS = [("Dr. Smith went to Lima.", "  "), ("It rained!", "\n\n"), ("Then, on 5 May, he left.", " "), ("1990.", "")]


def test_a_text_is_its_sentences_and_the_spaces_after_them():
    assert splitter("en")(TEXT) == PARTS
    assert splitter("en")("  ") == []


@hypothesis.settings(max_examples=200, deadline=None, derandomize=True)
@hypothesis.given(st.text(alphabet="aB.?! \n\t\"'(1。？é\u2028\u00a0", max_size=40))
def test_nothing_is_lost(text):
    parts = splitter("en")(text)
    assert "".join(sentence + space for sentence, space in parts) == text.strip()
    assert all(sentence.strip() == sentence and sentence and not space.strip() for sentence, space in parts)


def test_sentences_are_put_together_as_the_language_writes_them():
    made = {sentence: f"<{index}>" for index, (sentence, _) in enumerate(PARTS) if worth_translating(sentence)}
    assert len(made) == 3
    assert joined(PARTS, made, "de") == "<0>  <1>\n\n<2> 1990."
    assert joined(PARTS, made, "zh") == "<0><1>\n\n<2>1990."


def test_a_sentence_that_failed_fails_its_text():
    made = {sentence: "x" for sentence, _ in PARTS}
    assert joined(PARTS, made | {"It rained!": None}, "de") is None
    assert joined(PARTS, made | {"It rained!": ""}, "de") == ""


def test_the_missing_extra_is_named(monkeypatch):
    monkeypatch.setitem(sys.modules, "sentencex", None)
    with pytest.raises(InputError, match=r"sentencex cannot be imported .*: pip install -e '\.\[translate\]'"):
        splitter("en")

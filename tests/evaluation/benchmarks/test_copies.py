"""Which texts are one text and which items are one item, and what published benchmarks report of it."""

import doctest
import unicodedata

import numpy as np
import pytest

from hbt_jax.evaluation.benchmarks import copies, judged_alike
from hbt_jax.evaluation.benchmarks.benchmark import BenchmarkTexts
from hbt_jax.evaluation.benchmarks.copies import (
    MOST_COPIES,
    copies_as_published,
    first_of_each,
    joined_items,
    not_joined_note,
    same_of,
)

TEXT = "São Tomé é ilha"
VARIANTS = (
    unicodedata.normalize("NFD", TEXT),
    f"{TEXT} ",
    f"\u3000{TEXT}\n",
    TEXT.replace(" ", "  "),
    TEXT.replace(" ", "\u00a0"),
    TEXT.replace("o", "o\u200b"),
    f"\ufeff{TEXT}\u200e",
    TEXT.replace("ilha", "ｉｌｈａ"),
    TEXT.replace("To", "To\u00ad"),
)


@pytest.mark.parametrize("module", [copies, judged_alike])
def test_examples_of_the_docstrings(module):
    found = doctest.testmod(module)
    assert found.attempted and not found.failed


def texts(*rows):
    """Of (item, language, text), with ids ITEM:LANGUAGE:N."""
    items, codes, written = zip(*rows, strict=True)
    return BenchmarkTexts([f"{item}:{code}:{n}" for n, (item, code, _) in enumerate(rows)], items, codes, written)


def test_every_variant_is_the_first_text():
    written = [TEXT, *VARIANTS]
    assert first_of_each(["pt"] * len(written), written).tolist() == [0] * len(written)


@pytest.mark.parametrize("other", ["São Tomé é Ilha", "Sao Tome e ilha", "São Tomé é ilha.", "SãoTomé é ilha"])
def test_another_text_is_another(other):
    assert first_of_each(["pt", "pt"], [TEXT, other]).tolist() == [0, 1]


def test_texts_of_two_languages_are_two():
    assert first_of_each(["en", "de", "en"], ["Lima", "Lima", "Lima"]).tolist() == [0, 1, 0]


def class_sets(same):
    """The classes as sets of indexes."""
    return sorted(np.flatnonzero(same.class_N == number).tolist() for number in set(same.class_N.tolist()))


def test_items_are_joined_over_others_by_texts_in_any_language():
    side = texts(
        ("a", "en", "one"), ("a", "de", "eins"),
        ("b", "de", "eins "), ("b", "fr", "un"),
        ("c", "fr", "u\u200bn"), ("c", "es", "uno"),
        ("d", "en", "two"), ("e", "de", "one"),
    )  # fmt: skip
    assert class_sets(same_of(side)) == [[0, 1, 2, 3, 4, 5], [6], [7]]
    assert joined_items(side.items, same_of(side)) == ["a"] * 6 + ["d", "e"]


def test_an_item_with_several_texts_of_a_language_is_no_translation():
    """As ids such as "wiki:7" make, whose item is "wiki"."""
    side = texts(("wiki", "en", "one"), ("wiki", "en", "two"), ("a", "en", "two "), ("a", "de", "zwei"))
    assert class_sets(same_of(side)) == [[0], [1, 2, 3]]
    assert joined_items(side.items, same_of(side)) == ["wiki"] * 4
    twice = texts(("a", "en", "one"), ("a", "en", "one "), ("a", "de", "eins"))
    assert class_sets(same_of(twice)) == [[0, 1, 2]]


@pytest.mark.parametrize("items", [2, 3, 30])
def test_items_with_other_texts_of_another_language_are_not_one(items):
    """As where two English sentences are one in Arabic, or where "-" stands for a translation."""
    rows = [(f"{n}", code, text) for n in range(items) for code, text in (("en", f"{n}"), ("de", "-"))]
    side = texts(*rows)
    same = same_of(side)
    assert len(class_sets(same)) == items and joined_items(side.items, same) == list(side.items)
    assert same.first_N[1::2].tolist() == [1] * items  # it is one text all the same
    assert list(not_joined_note("candidates", side, same)) == [
        "1 groups of candidates share a text, such as that of 0:de:1, but do not count as one item, because they"
        " have different texts in another language, or more than 256 copies of it; they are judged as the files say"
    ]


def test_a_chain_with_two_texts_of_a_language_is_not_one_item():
    side = texts(("a", "en", "one"), ("a", "de", "eins"), ("b", "de", "eins"), ("b", "fr", "un"), ("c", "fr", "un"),
                 ("c", "en", "a one"))  # fmt: skip
    assert class_sets(same_of(side)) == [[0, 1], [2, 3], [4, 5]]


def test_a_text_that_is_everywhere_joins_nothing():
    rows = [(f"{n}", "en", "same") for n in range(MOST_COPIES + 1)]
    assert len(class_sets(same_of(texts(*rows)))) == MOST_COPIES + 1
    assert len(class_sets(same_of(texts(*rows[1:])))) == 1


def test_published_benchmarks_report_texts_of_other_items():
    side = texts(
        ("a", "en", "one"), ("a", "en", "one "), ("b", "en", "one"), ("b", "en", " one"), ("c", "en", "ｏne"),
        ("d", "de", "one"),
    )  # fmt: skip
    counts, notes = copies_as_published({"captions": side}, "they stay apart")
    assert counts == {"captions": 2}
    assert notes == (
        "2 captions have the same text as another one in their language, such as b:en:2 (a copy of a:en:0): they stay"
        " apart",
    )
    assert copies_as_published({"queries": side}, "why", languages=list("abcdef")) == ({"queries": 0}, ())

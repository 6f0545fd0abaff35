"""Texts that are one text, however they were typed."""

import doctest
import unicodedata

import pytest

from hbt_jax import text_identity
from hbt_jax.text_identity import JUDGED, SOURCE, Folding, identity_keys, identity_text, is_blank


def test_examples_of_the_docstrings():
    assert doctest.testmod(text_identity).failed == 0


@pytest.mark.parametrize(
    "other",
    [
        unicodedata.normalize("NFD", "São Tomé é ilha"),
        "São Tomé é ilha ",
        "\u3000São  Tomé\u00a0é\tilha\n",
        "São To\u200bmé é il\u00adha",
        "\ufeffSão Tomé é\u2060 ilha\u200e",
        "São Tomé\x00 é ilha",
    ],
)
def test_one_text_however_it_is_typed(other):
    assert identity_text(other) == identity_text("São Tomé é ilha") == "São Tomé é ilha"
    assert identity_keys([other]) == identity_keys(["São Tomé é ilha"])


@pytest.mark.parametrize("other", ["SÃO TOMÉ", "Sao Tome", "São-Tomé", "SãoTomé", "Ｓão Tomé"])
def test_what_a_tokenizer_may_tell_apart_is_another_text(other):
    assert identity_text(other, SOURCE) != identity_text("São Tomé", SOURCE)


@pytest.mark.parametrize(
    ("text", "other", "folding"),
    [
        ("ＡＢＣ ﬁ ²", "ABC fi 2", JUDGED),
        ("ｶﾞｲﾄﾞ", "ガイド", JUDGED),
        ("STRASSE", "straße", Folding(case=True)),
        ("résumé", "resume", Folding(accents=True)),
        ("РОССИЯ", "россия", Folding(case=True)),
        ("Ϊ\u0301", "ΐ", Folding(case=True)),
        ("J\u030c", "ǰ", Folding(case=True)),
        ("ᾼ", "ᾳ", Folding(case=True)),
    ],
)
def test_foldings(text, other, folding):
    assert identity_text(text, folding) == identity_text(other, folding)
    assert identity_text(text) != identity_text(other)


def test_a_text_of_invisible_signs_is_empty():
    for text in ("\u200b \ufeff\u00ad\ufff0\U0001d173\U000e0041", "", "\x00\x1f\t\u3000\x85"):
        assert identity_text(text) == "" and is_blank(text)
    for text in (".", "\u200b\u0301", "\u00a8", "\ud800", "\u200b\n字"):
        assert identity_text(text) and not is_blank(text)

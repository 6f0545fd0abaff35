"""Tokens count as one where they differ in case, spaces and punctuation only, and nowhere else."""

import doctest
import itertools

import numpy as np
import pytest

from data_prep import comparable as module
from data_prep.comparable import NOTHING, comparable, comparable_pieces
from hbt_jax.errors import InputError
from hbt_jax.models.tokenizer import load_tokenizer
from tests.models import make_tokenizers


class Pieces:
    """A tokenizer of a few pieces, each read as itself."""

    path, unk_id = "pieces", 0

    def __init__(self, *pieces):
        self.pieces = ("<unk>", *pieces)
        self.vocab_size = len(self.pieces)

    def decode(self, tokens, offsets):
        return ["".join(self.pieces[token] for token in tokens[a:b]) for a, b in itertools.pairwise(offsets)]


def test_case_spaces_punctuation_and_compatibility_forms_do_not_count():
    pieces = ("the", " The", "THE,", "ﬁne", "fine", "?", " ", "\u200c", "。", "Straße", "strasse")
    assert comparable_pieces(Pieces(*pieces)).tolist() == [0, 1, 1, 1, 4, 4, *[NOTHING] * 4, 10, 10]


def test_marks_symbols_digits_and_parts_of_letters_count():
    pieces = ("क", "कि", "C", "C+", "1", "2", "$", "\ufffd", "\ufffd")
    assert comparable_pieces(Pieces(*pieces)).tolist() == list(range(10))


def test_a_tokenizer_that_cannot_be_read_is_refused():
    with pytest.raises(InputError, match="tokenizer pieces: none of its 3 pieces can be read as text, so a store of"):
        comparable_pieces(Pieces("", "\u200b"))


@pytest.mark.parametrize("make", [make_tokenizers.xlm_r, make_tokenizers.bert])
def test_texts_of_real_layouts_are_the_same_without_their_punctuation(tmp_path, make):
    tokenizer = load_tokenizer(make(tmp_path))
    counts_as = comparable_pieces(tokenizer)
    text = make_tokenizers.texts_of("en")[0]
    plain, changed = (comparable(counts_as, *tokenizer.encode([of])) for of in (text, f" {text} ."))
    assert len(plain[0]) > 0
    for one, other in zip(plain, changed, strict=True):
        np.testing.assert_array_equal(one, other)
    assert counts_as[tokenizer.unk_id] == tokenizer.unk_id


def test_examples_in_docstrings():
    assert doctest.testmod(module, extraglobs={"np": np}).failed == 0

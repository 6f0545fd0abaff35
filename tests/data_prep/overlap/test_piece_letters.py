"""The letters of token ids are those of the text that they decode to, whatever the tokenizer makes of it."""

import functools
import itertools
import tempfile
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from data_prep.overlap.comparable import UNKNOWN, fold, letters_of_folded
from data_prep.overlap.piece_letters import PieceLetters
from hbt_jax.errors import InputError
from hbt_jax.languages import XM3600
from hbt_jax.models.tokenizer import load_tokenizer
from tests.data_prep.kinds_of_tokenizers import KINDS
from tests.models.huggingface.make_tokenizers import AWKWARD, texts_of


@functools.cache
def read(kind):
    with tempfile.TemporaryDirectory() as folder:
        tokenizer = load_tokenizer(KINDS[kind](Path(folder) / "made"), threads=1)
    return tokenizer, PieceLetters(tokenizer)


def decoded(tokenizer, tokens):
    """The letters of one text: all of it decoded at once, between unknown tokens."""
    runs = [list(run) for unknown, run in itertools.groupby(tokens.tolist(), lambda id_: id_ == tokenizer.unk_id)]
    texts = [
        UNKNOWN * len(run)
        if run[0] == tokenizer.unk_id
        else tokenizer.decode(np.array(run, np.int32), np.array([0, len(run)]))[0]
        for run in runs
    ]
    return fold("".join(texts))


def check(kind, texts):
    tokenizer, pieces = read(kind)
    tokens, offsets = tokenizer.encode(texts)
    check_tokens(tokenizer, pieces, tokens, offsets)


def check_tokens(tokenizer, pieces, tokens, offsets):
    found = pieces.letters(tokens, offsets)
    wanted = letters_of_folded([decoded(tokenizer, tokens[a:b]) for a, b in itertools.pairwise(offsets)])
    for name in ("values", "offsets", "holes", "hole_rows"):
        np.testing.assert_array_equal(getattr(found, name), getattr(wanted, name), err_msg=name)


@pytest.mark.parametrize("kind", KINDS)
def test_texts_of_every_language_and_awkward_ones(kind):
    for code in XM3600:
        check(kind, [f"{one}, {other}" for one, other in itertools.pairwise(texts_of(code)[::5])])
    check(kind, AWKWARD)
    check(kind, [])


SIGNS = st.sampled_from(sorted({sign for code in XM3600 for text in texts_of(code) for sign in text}))
MARKS = st.sampled_from(
    "\u0e38\u0e48\u0e3a\u0e4d\u0e32\u0e33\u0e34\u0e4c\u0eb8\u0ec8\u0ecd\u0eb2\u0eb3\u0ebc\u093c\u094d\u09bc\u09cd\u3099\u309a\u0301\u0323\u0345\u064e\u0651\u1039\u1037\u17d2\u0f71\u0f72"
)
ODD = st.sampled_from(" \u200b\u200d\u00ad.,!?#▁Ġ\ufffdİıſßẞσςΣ①ﬁﷺ㍿ｶﾞ가각ᄀ\u1161\u11a8東😀𝔘\n")


@pytest.mark.parametrize("kind", KINDS)
@settings(deadline=None, max_examples=60)
@given(texts=st.lists(st.text(st.one_of(SIGNS, SIGNS, MARKS, ODD), max_size=30), min_size=1, max_size=6))
def test_texts_of_any_signs(kind, texts):
    check(kind, texts)


@pytest.mark.parametrize("kind", KINDS)
@settings(deadline=None, max_examples=60)
@given(seed=st.integers(0, 2**32))
def test_tokens_in_any_order(kind, seed):
    """No text has these tokens, but they hold any piece beside any other."""
    tokenizer, pieces = read(kind)
    rng = np.random.default_rng(seed)
    offsets = np.concatenate([[0], np.cumsum(rng.integers(0, 20, 8))])
    check_tokens(tokenizer, pieces, rng.integers(0, tokenizer.vocab_size, offsets[-1]).astype(np.int32), offsets)


def test_a_text_of_a_tokenizer_that_knows_all_signs_has_its_own_letters():
    texts = [text for code in XM3600 for text in texts_of(code)[::9]]
    for kind in ("byte-level BPE", "SentencePiece with bytes"):
        tokenizer, pieces = read(kind)
        found, wanted = pieces.letters(*tokenizer.encode(texts)), letters_of_folded([fold(text) for text in texts])
        assert not len(found.holes), kind
        np.testing.assert_array_equal(found.offsets, wanted.offsets)
        np.testing.assert_array_equal(found.values, wanted.values)


def test_the_kinds_have_what_is_tested():
    for kind in ("byte-level BPE", "SentencePiece with bytes"):
        assert read(kind)[1]._has_parts
    tokenizer, pieces = read("SentencePiece with few signs")
    assert len(pieces.letters(*tokenizer.encode(["東京 abc 𝔘 😀", "a"])).holes)


class Pieces:
    """A tokenizer of a few pieces, each read as itself."""

    path, unk_id = "pieces", 0

    def __init__(self, *pieces):
        self.pieces = ("<unk>", *pieces)
        self.vocab_size = len(self.pieces)

    def decode(self, tokens, offsets):
        return ["".join(self.pieces[token] for token in tokens[a:b]) for a, b in itertools.pairwise(offsets)]


@pytest.mark.parametrize(("pieces", "folded"), [
    (("the", " The", ",", "?"), "thethe"), (("ก", "\u0e48", "\u0e38"), "ก\u0e38\u0e48"),
    (("ก", "\u0e48", "\u200b", "\u0e38"), "ก\u0e38\u0e48"), (("か", "\u3099"), "かか\u3099"), (("?", "!"), "?!"),
    (("ab", "\ufffd", "c"), "ab\ufffdc"), (("\u0e48", "\u0e38"), "\u0e38\u0e48"), (("I", "\u0307", "ı"), "ii"),
    (("น", "\u0e4d", "\u0e49", "\u0e32"), "น\u0e49\u0e4d\u0e32"), (("น้", "\u0e33"), "น\u0e49\u0e4d\u0e32"),
    (("นำ", "\u0e49"), "น\u0e49\u0e4d\u0e32"), (("ນໍ", "\u0ec9າ"), "ນ\u0ec9\u0ecd\u0eb2"), (("เ", "เม"), "เเม"),
])  # fmt: skip
def test_what_pieces_are_together(pieces, folded):
    found = PieceLetters(Pieces(*pieces, "a")).letters(np.arange(1, len(pieces) + 1), np.array([0, len(pieces)]))
    wanted = letters_of_folded([folded])
    assert found.values.tolist() == wanted.values.tolist() and found.holes.tolist() == wanted.holes.tolist()


def test_an_unknown_token_is_a_hole():
    letters = PieceLetters(Pieces("a", "?")).letters(np.array([1, 0, 1, 0, 2, 0, 2]), np.array([0, 3, 5, 6, 7]))
    assert letters.offsets.tolist() == [0, 2, 2, 2, 3]
    assert letters.holes.tolist() == [1, 2, 2] and letters.hole_rows.tolist() == [0, 1, 2]


def test_a_tokenizer_that_cannot_be_read_is_refused():
    with pytest.raises(InputError, match="tokenizer pieces: none of its 3 pieces can be read as text, so a store of"):
        PieceLetters(Pieces("", "\u200b"))

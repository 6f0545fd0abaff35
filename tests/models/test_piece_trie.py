"""Every piece is found at every place of every word, and nothing else."""

import numpy as np
import pytest

from hbt_jax.models.piece_trie import PieceTrie


def found(trie, words):
    """(word, start in it, id) of each piece found."""
    sizes = np.array([len(word) for word in words])
    word_T = np.repeat(np.arange(len(words)), sizes)
    within_T = np.concatenate([np.arange(size) for size in sizes])
    place, size, id_ = trie.find(trie.letters(words), sizes[word_T] - within_T)
    assert (place.dtype, size.dtype, id_.dtype) == (np.int64, np.int64, np.int32)
    assert (np.diff(size) >= 0).all()
    entries = zip(word_T[place].tolist(), within_T[place].tolist(), size.tolist(), id_.tolist(), strict=True)
    return {(words[word][start : start + size], word, start, id_) for word, start, size, id_ in entries}


def by_search(pieces, words):
    return {
        (piece, number, start, id_)
        for id_, piece in enumerate(pieces)
        for number, word in enumerate(words)
        for start in range(len(word))
        if word.startswith(piece, start)
    }


def test_a_small_example():
    assert found(PieceTrie(["a", "ab", "bc", "\U0001f600"]), ["abc", "x\U0001f600ab"]) == {
        ("a", 0, 0, 0), ("ab", 0, 0, 1), ("bc", 0, 1, 2), ("\U0001f600", 1, 1, 3), ("a", 1, 2, 0), ("ab", 1, 2, 1),
    }  # fmt: skip


@pytest.mark.parametrize("seed", range(5))
def test_what_a_search_for_each_piece_finds(seed):
    draw = np.random.default_rng(seed)
    letters = list("ab\u0301\u4e2d\U0001f600" if seed % 2 else "ab")
    pieces = list({"".join(draw.choice(letters, size=size)) for size in draw.integers(1, 7, 150)})
    words = ["".join(draw.choice([*letters, "x"], size=size)) for size in draw.integers(1, 12, 60)]
    assert found(PieceTrie(pieces), words) == by_search(pieces, words) != set()


def test_a_piece_does_not_go_over_a_words_end():
    assert found(PieceTrie(["ab", "b"]), ["a", "b"]) == {("b", 1, 0, 1)}


def test_pieces_of_which_none_is_a_letter():
    assert found(PieceTrie(["abc"]), ["abab", "xabcd"]) == {("abc", 1, 1, 0)}
    assert found(PieceTrie(["abc"]), ["x"]) == set()


@pytest.mark.parametrize("pieces", [["a", "b", "a"], ["a", ""], []])
def test_pieces_that_are_empty_or_twice(pieces):
    with pytest.raises(ValueError, match="a piece is empty or occurs twice"):
        PieceTrie(pieces)


def test_half_of_a_pair_of_surrogates():
    with pytest.raises(UnicodeError):
        PieceTrie(["a"]).letters(["a\ud800"])

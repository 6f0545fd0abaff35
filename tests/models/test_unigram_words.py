"""Words that UnigramWords is sure of get the tokens that the library tokenizers gives them."""

import json

import numpy as np
import pytest

from hbt_jax.languages import XM3600
from hbt_jax.models import word_cache
from hbt_jax.models.tokenizer import load_tokenizer
from hbt_jax.models.tokenizer_folder import read_folder
from hbt_jax.models.unigram_words import UnigramWords, read_unigram_words
from hbt_jax.models.word_cache import WordCache
from tests.models import make_tokenizers
from tests.models.make_tokenizers import AWKWARD, texts_of

SPECIAL = ("<s>", "<unk>")
PIECES = [("<s>", 0.0), ("<unk>", 0.0), ("\u2581", -1.0), ("a", -5.0), ("b", -5.0), ("c", -5.0)]


def lists_of(words, found):
    """The ids of each word, None where they are not sure."""
    tokens, count_M, sure_M = found
    assert tokens.dtype == np.int32 and count_M.dtype == np.int64 and sure_M.dtype == bool
    assert len(count_M) == len(sure_M) == len(words) and len(tokens) == count_M.sum() and not count_M[~sure_M].any()
    parts = np.split(tokens, np.cumsum(count_M))[:-1]
    return [part.tolist() if sure else None for part, sure in zip(parts, sure_M, strict=True)]


def made(*pieces, normalize=str):
    return UnigramWords([*PIECES, *pieces], 1, SPECIAL, normalize, 1)


@pytest.fixture(scope="module")
def read(tmp_path_factory):
    return read_folder(make_tokenizers.xlm_r(tmp_path_factory.mktemp("tokenizer")))


def test_sure_words_of_all_languages_are_those_of_tokenizers_and_most_are_sure(read):
    words = " ".join(text for code in XM3600 for text in texts_of(code)).split()
    words = [*words, *" ".join(AWKWARD).split(" ")]
    leans = WordCache(None, read.words)._leans
    words = [word for word in dict.fromkeys(words) if word and not leans(word)]
    unigram = read_unigram_words(
        read.contents["tokenizer.json"], read.words.special, read.backend.normalizer.normalize_str, 1
    )
    found = lists_of(words, unigram.encode(words))
    theirs = [encoding.ids for encoding in read.backend.encode_batch_fast(words, add_special_tokens=False)]
    assert [one for one in found if one is not None] == [
        other for one, other in zip(found, theirs, strict=True) if one is not None
    ]
    assert len(words) > 10_000 and sum(one is not None for one in found) > 0.8 * len(words)


@pytest.mark.parametrize(("pieces", "word", "sure"), [
    ([("ab", -6.0), ("bc", -7.0)], "abc", True),
    ([("ab", -6.0), ("bc", -6.0)], "abc", False),  # ab c, a bc
    ([("ab", -6.0), ("bc", -6.0 - 1e-9)], "abc", False),
    ([("ab", -6.0), ("bc", -7.0)], "abcabc", True),
    ([("aa", -5.0)], "aa", True),
    ([("aa", -5.0)], "aaa", False),  # a aa, aa a
    ([("aa", -5.0)], "abaac", False),  # has but one best way: a and aa begin and end alike, which is all that is seen
    ([("ab", -5.0), ("aba", -5.0)], "abaab", True),  # they do not end alike
    ([("ab", -5.0), ("abab", -5.0)], "ababab", False),  # ab abab, abab ab
])  # fmt: skip
def test_words_with_several_best_ways_are_not_sure(pieces, word, sure):
    unigram = made(*pieces)
    assert (lists_of([word], unigram.encode([word]))[0] is not None) == sure
    # whatever stands beside it
    assert [one is not None for one in lists_of(["b", word, "c"], unigram.encode(["b", word, "c"]))] == [
        True,
        sure,
        True,
    ]


def test_the_sure_ways_are_the_best():
    unigram = made(("ab", -6.0), ("bc", -7.0), ("\u2581c", -2.0))
    names = [name for name, _ in PIECES] + ["ab", "bc", "\u2581c"]
    words = ["abc", "cab", "bca"]
    found = [[names[id_] for id_ in ids] for ids in lists_of(words, unigram.encode(words))]
    assert found == [["\u2581", "ab", "c"], ["\u2581c", "ab"], ["\u2581", "bc", "a"]]


@pytest.mark.parametrize("becomes", ["", "a b", "a\u00a0b", "a\u2581b", "\u2581a", "a<s>", "<unk>", "x", "abxc", "\0"])
def test_words_that_sentencepiece_reads_otherwise_are_not_sure(becomes):
    unigram = made(normalize=lambda word: becomes if word == "odd" else word)
    words = ["ab", "odd", "cb", "a"]
    assert [ids is not None for ids in lists_of(words, unigram.encode(words))] == [True, False, True, True]
    assert lists_of(["odd"], unigram.encode(["odd"])) == [None]
    assert lists_of([], unigram.encode([])) == []


@pytest.mark.parametrize("change", [
    lambda pieces: pieces.append(("b\u2581c", -3.0)),
    lambda pieces: pieces.append(("a", -3.0)),
    lambda pieces: pieces.append(("", -3.0)),
    lambda pieces: pieces.append(("a\0", -3.0)),
    lambda pieces: pieces.remove(("\u2581", -1.0)),
    lambda pieces: pieces.__setitem__(1, ("unknown", 0.0)),
])  # fmt: skip
def test_vocabularies_for_which_the_libraries_may_differ(change):
    pieces = list(PIECES)
    change(pieces)
    with pytest.raises(ValueError, match="pieces that sentencepiece may cut otherwise"):
        UnigramWords(pieces, 1, SPECIAL, str, 1)
    definition = json.dumps({"model": {"vocab": pieces, "unk_id": 1}}).encode()
    assert read_unigram_words(definition, SPECIAL, str, 1) is None


def test_many_new_words_are_cut_by_it(tmp_path, monkeypatch):
    monkeypatch.setattr(word_cache, "_MANY", 40)
    tokenizer = load_tokenizer(make_tokenizers.xlm_r(tmp_path))
    backend = read_folder(tmp_path).backend
    asked = []
    encode = UnigramWords.encode
    monkeypatch.setattr(UnigramWords, "encode", lambda self, words: asked.extend(words) or encode(self, words))
    texts = [text for code in XM3600 for text in texts_of(code)[:20]]
    theirs = [encoding.ids for encoding in backend.encode_batch_fast(texts, add_special_tokens=False)]
    for _ in range(2):
        for start in range(0, len(texts), 30):
            tokens, offsets = tokenizer.encode(texts[start : start + 30])
            assert [ids.tolist() for ids in np.split(tokens, offsets[1:-1])] == theirs[start : start + 30]
    assert len(asked) > 400 and len(set(asked)) == len(asked)
    assert len(asked) < len({word for text in texts for word in text.split(" ")}) - 20  # the first went to tokenizers

"""Words that UnigramWords is sure of get the tokens that the library tokenizers gives them."""

import json

import numpy as np
import pytest
import tokenizers

from hbt_jax.errors import InputError
from hbt_jax.languages import XM3600
from hbt_jax.models import word_cache
from hbt_jax.models.tokenizer import load_tokenizer
from hbt_jax.models.tokenizer_folder import read_folder
from hbt_jax.models.unigram_words import UnigramWords, read_unigram_words
from hbt_jax.models.word_cache import WordCache
from tests.models import make_tokenizers
from tests.models.make_tokenizers import AWKWARD, texts_of

SPECIAL = ("<s>", "<unk>")
LETTERS = ("a", "b", "c", "<", ">", "s", "u", "n", "k", " ", "\u00a0")
PIECES = [("<s>", 0.0), ("<unk>", 0.0), ("\u2581", -1.0), *((letter, -5.0) for letter in LETTERS)]


def lists_of(words, found):
    """The ids of each word, None where they are not sure."""
    tokens, count_M, sure_M = found
    assert tokens.dtype == np.int32 and count_M.dtype == np.int64 and sure_M.dtype == bool
    assert len(count_M) == len(sure_M) == len(words) and len(tokens) == count_M.sum() and not count_M[~sure_M].any()
    parts = np.split(tokens, np.cumsum(count_M))[:-1]
    return [part.tolist() if sure else None for part, sure in zip(parts, sure_M, strict=True)]


def made(*pieces):
    return UnigramWords([*PIECES, *pieces], 1, SPECIAL, str, 1)


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


@pytest.mark.parametrize("seed", range(3))
def test_nearly_equal_ways_are_found_among_many_long_words(seed):
    """Scores of few different values: the sums of many ways are equal, or differ by less than the noise."""
    draw = np.random.default_rng(seed)
    pairs = [one + other for one in "abc" for other in "abc"]
    pieces = [(pair, -8.0 - 0.001 * draw.integers(3)) for pair in pairs]
    words = ["".join(draw.choice(list("abc"), size=size)) for size in draw.integers(2, 40, 3000)]
    backend = tokenizers.Tokenizer(tokenizers.models.Unigram([*PIECES, *pieces], unk_id=1))
    theirs = [encoding.ids for encoding in backend.encode_batch_fast(["\u2581" + word for word in words])]
    found = lists_of(words, made(*pieces).encode(words))
    assert [ids for ids in found if ids] == [other for ids, other in zip(found, theirs, strict=True) if ids]
    assert 100 < sum(ids is not None for ids in found) < 2000


@pytest.mark.parametrize(
    "becomes", ["", "a b", "a\u00a0b", "a\u2581b", "\u2581a", "a<s>", "<unk>", "x", "abxc", "\0", "bcb"]
)
def test_words_that_sentencepiece_reads_otherwise_are_not_sure(becomes):
    normalize = {"odd": becomes, "big": "bcb"}  # the name of a special token may be looked for as it is normalised
    unigram = UnigramWords(PIECES, 1, (*SPECIAL, "big"), lambda word: normalize.get(word, word), 1)
    words = ["ab", "odd", "cb", "a"]
    assert [ids is not None for ids in lists_of(words, unigram.encode(words))] == [True, False, True, True]
    assert lists_of(["odd"], unigram.encode(["odd"])) == [None]
    assert lists_of([], unigram.encode([])) == []


def test_a_piece_that_is_a_special_tokens_name_is_one_in_words_too():
    unigram = UnigramWords([*PIECES, ("\u2581ab", -2.0)], 1, (*SPECIAL, "\u2581ab", "\u2581"), str, 1)
    words = ["ab", "abc", "ba"]
    assert lists_of(words, unigram.encode(words)) == [[len(PIECES)], [len(PIECES), 5], [2, 4, 3]]


def without(piece):
    return [one for one in PIECES if one != piece]


@pytest.mark.parametrize(("pieces", "unk_id", "why"), [
    ([*PIECES, ("b\u2581c", -3.0)], 1, "a piece goes over a word's edge"),
    ([*PIECES, ("a", -3.0)], 1, "a piece is empty, is there twice"),
    ([*PIECES, ("", -3.0)], 1, "a piece is empty"),
    ([*PIECES, ("a\0", -3.0)], 1, "holds the character 0"),
    (without(("\u2581", -1.0)), 1, "a letter of a piece is no piece"),
    ([*PIECES, ("xa", -3.0)], 1, "a letter of a piece is no piece"),
    ([*PIECES, ("ab", -101.0)], 1, "a score is not within 100 of 0"),
    ([*PIECES, ("ab", float("nan"))], 1, "a score is not within 100 of 0"),
    (PIECES, None, "there is no unknown token"),
    (PIECES, 3, "a text may hold its name"),
])  # fmt: skip
def test_vocabularies_for_which_the_libraries_may_differ(pieces, unk_id, why):
    with pytest.raises(ValueError, match=f"sentencepiece may cut otherwise: .*{why}"):
        UnigramWords(pieces, unk_id, SPECIAL, str, 1)
    model = {"vocab": pieces} | ({} if unk_id is None else {"unk_id": unk_id})
    assert read_unigram_words(json.dumps({"model": model}).encode(), SPECIAL, str, 1) is None


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
    with pytest.raises(InputError, match="text 0 of 1, .* holds half of a surrogate pair"):
        tokenizer.encode(["one \ud800two"])
    assert tokenizer.encode(texts[:1])[0].tolist() == theirs[0]


@pytest.mark.parametrize("change", [
    lambda definition: definition.update(normalizer=None),
    lambda definition: definition["model"].update(unk_id=None),
    lambda definition: definition["added_tokens"].append(
        {**definition["added_tokens"][0], "id": 9999, "content": "\uff22\uff45", "normalized": True, "special": False}
    ),
], ids=["no normaliser", "no unknown token", "a token looked for in normalised text"])  # fmt: skip
def test_other_definitions_give_the_ids_of_tokenizers(change, tmp_path, monkeypatch):
    monkeypatch.setattr(word_cache, "_MANY", 1)
    file = make_tokenizers.xlm_r(tmp_path) / "tokenizer.json"
    definition = json.loads(file.read_text(encoding="utf-8"))
    change(definition)
    file.write_text(json.dumps(definition), encoding="utf-8")
    make_tokenizers.change(tmp_path / "tokenizer_config.json", tokenizer_class="PreTrainedTokenizerFast")
    tokenizer, backend = load_tokenizer(tmp_path), read_folder(tmp_path).backend
    texts = [text for code in ("en", "de", "el", "th") for text in texts_of(code)[::5]]
    if definition["model"]["unk_id"] is None:  # tokenizers refuses texts with unknown letters
        texts = [text for text in texts if text.isascii() and text.isalpha()]
    theirs = [encoding.ids for encoding in backend.encode_batch_fast(texts, add_special_tokens=False)]
    tokens, offsets = tokenizer.encode(texts)
    assert [ids.tolist() for ids in np.split(tokens, offsets[1:-1])] == theirs

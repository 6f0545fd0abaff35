"""Words that UnigramWords is sure of get the tokens that the library tokenizers gives them."""

import fractions
import json
import math

import numpy as np
import pytest
import tokenizers

from hbt_jax.errors import InputError
from hbt_jax.languages import XM3600
from hbt_jax.models import unigram_words, word_cache
from hbt_jax.models.huggingface.tokenizer_folder import read_folder
from hbt_jax.models.tokenizer import load_tokenizer
from hbt_jax.models.unigram_words import UnigramWords, read_unigram_words
from hbt_jax.models.word_cache import WordCache
from tests.models.huggingface import make_tokenizers
from tests.models.huggingface.make_tokenizers import AWKWARD, hostile_words, texts_of

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
    return UnigramWords([*PIECES, *pieces], 1, SPECIAL, str)


@pytest.fixture(scope="module")
def read(tmp_path_factory):
    return read_folder(make_tokenizers.xlm_r(tmp_path_factory.mktemp("tokenizer")))


def test_sure_words_of_all_languages_are_those_of_tokenizers_and_most_are_sure(read):
    words = " ".join(text for code in XM3600 for text in texts_of(code)).split()
    words = [*words, *" ".join(AWKWARD).split(" ")]
    leans = WordCache(None, read.words)._leans
    words = [word for word in dict.fromkeys(words) if word and not leans(word)]
    unigram = read_unigram_words(
        read.contents["tokenizer.json"], read.words.special, read.backend.normalizer.normalize_str
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
    ([("ab", -6.0), ("bc", -6.0 - 1e-9)], "abc", False),  # nearly
    ([("ab", -6.0), ("bc", -6.0 - 1e-5)], "abc", True),
    ([("ab", -6.0), ("bc", -7.0)], "abcabc", True),
    ([("aa", -5.0)], "aa", True),
    ([("aa", -5.0)], "aaa", False),  # a aa, aa a
    ([("aa", -5.0)], "aaaaaaaa", True),  # aa aa aa aa
    ([("aa", -5.0)], "abaac", True),  # has but one best way
    ([("aa", -10.0)], "aa", False),  # as good as its letters
    ([("ab", -5.0), ("abab", -5.0)], "ababab", False),  # ab abab, abab ab
    ([("ab", -6.0), ("bc", -6.0), ("abc", -1.0)], "abc", True),  # the ways that are equal are not the best
    ([("ab", -6.0), ("bc", -6.0)], "abcu", False),  # what follows does not tell them apart
    ([], "abx", False),  # no piece has this letter
    ([("xa", -1.0)], "xa", False),  # the letter alone is no piece: tokenizers gives it a score of its own
    ([], "a" * 63, True),
    ([], "a" * 64, False),  # too long for the bound on rounding
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


def exact_ways(word, score_of):
    """The best way to cut a word and its lead, from all ways, in exact arithmetic; None: a letter is no piece."""
    ways = []

    def go_on(rest, pieces, total):
        if not rest:
            ways.append((total, pieces))
        for size in range(1, len(rest) + 1):
            if rest[:size] in score_of:
                go_on(rest[size:], [*pieces, rest[:size]], total + score_of[rest[:size]])

    if not set(word) <= set(score_of):
        return None, 0
    go_on(word, [], fractions.Fraction(0))
    first, *others = sorted(ways, reverse=True)
    return first[1], first[0] - others[0][0] if others else math.inf


@pytest.mark.parametrize("seed", range(4))
def test_sure_is_exactly_what_leads_by_more_than_rounding(seed):
    draw = np.random.default_rng(seed)
    texts = {"".join(draw.choice(list("abc"), size=size)) for size in draw.integers(2, 5, 12)}
    scores = (-8.0 - draw.choice([0.0, 1e-9, 1e-3, 2e-3], len(texts))).tolist()
    vocabulary = [*PIECES, *zip(sorted(texts), scores, strict=True)]
    score_of = {name: fractions.Fraction(score) for name, score in vocabulary if name not in SPECIAL}
    sizes = draw.integers(1, 11, 300)
    words = ["".join(draw.choice(list("abcd"), size=size, p=(0.4, 0.3, 0.28, 0.02))) for size in sizes]
    found = lists_of(words, UnigramWords(vocabulary, 1, SPECIAL, str).encode(words))
    sure = 0
    for word, ids in zip(words, found, strict=True):
        way, lead = exact_ways("\u2581" + word, score_of)
        assert (ids is not None) == (way is not None and lead > 1e-6), word
        assert ids is None or [vocabulary[id_][0] for id_ in ids] == way, word
        sure += ids is not None
    assert 30 < sure < 290  # both happen often


def test_sure_hostile_words_are_those_of_tokenizers(read):
    normalize = read.backend.normalizer.normalize_str
    unigram = read_unigram_words(read.contents["tokenizer.json"], read.words.special, normalize)
    words = [word for word in hostile_words(0, 4000) if not WordCache(None, read.words)._leans(word)]
    theirs = [encoding.ids for encoding in read.backend.encode_batch_fast(words, add_special_tokens=False)]
    found = lists_of(words, unigram.encode(words))
    assert [ids for ids in found if ids] == [other for ids, other in zip(found, theirs, strict=True) if ids]
    assert 100 < sum(ids is None for ids in found) < 0.5 * len(words)


def test_a_words_ids_and_sureness_are_its_own(read, monkeypatch):
    """The same for every order, for every number of words at once, and alone."""
    normalize = read.backend.normalizer.normalize_str
    unigram = read_unigram_words(read.contents["tokenizer.json"], read.words.special, normalize)
    words = hostile_words(1, 600)
    wanted = dict(zip(words, lists_of(words, unigram.encode(words)), strict=True))
    for word in words[::20]:
        assert lists_of([word], unigram.encode([word])) == [wanted[word]]
    for together in (1 << 14, 100, 7):
        monkeypatch.setattr(unigram_words, "_TOGETHER", together)
        mixed = np.random.default_rng(together).permutation(words).tolist()
        assert lists_of(mixed, unigram.encode(mixed)) == [wanted[word] for word in mixed]


def test_the_sure_ways_are_the_best():
    unigram = made(("ab", -6.0), ("bc", -7.0), ("\u2581c", -2.0))
    names = [name for name, _ in PIECES] + ["ab", "bc", "\u2581c"]
    words = ["abc", "cab", "bca"]
    found = [[names[id_] for id_ in ids] for ids in lists_of(words, unigram.encode(words))]
    assert found == [["\u2581", "ab", "c"], ["\u2581c", "ab"], ["\u2581", "bc", "a"]]


@pytest.mark.parametrize("seed", range(3))
def test_nearly_equal_ways_are_found_among_many_long_words(seed):
    """Scores of few different values: the sums of many ways are equal, or differ by little more than rounding."""
    draw = np.random.default_rng(seed)
    pairs = [one + other for one in "abc" for other in "abc"]
    pieces = [(pair, -8.0 - 0.00001 * draw.integers(3)) for pair in pairs]
    words = ["".join(draw.choice(list("abc"), size=size)) for size in draw.integers(2, 40, 3000)]
    backend = tokenizers.Tokenizer(tokenizers.models.Unigram([*PIECES, *pieces], unk_id=1))
    theirs = [encoding.ids for encoding in backend.encode_batch_fast(["\u2581" + word for word in words])]
    found = lists_of(words, made(*pieces).encode(words))
    assert [ids for ids in found if ids] == [other for ids, other in zip(found, theirs, strict=True) if ids]
    assert 100 < sum(ids is not None for ids in found) < 2500


@pytest.mark.parametrize(
    "becomes", ["", "a b", "a\u00a0b", "a\u2581b", "\u2581a", "a<s>", "<unk>", "x", "abxc", "\0", "bcb"]
)
def test_words_that_tokenizers_may_cut_before_the_pieces_are_not_sure(becomes):
    normalize = {"odd": becomes, "big": "bcb"}  # the name of a special token may be looked for as it is normalised
    unigram = UnigramWords(PIECES, 1, (*SPECIAL, "big"), lambda word: normalize.get(word, word))
    words = ["ab", "odd", "cb", "a"]
    assert [ids is not None for ids in lists_of(words, unigram.encode(words))] == [True, False, True, True]
    assert lists_of(["odd"], unigram.encode(["odd"])) == [None]
    assert lists_of([], unigram.encode([])) == []


def test_a_piece_that_is_a_special_tokens_name_is_one_in_words_too():
    unigram = UnigramWords([*PIECES, ("\u2581ab", -2.0)], 1, (*SPECIAL, "\u2581ab", "\u2581"), str)
    words = ["ab", "abc", "ba"]
    assert lists_of(words, unigram.encode(words)) == [[len(PIECES)], [len(PIECES), 5], [2, 4, 3]]


def without(piece):
    return [one for one in PIECES if one != piece]


@pytest.mark.parametrize(("pieces", "why"), [
    ([*PIECES, ("a", -3.0)], "a piece is empty or occurs twice"),
    ([*PIECES, ("", -3.0)], "a piece is empty"),
    (without(("\u2581", -1.0)), "the mark of a space is no piece"),
    ([*PIECES, ("ab", -10_001.0)], "a score is not within 10000 of 0"),
    ([*PIECES, ("ab", float("nan"))], "a score is not within 10000 of 0"),
])  # fmt: skip
def test_vocabularies_for_which_no_word_is_sure(pieces, why):
    with pytest.raises(ValueError, match=why):
        UnigramWords(pieces, 1, SPECIAL, str)
    assert read_unigram_words(json.dumps({"model": {"vocab": pieces, "unk_id": 1}}).encode(), SPECIAL, str) is None


def test_a_word_with_the_unknown_token_in_its_way_is_not_sure():
    """tokenizers joins unknown tokens side by side."""
    words = ["ab", "ba", "c"]
    assert lists_of(words, UnigramWords(PIECES, 4, SPECIAL, str).encode(words)) == [None, None, [2, 5]]  # 4 is b
    assert None not in lists_of(words, UnigramWords(PIECES, None, SPECIAL, str).encode(words))


def test_many_new_words_are_cut_by_it(tmp_path, monkeypatch):
    monkeypatch.setattr(word_cache, "_MANY", 40)
    monkeypatch.setattr(word_cache, "_AT_ONCE", 10)
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
    monkeypatch.setattr(word_cache, "_AT_ONCE", 1)
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

"""Tokens of remembered words are those that the tokenizer makes of the whole texts."""

import numpy as np
import pytest

from hbt_jax.languages import XM3600
from hbt_jax.models import word_cache
from hbt_jax.models.huggingface.tokenizer_folder import read_folder
from hbt_jax.models.tokenizer import load_tokenizer
from hbt_jax.models.word_cache import WordCache, find_cuts
from tests.models.huggingface import make_tokenizers
from tests.models.huggingface.make_tokenizers import AWKWARD, hostile_words, texts_of


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    return make_tokenizers.xlm_r(tmp_path_factory.mktemp("tokenizer"))


class Counted:
    """A backend's lists of ids, and the texts that it was given."""

    def __init__(self, folder):
        self._backend, self.texts = read_folder(folder).backend, []

    def __call__(self, texts):
        self.texts += texts
        return [encoding.ids for encoding in self._backend.encode_batch_fast(texts, add_special_tokens=False)]


def assert_whole(cache, lists, texts):
    tokens, offsets = cache.encode(texts)
    assert tokens.dtype == np.int32 and offsets.dtype == np.int64
    found = [tokens[start:end].tolist() for start, end in zip(offsets[:-1], offsets[1:], strict=True)]
    assert found == lists(texts)


@pytest.mark.parametrize("most", [1 << 19, 50])
def test_texts_of_all_languages_by_batches(folder, monkeypatch, most):
    monkeypatch.setattr(word_cache, "_MOST_WORDS", most)
    lists = Counted(folder)
    cache = WordCache(lists, read_folder(folder).words)
    texts = [text for code in XM3600 for text in texts_of(code)[::40]]
    texts = [f"{one} {other}" for one, other in zip(texts, texts[1:] + texts[:1], strict=True)]
    for some in (texts[:100], texts[50:400], [], texts[400:], [*AWKWARD, *texts[:20]], texts[:5] * 2):
        assert_whole(cache, lists, some)


def test_a_word_is_tokenised_once_and_long_ones_are_forgotten(folder):
    lists = Counted(folder)
    cuts = read_folder(folder).words
    cache = WordCache(lists, cuts)
    long = "ab" * 40
    for _ in range(2):
        cache.encode([f"a cat {long} and a dog", "a  dog "])
    words = [word for text in lists.texts for word in text.split(cuts.separator) if word]
    assert words == ["a", "cat", "and", "dog", long, long]


def test_a_word_that_is_normalised_to_the_separator_is_tokenised_alone(folder):
    lists = Counted(folder)
    cuts = read_folder(folder).words
    fullwidth = cuts.separator.replace("<", "\uff1c").replace(">", "\uff1e")
    assert cuts.separator_id in lists([fullwidth])[0]
    text = f"one {fullwidth} {fullwidth}two three"
    assert_whole(WordCache(lists, cuts), lists, [text, "one two three"])


@pytest.mark.parametrize(("names", "separator"), [
    (["<s>", "</s>"], "<s>"),
    (["<s>b", "<s>", "|"], "|"),  # the first holds the second
    (["</s>", "x</", "|"], "|"),  # the second ends as the first begins
    (["x</", "</s>", "|"], "|"),
    (["</s", "x"], "</s"),
    (["aba"], None),
    ([], None),
    (["<s>", "two words"], None),
    (["<s>", " edge"], None),
    (["<s>", "edge\u3000"], None),
])  # fmt: skip
def test_the_separator_is_a_special_token_that_no_other_name_can_lie_over(names, separator):
    added = [added_token(number, name) for number, name in enumerate(names)]
    cuts = find_cuts(added)
    assert (cuts and cuts.separator) == separator
    assert cuts is None or cuts == (tuple(names), separator, names.index(separator))


@pytest.mark.parametrize("use", ["lstrip", "rstrip", "single_word", "normalized"])
def test_a_token_that_changes_what_is_beside_it_separates_nothing(use):
    assert find_cuts([added_token(0, "<s>", **{use: True})]) is None
    assert find_cuts([added_token(0, "<s>", special=False)]) is None


def added_token(number, name, **changes):
    uses = dict.fromkeys(("lstrip", "rstrip", "single_word", "normalized"), False)
    return {"id": number, "content": name, "special": True, **uses, **changes}


@pytest.mark.parametrize("word", ["\u0301a", "\u0e33x", "\U0001f3fdx", "x\u200d", "a<s>b", "\u200cx"])
def test_texts_with_words_that_lean_on_others_are_tokenised_whole(folder, word):
    lists = Counted(folder)
    cache = WordCache(lists, read_folder(folder).words)
    text = f"one {word} two"
    cache.encode([text, "one two"])
    assert text in lists.texts and not any(word in other for other in lists.texts if other != text)
    assert_whole(cache, lists, [text, "one two", text])


def test_only_tokenizers_that_cut_at_spaces_remember_words(folder, tmp_path):
    assert read_folder(folder).words and load_tokenizer(folder)._words is not None
    assert read_folder(make_tokenizers.bert(tmp_path)).words is None


HISTORIES = {
    "none": (1 << 17, 1 << 8, 1 << 19),  # new words for the faster way, of which at once, words remembered
    "the faster way from the first word on": (1, 1, 1 << 19),
    "the faster way from somewhere on": (700, 5, 1 << 19),
    "the faster way for some batches": (300, 40, 1 << 19),
    "words forgotten, met again": (900, 5, 60),
}


@pytest.mark.parametrize("history", HISTORIES)
@pytest.mark.parametrize("batch", [7, 500])
def test_ids_do_not_depend_on_what_was_tokenised_before(folder, monkeypatch, history, batch):
    for name, value in zip(("_MANY", "_AT_ONCE", "_MOST_WORDS"), HISTORIES[history], strict=True):
        monkeypatch.setattr(word_cache, name, value)
    lists = Counted(folder)
    words = hostile_words(2, 900)
    texts = [" ".join(words[start : start + 3]) for start in range(len(words) - 3)]
    texts += [*AWKWARD, *words, *(text for code in XM3600 for text in texts_of(code)[::25])]
    theirs = dict(zip(texts, lists(texts), strict=True))
    tokenizer = load_tokenizer(folder)
    for seed in range(2):  # another order each time: other words are new together, and others are known
        mixed = [texts[place] for place in np.random.default_rng(seed).permutation(len(texts)).tolist()]
        for start in range(0, len(mixed), batch):
            some = mixed[start : start + batch]
            tokens, offsets = tokenizer.encode(some)
            assert [ids.tolist() for ids in np.split(tokens, offsets[1:-1])] == [theirs[text] for text in some]
    assert (tokenizer._words._faster is not None) == (history != "none")

"""Tokens of remembered words are those that the tokenizer makes of the whole texts."""

import numpy as np
import pytest

from hbt_jax.languages import XM3600
from hbt_jax.models import word_cache
from hbt_jax.models.tokenizer import load_tokenizer
from hbt_jax.models.tokenizer_folder import read_folder
from hbt_jax.models.word_cache import WordCache
from tests.models import make_tokenizers
from tests.models.make_tokenizers import AWKWARD, texts_of


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
    cache = WordCache(lists, read_folder(folder).words)
    long = "ab" * 40
    for _ in range(2):
        cache.encode([f"a cat {long} and a dog", "a  dog "])
    assert lists.texts == ["a", "cat", "and", "dog", long, long]


@pytest.mark.parametrize("word", ["\u0301a", "\u0e33x", "\U0001f3fdx", "x\u200d", "a<s>b", "\u200cx"])
def test_texts_with_words_that_lean_on_others_are_tokenised_whole(folder, word):
    lists = Counted(folder)
    cache = WordCache(lists, read_folder(folder).words)
    text = f"one {word} two"
    cache.encode([text, "one two"])
    assert text in lists.texts and word not in lists.texts
    assert_whole(cache, lists, [text, "one two", text])


def test_only_tokenizers_that_cut_at_spaces_remember_words(folder, tmp_path):
    assert read_folder(folder).words and load_tokenizer(folder)._words is not None
    assert read_folder(make_tokenizers.bert(tmp_path)).words is None

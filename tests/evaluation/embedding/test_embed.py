"""Embedding many texts: each gets the vector it has alone, in few shapes, on any mesh."""

import dataclasses
import doctest
from types import SimpleNamespace

import jax
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from hbt_jax.errors import Interrupted
from hbt_jax.evaluation.embedding import batching, embed
from hbt_jax.models.model import Model, embed_slots
from tests.evaluation.word_model import LONGEST, Words, embedder, random_texts, word_model


@pytest.fixture(scope="module")
def model():
    return word_model()


def alone(model: Model, texts: list[str], head: list[int], longest: int) -> np.ndarray:
    """The vectors of texts that have a row each."""
    batch = {name: np.zeros((1, len(texts), LONGEST), np.int32) for name in ("tokens", "segments", "positions")}
    for row, text in enumerate(texts):
        tokens = [*head, *list(map(int, text.split()))[: longest - len(head) - 1], Words.eos_id]
        batch["tokens"][0, row, : len(tokens)] = tokens
        batch["segments"][0, row, : len(tokens)] = 1
        batch["positions"][0, row, : len(tokens)] = range(len(tokens))
    how = {"segments": 1, "pooling": model.pooling, "normalized": model.normalize}
    return np.asarray(jax.jit(lambda parameters: embed_slots(model.graph, parameters, batch, **how))(model.parameters))[
        0
    ]


def test_the_examples_in_docstrings_hold():
    results = doctest.testmod(batching)
    assert results.attempted >= 2
    assert results.failed == 0


@pytest.mark.parametrize("pooling", ["mean", "cls"])
def test_each_text_has_in_its_place_the_vector_that_it_has_alone(model, pooling):
    model = dataclasses.replace(model, pooling=pooling, normalize=pooling == "mean")
    texts = random_texts(60)
    embedding = embedder(model)
    for side, head, longest in (("query", [1, 10], 32), ("passage", [1, 20, 21], LONGEST)):
        vectors_ND = embedding(texts, side)
        assert vectors_ND.dtype == np.float32
        np.testing.assert_allclose(vectors_ND, alone(model, texts, head, longest), atol=5e-6)
    assert embedding.truncated == sum(len(text.split()) > 29 for text in texts)


def test_neighbours_change_a_vector_by_rounding_alone(model):
    texts, embedding = random_texts(200), embedder(model)
    together = embedding(texts, "passage")
    turned = embedding(texts[::-1], "passage")[::-1]
    few = embedding(texts[:9], "passage")
    np.testing.assert_allclose(turned, together, atol=2e-6)
    np.testing.assert_allclose(few, together[:9], atol=2e-6)
    np.testing.assert_array_equal(embedding(texts, "passage"), together)  # the same texts: the same bits


def test_eight_devices_embed_as_one_does(model):
    texts = random_texts(150)
    np.testing.assert_allclose(embedder(model, 8)(texts, "passage"), embedder(model)(texts, "passage"), atol=2e-6)


def test_many_texts_are_embedded_in_parts(model, monkeypatch):
    texts, whole = random_texts(100), embedder(model)
    wanted = whole(texts, "query")
    monkeypatch.setattr(embed, "_TEXTS_A_PART", 32)
    monkeypatch.setattr(embed, "_TEXTS_TOKENISED", 5)
    in_parts, done = embedder(model), []
    np.testing.assert_allclose(in_parts(texts, "query", done.append), wanted, atol=2e-6)
    assert in_parts.truncated == whole.truncated > 0
    assert sum(done) == 100


def test_texts_of_the_same_tokens_have_the_same_vector_bit_for_bit(model, monkeypatch):
    monkeypatch.setattr(embed, "_TEXTS_A_PART", 16)
    different, done = random_texts(40), []
    order = [*range(40), *range(10), 3, 3, *range(39, 20, -1), *range(16)]  # the last part has no new text
    embedding = embedder(model)
    vectors_ND = embedding([different[n] for n in order], "query", done.append)
    np.testing.assert_array_equal(vectors_ND, vectors_ND[[order.index(n) for n in order]])
    np.testing.assert_allclose(vectors_ND[:40], embedder(model)(different, "query"), atol=2e-6)
    assert sum(done) == len(order)
    cut_alike = embedding([" ".join(["50"] * 40), " ".join(["50"] * 29)], "query")  # 29 is what fits
    np.testing.assert_array_equal(cut_alike[0], cut_alike[1])
    assert embedding.truncated == 1 + sum(len(different[n].split()) > 29 for n in order)


def test_any_number_of_texts_needs_few_shapes(model):
    embedding = embedder(model, texts_per_device=8)
    for count in (1, 2, 3, 9, 30, 70, 150):
        for side in ("query", "passage"):
            assert embedding(random_texts(count, seed=count), side).shape == (count, 16)
    assert 3 <= embedding.shapes <= 15
    assert embedding([], "query").shape == (0, 16)


def test_a_poll_that_raises_stops_between_blocks(model):
    polled = []

    def poll():
        polled.append(1)
        if len(polled) > 2:
            raise Interrupted("enough")

    with pytest.raises(Interrupted):
        embedder(model, poll=poll)(random_texts(200), "passage")
    assert len(polled) == 3


@settings(max_examples=60, deadline=None)
@given(st.data())
def test_blocks_hold_every_text_once_and_whole(data):
    generator = np.random.default_rng(data.draw(st.integers(0, 2**32 - 1)))
    longest = data.draw(st.sampled_from([8, 128, 200, 512, 4096]))
    shares, tokens = data.draw(st.integers(1, 8)), data.draw(st.sampled_from([64, 512, 2048, 16_384]))
    shortness = data.draw(st.sampled_from([1, 3, 8]))
    lengths = 1 + ((longest - 1) * generator.random(data.draw(st.integers(1, 400))) ** shortness).astype(np.int64)
    seen = []
    for block in batching.blocks(lengths, longest, shares, tokens):
        seen.append(block.texts)
        assert block.rows % shares == 0
        assert block.rows * block.row_length <= shares * max(tokens, block.row_length)
        used = np.zeros((block.rows, block.row_length), int)
        places = (array[0] for array in (block.placement.row, block.placement.start, block.placement.segment))
        for text, row, start, segment in zip(block.texts, *places, strict=True):
            assert start + lengths[text] <= block.row_length
            assert 1 <= segment <= batching.segments(block.row_length)
            used[row, start : start + lengths[text]] += 1
        assert used.max() == 1
        assert len(np.unique(block.slots)) == len(block.texts)
    np.testing.assert_array_equal(np.sort(np.concatenate(seen)), np.arange(len(lengths)))


def test_no_texts_make_fewer_than_sixteen_shapes():
    generator, shapes = np.random.default_rng(0), set()
    for _ in range(300):
        lengths = 1 + (3999 * generator.random(generator.integers(1, 2000)) ** 5).astype(np.int64)
        shapes |= {(block.rows, block.row_length) for block in batching.blocks(lengths, 4000, 2, 16_384)}
    assert 10 <= len(shapes) <= 15


def test_rows_are_full_on_the_lengths_of_sentences():
    lengths = np.clip(np.random.default_rng(0).lognormal(3.4, 0.5, 5000).astype(np.int64), 8, 512)
    made = list(batching.blocks(lengths, 512, 1, 2048))
    assert lengths.sum() / sum(block.rows * block.row_length for block in made) > 0.93
    assert sum(block.rows * block.row_length for block in made if block.row_length == 128) > 0.9 * lengths.sum()


def test_a_cpu_gets_small_blocks_and_other_devices_what_they_are_told(model):
    mesh = SimpleNamespace(size=1, devices=np.array([SimpleNamespace(platform="cpu", process_index=0)]))
    assert embed.share_tokens(mesh, 256) == 2048
    assert embed.share_tokens(mesh, 16) == 1024
    mesh.devices[0].platform = "tpu"
    assert embed.share_tokens(mesh, 256) == 16_384

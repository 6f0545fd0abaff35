"""A small model whose texts are numbers, so that a text says which tokens it has."""

import jax
import numpy as np
from flax import nnx

from hbt_jax.config.learning import TextConfig
from hbt_jax.evaluation.embedding import embed
from hbt_jax.mesh import make_mesh
from hbt_jax.models.encoder import Encoder, EncoderConfig
from hbt_jax.models.model import Model

LONGEST = 300


class Words:
    """A tokenizer that gives a word the number that it is."""

    pad_id, bos_id, eos_id, unk_id = 0, 1, 2, 40
    fingerprint = "words"

    def encode(self, texts):
        lists = [list(map(int, text.split())) for text in texts]
        offsets = np.concatenate([[0], np.cumsum([len(tokens) for tokens in lists])]).astype(np.int64)
        return np.array([token for tokens in lists for token in tokens], np.int32), offsets

    def joins(self, prefix):
        return True

    def prefix_ids(self, prefix):
        return np.array({"query: ": [10], "passage: ": [20, 21]}[prefix], np.int32)


def word_model(seed: int = 0) -> Model:
    """A small encoder with uneven weights; reads words 3 to 127."""
    config = EncoderConfig(128, width=16, layers=1, heads=2, feed_forward=16, max_positions=LONGEST)
    graph, parameters = nnx.split(Encoder(config, rngs=nnx.Rngs(seed)), nnx.Param)
    noise = np.random.default_rng(seed)
    parameters = jax.tree.map(
        lambda leaf: leaf + 0.3 * noise.standard_normal(leaf.shape, np.float32), jax.device_get(parameters)
    )
    text = TextConfig("query: ", "passage: ", query_length=32, passage_length=LONGEST)
    return Model(graph, parameters, config, "mean", True, text, Words(), "words", 0)


def random_texts(count: int, seed: int = 0) -> list[str]:
    """Mostly of 1 to 40 words, some of up to 290, one of none."""
    rng = np.random.default_rng(seed)
    words = np.where(rng.random(count) < 0.8, rng.integers(1, 41, count), rng.integers(1, 291, count))
    words[count // 2] = 0
    return [" ".join(map(str, rng.integers(30, 128, n))) for n in words]


def embedder(model: Model, devices: int = 1, **options):
    options = {"texts_per_device": 16, "poll": lambda: None, "shown": False} | options
    return embed.Embedder(model, make_mesh(devices, 1, jax.devices()[:devices]), **options)

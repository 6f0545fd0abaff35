"""A BERT-family text encoder over packed rows (Devlin et al. 2018, arXiv 1810.04805), in Flax NNX.

A row holds several texts.  Attention stays inside a segment, positions restart with each segment, and segment 0 is
padding; so a text gets the same vectors alone in a row and beside others.
"""

import dataclasses
import functools

import jax
import jax.numpy as jnp
from flax import nnx

from hbt_jax.errors import InputError


@dataclasses.dataclass(frozen=True)
class EncoderConfig:
    """The architecture of an encoder.

    Attributes:
      vocab_size: V, pieces of the tokenizer, without padding for sharding.
      width: D.
      layers, heads, feed_forward: number of layers, H, F.
      max_positions: longest text in tokens.
      position_offset: added to positions before the table look-up (XLM-R: 2).
      token_types: rows of the token-type table, 0 for none; type 0 is used for every token.
      norm_epsilon: added to the variance in LayerNorm.
      activation: "gelu" (exact, by the error function) or "relu", between the two feed-forward products.
      dropout: rate after embeddings, attention output and feed-forward output.
      pad_id: token of empty places; its vector never reaches an output.
    """

    vocab_size: int
    width: int
    layers: int
    heads: int
    feed_forward: int
    max_positions: int = 512
    position_offset: int = 0
    token_types: int = 0
    norm_epsilon: float = 1e-5
    activation: str = "gelu"
    dropout: float = 0.0
    pad_id: int = 0


ACTIVATIONS = {"gelu": functools.partial(jax.nn.gelu, approximate=False), "relu": jax.nn.relu}

PRESETS = {
    "tiny": {"width": 128, "layers": 2, "heads": 4, "feed_forward": 256, "activation": "relu"},
    "small": {"width": 384, "layers": 6, "heads": 6, "feed_forward": 1536},
}

VOCABULARY_MULTIPLE = 128  # rows of the token table are padded to this, so that any usual mesh can split them


def preset(name: str, *, vocab_size: int, max_positions: int, dropout: float, pad_id: int) -> EncoderConfig:
    """The architecture that a preset's name stands for; raises InputError for an unknown name."""
    if name not in PRESETS:
        raise InputError(f"--model={name}: unknown preset, expected one of {', '.join(PRESETS)}")
    return EncoderConfig(
        vocab_size=vocab_size, max_positions=max_positions, dropout=dropout, pad_id=pad_id, **PRESETS[name]
    )


def padded_vocabulary(vocab_size: int) -> int:
    """Rows of the token table: `vocab_size` rounded up to a multiple of VOCABULARY_MULTIPLE.

    The rows past `vocab_size` are never looked up, so they get no gradient and reach no score.
    """
    return -(-vocab_size // VOCABULARY_MULTIPLE) * VOCABULARY_MULTIPLE


class Layer(nnx.Module):
    """One post-norm transformer layer: self-attention inside segments, then a feed-forward network."""

    def __init__(self, config: EncoderConfig, *, dtype: jnp.dtype, rngs: nnx.Rngs):
        def linear(inputs: int, outputs: int) -> nnx.Linear:
            return nnx.Linear(inputs, outputs, dtype=dtype, kernel_init=nnx.initializers.normal(0.02), rngs=rngs)

        def norm() -> nnx.LayerNorm:
            return nnx.LayerNorm(config.width, epsilon=config.norm_epsilon, dtype=jnp.float32, rngs=rngs)

        self.heads, self.activation = config.heads, ACTIVATIONS[config.activation]
        self.query_key_value = linear(config.width, 3 * config.width)
        self.attention_output = linear(config.width, config.width)
        self.attention_norm = norm()
        self.expand = linear(config.width, config.feed_forward)
        self.contract = linear(config.feed_forward, config.width)
        self.output_norm = norm()
        self.dropout = nnx.Dropout(config.dropout)

    def __call__(self, hidden_RLD, mask_RLL, dropout_key):
        """float32 [R, L, D] from the same; `mask_RLL` (bool) says which tokens see which, no key means no dropout."""
        keys = (None, None) if dropout_key is None else jax.random.split(dropout_key)
        attended_RLD = self.attention_output(self._attend(hidden_RLD, mask_RLL))
        hidden_RLD = self.attention_norm(hidden_RLD + self._drop(attended_RLD, keys[0]))
        expanded_RLF = self.activation(self.expand(hidden_RLD))
        return self.output_norm(hidden_RLD + self._drop(self.contract(expanded_RLF), keys[1]))

    def _attend(self, hidden_RLD, mask_RLL):
        rows, length, width = hidden_RLD.shape
        mixed = self.query_key_value(hidden_RLD).reshape(rows, length, 3, self.heads, width // self.heads)
        query, key, value = mixed[:, :, 0], mixed[:, :, 1], mixed[:, :, 2]
        attended = jax.nn.dot_product_attention(query, key, value, mask=mask_RLL[:, None])  # softmax in fp32
        return attended.reshape(rows, length, width)

    def _drop(self, values, key):
        return self.dropout(values, deterministic=key is None, rngs=key)


class Encoder(nnx.Module):
    """Token ids in packed rows to one vector per token.

    Args of a call:
      tokens_RL: int32, token ids, `pad_id` where empty.
      segments_RL: int32, 0 for padding, 1, 2, ... for the texts of a row.
      positions_RL: int32, place of the token in its text, from 0.
      dropout_key: a random key to train with dropout, None for none.
      constrain: puts a sharding on arrays whose first axis is R; identity on one device.

    Returns:
      float32 [R, L, D], the last hidden states; what stands at padding is finite and meaningless.
    """

    def __init__(self, config: EncoderConfig, *, dtype: jnp.dtype = jnp.float32, rngs: nnx.Rngs):
        def table(rows: int) -> nnx.Embed:
            return nnx.Embed(rows, config.width, embedding_init=nnx.initializers.normal(0.02), rngs=rngs)

        self.position_offset = config.position_offset
        self.token_table = table(padded_vocabulary(config.vocab_size))
        self.position_table = table(config.max_positions + config.position_offset)
        self.type_table = table(config.token_types) if config.token_types else None
        self.embedding_norm = nnx.LayerNorm(config.width, epsilon=config.norm_epsilon, dtype=jnp.float32, rngs=rngs)
        self.dropout = nnx.Dropout(config.dropout)
        self.layers = nnx.List([Layer(config, dtype=dtype, rngs=rngs) for _ in range(config.layers)])

    def __call__(self, tokens_RL, segments_RL, positions_RL, dropout_key=None, constrain=lambda x: x):
        """See the class."""
        vectors_RLD = self.token_table(tokens_RL) + self.position_table(positions_RL + self.position_offset)
        if self.type_table is not None:
            vectors_RLD += self.type_table.embedding[0]
        keys = [None] * (len(self.layers) + 1)
        if dropout_key is not None:
            keys = list(jax.random.split(dropout_key, len(self.layers) + 1))
        hidden_RLD = self.embedding_norm(constrain(vectors_RLD))
        hidden_RLD = self.dropout(hidden_RLD, deterministic=keys[0] is None, rngs=keys[0])
        mask_RLL = segments_RL[:, :, None] == segments_RL[:, None, :]
        for layer, key in zip(self.layers, keys[1:], strict=True):
            hidden_RLD = constrain(layer(hidden_RLD, mask_RLL, key))
        return hidden_RLD


def parameter_count(config: EncoderConfig) -> int:
    """Trained numbers of an encoder, without the token table's padding rows."""
    shapes = nnx.eval_shape(lambda: Encoder(config, rngs=nnx.Rngs(0)))
    total = sum(leaf.size for leaf in jax.tree.leaves(nnx.state(shapes, nnx.Param)))
    return total - (padded_vocabulary(config.vocab_size) - config.vocab_size) * config.width

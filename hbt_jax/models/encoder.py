"""A BERT-family text encoder over packed rows (Devlin et al. 2018, arXiv 1810.04805), in Flax NNX.

A row holds several texts.  Attention stays inside a segment, positions restart with each segment, and segment 0 is
padding; so a text gets the same vectors whether it is alone in a row or not.
"""

import dataclasses
import functools
from collections.abc import Iterator

import jax
import jax.numpy as jnp
from flax import nnx

from hbt_jax.errors import InputError
from hbt_jax.models.lora import LoraConfig


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
      activation: between the two feed-forward products: "gelu" (exact, by the error function), "gelu_tanh" or "relu".
      dropout: rate after embeddings, attention output and feed-forward output.
      pad_id: token at padding; its vector never reaches an output.
      dense: outputs of a dense layer between pooling and normalisation, 0 for none (LaBSE: 768).
      dense_activation: after that layer: "tanh" or "identity".
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
    dense: int = 0
    dense_activation: str = "tanh"

    @property
    def embedding_width(self) -> int:
        """Numbers of an embedding."""
        return self.dense or self.width


ACTIVATIONS = {
    "gelu": functools.partial(jax.nn.gelu, approximate=False),
    "gelu_tanh": functools.partial(jax.nn.gelu, approximate=True),
    "relu": jax.nn.relu,
}
DENSE_ACTIVATIONS = {"tanh": jnp.tanh, "identity": lambda values: values}

PRESETS = {
    "tiny": {"width": 128, "layers": 2, "heads": 4, "feed_forward": 256, "activation": "relu"},
    "small": {"width": 384, "layers": 6, "heads": 6, "feed_forward": 1536},
}

VOCABULARY_MULTIPLE = 128  # rows of the token table are padded to this, so that any usual mesh can split them


def preset(name: str, *, vocab_size: int, max_positions: int, dropout: float, pad_id: int) -> EncoderConfig:
    """The architecture of a preset; raises InputError for an unknown name."""
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

    def __init__(
        self,
        config: EncoderConfig,
        *,
        lora: LoraConfig | None = None,
        adapted: tuple[str, ...] = (),
        dtype: jnp.dtype,
        rngs: nnx.Rngs,
    ):
        def linear(inputs: int, outputs: int) -> nnx.Linear:
            return nnx.Linear(inputs, outputs, dtype=dtype, kernel_init=nnx.initializers.normal(0.02), rngs=rngs)

        def norm() -> nnx.LayerNorm:
            return nnx.LayerNorm(config.width, epsilon=config.norm_epsilon, dtype=jnp.float32, rngs=rngs)

        def adapter(target: str) -> nnx.LoRA:
            inputs = config.feed_forward if target == "contract" else config.width
            outputs = config.feed_forward if target == "expand" else config.width
            return nnx.LoRA(inputs, lora.rank, outputs, dtype=dtype, rngs=rngs)

        self.heads, self.activation = config.heads, ACTIVATIONS[config.activation]
        self.query_key_value = linear(config.width, 3 * config.width)
        self.attention_output = linear(config.width, config.width)
        self.attention_norm = norm()
        self.expand = linear(config.width, config.feed_forward)
        self.contract = linear(config.feed_forward, config.width)
        self.output_norm = norm()
        self.dropout = nnx.Dropout(config.dropout)
        self.adapted = adapted
        self.adapters = nnx.Dict({target: adapter(target) for target in adapted})
        self.adapter_scale = lora.scale if lora else 0.0

    def __call__(self, hidden_RLD, mask_RLL, dropout_key):
        """float32 [R, L, D] from the same; `mask_RLL` (bool) says which tokens see which, no key means no dropout."""
        keys = (None, None) if dropout_key is None else jax.random.split(dropout_key)
        attended_RLD = self._attend(hidden_RLD, mask_RLL)
        attended_RLD = self._adapted("attention_output", self.attention_output(attended_RLD), attended_RLD)
        hidden_RLD = self.attention_norm(hidden_RLD + self._drop(attended_RLD, keys[0]))
        expanded_RLF = self.activation(self._adapted("expand", self.expand(hidden_RLD), hidden_RLD))
        contracted_RLD = self._adapted("contract", self.contract(expanded_RLF), expanded_RLF)
        return self.output_norm(hidden_RLD + self._drop(contracted_RLD, keys[1]))

    def _attend(self, hidden_RLD, mask_RLL):
        rows, length, width = hidden_RLD.shape
        mixed = jnp.split(self.query_key_value(hidden_RLD), 3, axis=-1)
        query, key, value = (
            self._adapted(target, part, hidden_RLD).reshape(rows, length, self.heads, width // self.heads)
            for target, part in zip(("query", "key", "value"), mixed, strict=True)
        )
        attended = jax.nn.dot_product_attention(query, key, value, mask=mask_RLL[:, None])  # softmax in fp32
        return attended.reshape(rows, length, width)

    def _adapted(self, target: str, product, inputs):
        """A product's output plus that of its adapter, if it has one."""
        if target not in self.adapted:
            return product
        return product + self.adapter_scale * self.adapters[target](inputs)

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
      float32 [R, L, D], the last hidden states; at padding they are finite and meaningless.
    """

    def __init__(
        self,
        config: EncoderConfig,
        *,
        lora: LoraConfig | None = None,
        dtype: jnp.dtype = jnp.float32,
        rngs: nnx.Rngs,
    ):
        def table(rows: int) -> nnx.Embed:
            return nnx.Embed(rows, config.width, embedding_init=nnx.initializers.normal(0.02), rngs=rngs)

        def layer(number: int) -> Layer:
            return Layer(config, lora=lora, adapted=lora.on(number) if lora else (), dtype=dtype, rngs=rngs)

        self.position_offset = config.position_offset
        self.token_table = table(padded_vocabulary(config.vocab_size))
        self.position_table = table(config.max_positions + config.position_offset)
        self.type_table = table(config.token_types) if config.token_types else None
        self.embedding_norm = nnx.LayerNorm(config.width, epsilon=config.norm_epsilon, dtype=jnp.float32, rngs=rngs)
        self.dropout = nnx.Dropout(config.dropout)
        self.layers = nnx.List([layer(number) for number in range(config.layers)])
        self.dense = nnx.Linear(config.width, config.dense, dtype=jnp.float32, rngs=rngs) if config.dense else None
        self.dense_activation = DENSE_ACTIVATIONS[config.dense_activation]

    def __call__(self, tokens_RL, segments_RL, positions_RL, dropout_key=None, constrain=lambda x: x):
        """See the class."""
        *_, last_RLD = self.states(tokens_RL, segments_RL, positions_RL, dropout_key, constrain)
        return last_RLD

    def states(
        self, tokens_RL, segments_RL, positions_RL, dropout_key=None, constrain=lambda x: x
    ) -> Iterator[jax.Array]:
        """Yields the hidden states after the embedding layer, then after each layer; arguments as for a call."""
        vectors_RLD = self.token_table(tokens_RL) + self.position_table(positions_RL + self.position_offset)
        if self.type_table is not None:
            vectors_RLD += self.type_table.embedding[0]
        keys = [None] * (len(self.layers) + 1)
        if dropout_key is not None:
            keys = list(jax.random.split(dropout_key, len(self.layers) + 1))
        hidden_RLD = self.embedding_norm(constrain(vectors_RLD))
        hidden_RLD = self.dropout(hidden_RLD, deterministic=keys[0] is None, rngs=keys[0])
        yield hidden_RLD
        mask_RLL = segments_RL[:, :, None] == segments_RL[:, None, :]
        for layer, key in zip(self.layers, keys[1:], strict=True):
            hidden_RLD = constrain(layer(hidden_RLD, mask_RLL, key))
            yield hidden_RLD

    def project(self, pooled):
        """Pooled vectors [..., D] to embeddings [..., `EncoderConfig.embedding_width`] by the dense layer, if any."""
        return pooled if self.dense is None else self.dense_activation(self.dense(pooled))


def parameter_count(config: EncoderConfig) -> int:
    """Trained numbers of an encoder, without the token table's padding rows."""
    shapes = nnx.eval_shape(lambda: Encoder(config, rngs=nnx.Rngs(0)))
    total = sum(leaf.size for leaf in jax.tree.leaves(nnx.state(shapes, nnx.Param)))
    return total - (padded_vocabulary(config.vocab_size) - config.vocab_size) * config.width

"""A BERT-family text encoder over packed rows (Devlin et al. 2018, arXiv 1810.04805), in Flax NNX.

A row holds several texts.  Attention stays inside a segment, positions restart with each segment, and segment 0 is
padding; so a text gets the same vectors whether it is alone in a row or not.  Dropout is drawn row by row, each row
from its own key, so the result for a row does not depend on how many rows are encoded together.
"""

import dataclasses
import functools
from collections.abc import Callable, Iterator

import jax
import jax.numpy as jnp
from flax import nnx

from hbt_jax.errors import InputError
from hbt_jax.models import on_cpu
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

REMAT = {  # what a layer keeps for its backward pass
    "none": jax.checkpoint_policies.everything_saveable,
    "dots": jax.checkpoint_policies.dots_with_no_batch_dims_saveable,
    "full": jax.checkpoint_policies.nothing_saveable,
}

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
        one_cpu: bool = False,
        rngs: nnx.Rngs,
    ):
        parts = on_cpu if one_cpu else nnx

        def linear(inputs: int, outputs: int) -> nnx.Linear:
            return parts.Linear(inputs, outputs, dtype=dtype, kernel_init=nnx.initializers.normal(0.02), rngs=rngs)

        def norm() -> nnx.LayerNorm:
            return parts.LayerNorm(config.width, epsilon=config.norm_epsilon, dtype=jnp.float32, rngs=rngs)

        def adapter(target: str) -> nnx.LoRA:
            inputs = config.feed_forward if target == "contract" else config.width
            outputs = config.feed_forward if target == "expand" else config.width
            return nnx.LoRA(inputs, lora.rank, outputs, dtype=dtype, rngs=rngs)

        self.heads, self.one_cpu = config.heads, one_cpu
        self.activation = on_cpu.gelu if one_cpu and config.activation == "gelu" else ACTIVATIONS[config.activation]
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

    def __call__(self, hidden_RLD, mask_RLL, keys_R):
        """float32 [R, L, D] from the same; `mask_RLL` (bool) says which tokens see which, no keys mean no dropout."""
        keys = _split(keys_R, 2)
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
        if self.one_cpu:
            attended = on_cpu.attention(query, key, value, mask_RLL)
        else:
            attended = jax.nn.dot_product_attention(query, key, value, mask=mask_RLL[:, None])  # softmax in fp32
        return attended.reshape(rows, length, width)

    def _adapted(self, target: str, product, inputs):
        """A product's output plus that of its adapter, if it has one."""
        if target not in self.adapted:
            return product
        return product + self.adapter_scale * self.adapters[target](inputs)

    def _drop(self, values, keys_R):
        return _drop_rows(self.dropout, values, keys_R)


def _split(keys_R, count: int) -> list:
    """`count` arrays of keys, one key for each row; of None as often None."""
    if keys_R is None:
        return [None] * count
    keys_RK = jax.vmap(lambda key: jax.random.split(key, count))(keys_R)
    return [keys_RK[:, place] for place in range(count)]


def _drop_rows(dropout: nnx.Dropout, values, keys_R):
    """Dropout of each row by its own key; without keys, or without a rate, the values themselves."""
    if keys_R is None or not dropout.rate:
        return values
    return jax.vmap(lambda row, key: dropout(row, deterministic=False, rngs=key))(values, keys_R)


class Encoder(nnx.Module):
    """Token ids in packed rows to one vector per token.

    Args of a call:
      tokens_RL: int32, token ids, `pad_id` where empty.
      segments_RL: int32, 0 for padding, 1, 2, ... for the texts of a row.
      positions_RL: int32, place of the token in its text, from 0.
      keys_R: a random key for each row to train with dropout, None for none.
      constrain: puts a sharding on arrays whose first axis is R; identity on one device.

    Returns:
      float32 [R, L, D], the last hidden states; at padding they are finite and meaningless.

    Args of the constructor, beside the architecture:
      dtype: of matrix products.
      remat: what the backward pass of a layer recomputes instead of keeping: "none", "dots" (all but the results of
        matrix products with parameters) or "full" (the whole layer).
      scan_layers: compile one layer and loop over all of them, so that compilation does not grow with their number; the
        parameters are stacked for the loop.  Ignored where layers differ (LoRA on some of them).
      one_cpu: compute what on_cpu.py has in its way, for one CPU device.
    """

    def __init__(
        self,
        config: EncoderConfig,
        *,
        lora: LoraConfig | None = None,
        dtype: jnp.dtype = jnp.float32,
        remat: str = "none",
        scan_layers: bool = False,
        one_cpu: bool = False,
        rngs: nnx.Rngs,
    ):
        def table(rows: int) -> nnx.Embed:
            return nnx.Embed(rows, config.width, embedding_init=nnx.initializers.normal(0.02), rngs=rngs)

        def layer(number: int) -> Layer:
            adapted = lora.on(number) if lora else ()
            return Layer(config, lora=lora, adapted=adapted, dtype=dtype, one_cpu=one_cpu, rngs=rngs)

        self.position_offset = config.position_offset
        self.token_table = table(padded_vocabulary(config.vocab_size))
        self.position_table = table(config.max_positions + config.position_offset)
        self.type_table = table(config.token_types) if config.token_types else None
        self.embedding_norm = nnx.LayerNorm(config.width, epsilon=config.norm_epsilon, dtype=jnp.float32, rngs=rngs)
        self.dropout = nnx.Dropout(config.dropout)
        self.layers = nnx.List([layer(number) for number in range(config.layers)])
        self.dense = nnx.Linear(config.width, config.dense, dtype=jnp.float32, rngs=rngs) if config.dense else None
        self.dense_activation = DENSE_ACTIVATIONS[config.dense_activation]
        alike = len({layer.adapted for layer in self.layers}) == 1
        self.remat, self.scan_layers = remat, scan_layers and alike

    def __call__(self, tokens_RL, segments_RL, positions_RL, keys_R=None, constrain=lambda x: x):
        """See the class."""
        if self.scan_layers:
            return self._scanned(tokens_RL, segments_RL, positions_RL, keys_R, constrain)
        *_, last_RLD = self.states(tokens_RL, segments_RL, positions_RL, keys_R, constrain)
        return last_RLD

    def states(self, tokens_RL, segments_RL, positions_RL, keys_R=None, constrain=lambda x: x) -> Iterator[jax.Array]:
        """Yields the hidden states after the embedding layer, then after each layer; arguments as for a call."""
        first_keys_R, *keys = _split(keys_R, len(self.layers) + 1)
        hidden_RLD = self._embed(tokens_RL, positions_RL, first_keys_R, constrain)
        yield hidden_RLD
        mask_RLL = segments_RL[:, :, None] == segments_RL[:, None, :]
        for layer, layer_keys_R in zip(self.layers, keys, strict=True):
            graph, parameters = nnx.split(layer)
            hidden_RLD = self._layer(graph, constrain)(parameters, hidden_RLD, mask_RLL, layer_keys_R)
            yield hidden_RLD

    def _scanned(self, tokens_RL, segments_RL, positions_RL, keys_R, constrain):
        """The last hidden states, by a loop over the layers' stacked parameters."""
        first_keys_R, *keys = _split(keys_R, len(self.layers) + 1)
        hidden_RLD = self._embed(tokens_RL, positions_RL, first_keys_R, constrain)
        mask_RLL = segments_RL[:, :, None] == segments_RL[:, None, :]
        graph, _ = nnx.split(self.layers[0])
        stacked = jax.tree.map(lambda *leaves: jnp.stack(leaves), *(nnx.state(layer) for layer in self.layers))
        layer = self._layer(graph, constrain)

        def step(hidden_RLD, given):
            parameters, layer_keys_R = given
            return layer(parameters, hidden_RLD, mask_RLL, layer_keys_R), None

        return jax.lax.scan(step, hidden_RLD, (stacked, None if keys_R is None else jnp.stack(keys)))[0]

    def _layer(self, graph: nnx.GraphDef, constrain) -> Callable:
        """A layer as a function of its parameters, which computes again on the way back what `remat` says."""

        def apply(parameters, hidden_RLD, mask_RLL, keys_R):
            return constrain(nnx.merge(graph, parameters)(hidden_RLD, mask_RLL, keys_R))

        return apply if self.remat == "none" else jax.checkpoint(apply, policy=REMAT[self.remat])

    def _embed(self, tokens_RL, positions_RL, keys_R, constrain):
        """The hidden states before the first layer."""
        vectors_RLD = self.token_table(tokens_RL) + self.position_table(positions_RL + self.position_offset)
        if self.type_table is not None:
            vectors_RLD += self.type_table.embedding[0]
        return _drop_rows(self.dropout, self.embedding_norm(constrain(vectors_RLD)), keys_R)

    def project(self, pooled):
        """Pooled vectors [..., D] to embeddings [..., `EncoderConfig.embedding_width`] by the dense layer, if any."""
        return pooled if self.dense is None else self.dense_activation(self.dense(pooled))


def parameter_count(config: EncoderConfig) -> int:
    """Trained numbers of an encoder, without the token table's padding rows."""
    shapes = nnx.eval_shape(lambda: Encoder(config, rngs=nnx.Rngs(0)))
    total = sum(leaf.size for leaf in jax.tree.leaves(nnx.state(shapes, nnx.Param)))
    return total - (padded_vocabulary(config.vocab_size) - config.vocab_size) * config.width

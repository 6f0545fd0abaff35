"""A text encoder over packed rows, of BERT's family (Devlin et al. 2018, arXiv 1810.04805) or with rotary positions.

A row holds several texts.  Attention stays inside a segment, positions restart with each segment, and segment 0 is
padding; so a text gets the same vectors whether it is alone in a row or not.  Dropout is drawn row by row, each row
from its own key, so the result for a row does not depend on how many rows are encoded together.
"""

import dataclasses
import functools
from collections.abc import Callable, Iterator
from types import ModuleType

import jax
import jax.numpy as jnp
from flax import nnx
from jax.sharding import Mesh

from hbt_jax.errors import InputError
from hbt_jax.models import linear, on_cpu, rotary
from hbt_jax.models.attention import PLAIN, Attention, Seen, seen_of
from hbt_jax.models.lora import LoraConfig
from hbt_jax.models.rotary import RotaryConfig


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
      activation: between the two feed-forward products: "gelu" (exact, by the error function), "gelu_tanh", "relu" or
        "silu".
      dropout: rate after embeddings, attention output and feed-forward output.
      pad_id: token at padding; its vector never reaches an output.
      dense: outputs of a dense layer between pooling and normalisation, 0 for none (LaBSE: 768).
      dense_activation: after that layer: "tanh" or "identity".
      rotary: rotary positions in place of the position table, and how such layers differ; None for BERT's.
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
    rotary: RotaryConfig | None = None

    def __post_init__(self):
        if isinstance(self.rotary, dict):  # from JSON
            object.__setattr__(self, "rotary", RotaryConfig(**self.rotary))

    def values(self) -> dict:
        """The attributes as JSON holds them; without `rotary` if it is None, as in files written before it existed."""
        found = dataclasses.asdict(self)
        return found if self.rotary else {name: value for name, value in found.items() if name != "rotary"}

    @property
    def embedding_width(self) -> int:
        """Numbers of an embedding."""
        return self.dense or self.width

    @property
    def expanded(self) -> int:
        """Outputs of a layer's first feed-forward product: F, twice as many if it is gated."""
        return 2 * self.feed_forward if self.rotary else self.feed_forward

    def has_bias(self, product: str) -> bool:
        """Whether a product of a layer, such as "expand", has a bias."""
        return self.rotary is None or product in self.rotary.biases

    @property
    def norm_bias(self) -> bool:
        """Whether norms have a bias."""
        return self.rotary is None or self.rotary.norm_bias

    @property
    def pre_norm(self) -> bool:
        """Whether layers normalise before their parts."""
        return self.rotary is not None and self.rotary.pre_norm


ACTIVATIONS = {
    "gelu": functools.partial(jax.nn.gelu, approximate=False),
    "gelu_tanh": functools.partial(jax.nn.gelu, approximate=True),
    "relu": jax.nn.relu,
    "silu": jax.nn.silu,
}
DENSE_ACTIVATIONS = {"tanh": jnp.tanh, "identity": lambda values: values}

REMAT = {  # what a layer keeps for its backward pass
    "none": jax.checkpoint_policies.everything_saveable,
    "dots": jax.checkpoint_policies.save_from_both_policies(
        jax.checkpoint_policies.dots_with_no_batch_dims_saveable,
        jax.checkpoint_policies.save_only_these_names(linear.PRODUCT),
    ),
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
    """One transformer layer: self-attention inside segments, then a feed-forward network.

    Each part is added to its input.  The sum is normalised (post-norm, like BERT), or the part's input is (pre-norm).
    """

    def __init__(
        self,
        config: EncoderConfig,
        number: int,
        *,
        lora: LoraConfig | None = None,
        adapted: tuple[str, ...] = (),
        dtype: jnp.dtype,
        attention: Attention = PLAIN,
        one_cpu: bool = False,
        wide_gradients: bool = False,
        rngs: nnx.Rngs,
    ):
        parts = on_cpu if one_cpu else nnx
        product = (on_cpu if one_cpu else linear).WideGradientLinear if wide_gradients else parts.Linear

        def applied(name: str, inputs: int, outputs: int) -> nnx.Linear:
            start, bias = nnx.initializers.normal(0.02), config.has_bias(name)
            return product(inputs, outputs, use_bias=bias, dtype=dtype, kernel_init=start, rngs=rngs)

        def adapter(target: str) -> nnx.LoRA:
            inputs = config.feed_forward if target == "contract" else config.width
            outputs = config.expanded if target == "expand" else config.width
            return nnx.LoRA(inputs, lora.rank, outputs, dtype=dtype, rngs=rngs)

        self.heads, self.attention = config.heads, attention
        self.activation = on_cpu.gelu if one_cpu and config.activation == "gelu" else ACTIVATIONS[config.activation]
        self.rotary, self.local = config.rotary, bool(config.rotary) and number in config.rotary.local_layers
        self.theta = config.rotary.theta_of(number) if config.rotary else 0.0
        self.query_key_value = applied("query_key_value", config.width, 3 * config.width)
        self.attention_output = applied("attention_output", config.width, config.width)
        self.attention_norm = None if config.pre_norm and number == 0 else _norm(config, rngs, parts)
        self.expand = applied("expand", config.width, config.expanded)
        self.contract = applied("contract", config.feed_forward, config.width)
        self.output_norm = _norm(config, rngs, parts)
        self.dropout = nnx.Dropout(config.dropout)
        self.adapted = adapted
        self.adapters = nnx.Dict({target: adapter(target) for target in adapted})
        self.adapter_scale = lora.scale if lora else 0.0

    @property
    def kind(self) -> tuple:
        """Layers of one kind have parameters of the same names and compute the same from them."""
        return self.adapted, self.local, self.attention_norm is None

    def __call__(self, hidden_RLD, seen: Seen, keys_R):
        """float32 [R, L, D] from the same; `seen` says which tokens see which, no keys mean no dropout."""
        keys = _split(keys_R, 2)
        hidden_RLD = self._added(self.attention_norm, hidden_RLD, lambda given: self._attend(given, seen), keys[0])
        return self._added(self.output_norm, hidden_RLD, self._feed_forward, keys[1])

    def _added(self, norm: nnx.LayerNorm | None, hidden_RLD, part: Callable, keys_R):
        """The input plus what a part makes of it, with the norm before or after."""
        if self.rotary is None or not self.rotary.pre_norm:
            return norm(hidden_RLD + self._drop(part(hidden_RLD), keys_R))
        return hidden_RLD + self._drop(part(hidden_RLD if norm is None else norm(hidden_RLD)), keys_R)

    def _feed_forward(self, hidden_RLD):
        expanded = self._adapted("expand", self.expand(hidden_RLD), hidden_RLD)
        if self.rotary is None:
            expanded_RLF = self.activation(expanded)
        else:
            expanded_RLF = rotary.gated(expanded, self.activation, self.rotary.activated)
        return self._adapted("contract", self.contract(expanded_RLF), expanded_RLF)

    def _attend(self, hidden_RLD, seen: Seen):
        rows, length, width = hidden_RLD.shape
        mixed = jnp.split(self.query_key_value(hidden_RLD), 3, axis=-1)
        query, key, value = (
            self._adapted(target, part, hidden_RLD).reshape(rows, length, self.heads, width // self.heads)
            for target, part in zip(("query", "key", "value"), mixed, strict=True)
        )
        if self.rotary is not None:
            turn = (seen.positions_RL, self.theta, self.rotary.stretch)
            query, key = rotary.rotated(query, *turn), rotary.rotated(key, *turn)
        attended = self.attention(query, key, value, seen, self.rotary.window if self.local else 0)
        attended_RLD = attended.reshape(rows, length, width)
        return self._adapted("attention_output", self.attention_output(attended_RLD), attended_RLD)

    def _adapted(self, target: str, product, inputs):
        """A product's output plus that of its adapter, if it has one."""
        if target not in self.adapted:
            return product
        return product + self.adapter_scale * self.adapters[target](inputs)

    def _drop(self, values, keys_R):
        return _drop_rows(self.dropout, values, keys_R)


def _norm(config: EncoderConfig, rngs: nnx.Rngs, parts: ModuleType = nnx) -> nnx.LayerNorm:
    kinds = {"epsilon": config.norm_epsilon, "use_bias": config.norm_bias, "dtype": jnp.float32}
    return parts.LayerNorm(config.width, **kinds, rngs=rngs)


def _split(keys_R, count: int) -> list:
    """`count` arrays of keys, one key for each row; for None, a list of `count` Nones."""
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
        parameters are stacked for the loop.  Ignored where layers differ (LoRA or a window in some of them).
      attention: the form of attention.
      one_cpu: use the other implementations of on_cpu.py too, for one CPU device.
      wide_gradients: keep the gradients of layers' kernels in float32 where `dtype` is narrower (linear.py).
    """

    def __init__(
        self,
        config: EncoderConfig,
        *,
        lora: LoraConfig | None = None,
        dtype: jnp.dtype = jnp.float32,
        remat: str = "none",
        scan_layers: bool = False,
        attention: Attention = PLAIN,
        one_cpu: bool = False,
        wide_gradients: bool = False,
        rngs: nnx.Rngs,
    ):
        def table(rows: int) -> nnx.Embed:
            return nnx.Embed(rows, config.width, embedding_init=nnx.initializers.normal(0.02), rngs=rngs)

        def layer(number: int) -> Layer:
            options = {"dtype": dtype, "attention": attention, "one_cpu": one_cpu, "wide_gradients": wide_gradients}
            return Layer(config, number, lora=lora, adapted=lora.on(number) if lora else (), **options, rngs=rngs)

        parts = on_cpu if one_cpu else nnx
        self.position_offset = config.position_offset
        self.token_table = table(padded_vocabulary(config.vocab_size))
        self.position_table = None if config.rotary else table(config.max_positions + config.position_offset)
        self.type_table = table(config.token_types) if config.token_types else None
        self.embedding_norm = _norm(config, rngs, parts)
        self.dropout = nnx.Dropout(config.dropout)
        self.layers = nnx.List([layer(number) for number in range(config.layers)])
        self.final_norm = _norm(config, rngs, parts) if config.pre_norm else None
        self.dense = nnx.Linear(config.width, config.dense, dtype=jnp.float32, rngs=rngs) if config.dense else None
        self.dense_activation = DENSE_ACTIVATIONS[config.dense_activation]
        alike = len({layer.kind for layer in self.layers}) == 1
        self.remat, self.scan_layers = remat, scan_layers and alike

    def __call__(self, tokens_RL, segments_RL, positions_RL, keys_R=None, constrain=lambda x: x):
        """See the class."""
        if self.scan_layers:
            return self._scanned(tokens_RL, segments_RL, positions_RL, keys_R, constrain)
        *_, last_RLD = self.states(tokens_RL, segments_RL, positions_RL, keys_R, constrain)
        return last_RLD

    def states(self, tokens_RL, segments_RL, positions_RL, keys_R=None, constrain=lambda x: x) -> Iterator[jax.Array]:
        """Yields the hidden states after the embedding layer, then after each layer; arguments as for a call.

        The last are those of a call, after the final norm if there is one.
        """
        first_keys_R, *keys = _split(keys_R, len(self.layers) + 1)
        hidden_RLD = self._embed(tokens_RL, positions_RL, first_keys_R, constrain)
        yield hidden_RLD
        seen, last = seen_of(segments_RL, positions_RL), len(self.layers) - 1
        for number, (layer, layer_keys_R) in enumerate(zip(self.layers, keys, strict=True)):
            graph, parameters = nnx.split(layer)
            hidden_RLD = self._layer(graph, constrain)(parameters, hidden_RLD, seen, layer_keys_R)
            yield self._finished(hidden_RLD) if number == last else hidden_RLD

    def _finished(self, hidden_RLD):
        return hidden_RLD if self.final_norm is None else self.final_norm(hidden_RLD)

    def _scanned(self, tokens_RL, segments_RL, positions_RL, keys_R, constrain):
        """The last hidden states, by a loop over the layers' stacked parameters."""
        first_keys_R, *keys = _split(keys_R, len(self.layers) + 1)
        hidden_RLD = self._embed(tokens_RL, positions_RL, first_keys_R, constrain)
        seen = seen_of(segments_RL, positions_RL)
        graph, _ = nnx.split(self.layers[0])
        stacked = jax.tree.map(lambda *leaves: jnp.stack(leaves), *(nnx.state(layer) for layer in self.layers))
        layer = self._layer(graph, constrain)

        def step(hidden_RLD, given):
            parameters, layer_keys_R = given
            return layer(parameters, hidden_RLD, seen, layer_keys_R), None

        hidden_RLD, _ = jax.lax.scan(step, hidden_RLD, (stacked, None if keys_R is None else jnp.stack(keys)))
        return self._finished(hidden_RLD)

    def _layer(self, graph: nnx.GraphDef, constrain) -> Callable:
        """A layer as a function of its parameters, which recomputes in the backward pass what `remat` says."""

        def apply(parameters, hidden_RLD, seen, keys_R):
            return constrain(nnx.merge(graph, parameters)(hidden_RLD, seen, keys_R))

        return apply if self.remat == "none" else jax.checkpoint(apply, policy=REMAT[self.remat])

    def _embed(self, tokens_RL, positions_RL, keys_R, constrain):
        """The hidden states before the first layer."""
        vectors_RLD = self.token_table(tokens_RL)
        if self.position_table is not None:
            vectors_RLD += self.position_table(positions_RL + self.position_offset)
        if self.type_table is not None:
            vectors_RLD += self.type_table.embedding[0]
        return _drop_rows(self.dropout, self.embedding_norm(constrain(vectors_RLD)), keys_R)

    def project(self, pooled):
        """Pooled vectors [..., D] to embeddings [..., `EncoderConfig.embedding_width`] by the dense layer, if any."""
        return pooled if self.dense is None else self.dense_activation(self.dense(pooled))


def graph_on(graph: nnx.GraphDef, parameters, mesh: Mesh) -> nnx.GraphDef:
    """An encoder's graph, adapted from one mesh to another: attention may be a kernel that depends on the mesh."""
    encoder = nnx.merge(graph, parameters)
    for layer in encoder.layers:
        if layer.attention.mesh is not None:
            layer.attention = dataclasses.replace(layer.attention, mesh=mesh)
    return nnx.graphdef(encoder)


def parameter_count(config: EncoderConfig) -> int:
    """Trained numbers of an encoder, without the token table's padding rows."""
    shapes = nnx.eval_shape(lambda: Encoder(config, rngs=nnx.Rngs(0)))
    total = sum(leaf.size for leaf in jax.tree.leaves(nnx.state(shapes, nnx.Param)))
    return total - (padded_vocabulary(config.vocab_size) - config.vocab_size) * config.width

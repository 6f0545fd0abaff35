"""One update as a pure function under one jit: the same program for one device and for a mesh.

The first axis of every array of a batch counts shares, one per device.  A device encodes its own share; the loss reads
the passages of all, for which XLA inserts the gather.  No collective is written by hand.
"""

import dataclasses
import functools
from collections.abc import Callable
from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
import optax
from flax import nnx
from jax.sharding import Mesh, NamedSharding, PartitionSpec

from hbt_jax import mesh as meshes
from hbt_jax.config.devices import MemoryConfig
from hbt_jax.config.learning import LearningConfig, TeachingConfig
from hbt_jax.data.extras import ANCHOR_QUERIES, GUIDE_QUERIES, TEACHER_SCORES
from hbt_jax.models.attention import PLAIN, Attention, attention_on
from hbt_jax.models.encoder import Encoder, EncoderConfig
from hbt_jax.models.lora import LoraConfig
from hbt_jax.models.model import embed_slots
from hbt_jax.models.on_cpu import has_one_cpu
from hbt_jax.training import losses
from hbt_jax.training.freezing import trainable
from hbt_jax.training.optimizer import learning_rate, make_optimizer
from hbt_jax.training.teaching.anchor import anchored, anchored_share
from hbt_jax.training.teaching.distillation import distilled
from hbt_jax.training.teaching.guide import with_guide

_WHOLE_SCORES = 2**26  # most scores that a device computes without tiles: several arrays of 256 MiB
_TILE_SCORES = 2**22
_SMALLEST_TILE = 128


class TrainState(NamedTuple):
    """What an update changes: `step` (int32), all parameters (nnx.State), the optimizer state of the trained ones."""

    step: jax.Array
    parameters: nnx.State
    optimizer: optax.OptState


@dataclasses.dataclass(frozen=True)
class StepConfig:
    """Everything static about an update.

    Attributes:
      encoder: the architecture.
      pooling: "mean" or "cls".
      segments: S, texts a packed row can hold.
      learning: loss and optimizer.
      steps: length of the run, which the learning rate's schedule needs.
      seed: seed of initial weights and dropout.
      compute_dtype: "float32" or "bfloat16", of matrix products in the encoder.
      normalize: whether embeddings are scaled to unit length.
      lora: the adapters, None for none.
      frozen: parts that are not trained, see freezing.py.
      positives: consecutive pairs of a batch whose passages are positives of each other's queries; 1: each has its own.
      teaching: margin of the guide, weight of the anchor and the loss against a teacher, for batches with their vectors
        or scores.
      memory: chunks, tiles, what is computed again and where optimizer state lies.
    """

    encoder: EncoderConfig
    pooling: str
    segments: int
    learning: LearningConfig
    steps: int
    seed: int
    compute_dtype: str = "float32"
    normalize: bool = True
    lora: LoraConfig | None = None
    frozen: tuple[str, ...] = ()
    positives: int = 1
    teaching: TeachingConfig = TeachingConfig()
    memory: MemoryConfig = MemoryConfig()

    def graph(self, mesh: Mesh) -> nnx.GraphDef:
        """The encoder without its parameters; the mesh decides what --scan_layers and --attention leave open."""
        scan = self.memory.scan_layers
        scan = mesh.devices.flat[0].platform != "cpu" if scan is None else scan
        forms = scan, self.attention(mesh), has_one_cpu(mesh)
        return nnx.graphdef(nnx.eval_shape(lambda: self._encoder(*forms)))

    def attention(self, mesh: Mesh) -> Attention:
        """The form of attention on a mesh; raises InputError if --attention is not for its devices."""
        return attention_on(mesh, self.memory.attention, self.compute_dtype)

    def initial_state(self) -> TrainState:
        """The state before the first update, from the seed alone."""
        parameters = nnx.state(self._encoder(), nnx.Param)
        return TrainState(jnp.zeros((), jnp.int32), parameters, self.initial_optimizer(parameters))

    def initial_optimizer(self, parameters) -> optax.OptState:
        """The optimizer state before the first update; it holds nothing for frozen parameters."""
        return self.make_optimizer().init(self.split(parameters)[0])

    def make_optimizer(self) -> optax.GradientTransformation:
        """The optimizer of the run."""
        return make_optimizer(self.learning, self.steps, self.encoder.layers)

    def split(self, parameters) -> tuple[nnx.State, nnx.State]:
        """The trained and the frozen parameters; `nnx.merge_state` is the inverse."""
        return nnx.split_state(parameters, trainable(self.frozen, self.lora), ...)

    def _encoder(self, scan_layers: bool = False, attention: Attention = PLAIN, one_cpu: bool = False) -> Encoder:
        return Encoder(
            self.encoder,
            lora=self.lora,
            dtype=jnp.dtype(self.compute_dtype),
            remat=self.memory.remat,
            scan_layers=scan_layers,
            attention=attention,
            one_cpu=one_cpu,
            wide_gradients=self.memory.gradient_dtype == "float32",
            rngs=nnx.Rngs(self.seed),
        )


def batch_loss(
    config: StepConfig,
    graph: nnx.GraphDef,
    parameters,
    batch: dict,
    *,
    positives: int = 1,
    dropout_key=None,
    constrain=lambda x: x,
    apart=None,
):
    """The loss of one packed batch and its accuracy; see losses.multi_positive, and model.embed_slots for `apart`."""
    vectors = embed_slots(
        graph,
        parameters,
        batch,
        segments=config.segments,
        pooling=config.pooling,
        normalized=config.normalize,
        dropout_key=dropout_key,
        chunk=config.memory.encode_chunk,
        constrain=constrain,
        apart=apart,
    )
    query_PbD, passage_PcD = (
        jnp.take_along_axis(vectors, batch[slots][:, :, None], axis=1) for slots in ("query_slots", "passage_slots")
    )
    loss = functools.partial(
        losses.multi_positive,
        masked_PbW=batch["masked"],
        positives=positives,
        temperature=config.learning.temperature,
        symmetric=config.learning.symmetric,
        tile=loss_tile(config.memory.loss_tile, query_PbD.shape[1], passage_PcD.shape[0] * passage_PcD.shape[1]),
        constrain=constrain,
    )
    value, accuracy = losses.at_widths(query_PbD, passage_PcD, config.learning.widths(), config.normalize, loss)
    teaching, scores = config.teaching, batch.get(TEACHER_SCORES)
    if scores is not None:
        temperatures = config.learning.temperature, teaching.teacher_temperature
        taught = distilled(teaching.distillation, query_PbD, passage_PcD, scores, *temperatures, constrain)
        weight = teaching.distillation_weight
        value = (1 - weight) * value + weight * taught
    if ANCHOR_QUERIES in batch:
        value += teaching.anchor_weight * anchored(query_PbD, passage_PcD, batch)
    return value, accuracy


def loss_tile(given: int, queries: int, passages: int) -> int:
    """Columns the loss makes at a time, 0 for all.

    Args:
      given: --loss_tile.
      queries: of one device.
      passages: of all devices.
    """
    if given:
        return given if given < passages else 0
    if queries * passages <= _WHOLE_SCORES:
        return 0
    return max(_SMALLEST_TILE, _TILE_SCORES // queries)


def on_mesh(mesh: Mesh) -> dict[str, Callable | None]:
    """What `batch_loss` needs to know of a mesh: its `constrain` and `apart`.

    A data axis of one device has nothing to keep apart; with several on the fsdp axis XLA fails to compile it.
    """
    sharding = NamedSharding(mesh, PartitionSpec(meshes.BATCH_AXES))
    apart = functools.partial(_apart, mesh) if mesh.shape[meshes.BATCH_AXES[0]] > 1 else None
    return {"constrain": _constraint(sharding), "apart": apart}


def _constraint(sharding: NamedSharding | PartitionSpec) -> Callable:
    return lambda values: jax.lax.with_sharding_constraint(values, sharding)


def _apart(mesh: Mesh, function: Callable) -> Callable:
    """`function` on each part of the data axis by itself; see model.embed_slots.

    XLA would sum the gradients of all parameters over the data axis once for each chunk.
    """
    data, rest = meshes.BATCH_AXES
    constrain = _constraint(PartitionSpec(rest))  # for the mesh inside shard_map, which has no `data` axis

    def apart(parameters, *arrays):
        specs = PartitionSpec(), *[PartitionSpec(data)] * len(arrays)
        inside = functools.partial(function, constrain)
        split = {"in_specs": specs, "out_specs": PartitionSpec(data), "axis_names": {data}}
        # Without check_vma, gradients of parameters are summed where they leave, and a kernel may stand inside.
        return jax.shard_map(inside, mesh=mesh, check_vma=False, **split)(parameters, *arrays)

    return apart


def make_train_step(config: StepConfig, mesh: Mesh) -> Callable:
    """The jitted update: (TrainState, batch) -> (TrainState, metrics); the input state is donated.

    Metrics are scalars: `loss`, `accuracy`, `false_negatives`, `gradient_norm` (before clipping), `learning_rate`,
    `row_fill` (fraction of row tokens that hold text), `truncated_texts` and `absent_negatives` (requested but absent);
    with a guide `guide_masked`, with an anchor `anchored` (share of texts that have one).
    """
    graph, optimizer = config.graph(mesh), config.make_optimizer()
    schedule = learning_rate(config.learning, config.steps)

    def laid_out(values):
        """Gradients or parameters, sharded like the optimizer's state: each device updates its part."""
        return jax.lax.with_sharding_constraint(values, _optimizer_shardings(config, values, mesh))

    def update(state: TrainState, batch: dict):
        key = jax.random.fold_in(jax.random.key(config.seed), state.step) if config.encoder.dropout else None

        trained, frozen = config.split(state.parameters)
        is_guided = GUIDE_QUERIES in batch
        batch, guided = with_guide(batch, config.teaching.guide_margin, on_mesh(mesh)["constrain"])

        def loss_of(trained):
            parameters = nnx.merge_state(trained, frozen)
            options = {"positives": config.positives, "dropout_key": key, **on_mesh(mesh)}
            return batch_loss(config, graph, parameters, batch, **options)

        (loss, accuracy), gradients = jax.value_and_grad(loss_of, has_aux=True)(trained)
        gradients = laid_out(gradients)
        changes, optimizer_state = optimizer.update(gradients, state.optimizer, laid_out(trained))
        parameters = nnx.merge_state(optax.apply_updates(trained, changes), frozen)
        metrics = {
            "loss": loss,
            "accuracy": accuracy,
            "false_negatives": jnp.sum(batch["false_negatives"]),
            "gradient_norm": optax.global_norm(gradients),
            "learning_rate": jnp.asarray(schedule(state.step), jnp.float32),
            "row_fill": jnp.mean(batch["segments"] > 0, dtype=jnp.float32),
            "truncated_texts": jnp.sum(batch["truncated"]),
            "absent_negatives": jnp.sum(batch["absent_negatives"]),
        }
        metrics |= {"guide_masked": guided} if is_guided else {}
        metrics |= {"anchored": anchored_share(batch)} if ANCHOR_QUERIES in batch else {}
        return TrainState(state.step + 1, parameters, optimizer_state), metrics

    shardings = state_shardings(config, mesh)
    return jax.jit(
        update,
        in_shardings=(shardings, meshes.batch_sharding(mesh)),
        out_shardings=(shardings, meshes.replicated(mesh)),
        donate_argnums=0,
    )


def make_validation_step(config: StepConfig, mesh: Mesh) -> Callable:
    """The jitted loss without dropout: (parameters, batch) -> scalar."""
    graph = config.graph(mesh)

    def loss_of(parameters, batch: dict):
        return batch_loss(config, graph, parameters, batch, **on_mesh(mesh))[0]

    shardings = state_shardings(config, mesh).parameters
    return jax.jit(
        loss_of,
        in_shardings=(shardings, meshes.batch_sharding(mesh)),
        out_shardings=meshes.replicated(mesh),
    )


def abstract_state(config: StepConfig, mesh: Mesh) -> TrainState:
    """Shapes, dtypes and shardings of a TrainState on `mesh`, without allocating it."""
    return jax.tree.map(
        lambda leaf, sharding: jax.ShapeDtypeStruct(leaf.shape, leaf.dtype, sharding=sharding),
        jax.eval_shape(config.initial_state),
        state_shardings(config, mesh),
    )


def state_shardings(config: StepConfig, mesh: Mesh) -> TrainState:
    """The sharding of each leaf of a TrainState on `mesh`."""
    shapes = jax.eval_shape(config.initial_state)
    return meshes.state_shardings(shapes, mesh)._replace(optimizer=_optimizer_shardings(config, shapes.optimizer, mesh))


def _optimizer_shardings(config: StepConfig, tree, mesh: Mesh):
    return (meshes.split_shardings if config.memory.split_optimizer else meshes.state_shardings)(tree, mesh)


def sharded_initial_state(config: StepConfig, mesh: Mesh, given: dict[tuple, np.ndarray] | None = None) -> TrainState:
    """The initial state, created directly on the mesh.

    Args:
      config: the update.
      mesh: the devices.
      given: float32 host arrays of a pretrained encoder by parameter path; missing ones come from the seed.  The dict
        is emptied along the way, so that no parameter is held twice.
    """
    if not given:
        return jax.jit(config.initial_state, out_shardings=state_shardings(config, mesh))()
    shardings = state_shardings(config, mesh)
    parameters = sharded_parameters(config, shardings.parameters, given)
    optimizer = jax.jit(config.initial_optimizer, out_shardings=shardings.optimizer)(parameters)
    return TrainState(jax.device_put(jnp.zeros((), jnp.int32), shardings.step), parameters, optimizer)


def sharded_parameters(config: StepConfig, shardings, given: dict[tuple, np.ndarray]) -> nnx.State:
    """Parameters on a mesh from host arrays; see `sharded_initial_state`."""
    shapes = jax.eval_shape(config.initial_state).parameters
    absent = [path for path, _ in nnx.to_flat_state(shapes) if path not in given]

    def drawn() -> dict:
        made = dict(nnx.to_flat_state(config.initial_state().parameters))
        return {path: made[path] for path in absent}

    flat_shardings = dict(nnx.to_flat_state(shardings))
    seeded = jax.jit(drawn, out_shardings={path: flat_shardings[path] for path in absent})() if absent else {}
    return placed(shapes, shardings, given, seeded)


def placed(shapes, shardings, given: dict[tuple, np.ndarray], others: dict | None = None) -> nnx.State:
    """Host arrays as an nnx.State on a mesh.

    Args:
      shapes: the state with abstract leaves.
      shardings: the same with a sharding at each leaf.
      given: float32 host arrays by path; emptied along the way, so that no parameter is held twice.
      others: leaves that are already on the mesh, by path.

    Raises:
      ValueError: an array of `given` has another shape, or the state has no such parameter.
    """
    leaves, flat_shardings = dict(others or {}), dict(nnx.to_flat_state(shardings))
    for path, like in nnx.to_flat_state(shapes):
        if path in leaves:
            continue
        host = given.pop(path)
        if host.shape != like.shape:
            raise ValueError(f"parameter {path} has shape {host.shape}, expected {like.shape}")
        sharding = flat_shardings[path].get_value()
        array = jax.make_array_from_callback(host.shape, sharding, lambda index, host=host: host[index])
        leaves[path] = like.replace(array)
    if given:
        raise ValueError(f"parameters that the encoder does not have: {sorted(map(str, given))}")
    return nnx.from_flat_state([(path, leaves[path]) for path, _ in nnx.to_flat_state(shapes)])

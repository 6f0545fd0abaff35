"""One update as a pure function under one jit: the same program for one device and for a mesh.

Every array of a batch has one share per device on its first axis.  A device encodes its own share; the loss then reads
all passages, and XLA inserts the gather.  No collective is written by hand.
"""

import dataclasses
from collections.abc import Callable
from typing import NamedTuple

import jax
import jax.numpy as jnp
import optax
from flax import nnx
from jax.sharding import Mesh, NamedSharding, PartitionSpec

from hbt_jax import mesh as meshes
from hbt_jax.config import LearningConfig
from hbt_jax.models.encoder import Encoder, EncoderConfig
from hbt_jax.models.model import embed_slots
from hbt_jax.training import losses
from hbt_jax.training.optimizer import learning_rate, make_optimizer


class TrainState(NamedTuple):
    """What an update changes: `step` int32, the parameters (an nnx.State) and the optimizer's state."""

    step: jax.Array
    parameters: nnx.State
    optimizer: optax.OptState


@dataclasses.dataclass(frozen=True)
class Recipe:
    """Everything static about an update.

    Attributes:
      encoder: the architecture.
      pooling: "mean" or "cls".
      segments: S, texts a packed row can hold.
      learning: loss and optimizer.
      steps: length of the run, which the learning rate's schedule needs.
      seed: seed of initial weights and dropout.
      compute_dtype: "float32" or "bfloat16", of matrix products in the encoder.
    """

    encoder: EncoderConfig
    pooling: str
    segments: int
    learning: LearningConfig
    steps: int
    seed: int
    compute_dtype: str = "float32"

    def graph(self) -> nnx.GraphDef:
        """The encoder's structure without its parameters."""
        return nnx.graphdef(nnx.eval_shape(self._encoder))

    def initial_state(self) -> TrainState:
        """The state before the first update, from the seed alone."""
        parameters = nnx.state(self._encoder(), nnx.Param)
        optimizer = make_optimizer(self.learning, self.steps).init(parameters)
        return TrainState(jnp.zeros((), jnp.int32), parameters, optimizer)

    def _encoder(self) -> Encoder:
        return Encoder(self.encoder, dtype=jnp.dtype(self.compute_dtype), rngs=nnx.Rngs(self.seed))


def batch_loss(
    recipe: Recipe, graph: nnx.GraphDef, parameters, batch: dict, *, dropout_key=None, constrain=lambda x: x
):
    """The loss of one packed batch and its metrics; see losses.info_nce."""
    vectors = embed_slots(
        graph,
        parameters,
        batch,
        segments=recipe.segments,
        pooling=recipe.pooling,
        dropout_key=dropout_key,
        constrain=constrain,
    )
    query_PbD, passage_PcD = (
        jnp.take_along_axis(vectors, batch[slots][:, :, None], axis=1) for slots in ("query_slots", "passage_slots")
    )
    ids = losses.Ids(batch["query_ids"], batch["group_ids"], batch["passage_ids"], batch["passage_groups"])
    return losses.info_nce(
        query_PbD,
        passage_PcD,
        ids,
        temperature=recipe.learning.temperature,
        symmetric=recipe.learning.symmetric,
        constrain=constrain,
    )


def _row_constraint(mesh: Mesh) -> Callable:
    sharding = NamedSharding(mesh, PartitionSpec(meshes.BATCH_AXES))
    return lambda values: jax.lax.with_sharding_constraint(values, sharding)


def make_train_step(recipe: Recipe, mesh: Mesh) -> Callable:
    """The jitted update: (TrainState, batch) -> (TrainState, metrics); the state given in is donated.

    Metrics are scalars: `loss`, `accuracy`, `false_negatives`, `gradient_norm` (before clipping), `learning_rate`,
    `row_fill` (share of row tokens that hold text), `truncated_texts` and `absent_negatives` (asked for, not there).
    """
    graph, optimizer = recipe.graph(), make_optimizer(recipe.learning, recipe.steps)
    schedule, constrain = learning_rate(recipe.learning, recipe.steps), _row_constraint(mesh)

    def update(state: TrainState, batch: dict):
        key = jax.random.fold_in(jax.random.key(recipe.seed), state.step) if recipe.encoder.dropout else None

        def loss_of(parameters):
            return batch_loss(recipe, graph, parameters, batch, dropout_key=key, constrain=constrain)

        (loss, metrics), gradients = jax.value_and_grad(loss_of, has_aux=True)(state.parameters)
        changes, optimizer_state = optimizer.update(gradients, state.optimizer, state.parameters)
        parameters = optax.apply_updates(state.parameters, changes)
        metrics |= {
            "loss": loss,
            "gradient_norm": optax.global_norm(gradients),
            "learning_rate": jnp.asarray(schedule(state.step), jnp.float32),
            "row_fill": jnp.mean(batch["segments"] > 0, dtype=jnp.float32),
            "truncated_texts": jnp.sum(batch["truncated"]),
            "absent_negatives": jnp.sum(batch["absent_negatives"]),
        }
        return TrainState(state.step + 1, parameters, optimizer_state), metrics

    shardings = state_shardings(recipe, mesh)
    return jax.jit(
        update,
        in_shardings=(shardings, meshes.batch_sharding(mesh)),
        out_shardings=(shardings, meshes.replicated(mesh)),
        donate_argnums=0,
    )


def make_validation_step(recipe: Recipe, mesh: Mesh) -> Callable:
    """The jitted loss without dropout: (parameters, batch) -> scalar."""
    graph, constrain = recipe.graph(), _row_constraint(mesh)

    def loss_of(parameters, batch: dict):
        return batch_loss(recipe, graph, parameters, batch, constrain=constrain)[0]

    shardings = state_shardings(recipe, mesh).parameters
    return jax.jit(
        loss_of,
        in_shardings=(shardings, meshes.batch_sharding(mesh)),
        out_shardings=meshes.replicated(mesh),
    )


def abstract_state(recipe: Recipe, mesh: Mesh) -> TrainState:
    """Shapes, dtypes and shardings of a TrainState on `mesh`, without any memory."""
    shapes = jax.eval_shape(recipe.initial_state)
    return jax.tree.map(
        lambda leaf, sharding: jax.ShapeDtypeStruct(leaf.shape, leaf.dtype, sharding=sharding),
        shapes,
        meshes.state_shardings(shapes, mesh),
    )


def state_shardings(recipe: Recipe, mesh: Mesh) -> TrainState:
    """The sharding of each leaf of a TrainState on `mesh`."""
    return meshes.state_shardings(jax.eval_shape(recipe.initial_state), mesh)


def sharded_initial_state(recipe: Recipe, mesh: Mesh) -> TrainState:
    """The initial state, made in place on the mesh."""
    return jax.jit(recipe.initial_state, out_shardings=state_shardings(recipe, mesh))()

"""From a configuration to a trained model: opens the data, builds mesh and encoder, and runs the loop."""

import dataclasses
from collections.abc import Callable, Iterator
from pathlib import Path

import jax
import numpy as np
from flax import nnx
from jax.sharding import Mesh

from hbt_jax import mesh as meshes
from hbt_jax.config import TrainConfig
from hbt_jax.data import audit, pipeline
from hbt_jax.data.manifest import data_release
from hbt_jax.data.mixture import Mixture, open_mixture
from hbt_jax.data.plan import PLAN_SCHEME, Plan
from hbt_jax.errors import Interrupted
from hbt_jax.files import check_name
from hbt_jax.models.encoder import parameter_count
from hbt_jax.models.model import assumption
from hbt_jax.models.tokenizer import Tokenizer
from hbt_jax.training import loop, workdir
from hbt_jax.training.checkpoint import Checkpoints, Record
from hbt_jax.training.freezing import count_line, trainable
from hbt_jax.training.initial_model import InitialModel, open_initial_model
from hbt_jax.training.preemption import StopRequest

_INPUT_THREADS = 1  # short numpy calls share the interpreter's lock: a second thread makes them slower


class Batches:
    """Packed host batches of one mixture, as this process and mesh need them."""

    def __init__(self, config: TrainConfig, stores: tuple, tokenizer: Tokenizer, mesh: Mesh):
        self.mixture: Mixture = open_mixture(stores, tokenizer.fingerprint, config.run.store_cache)
        self.plan = Plan(self.mixture, config.plan, config.run.seed)
        self._text, self._tokenizer = config.text, tokenizer
        self._shares, self._share_count = meshes.host_shares(mesh, jax.process_index()), mesh.size

    @property
    def fingerprints(self) -> list[str]:
        """What the stores hold, in order."""
        return [store.fingerprint for store in self.mixture.stores]

    @property
    def releases(self) -> list[str]:
        """The release of public data that each store was made from, in order; empty where it is not known."""
        return [data_release(store.manifest.get("source")) for store in self.mixture.stores]

    def __call__(self, start: int, stop: int | None = None) -> Iterator[dict]:
        """Batches of the steps from `start` to `stop`, without end if that is None."""
        return pipeline.batches(
            self.plan,
            self._text,
            self._tokenizer,
            start=start,
            stop=stop,
            shares=self._shares,
            share_count=self._share_count,
            threads=_INPUT_THREADS,
        )

    def describe(self, step: int) -> str:
        """Kind, store and languages of a step's batch in words."""
        batch = self.plan.batch(step)
        store = self.mixture.stores[batch.store]
        used = np.union1d(batch.query_language, batch.passage_language)
        return f"batch kind {batch.kind}, store {store.name}, languages {' '.join(store.languages[i] for i in used)}"


def agreement(every: int) -> Callable[[bool, bool], tuple[bool, bool]]:
    """How processes agree on stopping and saving: alone at once, several at every `every`-th question.

    Asking is a collective that makes the host wait, hence not at every step.
    """
    if jax.process_count() == 1:
        return lambda stop, save: (stop, save)
    asked = 0

    def agree(stop: bool, save: bool) -> tuple[bool, bool]:
        nonlocal asked
        asked += 1
        if asked % every:
            return False, False
        return meshes.any_process(stop), meshes.any_process(save)

    return agree


def train_run(config: TrainConfig, stop: StopRequest) -> Mesh:
    """Trains what `config` describes in its workdir and returns the mesh it ran on.

    Raises:
      InputError: bad data, a mesh that does not fit, or a workdir of another run.
      Interrupted: a signal came; everything up to the current step is saved.
      TrainingDiverged: see loop.train.
    """
    folder = Path(config.run.workdir)
    check_name(folder, "workdir", "checkpoints and event files")
    pipeline.import_tensorflow()  # first, so that its start-up notes do not reach the user through another package
    mesh = meshes.make_mesh(config.run.mesh_data, config.run.mesh_fsdp)
    initial = open_initial_model(config)
    config = initial.config
    batches = Batches(config, config.plan.stores, initial.tokenizer, mesh)
    batches.plan.check_negatives()
    job = _job(initial, mesh, batches)
    if job.leader:
        for line in [mesh_line(mesh), *model_lines(initial), *audit.describe(batches.plan)]:
            print(line, flush=True)
    checkpoints = Checkpoints(folder)
    try:
        loop.check_resume(
            config.run.resume, checkpoints, job.record, folder, job.said
        )  # before anything in the folder changes
        if job.leader:
            workdir.write(folder, initial)
        _, reached, stopped = loop.train(job, checkpoints, lambda: stop.requested)
    finally:
        checkpoints.close()
    if stopped:
        raise Interrupted(f"saved at step {reached.step} of {config.run.steps} in {folder}; the same command goes on")
    return mesh


def _job(initial: InitialModel, mesh: Mesh, batches: Batches) -> loop.Job:
    config, tokenizer = initial.config, initial.tokenizer
    validation = _validation(config, tokenizer, mesh)
    data = {
        "model": initial.fingerprint,
        "tokenizer": tokenizer.fingerprint,
        "stores": batches.fingerprints,
        "validation_stores": validation[0].fingerprints if validation else [],
        loop.RELEASES: batches.releases,
    }
    share = -(-config.run.validation_batches // max(1, len(validation)))
    return loop.Job(
        run=config.run,
        step_config=workdir.step_config_of(initial),
        weights=lambda: _weights(initial),
        mesh=mesh,
        batches=batches,
        validation=[batch for kind in validation for batch in kind(0, share)],
        describe=batches.describe,
        global_batch=config.plan.global_batch,
        record=Record(step=0, configuration=config.to_json(), data=data, plan_scheme=PLAN_SCHEME),
        workdir=Path(config.run.workdir),
        leader=jax.process_index() == 0,
        said=initial.said,
        agree=agreement(config.run.log_every),
    )


def _weights(initial: InitialModel) -> dict[tuple, np.ndarray] | None:
    """The weights of step 0; says which of the files' tensors have no part in it."""
    parameters, notes = initial.weights()
    if jax.process_index() == 0:
        for note in notes:
            print(note, flush=True)
    return parameters


def _validation(config: TrainConfig, tokenizer: Tokenizer, mesh: Mesh) -> list[Batches]:
    """The validation stores, once for each kind of batch that training draws: each kind counts the same."""
    stores, training = config.run.validation_stores, config.plan
    if not stores:
        return []
    kinds = [training.batching]
    if training.batching == "hybrid":
        alpha = training.mono_probability
        kinds = [kind for kind, share in (("x-x-mono", alpha), ("x-y", 1.0 - alpha)) if share > 0]
    plans = [dataclasses.replace(training, batching=kind, negatives=0) for kind in kinds]
    return [Batches(dataclasses.replace(config, plan=plan), stores, tokenizer, mesh) for plan in plans]


def mesh_line(mesh: Mesh) -> str:
    """The mesh in words."""
    kind = mesh.devices.flat[0].device_kind
    return f"mesh: data {mesh.shape['data']} x fsdp {mesh.shape['fsdp']}, {mesh.size} x {kind}"


def model_lines(initial: InitialModel) -> list[str]:
    """The encoder and what of it trains, in words."""
    encoder = initial.encoder
    count = parameter_count(encoder) / 1e6
    lines = [
        f"encoder: {encoder.layers} layers x {encoder.width}, {encoder.vocab_size:,} pieces, {count:.1f} M parameters"
    ]
    if initial.pretrained:
        lines[0] += f", from {initial.pretrained.name}"
        lines += initial.pretrained.notes
        model = initial.config.model
        lines += assumption(
            initial.pretrained.name, initial.assumed, model.pooling, model.normalize == "true", initial.config.text, {}
        )
    if initial.lora or initial.frozen:
        parameters = dict(nnx.to_flat_state(jax.eval_shape(workdir.step_config_of(initial).initial_state).parameters))
        shapes = {path: leaf.shape for path, leaf in parameters.items()}
        lines.append(count_line(shapes, encoder, trainable(initial.frozen, initial.lora)))
    return lines

"""From a configuration to a trained model: opens the data, builds mesh and encoder, and runs the trainer."""

import contextlib
import dataclasses
import functools
from collections.abc import Sequence
from typing import Protocol

import jax
import numpy as np
from flax import nnx
from jax.sharding import Mesh

from hbt_jax import mesh as meshes
from hbt_jax.bucket.mirror import files_of, publish
from hbt_jax.config.training import TrainConfig
from hbt_jax.data import audit, pipeline
from hbt_jax.data.extras import Extra, TeacherScores
from hbt_jax.data.plan import PLAN_SCHEME, Plan
from hbt_jax.data.store import Store
from hbt_jax.errors import Interrupted
from hbt_jax.files import check_name
from hbt_jax.models.encoder import parameter_count
from hbt_jax.models.model import Model, assumption
from hbt_jax.training import resume, workdir
from hbt_jax.training.agreement import Agreement, check_started_alike
from hbt_jax.training.assessment import (
    Assess,
    BestMetric,
    DevBenchmarks,
    DevEvaluator,
    Measure,
    ValidationLoss,
)
from hbt_jax.training.batches import HostBatches, validation_batches, validation_lines
from hbt_jax.training.checkpoint import Checkpoints, Record, SaveClock
from hbt_jax.training.freezing import count_line, trainable
from hbt_jax.training.hooks import LogMetrics, ProfileSteps, SaveCheckpoints, ShowProgress
from hbt_jax.training.initial_model import InitialModel, open_initial_model
from hbt_jax.training.metrics_log import MetricsLog
from hbt_jax.training.preemption import StopRequest
from hbt_jax.training.tracking.trackers import check_installed, start_trackers
from hbt_jax.training.trainer import Trainer


class Embedding(Protocol):
    """Embeds texts of stores by a model that is not trained.

    Attributes:
      flag: names the model.
    """

    flag: str

    def __call__(self, stores: Sequence[Store], mesh: Mesh, width: int) -> tuple[Extra, str]:
        """What they add to a batch, and a digest of the model; `width` is that of the embeddings in training."""


def train(
    config: TrainConfig, stop: StopRequest, dev: DevEvaluator | None = None, embeddings: Sequence[Embedding] = ()
) -> Mesh:
    """Trains what `config` describes in its workdir and returns the mesh it ran on.

    Args:
      config: the configuration.
      stop: polled before every update, and in long work between updates.
      dev: evaluates the model in training, every --evaluate_every steps; None: nothing does.
      embeddings: those of --guide_model and --anchor_model, where they are given.

    Raises:
      InputError: bad data, a mesh that does not fit, or a workdir of another run.
      Interrupted: a signal came; everything up to the current step is saved.
      TrainingDiverged: see `Trainer.run`.
    """
    folder = config.run.workdir
    check_name(folder, "workdir", "checkpoints and event files")
    check_installed(config.run.trackers)
    pipeline.import_tensorflow()  # first, so that its start-up notes do not reach the user through another package
    meshes.keep_compiled(config.mesh.compilation_cache_dir)
    mesh = meshes.make_mesh(config.mesh.mesh_data, config.mesh.mesh_fsdp)
    initial = open_initial_model(config)
    batches = HostBatches(initial.config, config.plan.stores, initial.tokenizer, mesh)
    batches.plan.check_negatives()
    initial = with_steps(initial, batches.plan)
    validation = validation_batches(initial.config, initial.tokenizer, mesh)
    if is_leader():
        notes = [*length_lines(initial, batches.plan), *validation_lines(initial.config, validation)]
        for line in [mesh_line(mesh), *model_lines(initial), *audit.describe(batches.plan), *notes]:
            print(line, flush=True)
    record = _record(initial, batches, validation)
    batches.extras = _extras(initial, batches, record, embeddings)
    check_started_alike(initial.config, record.data, batches.plan)
    with (
        contextlib.closing(
            Checkpoints(
                folder, keep=config.checkpoints.keep_checkpoints, before_complete=functools.partial(publish, folder)
            )
        ) as checkpoints,
        contextlib.ExitStack() as stack,
    ):
        saved = resume.check_resume(
            config.checkpoints.resume, checkpoints, record, folder, initial.said, initial.encoder
        )
        if is_leader():  # only now does anything in the folder change
            workdir.write(folder, initial)
        trainer = make_trainer(initial, mesh, batches, checkpoints, saved, record, stop)
        log = None
        if is_leader():
            run, files = initial.config.run, files_of(folder)
            stack.callback(publish, folder)
            trackers = start_trackers(run.trackers, run.project, files, initial.config.options())
            log = MetricsLog(files, trainer.step, trainer.record.evaluated_step, trackers)
            stack.enter_context(contextlib.closing(log))
        add_hooks(trainer, initial, log, measures(initial, validation, dev), dev)
        trainer.run()
        if is_leader():
            print(summary_line(trainer), flush=True)
    if trainer.stopping:
        raise Interrupted(
            f"saved at step {trainer.step} of {config.run.steps} in {folder}; run the same command again to resume",
            at_once=trainer.compiles,
        )
    return mesh


def _extras(
    initial: InitialModel, batches: HostBatches, record: Record, embeddings: Sequence[Embedding]
) -> list[Extra]:
    """What other models add to the batches; their digests go into the record."""
    stores, teaching, found = batches.mixture.stores, initial.config.teaching, []
    if teaching.distillation != "none":
        flag = f"--distillation={teaching.distillation}"
        found.append(TeacherScores(stores, flag))
    for embedding in embeddings:
        vectors, digest = embedding(stores, batches.mesh, initial.encoder.embedding_width)
        record.data[embedding.flag.replace("_", " ")] = digest
        found.append(vectors)
    return found


def with_steps(initial: InitialModel, plan: Plan) -> InitialModel:
    """The same with the number of steps that --epochs stands for."""
    run = initial.config.run
    if not run.epochs:
        return initial
    run = dataclasses.replace(run, steps=plan.steps_of(run.epochs))
    return dataclasses.replace(initial, config=dataclasses.replace(initial.config, run=run))


def summary_line(trainer: Trainer) -> str:
    """What the updates of this process cost, in words; programs that only embed dev benchmarks are not counted."""
    rate, shapes = trainer.rate, trainer.update.count
    of_validation = trainer.compilations - shapes
    return (
        f"trained to step {trainer.step}: {rate.seconds:.0f} s of updates,"
        f" {rate.waited / max(rate.seconds, 1e-9):.1%} of it waiting for data;"
        f" {shapes} shape{'s' if shapes != 1 else ''} of batches compiled"
        f"{f' and {of_validation} for validation' if of_validation else ''}"
    )


def is_leader() -> bool:
    """Whether this process writes metrics and shows progress."""
    return jax.process_index() == 0


def make_trainer(
    initial: InitialModel,
    mesh: Mesh,
    batches: HostBatches,
    checkpoints: Checkpoints,
    saved: Record | None,
    record: Record,
    stop: StopRequest,
) -> Trainer:
    """The trainer without hooks, at the step of the checkpoint `saved`, None for step 0."""
    config, step_config = initial.config, workdir.step_config_of(initial)
    state, record = resume.first_state(checkpoints, saved, record, step_config, mesh, lambda: _weights(initial))
    stop_requested = Agreement(lambda: stop.requested, config.run.log_every)
    return Trainer(
        step_config=step_config,
        mesh=mesh,
        batches=batches,
        checkpoints=checkpoints,
        state=state,
        record=record,
        stop_requested=stop_requested,
        stop_alone=stop_requested.alone,
        clock=SaveClock(config.checkpoints.save_every, 60.0 * config.checkpoints.save_minutes),
    )


def add_hooks(
    trainer: Trainer,
    initial: InitialModel,
    log: MetricsLog | None,
    measured: list[Measure],
    dev: DevEvaluator | None,
) -> None:
    """Adds what every run does besides its updates, in the order in which it must happen."""
    log_every, validation = initial.config.run.log_every, initial.config.validation
    progress = ShowProgress(shown=is_leader())
    trainer.add_hook(progress)
    trainer.add_hook(LogMetrics(log, progress), every=log_every)
    if initial.config.memory.profile_steps and is_leader():
        first, last = map(int, initial.config.memory.profile_steps.split(":"))
        trainer.add_hook(ProfileSteps(files_of(initial.config.run.workdir) / "profile", first, last))
    best = BestMetric(validation.best_metric, dev is not None and dev.metrics.get(validation.best_metric, False))
    trainer.add_hook(Assess(measured, best, validation.patience, log))
    trainer.add_hook(SaveCheckpoints(Agreement(trainer.clock.due_by_time, log_every)))


def measures(initial: InitialModel, validation: list[HostBatches], dev: DevEvaluator | None) -> list[Measure]:
    """What is measured during training."""
    config, found = initial.config, []
    if validation:
        share = -(-config.validation.validation_batches // len(validation))
        host_batches = [batch for kind in validation for batch in kind(0, share)]
        found.append(ValidationLoss(workdir.step_config_of(initial), host_batches, config.validation.validate_every))
    if dev is not None:

        def model(trainer: Trainer) -> Model:
            return workdir.model_at(initial, trainer.mesh, trainer.state.parameters, trainer.step)

        found.append(DevBenchmarks(dev, model, config.validation.evaluate_every))
    return found


def _record(initial: InitialModel, batches: HostBatches, validation: list[HostBatches]) -> Record:
    """What a checkpoint of this command would say besides its arrays."""
    data = {
        "model": initial.fingerprint,
        "tokenizer": initial.tokenizer.fingerprint,
        "stores": batches.fingerprints,
        "validation_stores": validation[0].fingerprints if validation else [],
        resume.RELEASES: batches.releases,
    }
    return Record(step=0, configuration=initial.config.to_json(), data=data, plan_scheme=PLAN_SCHEME)


def _weights(initial: InitialModel) -> dict[tuple, np.ndarray] | None:
    """The weights of step 0; prints which tensors of the files are not used."""
    parameters, notes = initial.weights()
    if is_leader():
        for note in notes:
            print(note, flush=True)
    return parameters


def length_lines(initial: InitialModel, plan: Plan) -> list[str]:
    """What --epochs stands for, in words; nothing if --steps gives the length of the run."""
    run, pairs = initial.config.run, int(plan.mixture.sizes.sum())
    return [f"--epochs={run.epochs:g}: {run.steps:,} steps, over {pairs:,} pairs"] if run.epochs else []


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
            initial.pretrained.name, initial.assumed, model.pooling, model.normalize, initial.config.text, {}
        )
    if initial.lora or initial.frozen:
        parameters = dict(nnx.to_flat_state(jax.eval_shape(workdir.step_config_of(initial).initial_state).parameters))
        shapes = {path: leaf.shape for path, leaf in parameters.items()}
        lines.append(count_line(shapes, encoder, trainable(initial.frozen, initial.lora)))
    return lines

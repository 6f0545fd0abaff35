"""The folder of a run: its configuration and tokenizer, and loading its model for evaluation.

WORKDIR/config.json        the resolved configuration (TrainConfig)
WORKDIR/tokenizer/         a copy of the tokenizer's own files
WORKDIR/model.json         the encoder's architecture, adapters, frozen parts and pretrained origin
WORKDIR/checkpoints/       see checkpoint.py
WORKDIR/metrics.jsonl      see metrics_log.py
WORKDIR/tensorboard/       the same as event files
"""

import dataclasses
import json
import os
from pathlib import Path

from flax import nnx
from jax.sharding import Mesh

from hbt_jax import json_text
from hbt_jax.bucket.mirror import files_of, publish
from hbt_jax.config.learning import TextConfig
from hbt_jax.config.training import TrainConfig
from hbt_jax.config.values import AUTO
from hbt_jax.errors import InputError
from hbt_jax.files import atomic_file
from hbt_jax.models.encoder import EncoderConfig
from hbt_jax.models.huggingface import pretrained as pretrained_files
from hbt_jax.models.lora import LoraConfig
from hbt_jax.models.model import Model
from hbt_jax.models.tokenizer import Tokenizer, load_tokenizer
from hbt_jax.training import step as steps
from hbt_jax.training.checkpoint import Checkpoints
from hbt_jax.training.initial_model import InitialModel

MODEL_FILE = "model.json"
_TEXT_OF_RUN = ("query_prefix", "passage_prefix", "query_length", "passage_length")


def write(workdir: str | os.PathLike, initial: InitialModel) -> None:
    """Writes everything that `load` needs, except the checkpoints.

    Args:
      workdir: folder of the run, or gs://BUCKET/FOLDER.
      initial: what the run starts from.

    Raises:
      InputError: the folder cannot be written.
    """
    pretrained = initial.pretrained
    model = {
        "encoder": initial.encoder.values(),
        "lora": dataclasses.asdict(initial.lora) if initial.lora else None,
        "frozen": initial.frozen,
        "pretrained": pretrained
        and {
            "name": pretrained.name,
            "fingerprint": initial.fingerprint,
            "hub": not Path(pretrained.name).is_dir(),  # cannot be told from the name later, or elsewhere
        },
    }
    try:
        files = files_of(os.fspath(workdir))
        files.mkdir(parents=True, exist_ok=True)
        _write_json(files / "config.json", initial.config.to_json())
        _write_json(files / MODEL_FILE, model)
        initial.tokenizer.save(files / "tokenizer")
        publish(os.fspath(workdir))
    except OSError as error:
        raise InputError(f"--workdir={workdir}: cannot write there: {error.strerror or error}") from error


def _write_json(path: Path, values: dict) -> None:
    with atomic_file(str(path)) as file:
        file.write((json.dumps(values, indent=2) + "\n").encode())


def _read_json(path: Path) -> dict:
    try:
        values = json_text.read(path)
    except FileNotFoundError as error:
        raise InputError(f"{path} is missing: --model must name the --workdir of a training run") from error
    except ValueError as error:
        raise InputError(f"{path} is not valid JSON ({error}): the run's folder is damaged") from error
    if not isinstance(values, dict):
        raise InputError(f"{path} is a {type(values).__name__}, expected an object: the run's folder is damaged")
    return values


def step_config_of(initial: InitialModel) -> steps.StepConfig:
    """The static part of an update, for the model that a run starts from."""
    return _step_config(initial.config, initial.encoder, initial.lora, initial.frozen)


def _step_config(
    config: TrainConfig, encoder: EncoderConfig, lora: LoraConfig | None, frozen: tuple[str, ...]
) -> steps.StepConfig:
    return steps.StepConfig(
        encoder=encoder,
        pooling=config.model.pooling,
        segments=config.text.segments,
        learning=config.learning,
        steps=config.run.steps,
        seed=config.run.seed,
        compute_dtype=config.mesh.compute_dtype,
        normalize=bool(config.model.normalize),
        lora=lora,
        frozen=frozen,
        positives=config.plan.rows_per_pair,
        teaching=config.teaching,
        memory=config.memory,
    )


@dataclasses.dataclass(frozen=True)
class Run:
    """The files of a run, except its checkpoints.

    Attributes:
      folder: its workdir, or gs://BUCKET/FOLDER.
      files: the local folder with its files.
      config: its configuration, without options left to the model.
      step_config: its update.
      pretrained: {"name", "fingerprint", "hub": whether the name is a hub id} of the weights it started from, None for
        random ones.
    """

    folder: str
    files: Path
    config: TrainConfig
    step_config: steps.StepConfig
    pretrained: dict | None


def read_run(workdir: str | os.PathLike) -> Run:
    """The files of a run; raises InputError if the folder is not one or a file is damaged."""
    files = files_of(os.fspath(workdir))
    if not files.is_dir():
        raise InputError(f"--model={workdir}: no such folder; give the --workdir of a training run")
    config = TrainConfig.from_json(_read_json(files / "config.json"))
    model = _read_json(files / MODEL_FILE)
    try:
        encoder, lora = EncoderConfig(**model["encoder"]), model["lora"]
        adapters = LoraConfig(**{k: tuple(v) if isinstance(v, list) else v for k, v in lora.items()}) if lora else None
        step_config = _step_config(config, encoder, adapters, tuple(model["frozen"]))
        return Run(os.fspath(workdir), files, config, step_config, model["pretrained"])
    except (KeyError, TypeError) as error:
        raise InputError(
            f"{files / MODEL_FILE} was not written by this version ({error}): use the version that trained it"
        ) from error


def load(workdir: str | os.PathLike, checkpoint: str, mesh: Mesh, compute_dtype: str) -> Model:
    """The model of a run.

    Args:
      workdir: folder of the run, or gs://BUCKET/FOLDER.
      checkpoint: "best" (falls back to "last"), "last" or "untrained".
      mesh: where its parameters go.
      compute_dtype: of matrix products in the encoder.

    Raises:
      InputError: the folder is not a run, has no checkpoint yet, or the weights it started from have changed.
    """
    run = read_run(workdir)
    memory = dataclasses.replace(run.step_config.memory, attention=AUTO)  # these may be other devices
    step_config = dataclasses.replace(run.step_config, compute_dtype=compute_dtype, memory=memory)
    if checkpoint == "untrained":
        parameters, step = _initial(run, step_config, mesh), 0
    else:
        parameters, step = _trained(workdir, checkpoint, steps.abstract_state(step_config, mesh))
    encoder = step_config, step_config.graph(mesh), parameters
    return _model(run.folder, run.config.text, encoder, load_tokenizer(run.files / "tokenizer"), (checkpoint, step))


def model_at(initial: InitialModel, mesh: Mesh, parameters: nnx.State, step: int) -> Model:
    """The model of a run in training, after `step` updates, as `load` would give it."""
    config, step_config = initial.config, step_config_of(initial)
    encoder = step_config, step_config.graph(mesh), parameters
    return _model(config.run.workdir, config.text, encoder, initial.tokenizer, ("in training", step))


def _model(
    workdir: str,
    text: TextConfig,
    encoder: tuple[steps.StepConfig, nnx.GraphDef, nnx.State],
    tokenizer: Tokenizer,
    at: tuple[str, int],
) -> Model:
    """The model of a run at a checkpoint: its update, graph and parameters, and the checkpoint's name and step."""
    (step_config, graph, parameters), (checkpoint, step) = encoder, at
    return Model(
        graph=graph,
        parameters=parameters,
        encoder=step_config.encoder,
        pooling=step_config.pooling,
        normalize=step_config.normalize,
        text=text,
        said={name: f"{name} in {os.path.join(workdir, 'config.json')}" for name in _TEXT_OF_RUN},
        tokenizer=tokenizer,
        name=f"{os.path.basename(workdir.rstrip('/'))} ({checkpoint}, step {step})",
        step=step,
    )


def _initial(run: Run, step_config: steps.StepConfig, mesh: Mesh) -> nnx.State:
    """The parameters of step 0."""
    shardings = steps.state_shardings(step_config, mesh).parameters
    given = {}
    if run.pretrained:
        source = pretrained_files.read(run.pretrained["name"])
        if source.fingerprint != run.pretrained["fingerprint"]:
            raise InputError(
                f"{run.folder} was trained from {source.name}, whose weights have changed since: its untrained model"
                " cannot be reconstructed"
            )
        given = pretrained_files.read_parameters(source)[0]
    return steps.sharded_parameters(step_config, shardings, given)


def _trained(workdir: str | os.PathLike, checkpoint: str, target: steps.TrainState) -> tuple[nnx.State, int]:
    """The parameters of a checkpoint, placed as those of `target`, and its step."""
    checkpoints = Checkpoints(workdir, read_only=True)
    try:
        name = "last" if checkpoints.step(checkpoint) is None else checkpoint  # nothing decided which one is best
        step = checkpoints.step(name)
        if step is None:
            raise InputError(f"{workdir} holds no checkpoint yet: train first, or evaluate with --checkpoint=untrained")
        return checkpoints.restore_parameters(name, target), step
    finally:
        checkpoints.close()

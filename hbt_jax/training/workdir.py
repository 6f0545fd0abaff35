"""The folder of a run: what it was told, its tokenizer, and the trained model read back for evaluation.

WORKDIR/config.json        the resolved configuration (TrainConfig)
WORKDIR/tokenizer/         a copy of the tokenizer's own files
WORKDIR/model.json         the encoder's architecture and pooling
WORKDIR/checkpoints/       see checkpoint.py
WORKDIR/metrics.jsonl      see meters.py
WORKDIR/tensorboard/       the same as event files
"""

import dataclasses
import json
from pathlib import Path

from jax.sharding import Mesh

from hbt_jax.config import TrainConfig
from hbt_jax.errors import InputError
from hbt_jax.models.encoder import EncoderConfig
from hbt_jax.models.model import Model
from hbt_jax.models.tokenizer import Tokenizer, load_tokenizer
from hbt_jax.training import step as steps
from hbt_jax.training.checkpoint import Checkpoints


def write(workdir: Path, config: TrainConfig, encoder: EncoderConfig, tokenizer: Tokenizer) -> None:
    """Writes everything that `load` needs but the checkpoints.

    Raises:
      InputError: the folder cannot be written.
    """
    try:
        workdir.mkdir(parents=True, exist_ok=True)
        _write_json(workdir / "config.json", config.to_json())
        _write_json(workdir / "model.json", {"pooling": config.model.pooling, **dataclasses.asdict(encoder)})
        tokenizer.save(workdir / "tokenizer")
    except OSError as error:
        raise InputError(f"--workdir={workdir}: cannot write there: {error.strerror or error}") from error


def _write_json(path: Path, values: dict) -> None:
    temporary = path.with_suffix(".partial")
    temporary.write_text(json.dumps(values, indent=2) + "\n", encoding="utf-8")
    temporary.replace(path)


def _read_json(path: Path) -> dict:
    try:
        return json.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError as error:
        raise InputError(f"{path} is missing: --model must name the --workdir of a training run") from error
    except ValueError as error:
        raise InputError(f"{path} is not valid JSON ({error}): the run's folder is damaged") from error


def recipe_of(config: TrainConfig, encoder: EncoderConfig) -> steps.Recipe:
    """The static part of an update for a configuration."""
    return steps.Recipe(
        encoder=encoder,
        pooling=config.model.pooling,
        segments=config.text.segments,
        learning=config.learning,
        steps=config.run.steps,
        seed=config.run.seed,
        compute_dtype=config.run.compute_dtype,
    )


def load(workdir: Path, checkpoint: str, mesh: Mesh, compute_dtype: str) -> Model:
    """The model of a run.

    Args:
      workdir: folder of the run.
      checkpoint: "best" (the last one where the run had no validation), "last" or "untrained".
      mesh: where its parameters go.
      compute_dtype: of matrix products in the encoder.

    Raises:
      InputError: the folder is not a run, or has no checkpoint yet.
    """
    if not workdir.is_dir():
        raise InputError(f"--model={workdir}: no such folder; give the --workdir of a training run")
    config = TrainConfig.from_json(_read_json(workdir / "config.json"))
    architecture = _read_json(workdir / "model.json")
    pooling = architecture.pop("pooling")
    recipe = dataclasses.replace(recipe_of(config, EncoderConfig(**architecture)), compute_dtype=compute_dtype)
    if checkpoint == "untrained":
        parameters, step = steps.sharded_initial_state(recipe, mesh).parameters, 0
    else:
        parameters, step = _trained(workdir, checkpoint, steps.abstract_state(recipe, mesh))
    return Model(
        graph=recipe.graph(),
        parameters=parameters,
        pooling=pooling,
        text=config.text,
        tokenizer=load_tokenizer(workdir / "tokenizer"),
        name=f"{workdir.name} ({checkpoint}, step {step})",
        step=step,
        max_positions=recipe.encoder.max_positions,
    )


def _trained(workdir: Path, checkpoint: str, target: steps.TrainState):
    checkpoints = Checkpoints(workdir, read_only=True)
    try:
        if checkpoint == "best" and checkpoints.step("best") is not None:
            return checkpoints.restore_best(target), checkpoints.step("best")
        step = checkpoints.step("last")
        if step is None:
            raise InputError(f"{workdir} holds no checkpoint yet: train first, or evaluate with --checkpoint=untrained")
        return checkpoints.restore_last(target).parameters, step
    finally:
        checkpoints.close()

"""Where an exported model comes from: the data and evaluations of its run, as far as they still exist."""

import dataclasses
from pathlib import Path

from hbt_jax import json_text
from hbt_jax.bucket.mirror import files_of
from hbt_jax.config.values import DTYPES
from hbt_jax.data.manifest import data_release, fingerprint, read_manifest
from hbt_jax.data.remote import RemoteFolder
from hbt_jax.data.store_cache import remote_manifest
from hbt_jax.errors import InputError
from hbt_jax.interchange.revision import FOLDER, revision
from hbt_jax.models.model import Model
from hbt_jax.places import is_remote
from hbt_jax.training.checkpoint import Checkpoints, Record
from hbt_jax.training.load import is_run
from hbt_jax.training.workdir import Run, read_run

UNTRAINED = "untrained"


@dataclasses.dataclass(frozen=True)
class StoreFacts:
    """What is known about a store that a model was trained on.

    Attributes:
      name: its name, or that of its folder if the store no longer exists.
      fingerprint: "sha256:" and the digest of the data that training read.
      split, languages, pairs, release: of the same data; None if the store is gone or now holds other data.  The
        release is that of public data, such as "Unicode CLDR 47"; empty if unknown.
    """

    name: str
    fingerprint: str
    split: str | None = None
    languages: tuple[str, ...] | None = None
    pairs: int | None = None
    release: str | None = None


@dataclasses.dataclass(frozen=True)
class Provenance:
    """Where a model comes from.

    Attributes:
      name: of the workdir, folder or hub id.
      checkpoint: "best", "last" or "untrained" of a run.
      run: the run; None for a model that was not trained by hbt_jax.
      record: what its checkpoint says beside the arrays; None for an untrained one.
      stores: what it was trained on; empty for an untrained one.
      results: the content of each results.json of exactly these weights in the run's folder of evaluations.
      tasks: the content of each result of mteb of exactly this model, there too.
    """

    name: str
    checkpoint: str
    run: Run | None = None
    record: Record | None = None
    stores: tuple[StoreFacts, ...] = ()
    results: tuple[dict, ...] = ()
    tasks: tuple[dict, ...] = ()

    @property
    def languages(self) -> tuple[str, ...]:
        """Codes of the languages of the stores that are known."""
        return tuple(sorted({code for store in self.stores for code in store.languages or ()}))

    @property
    def base(self) -> str | None:
        """Name of the pretrained model that it is or started from; None for random weights."""
        if self.run is None:
            return self.name
        return self.run.pretrained and self.run.pretrained["name"]

    @property
    def base_on_hub(self) -> bool:
        """Whether `base` is a hub id, decided when the weights were read, whatever exists now."""
        if self.run is None:
            return not Path(self.name).is_dir()
        return bool(self.run.pretrained and self.run.pretrained.get("hub"))  # early versions do not say: no link then


def provenance_of(name: str, checkpoint: str, model: Model) -> Provenance:
    """Where `model` comes from.

    Args:
      name: what it was loaded from: workdir of a run, folder or hub id.
      checkpoint: "best", "last" or "untrained".
      model: as loaded from there.

    Raises:
      InputError: a file of the run is damaged, or the run has saved another checkpoint since.
    """
    if not is_run(name):
        return Provenance(model.name, checkpoint)
    run = read_run(name)
    label = name.rstrip("/").rpartition("/")[2] if is_remote(name) else Path(name).resolve().name
    found = _results(evaluations(name, checkpoint), run, model)
    tasks = _tasks(evaluations(name, checkpoint), model)
    if checkpoint == UNTRAINED:
        return Provenance(label, checkpoint, run, results=found, tasks=tasks)
    record = _record(name, checkpoint)
    if record.step != model.step:
        raise InputError(f"{name}: the run has saved step {record.step} since step {model.step} was read: try again")
    stores = zip(run.config.plan.stores, record.data["stores"], strict=True)
    return Provenance(
        name=label,
        checkpoint=checkpoint,
        run=run,
        record=record,
        stores=tuple(_store(path, trained) for path, trained in stores),
        results=found,
        tasks=tasks,
    )


def evaluations(workdir: str, checkpoint: str) -> Path:
    """The local folder of a run's evaluations, where launch/train.py puts them."""
    return files_of(f"{workdir.rstrip('/')}/evaluation") / (UNTRAINED if checkpoint == UNTRAINED else "")


def _record(workdir: str, checkpoint: str) -> Record:
    checkpoints = Checkpoints(workdir, read_only=True)
    try:  # without validation there is no best checkpoint, and the last one was read
        return checkpoints.record(checkpoint if checkpoints.step(checkpoint) is not None else "last")
    finally:
        checkpoints.close()


def _store(path: str, trained: str) -> StoreFacts:
    unknown = StoreFacts(Path(path).name, trained)
    try:
        manifest = remote_manifest(RemoteFolder(path))[1] if is_remote(path) else read_manifest(path)
    except InputError:
        return unknown
    if fingerprint(manifest) != trained:
        return unknown
    return StoreFacts(
        name=manifest["name"],
        fingerprint=trained,
        split=manifest["split"],
        languages=tuple(manifest["languages"]),
        pairs=manifest["pairs"]["rows"],
        release=data_release(manifest.get("source")),
    )


def _results(folder: Path, run: Run, model: Model) -> tuple[dict, ...]:
    """The results of the same weights, with texts prepared as in training."""
    text = run.config.text
    wanted = {
        "step": model.step,
        "pooling": model.pooling,
        "query_prefix": text.query_prefix,
        "passage_prefix": text.passage_prefix,
        "query_length": text.query_length,
        "passage_length": text.passage_length,
    }
    found = []
    for file in sorted(folder.glob("*/results.json")):
        try:
            content = json_text.read(file)
            settings = content["settings"]
        except (ValueError, KeyError, TypeError) as error:
            raise InputError(f"{file} is damaged ({error}): evaluate again, or remove it") from error
        if not isinstance(settings, dict):
            raise InputError(f"{file} is damaged (its settings are no object): evaluate again, or remove it")
        same_similarity = (
            settings.get("similarity", model.similarity) == model.similarity
        )  # early results do not state it
        same_directions = settings.get("removed_language_directions", 0) == model.removed_directions
        same_width = settings.get("truncate_dim", 0) == model.truncate_dim and "quantization" not in settings
        if (
            same_similarity
            and same_directions
            and same_width
            and all(settings.get(name) == value for name, value in wanted.items())
        ):
            found.append(content)
    return tuple(found)


def _tasks(folder: Path, model: Model) -> tuple[dict, ...]:
    """The results of mteb's tasks, by launch/eval.py --mteb_tasks, of this model as it is."""
    found = []
    for file in sorted((folder / FOLDER).glob("*/*.json")):
        if file.parent.name in {revision(model, dtype) for dtype in DTYPES} and file.name != "model_meta.json":
            try:
                content = json_text.read(file)
                [(content["task_name"], one["main_score"]) for split in content["scores"].values() for one in split]
            except (ValueError, KeyError, TypeError, AttributeError) as error:
                raise InputError(f"{file} is damaged ({error}): run the task again, or remove it") from error
            found.append(content)
    return tuple(found)

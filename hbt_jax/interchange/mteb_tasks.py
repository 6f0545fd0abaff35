"""Runs named tasks of mteb: `launch/eval.py --mteb_tasks=...`.

Writes mteb's own files: OUT/mteb/REVISION/TASK.json and model_meta.json beside them, where REVISION is a digest of the
model, so results of two models are never mixed.  A task whose file already exists is not run again.
"""

from collections.abc import Sequence
from pathlib import Path

import mteb

from hbt_jax.config.evaluation import EvalConfig
from hbt_jax.errors import InputError, Interrupted
from hbt_jax.files import PARTIAL, atomic_file, check_writable, utf8
from hbt_jax.interchange.mteb_model import HbtModel
from hbt_jax.interchange.revision import FOLDER
from hbt_jax.mesh import keep_compiled
from hbt_jax.training.preemption import StopRequest


def run_tasks(config: EvalConfig, stop: StopRequest) -> None:
    """Runs the tasks of --mteb_tasks, one after the other, and prints the main score of each.

    Args:
      config: model, tasks and output folder.
      stop: looked at before each task.

    Raises:
      InputError: a task is unknown or cannot be run, or there is no such model.
      Interrupted: a signal came; finished tasks are kept.
    """
    check_writable(config.out)
    keep_compiled(config.compilation_cache_dir)
    tasks = _tasks(config.mteb_tasks)
    model = HbtModel.load(
        config.model,
        config.checkpoint,
        query_prefix=config.query_prefix,
        passage_prefix=config.passage_prefix,
        max_length=config.max_length,
        pooling=config.pooling,
        normalize=config.normalize,
        compute_dtype=config.compute_dtype,
        texts_per_device=config.eval_batch,
    )
    folder = Path(config.out) / FOLDER / str(model.mteb_model_meta.revision)
    folder.mkdir(parents=True, exist_ok=True)
    with atomic_file(str(folder / "model_meta.json")) as file:
        file.write(utf8(model.mteb_model_meta.model_dump_json(indent=1)))
    for task in tasks:
        if stop.requested:
            raise Interrupted(f"between two tasks; finished ones are in {folder}; run the command again for the rest")
        path = folder / f"{task.metadata.name}.json"
        if not path.is_file():
            partial = path.with_name(path.name + PARTIAL)  # a file by its own name is read as finished
            _run(model, task).to_disk(partial)
            partial.replace(path)
        result = mteb.results.TaskResult.from_disk(path)
        print(f"{task.metadata.name}: {task.metadata.main_score} {result.get_score():.4f}", flush=True)
    print(f"results: {folder}")


def _tasks(names: Sequence[str]) -> list:
    found = []
    for name in names:
        try:
            found += mteb.get_tasks(tasks=[name])
        except KeyError as error:
            raise InputError(f"--mteb_tasks={name}: mteb has no such task: {str(error.args[0])}") from error
    return found


def _run(model: HbtModel, task) -> "mteb.results.TaskResult":
    try:
        results = mteb.evaluate(model, task, cache=None, co2_tracker=False, show_progress_bar=False)
    except InputError:
        raise
    except (OSError, ConnectionError) as error:
        raise InputError(f"--mteb_tasks={task.metadata.name}: its data cannot be read: {error}") from error
    return results[0]

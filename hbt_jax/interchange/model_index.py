"""The `model-index` of a model card, from which the hub lists a model's scores."""

from collections.abc import Sequence

from hbt_jax.evaluation.measures.metrics import RANK_DISTANCE
from hbt_jax.evaluation.report.names import SETTING_NAMES, metric_name, settings_of


def model_index(title: str, results: Sequence[dict], tasks: Sequence[dict]) -> list[dict]:
    """The scores as the hub reads them; empty if there are none.

    Args:
      title: name of the model.
      results: the content of each results.json.
      tasks: the content of each result of mteb.
    """
    found = [_of_benchmark(result) for result in results]
    found += [
        _of_subset(task, split, one) for task in tasks for split, scores in task["scores"].items() for one in scores
    ]
    return [{"name": title, "results": found}] if found else []


def _of_benchmark(result: dict) -> dict:
    metrics = [
        {"type": metric, "name": f"{metric_name(metric)}, {SETTING_NAMES[setting]}", "value": round(value, 6)}
        for setting in settings_of(result["metrics"])
        for metric, value in result["metrics"][setting].items()
        if metric != RANK_DISTANCE or setting == "multilingual"
    ]
    name = result["benchmark"]
    return {"task": {"type": "text-retrieval"}, "dataset": {"type": name, "name": name}, "metrics": metrics}


def _of_subset(task: dict, split: str, one: dict) -> dict:
    """One subset of a split of a task of mteb, with its main score."""
    name = task["task_name"]
    dataset = {
        "type": f"mteb/{name}",
        "name": f"MTEB {name}",
        "split": split,
        "config": one.get("hf_subset", "default"),
    }
    if task.get("dataset_revision"):
        dataset["revision"] = task["dataset_revision"]
    metrics = [{"type": "main_score", "name": "main score", "value": one["main_score"]}]
    return {"task": {"type": "sentence-similarity"}, "dataset": dataset, "metrics": metrics}

"""What a model card says of the run: data, training, results."""

from collections.abc import Callable
from pathlib import Path

from hbt_jax.config import LearningConfig, PlanConfig, TrainConfig
from hbt_jax.evaluation.metrics import METRICS, RANK_DISTANCE, SETTINGS
from hbt_jax.interchange.markdown import table
from hbt_jax.interchange.origin import UNTRAINED, Origin, StoreFacts
from hbt_jax.languages import LANGUAGES
from hbt_jax.models.lora import LoraConfig
from hbt_jax.models.model import Model

_BATCHINGS: dict[str, Callable[[PlanConfig], str]] = {
    "hybrid": lambda plan: (
        f"hybrid, alpha {plan.mono_probability:g}: with that probability a batch is in one language (x-x-mono),"
        " otherwise queries and passages are in different languages (x-y)"
    ),
    "x-x-mono": lambda plan: "x-x-mono: all of a batch in one language",
    "x-x": lambda plan: "x-x: each query and its passage in one language, several languages in a batch",
    "x-y": lambda plan: "x-y: each query and its passage in two different languages",
}


def _base_words(origin: Origin) -> str:
    if origin.base_on_hub:
        return f"[{origin.base}](https://huggingface.co/{origin.base})"
    return f"`{Path(origin.base).resolve().name}`, a folder in Hugging Face's layout"


def data(origin: Origin) -> list[str]:
    """What it was trained on, nothing where it was not."""
    if not origin.stores:
        return []
    languages = [f"{LANGUAGES[code].name if code in LANGUAGES else code} (`{code}`)" for code in origin.languages]
    known = f"Languages: {', '.join(languages) or 'not known any more'}."
    return ["## Training data", "", *(_store(store) for store in origin.stores), "", known]


def _store(store: StoreFacts) -> str:
    if store.pairs is None:
        known = "the store was not there any more when the model was exported, or held other data"
    else:
        known = f"{store.pairs:,} pairs of a query and a passage, in {len(store.languages)} languages"
        known += f", made from {store.release}" if store.release else ""
    name = store.name + (f" ({store.split})" if store.split else "")
    return f"- {name}: {known}; fingerprint `{store.fingerprint}`"


def training(model: Model, origin: Origin) -> list[str]:
    """How it was trained."""
    lines = ["## Training", ""]
    if origin.run is None:
        return [*lines, f"Not trained by hbt_jax: the weights are those of {_base_words(origin)}."]
    config = origin.run.config
    start = _base_words(origin) if origin.base else f"random weights of the preset `{config.model.model}`"
    if origin.checkpoint == UNTRAINED:
        return [*lines, f"Not trained: {start}, before the first step (seed {config.run.seed})."]
    lines += [
        "With hbt_jax; for the kinds of batches see [arXiv 2408.10536](https://arxiv.org/abs/2408.10536).",
        "",
    ]
    return [*lines, *table(("", ""), _settings(config, model, origin, start))]


def _settings(config: TrainConfig, model: Model, origin: Origin, start: str) -> list[tuple[str, str]]:
    plan, text, run = config.plan, config.text, config.run
    negatives = f", {plan.negatives} explicit negatives each" if plan.negatives else ""
    rows = [
        ("Start", start),
        ("Batches", _BATCHINGS[plan.batching](plan)),
        ("Steps", f"{model.step:,} of {run.steps:,}, checkpoint `{origin.checkpoint}`{_validation(model, origin)}"),
        ("Batch", f"{plan.global_batch:,} pairs{negatives}; the other pairs' passages are negatives"),
        ("Longest text", f"{text.query_length} tokens of a query, {text.passage_length} of a passage"),
        *_learning(config.learning),
        ("Dropout", f"{config.model.dropout:g}"),
        ("Products of matrices in", run.compute_dtype),
        ("Seed", str(run.seed)),
    ]
    lora = origin.run.recipe.lora
    if lora:
        rows.append(("Adapters", _adapters(lora)))
    if origin.run.recipe.frozen:
        rows.append(("Not trained", ", ".join(origin.run.recipe.frozen)))
    return rows


def _validation(model: Model, origin: Origin) -> str:
    record = origin.record
    if record.best_loss is None or record.best_step != model.step:
        return ""
    return f", validation loss {record.best_loss:.4f}"


def _learning(learning: LearningConfig) -> list[tuple[str, str]]:
    sides = "queries against passages and back" if learning.symmetric else "queries against passages"
    clipped = f", gradients clipped to norm {learning.clip_norm:g}" if learning.clip_norm else ""
    return [
        ("Loss", f"InfoNCE, {sides}, temperature {learning.temperature:g}"),
        ("Optimizer", f"AdamW, weight decay {learning.weight_decay:g}{clipped}"),
        (
            "Learning rate",
            f"{learning.learning_rate:g}, {learning.schedule} after {learning.warmup_steps} steps of warm-up",
        ),
    ]


def _adapters(lora: LoraConfig) -> str:
    layers = ", ".join(map(str, lora.layers))
    return (
        f"rank {lora.rank}, alpha {lora.alpha:g}, on {', '.join(lora.targets)} of layers {layers}; nothing else"
        " trained; merged into the weights of this folder"
    )


def results(origin: Origin) -> list[str]:
    """The evaluations of its run, nothing for a model without one."""
    lines = ["## Results", ""]
    if origin.run is None:
        return []
    if not origin.results:
        return [*lines, "None of these weights lay in the run's folder when they were exported."]
    lines.append(
        "mAP ranks the whole pool; recall@k divides by min(k, relevant candidates). Monolingual: candidates in the"
        " query's language; cross-lingual: in one other language, mean over all; multilingual: all candidates, where"
        " rank distance is the gap between the best and the worst rank of the relevant ones, in places."
    )
    for result in origin.results:
        lines += ["", *_result(result)]
    return lines


def _result(result: dict) -> list[str]:
    sides = {side: result["counts"][side] for side in ("queries", "candidates")}
    queries, candidates = (sum(counts.values()) for counts in sides.values())
    release = result["settings"].get("data_release")
    name = result["benchmark"] + (f", made from {release}" if release else "")
    head = f"{name}: {queries:,} queries, {candidates:,} candidates, {len(set().union(*sides.values()))} languages"
    columns = (*METRICS, RANK_DISTANCE)
    rows = []
    for setting in SETTINGS:
        block, spread = result["metrics"][setting], result["robustness"][setting]
        worst = f"{spread['worst_language']} {spread['worst']:.4f}" if spread else ""
        rows.append((setting.replace("_", "-"), *(_number(name, block) for name in columns), worst))
    names = {"map": "mAP", RANK_DISTANCE: "rank distance"}
    return table((head, *(names.get(name, name) for name in columns), "worst query language, mAP"), rows)


def _number(name: str, block: dict) -> str:
    if name not in block:
        return ""
    return f"{block[name]:,.1f}" if name == RANK_DISTANCE else f"{block[name]:.4f}"

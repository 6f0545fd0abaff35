"""The model card: what a stranger needs to know to use and judge a model."""

import importlib.metadata
import json
import shlex
from collections.abc import Callable, Iterable, Iterator, Sequence
from pathlib import Path

import hbt_jax
from hbt_jax.config.learning import LearningConfig, PlanConfig
from hbt_jax.config.training import TrainConfig
from hbt_jax.evaluation.measures.metrics import METRICS, PLAIN_RECALLS, RANK_DISTANCE
from hbt_jax.evaluation.report.names import main_metric, metric_name, metrics_in, number, settings_of
from hbt_jax.evaluation.streamed.metrics import RECALL
from hbt_jax.interchange.model_index import model_index
from hbt_jax.interchange.provenance import UNTRAINED, Provenance, StoreFacts
from hbt_jax.languages import is_known, language
from hbt_jax.models.encoder import parameter_count
from hbt_jax.models.lora import LoraConfig
from hbt_jax.models.model import Model

_SHOWN = (*METRICS, *PLAIN_RECALLS, RANK_DISTANCE)  # a benchmark with none of these shows all that it has
_BATCHINGS: dict[str, Callable[[PlanConfig], str]] = {
    "hybrid": lambda plan: (
        f"hybrid, alpha {plan.mono_probability:g}: with that probability a batch is in one language (x-x-mono),"
        " otherwise queries and passages are in different languages (x-y)"
    ),
    "x-x-mono": lambda plan: "x-x-mono: all of a batch in one language",
    "x-x": lambda plan: "x-x: each query and its passage in one language, several languages in a batch",
    "x-y": lambda plan: "x-y: each query and its passage in two different languages",
    "joint": lambda plan: f"joint: each pair in {plan.joint_languages} languages, with all its passages as positives",
}
_TAGS = ("sentence-transformers", "sentence-similarity", "feature-extraction", "hbt_jax")


def model_card(title: str, model: Model, provenance: Provenance, license_id: str, max_length: int) -> str:
    """The text of README.md.

    Args:
      title: name of the exported folder.
      model: what is exported.
      provenance: where it comes from.
      license_id: its licence, as the hub names it.
      max_length: tokens of the longest text, prefix and special tokens included.
    """
    sections = (
        _front_matter(title, provenance, license_id),
        _summary(title, model, provenance, max_length),
        _use(title, model),
        _data(provenance),
        _training(model, provenance),
        _results(provenance),
        _versions(),
    )
    return "\n\n".join("\n".join(section) for section in sections if section) + "\n"


def _front_matter(title: str, provenance: Provenance, license_id: str) -> list[str]:
    """What the hub reads; every text is quoted, because YAML reads a bare `no` (Norwegian) as false."""
    fields = {
        "language": list(provenance.languages),
        "license": license_id,
        "library_name": "sentence-transformers",
        "pipeline_tag": "sentence-similarity",
        "tags": list(_TAGS),
        "base_model": provenance.base if provenance.base_on_hub else None,
        "model-index": model_index(title, provenance.results, provenance.tasks),
    }
    return ["---", *(f"{name}: {json.dumps(value)}" for name, value in fields.items() if value), "---"]


def _summary(title: str, model: Model, provenance: Provenance, max_length: int) -> list[str]:
    encoder, text = model.encoder, model.text
    named = f" in {len(provenance.languages)} languages" if provenance.languages else ""
    dense = f", then a dense layer to {encoder.dense} with {encoder.dense_activation}" if encoder.dense else ""
    if model.removed_directions:
        dense += f", which removes {model.removed_directions} directions of language"
    if model.truncate_dim:
        dense += f", which keeps the first {model.truncate_dim} numbers"
    return [
        f"# {title}",
        "",
        f"A text encoder for retrieval{named}: queries and passages become vectors of"
        f" {encoder.embedding_width} numbers, compared by {'cosine' if model.normalize else 'inner product'}.",
        "",
        *table(
            ("", ""),
            [
                ("Encoder", f"{encoder.layers} layers x {encoder.width}, {encoder.heads} heads"),
                ("Parameters", f"{parameter_count(encoder):,}, {encoder.vocab_size:,} pieces in the vocabulary"),
                ("Pooling", f"{'first token' if model.pooling == 'cls' else 'mean of the tokens'}{dense}"),
                ("Unit length", "yes" if model.normalize else "no"),
                ("Prefix of queries", _code(text.query_prefix)),
                ("Prefix of passages", _code(text.passage_prefix)),
                ("Longest text", f"{max_length} tokens, prefix and special tokens included; the rest is cut"),
            ],
        ),
    ]


def _use(title: str, model: Model) -> list[str]:
    oldest = "3.0.1" if model.encoder.dense else "2.7"  # earlier ones read a dense layer only from pickles
    return [
        "## Use",
        "",
        f"With [sentence-transformers](https://www.sbert.net) {oldest} or later, which puts the prefixes before texts:",
        "",
        "```python",
        "from sentence_transformers import SentenceTransformer",
        "",
        f"model = SentenceTransformer({json.dumps(title)})  # the path of this folder",
        'queries = model.encode_query(["Which river flows through Cairo?"])',
        'passages = model.encode_document(["Der Nil fließt durch Kairo.", "Der Rhein fließt durch Köln."])',
        "print(model.similarity(queries, passages))",
        "```",
        "",
        'Before release 5 it is `model.encode(texts, prompt_name="query")` and `prompt_name="passage"`.',
        "",
        "With hbt_jax, in JAX, on a benchmark of your own:",
        "",
        "```",
        f"python launch/eval.py --model={shlex.quote(title)} --benchmarks=./my_benchmark --out=my_results",
        "```",
    ]


def _versions() -> list[str]:
    packages = (f"{name} {importlib.metadata.version(name)}" for name in ("jax", "flax"))
    return ["## Versions", "", f"Exported by hbt_jax {hbt_jax.__version__} with {', '.join(packages)}."]


def _code(text: str) -> str:
    return f"`{json.dumps(text, ensure_ascii=False)}`" if text else "none"


def _base_words(provenance: Provenance) -> str:
    if provenance.base_on_hub:
        return f"[{provenance.base}](https://huggingface.co/{provenance.base})"
    return f"`{Path(provenance.base).resolve().name}`, a folder in Hugging Face's layout"


def _data(provenance: Provenance) -> list[str]:
    """What it was trained on; nothing if it was not trained."""
    if not provenance.stores:
        return []
    languages = [f"{language(code).name if is_known(code) else code} (`{code}`)" for code in provenance.languages]
    known = f"Languages: {', '.join(languages) or 'no longer known'}."
    return ["## Training data", "", *(_store(store) for store in provenance.stores), "", known]


def _store(store: StoreFacts) -> str:
    if store.pairs is None:
        known = "the store no longer existed when the model was exported, or held other data"
    else:
        known = f"{store.pairs:,} pairs of a query and a passage, in {len(store.languages)} languages"
        known += f", made from {store.release}" if store.release else ""
    name = store.name + (f" ({store.split})" if store.split else "")
    return f"- {name}: {known}; fingerprint `{store.fingerprint}`"


def _training(model: Model, provenance: Provenance) -> list[str]:
    """How it was trained."""
    lines = ["## Training", ""]
    if provenance.run is None:
        return [*lines, f"Not trained by hbt_jax: the weights are those of {_base_words(provenance)}."]
    config = provenance.run.config
    start = _base_words(provenance) if provenance.base else f"random weights of the preset `{config.model.model}`"
    if provenance.checkpoint == UNTRAINED:
        return [*lines, f"Not trained: {start}, before the first step (seed {config.run.seed})."]
    lines += [
        "With hbt_jax; for the kinds of batches see [arXiv 2408.10536](https://arxiv.org/abs/2408.10536).",
        "",
    ]
    return [*lines, *table(("", ""), _settings(config, model, provenance, start))]


def _settings(config: TrainConfig, model: Model, provenance: Provenance, start: str) -> list[tuple[str, str]]:
    plan, text, run = config.plan, config.text, config.run
    negatives = f", {plan.negatives} explicit negatives each" if plan.negatives else ""
    rows = [
        ("Start", start),
        ("Batches", _BATCHINGS[plan.batching](plan)),
        (
            "Steps",
            f"{model.step:,} of {run.steps:,}, checkpoint `{provenance.checkpoint}`{_validation(model, provenance)}",
        ),
        ("Batch", f"{plan.global_batch:,} pairs{negatives}; the other pairs' passages are negatives"),
        ("Longest text", f"{text.query_length} tokens of a query, {text.passage_length} of a passage"),
        *_learning(config.learning, run.steps),
        ("Dropout", f"{config.model.dropout:g}"),
        ("Products of matrices in", config.mesh.compute_dtype),
        ("Seed", str(run.seed)),
    ]
    if plan.train_fraction < 1:
        rows.append(("Data", f"{plan.train_fraction:g} of the pairs of each store, drawn by the seed"))
    lora = provenance.run.step_config.lora
    if lora:
        rows.append(("Adapters", _adapters(lora)))
    if provenance.run.step_config.frozen:
        rows.append(("Not trained", ", ".join(provenance.run.step_config.frozen)))
    return rows


def _validation(model: Model, provenance: Provenance) -> str:
    record, metric = provenance.record, provenance.run.config.validation.best_metric
    if record.best_value is None or record.best_step != model.step:
        return ""
    return f", {metric.replace('_', ' ')} {record.best_value:.4f}"


def _learning(learning: LearningConfig, steps: int) -> list[tuple[str, str]]:
    sides = "queries against passages and back" if learning.symmetric else "queries against passages"
    clipped = f", gradients clipped to norm {learning.clip_norm:g}" if learning.clip_norm else ""
    widths = ", ".join(f"{width} (weight {weight:g})" for width, weight in learning.widths().items())
    nested = f"; also of the first numbers of embeddings (Matryoshka): {widths}" if widths else ""
    groups = f", times {learning.layer_decay:g} for each layer further down" if learning.layer_decay != 1 else ""
    if learning.embedding_learning_rate:
        groups += f", {learning.embedding_learning_rate:g} for the embeddings"
    return [
        ("Loss", f"InfoNCE, {sides}, temperature {learning.temperature:g}{nested}"),
        ("Optimizer", f"AdamW, weight decay {learning.weight_decay:g}{clipped}"),
        (
            "Learning rate",
            f"{learning.learning_rate:g}, {learning.schedule} after {learning.warmup(steps)} steps of warm-up{groups}",
        ),
    ]


def _adapters(lora: LoraConfig) -> str:
    layers = ", ".join(map(str, lora.layers))
    return (
        f"rank {lora.rank}, alpha {lora.alpha:g}, on {', '.join(lora.targets)} of layers {layers}; nothing else"
        " trained; merged into the weights of this folder"
    )


def _results(provenance: Provenance) -> list[str]:
    """The evaluations of its run; nothing for a model without one."""
    lines = ["## Results", ""]
    if provenance.run is None:
        return []
    if not provenance.results:
        return [*lines, "The run's folder held no results of these weights when they were exported."]
    lines.append(" ".join(_definitions(provenance.results)))
    for result in provenance.results:
        lines += ["", *_result(result)]
    return lines


def _definitions(results: Sequence[dict]) -> Iterator[str]:
    """What the settings and metrics of these results mean: recall is not defined alike in all of them."""
    whole = [result for result in results if "map" in _metrics(result)]
    top = [result["benchmark"] for result in results if RECALL in _metrics(result)]
    distance = ", where rank distance is the gap between the best and the worst rank of the relevant ones, in places"
    yield (
        "Monolingual: candidates in the query's language; cross-lingual: in one other language, mean over all;"
        f" multilingual: all candidates{distance * any(RANK_DISTANCE in _metrics(result) for result in whole)}."
    )
    if whole:
        plain = any(name in _metrics(result) for result in whole for name in PLAIN_RECALLS)
        yield (
            "mAP ranks the whole pool; R_cap@k divides by min(k, relevant candidates)"
            f"{', R@k by all relevant candidates' * plain}."
        )
    if top:
        yield (
            f"{', '.join(top)}: nDCG@10 and R@100 of graded judgements as trec_eval takes them, so R@100 divides by all"
            " relevant candidates, and a query without any counts as 0."
        )


def _metrics(result: dict) -> set[str]:
    return {name for block in result["metrics"].values() for name in block}


def _result(result: dict) -> list[str]:
    """A table of the settings and metrics that the benchmark has, and the accuracy of bitext below it."""
    sides = {side: result["counts"][side] for side in ("queries", "candidates")}
    queries, candidates = (sum(counts.values()) for counts in sides.values())
    release = result["settings"].get("data_release")
    name = result["benchmark"] + (f", made from {release}" if release else "")
    head = f"{name}: {queries:,} queries, {candidates:,} candidates, {len(set().union(*sides.values()))} languages"
    present = metrics_in(result["metrics"].values())
    main = main_metric(result)
    columns = [name for name in _SHOWN if name in present] or [main, *(name for name in present if name != main)]
    spreads = result["robustness"]
    spread_of = next((spread.get("metric", "map") for spread in spreads.values() if spread), main)
    rows = []
    for setting in settings_of(result["metrics"]):
        block, spread = result["metrics"][setting], spreads.get(setting)
        worst = f"{spread['worst_language']} {spread['worst']:.4f}" if spread else ""
        rows.append((setting.replace("_", "-"), *(number(block.get(name), name) for name in columns), worst))
    lines = table((head, *map(metric_name, columns), f"worst query language, {metric_name(spread_of)}"), rows)
    accuracy = result.get("accuracy@1")
    if accuracy:
        lines += [
            "",
            f"{result['benchmark']}: accuracy@1 both ways {accuracy['mean']:.4f}, mean of {len(accuracy['by_pair']):,}"
            f" language pairs; worst {accuracy['worst_pair']} {accuracy['worst']:.4f}.",
        ]
    return lines


def table(head: Iterable[str], rows: Iterable[Iterable[str]]) -> list[str]:
    """The lines of a Markdown table.

    >>> table(("x", "y"), [("1", "a|b")])
    ['| x | y |', '|---|---|', '| 1 | a\\\\|b |']
    """
    head = tuple(head)
    return [_line(head), "|---" * len(head) + "|", *map(_line, rows)]


def _line(cells: Iterable[str]) -> str:
    return "| " + " | ".join(cell.replace("|", "\\|") for cell in cells) + " |"

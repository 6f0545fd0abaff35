"""The model card: what a stranger must know to use a model, and to judge it."""

import importlib.metadata
import json
import shlex

import hbt_jax
from hbt_jax.interchange import run_card
from hbt_jax.interchange.markdown import table
from hbt_jax.interchange.origin import Origin
from hbt_jax.models.encoder import parameter_count
from hbt_jax.models.model import Model

_TAGS = ("sentence-transformers", "sentence-similarity", "feature-extraction", "hbt_jax")


def model_card(title: str, model: Model, origin: Origin, license_id: str, max_length: int) -> str:
    """The text of README.md.

    Args:
      title: name of the exported folder.
      model: what is exported.
      origin: where it comes from.
      license_id: its licence as the hub writes it.
      max_length: tokens of the longest text, all included.
    """
    sections = (
        _front_matter(origin, license_id),
        _summary(title, model, origin, max_length),
        _use(title, model),
        run_card.data(origin),
        run_card.training(model, origin),
        run_card.results(origin),
        _versions(),
    )
    return "\n\n".join("\n".join(section) for section in sections if section) + "\n"


def _front_matter(origin: Origin, license_id: str) -> list[str]:
    """What the hub reads; every text is quoted, because YAML takes a bare `no` (Norwegian) for false."""
    fields = {
        "language": list(origin.languages),
        "license": license_id,
        "library_name": "sentence-transformers",
        "pipeline_tag": "sentence-similarity",
        "tags": list(_TAGS),
        "base_model": origin.base if origin.base_on_hub else None,
    }
    return ["---", *(f"{name}: {json.dumps(value)}" for name, value in fields.items() if value), "---"]


def _summary(title: str, model: Model, origin: Origin, max_length: int) -> list[str]:
    encoder, text = model.encoder, model.text
    named = f" in {len(origin.languages)} languages" if origin.languages else ""
    dense = f", then a dense layer to {encoder.dense} with {encoder.dense_activation}" if encoder.dense else ""
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
    oldest = "3.0.1" if model.encoder.dense else "2.7"  # before, a dense layer was read from pickles alone
    return [
        "## Use",
        "",
        f"With [sentence-transformers](https://www.sbert.net) {oldest} or later, which puts the prefixes before texts:",
        "",
        "```python",
        "from sentence_transformers import SentenceTransformer",
        "",
        f"model = SentenceTransformer({json.dumps(title)})  # the place of this folder",
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

"""Evaluates a sentence-transformers model, of whatever architecture, by its own library: `--model=st:FOLDER`."""

import importlib.util
from collections.abc import Callable, Sequence

import numpy as np

from hbt_jax.config.evaluation import EvalConfig
from hbt_jax.config.values import OF_MODEL, SENTENCE_MODEL
from hbt_jax.errors import InputError
from hbt_jax.evaluation.benchmarks.benchmark import Benchmark
from hbt_jax.evaluation.evaluator import EvaluatedModel, EvaluationContext
from hbt_jax.evaluation.fused import evaluate_with_fusions
from hbt_jax.evaluation.processes import on_first_process
from hbt_jax.evaluation.ranked import ByEmbedding
from hbt_jax.evaluation.results.result import Described, Result

_AT_A_TIME = 512  # texts between two checks for a stop signal
_SIMILARITIES = {"cosine": True, "dot": False}  # -> whether vectors are scaled to unit length


class SentenceModelEvaluator:
    """An `Evaluator` of such a model; the first process embeds, ranks and writes.

    Args:
      benchmark: the queries and candidates.
      model: loaded by `load`, which evaluators share.
      config: its prefixes; "model" for the prompts in the model's files.
    """

    def __init__(self, benchmark: Benchmark, model: Callable[[], "object"], config: EvalConfig):
        self._benchmark, self._model, self._config = benchmark, model, config

    def prepare(self, context: EvaluationContext) -> None:
        """See `Evaluator`; raises InputError if the library is not installed or cannot read the model."""
        self._context = context
        on_first_process(context.processes, self._model)

    def run(self, evaluated: EvaluatedModel | None = None) -> Result | None:
        """See `Evaluator`; there is no model of this package."""
        return on_first_process(self._context.processes, self._evaluate)

    def _evaluate(self) -> Result:
        model, benchmark, config, context = self._model(), self._benchmark, self._config, self._context
        prefixes = {"query": config.query_prefix, "document": config.passage_prefix}
        sides = {"query": benchmark.queries.texts, "document": benchmark.candidates.texts}
        used = {side: _prompt(model, side, prefix) for side, prefix in prefixes.items()}
        vectors = [self._embed(model, side, texts, used[side]) for side, texts in sides.items()]
        cut = sum(_truncated(model, [used[side] + text for text in texts]) for side, texts in sides.items())
        settings = {
            **benchmark.settings,
            "similarity": model.similarity_fn_name,
            "query_prefix": used["query"],
            "passage_prefix": used["document"],
            "max_length": model.max_seq_length,
            "library": "sentence-transformers",
        }
        described = Described(config.model, settings, {"truncated_texts": cut})
        return evaluate_with_fusions(ByEmbedding(benchmark, *vectors), described, context, context.out)

    def _embed(self, model, side: str, texts: Sequence[str], prompt: str) -> np.ndarray:
        """float32 [texts, D]: the vectors of one side, scaled to unit length if the model's scores are cosines."""
        encode = model.encode_query if side == "query" else model.encode_document
        found = []
        for start in range(0, len(texts), _AT_A_TIME):
            self._context.poll()
            part = encode(list(texts[start : start + _AT_A_TIME]), prompt=prompt, show_progress_bar=False)
            found.append(np.asarray(part, np.float32))
        vectors_ND = np.concatenate(found)
        if _SIMILARITIES[model.similarity_fn_name]:
            vectors_ND /= np.maximum(np.linalg.norm(vectors_ND, axis=1, keepdims=True), np.finfo(np.float32).tiny)
        return vectors_ND


def load(config: EvalConfig):
    """The model, ready to embed.

    Raises:
      InputError: the library is not installed, it cannot read the model, or scores are no inner products.
    """
    if importlib.util.find_spec("sentence_transformers") is None:
        raise InputError(f"--model={config.model} needs sentence-transformers: pip install -e '.[sentence]'")
    from sentence_transformers import SentenceTransformer  # takes seconds, and few need it

    name = config.model.removeprefix(SENTENCE_MODEL)
    try:
        model = SentenceTransformer(name)
    except Exception as error:  # whatever its readers of many layouts raise
        first = str(error).strip().partition("\n")[0]
        raise InputError(f"--model={config.model}: sentence-transformers cannot read it: {first}") from error
    if model.similarity_fn_name not in _SIMILARITIES:
        raise InputError(
            f"--model={config.model}: its similarity is {model.similarity_fn_name}: expected"
            f" {' or '.join(_SIMILARITIES)}, the only ones supported here"
        )
    if config.max_length:
        model.max_seq_length = config.max_length
    return model


def _prompt(model, side: str, prefix: str) -> str:
    """What the model's files put before a text of this side, unless the configuration says otherwise."""
    if prefix != OF_MODEL:
        return prefix
    names = {"query": ("query",), "document": ("document", "passage", "corpus")}[side]
    return next((model.prompts[name] for name in names if model.prompts.get(name)), "")


def _truncated(model, texts: Sequence[str]) -> int | None:
    """How many texts are longer than the model reads."""
    longest = model.max_seq_length or float("inf")
    lengths = (len(ids) for ids in model.tokenizer(list(texts), truncation=False, verbose=False)["input_ids"])
    return sum(length > longest for length in lengths)

"""One model on every benchmark: embed its texts, rank its candidates, print what was found."""

import os
from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple

import jax
import numpy as np
from jax.sharding import Mesh

from hbt_jax.config import EvalConfig
from hbt_jax.evaluation.benchmarks.benchmark import Benchmark, BenchmarkTexts
from hbt_jax.evaluation.benchmarks.streamed import StreamedBenchmark
from hbt_jax.evaluation.embedding.embed import Embedder, check_finite
from hbt_jax.evaluation.embedding.layer_probe import ParallelTexts, format_probe, probe_layers
from hbt_jax.evaluation.embedding.query_expansion import Expansions
from hbt_jax.evaluation.embedding.token_counts import counts_for
from hbt_jax.evaluation.expanded_run import EXPANDED, ExpandedRun, format_effect
from hbt_jax.evaluation.options import candidate_text, run_settings
from hbt_jax.evaluation.processes import Processes, on_first_process
from hbt_jax.evaluation.run import evaluate, format_table
from hbt_jax.evaluation.streamed.check import ShardContent
from hbt_jax.evaluation.streamed.evaluate import evaluate_streamed
from hbt_jax.evaluation.streamed.results import format_table as format_streamed_table
from hbt_jax.models.model import Model


def _embedded(embedder: Embedder, side: BenchmarkTexts, name: str) -> tuple[np.ndarray, dict]:
    """The vectors of one side of a benchmark, and how the texts of each language fared with the tokenizer."""
    counts = counts_for(embedder.model, name)
    vectors = embedder(side.texts, name, tokenised=counts.watch(side.languages, side.texts))
    check_finite(vectors, embedder.model, lambda number: f"{name} {side.ids[number]!r}")
    return vectors, counts.rates()


class Evaluated(NamedTuple):
    """What one checkpoint was found to do; empty on the processes that do not rank.

    Attributes:
      results: contents of results.json, a benchmark each.
      expanded: those of the evaluations with query expansions, likewise; empty where there are none.
    """

    results: list[dict]
    expanded: list[dict]


class ModelEvaluation:
    """Embeds and ranks benchmarks with the checkpoints of one model.

    Args:
      config: how to embed, rank and write.
      mesh: the devices of all processes.
      processes: of this job.
      probed: texts for the layer probe, by benchmark; none where it is not asked for.
      inventories: of the shards of each streamed benchmark.
      expansions: of the queries of each benchmark; none where there are no expansions.
      poll_together: raises Interrupted on every process at once; called as often by each of them.
      poll_alone: raises it on this one, in work that the processes do not do in step.
    """

    def __init__(
        self,
        config: EvalConfig,
        mesh: Mesh,
        processes: Processes,
        probed: dict[str, ParallelTexts],
        inventories: dict[str, dict[str, ShardContent]],
        expansions: dict[str, Expansions],
        poll_together: Callable[[], None],
        poll_alone: Callable[[], None],
    ):
        self._config, self._mesh, self._processes = config, mesh, processes
        self._probed, self._inventories, self._expansions = probed, inventories, expansions
        self._poll_together, self._poll_alone = poll_together, poll_alone

    def all(
        self, benchmarks: list[Benchmark | StreamedBenchmark], model: Model, checkpoint: str, out: Path, title: str
    ) -> Evaluated:
        """Results of one model, whose checkpoint is called so, on every benchmark, printed as they come."""
        evaluated = Evaluated([], [])
        for benchmark in benchmarks:
            streamed = isinstance(benchmark, StreamedBenchmark)
            if streamed:
                result, expanded = self._streamed(benchmark, model, checkpoint, str(out)), None
            else:
                result, expanded = self._one(benchmark, model, checkpoint, str(out))
            if result is not None:
                evaluated.results.append(result)
                print(title + (format_streamed_table if streamed else format_table)(result), flush=True)
                if "layer_probe" in result:
                    print(format_probe(result["layer_probe"]), flush=True)
            if expanded is not None:
                evaluated.expanded.append(expanded)
                print(f"{title}with expansions, {format_table(expanded)}", flush=True)
                print(format_effect(expanded), flush=True)
        return evaluated

    def _one(self, benchmark: Benchmark, model: Model, checkpoint: str, out: str) -> tuple[dict | None, dict | None]:
        """The results, and those with query expansions where there are any.

        Every process embeds and probes; the first one ranks and writes, the others wait for it and return None.
        """
        leader = jax.process_index() == 0
        embedder = Embedder(
            model, self._mesh, texts_per_device=self._config.eval_batch, poll=self._poll_together, shown=leader
        )
        query_QD, query_rates = _embedded(embedder, benchmark.queries, "query")
        candidate_ND, candidate_rates = _embedded(embedder, benchmark.candidates, "passage")
        tokens = {"queries": query_rates, "candidates": candidate_rates}
        counts = {"truncated_texts": embedder.truncated}
        expanded = None
        if self._expansions:
            expansions = self._expansions[benchmark.name]
            combination = self._config.expansion_combination
            expanded = ExpandedRun.embedded(benchmark, expansions, combination, embedder, query_QD)
        probe = self._probe(benchmark.name, model, leader)
        ranked: list[tuple[dict, dict | None]] = []

        def rank() -> None:
            with_expansions = None
            result = self._ranked(benchmark, query_QD, candidate_ND, probe, tokens, counts, model, checkpoint, out)
            if expanded is not None:
                found = self._ranked(
                    expanded.benchmark,
                    expanded.query_QD,
                    candidate_ND,
                    None,
                    None,
                    counts | expanded.counts,
                    model,
                    checkpoint,
                    os.path.join(out, EXPANDED),
                    expanded.settings,
                )
                with_expansions = expanded.with_effect(result, found, out)
            ranked.append((result, with_expansions))

        on_first_process(self._processes, rank)
        return ranked[0] if ranked else (None, None)

    def _streamed(self, benchmark: StreamedBenchmark, model: Model, checkpoint: str, out: str) -> dict | None:
        """Every process embeds and searches its share of the corpus; the first one merges, the others return None."""
        return evaluate_streamed(
            benchmark,
            self._inventories[benchmark.name],
            model,
            self._mesh,
            self._processes,
            out_dir=out,
            settings=self._settings(model, checkpoint),
            texts_per_device=self._config.eval_batch,
            block=self._config.corpus_block,
            run_depth=self._config.run_depth,
            poll=self._poll_alone,
        )

    def _settings(self, model: Model, checkpoint: str) -> dict:
        """How texts are prepared and embedded, for results.json."""
        text = model.text
        return {
            "checkpoint": checkpoint,
            "step": model.step,
            "similarity": model.similarity,
            "pooling": model.pooling,
            "query_prefix": text.query_prefix,
            "passage_prefix": text.passage_prefix,
            "query_length": text.query_length,
            "passage_length": text.passage_length,
            "compute_dtype": self._config.compute_dtype,
        }

    def _probe(self, name: str, model: Model, shown: bool) -> dict | None:
        """What the layer probe finds on a benchmark's queries; None where it is not asked for."""
        if name not in self._probed:
            return None
        return probe_layers(
            self._probed[name],
            model,
            self._mesh,
            texts_per_device=self._config.eval_batch,
            poll=self._poll_together,
            shown=shown,
        )

    def _ranked(
        self,
        benchmark,
        query_QD,
        candidate_ND,
        probe: dict | None,
        tokens: dict | None,
        counts: dict,
        model: Model,
        checkpoint: str,
        out: str,
        further_settings: dict | None = None,
    ) -> dict:
        config, settings = self._config, self._settings(model, checkpoint)
        settings |= candidate_text(config, benchmark) | (further_settings or {})
        return evaluate(
            benchmark,
            query_QD,
            candidate_ND,
            out_dir=out,
            model_name=model.name,
            settings=settings,
            counts=counts,
            layer_probe=probe,
            tokens=tokens,
            run_depth=config.run_depth,
            run_settings=run_settings(config),
            poll=self._poll_alone,
        )

"""Evaluates a model on a benchmark whose candidates are streamed: embed and search, merge, write."""

import dataclasses
from collections.abc import Mapping

import numpy as np
from jax.sharding import Mesh

from hbt_jax import files
from hbt_jax.evaluation.benchmarks.streamed import StreamedBenchmark
from hbt_jax.evaluation.embedding.embed import Embedder, check_finite
from hbt_jax.evaluation.embedding.token_counts import TokenCounts, counts_for, rates
from hbt_jax.evaluation.evaluator import EvaluatedModel, EvaluationContext, ResultFiles
from hbt_jax.evaluation.processes import Processes, on_every_process, on_first_process
from hbt_jax.evaluation.results.parts import tokens
from hbt_jax.evaluation.results.per_query import write_per_query
from hbt_jax.evaluation.results.result import QRELS, RESULTS, RUNS, Described, Result
from hbt_jax.evaluation.streamed import results
from hbt_jax.evaluation.streamed.check import take_inventory
from hbt_jax.evaluation.streamed.copies import with_copies
from hbt_jax.evaluation.streamed.metrics import DEPTH
from hbt_jax.evaluation.streamed.shard_cache import KeptShards, ranking_key
from hbt_jax.evaluation.streamed.shards import CorpusSearch, Work
from hbt_jax.mesh import own_mesh, put_whole
from hbt_jax.models.encoder import graph_on
from hbt_jax.models.model import Model

KEPT, INVENTORY = "kept", "inventory"


class StreamedEvaluator:
    """An `Evaluator`: each process embeds and searches its share of the shards, the first one merges and writes.

    Writes into OUT/NAME what results.py describes, results.json last of all; one that an earlier evaluation left is
    removed first.  Finished shards are kept in OUT/NAME/kept, which the processes must share, and what the context's
    folder holds in NAME/kept/inventory says what is in the shards.

    Args:
      benchmark: queries, judgements and shards.
    """

    def __init__(self, benchmark: StreamedBenchmark):
        self.benchmark = benchmark

    def prepare(self, context: EvaluationContext) -> None:
        """Reads and checks every passage once (see `take_inventory`) and counts copies."""
        self._context, processes = context, context.processes
        folder = str(context.out / self.benchmark.name / KEPT / INVENTORY)
        shown = processes.index == 0
        self._inventory = take_inventory(self.benchmark, folder, processes, context.poll, shown=shown)
        if shown:
            passages = sum(content.passages for content in self._inventory.values())
            print(f"{self.benchmark.name}: {passages:,} passages in {len(self._inventory):,} files", flush=True)
        noted = on_first_process(processes, lambda: with_copies(self.benchmark, folder, context.poll))
        self.benchmark = noted or self.benchmark

    def run(self, evaluated: EvaluatedModel) -> Result | None:
        """See `Evaluator`; the model must have an `out`."""
        context, config, benchmark = self._context, self._context.config, self.benchmark
        written, leads = context.files(evaluated.out), context.processes.index == 0
        folder, depth = written.out / benchmark.name, max(DEPTH, written.run_depth)
        if leads:
            (folder / RESULTS).unlink(missing_ok=True)
        model, mesh = _on_own_devices(evaluated.model, context.mesh, context.processes)
        kept = KeptShards(str(folder / KEPT), ranking_key(model, config.compute_dtype, benchmark, depth))
        embedder = Embedder(model, mesh, texts_per_device=config.eval_batch, poll=context.poll, shown=False)
        query_QD, query_counts = _query_vectors(benchmark, embedder, context.processes)
        search = CorpusSearch(benchmark, self._inventory, kept, depth, config.corpus_block)
        work = search.search(query_QD, embedder, context.processes, shown=leads)
        if leads:
            print(_said(benchmark.name, work, kept), flush=True)
        described = evaluated.described(config.compute_dtype)
        return on_first_process(context.processes, lambda: self._merged(search, query_counts, described, written))

    def _merged(
        self, search: CorpusSearch, query_counts: TokenCounts, described: Described, written: ResultFiles
    ) -> Result:
        """Merges the finished shards and writes the result."""
        benchmark, folder = self.benchmark, written.out / self.benchmark.name
        own, everything, passage_sums = search.merged()
        ranked = results.rank(benchmark, own, everything)
        cut_queries, cut_passages = map(_truncated, (query_counts.sums, passage_sums))
        described = described.plus(
            {"run_depth": written.run_depth, "run_settings": [benchmark.own_pool, "multilingual"]},
            {
                "truncated_texts": cut_queries + cut_passages,
                "truncated_queries": cut_queries,
                "truncated_passages": cut_passages,
            },
            (tokens(query_counts.rates(), rates(passage_sums)),),
        )
        result = results.result_of(benchmark, search.inventory, ranked, described)
        with files.atomic_folder(str(folder / RUNS)) as runs:
            results.write_runs(runs, benchmark, ranked, written.run_depth, self._context.poll)
        results.write_qrels(str(folder / QRELS), benchmark)
        write_per_query(folder, benchmark.asked, results.query_blocks(benchmark, ranked))
        result.write(folder)
        return result


def _query_vectors(
    benchmark: StreamedBenchmark, embedder: Embedder, processes: Processes
) -> tuple[np.ndarray, TokenCounts]:
    """float32 [Q, D]: the vectors of the queries, which every process embeds for itself; and their token counts."""
    queries, counts = benchmark.asked, counts_for(embedder.model, "query")
    watch = counts.watch(queries.languages, queries.texts)
    query_ID = on_every_process(processes, lambda: embedder(queries.texts, "query", tokenised=watch))
    check_finite(query_ID, embedder.model, lambda number: f"query {queries.ids[number]!r}")
    return query_ID[benchmark.asked_Q], counts


def _truncated(sums: Mapping[str, np.ndarray]) -> int:
    """How many texts were truncated, in all languages; `sums` as TokenCounts.sums."""
    return int(sum(of_language[1] for of_language in sums.values()))


def _on_own_devices(model: Model, mesh: Mesh, processes: Processes) -> tuple[Model, Mesh]:
    """The model and a mesh on the devices of this process alone."""
    own = own_mesh(mesh, processes.index, processes.count)
    if own is mesh:
        return model, mesh
    parameters = put_whole(model.parameters, own)
    return dataclasses.replace(model, graph=graph_on(model.graph, parameters, own), parameters=parameters), own


def _said(name: str, work: Work, kept: KeptShards) -> str:
    """One line about what was done now and what had been done before."""
    parts = [f"{name}: "]
    if work.shards:
        parts.append(
            f"embedded and searched {work.passages:,} passages in {work.seconds:,.0f} s"
            f" ({work.passages / max(work.seconds, 1e-9):,.0f} passages/s), {work.shards} files; "
        )
    parts.append(f"{work.kept} files were finished before")
    others, size = kept.others()
    if others:
        parts.append(
            f"; {kept.folder} holds {others} results of other models or settings ({size / 1e6:,.0f} MB): delete them"
            " when they are not needed"
        )
    return "".join(parts)

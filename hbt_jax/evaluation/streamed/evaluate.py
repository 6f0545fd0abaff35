"""Evaluates one model on a benchmark whose candidates are streamed: embed and search, merge, write."""

import contextlib
import dataclasses
import os
from collections.abc import Callable, Mapping

import numpy as np
from jax.sharding import Mesh

from hbt_jax import files
from hbt_jax.evaluation.benchmarks.streamed import StreamedBenchmark
from hbt_jax.evaluation.embedding.embed import Embedder, check_finite
from hbt_jax.evaluation.embedding.token_counts import TokenCounts, counts_for, rates
from hbt_jax.evaluation.processes import Processes, on_every_process, on_first_process
from hbt_jax.evaluation.results import results
from hbt_jax.evaluation.results.results import PER_QUERY, RESULTS, write_json
from hbt_jax.evaluation.run import QRELS, RUNS
from hbt_jax.evaluation.streamed import results as streamed_results
from hbt_jax.evaluation.streamed.check import ShardContent, take_inventory
from hbt_jax.evaluation.streamed.copies import with_copies
from hbt_jax.evaluation.streamed.metrics import DEPTH
from hbt_jax.evaluation.streamed.shard_cache import KeptShards, run_key
from hbt_jax.evaluation.streamed.shards import Work, merged, search_corpus
from hbt_jax.mesh import own_mesh, put_whole
from hbt_jax.models.model import Model

KEPT, INVENTORY = "kept", "inventory"


def read_corpus(
    benchmark: StreamedBenchmark, out_dir: str, processes: Processes, poll: Callable[[], None]
) -> dict[str, ShardContent]:
    """Reads and checks every passage once, see `take_inventory`; what it finds is kept in OUT/NAME/kept/inventory."""
    folder = os.path.join(out_dir, benchmark.name, KEPT, INVENTORY)
    inventory = take_inventory(benchmark, folder, processes, poll, shown=processes.index == 0)
    if processes.index == 0:
        passages = sum(found.passages for found in inventory.values())
        print(f"{benchmark.name}: {passages:,} passages in {len(inventory):,} files", flush=True)
    return inventory


def note_copies(
    benchmark: StreamedBenchmark, out_dir: str, processes: Processes, poll: Callable[[], None]
) -> StreamedBenchmark:
    """The benchmark with what the first process, which writes the results, says of copies; after `read_corpus`."""
    folder, noted = os.path.join(out_dir, benchmark.name, KEPT, INVENTORY), []
    on_first_process(processes, lambda: noted.append(with_copies(benchmark, folder, poll)))
    return noted[0] if noted else benchmark


def evaluate_streamed(
    benchmark: StreamedBenchmark,
    inventory: Mapping[str, ShardContent],
    model: Model,
    mesh: Mesh,
    processes: Processes,
    *,
    out_dir: str,
    settings: dict,
    texts_per_device: int,
    block: int,
    run_depth: int,
    poll: Callable[[], None],
) -> dict | None:
    """Every process embeds and searches its share of the shards on its own devices; the first one merges and writes.

    Writes into OUT/NAME what streamed_results.py describes, results.json last of all; one that an earlier evaluation
    left is removed first.  Finished shards are kept in OUT/NAME/kept, which the processes must share.

    Args:
      benchmark: queries, judgements and shards.
      inventory: of the shards.
      model: with the prefixes and lengths to use.
      mesh: the devices of all processes.
      processes: of this job.
      out_dir: OUT.
      settings: how texts were prepared and embedded.
      texts_per_device: as for Embedder.
      block: passages read, embedded and searched at a time.
      run_depth: candidates per query in a run file, at least 1.
      poll: called often; raises to stop.

    Returns:
      The content of results.json on the first process, None on the others.

    Raises:
      InputError: vectors are not finite, or a file is damaged or changed.
      Interrupted: `poll` said so; finished shards are kept.
    """
    folder, leads, depth = os.path.join(out_dir, benchmark.name), processes.index == 0, max(DEPTH, run_depth)
    if leads:
        with contextlib.suppress(FileNotFoundError):
            os.remove(os.path.join(folder, RESULTS))
    model, mesh = _on_own_devices(model, mesh, processes)
    kept = KeptShards(os.path.join(folder, KEPT), run_key(model, settings["compute_dtype"], benchmark, depth))
    embedder = Embedder(model, mesh, texts_per_device=texts_per_device, poll=poll, shown=False)
    query_QD, query_counts = _query_vectors(benchmark, embedder, processes)
    work = search_corpus(
        benchmark, inventory, query_QD, embedder, kept, processes, depth=depth, block=block, shown=leads
    )
    if leads:
        print(_said(benchmark.name, work, kept), flush=True)
    written = []

    def write() -> None:
        own, everything, passage_sums = merged(benchmark, inventory, kept, depth)
        truncated_queries, truncated_passages = map(_truncated, (query_counts.sums, passage_sums))
        ranked = streamed_results.rank(benchmark, own, everything)
        summary = streamed_results.summarise(
            benchmark,
            inventory,
            ranked,
            model=model.name,
            settings=settings | {"run_depth": run_depth, "run_settings": ["monolingual", "multilingual"]},
            counts={
                "truncated_texts": truncated_queries + truncated_passages,
                "truncated_queries": truncated_queries,
                "truncated_passages": truncated_passages,
            },
        )
        summary = results.with_tokens(summary, {"queries": query_counts.rates(), "candidates": rates(passage_sums)})
        with files.atomic_folder(os.path.join(folder, RUNS)) as runs:
            streamed_results.write_runs(runs, benchmark, ranked, run_depth, poll)
        streamed_results.write_qrels(os.path.join(folder, QRELS), benchmark)
        streamed_results.write_per_query(os.path.join(folder, PER_QUERY), benchmark, ranked)
        write_json(os.path.join(folder, RESULTS), summary)
        written.append(summary)

    on_first_process(processes, write)
    return written[0] if written else None


def _query_vectors(
    benchmark: StreamedBenchmark, embedder: Embedder, processes: Processes
) -> tuple[np.ndarray, TokenCounts]:
    """float32 [Q, D]: the vectors of the queries, which every process embeds for itself; and the counts of them."""
    found, queries, counts = [], benchmark.queries, counts_for(embedder.model, "query")
    watch = counts.watch(queries.languages, queries.texts)
    on_every_process(processes, lambda: found.append(embedder(queries.texts, "query", tokenised=watch)))
    check_finite(found[0], embedder.model, lambda number: f"query {queries.ids[number]!r}")
    return found[0], counts


def _truncated(sums: Mapping[str, np.ndarray]) -> int:
    """Texts that were cut, in all languages; `sums` as TokenCounts.sums."""
    return int(sum(of_language[1] for of_language in sums.values()))


def _on_own_devices(model: Model, mesh: Mesh, processes: Processes) -> tuple[Model, Mesh]:
    """The model on the devices of this process alone."""
    own = own_mesh(mesh, processes.index, processes.count)
    if own is mesh:
        return model, mesh
    return dataclasses.replace(model, parameters=put_whole(model.parameters, own)), own


def _said(name: str, work: Work, kept: KeptShards) -> str:
    """One line on what was done and what was there before."""
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

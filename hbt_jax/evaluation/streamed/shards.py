"""One pass over a corpus: each shard is read, embedded and searched block by block, and its best candidates are kept.

Memory holds the vectors of the queries, two blocks of passages with the vectors of one, and the first K candidates so
far; none of this grows with the corpus.  Every query searches every shard, so each passage is embedded only once.
"""

import dataclasses
import time
from collections.abc import Callable, Mapping

import numpy as np
from tqdm import tqdm

from hbt_jax.errors import InputError
from hbt_jax.evaluation.benchmarks.streamed import Shard, StreamedBenchmark
from hbt_jax.evaluation.embedding.embed import Embedder, check_finite
from hbt_jax.evaluation.embedding.token_counts import counts_for
from hbt_jax.evaluation.processes import Processes, shares, work_together
from hbt_jax.evaluation.search.running_top import RunningTop, tie_order
from hbt_jax.evaluation.search.search import top_candidates
from hbt_jax.evaluation.streamed import read
from hbt_jax.evaluation.streamed.check import ShardContent
from hbt_jax.evaluation.streamed.shard_cache import KeptShards, ShardTop


@dataclasses.dataclass(frozen=True)
class Work:
    """The part of a pass that this process did.

    Attributes:
      shards, passages: how many it finished.
      seconds: how long it took.
      kept: how many shards were finished before.
    """

    shards: int
    passages: int
    seconds: float
    kept: int


@dataclasses.dataclass(frozen=True)
class CorpusSearch:
    """A pass over the corpus of a benchmark.

    Attributes:
      benchmark: its shards are searched.
      inventory: name of a shard -> what it holds.
      kept: where the results of finished shards are and go.
      depth: K, candidates of each query.
      block: passages read, embedded and searched at a time.
    """

    benchmark: StreamedBenchmark
    inventory: Mapping[str, ShardContent]
    kept: KeptShards
    depth: int
    block: int

    def search(self, query_QD: np.ndarray, embedder: Embedder, processes: Processes, *, shown: bool) -> Work:
        """Searches this process's share of the shards that are not finished yet, and keeps what it finds in each.

        Args:
          query_QD: float32 vectors of the benchmark's queries.
          embedder: on the devices of this process alone.
          processes: divide the shards among themselves.
          shown: whether to show a progress bar, on a terminal.

        Raises:
          InputError: vectors are not finite, or a shard changed since it was read first.
          Interrupted: the embedder's poll said so; finished shards stay.
        """
        shards = self.benchmark.shards
        todo = [shard for shard in shards if not self.kept.has(shard, self.inventory[shard.name])]
        processes.agree(False)  # all processes have looked before one of them writes
        sizes = [self.inventory[shard.name].passages for shard in todo]
        own = shares(sizes, processes.count)[processes.index]
        hidden, start = None if shown else True, time.monotonic()  # None: shown on a terminal only
        total = sum(sizes[piece] for piece in own)
        with tqdm(total=total, desc="embedding passages", unit=" passages", disable=hidden, leave=False) as bar:

            def work(piece: int) -> None:
                shard = todo[piece]
                top = self.search_shard(shard, query_QD, embedder, bar.update)
                self.kept.write(shard, self.inventory[shard.name], top)

            work_together(processes, sizes, work)
        return Work(len(own), total, time.monotonic() - start, len(shards) - len(todo))

    def search_shard(
        self, shard: Shard, query_QD: np.ndarray, embedder: Embedder, done: Callable[[int], None] | None = None
    ) -> ShardTop:
        """The first candidates of each query among the passages of one shard; `done` is told of passages embedded."""
        top, counts = RunningTop(len(query_QD), self.depth), counts_for(embedder.model, "passage")
        for part in read.blocks(shard, self.benchmark.passage, self.block):
            watch = counts.watch([shard.language] * len(part.texts), part.texts)
            passage_ND = embedder(part.texts, "passage", done, watch)
            check_finite(passage_ND, embedder.model, _place(shard.path, part.ids))
            least_Q = top.score_QK[:, -1]  # lower scores would rank behind all found so far
            best = top_candidates(query_QD, passage_ND, self.depth, tie_N=tie_order(part.ids), least_Q=least_Q)
            top.add(best.score_QK, np.where(best.index_QK >= 0, part.ids[best.index_QK], b""))
        sums, expected = counts.sums[shard.language], self.inventory[shard.name].passages
        if sums[0] != expected:
            raise InputError(
                f"{shard.path}: {sums[0]:,} passages, but it had {expected:,} when it was read first: leave the"
                " corpus alone during the evaluation, and repeat the command"
            )
        return ShardTop(top.score_QK, top.id_QK, sums)

    def merged(self) -> tuple[RunningTop, RunningTop, dict[str, np.ndarray]]:
        """Merges the finished shards, one in memory at a time.

        Returns:
          The first candidates of each query in its own language, with their published ids; those in all languages,
          with ids "LANGUAGE:ID"; and what TokenCounts.sums holds of the passages of each language.

        Raises:
          InputError: a result is missing or damaged.
        """
        queries = len(self.benchmark.queries)
        language_Q = np.asarray(self.benchmark.queries.languages)
        own, everything = RunningTop(queries, self.depth), RunningTop(queries, self.depth)
        sums: dict[str, np.ndarray] = {}
        for shard in self.benchmark.shards:
            top = self.kept.read(shard, self.inventory[shard.name])
            is_own_Q1 = (language_Q == shard.language)[:, None]
            own.add(np.where(is_own_Q1, top.score_QK, -np.inf), np.where(is_own_Q1, top.id_QK, b""))
            there_QK = top.id_QK != b""
            joint_QK = np.where(there_QK, np.char.add(f"{shard.language}:".encode(), top.id_QK), b"")
            everything.add(top.score_QK, joint_QK)
            sums[shard.language] = sums.get(shard.language, 0) + top.sums
        return own, everything, sums


def _place(path: object, ids: np.ndarray) -> Callable[[int], str]:
    return lambda number: f"{path}: passage {ids[number].decode()!r}"

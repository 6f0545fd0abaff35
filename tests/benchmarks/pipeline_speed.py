#!/usr/bin/env python3
"""How many pairs a second the input pipeline prepares: plan, look-up, packing and tf.data, without a model.

    python tests/benchmarks/pipeline_speed.py [--pairs=200000] [--steps=300] [--shares=1] [--threads=1]

Builds a store of random texts in 11 languages in a temporary folder, then times the real pipeline for x-y batches of
1,024 pairs at 32 + 96 tokens and, as a peer, a plain numpy loop over the batch's texts that pads them and writes no
segments, positions or ids.  The goal on two CPU cores is 100,000 pairs a second.
"""

import pathlib
import sys
import tempfile
import time

import numpy as np
from absl import flags

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent.parent.parent))

from hbt_jax.config.learning import PlanConfig, TextConfig
from hbt_jax.data.mixture import Mixture  # noqa: E402
from hbt_jax.data.pipeline import batches, packed_batch  # noqa: E402
from hbt_jax.data.plan import Plan  # noqa: E402
from hbt_jax.data.store import Store, open_store  # noqa: E402
from hbt_jax.data.store_writer import StoreWriter  # noqa: E402
from hbt_jax.languages import XQUAD_R  # noqa: E402
from tests.data.make_stores import SpecialTokens  # noqa: E402

_TEXT = TextConfig("query: ", "passage: ", query_length=32, passage_length=96)
_WARM_UP = 10


def synthetic_store(folder: pathlib.Path, pairs: int) -> Store:
    """A parallel store of random texts in 11 languages, about 14 tokens a query and 50 a passage, some of them cut."""
    generator = np.random.default_rng(0)
    with StoreWriter(folder) as writer:
        for side, mean in (("queries", 14), ("passages", 50)):
            for language in XQUAD_R:
                counts = np.maximum(1, generator.lognormal(np.log(mean), 0.5, pairs).astype(np.int64))
                offsets = np.concatenate([[0], np.cumsum(counts)])
                tokens = generator.integers(20, 16_000, offsets[-1], np.int32)
                writer.append(side, language, np.arange(pairs), tokens, offsets)
        rows = np.arange(pairs)
        writer.append_pairs(rows, rows, rows, np.zeros(0, np.int64), np.zeros(pairs + 1, np.int64))
        writer.finish(
            {"queries": pairs, "passages": pairs},
            {"name": "synthetic", "split": "train", "source": {}, "languages": sorted(XQUAD_R), "dropped": {},
             "tokenizer": {"path": "", "fingerprint": "sha256:0"}},
        )  # fmt: skip
    return open_store(folder)


def plain_numpy(plan: Plan, step: int) -> np.ndarray:
    """The peer: the same batch by a loop over its texts, each padded to its side's longest length."""
    batch, tokenizer = plan.batch(step), SpecialTokens()
    store = plan.mixture.stores[batch.store]
    result = np.zeros((2, len(batch.pairs), _TEXT.row_tokens), np.int32)
    sides = (
        (store.queries, store.pairs.query_A, batch.query_language, "query: ", _TEXT.query_length),
        (store.passages, store.pairs.passage_A, batch.passage_language, "passage: ", _TEXT.passage_length),
    )
    for array, (side, rows, languages, prefix, longest) in zip(result, sides, strict=True):
        head = [tokenizer.bos_id, *tokenizer.prefix_ids(prefix)]
        for i, (row, language) in enumerate(zip(rows[batch.pairs], languages, strict=True)):
            texts = side.tokens[store.languages[language]]
            own = texts.values[texts.offsets[row] : texts.offsets[row + 1]][: longest - len(head) - 1]
            array[i, : len(head)] = head
            array[i, len(head) : len(head) + len(own)] = own
            array[i, len(head) + len(own)] = tokenizer.eos_id
    return result


def pairs_per_second(iterator, global_batch: int, steps: int) -> float:
    """The rate of an iterator after a warm-up."""
    for _ in range(_WARM_UP):
        next(iterator)
    start = time.perf_counter()
    for _ in range(steps):
        next(iterator)
    return global_batch * steps / (time.perf_counter() - start)


def main(_: list[str]) -> None:
    given = flags.FLAGS
    with tempfile.TemporaryDirectory() as folder:
        mixture = Mixture([synthetic_store(pathlib.Path(folder) / "store", given.pairs)])
        plan = Plan(mixture, PlanConfig(batching="x-y", global_batch=given.global_batch), seed=0)
        shares, tokenizer = range(given.shares), SpecialTokens()
        packed = batches(
            plan, _TEXT, tokenizer, start=0, stop=None, shares=shares, share_count=given.shares,
            threads=given.threads,
        )  # fmt: skip
        ours = pairs_per_second(packed, given.global_batch, given.steps)
        alone = (packed_batch(plan, _TEXT, tokenizer, step, shares, given.shares) for step in range(10**9))
        one_thread = pairs_per_second(alone, given.global_batch, given.steps // 2)
        padded = (plain_numpy(plan, step) for step in range(10**9))
        peer = pairs_per_second(padded, given.global_batch, given.steps // 4)
        segments = packed_batch(plan, _TEXT, tokenizer, 0, shares, given.shares)["segments"]
    print(f"tf.data pipeline, packed      {ours:12,.0f} pairs/s ({np.count_nonzero(segments) / segments.size:.1%} of"
          f" the row tokens are text)")  # fmt: skip
    print(f"packed_batch in one thread    {one_thread:12,.0f} pairs/s")
    print(f"plain numpy loop, padded      {peer:12,.0f} pairs/s; ours is {ours / peer:.1f} times as fast")


if __name__ == "__main__":
    from hbt_jax.flags import run_command

    flags.DEFINE_integer("pairs", 200_000, "pairs of the synthetic store")
    flags.DEFINE_integer("steps", 300, "batches timed")
    flags.DEFINE_integer("global_batch", 1024, "pairs of a batch")
    flags.DEFINE_integer("shares", 1, "devices that a batch is split over")
    flags.DEFINE_integer("threads", 1, "steps that tf.data prepares at the same time")
    run_command(main)

#!/usr/bin/env python3
"""Whether a store of mMARCO's size opens, plans and feeds batches fast enough, in little memory.

    python tests/benchmarks/large_store.py [--pairs=40000000] [--passage_tokens=16] [--absent=0.01] [--folder=DIR]

Makes a store of random texts in 9 languages (8.8 million passages, 0.5 million queries, each pair with one negative) in
a temporary folder, reads it once so that the system's cache is warm, and measures in a process of its own.  --absent
leaves out that share of the texts in all languages but English: such a store is no longer parallel, and the plan has to
find out which pairs can serve which batch.  Exit code 1 when a target is missed; the store is removed in every case.

With the defaults the store takes 8 GB, and building it 15 GB for a while.
"""

import dataclasses
import pathlib
import resource
import signal
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Iterator

import numpy as np
from absl import flags

ROOT = pathlib.Path(__file__).resolve().parent.parent.parent
sys.path.insert(0, str(ROOT))

from data_prep.store.rows import gather  # noqa: E402
from hbt_jax.config.learning import PlanConfig, TextConfig  # noqa: E402
from hbt_jax.data.mixture import Mixture  # noqa: E402
from hbt_jax.data.pipeline import batches  # noqa: E402
from hbt_jax.data.plan import Plan  # noqa: E402
from hbt_jax.data.store import Side, open_store  # noqa: E402
from hbt_jax.data.store_writer import StoreWriter  # noqa: E402
from tests.data.make_stores import SpecialTokens  # noqa: E402

_LANGUAGES = ("ar", "de", "en", "es", "hi", "ja", "ru", "th", "zh")
_TEXT = TextConfig("query: ", "passage: ", query_length=32, passage_length=96)
_PLAN = PlanConfig(batching="hybrid", global_batch=1024, negatives=1)
_STEPS = (0, 1_000, 100_000)
_BLOCK = 1 << 20  # items or pairs made at a time
_WARM_UP = 5  # batches
_GIB = 2**30


@dataclasses.dataclass(frozen=True)
class Figure:
    """One line of the table: what was measured, its unit, and its target: an upper or a lower bound; 0: none."""

    what: str
    value: float
    unit: str
    most: float = 0.0
    least: float = 0.0

    @property
    def met(self) -> bool:
        """Whether the target is met."""
        return not (self.most and self.value > self.most) and self.value >= self.least

    def line(self) -> str:
        """The line."""
        target = f"at most {self.most:,g}" if self.most else f"at least {self.least:,g}" if self.least else ""
        verdict = "" if not target else "met" if self.met else "MISSED"
        return f"{self.what:58}{self.value:12,.2f} {self.unit:9}{target:>20}  {verdict}"


def write_store(folder: pathlib.Path) -> None:
    """Writes the store that the flags describe."""
    given, rng = flags.FLAGS, np.random.default_rng(0)
    rows = {"queries": given.queries, "passages": given.passages}
    with StoreWriter(folder) as writer:
        for side, mean in (("queries", given.query_tokens), ("passages", given.passage_tokens)):
            for language in _LANGUAGES:
                for block in _blocks(rows[side]):
                    here = rng.random(len(block)) >= given.absent if language != "en" else np.ones(len(block), bool)
                    present = block[here]
                    offsets = np.concatenate([[0], np.cumsum(rng.integers(1, 2 * mean, len(present)))])
                    tokens = rng.integers(20, 250_000, offsets[-1], np.int32)
                    writer.append(side, language, present, tokens, offsets)
        for block in _blocks(given.pairs):
            passage, negative = rng.integers(0, given.passages, (2, len(block)))
            ends = np.arange(len(block) + 1)
            writer.append_pairs(block * given.queries // given.pairs, passage, block, negative, ends)
        writer.finish(
            rows,
            {"name": "synthetic", "split": "train", "source": {}, "languages": list(_LANGUAGES), "dropped": {},
             "tokenizer": {"path": "", "fingerprint": "sha256:0"}},
        )  # fmt: skip


def _blocks(count: int) -> Iterator[np.ndarray]:
    for first in range(0, count, _BLOCK):
        yield np.arange(first, min(first + _BLOCK, count))


def warm(folder: pathlib.Path) -> float:
    """Reads every file once; returns the GiB."""
    size = 0
    for path in folder.rglob("*.arrow"):
        with path.open("rb", buffering=0) as file:
            while block := file.read(1 << 24):
                size += len(block)
    return size / _GIB


class PeakMemory:
    """The largest anonymous and mapped resident memory of this process while the block runs, in GiB."""

    def __enter__(self) -> "PeakMemory":
        self.anonymous = self.mapped = 0.0
        self._ended = threading.Event()
        self._thread = threading.Thread(target=self._watch, daemon=True)
        self._thread.start()
        return self

    def __exit__(self, *_) -> None:
        self._ended.set()
        self._thread.join()

    def _watch(self) -> None:
        while not self._ended.wait(0.01):
            status = dict(
                line.split(":", 1)
                for line in pathlib.Path("/proc/self/status").read_text(encoding="utf-8").splitlines()
            )
            self.anonymous, self.mapped = (
                max(before, int(status[name].split()[0]) * 1024 / _GIB)
                for before, name in ((self.anonymous, "RssAnon"), (self.mapped, "RssFile"))
            )


def measure(folder: str) -> Iterator[Figure]:
    """Yields the figures of a store, from a warm cache."""
    with PeakMemory() as memory:
        for step in _STEPS:
            start = time.perf_counter()
            store = open_store(folder)
            opened = time.perf_counter()
            plan = Plan(Mixture([store]), _PLAN, seed=0)
            plan.batch(step)
            planned = time.perf_counter()
            if step == _STEPS[0]:
                yield Figure("open_store", opened - start, "s", most=2.0)
            yield Figure(f"open store: plan, and batch of step {step:,}", planned - opened, "s", most=10.0)
        count = flags.FLAGS.steps
        yield Figure(
            f"plan and gather of {count} random batches of {_PLAN.global_batch:,}",
            _pairs_per_second(_gathered(plan), count), "pairs/s", least=20_000,
        )  # fmt: skip
        packed = batches(plan, _TEXT, SpecialTokens(), start=10**6, stop=None, shares=range(1), share_count=1)
        yield Figure("the whole pipeline, packing and tf.data included", _pairs_per_second(packed, count), "pairs/s")
    yield Figure("anonymous memory, peak", memory.anonymous, "GiB", most=2.0)
    yield Figure("mapped pages, peak (the system's cache)", memory.mapped, "GiB")
    yield Figure("page faults that read from disk", resource.getrusage(resource.RUSAGE_SELF).ru_majflt, "")


def _gathered(plan: Plan) -> Iterator[int]:
    """Plans random batches one after the other and copies their tokens; yields how many tokens."""
    step = 0
    while True:
        batch = plan.batch(step)
        store = plan.mixture.stores[batch.store]
        table, negatives = store.pairs, batch.negatives.ravel()
        tokens = 0
        for side, rows, languages in (
            (store.queries, table.query_A[batch.pairs], batch.query_language),
            (store.passages, table.passage_A[batch.pairs], batch.passage_language),
            (store.passages, np.maximum(negatives, 0), np.repeat(batch.passage_language, batch.negatives.shape[1])),
        ):
            tokens += _tokens(side, rows, languages, store.languages)
        yield tokens
        step += 1


def _tokens(side: Side, rows: np.ndarray, languages: np.ndarray, codes: tuple[str, ...]) -> int:
    count = 0
    for index in np.unique(languages).tolist():
        texts = side.tokens[codes[index]]
        count += len(gather(texts.values, texts.offsets, rows[languages == index])[0])
    return count


def _pairs_per_second(iterator: Iterator, count: int) -> float:
    for _ in range(_WARM_UP):
        next(iterator)
    start = time.perf_counter()
    for _ in range(count):
        next(iterator)
    return _PLAN.global_batch * count / (time.perf_counter() - start)


def _measured_apart(folder: pathlib.Path) -> int:
    """Runs this script on a finished store in a process of its own; its exit code."""
    command = [sys.executable, __file__, f"--measure={folder}", f"--steps={flags.FLAGS.steps}"]
    return subprocess.run(command, check=False).returncode


def main(_: list[str]) -> None:
    given = flags.FLAGS
    if given.measure:
        missed = 0
        for figure in measure(given.measure):
            print(figure.line(), flush=True)
            missed += not figure.met
        sys.exit(1 if missed else 0)
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(3))  # so that the folder is removed
    with tempfile.TemporaryDirectory(prefix="large_store_", dir=given.folder or None) as folder:
        store, start = pathlib.Path(folder) / "store", time.perf_counter()
        write_store(store)
        written = time.perf_counter()
        size = warm(store)
        print(
            f"{given.pairs:,} pairs of {given.queries:,} queries and {given.passages:,} passages in {len(_LANGUAGES)}"
            f" languages, {given.absent:.1%} of the texts absent: {size:.1f} GiB, written in {written - start:.0f} s",
            flush=True,
        )
        code = _measured_apart(store)
    sys.exit(code)


if __name__ == "__main__":
    from hbt_jax.flags import run_command

    flags.DEFINE_integer("pairs", 40_000_000, "pairs of the synthetic store", lower_bound=1024)
    flags.DEFINE_integer("queries", 500_000, "queries in each language", lower_bound=1)
    flags.DEFINE_integer("passages", 8_800_000, "passages in each language", lower_bound=1)
    flags.DEFINE_integer("query_tokens", 8, "mean tokens of a query", lower_bound=2)
    flags.DEFINE_integer("passage_tokens", 16, "mean tokens of a passage", lower_bound=2)
    flags.DEFINE_float("absent", 0.0, "share of the texts absent, except in English", lower_bound=0.0, upper_bound=1.0)
    flags.DEFINE_integer("steps", 300, "batches timed", lower_bound=1)
    flags.DEFINE_string("folder", "", "folder to make the temporary store in; default: the system's temporary folder")
    flags.DEFINE_string("measure", "", "measures this store and makes none")
    run_command(main)

"""A small benchmark with ties, gaps and uneven languages, and embeddings for it."""

import numpy as np
import pytest

from hbt_jax.evaluation.benchmarks.benchmark import Benchmark, BenchmarkTexts, pad_relevant

LANGUAGES = ("de", "en", "sw", "te", "zh")


@pytest.fixture(scope="session")
def small_benchmark():
    """12 items in five languages, some absent; two candidates an item and language in `en`; half have queries."""
    present = [(item, code) for item in range(12) for code in LANGUAGES if (item + len(code) * ord(code[0])) % 5]
    asked = [(item, code) for item, code in present if item % 2]
    answers = present + [(item, "en") for item, code in present if code == "en"]
    ids = [f"{item}:{code}:{number}" for number, (item, code) in enumerate(answers)]
    return Benchmark(
        "small",
        BenchmarkTexts(
            [f"{item}:{code}" for item, code in asked],
            [str(item) for item, _ in asked],
            [code for _, code in asked],
            ["?"] * len(asked),
        ),
        BenchmarkTexts(ids, [str(item) for item, _ in answers], [code for _, code in answers], ["."] * len(ids)),
        pad_relevant([[n for n, (other, _) in enumerate(answers) if other == item] for item, _ in asked]),
    )


@pytest.fixture(scope="session")
def small_embeddings(small_benchmark):
    """Whole numbers, so that equal scores are common and exact in any order of summation."""
    rng = np.random.default_rng(3)
    sides = (small_benchmark.queries, small_benchmark.candidates)
    return tuple(rng.integers(-2, 3, (len(side), 3)).astype(np.float32) for side in sides)

"""Evaluations to compare: real ones, of made-up embeddings that are more or less noisy."""

import gzip
import json
from pathlib import Path

import numpy as np

from hbt_jax.evaluation.benchmarks.benchmark import Benchmark, BenchmarkTexts, pad_relevant
from hbt_jax.evaluation.results.result import PER_QUERY, RESULTS
from tests.evaluation.ranked_small import evaluate

CODES = ("ar", "de", "sw", "te")


def benchmark(items: int = 16, name: str = "made") -> Benchmark:
    """Each item has a query and a candidate in four languages, but for a few queries in te."""
    asked = [(item, code) for item in range(items) for code in CODES if code != "te" or item % 3]
    answers = [(item, code) for item in range(items) for code in CODES]
    sides = [
        BenchmarkTexts(
            [f"{item}:{code}" for item, code in pairs],
            [str(item) for item, _ in pairs],
            [code for _, code in pairs],
            ["."] * len(pairs),
        )
        for pairs in (asked, answers)
    ]
    relevant = pad_relevant([[n for n, (other, _) in enumerate(answers) if other == item] for item, _ in asked])
    return Benchmark(name, *sides, relevant)


def evaluated(out: Path, noise: float, seed: int, of: Benchmark | None = None, **settings) -> str:
    """Evaluates embeddings with so much noise on the benchmark into an output folder; returns the folder."""
    of = of or benchmark()
    rng, known = np.random.default_rng(seed), np.random.default_rng(0).standard_normal((64, 12))
    sides = []
    for side in (of.queries, of.candidates):
        meaning = known[[int(item) for item in side.items]]
        sides.append((meaning + noise * rng.standard_normal(meaning.shape)).astype(np.float32))
    evaluate(
        of,
        *sides,
        out_dir=str(out),
        model_name=f"noise <{noise}>",
        settings={"query_prefix": "q: ", "step": seed} | settings,
        counts={},
    )
    return str(out)


def edit_summary(out: str, change, name: str = "made") -> None:
    """Applies `change` to the content of results.json, in place."""
    path = Path(out) / name / RESULTS
    content = json.loads(path.read_bytes())
    change(content)
    path.write_text(json.dumps(content), encoding="utf-8")


def edit_lines(out: str, change, name: str = "made") -> None:
    """Replaces the lines of per_query.jsonl.gz, a list of texts, by what `change` makes of them."""
    path = Path(out) / name / PER_QUERY
    lines = gzip.decompress(path.read_bytes()).decode().splitlines()
    path.write_bytes(gzip.compress("".join(f"{line}\n" for line in change(lines)).encode()))

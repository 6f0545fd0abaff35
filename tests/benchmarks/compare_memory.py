"""How much time and memory the comparison of two evaluations of XM3600's size takes.

    python tests/benchmarks/compare_memory.py

Writes two evaluations with as many queries, pictures and languages as XM3600 has, of random values, into a temporary
folder and compares them in a process of its own.  Not everything is as in XM3600: every picture has the same captions.
"""

import argparse
import json
import resource
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import numpy as np

ROOT = Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT))

from hbt_jax import languages  # noqa: E402
from hbt_jax.evaluation.benchmarks.benchmark import Benchmark, BenchmarkTexts  # noqa: E402
from hbt_jax.evaluation.measures.metrics import QueryMetrics  # noqa: E402
from hbt_jax.evaluation.results.of_ranks import result_of  # noqa: E402
from hbt_jax.evaluation.results.per_query import query_blocks, write_per_query  # noqa: E402
from hbt_jax.evaluation.results.result import Described  # noqa: E402
from hbt_jax.output import escape_what_cannot_be_shown  # noqa: E402

CODES = tuple(sorted(languages.XM3600))


def write_evaluation(out: Path, items: int, seed: int) -> int:
    """Two captions a picture and language, one in bn; returns the number of queries."""
    rng = np.random.default_rng(seed)
    asked = [(item, code, n) for item in range(items) for code in CODES for n in range(1 if code == "bn" else 2)]
    side = BenchmarkTexts(
        [f"{item}:{code}:{n}" for item, code, n in asked],
        [str(item) for item, _, _ in asked],
        [code for _, code, _ in asked],
        [""] * len(asked),
    )
    language_Q = np.array([CODES.index(code) for _, code, _ in asked])
    value_QJ = rng.random((len(asked), len(CODES)))
    value_QJ[language_Q == CODES.index("bn"), CODES.index("bn")] = np.nan
    values = QueryMetrics(
        CODES,
        language_Q,
        {"map": value_QJ},
        {"map": rng.random(len(asked)), "rank_distance": 99 * rng.random(len(asked))},
    )
    benchmark = Benchmark("xm3600", side, side, np.zeros((len(asked), 1), np.int32))
    folder = out / "xm3600"
    folder.mkdir(parents=True)
    write_per_query(folder, side, query_blocks(values))
    result_of(benchmark, values, Described("random", {}, {})).write(folder)
    return len(asked)


def main() -> None:
    """Prints one line."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--items", type=int, default=3600, help="pictures")
    items = parser.parse_args().items
    with tempfile.TemporaryDirectory() as folder:
        queries = [write_evaluation(Path(folder) / name, items, seed) for seed, name in enumerate("ab")]
        start = time.perf_counter()
        subprocess.run(
            [
                sys.executable,
                str(ROOT / "launch" / "compare.py"),
                f"--a={folder}/a",
                f"--b={folder}/b",
                f"--out={folder}",
            ],
            check=True,
            stdout=subprocess.DEVNULL,
        )
        seconds = time.perf_counter() - start
        peak = resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss / 2**20  # ru_maxrss is in KiB on Linux
        rows = sum(len(block) for one in _comparisons(folder) for block in one.values() if isinstance(block, dict))
        print(f"{queries[0]:,} queries in {len(CODES)} languages, {rows} rows: {seconds:.0f} s, {peak:.2f} GiB at most")


def _comparisons(folder: str):
    content = json.loads((Path(folder) / "compare.json").read_text(encoding="utf-8"))
    return content["benchmarks"]["xm3600"]["comparisons"].values()


if __name__ == "__main__":
    escape_what_cannot_be_shown()
    main()

"""per_query.jsonl.gz: one line for each query with what it scored, for paired tests of two models.

{"id", "item", "language", "monolingual": {metric: value}, "cross_lingual": {candidate language: map, or nDCG@10 where
 candidates are streamed}, "multilingual": {metric: value}}; pools in which the query does not count are left out.
"""

import gzip
import json
import math
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path

from hbt_jax.evaluation.benchmarks.benchmark import BenchmarkTexts
from hbt_jax.evaluation.measures.metrics import SETTINGS, QueryMetrics
from hbt_jax.evaluation.results.result import PER_QUERY
from hbt_jax.files import atomic_file, utf8


def write_per_query(folder: Path, queries: BenchmarkTexts, blocks: Iterable[Mapping[str, Mapping[str, float]]]) -> None:
    """Writes the file into the folder of a benchmark.

    Args:
      folder: OUT/NAME.
      queries: the Q queries.
      blocks: of each query, setting -> metric or candidate language -> value; NaN where it does not count.
    """
    path = str(folder / PER_QUERY)
    with atomic_file(path) as raw, gzip.GzipFile(filename="", fileobj=raw, mode="wb", mtime=0, compresslevel=6) as file:
        for id_, item, code, block in zip(queries.ids, queries.items, queries.languages, blocks, strict=True):
            values = {setting: _rounded(block.get(setting, {})) for setting in SETTINGS}
            line = {"id": id_, "item": item, "language": code, **values}
            file.write(utf8(json.dumps(line, ensure_ascii=False) + "\n"))


def _rounded(numbers: Mapping[str, float]) -> dict[str, float]:
    """The numbers that are not NaN, to eight decimals, which keeps the file small and the tests exact enough."""
    return {name: round(float(value), 8) for name, value in numbers.items() if math.isfinite(value)}


def query_blocks(values: QueryMetrics) -> Iterator[dict[str, dict[str, float]]]:
    """Yields what each query scored: setting -> metric or candidate language -> value."""
    for query, own in enumerate(values.language_Q.tolist()):
        yield {
            "monolingual": {metric: column[query, own] for metric, column in values.by_pool.items()},
            "cross_lingual": {
                code: values.by_pool["map"][query, number]
                for number, code in enumerate(values.languages)
                if number != own
            },
            "multilingual": {metric: column[query] for metric, column in values.multilingual.items()},
        }

"""Writes the texts of a benchmark for systems outside this package: --write_texts, and the ids beside vectors.

    OUT/NAME/queries.jsonl      {"id", "item", "language", "text"}, one per line
    OUT/NAME/candidates.jsonl   the same fields
    OUT/NAME/qrels.trec         QUERY_ID 0 CANDIDATE_ID GRADE

This is also the layout of a benchmark of your own, so the folder can be evaluated by its path.
"""

import json
from pathlib import Path

from hbt_jax.evaluation.benchmarks.benchmark import Benchmark
from hbt_jax.evaluation.benchmarks.folder import CANDIDATES, QRELS, QUERIES
from hbt_jax.evaluation.results.trec import write_qrels
from hbt_jax.files import atomic_file, utf8


def write_texts(out: Path, benchmark: Benchmark) -> str:
    """Writes OUT/NAME as described above, and says so in a line."""
    folder = out / benchmark.name
    folder.mkdir(parents=True, exist_ok=True)
    for name, side in ((QUERIES, benchmark.queries), (CANDIDATES, benchmark.candidates)):
        with atomic_file(str(folder / name)) as file:
            for row in zip(side.ids, side.items, side.languages, side.texts, strict=True):
                line = dict(zip(("id", "item", "language", "text"), row, strict=True))
                file.write(utf8(json.dumps(line, ensure_ascii=False) + "\n"))
    write_qrels(str(folder / QRELS), benchmark)
    sizes = f"{len(benchmark.queries):,} queries and {len(benchmark.candidates):,} candidates"
    return f"{benchmark.name}: wrote {sizes}, in the order of the rows of --embeddings, into {folder}"

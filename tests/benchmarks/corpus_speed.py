#!/usr/bin/env python3
"""How long it takes here to read, embed and search a corpus of millions of passages, and the peak memory.

    python tests/benchmarks/corpus_speed.py --model=FOLDER --xquad_r=FOLDER [--language=en] [--passages=4000]
        [--queries=800] [--corpus_block=1000] [--counted=32893221]

Repeats the paragraphs of one language's XQuAD-R file until there are --passages of them, and writes them as a corpus in
MIRACL's layout; the file's questions are the queries.  Then does what launch/eval.py --benchmarks=miracl does, and
times the first reading separately from embedding and search.  A second pass over twice the passages shows how much
memory more passages take.  Finally prints how long --counted passages would take at these rates; the default is the
number of MIRACL's English ones.
"""

import gzip
import itertools
import json
import pathlib
import resource
import sys
import tempfile
import time

import jax
from absl import flags

ROOT = pathlib.Path(__file__).resolve().parent.parent.parent
sys.path.insert(0, str(ROOT))

from hbt_jax.errors import InputError  # noqa: E402
from hbt_jax.evaluation.benchmarks import miracl  # noqa: E402
from hbt_jax.evaluation.embedding.embed import Embedder  # noqa: E402
from hbt_jax.evaluation.processes import Processes  # noqa: E402
from hbt_jax.evaluation.streamed.check import take_inventory  # noqa: E402
from hbt_jax.evaluation.streamed.metrics import DEPTH  # noqa: E402
from hbt_jax.evaluation.streamed.shard_cache import KeptShards, ranking_key  # noqa: E402
from hbt_jax.evaluation.streamed.shards import CorpusSearch  # noqa: E402
from hbt_jax.mesh import make_mesh  # noqa: E402
from hbt_jax.training.load import load_model  # noqa: E402

_SHARD = 500_000  # passages of a file, as MIRACL has them
_ALONE = Processes(0, 1, bool)


def write_corpus(folder: pathlib.Path, xquad_r: pathlib.Path, code: str, passages: int, queries: int) -> None:
    """Writes a corpus, topics and qrels in MIRACL's layout."""
    path = xquad_r / f"{code}.json"
    if not path.is_file():
        raise InputError(f"--xquad_r={xquad_r}: no {path.name} in it")
    articles = json.loads(path.read_text(encoding="utf-8"))["data"]
    texts = [(one["title"], paragraph["context"]) for one in articles for paragraph in one["paragraphs"]]
    questions = [qa["question"] for one in articles for paragraph in one["paragraphs"] for qa in paragraph["qas"]]
    corpus = folder / f"miracl-corpus-v1.0-{code}"
    corpus.mkdir(parents=True)
    rows = enumerate(itertools.islice(itertools.cycle(texts), passages))
    for number in range(-(-passages // _SHARD)):
        with gzip.open(corpus / f"docs-{number}.jsonl.gz", "wt", encoding="utf-8") as file:
            for row, (title, text) in itertools.islice(rows, _SHARD):
                file.write(json.dumps({"docid": f"{row}#0", "title": title, "text": text}, ensure_ascii=False) + "\n")
    asked = list(itertools.islice(itertools.cycle(questions), queries))
    for kind, lines in (
        ("topics", [f"{number}\t{text}\n" for number, text in enumerate(asked)]),
        ("qrels", [f"{number} Q0 {number % passages}#0 1\n" for number in range(queries)]),
    ):
        path = folder / f"miracl-v1.0-{code}" / kind / f"{kind}.miracl-v1.0-{code}-dev.tsv"
        path.parent.mkdir(parents=True)
        path.write_text("".join(lines), encoding="utf-8")


def peak_memory() -> float:
    """Peak resident memory of this process in MiB."""
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024


def timed_pass(given, model, mesh, folder: pathlib.Path, passages: int) -> tuple[float, float]:
    """(passages read a second, passages embedded and searched a second)."""
    write_corpus(folder, pathlib.Path(given.xquad_r), given.language, passages, given.queries)
    benchmark = miracl.read(str(folder), "miracl")
    start = time.perf_counter()
    inventory = take_inventory(benchmark, str(folder / "inventory"), _ALONE, lambda: None, shown=False)
    read = passages / (time.perf_counter() - start)
    embedder = Embedder(model, mesh, texts_per_device=256, poll=lambda: None, shown=False)
    query_QD = embedder(benchmark.queries.texts, "query")
    kept = KeptShards(str(folder / "kept"), ranking_key(model, given.compute_dtype, benchmark, DEPTH))
    search = CorpusSearch(benchmark, inventory, kept, DEPTH, given.corpus_block)
    work = search.search(query_QD, embedder, _ALONE, shown=True)
    return read, work.passages / work.seconds


def main(_: list[str]) -> None:
    """Two passes, the second over twice the passages, then the sum."""
    from hbt_jax.flags import require

    given = flags.FLAGS
    require(["model", "xquad_r"])
    mesh = make_mesh(0, 1)
    model = load_model(given.model, "best", mesh, given.compute_dtype)
    for times in (1, 2):
        with tempfile.TemporaryDirectory() as folder:
            read, searched = timed_pass(given, model, mesh, pathlib.Path(folder), times * given.passages)
        print(
            f"{times * given.passages:,} passages in {given.language}, {given.queries:,} queries, {mesh.size}"
            f" {jax.default_backend()} device(s): read {read:,.0f}/s; embedded and searched {searched:,.0f}/s,"
            f" compiling included; peak memory so far {peak_memory():,.0f} MiB",
            flush=True,
        )
    hours, count = given.counted / 3600 * (1 / read + 1 / searched), f"{given.counted:,}"
    print(f"{count} passages: {count} / {read:,.0f} + {count} / {searched:,.0f} seconds = {hours:,.1f} hours")


if __name__ == "__main__":
    from hbt_jax.flags import run_command

    flags.DEFINE_string("model", "", "folder, workdir or hub id of an encoder")
    flags.DEFINE_string("xquad_r", "", "folder with XQuAD-R's files")
    flags.DEFINE_string("language", "en", "language whose paragraphs are the passages")
    flags.DEFINE_integer("passages", 4000, "passages of the first pass")
    flags.DEFINE_integer("queries", 800, "queries")
    flags.DEFINE_integer("corpus_block", 1000, "passages read, embedded and searched at a time")
    flags.DEFINE_integer("counted", 32_893_221, "number of passages to estimate the time for")
    flags.DEFINE_enum("compute_dtype", "float32", ["float32", "bfloat16"], "dtype of matrix products")
    run_command(main)

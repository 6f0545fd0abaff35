#!/usr/bin/env python3
"""Texts embedded a second on this machine's CPU, by this package and by sentence-transformers, from one model folder.

    python tests/benchmarks/embedding_speed.py --model=FOLDER --xquad_r=FOLDER [--texts=1500] [--rounds=3] [--threads=2]

Takes sentences and questions of XQuAD-R's own files ({language}.json) in a seeded order, as passages.  Each measurement
is a process of its own on `--threads` cores, as PyTorch and JAX slow each other down in one; they take turns, with the
same allocator settings.  sentence-transformers gets the batch size that is best for it here.  Loading and compiling are
not timed, tokenising is.  Prints both rates, the median of the rounds' ratios, and how far the embeddings agree.
"""

import json
import os
import pathlib
import random
import statistics
import sys
import tempfile
import time

import numpy as np
from absl import flags

ROOT = pathlib.Path(__file__).resolve().parent.parent.parent
sys.path.insert(0, str(ROOT))

from hbt_jax.errors import InputError  # noqa: E402
from tests.benchmarks import apart  # noqa: E402


def xquad_texts(folder: pathlib.Path, count: int) -> list[str]:
    """`count` sentences and questions of all languages, in an order that is always the same."""
    found = []
    for path in sorted(folder.glob("*.json")):
        for article in json.loads(path.read_text(encoding="utf-8"))["data"]:
            for paragraph in article["paragraphs"]:
                found += paragraph["sentences"]
                found += [question["question"] for question in paragraph["qas"]]
    if len(found) < count:
        raise InputError(f"--xquad_r={folder} holds {len(found)} texts: expected {count} or more, in LANGUAGE.json")
    random.Random(0).shuffle(found)
    return found[:count]


def timed(embed, texts: list[str]) -> tuple[float, np.ndarray]:
    """Texts a second, and their embeddings."""
    start = time.perf_counter()
    vectors_ND = embed(texts)
    return len(texts) / (time.perf_counter() - start), vectors_ND


def ours(model: str, dtype: str, texts: list[str]) -> tuple[float, np.ndarray, int]:
    """The rate and embeddings of this package, and the number of shapes compiled."""
    from hbt_jax.evaluation.embedding.embed import Embedder
    from hbt_jax.mesh import make_mesh
    from hbt_jax.training.load import load_model

    mesh = make_mesh(0, 1)
    embedder = Embedder(
        load_model(model, "best", mesh, dtype), mesh, texts_per_device=256, poll=lambda: None, shown=False
    )
    embedder(texts, "passage")  # compiles
    return *timed(lambda some: embedder(some, "passage"), texts), embedder.shapes


def theirs(model: str, dtype: str, texts: list[str], sizes: list[int]) -> tuple[float, np.ndarray, int]:
    """The best rate of sentence-transformers over some batch sizes, its embeddings, and that batch size."""
    import torch
    from sentence_transformers import SentenceTransformer

    torch.set_num_threads(len(os.sched_getaffinity(0)))
    encoder = SentenceTransformer(model, device="cpu", model_kwargs={"dtype": getattr(torch, dtype)})
    encoder.encode(texts[:64], prompt_name="passage")
    results = []
    for size in sizes:
        rate, vectors_ND = timed(lambda some, n=size: encoder.encode(some, prompt_name="passage", batch_size=n), texts)
        results.append((rate, size, vectors_ND))
    rate, size, vectors_ND = max(results, key=lambda result: result[0])
    return rate, vectors_ND.astype(np.float32), size


def child(given) -> None:
    """One measurement: the rate, and the batch size or number of shapes, as a line of JSON; embeddings to a file."""
    os.sched_setaffinity(0, sorted(os.sched_getaffinity(0))[: given.threads])
    texts = xquad_texts(pathlib.Path(given.xquad_r), given.texts)
    if given.child == "ours":
        rate, vectors_ND, number = ours(given.model, given.compute_dtype, texts)
    else:
        rate, vectors_ND, number = theirs(given.model, given.compute_dtype, texts, list(map(int, given.batch_sizes)))
    np.save(given.vectors, vectors_ND)
    print(json.dumps([rate, number]))


def measured(given, who: str, vectors: pathlib.Path, batch_sizes: list[str]) -> tuple[float, int]:
    """What a child process of its own says."""
    own = {"child": who, "vectors": vectors, "batch_sizes": ",".join(batch_sizes)}
    names = ("model", "xquad_r", "texts", "threads", "compute_dtype")
    rate, number = apart.said_by_child(__file__, given, names, own, {"TOKENIZERS_PARALLELISM": "true"})
    return rate, number


def main(_: list[str]) -> None:
    """Runs one child's part, or all children in turn."""
    from hbt_jax.flags import require

    given = flags.FLAGS
    require(["model", "xquad_r"])
    if given.child:
        child(given)
        return
    ratios, sizes = [], given.batch_sizes
    with tempfile.TemporaryDirectory() as folder:
        files = [pathlib.Path(folder) / f"{who}.npy" for who in ("ours", "theirs")]
        for turn in range(given.rounds):
            rate, shapes = measured(given, "ours", files[0], sizes)
            their_rate, size = measured(given, "theirs", files[1], sizes)
            sizes = [str(size)]  # the best of the first round
            ratios.append(rate / their_rate)
            print(
                f"round {turn + 1}: hbt_jax {rate:,.0f} texts/s in {shapes} shapes, sentence-transformers"
                f" {their_rate:,.0f} at batch size {size}: {ratios[-1]:.2f}",
                flush=True,
            )
        one, other = (vectors / np.linalg.norm(vectors, axis=1, keepdims=True) for vectors in map(np.load, files))
    print(f"median ratio {statistics.median(ratios):.2f}; least cosine {(one * other).sum(axis=1).min():.6f}")


if __name__ == "__main__":
    from hbt_jax.flags import run_command

    flags.DEFINE_string("model", "", "folder that both packages load")
    flags.DEFINE_string("xquad_r", "", "folder with XQuAD-R's files")
    flags.DEFINE_integer("texts", 1500, "texts embedded")
    flags.DEFINE_integer("rounds", 3, "measurements of each")
    flags.DEFINE_integer("threads", 2, "cores that a measurement may use")
    flags.DEFINE_enum("compute_dtype", "float32", ["float32", "bfloat16"], "dtype of matrix products")
    flags.DEFINE_list("batch_sizes", ["16", "32", "64", "128", "256"], "batch sizes that sentence-transformers tries")
    flags.DEFINE_string("child", "", "used by the script itself: ours or theirs")
    flags.DEFINE_string("vectors", "", "used by the script itself: where embeddings go")
    run_command(main)

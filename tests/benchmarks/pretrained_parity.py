#!/usr/bin/env python3
"""Embeds the same sentences with sentence-transformers and with hbt_jax, and compares vectors and speed.

    python tests/benchmarks/pretrained_parity.py --model=FOLDER --texts=FILE[,FILE...] [--sentences=1000]

FOLDER is a model that both load.  A FILE is text, one sentence a line, or a `.json` of XQuAD-R or MLQA-R, whose
`sentences` are taken; sentences are picked evenly over all files.  Each side runs in a process of its own, embeds all
once to warm up (compilation, caches), then once timed.  Prints the smallest and the mean cosine between the two vectors
of a sentence, and each side's texts per second; exits with code 1 if the smallest is below --least_cosine.
"""

import json
import pathlib
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable

import numpy as np
from absl import flags

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent.parent.parent))

_SIDES = ("sentence-transformers", "hbt_jax")


def sentences_of(file: pathlib.Path) -> list[str]:
    """The sentences of a file that are not blank."""
    content = file.read_text(encoding="utf-8")
    if file.suffix != ".json":
        return [line for line in content.splitlines() if line.strip()]
    paragraphs = (paragraph for document in json.loads(content)["data"] for paragraph in document["paragraphs"])
    return [sentence for paragraph in paragraphs for sentence in paragraph["sentences"] if sentence.strip()]


def by_sentence_transformers(model: str) -> Callable[[list[str]], np.ndarray]:
    """The embedding of passages by sentence-transformers, with the folder's prompt."""
    import torch
    from sentence_transformers import SentenceTransformer

    encoder = SentenceTransformer(model, device="cuda" if torch.cuda.is_available() else "cpu")
    prompt = next((encoder.prompts[n] for n in ("document", "passage", "corpus") if encoder.prompts.get(n)), "")
    print(f"sentence-transformers: prompt {prompt!r}, at most {encoder.max_seq_length} tokens", flush=True)
    return lambda texts: encoder.encode(texts, prompt=prompt, batch_size=flags.FLAGS.batch, show_progress_bar=False)


def by_hbt_jax(model: str) -> Callable[[list[str]], np.ndarray]:
    """The embedding of passages by hbt_jax, with the folder's prompt."""
    from hbt_jax.evaluation.embedding.embed import Embedder
    from hbt_jax.mesh import make_mesh
    from hbt_jax.training.load import load_model

    mesh = make_mesh(0, 1)
    ready = load_model(model, "best", mesh, "float32")
    embedder = Embedder(ready, mesh, texts_per_device=flags.FLAGS.batch, poll=lambda: None, shown=False)
    text = ready.text
    print(f"hbt_jax: prefix {text.passage_prefix!r}, at most {text.passage_length} tokens", flush=True)
    return lambda texts: embedder(texts, "passage")


def embed_side(side: str, texts: list[str], folder: pathlib.Path) -> None:
    """Embeds texts twice, and writes the vectors and the seconds of the second time."""
    given = flags.FLAGS
    embed = {"sentence-transformers": by_sentence_transformers, "hbt_jax": by_hbt_jax}[side](given.model)
    embed(texts)
    start = time.perf_counter()
    vectors = embed(texts)
    seconds = time.perf_counter() - start
    np.savez(folder / f"{side}.npz", vectors=np.asarray(vectors, np.float64), seconds=seconds)


def picked(files: list[str], count: int) -> list[str]:
    """`count` sentences, evenly over all files."""
    texts = [sentence for file in files for sentence in sentences_of(pathlib.Path(file))]
    return [texts[number] for number in np.linspace(0, len(texts) - 1, min(count, len(texts))).astype(int)]


def main(_: list[str]) -> None:
    given = flags.FLAGS
    texts = picked(given.texts, given.sentences)
    if given.side:
        embed_side(given.side, texts, pathlib.Path(given.out))
        return
    with tempfile.TemporaryDirectory() as folder:
        for side in _SIDES:
            subprocess.run([sys.executable, *sys.argv, f"--side={side}", f"--out={folder}"], check=True)
        theirs, ours = (dict(np.load(pathlib.Path(folder) / f"{side}.npz")) for side in _SIDES)
    unit = [side["vectors"] / np.linalg.norm(side["vectors"], axis=1, keepdims=True) for side in (theirs, ours)]
    cosine = (unit[0] * unit[1]).sum(axis=1)
    worst = int(cosine.argmin())
    apart = np.abs(theirs["vectors"] - ours["vectors"]).max()
    print(f"{len(texts)} sentences: smallest cosine {cosine[worst]:.9f}, mean {cosine.mean():.9f}; their numbers"
          f" differ by at most {apart:.1e}")  # fmt: skip
    for side, result in zip(_SIDES, (theirs, ours), strict=True):
        print(f"{side:22} {len(texts) / result['seconds']:8,.1f} texts/s")
    if not cosine[worst] >= given.least_cosine:
        sys.exit(f"the cosine of {texts[worst]!r} is below {given.least_cosine}")


if __name__ == "__main__":
    from hbt_jax.flags import run_command

    flags.DEFINE_string("model", None, "folder of the model", required=True)
    flags.DEFINE_list("texts", None, "files of sentences", required=True)
    flags.DEFINE_integer("sentences", 1000, "sentences embedded")
    flags.DEFINE_integer("batch", 64, "texts embedded at a time")
    flags.DEFINE_float("least_cosine", 0.9999, "the smallest cosine that passes")
    flags.DEFINE_enum("side", None, _SIDES, "set by the program for its two processes")
    flags.DEFINE_string("out", None, "likewise")
    run_command(main)

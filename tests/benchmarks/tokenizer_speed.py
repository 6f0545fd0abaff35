#!/usr/bin/env python3
"""How many short texts per second a tokenizer encodes, in batches, compared with transformers' own.

    python tests/benchmarks/tokenizer_speed.py --tokenizer=FOLDER [--texts=20000] [--repeats=3]

The texts are names from CLDR in the 36 languages of XM3600, put together until they have about ten tokens; every repeat
has new ones.  The best of the repeats counts: what else runs on the machine can only slow it.  The goal on two CPU
cores is 20,000 texts a second.
"""

import os
import pathlib
import sys
import time
from collections.abc import Callable

import numpy as np
from absl import flags

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent.parent.parent))

from hbt_jax.languages import XM3600  # noqa: E402
from hbt_jax.models.tokenizer import Tokenizer, load_tokenizer  # noqa: E402
from tests.models.huggingface.make_tokenizers import texts_of  # noqa: E402

_TOKENS = 10
_BATCH = 4096


def short_texts(tokenizer: Tokenizer, count: int) -> list[str]:
    """Texts of about ten tokens in all languages, no two alike."""
    generator = np.random.default_rng(0)
    names = [name for code in XM3600 for name in texts_of(code)]
    lengths = np.diff(tokenizer.encode(names)[1])
    texts: dict[str, None] = {}
    while len(texts) < count:
        chosen, tokens = [], 0
        while tokens < _TOKENS - 1:
            number = generator.integers(len(names))
            chosen.append(names[number])
            tokens += lengths[number]
        texts[" ".join(chosen)] = None
    return list(texts)


def texts_per_second(encode: Callable[[list[str]], object], texts: list[str], repeats: int) -> float:
    """The best rate of some repeats, each over its own share of the texts, after a first batch of them."""
    encode(texts[:_BATCH])
    fastest = 0.0
    for share in range(repeats):
        own = texts[share::repeats]
        batches = [own[i : i + _BATCH] for i in range(0, len(own), _BATCH)]
        start = time.perf_counter()
        for batch in batches:
            encode(batch)
        fastest = max(fastest, len(own) / (time.perf_counter() - start))
    return fastest


def main(_: list[str]) -> None:
    require(["tokenizer"])
    given = flags.FLAGS
    start = time.perf_counter()
    tokenizer = load_tokenizer(given.tokenizer)
    loaded = time.perf_counter() - start
    texts = short_texts(tokenizer, given.texts * given.repeats)
    tokens = len(tokenizer.encode(texts)[0]) / len(texts)
    print(f"{len(texts):,} texts of {tokens:.1f} tokens on {os.cpu_count()} cores; loaded in {loaded:.1f} s")
    ours = texts_per_second(tokenizer.encode, texts, given.repeats)
    print(f"hbt_jax       {ours:10,.0f} texts/s")
    if "tokenizer.json" not in tokenizer.contents:
        print("transformers  not timed: it has no reader for SentencePiece models of data_prep")
        return
    try:
        import transformers
    except ImportError:
        print("transformers  not timed: it is not installed")
        return
    peer = transformers.AutoTokenizer.from_pretrained(given.tokenizer, local_files_only=True)
    theirs = texts_per_second(lambda batch: peer(batch, add_special_tokens=False), texts, given.repeats)
    print(f"transformers  {theirs:10,.0f} texts/s; ours is {ours / theirs:.1f} times as fast")


if __name__ == "__main__":
    from hbt_jax.flags import require, run_command

    flags.DEFINE_string("tokenizer", "", "folder of a Hugging Face or SentencePiece tokenizer, or a .model file")
    flags.DEFINE_integer("texts", 20_000, "texts of each repeat", lower_bound=1)
    flags.DEFINE_integer("repeats", 3, "repeats of the measurement, each with new texts", lower_bound=1)
    run_command(main)

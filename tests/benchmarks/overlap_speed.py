#!/usr/bin/env python3
"""How many tokens of a store are compared with a benchmark per second, and in how much memory.

    python tests/benchmarks/overlap_speed.py [--texts=2000000] [--indexed=100000]

Indexes texts of 8 to 64 tokens and then compares texts of 20 to 120 tokens with them, from token ids to pairs found, a
few tens of thousands of tokens at a time as overlap/compare.py does.  Tokens are drawn as words are in text, the n-th
most frequent of 250,000 with probability about 1/n, and have 1 to 6 letters; one text in a hundred contains an
indexed text, another one in a hundred contains an indexed text with a token changed, and all of these must be found.
"""

import itertools
import pathlib
import resource
import string
import sys
import time
from collections.abc import Iterator

import numpy as np
from absl import flags

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent.parent.parent))

from data_prep.decontaminate import NEAR, SHINGLE  # noqa: E402
from data_prep.overlap.compare import TOKENS  # noqa: E402
from data_prep.overlap.piece_letters import PieceLetters  # noqa: E402
from data_prep.overlap.shingles import Index, rules  # noqa: E402
from data_prep.store.rows import gather  # noqa: E402

_VOCABULARY = 250_000
_BATCH = 20_000  # texts made at a time
_EVERY = 100  # texts, of which one is a copy and one is a changed copy
_LEAST = 26  # tokens of the texts that are copied


class Pieces:
    """A tokenizer of random pieces, for reading only; piece 1 is the unknown token."""

    path, vocab_size, unk_id = "random pieces", _VOCABULARY, 1

    def __init__(self, rng: np.random.Generator):
        letters = string.ascii_lowercase + "àçøþđłßћжщ"
        lengths = rng.integers(1, 7, _VOCABULARY)
        drawn = "".join(np.array(list(letters))[rng.integers(0, len(letters), lengths.sum())])
        self._pieces = [drawn[start:end] for start, end in itertools.pairwise([0, *np.cumsum(lengths)])]

    def decode(self, tokens: np.ndarray, offsets: np.ndarray) -> list[str]:
        """The texts of token ids."""
        return ["".join(map(self._pieces.__getitem__, tokens[a:b])) for a, b in itertools.pairwise(offsets)]


def texts(rng: np.random.Generator, count: int, least: int, most: int) -> tuple[np.ndarray, np.ndarray]:
    """Random texts: (tokens, offsets)."""
    offsets = np.concatenate([[0], np.cumsum(rng.integers(least, most + 1, count))])
    tokens = (_VOCABULARY ** rng.random(offsets[-1])).astype(np.int32) - 1
    return np.where(tokens == Pieces.unk_id, 0, tokens), offsets


def with_copies(
    rng: np.random.Generator, own: tuple[np.ndarray, np.ndarray], indexed: tuple[np.ndarray, np.ndarray]
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """The texts with copies after some of them: (tokens, offsets, which of them must be found)."""
    tokens, offsets = own
    planted = np.arange(0, len(offsets) - 1, _EVERY // 2)
    long = np.flatnonzero(np.diff(indexed[1]) >= _LEAST)
    copies, ends = gather(*indexed, rng.choice(long, len(planted)))
    copies[ends[1::2]] = 0  # the first token of every second copy is another
    place = np.repeat(offsets[planted + 1], np.diff(ends))
    longer = np.diff(offsets)
    longer[planted] += np.diff(ends)
    return np.insert(tokens, place, copies), np.concatenate([[0], np.cumsum(longer)]), planted


def _near(
    pieces: PieceLetters, index: Index, tokens: np.ndarray, offsets: np.ndarray
) -> Iterator[tuple[int, np.ndarray]]:
    """Compares about TOKENS tokens at a time: (the first text, which of the texts after it are near)."""
    first = 0
    while first < len(offsets) - 1:
        last = max(first + 1, int(np.searchsorted(offsets, offsets[first] + TOKENS, side="right")) - 1)
        own = offsets[first : last + 1]
        found = index.find(pieces.letters(tokens[own[0] : own[-1]], own - own[0]))
        yield first, np.unique(found.row)
        first = last


def main(_: list[str]) -> None:
    given, rng = flags.FLAGS, np.random.default_rng(0)
    indexed = texts(rng, given.indexed, 8, 64)
    pieces = PieceLetters(Pieces(rng))
    start = time.process_time()
    letters = pieces.letters(*indexed)
    index = Index(letters.values, letters.offsets, rules(SHINGLE, NEAR))
    seconds = time.process_time() - start
    print(f"indexed {len(indexed[0]):,} tokens of {given.indexed:,} texts in {seconds:.1f} CPU seconds")
    compared, seconds, found, planted_texts = 0, 0.0, 0, 0
    for _ in range(0, given.texts, _BATCH):
        tokens, offsets, planted = with_copies(rng, texts(rng, _BATCH, 20, 120), indexed)
        start = time.process_time()
        near = np.concatenate([first + rows for first, rows in _near(pieces, index, tokens, offsets)])
        seconds += time.process_time() - start
        compared, found, planted_texts = compared + len(tokens), found + len(near), planted_texts + len(planted)
        if np.setdiff1d(planted, near).size:
            raise SystemExit(f"{np.setdiff1d(planted, near).size} of {len(planted)} planted texts were not found")
    memory = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 2**20  # of KiB, on Linux
    print(f"compared {compared:,} tokens, {compared / seconds / 1e6:.1f} million a CPU second, in one thread")
    print(f"found {found:,} texts, {planted_texts:,} planted; at most {memory:.2f} GiB resident")


if __name__ == "__main__":
    from hbt_jax.flags import run_command

    flags.DEFINE_integer("texts", 2_000_000, "texts compared", lower_bound=1)
    flags.DEFINE_integer("indexed", 100_000, "texts indexed", lower_bound=100)
    run_command(main)

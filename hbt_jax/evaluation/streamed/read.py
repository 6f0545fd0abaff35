"""Reads a corpus that is too large for memory, one passage or one block of passages at a time."""

import concurrent.futures
import dataclasses
import itertools
from collections.abc import Callable, Iterator

import numpy as np

from hbt_jax.errors import InputError
from hbt_jax.evaluation.benchmarks.streamed import Shard
from hbt_jax.evaluation.reading.text_lines import json_object, read_lines

Passage = Callable[[dict], tuple[str, str]]  # fields of a JSON line -> (id, text), see StreamedBenchmark.passage


@dataclasses.dataclass(frozen=True)
class PassageBlock:
    """Consecutive passages of one shard.

    Attributes:
      ids: bytes [N], UTF-8, which sort like the strings.
      texts: the N texts.
    """

    ids: np.ndarray
    texts: list[str]


def passages(shard: Shard, passage: Passage) -> Iterator[tuple[str, str, str, str]]:
    """Yields "PATH:LINE", the line, id and text of each passage of a shard.

    Raises:
      InputError: the file is missing, empty, cut off or damaged, or a line is wrong; the message names the place.
    """
    for place, line in read_lines(shard.path, "expected a file of passages"):
        if line.strip():
            fields = json_object(place, line, "the fields of a passage")
            try:
                id_, text = passage(fields)
                (id_ + text).encode()  # half a surrogate pair is valid JSON but not text
            except ValueError as error:
                raise InputError(f"{place}: {error}") from error
            yield place, line, id_, text


def blocks(shard: Shard, passage: Passage, size: int) -> Iterator[PassageBlock]:
    """Yields a shard's passages, `size` at a time; the next block is read while the caller works on one.

    So at most two blocks are in memory, however large the shard is.

    Raises:
      InputError: as for `passages`.
    """
    found = passages(shard, passage)

    def read() -> PassageBlock | None:
        rows = [(id_.encode(), text) for _, _, id_, text in itertools.islice(found, size)]
        if not rows:
            return None
        ids, texts = zip(*rows, strict=True)
        return PassageBlock(np.array(ids), list(texts))

    with concurrent.futures.ThreadPoolExecutor(1) as reader:
        waiting = reader.submit(read)
        while (block := waiting.result()) is not None:
            waiting = reader.submit(read)
            yield block

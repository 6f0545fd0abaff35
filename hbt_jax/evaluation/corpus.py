"""Reads files too large to hold: line by line, and passages a block at a time."""

import concurrent.futures
import dataclasses
import gzip
import itertools
import json
import zlib
from collections.abc import Callable, Iterator

import numpy as np

from hbt_jax.errors import InputError
from hbt_jax.evaluation.benchmarks.streamed import Shard

Passage = Callable[[dict], tuple[str, str]]  # fields of a JSON line -> (id, text), see StreamedBenchmark.passage


@dataclasses.dataclass(frozen=True)
class Block:
    """Consecutive passages of one shard.

    Attributes:
      ids: bytes [N], UTF-8; they compare as their texts do.
      texts: the N texts.
    """

    ids: np.ndarray
    texts: list[str]


def lines(path: str) -> Iterator[tuple[int, str]]:
    """Yields number and text of each line of a file that is not blank; the file is gzipped if its name ends in ".gz".

    Raises:
      InputError: the file is missing, empty, cut off, damaged or not UTF-8.
    """
    number, found = 0, False
    try:
        opened = gzip.open if path.endswith(".gz") else open
        with opened(path, "rt", encoding="utf-8", newline="\n") as file:
            for number, line in enumerate(file, start=1):
                if line.strip():
                    found = True
                    yield number, line
    except FileNotFoundError as error:
        raise InputError(f"{path}: no such file") from error
    except (EOFError, gzip.BadGzipFile, zlib.error) as error:
        raise InputError(f"{path}: cut off or damaged after line {number} ({error}): fetch it again") from error
    except UnicodeDecodeError as error:
        raise InputError(f"{path}: not UTF-8 text after line {number} ({error}): fetch it again") from error
    if not found:
        raise InputError(f"{path}: the file is empty: expected at least one line")


def passages(shard: Shard, passage: Passage) -> Iterator[tuple[int, str, str, str]]:
    """Yields line number, line, id and text of each passage of a shard.

    Raises:
      InputError: the file is wrong, or a line is; the message names file and line.
    """
    for number, line in lines(shard.path):
        try:
            fields = json.loads(line)
            if not isinstance(fields, dict):
                raise ValueError(f"expected one JSON object a line, got {type(fields).__name__}")
            id_, text = passage(fields)
            (id_ + text).encode()  # half a surrogate pair is JSON but no text
        except json.JSONDecodeError as error:
            raise InputError(
                f"{shard.path}:{number}: not JSON ({error.msg} at column {error.colno}): expected one object a line"
            ) from error
        except ValueError as error:
            raise InputError(f"{shard.path}:{number}: {error}") from error
        yield number, line, id_, text


def blocks(shard: Shard, passage: Passage, size: int) -> Iterator[Block]:
    """Yields a shard's passages, `size` at a time; the next block is read while the caller works on one.

    So two blocks are in memory, however large the shard is.

    Raises:
      InputError: as for `passages`.
    """
    found = passages(shard, passage)

    def read() -> Block | None:
        rows = [(id_.encode(), text) for _, _, id_, text in itertools.islice(found, size)]
        if not rows:
            return None
        ids, texts = zip(*rows, strict=True)
        return Block(np.array(ids), list(texts))

    with concurrent.futures.ThreadPoolExecutor(1) as reader:
        waiting = reader.submit(read)
        while (block := waiting.result()) is not None:
            waiting = reader.submit(read)
            yield block

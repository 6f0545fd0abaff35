"""Turns batches of records into arrays, in this or other processes: texts into tokens, ids into numbers."""

import collections
import concurrent.futures
import contextlib
import dataclasses
import hashlib
import itertools
import multiprocessing
import os
import signal
import threading
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from concurrent.futures.process import BrokenProcessPool

import numpy as np

from data_prep.store.filters import EMPTY, Filters
from hbt_jax.errors import InputError
from hbt_jax.languages import LISTED, canonical, is_known, unknown_language
from hbt_jax.models.tokenizer import Tokenizer, load_tokenizer
from hbt_jax.spans import offsets_of
from hbt_jax.text_identity import caseless_keys, identity_keys

_AHEAD = 3  # batches per process that are queued, in work or finished

Columns = Mapping[str, Sequence]  # as data_prep.sources.registry.columns yields them; strings are accepted for bytes


@dataclasses.dataclass(frozen=True)
class LanguageTexts:
    """The texts of one language in a batch.

    Attributes:
      code: the language.
      place_N: int64, their places in the batch.
      tokens: int32, their tokens, concatenated.
      count_N: int64, tokens of each; 0 for texts that are left out.
      identity_N: uint64, text_identity.identity_keys with the tokenizer's folding; 0 for texts that are left out.
      read_N: uint64, see `token_keys`; 0 for texts that are left out.
      content_N: uint64, text_identity.caseless_keys; 0 for texts that are left out, or if queries may equal passages.
    """

    code: str
    place_N: np.ndarray
    tokens: np.ndarray
    count_N: np.ndarray
    identity_N: np.ndarray
    read_N: np.ndarray
    content_N: np.ndarray


@dataclasses.dataclass(frozen=True)
class EncodedTexts:
    """A batch of texts.

    Attributes:
      id_N2: uint64, see `ids`.
      languages: the texts, by language.
      dropped: reason -> number of texts left out.
      size: bytes of the texts in UTF-8.
    """

    id_N2: np.ndarray
    languages: list[LanguageTexts]
    dropped: collections.Counter
    size: int


@dataclasses.dataclass(frozen=True)
class EncodedPairs:
    """A batch of pairs: uint64 ids [N, 2] per column, those of all negatives, and the number of negatives per pair.

    A teacher's scores are float32, of each pair and of each negative; None if there are none.
    """

    query: np.ndarray
    passage: np.ndarray
    group: np.ndarray
    negatives: np.ndarray
    count_N: np.ndarray
    score_N: np.ndarray | None = None
    negative_scores: np.ndarray | None = None


def ids(names: Iterable[bytes | str]) -> np.ndarray:
    """uint64 [N, 2]: a 128-bit digest of each name."""
    digests = b"".join(hashlib.blake2b(_bytes(name), digest_size=16).digest() for name in names)
    return np.frombuffer(digests, np.uint64).reshape(-1, 2)


def encode_texts(columns: Columns, tokenizer: Tokenizer, filters: Filters, *, side: str) -> EncodedTexts:
    """Tokenises a batch of the columns id, language and text; raises InputError for a code that is not canonical."""
    codes = np.array([_text(code) for code in columns["language"]])
    texts = [_text(text) for text in columns["text"]]
    dropped, languages = collections.Counter(), []
    for code in dict.fromkeys(codes.tolist()):
        place_N = np.flatnonzero(codes == code)
        if not (code in LISTED or is_known(code) and canonical(code) == code):
            raise InputError(f"{side}: record {_text(columns['id'][place_N[0]])!r} has the {unknown_language(code)}")
        own = [texts[place] for place in place_N.tolist()]
        kept_N, counts = filters.keep(own, code)
        tokens, offsets = tokenizer.encode([text for text, kept in zip(own, kept_N, strict=True) if kept])
        count_N = np.zeros(len(own), np.int64)
        count_N[kept_N] = np.diff(offsets)
        dropped += counts + collections.Counter({EMPTY: int((np.diff(offsets) == 0).sum())})
        identity_N = identity_keys(own, tokenizer.folding)
        content_N = caseless_keys(own, tokenizer.folding) if filters.drop_equal else np.zeros(len(own), np.uint64)
        identity_N[count_N == 0] = content_N[count_N == 0] = 0
        read_N = np.zeros(len(own), np.uint64)
        read_N[kept_N] = token_keys(tokens, offsets, tokenizer.unk_id)
        languages.append(LanguageTexts(code, place_N, tokens, count_N, identity_N, read_N, content_N))
    return EncodedTexts(ids(columns["id"]), languages, dropped, sum(len(_bytes(text)) for text in columns["text"]))


def token_keys(tokens: np.ndarray, offsets: np.ndarray, unk_id: int) -> np.ndarray:
    """uint64 [N]: equal for texts with the same tokens, which a model cannot tell apart, however they are typed.

    A text with an unknown token has the key 0, like an empty one, because an unknown token can stand for any word.

    Args:
      tokens, offsets: as `Tokenizer.encode` returns them.

    >>> one, same, unknown, none = token_keys(np.array([7, 8, 7, 8, 7, 3], np.int32), np.array([0, 2, 4, 6, 6]), 3)
    >>> bool(one == same), int(unknown), int(none)
    (True, 0, 0)
    """
    data, width = tokens.tobytes(), tokens.itemsize
    ends = (offsets * width).tolist()
    digests = b"".join(
        hashlib.blake2b(data[first:end], digest_size=8).digest() for first, end in zip(ends, ends[1:], strict=False)
    )
    keys_N = np.maximum(np.frombuffer(digests, np.uint64), 1)
    unknown = offsets_of(tokens == unk_id)[offsets]
    keys_N[(np.diff(offsets) == 0) | (np.diff(unknown) > 0)] = 0
    return keys_N


def encode_pairs(columns: Columns, tokenizer: Tokenizer, filters: Filters) -> EncodedPairs:
    """The ids of a batch of the columns query, passage, group and negatives, and its scores if it has any.

    Raises:
      InputError: some pairs or negatives have scores and others have none.
    """
    del tokenizer, filters
    count_N = np.fromiter(map(len, columns["negatives"]), np.int64, len(columns["negatives"]))
    return EncodedPairs(
        *(ids(columns[name]) for name in ("query", "passage", "group")),
        ids(itertools.chain.from_iterable(columns["negatives"])),
        count_N,
        _scores(columns, "score", len(count_N)),
        _scores(columns, "negative_scores", int(count_N.sum())),
    )


def _scores(columns: Columns, name: str, count: int) -> np.ndarray | None:
    found = np.fromiter(itertools.chain.from_iterable(columns.get(name, ())), np.float32)
    if len(found) not in (0, count):
        raise InputError(f"pairs: {len(found):,} values of {name}: expected {count:,}, or none")
    return found if len(found) else None


def _text(value: bytes | str) -> str:
    return value.decode() if isinstance(value, bytes) else value


def _bytes(value: bytes | str) -> bytes:
    return value if isinstance(value, bytes) else value.encode()


class Encoders:
    """Applies functions such as `encode_texts` to batches, in order, in the given number of processes.

    A context manager, which ends the processes.

    Args:
      tokenizer: from `load_tokenizer`; each process reads it again from its path.
      filters: filters of texts.
      workers: number of processes; 1: only this one, in which the tokenizer uses all cores.
    """

    def __init__(self, tokenizer: Tokenizer, filters: Filters, workers: int):
        self.tokenizer, self.workers = tokenizer, workers
        self._filters, self._pool = filters, None
        if workers > 1:
            self._pool = concurrent.futures.ProcessPoolExecutor(
                workers,
                mp_context=multiprocessing.get_context("spawn"),  # a fork would copy TensorFlow without its threads
                initializer=_start,
                initargs=(os.fspath(tokenizer.path), filters),
            )

    def __enter__(self) -> "Encoders":
        return self

    def __exit__(self, error: type[BaseException] | None, *_):
        if self._pool is None:
            return
        if error is not None:  # their results are no longer needed
            for process in multiprocessing.active_children():
                process.terminate()
        self._pool.shutdown(wait=True, cancel_futures=True)

    def map(self, function: Callable, batches: Iterable[Columns]) -> Iterator[tuple[Columns, object]]:
        """Yields each batch with the result of `function(batch, tokenizer, filters)`.

        Raises:
          InputError: a process ended unexpectedly, or `function` raised it.
        """
        if self._pool is None:
            yield from ((batch, function(batch, self.tokenizer, self._filters)) for batch in batches)
            return
        waiting: collections.deque = collections.deque()
        try:
            for batch in batches:
                with _no_ctrl_c_for_new_processes():
                    waiting.append((batch, self._pool.submit(_apply, function, batch)))
                if len(waiting) >= _AHEAD * self.workers:
                    done, future = waiting.popleft()
                    yield done, future.result()
            while waiting:
                done, future = waiting.popleft()
                yield done, future.result()
        except BrokenProcessPool as error:
            raise InputError(
                f"one of {self.workers} tokenising processes ended unexpectedly, without a message: look into the"
                " system's log; if memory ran out, run the command again with fewer --workers"
            ) from error


@contextlib.contextmanager
def _no_ctrl_c_for_new_processes() -> Iterator[None]:
    """Blocks SIGINT, so that processes started in the block inherit this and leave Ctrl-C to the parent.

    A signal that arrives meanwhile reaches this process when the block ends.
    """
    before = signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT})
    try:
        yield
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)


_own: dict[str, object] = {}  # in a process that Encoders started: its tokenizer and filters


def _start(tokenizer_path: str, filters: Filters) -> None:
    """Prepares a process: it uses one core, and ends when its parent does."""
    threading.Thread(target=_end_with, args=(multiprocessing.parent_process(),), daemon=True).start()
    os.environ["TOKENIZERS_PARALLELISM"] = "false"
    _own.update(tokenizer=load_tokenizer(tokenizer_path, threads=1), filters=filters)


def _end_with(parent) -> None:
    with contextlib.suppress(OSError):
        parent.join()
    os._exit(1)


def _apply(function: Callable, batch: Columns) -> object:
    return function(batch, _own["tokenizer"], _own["filters"])

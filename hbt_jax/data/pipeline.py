"""tf.data executes the plan: looks up the texts of each step, packs each device's share, and stays ahead of training.

Work is done per batch, never per record: one element of the dataset is one step, and its batch is a pure function of
the step (`packed_batch`).  Every host draws and places the whole global batch, because all shares must have the same
number of rows, but looks up and writes only the tokens of its own shares.
"""

import contextlib
import dataclasses
import os
import signal
import sys
import tempfile
import threading
from collections.abc import Iterator, Sequence
from types import TracebackType

import numpy as np

from hbt_jax.config.learning import TextConfig
from hbt_jax.data.extras import Extra
from hbt_jax.data.false_negatives import masks
from hbt_jax.data.packing import (
    PackedRows,
    Placement,
    TextFormat,
    ladder_rows,
    pack_shares,
    slots,
    spread,
    stored_format,
)
from hbt_jax.data.plan import BatchPlan, Plan
from hbt_jax.data.store import Store, TokenRows
from hbt_jax.errors import InputError
from hbt_jax.models.tokenizer import Tokenizer

NAMES = (
    "tokens", "segments", "positions", "query_slots", "passage_slots", "masked", "false_negatives", "truncated",
    "absent_negatives",
)  # fmt: skip
_AHEAD = 2  # finished batches waiting for the trainer
_ENDLESS = 2**62


@dataclasses.dataclass(frozen=True)
class _BatchSide:
    """The texts of one side of a global batch, share by share: arrays [P, n].

    Attributes:
      form: what surrounds the texts' own tokens.
      tokens: token rows of the side, by index of the language.
      rows: int64, row of each text; -1 for an absent one.
      language: int16, index of its language.
      start: int64, place of its first token in its language's values.
      count: int64, its own tokens, before the cut; 0 for an absent one.
    """

    form: TextFormat
    tokens: tuple[TokenRows, ...]
    rows: np.ndarray
    language: np.ndarray
    start: np.ndarray
    count: np.ndarray

    def lengths(self) -> np.ndarray:
        """int64 [P, n], tokens of each text in its packed row; 0 for an absent one."""
        return np.where(self.count > 0, np.minimum(self.count, self.form.room) + self.form.around, 0)

    def of(self, shares: np.ndarray) -> "_BatchSide":
        """The texts of some shares."""
        arrays = (array[shares] for array in (self.rows, self.language, self.start, self.count))
        return _BatchSide(self.form, self.tokens, *arrays)


def batches(
    plan: Plan,
    text: TextConfig,
    tokenizer: Tokenizer,
    *,
    start: int,
    stop: int | None,
    shares: Sequence[int],
    share_count: int,
    threads: int = 1,
    extras: Sequence[Extra] = (),
) -> Iterator[dict[str, np.ndarray]]:
    """The packed batches of the steps from `start` up to `stop`, in order, prepared ahead in other threads.

    Args:
      plan: decides what each step holds, out of its stores.
      text: prefixes, lengths, row length.
      tokenizer: the one that made the stores' tokens.
      start, stop: first step, and the one after the last; stop None: without end.
      shares: numbers of the shares that this host's devices own, in mesh order.
      share_count: P over all hosts.
      threads: steps prepared at the same time.  The work is many short numpy calls that compete for Python's lock: one
        thread was faster than two (tests/benchmarks/pipeline_speed.py).
      extras: add arrays to each batch.

    Returns:
      an iterator of `packed_batch` results.

    Raises:
      InputError: the global batch cannot be split evenly, or the prefixes leave no room for a text; raised at once, not
        at the first batch.
    """
    _check_split(plan, share_count)
    forms = _forms(text, tokenizer)
    tf = import_tensorflow()
    failure = _Failure()

    def prepare(step: np.ndarray) -> list[np.ndarray]:
        with failure:
            batch = _packed(plan, int(step), text, forms, tokenizer.pad_id, shares, share_count, extras)
            return [batch[name] for name in names]

    added = [name for extra in extras for name in extra.names]
    names, kinds = [*NAMES, *added], [tf.int32] * len(NAMES) + [tf.float32] * len(added)

    def execute(step):
        return tf.numpy_function(prepare, [step], kinds, stateful=False)

    dataset = tf.data.Dataset.range(start, _ENDLESS if stop is None else stop)
    dataset = dataset.map(execute, num_parallel_calls=threads, deterministic=True).prefetch(_AHEAD)
    options = tf.data.Options()
    options.autotune.enabled = False
    options.threading.private_threadpool_size = threads
    return _arrays(dataset.with_options(options), names, failure, tf)


def packed_batch(
    plan: Plan, text: TextConfig, tokenizer: Tokenizer, step: int, shares: Sequence[int], share_count: int
) -> dict[str, np.ndarray]:
    """The packed batch of one step: a pure function of its arguments.

    Args:
      plan, text, tokenizer, shares, share_count: as for `batches`.
      step: updates already applied.

    Returns:
      int32 arrays whose first axis counts this host's shares:
        tokens, segments, positions [P, R, L]: the rows; segment 0 is padding;
        query_slots [P, b], passage_slots [P, c]: row * S + segment - 1 of each text; a share's passages are its b
          positives in query order, then its explicit negatives, those of query i at b + i*K and on; an absent negative
          has slot 0;
        masked [P, b, W]: which passages of the global batch, share by share, must not count as negatives of each query,
          and those that are absent (hbt_jax/data/false_negatives.py);
        false_negatives [P]: how many of the masked passages are not absent;
        truncated [P]: texts that were cut;
        absent_negatives [P]: explicit negatives that --negatives asks for and that are absent.

    Raises:
      InputError: as `batches`.
    """
    _check_split(plan, share_count)
    forms = _forms(text, tokenizer)
    return _packed(plan, step, text, forms, tokenizer.pad_id, shares, share_count)


def _check_split(plan: Plan, share_count: int) -> None:
    if plan.config.global_batch % share_count:
        raise InputError(
            f"--global_batch={plan.config.global_batch} cannot be split evenly over {share_count} devices"
            f" (--mesh_data x --mesh_fsdp): expected a multiple of {share_count}"
        )
    if plan.config.global_batch // share_count % plan.config.rows_per_pair:
        raise InputError(
            f"--global_batch={plan.config.global_batch} gives each of {share_count} devices"
            f" {plan.config.global_batch // share_count} pairs: expected a multiple of"
            f" --joint_languages={plan.config.rows_per_pair}, so that the languages of a pair stay together"
        )


def _forms(text: TextConfig, tokenizer: Tokenizer) -> tuple[TextFormat, TextFormat]:
    return stored_format(text, tokenizer, "query"), stored_format(text, tokenizer, "passage")


def _packed(
    plan: Plan,
    step: int,
    text: TextConfig,
    forms: tuple[TextFormat, TextFormat],
    pad_id: int,
    shares: Sequence[int],
    share_count: int,
    extras: Sequence[Extra] = (),
) -> dict[str, np.ndarray]:
    batch = plan.batch(step)
    store = plan.mixture.stores[batch.store]
    queries, passages = _sides(batch, store, forms, share_count)
    lengths_PN = np.concatenate([queries.lengths(), passages.lengths()], axis=1)
    placement = pack_shares(lengths_PN, text.row_tokens, text.segments)
    rows = ladder_rows(int(placement.rows.max()))
    own = np.asarray(shares)
    everything, b = slice(None), queries.rows.shape[1]
    packed = PackedRows(placement.part(own, everything), lengths_PN[own], rows, text.row_tokens, pad_id)
    masked, false_negatives = _masks(store, queries.rows, passages.rows, own)
    queries, passages = queries.of(own), passages.of(own)
    query_places, passage_places = placement.part(own, slice(0, b)), placement.part(own, slice(b, None))
    _write(packed, queries, query_places)
    _write(packed, passages, passage_places)
    added = {}
    for extra in extras:
        added |= dict(zip(extra.names, extra(batch, queries, passages, own), strict=True))
    truncated = sum((texts.count > texts.form.room).sum(1) for texts in (queries, passages))
    return {
        **packed.arrays(),
        "query_slots": slots(query_places, text.segments),
        "passage_slots": slots(passage_places, text.segments),
        "masked": masked,
        "false_negatives": false_negatives,
        "truncated": truncated.astype(np.int32),
        "absent_negatives": (passages.rows[:, b:] < 0).sum(1).astype(np.int32),
        **added,
    }


def _masks(store: Store, query_Pb: np.ndarray, passage_Pc: np.ndarray, own: np.ndarray) -> tuple:
    """The masks of some shares' queries against the passages of all: int32 [p, b, W], and how many are false negatives
    in each share, int32 [p]."""
    b, c = query_Pb.shape[1], passage_Pc.shape[1]
    own_column = (own[:, None] * c + np.arange(b)).reshape(-1)
    masked, counts = masks(store.identity, query_Pb[own].reshape(-1), passage_Pc.reshape(-1), own_column)
    return masked.reshape(len(own), b, -1), counts.reshape(len(own), b).sum(axis=1, dtype=np.int32)


def _sides(
    batch: BatchPlan, store: Store, forms: tuple[TextFormat, TextFormat], share_count: int
) -> tuple[_BatchSide, _BatchSide]:
    """The queries and passages of a global batch, arranged by share."""
    codes, per_share = store.languages, len(batch.pairs) // share_count
    negatives = batch.negatives.reshape(share_count, -1)
    positives = store.pairs.passage_A[batch.pairs].reshape(share_count, per_share)
    passage_rows = np.concatenate([positives, negatives], axis=1)
    passage_language = batch.passage_language.reshape(share_count, per_share)
    negative_language = np.repeat(passage_language, batch.negatives.shape[1], axis=1)
    passage_language = np.concatenate([passage_language, negative_language], axis=1)
    query_rows = store.pairs.query_A[batch.pairs].reshape(share_count, per_share)
    query_language = batch.query_language.reshape(share_count, per_share)
    return (
        _located([store.queries.tokens[code] for code in codes], forms[0], query_rows, query_language),
        _located([store.passages.tokens[code] for code in codes], forms[1], passage_rows, passage_language),
    )


def _located(tokens: Sequence[TokenRows], form: TextFormat, rows: np.ndarray, language: np.ndarray) -> _BatchSide:
    """Texts with the places of their tokens looked up; a text that its language lacks becomes absent."""
    flat = np.maximum(rows.ravel(), 0)
    start, end = np.zeros(rows.size, np.int64), np.zeros(rows.size, np.int64)
    for index, members in _by_language(language.ravel()):
        start[members] = tokens[index].offsets[flat[members]]
        end[members] = tokens[index].offsets[flat[members] + 1]
    count = np.where(rows >= 0, (end - start).reshape(rows.shape), 0)
    return _BatchSide(form, tuple(tokens), np.where(count > 0, rows, -1), language, start.reshape(rows.shape), count)


def _by_language(language: np.ndarray) -> Iterator[tuple[int, np.ndarray]]:
    """(language, places in the array) for each language that occurs, in order."""
    order = np.argsort(language, kind="stable")
    counts = np.bincount(language)
    ends = np.cumsum(counts)
    for index in np.flatnonzero(counts).tolist():
        yield index, order[ends[index] - counts[index] : ends[index]]


def _write(packed: PackedRows, texts: _BatchSide, places: Placement) -> None:
    """Looks up the tokens of texts, one language at a time, and writes all of them into their rows at once."""
    count = np.minimum(texts.count.ravel(), texts.form.room)
    present = np.flatnonzero(count)
    order = present[np.argsort(texts.language.ravel()[present], kind="stable")]
    count = count[order]
    index = spread(texts.start.ravel()[order], count)
    values = np.empty(len(index), np.int32)
    of_language = np.bincount(texts.language.ravel()[order], count, len(texts.tokens)).astype(np.int64)
    ends = np.cumsum(of_language)
    for language in np.flatnonzero(of_language).tolist():
        part = slice(ends[language] - of_language[language], ends[language])
        values[part] = texts.tokens[language].values[index[part]]
    packed.put(texts.form, places, order, count, values)


def _arrays(dataset, names: Sequence[str], failure: "_Failure", tf) -> Iterator[dict[str, np.ndarray]]:
    try:
        for values in dataset.as_numpy_iterator():
            yield dict(zip(names, values, strict=True))
    except tf.errors.OpError as error:
        if failure.first is not None:
            raise failure.first from None  # the original error, not TensorFlow's report of it
        raise error


class _Failure:
    """Remembers the first error raised inside its blocks, in any thread."""

    first: BaseException | None = None

    def __enter__(self) -> None: ...

    def __exit__(self, _: type | None, error: BaseException | None, __: TracebackType | None) -> None:
        if error is not None and self.first is None:
            self.first = error


def import_tensorflow():
    """The module tensorflow, imported without start-up messages and without accelerators, which belong to JAX."""
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")  # read once, when TensorFlow is first imported
    with contextlib.ExitStack() as start_up:
        if "tensorflow" not in sys.modules:
            start_up.enter_context(signals_held_back())
            start_up.enter_context(_standard_error_held_back())
        import tensorflow as tf

        for kind in ("GPU", "TPU"):
            tf.config.set_visible_devices([], kind)
    return tf


@contextlib.contextmanager
def signals_held_back() -> Iterator[None]:
    """Delays Ctrl-C and SIGTERM until the block ends, for imports that must not be interrupted.

    An interrupt during TensorFlow's start-up has caused a segmentation fault, or has been lost.  Only the main thread
    handles signals; in other threads the block changes nothing.
    """
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    came: list[int] = []
    before = {one: signal.signal(one, lambda number, _: came.append(number)) for one in (signal.SIGINT, signal.SIGTERM)}
    try:
        yield
    finally:
        for one, handler in before.items():
            signal.signal(one, signal.SIG_DFL if handler is None else handler)
        for number in dict.fromkeys(came):
            signal.raise_signal(number)


@contextlib.contextmanager
def _standard_error_held_back() -> Iterator[None]:
    """Hides what native code writes to standard error, and shows it only if the block fails.

    TensorFlow prints messages about the processor and missing CUDA drivers before it reads any log level.
    """
    sys.stderr.flush()
    shown = os.dup(2)
    with tempfile.TemporaryFile() as held:
        os.dup2(held.fileno(), 2)
        try:
            yield
        except BaseException:
            held.seek(0)
            os.write(shown, held.read())
            raise
        finally:
            sys.stderr.flush()
            os.dup2(shown, 2)
            os.close(shown)

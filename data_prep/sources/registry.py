"""The sources that `data_prep` can prepare: name -> TensorFlow Datasets builder, and their records.

data_prep/builders/tables.py says what the three tables of a source hold.
"""

import contextlib
import dataclasses
import functools
import importlib
import io
import itertools
import os
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import ClassVar

from absl import flags, logging

from data_prep.builders.tables import ON_BAD_ROW, TABLES
from data_prep.reading.downloads import DOWNLOADS, fetched
from data_prep.sources.pairs.layouts import AUTO, FORMATS
from hbt_jax.config.option import Part, option
from hbt_jax.data.pipeline import import_tensorflow, signals_held_back
from hbt_jax.errors import InputError
from hbt_jax.files import check_name, named_errors
from hbt_jax.holding import held
from hbt_jax.places import check_local

SOURCES = {
    "cc3m35l": "data_prep.sources.captions:Cc3m35l",
    "coco35l": "data_prep.sources.captions:Coco35l",
    "duorc": "data_prep.sources.duorc:Duorc",
    "entityquestions": "data_prep.sources.entityquestions:Entityquestions",
    "facts": "data_prep.facts.builder:Facts",
    "jsonl": "data_prep.sources.jsonl:Jsonl",
    "mfaq": "data_prep.sources.mfaq:Mfaq",
    "mmarco": "data_prep.sources.mmarco:Mmarco",
    "mrtydi": "data_prep.sources.mrtydi:Mrtydi",
    "newsqa": "data_prep.sources.newsqa:Newsqa",
    "nq": "data_prep.sources.nq:Nq",
    "pairs": "data_prep.sources.pairs.builder:Pairs",
    "parallel": "data_prep.sources.parallel:Parallel",
    "squad": "data_prep.sources.squad:Squad",
    "squadshifts": "data_prep.sources.squadshifts:Squadshifts",
    "wikiqa": "data_prep.sources.wikiqa:Wikiqa",
    "wordpairs": "data_prep.sources.wordpairs:Wordpairs",
    "yahoo": "data_prep.sources.yahoo:Yahoo",
}
PASSAGES = ("sentence", "paragraph")
SPLITS = ("train", "validation", "test")
_FROM_FILES = ("input_dir", "on_bad_row")
_LARGE = (*_FROM_FILES, "beam_options")
_PAIRS = ("format", "columns", "language", "hub_split")
SUPPORTED = {name: _FROM_FILES for name in SOURCES} | {  # source -> builder settings that it supports
    "cc3m35l": _LARGE, "coco35l": _LARGE, "facts": (), "mmarco": _LARGE, "pairs": ("input", "on_bad_row", *_PAIRS),
    "squad": (*_FROM_FILES, "passage"),
}  # fmt: skip
_SETTINGS = (*_LARGE, "passage", "input", *_PAIRS)
_READ_BATCH = 4096


@dataclasses.dataclass(frozen=True)
class SourceOptions(Part):
    """The source, its files, and the folder it is prepared in."""

    title: ClassVar[str] = "Source"

    source: str = option("", f"name of the source: {', '.join(SOURCES)}")
    input_dir: str = option(
        "",
        f"folder with the source's files (not for facts); empty: the files of {', '.join(DOWNLOADS)} are downloaded"
        " into RAW_DIR/downloads",
    )
    input: tuple[str, ...] = option(
        (), "files and folders of training pairs in the layout of another tool, comma-separated (only for pairs)"
    )
    format: str = option(
        AUTO,
        "layout of the files in --input; auto: found from their columns and printed (only for pairs)",
        choices=FORMATS,
    )
    columns: tuple[str, ...] = option(
        (),
        "EXPECTED=YOURS for each column that has another name in your files than in its layout, comma-separated, as in"
        " positive=reply (only for pairs)",
    )
    language: str = option(
        "", "language of every row in --input; empty: as the column `language` says (only for pairs)"
    )
    hub_split: str = option(
        "",
        "split of the data sets of the Hugging Face hub that --input names, as OWNER/NAME or OWNER/NAME:CONFIGURATION;"
        " it is read as the split train; needs the extra `datasets` (only for pairs)",
    )
    raw_dir: str = option("", "folder of the prepared sources (TensorFlow Datasets); a missing source is prepared")
    on_bad_row: str = option(
        "stop",
        "what to do with a malformed row: stop ends the command with file and line; skip leaves it out, counts it and"
        " lists it beside the prepared source (not for facts)",
        choices=ON_BAD_ROW,
    )
    passage: str = option(
        "sentence",
        "what answers a question: the sentence or the paragraph that holds the answer (only for squad)",
        choices=PASSAGES,
    )
    beam_options: str = option(
        "",
        "options of an Apache Beam pipeline that prepares the source on its workers, comma-separated; empty: without"
        " Beam (only for mmarco, coco35l, cc3m35l)",
    )


@dataclasses.dataclass(frozen=True)
class SplitOptions(SourceOptions):
    """A split of a source, its files, and the folder it is prepared in."""

    split: str = option("train", "split of the source", choices=SPLITS)


def builder(source: str, table: str, raw_dir: str | Path, **settings):
    """The TensorFlow Datasets builder of one table, which is prepared under `raw_dir` if it is missing.

    Args:
      source: a name in SOURCES.
      table: one of TABLES.
      raw_dir: folder of all prepared sources (what TensorFlow Datasets calls data_dir).
      **settings: passed to the builder's constructor; most matter only if the table is not prepared yet.

    Returns:
      a tfds.core.DatasetBuilder whose files exist.

    Raises:
      InputError: an unknown source or table, a wrong input file, or another process is preparing the table.
    """
    _check_known(source)
    check_local("--raw_dir", raw_dir)
    check_name(raw_dir, "raw_dir", "TensorFlow's files")
    if table not in TABLES:
        raise InputError(f"unknown table {table!r} of source {source}: expected one of {' '.join(TABLES)}")
    module, _, name = SOURCES[source].partition(":")
    import_tensorflow()  # before TensorFlow Datasets imports it, with its start-up notes
    with signals_held_back():
        import tensorflow_datasets as tfds

        made_by = getattr(importlib.import_module(module), name)
    if source in DOWNLOADS and "input_dir" not in settings:
        settings = settings | {"input_dir": fetched(source, raw_dir)}
    with _quiet(tfds):
        made = made_by(config=table, data_dir=str(raw_dir), file_format="tfrecord", **settings)
    _say(tuple(getattr(made, "notes", ())))
    with _quiet(tfds):
        if not made.is_prepared():
            table_dir = Path(made.data_dir).parent
            with held(table_dir.parent, "--raw_dir"):  # RAW_DIR/SOURCE: other sources may be prepared at the same time
                for stopped in table_dir.glob("incomplete.*"):  # left by TensorFlow Datasets when a build is killed
                    shutil.rmtree(stopped)
                with named_errors(table_dir):
                    made.download_and_prepare(download_config=tfds.download.DownloadConfig(try_download_gcs=False))
    return made


def flag_settings() -> dict:
    """The settings of the builder of --source, from those flags of `SourceOptions` that the user gave.

    Raises:
      InputError: an unknown source, a flag is missing, or the source does not support one.
    """
    given = flags.FLAGS
    return settings(given.source, **{name: given[name].value for name in _SETTINGS if given[name].present})


def settings(source: str, **given: str | list[str] | None) -> dict:
    """The builder's settings among the given ones, by name; empty or None means not given.

    Raises:
      InputError: an unknown source, a flag is missing, or the source does not support one.
    """
    _check_known(source)
    found = {name: value for name, value in given.items() if value}
    for name, value in found.items():
        if name not in SUPPORTED[source]:
            written = ",".join(value) if isinstance(value, list) else value
            raise InputError(f"--{name}={written} is not supported by --source={source}: leave it out")
    for place in (found.get("input_dir", ""), *found.get("input", ())):
        check_local("--input_dir" if place == found.get("input_dir") else "--input", place)
    if "input" in SUPPORTED[source] and "input" not in found:
        raise InputError(f"--input is needed for --source={source}: files or folders of training pairs")
    if "input_dir" in SUPPORTED[source] and "input_dir" not in found and source not in DOWNLOADS:
        raise InputError(f"--input_dir is needed for --source={source}: the folder with its files")
    return found


def dropped_lines(source: str, raw_dir: str | Path, **settings) -> list[str]:
    """What a source left out when it was prepared: a line per split and reason.

    A builder records it in its metadata: {"dropped": {split: {reason: count}}}.
    """
    by_split = builder(source, "pairs", raw_dir, **settings).info.metadata.get("dropped", {})
    return [
        f"  dropped from {split}: {count:,} {reason}"
        for split, counts in by_split.items()
        for reason, count in counts.items()
    ]


def _check_known(source: str) -> None:
    if source not in SOURCES:
        raise InputError(
            f"unknown source {source!r}: the known sources are {' '.join(SOURCES)} (data_prep/sources/registry.py)"
        )


@functools.cache
def _say(lines: tuple[str, ...]) -> None:
    """Prints how a source's files are read, once although it has three tables."""
    for line in lines:
        print(line, flush=True)


@contextlib.contextmanager
def _quiet(tfds):
    """Silences the notes and progress bars of TensorFlow Datasets: callers print what they made themselves."""
    verbosity = logging.get_verbosity()
    tfds.disable_progress_bar()
    logging.set_verbosity(logging.ERROR)
    try:
        with contextlib.redirect_stdout(io.StringIO()):
            yield
    finally:
        logging.set_verbosity(verbosity)
        tfds.enable_progress_bar()


def records(source: str, table: str, split: str, raw_dir: str | Path, **settings) -> Iterator[dict]:
    """Yields the records of one table and split, in the order in which they were written.

    Args:
      source: a name in SOURCES.
      table: one of TABLES.
      split: a split of the source, such as `train`.
      raw_dir, **settings: as for `builder`.

    Returns:
      an iterator of dicts of str; `negatives` is a list of str, scores are lists of numbers.

    Raises:
      InputError: an unknown source or table, or a split that the source lacks.
    """
    return _decoded(columns(prepared(source, table, split, raw_dir, **settings), split))


def prepared(source: str, table: str, split: str, raw_dir: str | Path, **settings):
    """The builder of one table, checked to have a split; arguments and errors as for `records`."""
    made = builder(source, table, raw_dir, **settings)
    if split not in made.info.splits:
        raise InputError(
            f"source {source} has no split {split!r}: it has {' '.join(made.info.splits)} ({raw_dir}); correct --split"
        )
    return made


def columns(made, split: str) -> Iterator[dict[str, list]]:
    """Yields the records of a split, a few thousand at a time: column -> UTF-8 bytes, or lists of them or of numbers,
    per record."""
    tf = import_tensorflow()
    for batch in _batches(made, split):
        yield {name: _listed(column, tf) for name, column in batch.items()}


def _batches(made, split: str):
    """A tf.data.Dataset of batches of a few thousand records."""
    # `as_dataset` parses record by record, here 30 times slower than parsing whole batches.
    import tensorflow_datasets as tfds

    tf = import_tensorflow()
    spec = {
        name: tf.io.RaggedFeature(kind.feature.tf_dtype)
        if isinstance(kind, tfds.features.Sequence)
        else tf.io.FixedLenFeature([], tf.string)
        for name, kind in made.info.features.items()
    }
    files = [os.fspath(path) for path in made.info.splits[split].filepaths]
    options = tf.data.Options()
    options.autotune.enabled = False  # nothing to tune here, and its thread may delay the end of reading by 10 s
    batches = tf.data.TFRecordDataset(files).batch(_READ_BATCH).with_options(options)
    return batches.map(lambda some: tf.io.parse_example(some, spec)).prefetch(2)


def _listed(column, tf) -> list:
    if not isinstance(column, tf.RaggedTensor):
        return column.numpy().tolist()
    values, ends = column.flat_values.numpy().tolist(), column.row_splits.numpy().tolist()
    return [values[start:end] for start, end in itertools.pairwise(ends)]


def _decoded(batches: Iterator[dict[str, list]]) -> Iterator[dict]:
    for batch in batches:
        for row in zip(*batch.values(), strict=True):
            yield {
                name: [_text(one) for one in value] if isinstance(value, list) else _text(value)
                for name, value in zip(batch, row, strict=True)
            }


def _text(value: bytes | float) -> str | float:
    return value.decode() if isinstance(value, bytes) else value

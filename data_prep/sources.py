"""The sources that `data_prep` can prepare: name -> TensorFlow Datasets builder, and their records.

Every source is one builder with three configs:

    queries, passages   {"id", "language", "text"}: one record for each item and language; no record where the item
                        has no text in that language
    pairs               {"query", "passage", "group", "negatives"}: ids of a query and of the passage that answers it,
                        the group of translations or facts that both belong to, ids of hard negative passages
"""

import importlib
import os
from collections.abc import Iterator
from pathlib import Path

from hbt_jax.errors import InputError

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")  # before tensorflow is imported: its start-up notes are no news

SOURCES = {
    "facts": "data_prep.facts:Facts",
}
TABLES = ("queries", "passages", "pairs")
_READ_BATCH = 4096


def builder(source: str, table: str, raw_dir: str | Path, **settings):
    """The TensorFlow Datasets builder of one table, prepared under `raw_dir` when it is not there yet.

    Args:
      source: a name in SOURCES.
      table: one of TABLES.
      raw_dir: folder of all prepared sources (what TensorFlow Datasets calls data_dir).
      **settings: passed to the builder's constructor; they matter only when the table is not prepared yet.

    Returns:
      a tfds.core.DatasetBuilder whose files exist.

    Raises:
      InputError: an unknown source or table.
    """
    if source not in SOURCES:
        raise InputError(f"unknown source {source!r}: the known sources are {' '.join(SOURCES)} (data_prep/sources.py)")
    if table not in TABLES:
        raise InputError(f"unknown table {table!r} of source {source}: expected one of {' '.join(TABLES)}")
    import tensorflow_datasets as tfds

    module, _, name = SOURCES[source].partition(":")
    made = getattr(importlib.import_module(module), name)(config=table, data_dir=str(raw_dir), **settings)
    if not made.is_prepared():
        tfds.disable_progress_bar()
        made.download_and_prepare(download_config=tfds.download.DownloadConfig(try_download_gcs=False))
    return made


def records(source: str, table: str, split: str, raw_dir: str | Path) -> Iterator[dict]:
    """Yields the records of one table and split, in the order they were written.

    Args:
      source: a name in SOURCES.
      table: one of TABLES.
      split: a split of the source, such as `train`.
      raw_dir: as for `builder`.

    Returns:
      an iterator of dicts of str; `negatives` is a list of str.

    Raises:
      InputError: an unknown source or table, or a split that the source lacks.
    """
    made = builder(source, table, raw_dir)
    if split not in made.info.splits:
        raise InputError(f"source {source} has no split {split!r}: it has {' '.join(made.info.splits)} ({raw_dir})")
    return _decoded(made, split)


def _decoded(made, split: str) -> Iterator[dict]:
    # Reading whole batches: one call into TensorFlow for thousands of records, not one for each.
    batches = made.as_dataset(split=split, shuffle_files=False).ragged_batch(_READ_BATCH)
    for batch in batches.as_numpy_iterator():
        columns = [
            [[one.decode() for one in many] for many in column.to_list()]
            if hasattr(column, "to_list")
            else [one.decode() for one in column.tolist()]
            for column in batch.values()
        ]
        for row in zip(*columns, strict=True):
            yield dict(zip(batch, row, strict=True))

"""The TensorFlow Datasets builder of sources that do not fit in memory: records stream, here or on Apache Beam.

A source states once by which steps its files become records (builders/flow.py).  Without `beam_options` the steps run
in this process, in bounded memory; with them they are a Beam pipeline, with as many workers as the options ask for.
Both give the same tables.
"""

import abc
import dataclasses
import functools
import importlib
import importlib.util
import re
import tempfile
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

from tqdm import tqdm

from data_prep.builders.base import SourceBuilder
from data_prep.builders.flow import Flow
from hbt_jax.errors import InputError

_NO_RECORD = re.compile(r"generated examples is 0 for split (\w+)")  # as TensorFlow Datasets words it on a worker


class LargeBuilder(SourceBuilder, skip_registration=True):
    """Records that are made one by one from the files in `input_dir`.

    A source is a subclass with `records` and what SourceBuilder asks for.

    Args:
      beam_options: options of a Beam pipeline, comma-separated; empty: without Beam.
      **kwargs: as for SourceBuilder.
    """

    def __init__(self, *, beam_options: str = "", **kwargs):
        self._beam_options = beam_options
        super().__init__(**kwargs)

    @abc.abstractmethod
    def records(self, start: Callable[[Sequence], Flow], split: str, files: Sequence[Path]) -> Flow:
        """The steps that make the records of the builder's table.

        Args:
          start: makes a flow of values, such as the files.
          split: the split.
          files: what `find_files` returns for the split.

        Returns:
          a flow of (key, record) with unique keys of 128 bits, as data_prep/builders/keys.py makes them.
        """

    def _generate_examples(self, split: str, files: Sequence[Path]):
        """The (key, record) pairs of one split: an iterator, or a Beam transform."""
        if not self._beam_options:
            return self._made_here(split, files)
        return beam_flow().split(functools.partial(self.records, split=split, files=files), self._left_out_file(split))

    def _made_here(self, split: str, files: Sequence[Path]) -> Iterator[tuple[int, dict]]:
        with self._left_out(split) as left_out, tempfile.TemporaryDirectory(dir=self.data_dir) as scratch:
            start = functools.partial(Flow, set_aside=left_out.add, scratch=Path(scratch))
            found = self.records(start, split, files)
            empty = True
            title = f"{self.name} {split}, {self.builder_config.name}"
            for made in tqdm(found, desc=title, unit=" records", disable=None):
                empty = False
                yield made
            if empty:
                raise self._nothing_left(split, left_out.counts)

    def _download_and_prepare(self, dl_manager, download_config) -> None:
        if not self._beam_options:
            return super()._download_and_prepare(dl_manager, download_config)
        config = dataclasses.replace(download_config, beam_options=beam_flow().options(self._beam_options))
        try:
            return super()._download_and_prepare(dl_manager, config)
        except Exception as error:
            if found := _NO_RECORD.search(str(error)):
                for _ in self._made_here(found[1], self._files[found[1]]):  # run here, the same steps say why
                    break
            raise

    def _process_pipeline_result(self, pipeline_result) -> None:
        """Counts what the workers left out, which may end the build."""
        del pipeline_result
        for split in self._files:
            path = self._left_out_file(split)
            if path.exists():
                with self._left_out(split) as left_out:
                    for value in beam_flow().read_left_out(path):
                        left_out.add(value)

    def _left_out_file(self, split: str) -> Path:
        return Path(self.data_dir) / f"left-out-{split}.json"


def beam_flow():
    """The module data_prep/builders/beam_flow.py; raises InputError if Beam is not installed."""
    if importlib.util.find_spec("apache_beam") is None:
        raise InputError(
            "--beam_options needs Apache Beam: install this project with the extra `beam` (pip install -e '.[beam]') in"
            " an environment of its own (docs/data.md), or leave the flag out"
        )
    return importlib.import_module("data_prep.builders.beam_flow")

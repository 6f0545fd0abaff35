"""Training pairs in the layouts of other tools: tevatron, FlagEmbedding, sentence-transformers, BEIR, MS MARCO.

--input names files or folders, comma-separated; inputs.py says how they are found, layouts.py and judged.py what their
rows hold, record_files.py which kinds of files are read.  With --hub_split, --input names data sets of the Hugging Face
hub.
"""

import os
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

import tensorflow_datasets as tfds

from data_prep.builders.row import BadRow, Dropped, Row
from data_prep.builders.rows import RowsBuilder
from data_prep.builders.unchanged import digest
from data_prep.sources.pairs import examples, judged
from data_prep.sources.pairs.hub import hub_files
from data_prep.sources.pairs.inputs import Options, Split, splits_of
from data_prep.sources.pairs.layouts import AUTO, FORMATS
from hbt_jax.errors import InputError
from hbt_jax.languages import canonical


class Pairs(RowsBuilder):
    """Pairs of texts from files in the layouts of other tools.

    Args:
      input: files and folders; or ids of data sets of the hub.
      format: one of layouts.FORMATS.
      columns: EXPECTED=YOURS for each column whose name differs from the layout's.
      language: the code of every row; empty: columns say it.
      hub_split: the split of the data sets of the hub, which becomes the split `train`; empty: `input` is on this
        machine.
      **kwargs: as for SourceBuilder.
    """

    VERSION = tfds.core.Version("1.0.0")
    RELEASE_NOTES = {"1.0.0": "Layouts of tevatron, FlagEmbedding, sentence-transformers, BEIR and MS MARCO."}
    SCORES = True
    FLAG = "--input"

    def __init__(
        self,
        *,
        input: Sequence[str],  # the flag's name
        format: str = AUTO,
        columns: Sequence[str] = (),
        language: str = "",
        hub_split: str = "",
        **kwargs,
    ):
        if format not in FORMATS:
            raise InputError(f"--format={format}: expected one of {', '.join(FORMATS)}")
        self._given = {"format": format, "columns": ",".join(columns), "language": language, "hub_split": hub_split}
        self._options = Options(format, _renamed(columns), _code(language))
        super().__init__(input_dir=[input] if isinstance(input, str | os.PathLike) else list(input), **kwargs)

    def _found(self, input_dir: Sequence[str]) -> Mapping[str, Split]:
        split = self._given["hub_split"]
        paths = [Path(name) for name in input_dir]
        if split:
            paths = [path for name in input_dir for path in hub_files(str(name), split)]
        self.named = ",".join(map(str, input_dir))
        found, self.notes = splits_of(paths, self._options)
        given, code = self._given["language"], self._options.language
        if code != given:
            self.notes.append(f"--language={given}: counted as {code}, the same language")
        if split:  # whatever the names of the cache's files say
            every = found.values()
            found = {"train": Split(tuple(file for one in every for file in one.files))}
        return found

    def _settings(self) -> dict[str, str]:
        return dict(self._given)

    def _digests(self) -> dict[str, str]:
        paths = list(dict.fromkeys(path.resolve() for split in self._files.values() for path in split.paths))
        common = os.path.commonpath([path.parent for path in paths])
        return {path.relative_to(common).as_posix(): digest(path) for path in paths}

    def _info(self) -> tfds.core.DatasetInfo:
        info = super()._info()
        info.metadata["read"] = self.notes
        return info

    def read(self, files: Split) -> Iterator[Row | BadRow | Dropped]:
        """Yields the rows of a split."""
        with tempfile.TemporaryDirectory(dir=self.data_dir) as scratch:
            found = (example for file in files.files for example in file.examples())
            yield from examples.rows(found, Path(scratch))
        for folder in files.judged:
            with tempfile.TemporaryDirectory(dir=self.data_dir) as scratch:
                yield from judged.rows(folder, Path(scratch))


def _code(language: str) -> str:
    try:
        return canonical(language) if language else ""
    except InputError as error:
        raise InputError(f"--language={language}: {error}") from error


def _renamed(columns: Sequence[str]) -> dict[str, str]:
    """Name of a column in the files -> the name expected."""
    found: dict[str, str] = {}
    for one in columns:
        expected, _, yours = one.partition("=")
        if not expected or not yours or yours in found or expected in found.values():
            raise InputError(
                f"--columns={','.join(columns)}: expected EXPECTED=YOURS,..., each name once on its side, such as"
                " --columns=query=title,positive=body"
            )
        found[yours] = expected
    return found

"""Parallel text: one file per language, in which line n is the translation of line n; such as NTREX-128.

INPUT_DIR holds LANG.txt files, which form the split `train`; or subfolders train, validation, test of such files, or
some of these.  A line in all its languages is one item, both query and passage: a batch takes the query in one language
and the passage in another.  Languages whose line is blank are left out of the row, and so are lines left with fewer
than two languages; both are counted.
"""

import itertools
from collections.abc import Iterator, Sequence
from pathlib import Path

import tensorflow_datasets as tfds

from data_prep.builders.row import BadRow, Dropped, Respelled, Row, item_id, respelled
from data_prep.builders.rows import ONE_TEXT, RowsBuilder
from data_prep.builders.source_files import folders_by_split
from data_prep.reading.line_files import decoded, lines
from hbt_jax.errors import InputError
from hbt_jax.languages import by_language
from hbt_jax.text_identity import is_blank

BLANK = "blank lines, counted per language"
ALONE = "lines with text in only one language"


class Parallel(RowsBuilder):
    """Lines of text and their translations."""

    ALIKE = True
    VERSION = tfds.core.Version("1.1.0")
    RELEASE_NOTES = {"1.0.0": "A line is both query and passage.", "1.1.0": ONE_TEXT}
    FILES = "LANG.txt files, such as en.txt and de.txt, or folders of them named train, validation, test"

    @classmethod
    def find_files(cls, input_dir: Path) -> dict[str, Sequence[Path]]:
        """The files of each split, ordered by language code.

        Raises:
          InputError: there is none, a file is not named after a known language, two are of one language, or a split has
            one language only.
        """
        found = folders_by_split(input_dir, "*.txt", cls.FILES)
        for split, paths in found.items():
            _of_languages(paths)
            if len(paths) == 1:
                raise InputError(f"{paths[0]}: no other language in {split}: expected at least two LANG.txt files")
        return found

    def read(self, files: Sequence[Path]) -> Iterator[Row | BadRow | Dropped | Respelled]:
        """Yields a row for each line that two languages have; raises InputError if files differ in length."""
        lengths = _lengths(files)
        codes = _of_languages(files)
        yield from respelled({path.stem: lengths[path] for path in files})
        for translations in zip(*map(lines, files), strict=True):
            try:
                texts = {
                    code: written
                    for code, (place, line) in zip(codes, translations, strict=True)
                    if not is_blank(written := decoded(place, line).strip())
                }
            except BadRow as bad:
                yield bad
                continue
            if len(texts) < len(files):
                yield Dropped(BLANK, len(files) - len(texts))
            if len(texts) == 1:
                yield Dropped(ALONE)
            elif texts:
                yield Row(texts, texts, (), f"line {item_id(texts)}")


def _of_languages(files: Sequence[Path]) -> dict[str, Path]:
    """Language -> its file, in the order of the files."""
    named = "files are named after the language of their lines, such as en.txt"
    return by_language({path: path.stem for path in files}, named)


def _lengths(files: Sequence[Path]) -> dict[Path, int]:
    """File -> its lines; raises InputError if files differ."""
    counts = {path: sum(1 for _ in lines(path)) for path in files}
    for one, other in itertools.pairwise(files):
        if counts[one] != counts[other]:
            raise InputError(
                f"{one} has {counts[one]:,} lines and {other} has {counts[other]:,}: expected equally many, because"
                " line n of one is the translation of line n of the other; correct the files"
            )
    return counts

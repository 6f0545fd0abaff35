"""Pairs of words in two languages, as the early-layer study of arXiv 2506.15415 trains on.

INPUT_DIR holds .tsv files, which form the split `train`; or subfolders train, validation, test of such files, or some
of these.  The first line of a file has its two language codes, each further line a word and its translation:

    en      sw
    water   maji

A pair is one item, both query and passage: a batch takes the query in one language and the passage in the other.  Pairs
that share a word, directly or transitively, share a group, so that no translation of a word is a negative.
"""

import collections
from collections.abc import Iterator, Sequence
from pathlib import Path

import tensorflow_datasets as tfds

from data_prep.builders.row import BadRow, Dropped, Respelled, Row, identity, item_id, respelled
from data_prep.builders.rows import ONE_TEXT, RowsBuilder
from data_prep.builders.source_files import folders_by_split
from data_prep.reading.fields import text
from data_prep.reading.line_files import columns, lines
from hbt_jax import connected
from hbt_jax.errors import InputError
from hbt_jax.languages import canonical, is_known, same_language, unknown_language

TWICE = "repeated pairs"


class Wordpairs(RowsBuilder):
    """Words and their translations."""

    ALIKE = True
    VERSION = tfds.core.Version("1.1.0")
    RELEASE_NOTES = {"1.0.0": "A pair is both query and passage.", "1.1.0": ONE_TEXT}
    HOMEPAGE = "https://arxiv.org/abs/2506.15415"
    FILES = ".tsv files of two columns with the languages' codes in the first line, or folders of them named train, ..."

    @classmethod
    def find_files(cls, input_dir: Path) -> dict[str, Sequence[Path]]:
        """The files of each split, ordered by name; raises InputError if there are none."""
        return folders_by_split(input_dir, "*.tsv", cls.FILES)

    def read(self, files: Sequence[Path]) -> Iterator[Row | BadRow | Dropped | Respelled]:
        """Yields a row for each distinct pair; raises InputError for a file without its first line."""
        words: dict[str, dict[str, str]] = {}  # id of a pair -> the pair
        written: collections.Counter = collections.Counter()  # code in the files -> lines
        for path in files:
            codes: list[str] = []
            heads: list[str] = []
            for place, line in lines(path):
                if not codes:
                    heads = line.decode(errors="replace").split("\t")
                    codes = _codes(place, heads)
                    continue
                written.update(heads)
                try:
                    found = columns(place, line, codes)
                    pair = {code: text(place, code, word.strip()) for code, word in zip(codes, found, strict=True)}
                except BadRow as bad:
                    yield bad
                    continue
                if words.setdefault(item_id(pair), pair) is not pair:
                    yield Dropped(TWICE)
        yield from respelled(written)
        groups = connected.groups({name: identity(pair).items() for name, pair in words.items()})
        for name, pair in words.items():
            yield Row(pair, pair, (), f"words {groups[name]}")


def _codes(place: str, heads: Sequence[str]) -> list[str]:
    """The two languages of a file, from the columns of its first line."""
    unknown = [code for code in heads if not is_known(code)]
    if len(heads) == 2 and any(map(same_language, unknown)):
        raise InputError(f"{place}: {unknown_language(next(filter(same_language, unknown)))}")
    codes = [canonical(code) for code in heads if is_known(code)]
    if len(heads) != 2 or len(set(codes)) != 2:
        tab = "\t"
        raise InputError(
            f"{place}: the first line is {tab.join(heads)[:60]!r}: expected two different codes of languages, such as"
            " en and de, with a tab between them"
        )
    return codes

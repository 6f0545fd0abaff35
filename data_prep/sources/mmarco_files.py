"""Finds the files of mMARCO in a folder, by language and split."""

import dataclasses
from collections.abc import Sequence
from pathlib import Path

from data_prep.builders.source_files import no_data
from hbt_jax.errors import InputError
from hbt_jax.languages import unknown_language

_BY_NAME = {
    "arabic": "ar", "german": "de", "english": "en", "spanish": "es", "french": "fr", "hindi": "hi", "indonesian": "id",
    "italian": "it", "japanese": "ja", "dutch": "nl", "portuguese": "pt", "russian": "ru", "vietnamese": "vi",
    "chinese": "zh",
}  # fmt: skip
CODES = tuple(_BY_NAME.values())
_PACKED = ("", ".gz")
_COLLECTION = "_collection.tsv"
# Split -> the possible names of its pairs, best first, each with the names of its queries.
_SPLITS = {
    "train": {"triples.train.ids.small.tsv": ("train",)},
    "validation": {"qrels.dev.small.tsv": ("dev.small", "dev"), "qrels.dev.tsv": ("dev",)},
}


@dataclasses.dataclass(frozen=True)
class TextFile:
    """A file of ids and texts.

    Attributes:
      side: queries or passages.
      language: code.
    """

    path: Path
    side: str
    language: str


def find(input_dir: Path, expected: str) -> dict[str, tuple[Path, ...]]:
    """The files of each split: its pairs, then the collections, then the queries, both by language.

    Args:
      input_dir: the folder; files may be in subfolders, such as the published collections and queries/train.
      expected: what the folder should hold, for the message.

    Raises:
      InputError: no pairs of any split, an unknown language, a language without a collection or without queries, or
        two files with the same name.
    """
    named = _named(input_dir)
    collections = _by_language(named, _COLLECTION)
    found = {}
    for split, choices in _SPLITS.items():
        pairs = next((name for name in choices if name in named), None)
        if pairs is not None:
            queries: dict[str, Path] = {}
            for part in reversed(choices[pairs]):
                queries |= _by_language(named, f"_queries.{part}.tsv")
            _check_whole(input_dir, split, collections, queries, choices[pairs][0])
            found[split] = (named[pairs], *collections.values(), *(queries[name] for name in collections))
    if not found:
        raise no_data(input_dir, expected)
    return found


def texts_of(files: Sequence[Path]) -> list[TextFile]:
    """The collections and queries among the files of a split."""
    return [
        TextFile(path, "passages" if "_collection." in path.name else "queries", _BY_NAME[path.name.partition("_")[0]])
        for path in files[1:]
    ]


def _named(input_dir: Path) -> dict[str, Path]:
    """The files of pairs and texts, by name without .gz; other files, such as official runs, are ignored."""
    pairs = {name for choices in _SPLITS.values() for name in choices}
    named: dict[str, Path] = {}
    for path in sorted(path for suffix in _PACKED for path in input_dir.rglob(f"*.tsv{suffix}")):
        name = path.name.removesuffix(".gz")
        if name not in pairs and not name.endswith(_COLLECTION) and "_queries." not in name:
            continue
        if name in named:
            raise InputError(f"both {path} and {named[name]} exist: expected one of them; remove the other")
        named[name] = path
    return named


def _by_language(named: dict[str, Path], ending: str) -> dict[str, Path]:
    found = {name.removesuffix(ending): path for name, path in named.items() if name.endswith(ending)}
    for name, path in found.items():
        if name not in _BY_NAME:
            expected = f"expected one of {' '.join(_BY_NAME)}; remove it"
            raise InputError(f"{path}: {unknown_language(name, expected, _BY_NAME)}")
    return found


def _check_whole(input_dir: Path, split: str, collections: dict, queries: dict, part: str) -> None:
    for name in sorted(collections.keys() ^ queries.keys()):
        have, lack = f"{name}{_COLLECTION}", f"{name}_queries.{part}.tsv"
        if name in queries:
            have, lack = queries[name].name, have
        raise InputError(
            f"--input_dir={input_dir} holds {have} but not {lack}: expected both for each language of {split}; add the"
            " missing file or remove the other"
        )
    if not collections:
        raise InputError(
            f"--input_dir={input_dir} holds pairs of {split} but no texts: expected {{language}}_collection.tsv and"
            f" {{language}}_queries.{part}.tsv of at least one of {' '.join(_BY_NAME)}"
        )

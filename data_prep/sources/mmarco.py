"""mMARCO: the questions and passages of MS MARCO, translated into 13 languages.

INPUT_DIR holds, directly or in subfolders as published, plain or .gz:

    LANGUAGE_collection.tsv         pid, passage; LANGUAGE is english, german and so on
    LANGUAGE_queries.train.tsv      qid, question
    triples.train.ids.small.tsv     qid, pid of a passage that answers it, pid of one that does not: the split `train`
    LANGUAGE_queries.dev.small.tsv  or LANGUAGE_queries.dev.tsv, and
    qrels.dev.small.tsv             or, if it is missing, qrels.dev.tsv: qid, 0, pid, 1; the split `validation`

A split is made if its triples or judgements exist, in every language that has a collection; a language with only a
collection or only queries is an error.  An id is one item, with its texts in all these languages.  A triple is a pair
with a hard negative; the pairs of a query share a group.  Texts that no pair names are left out and counted.

To make a table, the collections and queries are read for their ids, the triples for the ids they name; then the
texts or the triples are read again for the records.  Memory holds one bit per id.  A malformed line is reported once,
by `ids_in` or `named_in`; the functions that read the file again skip it.
"""

from collections.abc import Callable, Iterable, Iterator, Sequence
from pathlib import Path

import tensorflow_datasets as tfds

from data_prep.builders.flow import Flow
from data_prep.builders.keys import number_key
from data_prep.builders.large import LargeBuilder
from data_prep.builders.row import BadRow, Dropped
from data_prep.reading.line_files import columns, lines
from data_prep.sources import mmarco_files
from data_prep.sources.mmarco_files import CODES, TextFile

EMPTY = "empty texts, counted per language"
NOT_RELEVANT = "judgements of passages that are not relevant"
NOT_NAMED = {side: f"{side} that no pair names" for side in ("queries", "passages")}
_ID = {"queries": "qid", "passages": "pid"}
_TRIPLE = ("qid", "positive pid", "negative pid")
_JUDGEMENT = ("qid", "0", "pid", "relevance")

_BITS = 16  # of a number within its block in an IdSet


class IdSet:
    """A set of whole numbers from 0, one bit each: 8 KiB per block of 65,536 neighbours with a member.

    Worked example:

        ids = IdSet()
        ids.add(7), ids.add(7), 7 in ids, len(ids)   ->   True, False, True, 1
    """

    def __init__(self):
        self._blocks: dict[int, bytearray] = {}

    def add(self, number: int) -> bool:
        """Adds a number; returns whether it is new."""
        block = self._blocks.get(number >> _BITS)
        if block is None:
            block = self._blocks[number >> _BITS] = bytearray(1 << _BITS - 3)
        byte, bit = number >> 3 & 0x1FFF, 1 << (number & 7)
        if block[byte] & bit:
            return False
        block[byte] |= bit
        return True

    def __contains__(self, number: int) -> bool:
        block = self._blocks.get(number >> _BITS)
        return block is not None and bool(block[number >> 3 & 0x1FFF] >> (number & 7) & 1)

    def __len__(self) -> int:
        return sum(int.from_bytes(block, "little").bit_count() for block in self._blocks.values())

    def __ior__(self, other: "IdSet") -> "IdSet":
        for high, block in other._blocks.items():
            mine = self._blocks.get(high)
            both = int.from_bytes(block, "little") | int.from_bytes(mine or b"", "little")
            self._blocks[high] = bytearray(both.to_bytes(len(block), "little"))
        return self


Ids = dict[str, IdSet]  # side -> ids


def merged(found: Iterable[Ids]) -> Ids:
    """The union of the ids of several files."""
    both: Ids = {side: IdSet() for side in _ID}
    for ids in found:
        for side, numbers in ids.items():
            both[side] |= numbers
    return both


def ids_in(file: TextFile) -> Iterator[Ids | BadRow | Dropped]:
    """Yields the set of the ids that have a text in the file."""
    seen = IdSet()
    empty = 0
    for place, line in lines(file.path):
        try:
            number, text = _text(place, line, file)
        except BadRow as bad:
            yield bad
            continue
        if not text:
            empty += 1
        elif not seen.add(number):
            yield BadRow(f"{place}: {_ID[file.side]} {number} is on an earlier line too: expected each id once")
    if empty:
        yield Dropped(EMPTY, empty)
    yield {file.side: seen}


def texts_in(file: TextFile, named: Ids) -> Iterator[tuple[int, dict]]:
    """Yields the records of the file's texts that a pair names."""
    wanted, seen, language = named[file.side], IdSet(), CODES.index(file.language)
    for place, line in lines(file.path):
        try:
            number, text = _text(place, line, file)
        except BadRow:
            continue
        if text and number in wanted and seen.add(number):
            yield (
                number_key(number * len(CODES) + language),
                {"id": str(number), "language": file.language, "text": text},
            )


def named_in(path: Path, known: Ids) -> Iterator[Ids | BadRow | Dropped]:
    """Yields the set of the ids that the pairs of the file name."""
    named = merged([])
    unjudged = 0
    for found in _pairs(path, known):
        if isinstance(found, BadRow):
            yield found
        elif found is None:
            unjudged += 1
        else:
            named["queries"].add(found[1])
            for passage in found[2:]:
                named["passages"].add(passage)
    if unjudged:
        yield Dropped(NOT_RELEVANT, unjudged)
    yield named


def not_named(_: None, known: Ids, named: Ids) -> Iterator[Dropped]:
    """Yields the number of items of each side that no pair names."""
    for side, reason in NOT_NAMED.items():
        if count := len(known[side]) - len(named[side]):
            yield Dropped(reason, count)


def pairs_in(path: Path, known: Ids) -> Iterator[tuple[int, dict]]:
    """Yields the record of each pair of the file."""
    for found in _pairs(path, known):
        if isinstance(found, tuple):
            number, query, passage, *negatives = found
            yield (
                number_key(number),
                {
                    "query": str(query),
                    "passage": str(passage),
                    "group": str(query),
                    "negatives": [str(negative) for negative in negatives],
                },
            )


def _pairs(path: Path, known: Ids) -> Iterator[tuple[int, ...] | BadRow | None]:
    """Yields (line number, query, passage, negatives) of each line, or None if the passage is not relevant."""
    triples = path.name.startswith("triples.")
    for number, (place, line) in enumerate(lines(path)):
        try:
            ids = _triple(place, line) if triples else _judged(place, line)
            if ids is not None:
                _check_known(place, ids, known)
        except BadRow as bad:
            yield bad
            continue
        yield None if ids is None else (number, *ids)


def _triple(place: str, line: bytes) -> tuple[int, int, int]:
    written = columns(place, line, _TRIPLE)
    query, passage, negative = map(_number, [place] * 3, _TRIPLE, written)
    if passage == negative:
        raise BadRow(f"{place}: passage {passage} is both positive and negative: expected two passages")
    return query, passage, negative


def _judged(place: str, line: bytes) -> tuple[int, int] | None:
    query, _, passage, relevance = columns(place, line, _JUDGEMENT, None)
    ids = _number(place, "qid", query), _number(place, "pid", passage)
    return ids if _number(place, "relevance", relevance) else None


def _check_known(place: str, ids: tuple[int, ...], known: Ids) -> None:
    query, *passages = ids
    if query not in known["queries"]:
        raise BadRow(f"{place}: no query {query} in any language: expected a qid of the queries")
    for passage in passages:
        if passage not in known["passages"]:
            raise BadRow(f"{place}: no passage {passage} in any language: expected a pid of the collections")


def _text(place: str, line: bytes, file: TextFile) -> tuple[int, str]:
    name = _ID[file.side]
    written, text = columns(place, line, (name, "text"))
    return _number(place, name, written), text.strip()


def _number(place: str, name: str, written: str) -> int:
    if not (written.isascii() and written.isdecimal() and len(written) < 16):
        raise BadRow(f"{place}: {name} is {written[:60]!r}: expected a whole number from 0")
    return int(written)


class Mmarco(LargeBuilder):
    """The questions and passages of MS MARCO in 14 languages."""

    VERSION = tfds.core.Version("1.0.0")
    RELEASE_NOTES = {"1.0.0": "A triple is a pair with a hard negative."}
    HOMEPAGE = "https://huggingface.co/datasets/unicamp-dl/mmarco"
    LICENSE = "Apache-2.0; MS MARCO: non-commercial research only"
    CITATION = """@misc{bonifacio2021mmarco,
  title = {mMARCO: A Multilingual Version of the MS MARCO Passage Ranking Dataset},
  author = {Bonifacio, Luiz and Jeronymo, Vitor and Abonizio, Hugo Queiroz and Campiotti, Israel and
            Fadaee, Marzieh and Lotufo, Roberto and Nogueira, Rodrigo},
  year = {2021}, eprint = {2108.13897}, archivePrefix = {arXiv}}"""
    FILES = (
        "triples.train.ids.small.tsv with german_collection.tsv, german_queries.train.tsv and so on, or"
        f" qrels.dev.small.tsv with german_queries.dev.small.tsv and so on, from {HOMEPAGE}/tree/main/data"
    )

    @classmethod
    def find_files(cls, input_dir: Path) -> dict[str, Sequence[Path]]:
        """See data_prep/sources/mmarco_files.py."""
        return mmarco_files.find(input_dir, cls.FILES)

    def records(self, start: Callable[[Sequence], Flow], split: str, files: Sequence[Path]) -> Flow:
        """The records, keyed by line number (pairs) or id (texts)."""
        pairs, texts = files[0], mmarco_files.texts_of(files)
        known = start(texts).each(ids_in).total(merged)
        named = start([pairs]).each(named_in, known).total(merged)
        start([None]).each(not_named, known, named).done()
        table = self.builder_config.name
        if table == "pairs":
            return start([pairs]).each(pairs_in, known)
        return start([file for file in texts if file.side == table]).each(texts_in, named)

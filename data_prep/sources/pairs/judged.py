"""Folders of texts by id and judgements: BEIR's layout, and that of MS MARCO.

    beir      corpus.jsonl {"_id", "title", "text"}, queries.jsonl {"_id", "text"}, qrels/{train,dev,test}.tsv with the
              columns query-id, corpus-id, score
    msmarco   collection.tsv (id, text), queries.*.tsv (id, text), and qrels.*.tsv (query id, 0, passage id, grade) or
              triples of ids: triples*.tsv or qidpidtriples*.tsv (query id, positive id, negative id)

Files may be .gz.  In qrels, each query and passage with a grade above 0 is a row; passages with other grades are its
negatives.  In triples, each line is a row.  Texts and ids are kept on disk.
"""

import collections
import contextlib
import dataclasses
import itertools
import math
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path

from data_prep.builders.row import BadRow, Dropped, Respelled, Row, item_id, respelled
from data_prep.reading.fields import language, text
from data_prep.reading.line_files import decoded, lines
from data_prep.scratch.id_index import IdIndex
from data_prep.scratch.sorted_groups import sorted_groups
from data_prep.sources.pairs.examples import OWN, other_text, without_own
from data_prep.sources.pairs.layouts import document_text
from data_prep.sources.pairs.record_files import records
from data_prep.sources.pairs.texts_by_id import TextsById
from data_prep.store.encoding import ids

NOT_RELEVANT = "queries without a passage judged relevant"
AGAIN = "judgements that repeat an earlier one"
_BATCH = 1024  # texts or judgements in memory
_QRELS, _TRIPLES = ("query-id", "corpus-id", "score"), ("query id", "positive id", "negative id")


@dataclasses.dataclass(frozen=True)
class Judged:
    """The files of one split of a folder.

    Attributes:
      corpus, queries: their texts by id.
      judgements: qrels, or triples.
      triples: whether they are triples.
      renamed: columns of the texts in JSON lines, name in the file -> name expected.
      language: the code of every text; empty: each has `language`.
    """

    corpus: tuple[Path, ...]
    queries: tuple[Path, ...]
    judgements: tuple[Path, ...]
    triples: bool
    renamed: Mapping[str, str]
    language: str


def rows(judged: Judged, scratch: Path) -> Iterator[Row | BadRow | Dropped | Respelled]:
    """Yields the rows of a split; see the module's docstring.

    Args:
      judged: the files.
      scratch: existing, empty folder for texts and ids.
    """
    with (
        contextlib.closing(_Texts(judged, scratch, "queries")) as queries,
        contextlib.closing(_Texts(judged, scratch, "corpus")) as corpus,
    ):
        wanted = [IdIndex(scratch, f"wanted-{side}") for side in ("queries", "corpus")]
        for batch in _batches(line for line in _judgements(judged) if not isinstance(line, BadRow)):
            wanted[0].add(ids([query for _, query, _, _ in batch]))
            wanted[1].add(ids([name for _, _, passages, _ in batch for name in passages]))
        for side, index in zip((queries, corpus), wanted, strict=True):
            yield from side.read(index)
        yield from respelled(queries.written + corpus.written)
        yield from (_from_triples if judged.triples else _from_grades)(judged, queries, corpus, scratch)


class _Texts:
    """The texts of one side that judgements name, with their languages."""

    def __init__(self, judged: Judged, scratch: Path, side: str):
        self._judged, self._side, self._texts = judged, side, TextsById(scratch, side)
        self.written: collections.Counter[str] = collections.Counter()  # code in the files -> its texts

    def close(self) -> None:
        self._texts.close()

    def read(self, wanted: IdIndex) -> Iterator[BadRow]:
        """Reads the files and keeps the texts whose ids are wanted; yields what cannot be used."""
        for batch in _batches(self._read_each()):
            yield from (one for one in batch if isinstance(one, BadRow))
            good = [one for one in batch if not isinstance(one, BadRow)]
            places, names, texts = zip(*good, strict=True) if good else ((), (), ())
            kept = wanted.find(ids(names)) >= 0 if names else []
            for place, name, earlier in zip(places, names, self._texts.add(names, texts, places, kept), strict=True):
                if earlier:
                    yield BadRow(f"{place}: id {name!r} has another text than in {other_text(earlier)}")

    def find(self, places: list[str], names: list[str]) -> list[int | BadRow]:
        """The number of each id, or the BadRow for an unknown one."""
        files = " and ".join(path.name for path in getattr(self._judged, self._side))
        return [
            number if number >= 0 else BadRow(f"{place}: no id {name!r} in {files}: expected the id of a text there")
            for place, name, number in zip(places, names, self._texts.find(names).tolist(), strict=True)
        ]

    def __getitem__(self, number: int) -> dict[str, str]:
        """{language: text} of an id."""
        code, _, written = self._texts.text(number).partition("\n")
        return {code: written}

    def _read_each(self) -> Iterator[tuple[str, str, str] | BadRow]:
        """Yields (place, id, code, a line end, and text)."""
        judged = self._judged
        for path in getattr(judged, self._side):
            headless = ("_id", "text") if path.name.partition(".gz")[0].endswith(".tsv") else ()
            for row in records(path, judged.renamed, headless):
                if isinstance(row, BadRow):
                    yield row
                    continue
                place, record = row
                try:
                    name = text(place, "_id", record.get("_id"))
                    code = judged.language or self._language(place, record)
                    yield place, name, f"{code}\n{document_text(place, 'row', record)}"
                except BadRow as bad:
                    yield bad

    def _language(self, place: str, record: Mapping) -> str:
        written = record.get("language")
        if written is None:
            raise BadRow(f"{place}: no 'language': give the language of all texts by --language, such as --language=en")
        code = language(place, "language", written)
        self.written[written] += 1
        return code


def _judgements(judged: Judged) -> Iterator[tuple[str, str, tuple[str, ...], float] | BadRow]:
    """Yields (place, query id, passage ids, grade); of triples the second passage is the negative."""
    for path in judged.judgements:
        for number, (place, line) in enumerate(lines(path)):
            try:
                cells = _cells(decoded(place, line))
                if not cells:
                    continue
                if not number and tuple(cells) == _QRELS:
                    continue
                yield place, *(_triple(place, cells) if judged.triples else _grade(place, cells))
            except BadRow as bad:
                yield bad


def _cells(line: str) -> list[str]:
    """The cells between tabs, or between white space in a line without tabs; none of a blank line."""
    line = line.rstrip()
    return [cell.strip() for cell in line.split("\t")] if "\t" in line.lstrip() else line.split()


def _triple(place: str, cells: list[str]) -> tuple[str, tuple[str, str], float]:
    if len(cells) != 3:
        raise BadRow(f"{place}: {len(cells)} columns: expected 3, {', '.join(_TRIPLES)}")
    return cells[0], (cells[1], cells[2]), 1.0


def _grade(place: str, cells: list[str]) -> tuple[str, tuple[str], float]:
    if len(cells) not in (3, 4):
        raise BadRow(f"{place}: {len(cells)} columns: expected 3, {', '.join(_QRELS)}, or 4 as in TREC's qrels")
    try:
        grade = float(cells[-1])
    except ValueError:
        grade = math.nan
    if not math.isfinite(grade):
        raise BadRow(f"{place}: the grade is {cells[-1]!r}: expected a finite number")
    return cells[0], (cells[-2],), grade


def _from_triples(judged: Judged, queries: _Texts, corpus: _Texts, scratch: Path) -> Iterator[Row | BadRow | Dropped]:
    del scratch
    for judgement in _numbered(judged, queries, corpus):
        if isinstance(judgement, BadRow):
            yield judgement
            continue
        (query, positive, negative), _ = judgement
        asked, answer = queries[query], corpus[positive]
        others = without_own([corpus[negative]], [answer], item_id)
        if not others:
            yield Dropped(OWN)
        yield Row(asked, answer, tuple(others), f"query {item_id(asked)}")


def _from_grades(judged: Judged, queries: _Texts, corpus: _Texts, scratch: Path) -> Iterator[Row | BadRow | Dropped]:
    wrong: list[BadRow] = []

    def graded() -> Iterator[tuple[int, tuple[int, float]]]:
        for judgement in _numbered(judged, queries, corpus):
            if isinstance(judgement, BadRow):
                wrong.append(judgement)
            else:
                (query, passage), grade = judgement
                yield query, (passage, grade)

    for query, found in sorted_groups(graded(), scratch):
        yield from wrong
        wrong.clear()
        grades: dict[int, float] = {}
        for number, grade in found:
            grades.setdefault(number, grade)
        if len(grades) < len(found):
            yield Dropped(AGAIN, len(found) - len(grades))
        relevant = [number for number, grade in grades.items() if grade > 0]
        if not relevant:
            yield Dropped(NOT_RELEVANT)
        asked = queries[query]
        answers = [corpus[number] for number in relevant]
        judged_wrong = [corpus[number] for number, grade in grades.items() if grade <= 0]
        negatives = without_own(judged_wrong, answers, item_id)
        if len(negatives) < len(judged_wrong) and relevant:
            yield Dropped(OWN, len(judged_wrong) - len(negatives))
        for answer in answers:
            yield Row(asked, answer, tuple(negatives), f"query {item_id(asked)}")
    yield from wrong


def _numbered(judged: Judged, queries: _Texts, corpus: _Texts) -> Iterator[tuple[tuple[int, ...], float] | BadRow]:
    """Yields (numbers of the query and the passages, grade), and a BadRow in place of what cannot be used."""
    for batch in _batches(_judgements(judged)):
        good = [one for one in batch if not isinstance(one, BadRow)]
        asked = queries.find([one[0] for one in good], [one[1] for one in good])
        listed = [(one[0], name) for one in good for name in one[2]]
        answers = iter(corpus.find([place for place, _ in listed], [name for _, name in listed]))
        numbers = ((one, query, [next(answers) for _ in one[2]]) for one, query in zip(good, asked, strict=True))
        for one in batch:
            if isinstance(one, BadRow):
                yield one
                continue
            (_, _, _, grade), query, passages = next(numbers)
            found = (query, *passages)
            yield next((number for number in found if isinstance(number, BadRow)), (found, grade))


def _batches(values: Iterable) -> Iterator[list]:
    iterator = iter(values)
    while batch := list(itertools.islice(iterator, _BATCH)):
        yield batch

"""The layouts of training rows that other tools use, recognised by their columns, and how a row of each is read.

    tevatron                query_id, query, positive_passages, negative_passages: passages {"docid", "title", "text"}
    flagembedding           query, pos, neg: lists of texts; pos_scores, neg_scores: a teacher's, one for each text
    sentence-transformers   anchor (or query, question), positive (or answer, passage, document), negative or
                            negative_1, negative_2 ...; score: a teacher's score of the pair; or a list of scores, of
                            the positive and of each negative; or, with one negative, the margin between the two,
                            which is stored as the positive's score, with 0 for the negative

Any of them may have a column `language` (or `lang`), or `query_language` and `passage_language`; the last two layouts
may have `id` or `query_id`.  The title of a passage is put before its text.
"""

import dataclasses
import math
import re
from collections.abc import Callable, Mapping, Sequence

from data_prep.builders.row import BadRow, titled
from data_prep.reading.fields import language, shown, text
from hbt_jax.errors import InputError
from hbt_jax.text_identity import is_blank

TEVATRON, FLAGEMBEDDING, SENTENCE_TRANSFORMERS = "tevatron", "flagembedding", "sentence-transformers"
AUTO, BEIR, MSMARCO = "auto", "beir", "msmarco"  # the last two are folders, see judged.py; or files without a header
FORMATS = (AUTO, TEVATRON, FLAGEMBEDDING, SENTENCE_TRANSFORMERS, BEIR, MSMARCO)
LANGUAGES = ("language", "lang", "query_language", "passage_language")
_IDS = ("query_id", "id")
_ASKED = ("anchor", "query", "question")
_ANSWERS = ("positive", "answer", "passage", "document")
_NEGATIVE = re.compile(r"(?:hard_)?negatives?(?:_?(\d{1,9}))?")
_LISTED = ("neg", "negative_passages")  # columns of all negatives
_SCORES = ("score", "scores")
_SCORED = (*_SCORES, "pos_scores", "neg_scores")
_LABELS = ("label", "labels")


@dataclasses.dataclass(frozen=True)
class Passage:
    """A passage of an example: its text, the file's id of it or "", and a teacher's score or None."""

    text: str
    id: str = ""
    score: float | None = None


@dataclasses.dataclass(frozen=True)
class Example:
    """One row of a file: a query, passages that answer it, and passages that do not.

    Attributes:
      place: FILE:LINE or FILE: row NUMBER.
      query, query_id: the text, and the file's id of it or "".
      languages: codes of the query and of the passages.
      written: the codes in the file; empty if --language says it.
      positives, negatives: the passages.
      nulls: columns of negatives that hold null, or in CSV and TSV an empty cell.
    """

    place: str
    query: str
    query_id: str
    languages: tuple[str, str]
    written: tuple[str, ...]
    positives: tuple[Passage, ...]
    negatives: tuple[Passage, ...]
    nulls: int = 0


@dataclasses.dataclass(frozen=True)
class FileLayout:
    """How the rows of one file are read.

    Attributes:
      name: of the layout.
      used: the columns that are read.
      language: the code of every row; empty: columns say it.
    """

    name: str
    used: tuple[str, ...]
    language: str

    def read(self, place: str, record: Mapping) -> Example:
        """The example in a record; raises BadRow for one that cannot be used."""
        return _READERS[self.name](self, place, record)

    def example(
        self, place: str, record: Mapping, asked: str, positives: Sequence[Passage], negatives: Sequence[Passage]
    ) -> Example:
        """An example whose query is in the column `asked`."""
        key = next((name for name in _IDS if name in self.used), "")
        query_id = _id(place, key, record.get(key)) if key else ""
        query = text(place, asked, _needed(place, record, asked))
        written = {name: _needed(place, record, name) for name in LANGUAGES if name in self.used}
        codes = [language(place, name, code) for name, code in written.items()] or [self.language]
        languages = codes[0], codes[-1]  # one column is for both sides
        nulls = sum(_of_negatives(name) and record.get(name) is None for name in self.used)
        sides = tuple(positives), tuple(negatives)
        return Example(place, query, query_id, languages, (*written.values(),), *sides, nulls)


def empty_cells_as_null(record: Mapping[str, str]) -> dict[str, str | None]:
    """A row of a CSV or TSV file with null for an empty negative or score, since such files cannot hold null.

    >>> empty_cells_as_null({"query": "", "negative": ""})
    {'query': '', 'negative': None}
    """
    return {
        name: None if value == "" and (_of_negatives(name) or name in _SCORED) else value
        for name, value in record.items()
    }


def _of_negatives(name: str) -> bool:
    return name in _LISTED or bool(_NEGATIVE.fullmatch(name))


def layout_of(place: str, columns: Sequence[str], wanted: str, code: str) -> FileLayout:
    """The layout of a file with these columns.

    Args:
      place: the file, for messages.
      columns: its columns.
      wanted: name of the layout that the file must have; empty: whichever fits.
      code: the language of every row; empty: columns say it.

    Raises:
      InputError: no layout fits, or two columns have the same role or name; the message lists the columns.
    """
    for name in columns:
        if columns.count(name) > 1:
            raise InputError(f"{place}: two columns are called {name!r}: give each column a name of its own")
    found = f"{place}: the columns are {', '.join(map(repr, columns))}"
    for name in [wanted] if wanted else _NEEDED:
        used = _USED[name](found, columns)
        if used is not None:
            return FileLayout(name, used + _language_columns(found, columns, code), code)
    expected = "; ".join(f"{_NEEDED[name]} ({name})" for name in ([wanted] if wanted else _NEEDED))
    raise InputError(
        f"{found}: expected {expected}: name yours by --columns=EXPECTED=YOURS,..., such as --columns=positive=reply"
    )


def _tevatron_columns(found: str, columns: Sequence[str]) -> tuple[str, ...] | None:
    del found
    needed = ("query_id", "query", "positive_passages")
    return _with_optional(needed, ("negative_passages",), columns)


def _flagembedding_columns(found: str, columns: Sequence[str]) -> tuple[str, ...] | None:
    del found
    return _with_optional(("query", "pos"), ("neg", "pos_scores", "neg_scores", *_id_column(columns)), columns)


def _sentence_transformers_columns(found: str, columns: Sequence[str]) -> tuple[str, ...] | None:
    asked = [name for name in _ASKED if name in columns]
    answers = [name for name in _ANSWERS if name in columns]
    if not asked or not answers:
        return None
    scores = [name for name in _SCORES if name in columns]
    for names in (asked, answers, scores):
        if len(names) > 1:
            raise InputError(
                f"{found}: {' and '.join(names)} could each be meant: rename those that are not, or name the right one"
                f" by --columns={names[0]}=NAME"
            )
    labels = [name for name in _LABELS if name in columns]
    if labels and not scores:
        raise InputError(
            f"{found}: {labels[0]} may mark rows that are no pairs: leave such rows and this column out of the file, or"
            f" write --columns=score={labels[0]} if it holds a teacher's scores"
        )
    negatives = sorted(filter(_NEGATIVE.fullmatch, columns), key=lambda name: int(_NEGATIVE.fullmatch(name)[1] or 0))
    return (asked[0], answers[0], *negatives, *scores, *_id_column(columns))


def _id_column(columns: Sequence[str]) -> tuple[str, ...]:
    return tuple(name for name in _IDS if name in columns)[:1]


def _with_optional(needed: Sequence[str], optional: Sequence[str], columns: Sequence[str]) -> tuple[str, ...] | None:
    if not set(needed) <= set(columns):
        return None
    return (*needed, *(name for name in optional if name in columns))


def _language_columns(found: str, columns: Sequence[str], code: str) -> tuple[str, ...]:
    if code:
        return ()
    one = [name for name in LANGUAGES[:2] if name in columns]
    sides = [name for name in LANGUAGES[2:] if name in columns]
    if len(sides) == 2 and not one:
        return tuple(sides)
    if len(one) == 1 and not sides:
        return tuple(one)
    raise InputError(
        f"{found}: {'none of them says the language' if not one + sides else 'the language is not clear'}: give"
        " --language=CODE, or a column `language`, or the two columns `query_language` and `passage_language`"
        " (--columns=language=YOURS)"
    )


def _tevatron(layout: FileLayout, place: str, record: Mapping) -> Example:
    positives = _documents(place, "positive_passages", _needed(place, record, "positive_passages"))
    if not positives:
        raise BadRow(f"{place}: positive_passages is empty: expected at least one passage")
    negatives = _documents(place, "negative_passages", record.get("negative_passages"))
    return layout.example(place, record, "query", positives, negatives)


def _documents(place: str, name: str, value: object) -> list[Passage]:
    if isinstance(value, Mapping):  # a list of objects, as older versions of `datasets` store it
        if not all(isinstance(one, list) for one in value.values()) or len({*map(len, value.values())}) > 1:
            raise BadRow(f"{place}: {name} is {shown(value)}: expected a list, or an object of lists of one length")
        value = [dict(zip(value, one, strict=True)) for one in zip(*value.values(), strict=True)]
    found = []
    for index, document in enumerate(_listed(place, name, value)):
        at = f"{name}[{index}]"
        if not isinstance(document, Mapping) or "text" not in document:
            raise BadRow(f"{place}: {at} is {shown(document)}: expected an object with docid, title and text")
        found.append(Passage(document_text(place, at, document), _id(place, f"{at}.docid", document.get("docid"))))
    return found


def document_text(place: str, name: str, document: Mapping) -> str:
    """The text of a passage with its title, one of which may be empty; raises BadRow for a wrong one.

    A title may be null: Parquet files, and JSON made from them, have null where a row lacks a title.
    """
    title, body = document.get("title"), document.get("text")
    title = "" if title is None else title
    for key, value in (("title", title), ("text", body)):
        if not isinstance(value, str):
            raise BadRow(f"{place}: {name}.{key} is {shown(value)}: expected a string")
    if is_blank(body):
        return text(place, name, title)
    return text(place, name, titled(title, body))


def _flagembedding(layout: FileLayout, place: str, record: Mapping) -> Example:
    if not _needed(place, record, "pos"):
        raise BadRow(f"{place}: pos is empty: expected at least one text")
    positives, negatives = (_scored(layout, place, record, name) for name in ("pos", "neg"))
    return layout.example(place, record, "query", positives, negatives)


def _scored(layout: FileLayout, place: str, record: Mapping, name: str) -> list[Passage]:
    """The texts of one side, with their scores if there are any."""
    listed = record.get(name)
    texts = _texts(place, name, [listed] if isinstance(listed, str) else listed)
    scores = record.get(f"{name}_scores") if f"{name}_scores" in layout.used else None
    if scores is None:
        return [Passage(one) for one in texts]
    scores = _numbers(place, f"{name}_scores", _listed(place, f"{name}_scores", scores))
    if len(scores) != len(texts):
        raise BadRow(f"{place}: {name}_scores has {len(scores)} numbers: expected {len(texts)}, one for each of {name}")
    return [Passage(one, score=score) for one, score in zip(texts, scores, strict=True)]


def _sentence_transformers(layout: FileLayout, place: str, record: Mapping) -> Example:
    asked, answer = layout.used[:2]
    positive, negatives = text(place, answer, _needed(place, record, answer)), []
    for name in filter(_NEGATIVE.fullmatch, layout.used):
        value = record.get(name)
        negatives += _texts(place, name, [value] if isinstance(value, str) else value)
    score = next((name for name in _SCORES if name in layout.used), "")
    scores = _pair_scores(place, score, record.get(score), len(negatives)) if score else []
    padded = [*scores, *[None] * (1 + len(negatives) - len(scores))]
    passages = [Passage(one, score=value) for one, value in zip([positive, *negatives], padded, strict=True)]
    return layout.example(place, record, asked, passages[:1], passages[1:])


def _pair_scores(place: str, name: str, value: object, negatives: int) -> list[float]:
    """Scores of the positive and of each negative; of a row without a score none."""
    if value is None:
        return []
    if isinstance(value, list):
        scores = _numbers(place, name, value)
        if len(scores) != 1 + negatives:
            raise BadRow(
                f"{place}: {name} has {len(scores)} numbers: expected {1 + negatives}, of the positive and of each"
                " negative"
            )
        return scores
    if negatives > 1:
        raise BadRow(f"{place}: {name} is {shown(value)} beside {negatives} negatives: expected a list of numbers")
    return [*_numbers(place, name, [value]), *[0.0] * negatives]


def _needed(place: str, record: Mapping, name: str) -> object:
    if name not in record:
        raise BadRow(f"{place}: missing {name!r}: the row has {', '.join(map(repr, record))}")
    return record[name]


def _listed(place: str, name: str, value: object, expected: str = "a list") -> list:
    if value is None:
        return []
    if not isinstance(value, list):
        raise BadRow(f"{place}: {name} is {shown(value)}: expected {expected}")
    return value


def _texts(place: str, name: str, value: object) -> list[str]:
    otherwise = "expected a text, or null for no negative" if _of_negatives(name) else "expected a text"
    found = _listed(place, name, value, "a text, or a list of texts")
    return [text(place, f"{name}[{index}]", one, otherwise) for index, one in enumerate(found)]


def _numbers(place: str, name: str, values: Sequence) -> list[float]:
    found = []
    for index, value in enumerate(values):
        try:
            number = math.nan if isinstance(value, bool) else float(value)
        except (TypeError, ValueError, OverflowError):
            number = math.nan
        if not math.isfinite(number):
            raise BadRow(f"{place}: {name} has {shown(value)} as number {index + 1}: expected a finite number")
        found.append(number)
    return found


def _id(place: str, name: str, value: object) -> str:
    """An id as text; empty if there is none."""
    if value is None or value == "":
        return ""
    if isinstance(value, bool) or not isinstance(value, str | int):
        raise BadRow(f"{place}: {name} is {shown(value)}: expected a string or a whole number")
    return text(place, name, str(value))


_NEEDED = {
    TEVATRON: "query_id, query and positive_passages",
    FLAGEMBEDDING: "query and pos",
    SENTENCE_TRANSFORMERS: f"one of {', '.join(_ASKED)} and one of {', '.join(_ANSWERS)}",
}
_USED: dict[str, Callable] = {
    TEVATRON: _tevatron_columns,
    FLAGEMBEDDING: _flagembedding_columns,
    SENTENCE_TRANSFORMERS: _sentence_transformers_columns,
}
_READERS: dict[str, Callable] = {
    TEVATRON: _tevatron,
    FLAGEMBEDDING: _flagembedding,
    SENTENCE_TRANSFORMERS: _sentence_transformers,
}

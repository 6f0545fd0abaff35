"""The rows of NewsQA's combined file: which of its crowd's answers counts, and what part of the story is the passage.

A row of the file is a question with the answers that several people marked, character ranges of the story:

    answer_char_ranges      196:228|196:202,217:228|None    one person's answer between bars, its ranges between commas
    validated_answers       {"196:228": 2, "none": 1}       how many others chose which, where they did not agree

- Answers: the one with the most votes of the validators, where there were some, or else of the people who marked it; of
  equal ones the first.  A question that has none, or where most said that it has no answer, is left out and counted.
- Passage: about 100 words of the story around the answer's first range (data_prep/answer_window.py).
- Group: the story, so that passages that overlap are never wrong answers of each other's questions.
"""

import collections
import json
import re
from collections.abc import Iterator, Sequence
from pathlib import Path

from data_prep.answer_window import sentences, window
from data_prep.fields import shown, text
from data_prep.line_files import check_header, csv_rows
from data_prep.row import BadRow, Dropped, Row
from hbt_jax.errors import InputError

NEEDED = ("story_id", "question", "answer_char_ranges", "validated_answers", "story_text")
NO_ANSWER = "questions to which most found no answer"
BLANK = "questions whose answer is white space of the story"
_RANGES = re.compile(r"\d+:\d+(,\d+:\d+)*")


def rows(combined: Path, ids: Path) -> Iterator[Row | BadRow | Dropped]:
    """Yields the rows of the stories that `ids` lists, in the order of the combined file.

    Raises:
      InputError: a file is not CSV of UTF-8 text or lacks a column.
    """
    chosen = {row["story_id"] for _, row in csv_rows(ids, lambda place, names: check_header(place, names, ["story_id"]))
              if row}  # fmt: skip
    for place, row in csv_rows(combined, _check_names):
        try:
            if row is None:
                raise BadRow(f"{place}: more or fewer columns than the first line: expected one value for each name")
            if row["story_id"] in chosen:
                yield _row(place, row)
        except BadRow as bad:
            yield bad


def _check_names(place: str, names: Sequence[str]) -> None:
    for name in NEEDED:
        if name not in names:
            raise InputError(f"{place}: no column {name}: expected a first line with {', '.join(NEEDED)}")


def _row(place: str, row: dict[str, str]) -> Row | Dropped:
    question, story = (text(place, name, row[name]) for name in ("question", "story_text"))
    ranges = answer(place, row["answer_char_ranges"], row["validated_answers"])
    if ranges is None:
        return Dropped(NO_ANSWER)
    start, end = min(ranges)
    if end > len(story):
        raise BadRow(
            f"{place}: the answer is at {start}:{end} of a story of {len(story)} characters: expected a range within"
            " it; make the combined file again"
        )
    if not story[start:end].strip():
        return Dropped(BLANK)
    return Row({"en": question}, {"en": window(story, sentences(story), start, end)}, (), f"story {row['story_id']}")


def answer(place: str, marked: str, validated: str) -> list[tuple[int, int]] | None:
    """The ranges of the answer with the most votes; None where most say that there is none.

    >>> answer("file:2", "4:9|None|4:9,12:14", '{"none": 1, "4:9,12:14": 2}')
    [(4, 9), (12, 14)]
    >>> answer("file:3", "4:9|None|None", "")
    """
    votes = _validated(place, validated) or collections.Counter(marked.split("|"))
    most = max(votes, key=votes.__getitem__).strip()
    if most.lower() in ("none", "badquestion"):
        return None
    if not _RANGES.fullmatch(most):
        raise BadRow(f"{place}: the answer is {shown(most)}: expected ranges such as 196:228 or None")
    return [tuple(map(int, part.split(":"))) for part in most.split(",")]


def _validated(place: str, validated: str) -> dict[str, int]:
    if not validated.strip():
        return {}
    try:
        votes = json.loads(validated)
    except json.JSONDecodeError:
        votes = None
    if not (isinstance(votes, dict) and all(type(count) is int for count in votes.values())):
        raise BadRow(f"{place}: validated_answers is {shown(validated)}: expected an object of votes or nothing")
    return votes

"""Turns the examples of one or more files into rows, after checking that their ids and teacher scores agree."""

import collections
import contextlib
import itertools
from collections.abc import Callable, Iterable, Iterator, Sequence
from pathlib import Path
from typing import TypeVar

from data_prep.builders.row import BadRow, Dropped, Respelled, Row, item_id, respelled
from data_prep.sources.pairs.layouts import Example, Passage
from data_prep.sources.pairs.texts_by_id import TextsById
from hbt_jax.text_identity import identity_text

NULLS = "negatives that are null or an empty cell"
OWN = "negatives that are a positive of their own row"
_BATCH = 1024  # examples in memory
_T = TypeVar("_T")


def rows(examples: Iterable[Example | BadRow], scratch: Path) -> Iterator[Row | BadRow | Dropped | Respelled]:
    """Yields a row for each query and passage that answers it.

    An id stands for one text in a language.  Either every pair has a teacher's score or none has; the same holds for
    negatives.  The first example decides.

    Args:
      examples: of all files of a split.
      scratch: existing folder for what grows with the ids.
    """
    written: collections.Counter[str] = collections.Counter()
    for example in _consistent(examples, scratch):
        if isinstance(example, BadRow):
            yield example
            continue
        written.update(set(example.written))
        if example.nulls:
            yield Dropped(NULLS, example.nulls)
        asked, answers = example.languages
        query = {asked: example.query}
        negatives = without_own(example.negatives, example.positives, lambda passage: identity_text(passage.text))
        if len(negatives) < len(example.negatives):
            yield Dropped(OWN, len(example.negatives) - len(negatives))
        group = f"query {asked} {example.query_id}" if example.query_id else f"query {item_id(query)}"
        texts = tuple({answers: passage.text} for passage in negatives)
        scores = tuple(passage.score for passage in negatives if passage.score is not None)
        for passage in example.positives:
            yield Row(query, {answers: passage.text}, texts, group, passage.score, scores)
    yield from respelled(written)


def without_own(negatives: Sequence[_T], positives: Iterable[_T], key: Callable[[_T], str]) -> list[_T]:
    """The negatives whose key is that of no positive."""
    own = {*map(key, positives)}
    return [one for one in negatives if key(one) not in own]


def _consistent(examples: Iterable[Example | BadRow], scratch: Path) -> Iterator[Example | BadRow]:
    """Yields the examples, and a BadRow in place of one that contradicts an earlier one."""
    iterator, scored = iter(examples), {}
    with (
        contextlib.closing(TextsById(scratch, "query_ids")) as queries,
        contextlib.closing(TextsById(scratch, "passage_ids")) as passages,
    ):
        while batch := list(itertools.islice(iterator, _BATCH)):
            good = [example for example in batch if isinstance(example, Example)]
            wrong = _other_texts(queries, [(one, 0, Passage(one.query, one.query_id)) for one in good])
            wrong |= _other_texts(
                passages, [(one, 1, passage) for one in good for passage in (*one.positives, *one.negatives)]
            )
            for example in batch:
                if isinstance(example, Example):
                    problem = wrong.get(example.place) or _scores_differ(example, scored) or _two_scores(example)
                    yield BadRow(f"{example.place}: {problem}") if problem else example
                else:
                    yield example


def _other_texts(known: TextsById, named: list[tuple[Example, int, Passage]]) -> dict[str, str]:
    """Place of an example -> what is wrong with an id in it.

    Args:
      known: the ids so far, to which these are added.
      named: texts with the example that each is in, and its side, 0 or 1.
    """
    named = [(example, side, passage) for example, side, passage in named if passage.id]
    found = known.add(
        [f"{example.languages[side]} {passage.id}" for example, side, passage in named],
        [passage.text for _, _, passage in named],
        [example.place for example, _, _ in named],
    )
    wrong: dict[str, str] = {}
    for (example, side, passage), earlier in zip(named, found, strict=True):
        if earlier:
            kind = ("query", "passage")[side]
            wrong.setdefault(example.place, f"{kind} id {passage.id!r} has another text than in {other_text(earlier)}")
    return wrong


def other_text(earlier: str) -> str:
    """The end of a message about an id that has another text at an earlier place."""
    return f"{earlier}: an id stands for one text: correct the text, or give it an id of its own"


def _two_scores(example: Example) -> str:
    """What is wrong if a negative is there twice with different scores; empty if nothing."""
    scores: dict[str, float | None] = {}
    for passage in example.negatives:
        if scores.setdefault(identity_text(passage.text), passage.score) != passage.score:
            return (
                f"the negative {passage.text[:40]!r} is there twice, with the scores"
                f" {scores[identity_text(passage.text)]:g} and {passage.score:g}: expected one"
            )
    return ""


def _scores_differ(example: Example, scored: dict[str, tuple[bool, str]]) -> str:
    """What is wrong if an example has scores and the first one has none, or the other way round; empty if nothing.

    Args:
      scored: side -> whether it has scores, and the place of the first example, which is noted here.
    """
    for side, passages in (("positives", example.positives), ("negatives", example.negatives)):
        if passages:
            has = passages[0].score is not None
            first, place = scored.setdefault(side, (has, example.place))
            if has != first:
                return (
                    f"{'scores' if has else 'no scores'} of the {side}, but {place} has {'some' if first else 'none'}:"
                    " expected a teacher's scores in every row, or in none"
                )
    return ""

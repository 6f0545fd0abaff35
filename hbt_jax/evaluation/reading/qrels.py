"""Judgements in TREC's qrels format: QUERY_ID 0 CANDIDATE_ID GRADE on each line, separated by white space.

The second field is ignored, as trec_eval ignores it.  A candidate is relevant if its grade is above 0.
"""

import re
from collections.abc import Collection
from typing import NamedTuple

from hbt_jax.errors import InputError
from hbt_jax.evaluation.reading.text_lines import read_lines


class KnownIds(NamedTuple):
    """The ids that judgements may name, and the file that lists them, for messages."""

    ids: Collection[str]
    file: str


def read_qrels(
    path: str, layout: str, queries: KnownIds, candidates: KnownIds | None = None
) -> dict[str, dict[str, int]]:
    """Reads a file of judgements.

    Args:
      path: the file; PATH.gz is read if that is there instead.
      layout: what the folder should hold, for the message if the file is missing.
      queries, candidates: the known ids; None: candidates are checked elsewhere.

    Returns:
      Query id -> candidate id -> grade, in the order of the file; queries without a judgement are not in it.

    Raises:
      InputError: the file is missing, damaged or empty, or a line has not four fields, an unknown id, a pair that an
        earlier line judges, or a grade that is not a whole number; the message names file and line.
    """
    found: dict[str, dict[str, int]] = {}
    for place, line in read_lines(path, layout):
        fields = line.split()
        if not fields:
            continue
        if len(fields) != 4:
            raise InputError(f"{place}: {len(fields)} fields: expected 4, QUERY_ID 0 CANDIDATE_ID GRADE")
        query, _, candidate, grade = fields
        for side, id_, known in (("query", query, queries), ("candidate", candidate, candidates)):
            if known is not None and id_ not in known.ids:
                raise InputError(f"{place}: unknown {side} id {id_!r}: it is not in {known.file}")
        grades = found.setdefault(query, {})
        if candidate in grades:
            raise InputError(f"{place}: query {query!r} and candidate {candidate!r} are judged twice: keep one line")
        if not re.fullmatch(r"-?[0-9]{1,9}", grade):
            raise InputError(f"{place}: grade {grade[:60]!r}: expected a whole number, above 0 if relevant")
        grades[candidate] = int(grade)
    return found

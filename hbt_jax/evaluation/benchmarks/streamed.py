"""A benchmark with too many candidates to hold in memory: its passages are in shards on disk.

Within a language, ids are as published.  With all languages together, a query or passage is called "LANGUAGE:ID",
because different languages use the same ids.
"""

import dataclasses
import functools
from collections.abc import Callable, Mapping, Sequence
from typing import ClassVar

import numpy as np

from hbt_jax.evaluation.benchmarks.benchmark import BenchmarkTexts
from hbt_jax.evaluation.reading.text_lines import shown


@dataclasses.dataclass(frozen=True)
class Shard:
    """One file of passages.

    Attributes:
      language: the language of its passages.
      name: unique in the benchmark and usable in a file name, such as "sw-docs-0".
      path: JSON lines, gzipped where the name ends in ".gz".
    """

    language: str
    name: str
    path: str


@dataclasses.dataclass(frozen=True)
class StreamedBenchmark:
    """Queries with graded judgements, and where the passages are.

    Attributes:
      name: names the folder of its results.
      queries: Q texts; their ids are "LANGUAGE:ID", and every query is an item of its own, unless `asked_in` is given.
      grades: for each query, passage id -> grade, of passages in the query's language; above 0 means relevant.
      shards: all passages, language after language.
      passage: turns the fields of a JSON line into (id, text); raises ValueError saying what is wrong.
      settings: what a result must say about how texts are made and which were chosen.
      notes: what a reader of the results must know, in sentences.
      counts: further counts for the results.
      asked_in: the language of all queries, if it is that of no passage.  `queries` then has a row for each query and
        language in which it is judged: `queries.languages` and the ids name that language, `queries.items` the query.
        Empty: a query is in the language of the passages judged for it.
    """

    name: str
    queries: BenchmarkTexts
    grades: Sequence[Mapping[str, int]]
    shards: tuple[Shard, ...]
    passage: Callable[[dict], tuple[str, str]]
    settings: Mapping[str, object] = dataclasses.field(default_factory=dict)
    notes: tuple[str, ...] = ()
    counts: Mapping[str, object] = dataclasses.field(default_factory=dict)
    asked_in: str = ""
    is_streamed: ClassVar[bool] = True

    @property
    def languages(self) -> tuple[str, ...]:
        """Codes of the languages of passages, in alphabetical order; each has judgements."""
        return tuple(sorted(set(self.queries.languages)))

    @property
    def own_pool(self) -> str:
        """The setting in which a query searches the passages of one language."""
        return "cross_lingual" if self.asked_in else "monolingual"

    @functools.cached_property
    def asked(self) -> BenchmarkTexts:
        """The I queries, each once and in its own language."""
        if not self.asked_in:
            return self.queries
        first = dict(zip(reversed(self.queries.items), reversed(self.queries.texts), strict=True))
        items = list(dict.fromkeys(self.queries.items))
        return BenchmarkTexts.of_rows((joint_id(self.asked_in, one), one, self.asked_in, first[one]) for one in items)

    @functools.cached_property
    def asked_Q(self) -> np.ndarray:
        """int64 [Q]: the number in `asked` of each row of `queries`."""
        if not self.asked_in:
            return np.arange(len(self.queries))
        number = {item: place for place, item in enumerate(self.asked.items)}
        return np.array([number[item] for item in self.queries.items])

    @property
    def joint_grades(self) -> list[dict[str, int]]:
        """For each query of `asked`, passage "LANGUAGE:ID" -> grade."""
        found: list[dict[str, int]] = [{} for _ in range(len(self.asked))]
        for place, code, grades in zip(self.asked_Q.tolist(), self.queries.languages, self.grades, strict=True):
            found[place] |= {joint_id(code, id_): grade for id_, grade in grades.items()}
        return found


def joint_id(language: str, own: str) -> str:
    """What a query or passage is called with all languages together.

    >>> joint_id("sw", "39#0")
    'sw:39#0'
    """
    return f"{language}:{own}"


def own_id(joint: str) -> str:
    """The published id of a query or passage.

    >>> own_id("sw:39#0")
    '39#0'
    """
    return joint.partition(":")[2]


def passage_reader(id_field: str, *text_fields: str) -> Callable[[dict], tuple[str, str]]:
    """A `StreamedBenchmark.passage` for lines with these fields, all texts; the texts are joined by spaces.

    >>> passage_reader("id", "title", "text")({"id": "7", "title": "", "text": "Lima"})
    ('7', 'Lima')
    """

    def passage(fields: dict) -> tuple[str, str]:
        for field in (id_field, *text_fields):
            if not isinstance(fields.get(field), str):
                found = f"field {field!r} is {shown(fields[field])}" if field in fields else f"no field {field!r}"
                raise ValueError(f"{found}: expected a text; a line has {', '.join((id_field, *text_fields))}")
        if fields[id_field].split() != [fields[id_field]]:
            raise ValueError(
                f"{id_field} {fields[id_field]!r} is empty or holds white space, which TREC files cannot carry"
            )
        return fields[id_field], " ".join(filter(None, (fields[field] for field in text_fields)))

    return passage

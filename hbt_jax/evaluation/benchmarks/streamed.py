"""A benchmark whose candidates are too many to hold: queries and judgements in memory, passages in shards on disk.

Ids are as published within a language; with all languages together a query or passage is called "LANGUAGE:ID", as
different languages use the same ids.
"""

import dataclasses
from collections.abc import Callable, Mapping, Sequence
from typing import ClassVar

from hbt_jax.evaluation.benchmarks.benchmark import BenchmarkTexts


@dataclasses.dataclass(frozen=True)
class Shard:
    """One file of passages.

    Attributes:
      language: of its passages.
      name: unique in the benchmark, and fit for a file's name, such as "sw-docs-0".
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
      queries: Q texts; their ids are "LANGUAGE:ID", and every query is an item of its own.
      grades: of each query, passage id -> grade, of passages in the query's language; relevant where above 0.
      shards: all passages, language after language.
      passage: what makes (id, text) of the fields of a JSON line; raises ValueError, saying what is wrong.
      settings: what a result must name of how texts are made and which were chosen.
      notes: what a reader of the results must know, in sentences.
      counts: further counts for the results.
    """

    name: str
    queries: BenchmarkTexts
    grades: Sequence[Mapping[str, int]]
    shards: tuple[Shard, ...]
    passage: Callable[[dict], tuple[str, str]]
    settings: Mapping[str, object] = dataclasses.field(default_factory=dict)
    notes: tuple[str, ...] = ()
    counts: Mapping[str, object] = dataclasses.field(default_factory=dict)
    is_streamed: ClassVar[bool] = True

    @property
    def languages(self) -> tuple[str, ...]:
        """Codes of the languages, in alphabetical order; each has queries and passages."""
        return tuple(sorted(set(self.queries.languages)))


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

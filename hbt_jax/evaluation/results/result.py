"""One result: what one system scored on one benchmark, as results.json says it.

benchmark, model       names
settings               how texts were prepared and embedded, and under `definitions` what the numbers mean
counts, notes          of the benchmark's texts and judgements
metrics, by_...        macro averages, see averages.py
further parts          such as intervals or layer_probe: each with its entry in `definitions`
"""

import dataclasses
import json
import types
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import NamedTuple

from hbt_jax.evaluation.results.averages import Averages
from hbt_jax.evaluation.results.table import format_table
from hbt_jax.files import atomic_file, utf8

_NOTHING: Mapping[str, object] = types.MappingProxyType({})
RESULTS, PER_QUERY, QRELS, RUNS = "results.json", "per_query.jsonl.gz", "qrels.trec", "runs"


class ResultPart(NamedTuple):
    """A part of results.json that not every evaluation has, and what its numbers mean."""

    name: str
    content: object
    definition: str


@dataclasses.dataclass(frozen=True)
class Described:
    """What an evaluation says of its system beside the scores.

    Attributes:
      model: names the model.
      settings: how texts were prepared and embedded: prefixes, lengths, checkpoint, similarity, dtype.
      counts: further counts, such as {"truncated_texts": 0}.
      parts: further parts, which come last.
    """

    model: str
    settings: Mapping[str, object]
    counts: Mapping[str, object]
    parts: tuple[ResultPart, ...] = ()

    def plus(
        self,
        settings: Mapping[str, object] = _NOTHING,
        counts: Mapping[str, object] = _NOTHING,
        parts: tuple[ResultPart, ...] = (),
    ) -> "Described":
        """The same with further settings, counts and parts."""
        return Described(self.model, {**self.settings, **settings}, {**self.counts, **counts}, (*self.parts, *parts))


@dataclasses.dataclass(frozen=True)
class Result:
    """What one system scored on one benchmark.

    Attributes:
      benchmark, model: their names.
      settings: how texts were prepared and embedded.
      counts: of texts, judgements and what else is worth counting.
      notes: what a reader must know, in sentences.
      averages: the scores.
      definitions: what the numbers mean, by name.
      parts: further parts by name.
      expanded: the result of the same system with query expansions, where it was evaluated with some too; it has files
        of its own.
      fused: "rrf" or "minmax" -> the result of the system's scores fused with those of BM25, with files of its own.
    """

    benchmark: str
    model: str
    settings: Mapping[str, object]
    counts: Mapping[str, object]
    notes: Sequence[str]
    averages: Averages
    definitions: Mapping[str, str]
    parts: Mapping[str, object] = dataclasses.field(default_factory=dict)
    expanded: "Result | None" = None
    fused: Mapping[str, "Result"] = dataclasses.field(default_factory=dict)

    def with_parts(self, *parts: ResultPart) -> "Result":
        """The result with further parts, in this order; parts without content are left out."""
        present = [part for part in parts if part.content]
        return dataclasses.replace(
            self,
            definitions={**self.definitions, **{part.name: part.definition for part in present}},
            parts={**self.parts, **{part.name: part.content for part in present}},
        )

    def json(self) -> dict:
        """The content of results.json; its layout is a contract, as other tools read it."""
        return {
            "benchmark": self.benchmark,
            "model": self.model,
            "settings": {**self.settings, "definitions": dict(self.definitions)},
            "counts": dict(self.counts),
            "notes": list(self.notes),
            **vars(self.averages),
            **self.parts,
        }

    def write(self, folder: Path) -> None:
        """Writes results.json into the folder of the benchmark."""
        write_json(folder / RESULTS, self.json())

    def table(self) -> str:
        """The scores for a terminal."""
        return format_table(self.json())


def write_json(path: Path | str, content: dict) -> None:
    """Writes JSON, whole or not at all; a NaN is an error, not a value."""
    with atomic_file(str(path)) as file:
        file.write(utf8(json.dumps(content, indent=1, ensure_ascii=False, allow_nan=False) + "\n"))

"""A benchmark in memory from plain rows and graded judgements of them, as BEIR and ir_datasets have them.

Copies (copies.py) are judged as published: they are counted and reported, and not merged.
"""

from collections.abc import Mapping, Sequence

from hbt_jax import languages
from hbt_jax.errors import InputError
from hbt_jax.evaluation.benchmarks.benchmark import Benchmark, BenchmarkTexts, pad_relevant
from hbt_jax.evaluation.benchmarks.copies import copies_as_published
from hbt_jax.text_identity import is_blank

Rows = Mapping[str, tuple[str, str]]  # id -> (language, text)
_AS_PUBLISHED = "they are judged by their ids alone, as in published results"


def check_language(place: str, code: object) -> str:
    """The canonical code of a language; raises InputError if it is unknown."""
    if not languages.is_known(code):
        raise InputError(f"{place}: {languages.unknown_language(code)}")
    return languages.canonical(code)


def benchmark_of(
    name: str, queries: Rows, candidates: Rows, grades: Mapping[str, Mapping[str, int]], notes: Sequence[str] = ()
) -> Benchmark:
    """The benchmark, without the queries to which nothing is relevant, which are counted.

    Args:
      name: of the results' folder.
      queries, candidates: the two sides.
      grades: query id -> candidate id -> grade, above 0 if relevant; ids are known.
      notes: what a reader must know.

    Raises:
      InputError: no query has a relevant candidate.
    """
    relevant = {id_: {c for c, grade in grades.get(id_, {}).items() if grade > 0} for id_ in queries}
    asked = [id_ for id_ in queries if relevant[id_]]
    if not asked:
        raise InputError(f"{name}: no query has a relevant candidate: expected judgements above 0")
    number = {id_: n for n, id_ in enumerate(candidates)}
    with_text = {id_: row for id_, row in candidates.items() if not is_blank(row[1])}
    left_out, empty = len(queries) - len(asked), len(candidates) - len(with_text)
    texts = _texts({id_: queries[id_] for id_ in asked})
    copies, copy_notes = copies_as_published({"queries": texts, "candidates": _texts(with_text)}, _AS_PUBLISHED)
    said = list(notes)
    if left_out:
        said.append(f"{left_out:,} queries without a relevant candidate are left out")
    if empty:
        said.append(f"{empty:,} candidates have no text; they are ranked all the same")
    return Benchmark(
        name,
        texts,
        _texts(candidates),
        pad_relevant([[number[c] for c in relevant[id_]] for id_ in asked]),
        counts={"queries_left_out": left_out, "empty_candidates": empty, "copies": copies},
        notes=(*said, *copy_notes),
        judged=[{number[c]: grade for c, grade in grades[id_].items()} for id_ in asked],
        unanswered=frozenset(id_ for id_ in queries if not relevant[id_]),
    )


def _texts(rows: Rows) -> BenchmarkTexts:
    """One side; every text is an item of its own."""
    ids = list(rows)
    return BenchmarkTexts(ids, ids, [code for code, _ in rows.values()], [text for _, text in rows.values()])

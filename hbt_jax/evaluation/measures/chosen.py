"""Measures by name, such as "nDCG@20 P@5 RBP(p=0.8) R@100", computed by ir-measures from the ranking of an evaluation.

The grades are those of the benchmark's files.  Ranks are handed over, not scores, so ties follow the tie rule.  A
measure without a cutoff looks at whole pools, which takes long where they are large.
"""

import functools
import importlib.metadata
import importlib.util
import math
from collections.abc import Mapping

import numpy as np

from hbt_jax.errors import InputError
from hbt_jax.evaluation.benchmarks.benchmark import NO_CANDIDATE, Benchmark
from hbt_jax.evaluation.measures.metrics import language_numbers
from hbt_jax.evaluation.ranking.layout import PoolLayout, top_slots
from hbt_jax.evaluation.ranking.rank import RankedQueries

_EXAMPLE = '--measures="nDCG@20 P@5 RBP(p=0.8) R@100"'


def check_measures(text: str) -> None:
    """Raises InputError unless ir-measures is installed and computes every measure of the text."""
    names(text)


def names(text: str) -> tuple[str, ...]:
    """The measures of a text, as given; InputError as for `check_measures`."""
    return tuple(_parsed(text))


def definitions(text: str) -> dict[str, str]:
    """What each measure is, by name."""
    parsed = _parsed(text)
    if not parsed:
        return {}
    by = f"by ir-measures {importlib.metadata.version('ir-measures')}, with the grades of the benchmark's files"
    return {
        name: f"{measure.SHORT_DESC if hasattr(measure, 'SHORT_DESC') else measure} ({by}"
        f"{'' if str(measure) == name else f', as {measure}'}); a query that lists no candidate scores 0"
        for name, measure in parsed.items()
    }


@functools.lru_cache(maxsize=8)
def _parsed(text: str) -> Mapping[str, object]:
    """Name as given -> the measure."""
    if not text.split():
        return {}
    if importlib.util.find_spec("ir_measures") is None:
        raise InputError("--measures needs the library ir-measures: pip install -e '.[measures]'")
    found = {}
    for name in text.split():
        measure = _measure(name)
        if name in found:
            raise InputError(f'--measures="{text}": {name} is given twice')
        found[name] = measure
    return found


def _measure(name: str):
    """The measure; if it is defined for binary relevance only, grades of 1 and above count as relevant."""
    import ir_measures

    try:
        measure = ir_measures.parse_measure(name)
        measure.validate_params()
    except (NameError, ValueError, TypeError, SyntaxError, AssertionError) as error:
        raise InputError(
            f"--measures: ir-measures cannot read {name!r} ({error}): expected names separated by spaces, such as"
            f" {_EXAMPLE}"
        ) from error
    for one in (measure, *([measure(rel=1)] if "rel" in measure.SUPPORTED_PARAMS else [])):
        if _computes(one):
            return one
    raise InputError(
        f"--measures: {name}: no installed package computes it: pip install -e '.[measures]', or the package that"
        " ir-measures names for it"
    )


def _computes(measure) -> bool:
    """Whether an installed package does it."""
    import ir_measures

    try:
        ir_measures.evaluator([measure], {"q": {"d": 1}})
    except ValueError:
        return False
    return True


def _depth(measure) -> int:
    """How many candidates of a ranking the measure looks at, 0 for all; RBP's weights beyond this are below 1e-12."""
    if measure.NAME == "RBP":
        return math.ceil(-12 / math.log10(measure["p"]))
    return int(measure.params.get("cutoff", 0))


class ChosenMeasures:
    """Collects the values of the chosen measures, block by block.

    Args:
      benchmark: queries, candidates and grades.
      layout: of the candidates.
      text: the measures.
    """

    def __init__(self, benchmark: Benchmark, layout: PoolLayout, text: str):
        self._benchmark, self._layout, self._measures = benchmark, layout, _parsed(text)
        depths = [_depth(one) for one in self._measures.values()]
        self._depth = 0 if 0 in depths else max(depths)
        self._language_N = language_numbers(benchmark.candidates.languages, benchmark.languages)
        queries, languages = len(benchmark.queries), len(benchmark.languages)
        self.by_pool = {name: np.full((queries, languages), np.nan) for name in self._measures}
        self.multilingual = {name: np.full(queries, np.nan) for name in self._measures}

    def add(self, block: RankedQueries) -> None:
        """Measures the queries of one block."""
        ranked, judged, places = {}, {}, {}
        whole = slice(0, len(self._layout.candidate_M))
        for row, query in enumerate(range(block.start, block.stop)):
            grades = self._benchmark.grades(query)
            pools = {self._benchmark.candidate_pools[n] for n, grade in grades.items() if grade > 0}
            searched = [("", block.score_qM[row], whole)]
            searched += [(pool, block.own_score_qM[row], self._layout.slots[pool]) for pool in sorted(pools)]
            for pool, score_M, slots in searched:
                key = f"{query} {pool}"
                ranked[key] = self._first(score_M, slots)
                inside = grades if not pool else self._of_pool(grades, pool)
                judged[key] = {str(n): grade for n, grade in inside.items()}
                places[key] = (query, None if not pool else self._language_N[next(iter(inside))])
        self._measure(ranked, judged, places)

    def _first(self, score_M: np.ndarray, slots: slice) -> dict[str, float]:
        """Candidate -> a score that falls with the rank, for the first candidates in some slots."""
        first = slots.start + top_slots(score_M[slots], self._layout.tie_M[slots], self._depth)
        numbers = self._layout.candidate_M[first].tolist()
        return {str(n): float(-rank) for rank, n in enumerate(numbers) if n != NO_CANDIDATE}

    def _of_pool(self, grades: Mapping[int, int], pool: str) -> dict[int, int]:
        return {n: grade for n, grade in grades.items() if self._benchmark.candidate_pools[n] == pool}

    def _measure(self, ranked: Mapping, judged: Mapping, places: Mapping[str, tuple[int, int | None]]) -> None:
        """Notes the values of every query and pool in `places`; 0 where a package gives none, as nothing is listed."""
        import ir_measures

        listed = {key: run for key, run in ranked.items() if run}
        calculated = ir_measures.iter_calc(list(self._measures.values()), judged, listed) if listed else ()
        found = {(one.measure, one.query_id): one.value for one in calculated}
        for name, measure in self._measures.items():
            for key, (query, language) in places.items():
                value = found.get((measure, key), 0.0)
                if language is None:
                    self.multilingual[name][query] = value
                else:
                    self.by_pool[name][query, language] = value

"""The effect of query expansion: mAP with and without it, by query length and by script, from per-query values."""

from collections.abc import Sequence

import numpy as np

from hbt_jax import languages
from hbt_jax.evaluation.benchmarks.benchmark import Benchmark
from hbt_jax.evaluation.embedding.query_expansion import Expansions
from hbt_jax.evaluation.measures.metrics import SETTINGS, language_numbers
from hbt_jax.evaluation.results.read import Outcome, read_scores

EFFECT = "query_expansion"
EFFECT_DEFINITION = (
    "map with and without expansions, of the queries that have some; averaged over query languages or pairs, as in the"
    " results. by_query_length: quarters of each language's queries from the shortest to the longest, by characters"
    " (Unicode code points) that are not white space, so that scripts with few and with many characters a word compare;"
    " queries of equal length stay together. by_script: cross-lingual pairs whose languages share a script, and others"
)
QUARTERS = ("shortest", "second", "third", "longest")
_METRIC = "map"


def with_and_without(benchmark: Benchmark, expansions: Expansions, without: Outcome, expanded: Outcome) -> dict:
    """Compares two evaluations of one benchmark on the queries that have expansions.

    Args:
      benchmark: what was ranked.
      expansions: of its queries.
      without, expanded: the two evaluations.

    Returns:
      {"metric", "queries": how many have expansions, "by_setting": {setting: CELL}, "by_query_length": {quarter:
      {"queries", "mean_characters", setting: CELL}}, "by_script": {"same", "cross": CELL}}.  A CELL is {"queries": how
      many count, "without", "with"}; cells without a query that counts are left out.

    Raises:
      InputError: a file of per-query values is damaged.
    """
    values = [read_scores(one, _METRIC).values for one in (without, expanded)]
    both = {setting: np.stack([each[setting] for each in values]) for setting in SETTINGS}  # [2, Q, P]
    chosen_Q = np.zeros(len(benchmark.queries), bool)
    chosen_Q[list(expansions)] = True
    codes = benchmark.languages
    language_Q = language_numbers(benchmark.queries.languages, codes)
    length_Q = np.array([len("".join(text.split())) for text in benchmark.queries.texts])
    quarter_Q = quarters(length_Q, language_Q, chosen_Q)

    def cells(rows_Q: np.ndarray) -> dict[str, dict]:
        return _present({setting: _cell(both[setting], language_Q, rows_Q) for setting in SETTINGS})

    return {
        "metric": _METRIC,
        "queries": int(chosen_Q.sum()),
        "by_setting": cells(chosen_Q),
        "by_query_length": {
            name: {"queries": int(rows_Q.sum()), "mean_characters": float(length_Q[rows_Q].mean()), **cells(rows_Q)}
            for number, name in enumerate(QUARTERS)
            if (rows_Q := quarter_Q == number).any()
        },
        "by_script": _by_script(both["cross_lingual"], benchmark, language_Q, chosen_Q),
    }


def quarters(length_Q: np.ndarray, language_Q: np.ndarray, chosen_Q: np.ndarray) -> np.ndarray:
    """The quarter (0 to 3) of each chosen query's length among the chosen queries of its language; -1 for the others.

    >>> quarters(np.array([5, 9, 7, 8, 50, 70]), np.array([0, 0, 0, 0, 1, 1]), np.array([True] * 5 + [False]))
    array([ 0,  3,  1,  2,  0, -1])
    """
    quarter_Q = np.full(len(length_Q), -1)
    for number in np.unique(language_Q[chosen_Q]):
        rows = np.flatnonzero(chosen_Q & (language_Q == number))
        bounds = np.quantile(length_Q[rows], (0.25, 0.5, 0.75))
        quarter_Q[rows] = (length_Q[rows][:, None] > bounds).sum(axis=1)
    return quarter_Q


def _by_script(both_2QP: np.ndarray, benchmark: Benchmark, language_Q: np.ndarray, chosen_Q: np.ndarray) -> dict:
    pools = _scripts(sorted(benchmark.candidates.count_by_language()))
    same_QP = _scripts(benchmark.queries.languages)[:, None] == pools
    return _present(
        {
            name: _cell(np.where(kept_QP, both_2QP, np.nan), language_Q, chosen_Q)
            for name, kept_QP in (("same", same_QP), ("cross", ~same_QP))
        }
    )


def _scripts(codes: Sequence[str]) -> np.ndarray:
    return np.array([languages.language(code).script for code in codes])


def _present(cells: dict[str, dict | None]) -> dict[str, dict]:
    return {name: cell for name, cell in cells.items() if cell is not None}


def _cell(both_2QP: np.ndarray, language_Q: np.ndarray, rows_Q: np.ndarray) -> dict | None:
    """The number of queries and the two averages over pairs of query language and pool; None if no query counts."""
    counts_QP = np.isfinite(both_2QP[0]) & rows_Q[:, None]
    if not counts_QP.any():
        return None
    means = [
        both_2QP[:, counts_Q, pool].mean(axis=1)
        for number in np.unique(language_Q[rows_Q])
        for pool in range(both_2QP.shape[2])
        if (counts_Q := counts_QP[:, pool] & (language_Q == number)).any()
    ]
    without, expanded = np.mean(means, axis=0).tolist()
    return {"queries": int(counts_QP.any(axis=1).sum()), "without": without, "with": expanded}

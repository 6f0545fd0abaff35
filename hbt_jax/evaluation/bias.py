"""Language bias: how far apart one query's answers in different languages are ranked."""

import numpy as np

RANK_DISTANCE_DEFINITION = (
    "in the pool of all candidates, the worst rank minus the best rank over the languages of a query's relevant"
    " candidates (each language stands by its best-ranked one); queries relevant in one language do not count"
)


def rank_distance(rank_QG: np.ndarray, language_QG: np.ndarray) -> np.ndarray:
    """The rank distance of each query (arXiv 2408.10536); lower is better.

    The paper has one relevant passage per language.  Where a language has several, its best-ranked one stands for it,
    so that the number measures languages and not how many candidates there are.

    Args:
      rank_QG: int, ranks from 1 of the relevant candidates among all candidates, any value where there is none.
      language_QG: int, language number of each relevant candidate, -1 where there is none.

    Returns:
      float64 [Q], NaN for a query whose relevant candidates are all of one language.

    >>> rank_distance(np.array([[2, 9], [9, 4], [7, 0]]), np.array([[0, 1], [3, 3], [0, -1]]))
    array([ 7., nan, nan])
    """
    best_rank = []
    for number in range(int(language_QG.max(initial=0)) + 1):
        best_rank.append(np.where(language_QG == number, rank_QG, np.inf).min(axis=1))
    best_QJ = np.stack(best_rank, axis=1)
    present_QJ = np.isfinite(best_QJ)
    worst_Q = np.where(present_QJ, best_QJ, -np.inf).max(axis=1)
    several_Q = present_QJ.sum(axis=1) >= 2
    return np.where(several_Q, np.where(several_Q, worst_Q, 0) - np.where(several_Q, best_QJ.min(axis=1), 0), np.nan)

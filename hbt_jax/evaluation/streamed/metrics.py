"""nDCG and recall from the first candidates of a ranking and graded judgements, as trec_eval defines them.

A candidate without a judgement counts as not relevant.  A query without a relevant candidate has the value 0, as in
trec_eval.
"""

from collections.abc import Iterable, Mapping, Sequence

import numpy as np

NDCG, RECALL = "ndcg@10", "recall@100"
METRICS = (NDCG, RECALL)
DEPTH = 100  # candidates of a ranking that the metrics look at
UNJUDGED = np.iinfo(np.int32).min

DEFINITIONS = {
    NDCG: (
        "sum of grade / log2(1 + rank) over the relevant candidates among the first 10, divided by what the best order"
        " of the judged ones gives (trec_eval's ndcg_cut_10); relevant: grade above 0; not judged: not relevant"
    ),
    RECALL: (
        "(relevant candidates among the first 100) / (all that are judged relevant), not / min(100, that) (trec_eval's"
        " recall_100)"
    ),
}


def grade_array(id_QK: Iterable[Sequence[bytes]], grades: Sequence[Mapping[str, int]]) -> np.ndarray:
    """int32 [Q, K]: the grade of each candidate for its query, UNJUDGED if it has none.

    Args:
      id_QK: ids as UTF-8, b"" for none.
      grades: for each query, id -> grade.
    """
    rows = [
        [known.get(id_, UNJUDGED) for id_ in row]
        for row, known in zip(
            id_QK, ({id_.encode(): grade for id_, grade in one.items()} for one in grades), strict=True
        )
    ]
    return np.array(rows, np.int32)


def ndcg_at(grade_QK: np.ndarray, grades: Sequence[Mapping[str, int]], k: int) -> np.ndarray:
    """float64 [Q]: nDCG of the first k.

    Args:
      grade_QK: grades of the candidates in the order of their ranks, see `grade_array`.
      grades: for each query, id -> grade of all judged candidates.

    >>> ndcg_at(np.array([[0, 2], [UNJUDGED, 0]]), [{"a": 0, "b": 2, "c": 1}, {"a": 0}], 10).round(4)
    array([0.4796, 0.    ])
    """
    discount_K = 1.0 / np.log2(np.arange(2, k + 2))
    best = [sorted((grade for grade in one.values() if grade > 0), reverse=True)[:k] for one in grades]
    best_Q = np.array([np.dot(one, discount_K[: len(one)]) for one in best])
    gain_Qk = np.maximum(grade_QK[:, :k], 0)
    return np.where(best_Q > 0, gain_Qk @ discount_K[: gain_Qk.shape[1]] / np.where(best_Q > 0, best_Q, 1.0), 0.0)


def recall_at(grade_QK: np.ndarray, grades: Sequence[Mapping[str, int]], k: int) -> np.ndarray:
    """float64 [Q]: the share of all relevant candidates found among the first k; arguments as for `ndcg_at`.

    >>> recall_at(np.array([[0, 2], [UNJUDGED, 0]]), [{"a": 0, "b": 2, "c": 1}, {"a": 0}], 100)
    array([0.5, 0. ])
    """
    relevant_Q = np.array([sum(grade > 0 for grade in one.values()) for one in grades])
    return (grade_QK[:, :k] > 0).sum(axis=1) / np.maximum(relevant_Q, 1)


def query_values(grade_QK: np.ndarray, grades: Sequence[Mapping[str, int]]) -> dict[str, np.ndarray]:
    """METRICS of every query, float64 [Q] each."""
    return {NDCG: ndcg_at(grade_QK, grades, 10), RECALL: recall_at(grade_QK, grades, DEPTH)}

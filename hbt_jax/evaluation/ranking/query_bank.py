"""Query-bank normalisation: candidates that are close to every query of a language are ranked lower for that language.

    s'(q, c) = s(q, c) - weight * (mean of the K largest s(b, c) over the texts b of the bank in q's language)

With weight one half it orders the candidates of a query as CSLS does (Conneau et al. 2018, arXiv 1710.04087, section
2.3), whose third term is the same for all of them; a bank of other queries is that of QB-norm (Bogolin et al. 2022,
arXiv 2112.12777).  It needs the language of the query.
"""

from collections.abc import Callable, Mapping, Sequence

import numpy as np

_CANDIDATES = 4096  # whose scores with a bank are in memory at a time


def mean_of_closest(
    candidate_ND: np.ndarray, bank_BD: np.ndarray, neighbours: int, poll: Callable[[], None] = lambda: None
) -> np.ndarray:
    """float32 [N]: the mean of the `neighbours` largest scores of each candidate with the bank; all if it has fewer."""
    count = min(neighbours, len(bank_BD))
    found = np.empty(len(candidate_ND), np.float32)
    for start in range(0, len(candidate_ND), _CANDIDATES):
        poll()
        score_SB = candidate_ND[start : start + _CANDIDATES] @ bank_BD.T
        found[start : start + _CANDIDATES] = np.partition(score_SB, -count, axis=1)[:, -count:].mean(axis=1)
    return found


def normalised(
    query_QD: np.ndarray,
    candidate_ND: np.ndarray,
    language_Q: Sequence[str],
    banks: Mapping[str, np.ndarray],
    neighbours: int,
    weight: float,
    poll: Callable[[], None] = lambda: None,
) -> tuple[np.ndarray, np.ndarray]:
    """Embeddings whose inner products are the corrected scores: one more number for each language of the bank.

    A query has 1 at its language and 0 elsewhere, a candidate the correction of each language.  Queries of a language
    without a bank keep their scores.

    Args:
      query_QD, candidate_ND: float32 embeddings.
      language_Q: language of each query.
      banks: language -> float32 [B, D], embeddings of its texts.
      neighbours: K.
      weight: of the correction.
      poll: called between blocks of candidates; raises to stop.

    Returns:
      float32 [Q, D + J] and [N, D + J] for J banks.
    """
    own_QJ = np.array([[code == bank for bank in banks] for code in language_Q], np.float32).reshape(-1, len(banks))
    lowered = [-weight * mean_of_closest(candidate_ND, bank_BD, neighbours, poll) for bank_BD in banks.values()]
    lowered_NJ = np.stack(lowered, axis=1).astype(np.float32)
    return np.concatenate([query_QD, own_QJ], axis=1), np.concatenate([candidate_ND, lowered_NJ], axis=1)

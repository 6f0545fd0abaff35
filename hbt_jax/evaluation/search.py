"""Exact search for the best candidates of each query."""

import dataclasses

import jax
import jax.numpy as jnp
import numpy as np

_BLOCK_SCORES = 2**24  # scores of one block of queries: 64 MiB in float32


@dataclasses.dataclass(frozen=True)
class Found:
    """The first candidates of each query.

    Attributes:
      score_QK: float32, descending; -inf where there are fewer.
      index_QK: int64, -1 where there are fewer.
      fallbacks: queries that needed more than the usual way.
    """

    score_QK: np.ndarray
    index_QK: np.ndarray
    fallbacks: int


def top_candidates(
    query_QD: np.ndarray, candidate_ND: np.ndarray, depth: int, *, tie_N: np.ndarray | None = None
) -> Found:
    """The first `depth` candidates of each query by inner product in float32.

    Args:
      query_QD, candidate_ND: float32.
      depth: K.
      tie_N: equal scores are ordered by this, ascending, and then by index; None: by index.
    """
    candidates, queries = len(candidate_ND), len(query_QD)
    order_N = np.arange(candidates) if tie_N is None else np.lexsort((np.arange(candidates), tie_N))
    score_QK = np.full((queries, depth), -np.inf, np.float32)
    index_QK = np.full((queries, depth), -1, np.int64)
    size, kept = max(8, _BLOCK_SCORES // max(candidates, 1)), min(depth, candidates)
    candidate_ND = jnp.asarray(candidate_ND[order_N], jnp.float32)
    for start in range(0, queries, size):
        part = slice(start, start + size)
        score_qN = np.asarray(_scores(jnp.asarray(query_QD[part], jnp.float32), candidate_ND))
        place_qK = np.argsort(-score_qN, axis=1, kind="stable")[:, :kept]
        score_QK[part, :kept] = np.take_along_axis(score_qN, place_qK, axis=1)
        index_QK[part, :kept] = order_N[place_qK]
    return Found(score_QK, index_QK, 0)


@jax.jit
def _scores(query_qD: jax.Array, candidate_ND: jax.Array) -> jax.Array:
    return jnp.einsum(
        "qd,nd->qn", query_qD, candidate_ND, precision=jax.lax.Precision.HIGHEST, preferred_element_type=jnp.float32
    )

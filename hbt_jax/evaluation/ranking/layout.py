"""Where the candidates of a benchmark lie while they are ranked, and how the best are picked.

Tie rule: equal scores are ordered by candidate id, descending, compared as strings.  trec_eval does the same, so it
gets the same numbers from a run file.
"""

import dataclasses
from collections.abc import Sequence

import numpy as np

from hbt_jax.evaluation.benchmarks.benchmark import NO_CANDIDATE
from hbt_jax.evaluation.ranking.counts import TILE


@dataclasses.dataclass(frozen=True)
class PoolLayout:
    """Candidates rearranged for counting: a range of slots for each pool, padded to whole tiles.

    A pool holds the candidates of one language, or a part of them if the benchmark has several pools for a language.
    Within a pool the slots follow the tie rule.  M is the number of slots, T = M / tile the number of tiles.

    Attributes:
      candidate_M: int32 [M], index of the candidate in a slot, or NO_CANDIDATE if the slot is empty.
      slot_N: int32 [N], slot of each candidate.
      tie_M: int32 [M], place of a slot's candidate in the tie order of all candidates; smaller comes first.
      pool_T: int32 [T], number of each tile's pool.
      slots: name of a pool -> slice of its slots that hold candidates, in the order of the pools' numbers.
    """

    candidate_M: np.ndarray
    slot_N: np.ndarray
    tie_M: np.ndarray
    pool_T: np.ndarray
    slots: dict[str, slice]


def make_layout(ids: Sequence[str], pools: Sequence[str]) -> PoolLayout:
    """The layout of candidates with these unique ids and these pools."""
    by_tie = sorted(range(len(ids)), key=ids.__getitem__, reverse=True)
    members = {name: [] for name in sorted(set(pools))}
    for index in by_tie:
        members[pools[index]].append(index)
    candidate_M, pool_T, slots = [], [], {}
    for number, (name, indexes) in enumerate(members.items()):
        slots[name] = slice(len(candidate_M), len(candidate_M) + len(indexes))
        tiles = -(-len(indexes) // TILE)
        candidate_M += indexes + [NO_CANDIDATE] * (tiles * TILE - len(indexes))
        pool_T += [number] * tiles
    candidate_M = np.array(candidate_M, np.int32)
    taken = np.flatnonzero(candidate_M != NO_CANDIDATE)
    slot_N = np.empty(len(ids), np.int32)
    slot_N[candidate_M[taken]] = taken
    tie_M = np.full(len(candidate_M), len(ids), np.int32)
    tie_M[slot_N[by_tie]] = np.arange(len(ids))
    return PoolLayout(candidate_M, slot_N, tie_M, np.array(pool_T, np.int32), slots)


def top_slots(score_S: np.ndarray, tie_S: np.ndarray, depth: int) -> np.ndarray:
    """The best slots, by descending score and then by tie order; slots with score -inf are left out.

    Args:
      score_S: float32 scores.
      tie_S: int32 tie order, smaller first.
      depth: how many; 0 for all.

    Returns:
      int indexes into `score_S`; fewer than `depth` if there are fewer.
    """
    if 0 < depth * TILE < len(score_S):
        # `depth` tiles have a score of at least the floor, so the `depth` best scores are at least the floor, too.
        whole = len(score_S) // TILE * TILE
        best_T = score_S[:whole].reshape(-1, TILE).max(axis=1)
        floor = _nth_largest(best_T, depth)
        near = np.flatnonzero(best_T >= floor)[:, None] * TILE + np.arange(TILE)
        near = np.concatenate([near.ravel(), np.arange(whole, len(score_S))])
        chosen = near[(score_S[near] >= floor) & (score_S[near] > -np.inf)]
    else:
        chosen = np.flatnonzero(score_S > -np.inf)
    if 0 < depth < len(chosen):
        chosen = chosen[score_S[chosen] >= _nth_largest(score_S[chosen], depth)]
    order = chosen[np.lexsort((tie_S[chosen], -score_S[chosen]))]
    return order[:depth] if depth else order


def _nth_largest(values: np.ndarray, n: int) -> np.ndarray:
    return np.partition(values, len(values) - n)[len(values) - n]

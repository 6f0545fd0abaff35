"""Exact ranks of relevant candidates, by counting the candidates that are placed before them.

The rank of a relevant candidate is 1 + the number of candidates of the pool with a greater score + the number with an
equal score that the tie rule places before it.  Nothing is cut off, so every rank is exact.  The candidates are counted
on the device, or by sorted_counts.py on a CPU where queries have many relevant ones; the numbers are the same.

Tie rule: equal scores are ordered by candidate id, descending, compared as strings: what trec_eval does, so a run file
read by trec_eval gives the same numbers.

A query may have candidates that it does not search, such as itself: their scores are -inf, so they are placed before
none that it searches and are never listed.

Scores are inner products in float32.  All scores of a query come from one product with the whole set of candidates, and
a relevant candidate's score is read from that very product: it is never computed a second time, in another shape,
where rounding could differ.  Every block of queries of an evaluation is filled up to the same number of rows, so all
queries are computed by one program.  A block of another size is another program, which may round a score's last bit
differently and so order two candidates differently whose scores agree but for that bit; on CPU it does not (a test
compares block sizes).
"""

import dataclasses
import functools
from collections.abc import Callable, Iterator, Sequence

import jax
import jax.numpy as jnp
import numpy as np

from hbt_jax.errors import InputError
from hbt_jax.evaluation import sorted_counts
from hbt_jax.evaluation.benchmarks.benchmark import NO_CANDIDATE

TIE_RULE = "equal scores are ordered by candidate id, descending (as trec_eval does)"

_TILE = 128  # candidates counted together; a language's candidates start at a multiple of it
_BLOCK_SCORES = 2**22  # scores of one block of queries: 16 MiB in float32
_MOST_SCORES, _WORTHWHILE = 2**24, 64  # or 64 MiB, for 64 queries: fewer at a time read all candidates too often
_LARGEST_BLOCK, _ROWS = 512, 8  # the most queries of a block; its rows come in multiples of 8, never fewer
_MANY_RELEVANT = 16  # of a query: from here on a CPU sorts its scores faster than it passes over them for each


@dataclasses.dataclass(frozen=True)
class Layout:
    """Candidates rearranged for counting: one run of slots per pool, each pool filled up to whole tiles.

    A pool holds the candidates of one language, or a part of them where the benchmark has several pools of a language.
    Within a pool the slots follow the tie rule.  M is the number of slots, T = M / tile the number of tiles.

    Attributes:
      candidate_M: int32 [M], index of the candidate in a slot, or NO_CANDIDATE where the slot is empty.
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


def make_layout(ids: Sequence[str], pools: Sequence[str]) -> Layout:
    """Lays out the candidates with these ids, which are unique, in these pools."""
    by_tie = sorted(range(len(ids)), key=ids.__getitem__, reverse=True)
    members = {name: [] for name in sorted(set(pools))}
    for index in by_tie:
        members[pools[index]].append(index)
    candidate_M, pool_T, slots = [], [], {}
    for number, (name, indexes) in enumerate(members.items()):
        slots[name] = slice(len(candidate_M), len(candidate_M) + len(indexes))
        tiles = -(-len(indexes) // _TILE)
        candidate_M += indexes + [NO_CANDIDATE] * (tiles * _TILE - len(indexes))
        pool_T += [number] * tiles
    candidate_M = np.array(candidate_M, np.int32)
    taken = np.flatnonzero(candidate_M != NO_CANDIDATE)
    slot_N = np.empty(len(ids), np.int32)
    slot_N[candidate_M[taken]] = taken
    tie_M = np.full(len(candidate_M), len(ids), np.int32)
    tie_M[slot_N[by_tie]] = np.arange(len(ids))
    return Layout(candidate_M, slot_N, tie_M, np.array(pool_T, np.int32), slots)


@dataclasses.dataclass(frozen=True)
class Block:
    """Scores and ranks of some consecutive queries.

    Attributes:
      start, stop: the queries of this block are start, ..., stop - 1.
      score_qM: float32 [stop - start, M], -inf in empty slots and for candidates that the query does not search.
      rank_qG: int32 [stop - start, G], rank of each relevant candidate among all candidates that the query searches; 0
        where there is none.
      own_rank_qG: the same among those of its own pool.
    """

    start: int
    stop: int
    score_qM: np.ndarray
    rank_qG: np.ndarray
    own_rank_qG: np.ndarray


def rank_blocks(
    query_QD: np.ndarray,
    candidate_ND: np.ndarray,
    relevant_QG: np.ndarray,
    layout: Layout,
    block_queries: int | None = None,
    excluded_QX: np.ndarray | None = None,
) -> Iterator[Block]:
    """Ranks every relevant candidate of every query, a block of queries at a time.

    Args:
      query_QD, candidate_ND: float32 embeddings.
      relevant_QG: int32 candidate indexes, filled up with NO_CANDIDATE.
      layout: of the same candidates.
      block_queries: queries of a block; None: as many as keep its scores within 16 MiB or, up to 64 queries, within
        64 MiB, but 8 at least.
      excluded_QX: int32 indexes of the candidates that each query does not search, filled up likewise; None: none.

    Raises:
      InputError: an embedding is not finite.
      ValueError: shapes do not agree.
    """
    if excluded_QX is None:
        excluded_QX = np.empty((len(query_QD), 0), np.int32)
    _check(query_QD, candidate_ND, relevant_QG, excluded_QX, layout)
    slots = len(layout.candidate_M)
    size = block_queries or min(_block_queries(slots), len(query_QD))
    rows = -(-size // _ROWS) * _ROWS  # one row alone would be computed as a vector, with other roundings
    used_M = jnp.asarray(layout.candidate_M != NO_CANDIDATE)
    candidate_MD = _in_slots(candidate_ND, layout)
    count_before = _counter(layout, relevant_QG.shape[1])
    for start in range(0, len(query_QD), size):
        stop = min(start + size, len(query_QD))
        filler = ((0, rows - (stop - start)), (0, 0))  # the last block keeps the shape, so nothing compiles again
        relevant_qG = np.pad(relevant_QG[start:stop], filler, constant_values=NO_CANDIDATE)
        slot_qG = np.where(relevant_qG >= 0, layout.slot_N[relevant_qG], -1).astype(np.int32)
        excluded_qX = np.pad(excluded_QX[start:stop], filler, constant_values=NO_CANDIDATE)
        hidden_qX = np.where(excluded_qX >= 0, layout.slot_N[excluded_qX], slots).astype(np.int32)
        query_qD = np.pad(query_QD[start:stop], filler).astype(np.float32)
        score_qM = _scores(query_qD, candidate_MD, used_M, hidden_qX)
        before_qG, own_before_qG = count_before(score_qM, slot_qG)
        real = slice(0, stop - start)
        is_relevant = relevant_qG[real] >= 0
        yield Block(
            start,
            stop,
            np.asarray(score_qM)[real],
            np.where(is_relevant, 1 + np.asarray(before_qG)[real], 0),
            np.where(is_relevant, 1 + np.asarray(own_before_qG)[real], 0),
        )


def _block_queries(slots: int) -> int:
    """How many queries' scores of so many slots make a block.

    >>> [_block_queries(slots) for slots in (5_000, 14_000, 262_144, 3_000_000)]
    [512, 296, 64, 8]
    """
    fit = max(_BLOCK_SCORES // slots, min(_WORTHWHILE, _MOST_SCORES // slots))
    return min(_LARGEST_BLOCK, max(_ROWS, fit // _ROWS * _ROWS))


def _in_slots(candidate_ND: np.ndarray, layout: Layout) -> jax.Array:
    """float32 [M, D]: the embedding of the candidate in each slot, zeros in empty ones."""
    candidate_MD = candidate_ND[layout.candidate_M].astype(np.float32, copy=False)
    candidate_MD[layout.candidate_M == NO_CANDIDATE] = 0.0
    return jnp.asarray(candidate_MD)


def _counter(layout: Layout, most_relevant: int) -> Callable[[jax.Array, np.ndarray], tuple]:
    """The function of scores and slots that counts the candidates before relevant ones, the faster of two."""
    if jax.default_backend() == "cpu" and most_relevant >= _MANY_RELEVANT:
        pools = list(layout.slots.values())
        return functools.partial(sorted_counts.count_before, tie_M=layout.tie_M, pools=pools)
    return functools.partial(_count_before, tie_M=jnp.asarray(layout.tie_M), pool_T=jnp.asarray(layout.pool_T))


@jax.jit
def _scores(query_qD: jax.Array, candidate_MD: jax.Array, used_M: jax.Array, hidden_qX: jax.Array) -> jax.Array:
    """float32 [q, M]: inner products at full float32 precision (TPUs default to bfloat16 passes).

    -inf where a slot is not used and in the slots `hidden_qX` of each query; M there stands for none.
    """
    score_qM = jnp.einsum(
        "qd,md->qm", query_qD, candidate_MD, precision=jax.lax.Precision.HIGHEST, preferred_element_type=jnp.float32
    )
    row_q1 = jnp.arange(score_qM.shape[0])[:, None]
    return jnp.where(used_M, score_qM, -jnp.inf).at[row_q1, hidden_qX].set(-jnp.inf, mode="drop")


@jax.jit
def _count_before(
    score_qM: jax.Array, slot_qG: jax.Array, tie_M: jax.Array, pool_T: jax.Array
) -> tuple[jax.Array, jax.Array]:
    """Counts the candidates placed before each relevant one: among all, and among those of its pool.

    One relevant candidate per query at a time, so the largest intermediate result is the size of the scores.

    Returns:
      Two int32 arrays [q, G]; without meaning where the slot is -1, which stands for none.
    """
    queries, slots = score_qM.shape
    tile = slots // pool_T.shape[0]
    count = functools.partial(jnp.sum, axis=-1, dtype=jnp.int32)

    def before_one_of_each(slot_q: jax.Array) -> jax.Array:
        mine_q1 = jnp.take_along_axis(score_qM, slot_q[:, None], axis=1)
        is_before_qM = (score_qM > mine_q1) | ((score_qM == mine_q1) & (tie_M < tie_M[slot_q][:, None]))
        return count(is_before_qM.reshape(queries, -1, tile))

    slot_Gq = jnp.maximum(slot_qG.T, 0)
    before_GqT = jax.lax.map(before_one_of_each, slot_Gq)  # summing over tiles in here too halves the speed on CPU
    is_own_GqT = pool_T == pool_T[slot_Gq // tile][..., None]
    return count(before_GqT).T, count(jnp.where(is_own_GqT, before_GqT, 0)).T


def top_slots(score_S: np.ndarray, tie_S: np.ndarray, depth: int) -> np.ndarray:
    """The best-placed slots in order: by score, descending, then by tie order; a slot of score -inf is left out.

    Args:
      score_S: float32 scores.
      tie_S: int32 tie order, smaller first.
      depth: how many; 0 for all.

    Returns:
      int indexes into `score_S`, fewer than `depth` where there are fewer.
    """
    if 0 < depth * _TILE < len(score_S):
        # As many tiles as asked for have a score of at least the floor, so the scores asked for are at least that, too.
        whole = len(score_S) // _TILE * _TILE
        best_T = score_S[:whole].reshape(-1, _TILE).max(axis=1)
        floor = _nth_largest(best_T, depth)
        near = np.flatnonzero(best_T >= floor)[:, None] * _TILE + np.arange(_TILE)
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


def _check(query_QD, candidate_ND, relevant_QG, excluded_QX, layout: Layout) -> None:
    candidates = len(layout.slot_N)
    if query_QD.ndim != 2 or candidate_ND.shape != (candidates, query_QD.shape[1]):
        raise ValueError(
            f"embeddings of queries {query_QD.shape} and candidates {candidate_ND.shape}: expected [Q, D] and"
            f" [N, D] with N = {candidates} candidates"
        )
    if len(relevant_QG) != len(query_QD) or relevant_QG.max() >= candidates:
        raise ValueError(
            f"relevant candidates {relevant_QG.shape}, largest index {relevant_QG.max()}: expected {len(query_QD)}"
            f" rows and indexes below {candidates}"
        )
    if len(excluded_QX) != len(query_QD) or excluded_QX.max(initial=NO_CANDIDATE) >= candidates:
        raise ValueError(
            f"excluded candidates {excluded_QX.shape}, largest index {excluded_QX.max(initial=NO_CANDIDATE)}: expected"
            f" {len(query_QD)} rows and indexes below {candidates}"
        )
    for side, embeddings in (("query", query_QD), ("candidate", candidate_ND)):
        bad = np.flatnonzero(~np.isfinite(embeddings).all(axis=1))
        if bad.size:
            raise InputError(
                f"{bad.size} of {len(embeddings)} {side} embeddings are not finite, the first is number {bad[0]}:"
                " the checkpoint is broken or --compute_dtype overflows"
            )

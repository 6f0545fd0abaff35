"""The first pass of a search: lists more candidates than asked for, by fast products with a known error bound.

Every method lists the candidates with the largest products, and gives a bound for the products of all others:

    numpy-float32   products by numpy's BLAS, selection by numpy
    cpu-bfloat16    bfloat16 products by XLA, selection by numpy; for processors with AMX, which makes them several
                    times as fast as float32 products.  On other processors they are slower.
    xla-float32     products and selection by XLA on the devices of a mesh, each of which keeps its own list
    xla-bfloat16    the same with bfloat16 products; for TPUs, and GPUs with bfloat16 matrix units

numpy selects by threshold: each query's list has a floor.  Products are reduced to the maxima of strided groups while
they are in the cache, and only groups that exceed the floor are examined.  On a CPU, XLA's top_k would take longer than
the products.  On accelerators, lax.top_k picks the groups with the largest maxima, then the best candidates in them.

For bfloat16, the mean of the first candidates is subtracted from all.  This does not change the order, and the vectors
of encoders, which tend to point in a common direction, then lose less by rounding.
"""

import dataclasses
import functools
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jax.sharding import AxisType, Mesh, NamedSharding, PartitionSpec

from hbt_jax.evaluation.search.bound import Bound
from hbt_jax.evaluation.search.shortlist import GROUP, RunningList

METHODS = ("numpy-float32", "cpu-bfloat16", "xla-float32", "xla-bfloat16")

_HOST_BLOCK, _DEVICE_BLOCK = 4096, 16_384  # candidates scored together
_AXIS = "shares"
_SHARED = PartitionSpec(_AXIS)


class FirstPass(NamedTuple):
    """How to do the first pass.

    Attributes:
      method: one of METHODS, or "auto": the one for this machine.
      block: candidates scored together (by each device, for the xla methods); None: as many as are fast.
      mesh: devices of this process among which the xla methods share the candidates; None: all of them.
    """

    method: str = "auto"
    block: int | None = None
    mesh: Mesh | None = None


AUTO = FirstPass()


@dataclasses.dataclass(frozen=True)
class Listed:
    """What a pass found for q queries.

    Attributes:
      score_qC: float32, products of the listed candidates, in any order; -inf for none.
      index_qC: int64, their indexes; -1 for none.
      offset_q: float64, what to add to a product.
      error_q: float64, the largest possible difference between that sum and the final score.
      most_q: float64, an upper bound of the final scores of unlisted candidates; -inf if all are listed.
      longest: an upper bound of the norms of the candidates; not finite if a candidate is not.
    """

    score_qC: np.ndarray
    index_qC: np.ndarray
    offset_q: np.ndarray
    error_q: np.ndarray
    most_q: np.ndarray
    longest: float


def resolve(method: str) -> str:
    """The method to use; "auto" becomes the fastest on this machine.

    Raises:
      ValueError: there is no such method.
    """
    if method not in (*METHODS, "auto"):
        raise ValueError(f"method {method!r}: expected auto, {', '.join(METHODS)}")
    if method != "auto":
        return method
    if jax.default_backend() != "cpu":
        return "xla-bfloat16"
    return "cpu-bfloat16" if _has_amx(Path("/proc/cpuinfo")) else "numpy-float32"


def _has_amx(cpuinfo: Path) -> bool:
    """Whether Linux lists bfloat16 matrix units among the processor's features; False on other systems."""
    return cpuinfo.is_file() and "amx_bf16" in cpuinfo.read_text(encoding="utf-8", errors="replace").split()


def list_candidates(
    query_qD: np.ndarray, candidate_ND: np.ndarray, depth: int, how: FirstPass, poll: Callable[[], None]
) -> Listed:
    """Lists the candidates with the largest products for each query: more than `depth`, if there are more.

    Args:
      query_qD: float32, finite.
      candidate_ND: float32, at least one.
      how: names one of METHODS.
      depth, poll: as search.top_candidates has them.
    """
    place, dtype = how.method.split("-")
    width = depth + depth // 4 + 32 if dtype == "float32" else 2 * depth + 64  # wider for the larger error
    if dtype == "bfloat16":
        shift_D = candidate_ND[:_HOST_BLOCK].mean(axis=0, dtype=np.float64).astype(np.float32)
    else:
        shift_D = np.zeros(query_qD.shape[1], np.float32)
    with np.errstate(over="ignore", invalid="ignore"):  # by embeddings that search.py will refuse
        bound = Bound(query_qD, shift_D, dtype)
        if place == "xla":
            score_qC, index_qC, floor_q, norms = _on_devices(bound, candidate_ND, width, how, poll)
        else:
            products = _numpy_products if place == "numpy" else _cpu_products
            score_qC, index_qC, floor_q, norms = _on_host(products, bound, candidate_ND, width, how.block, poll)
        error_q = bound.error_q(*norms)
        most_q = floor_q + bound.offset_q + error_q
        return Listed(score_qC, index_qC, bound.offset_q, error_q, most_q, bound.longest(norms[0]))


def _whole_blocks(candidate_ND: np.ndarray, block: int) -> Iterator[tuple[int, int, np.ndarray]]:
    """Yields start, number and embeddings of consecutive candidates; the last block is padded with zeros."""
    for start in range(0, len(candidate_ND), block):
        candidate_SD = candidate_ND[start : start + block]
        used = len(candidate_SD)
        if used < block:
            candidate_SD = np.concatenate([candidate_SD, np.zeros((block - used, candidate_ND.shape[1]), np.float32)])
        yield start, used, candidate_SD


def _on_host(products, bound: Bound, candidate_ND: np.ndarray, width: int, block: int | None, poll):
    """Selects by numpy from one block while `products` computes the next.

    Returns:
      Products and indexes [q, C], floors [q], and the largest norms (|c'|, |c' - c~|).
    """
    block = _in_groups(min(block or _HOST_BLOCK, len(candidate_ND)))
    running = RunningList(len(bound.rounded_qD), width, block)
    norms = np.zeros(2)
    made = products(bound, _whole_blocks(candidate_ND, block))
    with ThreadPoolExecutor(1) as worker:
        waiting = worker.submit(next, made, None)
        while (result := waiting.result()) is not None:
            waiting = worker.submit(next, made, None)
            poll()
            start, used, score_qS, most_qT, norms_2 = result
            running.add(np.asarray(score_qS), np.asarray(most_qT), start, used)
            norms = np.maximum(norms, np.asarray(norms_2, np.float64))
    return *running.listed(), running.floor_q, norms


def _in_groups(candidates: int) -> int:
    return -(-candidates // GROUP) * GROUP


def _numpy_products(bound: Bound, blocks: Iterator[tuple]) -> Iterator[tuple]:
    """Yields start, number, products, group maxima and norms of each block; valid until the next block but one."""
    query_qD, score_qS, spare_qS = bound.rounded_qD, None, None
    for start, used, candidate_SD in blocks:
        with np.errstate(over="ignore", invalid="ignore"):
            score_qS, spare_qS = np.matmul(query_qD, candidate_SD.T, out=spare_qS), score_qS
            most_qT = score_qS.reshape(len(query_qD), GROUP, -1).max(axis=1)
            longest = np.sqrt(np.einsum("sd,sd->s", candidate_SD, candidate_SD).max())
        yield start, used, score_qS, most_qT, (longest, 0.0)


def _cpu_products(bound: Bound, blocks: Iterator[tuple]) -> Iterator[tuple]:
    """The same by XLA on the CPU, even if JAX's default device is an accelerator."""
    query_qD = jax.device_put(bound.rounded_qD, jax.local_devices(backend="cpu")[0])
    for start, used, candidate_SD in blocks:
        yield start, used, *_products_and_most(query_qD, bound.shift_D, candidate_SD, used)


@jax.jit
def _products_and_most(query_qD, shift_D, candidate_SD, used):
    score_qS, norms_2 = _products(query_qD, shift_D, candidate_SD, used)
    return score_qS, _groups(score_qS).max(axis=1), norms_2


def _products(query_qD, shift_D, candidate_SD, used) -> tuple[jax.Array, jax.Array]:
    """float32 products [q, S] in the dtype of the queries, and [2]: the largest norms |c'| and |c' - c~|.

    `reduce_precision` is kept by XLA, which may remove a conversion to bfloat16 and back.
    """
    is_bfloat16 = query_qD.dtype == jnp.bfloat16
    centred_SD = candidate_SD - shift_D
    rounded_SD = jax.lax.reduce_precision(centred_SD, 8, 7) if is_bfloat16 else centred_SD
    score_qS = jnp.einsum(
        "qd,sd->qs",
        query_qD,
        rounded_SD.astype(query_qD.dtype),
        precision=None if is_bfloat16 else jax.lax.Precision.HIGHEST,
        preferred_element_type=jnp.float32,  # on CPUs, bfloat16 products are fast only with float32 results
    )
    square_S2 = jnp.stack([jnp.square(part).sum(axis=1) for part in (centred_SD, centred_SD - rounded_SD)], axis=1)
    is_used_S1 = (jnp.arange(len(candidate_SD)) < used)[:, None]
    return score_qS, jnp.sqrt(jnp.where(is_used_S1, square_S2, 0.0).max(axis=0))


def _groups(score_qS: jax.Array) -> jax.Array:
    return score_qS.reshape(score_qS.shape[0], GROUP, -1)


def _on_devices(bound: Bound, candidate_ND: np.ndarray, width: int, how: FirstPass, poll):
    """Products and selection by XLA, each device for its share of every block; returns the same as `_on_host`.

    Devices do not communicate: their lists are joined at the end.
    """
    devices = np.array(jax.local_devices()) if how.mesh is None else how.mesh.devices.reshape(-1)
    mesh = Mesh(devices, (_AXIS,), axis_types=(AxisType.Auto,))
    shares, queries = len(devices), len(bound.rounded_qD)
    size = _in_groups(min(how.block or _DEVICE_BLOCK, -(-len(candidate_ND) // shares)))
    shared, whole = NamedSharding(mesh, _SHARED), NamedSharding(mesh, PartitionSpec())
    query = jax.device_put((bound.rounded_qD, bound.shift_D), whole)
    lists = jax.device_put(
        (
            np.full((shares, queries, width), -np.inf, np.float32),
            np.full((shares, queries, width), -1, np.int32),
            np.zeros((shares, 2), np.float32),
        ),
        shared,
    )
    for start, used, candidate_SD in _whole_blocks(candidate_ND, shares * size):
        poll()
        first_P = np.arange(shares, dtype=np.int32) * size
        sent = (candidate_SD, start + first_P, np.clip(used - first_P, 0, size).astype(np.int32))
        sent = jax.device_put(sent, shared)
        jax.block_until_ready(lists)  # sends at most one block while the one before is computed
        lists = _join_block(query, sent, lists, mesh=mesh)
    score_PqC, index_PqC, norms_P2 = map(np.asarray, lists)
    score_qC, index_qC = (np.concatenate(list(part), axis=1) for part in (score_PqC, index_PqC))
    least_Pq = score_PqC.min(axis=2)  # -inf if a device lists all of its candidates
    return score_qC, index_qC.astype(np.int64), least_Pq.max(axis=0), norms_P2.max(axis=0).astype(np.float64)


_Arrays = tuple[jax.Array, ...]


@functools.partial(jax.jit, static_argnames="mesh", donate_argnames="lists")
def _join_block(query: _Arrays, sent: _Arrays, lists: _Arrays, *, mesh: Mesh) -> _Arrays:
    """The lists of all devices after one more block.

    Args:
      query: rounded_qD and shift_D of the bound, whole on every device.
      sent: the block's candidate_SD, and of each device's share the index of the first candidate and their number.
      lists: score_PqC, index_PqC and norms_P2, one share on each device.
      mesh: the devices.
    """

    def of_one_device(query: _Arrays, sent: _Arrays, lists: _Arrays) -> _Arrays:
        (query_qD, shift_D), (candidate_SD, first_P, used_P), (score_PqC, index_PqC, norms_P2) = query, sent, lists
        score_qS, norms_2 = _products(query_qD, shift_D, candidate_SD, used_P[0])
        score_qS = jnp.where(jnp.arange(score_qS.shape[1]) < used_P[0], score_qS, -jnp.inf)
        width = score_PqC.shape[2]
        best_qC, column_qC = _largest(score_qS, width)
        both_qC = jnp.concatenate([score_PqC[0], best_qC], axis=1)
        index_qC = jnp.concatenate([index_PqC[0], first_P[0] + column_qC], axis=1)
        score_qC, place_qC = jax.lax.top_k(both_qC, width)
        index_qC = jnp.where(score_qC == -jnp.inf, -1, jnp.take_along_axis(index_qC, place_qC, axis=1))
        return score_qC[None], index_qC[None], jnp.maximum(norms_P2, norms_2)

    specs = (PartitionSpec(), _SHARED, _SHARED)
    return jax.shard_map(of_one_device, mesh=mesh, in_specs=specs, out_specs=_SHARED)(query, sent, lists)


def _largest(score_qS: jax.Array, width: int) -> tuple[jax.Array, jax.Array]:
    """The `width` largest of each row, or all, and their columns.

    They are all in the `width` groups with the largest maxima.
    """
    group_qGT = _groups(score_qS)
    groups = group_qGT.shape[2]
    if groups <= width:
        return jax.lax.top_k(score_qS, min(width, score_qS.shape[1]))
    _, group_qC = jax.lax.top_k(group_qGT.max(axis=1), width)
    score_qGC = jnp.take_along_axis(group_qGT, group_qC[:, None, :], axis=2)
    best_qC, place_qC = jax.lax.top_k(score_qGC.reshape(len(score_qS), -1), width)
    return best_qC, place_qC // width * groups + jnp.take_along_axis(group_qC, place_qC % width, axis=1)

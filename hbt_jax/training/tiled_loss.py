"""InfoNCE without the matrix of all scores: tiles of columns are made, used and forgotten, forwards and backwards.

The plain loss (losses.py) holds several float32 arrays of B x C numbers: 16 GiB each at 65,536 queries and passages.
Here a scan passes over tiles of T columns and keeps, for each query, the running maximum and sum of its exponentials
(the online softmax of Milakov & Gimelshein 2018, arXiv 1805.02867).  The gradient is written by hand: the backward pass
makes each tile again from the saved log-sums, instead of keeping what the scan's steps computed.

The value and the gradient are those of the plain loss up to rounding.  On a mesh the rows of a tile are split like the
batch, every device reads all passages, and the passages' gradient is summed over the devices tile by tile.
"""

import functools
from typing import NamedTuple

import jax
import jax.numpy as jnp

from hbt_jax.data.false_negatives import WORD

MASKED = -1e9  # finite: exp of it is zero in float32, and no gradient becomes nan


class Layout(NamedTuple):
    """What is static about a tiled loss.

    Attributes:
      shares, queries, passages: P, b, c: columns run share by share, and the first b of a share's c are positives.
      tile: T, columns made at a time.
      temperature: cosines are divided by it.
      symmetric: whether the loss of the positive passages against all queries is averaged in.
    """

    shares: int
    queries: int
    passages: int
    tile: int
    temperature: float
    symmetric: bool

    @property
    def columns(self) -> int:
        """C, passages of all shares."""
        return self.shares * self.passages


def tiled_info_nce(query_BD, passage_CD, masked_BW, layout: Layout, constrain):
    """The mean loss of a step and its accuracy, as losses.info_nce has them.

    Args:
      query_BD, passage_CD: float32 unit vectors.
      masked_BW: int32, which columns each query leaves out, see losses.masked_columns.
      layout: sizes, tile and temperature.
      constrain: puts a sharding on arrays whose first axis is B; identity on one device.

    Returns:
      (loss, accuracy): float32 scalars.  Only the loss has a gradient.
    """
    return _loss(layout, constrain, query_BD, passage_CD, masked_BW)


@functools.partial(jax.custom_vjp, nondiff_argnums=(0, 1))
def _loss(layout: Layout, constrain, query_BD, passage_CD, masked_BW):
    return _forward(layout, constrain, query_BD, passage_CD, masked_BW)[0]


def _forward(layout: Layout, constrain, query_BD, passage_CD, masked_BW):
    """((loss, accuracy), what the backward pass needs)."""
    queries = len(query_BD)
    label_B = _labels(layout)
    start = (
        constrain(jnp.full(queries, -jnp.inf, jnp.float32)),
        constrain(jnp.zeros(queries, jnp.float32)),
        constrain(jnp.full(queries, -1, jnp.int32)),
    )

    def step(carry, tile):
        highest_B, sum_B, best_B = carry
        logits_BT = _logits(layout, constrain, query_BD, masked_BW, *tile)
        tile_highest_B = jnp.max(logits_BT, axis=1)
        new_highest_B = jnp.maximum(highest_B, tile_highest_B)
        sum_B = sum_B * jnp.exp(highest_B - new_highest_B) + jnp.sum(
            jnp.exp(logits_BT - new_highest_B[:, None]), axis=1
        )
        first_B = tile[1] + jnp.argmax(logits_BT, axis=1).astype(jnp.int32)
        best_B = jnp.where(tile_highest_B > highest_B, first_B, best_B)  # of equal ones the first, as argmax has it
        column_T = jax.nn.logsumexp(logits_BT, axis=0) if layout.symmetric else jnp.zeros(0, jnp.float32)
        return (new_highest_B, sum_B, best_B), column_T

    tiles = _tiles(layout, passage_CD)
    (highest_B, sum_B, best_B), column_ZT = jax.lax.scan(step, start, tiles)
    row_B = highest_B + jnp.log(sum_B)
    own_B = jnp.sum(query_BD * passage_CD[label_B], axis=1) / layout.temperature
    column_C = column_ZT.reshape(-1)[: layout.columns] if layout.symmetric else column_ZT
    loss = jnp.mean(row_B - own_B)
    if layout.symmetric:
        loss = 0.5 * (loss + jnp.mean(column_C[label_B] - own_B))
    accuracy = jnp.mean(best_B == label_B, dtype=jnp.float32)
    return (loss, accuracy), (query_BD, passage_CD, masked_BW, row_B, column_C)


def _backward(layout: Layout, constrain, saved, cotangents):
    query_BD, passage_CD, masked_BW, row_B, column_C = saved
    scale = cotangents[0] / (len(query_BD) * layout.temperature)
    label_B = _labels(layout)
    positive_C = jnp.zeros(layout.columns, bool).at[label_B].set(True)

    def step(gradient_BD, tile):
        passage_TD, first, *sums = tile
        logits_BT = _logits(layout, constrain, query_BD, masked_BW, passage_TD, first)
        own_BT = label_B[:, None] == first + jnp.arange(layout.tile, dtype=jnp.int32)
        change_BT = jnp.exp(logits_BT - row_B[:, None]) - own_BT
        if layout.symmetric:
            column_T, positive_T = sums
            to_queries_BT = jnp.where(positive_T, jnp.exp(logits_BT - column_T), 0.0) - own_BT
            change_BT = 0.5 * (change_BT + to_queries_BT)
        change_BT = constrain(change_BT * scale)
        gradient_BD = constrain(gradient_BD + _product("bt,td->bd", change_BT, passage_TD))
        return gradient_BD, _product("bt,bd->td", change_BT, query_BD)

    tiles = _tiles(layout, passage_CD)
    if layout.symmetric:
        tiles = (*tiles, _padded(layout, column_C), _padded(layout, positive_C))
    query_gradient_BD, gradient_ZTD = jax.lax.scan(step, constrain(jnp.zeros_like(query_BD)), tiles)
    passage_gradient_CD = gradient_ZTD.reshape(-1, passage_CD.shape[1])[: layout.columns]
    return query_gradient_BD, passage_gradient_CD, None


_loss.defvjp(_forward, _backward)


def _product(equation: str, left, right):
    return jnp.einsum(equation, left, right, precision=jax.lax.Precision.HIGHEST, preferred_element_type=jnp.float32)


def _labels(layout: Layout):
    """int32 [B]: the column of each query's own passage."""
    first = jnp.arange(layout.shares, dtype=jnp.int32)[:, None] * layout.passages
    return (first + jnp.arange(layout.queries, dtype=jnp.int32)).reshape(-1)


def _padded(layout: Layout, values):
    """An array over columns, cut into tiles: [Z, T, ...]; the last one is filled up with zeros."""
    tiles = -(-layout.columns // layout.tile)
    filled = jnp.pad(values, ((0, tiles * layout.tile - layout.columns), *[(0, 0)] * (values.ndim - 1)))
    return filled.reshape(tiles, layout.tile, *values.shape[1:])


def _tiles(layout: Layout, passage_CD):
    """What a step of the scan needs: the passages of a tile, and its first column."""
    passage_ZTD = _padded(layout, passage_CD)
    return passage_ZTD, jnp.arange(len(passage_ZTD), dtype=jnp.int32) * layout.tile


def _logits(layout: Layout, constrain, query_BD, masked_BW, passage_TD, first):
    """float32 [B, T]: scores of a tile's columns, MASKED where they do not count or are past the last."""
    scores_BT = _product("bd,td->bt", query_BD, passage_TD)
    column_T = first + jnp.arange(layout.tile, dtype=jnp.int32)
    words = masked_BW.shape[1]
    bit_T = jnp.minimum(column_T // words, WORD - 1)
    is_masked_BT = (jnp.take(masked_BW, column_T % words, axis=1) >> bit_T) & 1 != 0
    is_out_BT = is_masked_BT | (column_T >= layout.columns)
    return constrain(jnp.where(is_out_BT, MASKED, scores_BT / layout.temperature))

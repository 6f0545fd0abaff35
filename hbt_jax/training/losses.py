"""InfoNCE over all passages of a step, with false negatives masked (arXiv 2408.10536, section 3.1).

    loss_i = -log( exp(s_i,y(i)) / sum over columns j of row i that are not masked of exp(s_i,j) )

where s is the cosine divided by the temperature, row i is a query, a column is a passage of any share, and y(i) is the
column of query i's own passage.  Which columns are masked is decided with the batch (hbt_jax/data/false_negatives.py).
"""

from collections.abc import Callable, Mapping

import jax
import jax.numpy as jnp

from hbt_jax.data.false_negatives import WORD
from hbt_jax.models.pooling import normalize
from hbt_jax.training.tiled_loss import MASKED, Layout, tiled_info_nce


def positive_columns(shares: int, queries: int, passages: int):
    """int32 [B]: the column of each query's own passage, when columns run share by share.

    For 2 shares of 2 queries and 3 passages: [0, 1, 3, 4].
    """
    return (jnp.arange(shares, dtype=jnp.int32)[:, None] * passages + jnp.arange(queries, dtype=jnp.int32)).reshape(-1)


def masked_columns(masked_BW, columns: int):
    """bool [B, C]: which passages are left out of which query's sum.

    Args:
      masked_BW: int32; column j of a row is bit j // W of word j % W.
      columns: C, passages of all shares; at most 32 W.

    With W = 2 words, the first 0b101 and the second 0b1, the columns 0, 4 and 1 are masked.
    """
    bits = jnp.arange(WORD, dtype=jnp.int32)
    masked = (masked_BW[:, None, :] >> bits[None, :, None]) & 1
    return masked.reshape(len(masked_BW), -1)[:, :columns] != 0


def info_nce(
    query_PbD,
    passage_PcD,
    masked_PbW,
    *,
    temperature: float,
    symmetric: bool = False,
    tile: int = 0,
    constrain=lambda x: x,
):
    """The mean loss of a step, and its accuracy.

    Args:
      query_PbD: float32 unit vectors of the queries, share by share.
      passage_PcD: float32 unit vectors; the first b of a share are the positives of its queries.
      masked_PbW: int32, which columns must not count as negatives of each query, as `masked_columns` reads them; a
        query's own column is never masked.
      temperature: cosines are divided by it.
      symmetric: average with the loss of each positive passage against all queries.
      tile: columns made at a time (tiled_loss.py), so that no array of B x C is ever whole; 0: all at once.
      constrain: applies a sharding to arrays whose first axis is B; identity on one device.

    Returns:
      (loss, accuracy): float32 scalars; the accuracy is the fraction of queries whose own passage scores highest among
      the columns that are not masked.
    """
    shares, queries, width = query_PbD.shape
    passages = passage_PcD.shape[1]
    query_BD = constrain(query_PbD.reshape(shares * queries, width))
    passage_CD = passage_PcD.reshape(shares * passages, width)
    masked_BW = masked_PbW.reshape(shares * queries, -1)
    if tile:
        layout = Layout(shares, queries, passages, tile, temperature, symmetric)
        return tiled_info_nce(query_BD, passage_CD, masked_BW, layout, constrain)
    scores_BC = jnp.einsum(
        "bd,cd->bc", query_BD, passage_CD, precision=jax.lax.Precision.HIGHEST, preferred_element_type=jnp.float32
    )
    masked_BC = masked_columns(masked_BW, shares * passages)
    logits_BC = constrain(jnp.where(masked_BC, MASKED, scores_BC / temperature))
    label_B = positive_columns(shares, queries, passages)
    own_BC = label_B[:, None] == jnp.arange(shares * passages, dtype=jnp.int32)
    own_B = jnp.sum(jnp.where(own_BC, logits_BC, 0.0), axis=1)
    loss = jnp.mean(jax.nn.logsumexp(logits_BC, axis=1) - own_B)
    accuracy = jnp.mean(jnp.argmax(logits_BC, axis=1) == label_B, dtype=jnp.float32)
    if symmetric:
        to_queries_BB = logits_BC.reshape(-1, shares, passages)[:, :, :queries].reshape(-1, shares * queries)
        loss = 0.5 * (loss + jnp.mean(jax.nn.logsumexp(to_queries_BB, axis=0) - own_B))
    return loss, accuracy


def multi_positive(query_PbD, passage_PcD, masked_PbW, positives: int, **options):
    """InfoNCE in which the passages of consecutive pairs are positives of each other's queries.

    loss_i is the mean of -log(exp(s_i,p) / (exp(s_i,p) + sum over negatives j of exp(s_i,j))) over the positives p of
    query i: each positive stands against all negatives, and no positive is a negative of another (MPCL, arXiv
    2309.08929).  It is the mean of the losses in which one positive takes the place of the query's own passage.  The
    masks already leave out the other positives, which are in its class.  This costs scores, but encodes no text twice.

    Args:
      query_PbD, passage_PcD, masked_PbW, options: as for `info_nce`.
      positives: R; the places r R to r R + R - 1 of a share show one pair.  1: `info_nce` itself.

    Returns:
      As `info_nce`; the accuracy is the mean over the positives, each against the negatives alone.

    With R = 2 the passages of a share stand as 0 1 2 3, then as 1 0 3 2.
    """
    shares, queries, width = query_PbD.shape
    grouped = passage_PcD[:, :queries].reshape(shares, -1, positives, width)
    found = []
    for shift in range(positives):
        own_PbD = jnp.roll(grouped, -shift, axis=2).reshape(shares, queries, width)
        turned_PcD = jnp.concatenate([own_PbD, passage_PcD[:, queries:]], axis=1) if shift else passage_PcD
        found.append(info_nce(query_PbD, turned_PcD, masked_PbW, **options))
    return tuple(sum(values) / positives for values in zip(*found, strict=True))


def at_widths(query_PbD, passage_PcD, widths: Mapping[int, float], normalized: bool, loss: Callable):
    """The weighted mean of a loss over the first numbers of embeddings (Matryoshka, arXiv 2205.13147, equation 1).

    Args:
      query_PbD, passage_PcD: whole embeddings.
      widths: width -> weight; the whole width has the weight 1 unless it is listed.  Empty: the loss itself.
      normalized: whether embeddings have unit length; then shorter ones are scaled to it again.
      loss: (query_PbD, passage_PcD) -> (loss, accuracy).

    Returns:
      (loss, accuracy): the accuracy is that of the whole width.
    """
    whole = query_PbD.shape[-1]
    value, accuracy = loss(query_PbD, passage_PcD)
    weights = {whole: 1.0, **widths}
    total = weights[whole] * value
    for width, weight in weights.items():
        if width != whole:
            short = (vectors[..., :width] for vectors in (query_PbD, passage_PcD))
            total += weight * loss(*((normalize(vectors) if normalized else vectors) for vectors in short))[0]
    return total / sum(weights.values()), accuracy

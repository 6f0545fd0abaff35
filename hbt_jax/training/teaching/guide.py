"""Masks negatives that a guide model finds closer to a query than its own passage (GISTEmbed, arXiv 2402.16829).

A passage is masked for a query, as a false negative is, if guide(query, passage) > guide(query, own passage) + margin.
"""

import jax
import jax.numpy as jnp

from hbt_jax.data.extras import GUIDE_PASSAGES, GUIDE_QUERIES
from hbt_jax.data.false_negatives import WORD
from hbt_jax.training.losses import positive_columns


def with_guide(batch: dict, margin: float, constrain=lambda x: x) -> tuple[dict, jax.Array]:
    """The batch with its guide's masks in place of the guide's vectors; and how many more columns are masked.

    Args:
      batch: with or without guide_queries [P, b, D] and guide_passages [P, c, D].
      margin: see above.
      constrain: puts a sharding on arrays whose first axis is B.
    """
    if GUIDE_QUERIES not in batch:
        return batch, jnp.zeros((), jnp.int32)
    rest = dict(batch)
    query_PbD, passage_PcD = rest.pop(GUIDE_QUERIES), rest.pop(GUIDE_PASSAGES)
    masked_PbW = batch["masked"]
    masked_BW = constrain(masked_PbW.reshape(-1, masked_PbW.shape[-1]))
    found_BW = masked_BW | guided_words(query_PbD, passage_PcD, masked_BW.shape[1], margin, constrain)
    more = jnp.sum(jax.lax.population_count(found_BW ^ masked_BW))
    return rest | {"masked": found_BW.reshape(masked_PbW.shape)}, more


def guided_words(query_PbD, passage_PcD, words: int, margin: float, constrain=lambda x: x):
    """int32 [B, W]: which columns the guide masks, as losses.masked_columns reads them; never a query's own.

    Column j is bit j // W of word j % W, so one bit position covers W consecutive columns, 1/32 of all.  Their scores
    are computed together.

    Args:
      query_PbD, passage_PcD: float32 vectors of the guide, share by share; zeros for absent passages.
      words: W.
      margin: see the module's docstring.
      constrain: see `with_guide`.
    """
    shares, queries, width = query_PbD.shape
    passages = passage_PcD.shape[1]
    query_BD, passage_CD = constrain(query_PbD.reshape(-1, width)), passage_PcD.reshape(-1, width)
    label_B = positive_columns(shares, queries, passages)
    own_B = jnp.sum(query_BD * passage_CD[label_B], axis=1)
    filled_CD = jnp.pad(passage_CD, ((0, WORD * words - len(passage_CD)), (0, 0)))
    there_C = jnp.any(filled_CD != 0, axis=1)

    def step(masked_BW, tile):
        bit, passage_WD, there_W = tile
        score_BW = jnp.einsum("bd,wd->bw", query_BD, passage_WD, precision=jax.lax.Precision.HIGHEST)
        column_W = bit * words + jnp.arange(words, dtype=jnp.int32)
        is_over_BW = (score_BW > own_B[:, None] + margin) & there_W & (column_W != label_B[:, None])
        return constrain(masked_BW | is_over_BW.astype(jnp.int32) << bit), None

    start_BW = constrain(jnp.zeros((len(query_BD), words), jnp.int32))
    tiles = jnp.arange(WORD, dtype=jnp.int32), filled_CD.reshape(WORD, words, width), there_C.reshape(WORD, words)
    return jax.lax.scan(step, start_BW, tiles)[0]

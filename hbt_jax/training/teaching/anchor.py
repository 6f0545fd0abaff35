"""Pulls each text to a frozen model's vector of its translation into one language (after arXiv 2004.09813).

The loss is the mean of 1 - cosine over the texts of a batch, queries and passages alike, that have such a translation.
"""

import jax.numpy as jnp

from hbt_jax.data.extras import ANCHOR_PASSAGES, ANCHOR_QUERIES
from hbt_jax.models.pooling import normalize


def anchored(query_PbD, passage_PcD, batch: dict):
    """The loss; 0 if no text of the batch has an anchor.

    Args:
      query_PbD, passage_PcD: embeddings.
      batch: with anchor_queries and anchor_passages, float32 of the same shapes, 0 where there is no translation.
    """
    total, texts = 0.0, 0
    for own, anchor in ((query_PbD, batch[ANCHOR_QUERIES]), (passage_PcD, batch[ANCHOR_PASSAGES])):
        has_anchor = jnp.any(anchor != 0, axis=2)
        cosine = jnp.sum(normalize(own) * normalize(anchor), axis=2)
        total += jnp.sum(jnp.where(has_anchor, 1 - cosine, 0.0))
        texts += jnp.sum(has_anchor)
    return total / jnp.maximum(texts, 1)


def anchored_share(batch: dict):
    """Share of the batch's texts that have an anchor; explicit negatives count, also absent ones."""
    has_anchor = [jnp.any(batch[name] != 0, axis=2).ravel() for name in (ANCHOR_QUERIES, ANCHOR_PASSAGES)]
    return jnp.mean(jnp.concatenate(has_anchor), dtype=jnp.float32)

"""Losses against a teacher's scores of each query's own passage and explicit negatives.

    kl          KL(softmax(t / T) || softmax(s / temperature)) over the passage and its negatives
    margin_mse  mean over the negatives of ((s_own - s_negative) - (t_own - t_negative) / T)^2 (arXiv 2010.02666)

with the model's scores s, the teacher's t and its temperature T.  Absent negatives do not count, nor do queries without
any negative.
"""

import jax
import jax.numpy as jnp

from hbt_jax.config.values import KL
from hbt_jax.training.tiled_loss import MASKED


def distilled(
    kind: str,
    query_PbD,
    passage_PcD,
    teacher_PbM,
    temperature: float,
    teacher_temperature: float,
    constrain=lambda x: x,
):
    """The mean loss over the queries with a negative; 0 if there is none.

    Args:
      kind: "kl" or "margin_mse".
      query_PbD, passage_PcD: embeddings; the passages of a share are its b positives, then K negatives of each query.
      teacher_PbM: float32, M = 1 + K: scores of the own passage and of the negatives, nan where absent.
      temperature: the model's scores are divided by it, for kl.
      teacher_temperature: T.
      constrain: puts a sharding on arrays whose first axis is P.
    """
    shares, b, width = query_PbD.shape
    negative_PbKD = passage_PcD[:, b:].reshape(shares, b, -1, width)
    own_PbD = passage_PcD[:, :b]
    group_PbMD = constrain(jnp.concatenate([own_PbD[:, :, None], negative_PbKD], axis=2))
    score_PbM = jnp.einsum("pbd,pbmd->pbm", query_PbD, group_PbMD, precision=jax.lax.Precision.HIGHEST)
    is_there_PbM = jnp.isfinite(teacher_PbM)
    target_PbM = jnp.where(is_there_PbM, teacher_PbM, 0.0) / teacher_temperature
    if kind == KL:
        wanted, found = (
            jax.nn.log_softmax(jnp.where(is_there_PbM, scores, MASKED))
            for scores in (target_PbM, score_PbM / temperature)
        )
        loss_Pb = jnp.sum(jnp.where(is_there_PbM, jnp.exp(wanted) * (wanted - found), 0.0), axis=2)
    else:
        margins = ((scores[:, :, :1] - scores[:, :, 1:]) for scores in (score_PbM, target_PbM))
        square_PbK = jnp.where(is_there_PbM[:, :, 1:], jnp.square(next(margins) - next(margins)), 0.0)
        loss_Pb = jnp.sum(square_PbK, axis=2) / jnp.maximum(is_there_PbM[:, :, 1:].sum(axis=2), 1)
    counts_Pb = is_there_PbM[:, :, 1:].any(axis=2)
    return jnp.sum(jnp.where(counts_Pb, loss_Pb, 0.0)) / jnp.maximum(jnp.sum(counts_Pb), 1)

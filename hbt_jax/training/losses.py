"""InfoNCE over all passages of a step, with false negatives masked by id (arXiv 2408.10536, section 3.1).

    loss_i = -log( exp(s_i,y(i)) / sum over columns j of row i that are not masked of exp(s_i,j) )

where s is the cosine divided by the temperature, row i is a query, a column is a passage of any share, and y(i) is the
column of query i's own passage.
"""

import dataclasses

import jax
import jax.numpy as jnp

_MASKED = -1e9  # finite: exp of it is zero in float32, and no gradient becomes nan


@dataclasses.dataclass(frozen=True)
class Ids:
    """Which texts are the same fact, per share; ids are equal in every language.

    Attributes:
      query_Pb, group_Pb: int32, item id and translation-group id of each query.
      passage_Pc, passage_group_Pc: int32, the same of each passage; -1 stands for an absent passage in `passage_Pc`
        and for an unknown group in `passage_group_Pc`.  The first b passages of a share belong to its b queries.
    """

    query_Pb: jax.Array
    group_Pb: jax.Array
    passage_Pc: jax.Array
    passage_group_Pc: jax.Array


def positive_columns(shares: int, queries: int, passages: int):
    """int32 [B]: the column of each query's own passage, when columns run share by share.

    For 2 shares of 2 queries and 3 passages: [0, 1, 3, 4].
    """
    return (jnp.arange(shares, dtype=jnp.int32)[:, None] * passages + jnp.arange(queries, dtype=jnp.int32)).reshape(-1)


def masked_columns(ids: Ids):
    """Which passages must not count as negatives of which query.

    A column is masked for a query where it is absent, or not the query's own passage but the same passage, a passage
    that answers the same query, or one of the same translation group.

    Returns:
      masked_BC: bool, the columns left out of the sum.
      false_negatives: int32, how many of them are there for another reason than being absent.

    With queries [q0, q0, q1] and their passages [p0, p1, p2]: p1 is masked for row 0 and p0 for row 1, so
    false_negatives = 2.
    """
    shares, queries = ids.query_Pb.shape
    passages = ids.passage_Pc.shape[1]
    label_B = positive_columns(shares, queries, passages)
    query_B, group_B = ids.query_Pb.reshape(-1), ids.group_Pb.reshape(-1)
    passage_C, passage_group_C = ids.passage_Pc.reshape(-1), ids.passage_group_Pc.reshape(-1)
    own_passage_B = ids.passage_Pc[:, :queries].reshape(-1)
    answered_C = jnp.pad(ids.query_Pb, ((0, 0), (0, passages - queries)), constant_values=-1).reshape(-1)
    own_BC = label_B[:, None] == jnp.arange(shares * passages, dtype=jnp.int32)
    same_BC = (
        (own_passage_B[:, None] == passage_C)
        | (query_B[:, None] == answered_C)
        | ((group_B[:, None] == passage_group_C) & (passage_group_C >= 0))
    )
    absent_C = passage_C < 0
    false_BC = same_BC & ~own_BC & ~absent_C
    return false_BC | absent_C, jnp.sum(false_BC, dtype=jnp.int32)


def info_nce(query_PbD, passage_PcD, ids: Ids, *, temperature: float, symmetric: bool = False, constrain=lambda x: x):
    """The mean loss of a step and what it saw.

    Args:
      query_PbD: float32 unit vectors of the queries, share by share.
      passage_PcD: float32 unit vectors; the first b of a share are the positives of its queries.
      ids: see Ids.
      temperature: cosines are divided by it.
      symmetric: average with the loss of each positive passage against all queries.
      constrain: puts a sharding on arrays whose first axis is B; identity on one device.

    Returns:
      (loss, metrics): float32 scalar and a dict of scalars: `accuracy`, the share of queries whose own passage scores
      highest among what is not masked, and `false_negatives`, the number of masked pairs.
    """
    shares, queries, width = query_PbD.shape
    passages = passage_PcD.shape[1]
    query_BD = constrain(query_PbD.reshape(shares * queries, width))
    passage_CD = passage_PcD.reshape(shares * passages, width)
    scores_BC = jnp.einsum(
        "bd,cd->bc", query_BD, passage_CD, precision=jax.lax.Precision.HIGHEST, preferred_element_type=jnp.float32
    )
    masked_BC, false_negatives = masked_columns(ids)
    logits_BC = constrain(jnp.where(masked_BC, _MASKED, scores_BC / temperature))
    label_B = positive_columns(shares, queries, passages)
    own_BC = label_B[:, None] == jnp.arange(shares * passages, dtype=jnp.int32)
    own_B = jnp.sum(jnp.where(own_BC, logits_BC, 0.0), axis=1)
    loss = jnp.mean(jax.nn.logsumexp(logits_BC, axis=1) - own_B)
    accuracy = jnp.mean(jnp.argmax(logits_BC, axis=1) == label_B, dtype=jnp.float32)
    if symmetric:
        to_queries_BB = logits_BC.reshape(-1, shares, passages)[:, :, :queries].reshape(-1, shares * queries)
        loss = 0.5 * (loss + jnp.mean(jax.nn.logsumexp(to_queries_BB, axis=0) - own_B))
    return loss, {"accuracy": accuracy, "false_negatives": false_negatives}

"""From token vectors in packed rows to one unit vector per text."""

import jax
import jax.numpy as jnp

_NORM_FLOOR = 1e-12  # that of torch.nn.functional.normalize; a zero vector stays finite


def pool(hidden_RLD, segments_RL, positions_RL, *, segments: int, mode: str):
    """Pools the tokens of each text.

    Args:
      hidden_RLD: token vectors.
      segments_RL: int32, 0 for padding, 1..S for the texts of a row.
      positions_RL: int32, place in the text, from 0.
      segments: S.
      mode: "mean" over all tokens of the text, its special tokens included, or "cls", its first token.

    Returns:
      float32 [R, S, D]; slot s of a row is the text with segment id s + 1, and zeros where there is none.

    A row with segments [1, 1, 2, 0] and hidden [a, b, c, d] gives [(a + b) / 2, c] for "mean" and [a, c] for "cls".
    """
    slots = jnp.arange(1, segments + 1, dtype=segments_RL.dtype)
    member_RLS = segments_RL[:, :, None] == slots
    if mode == "cls":
        member_RLS &= (positions_RL == 0)[:, :, None]
    weight_RLS = member_RLS.astype(jnp.float32)
    sum_RSD = jnp.einsum(
        "rls,rld->rsd", weight_RLS, hidden_RLD.astype(jnp.float32), precision=jax.lax.Precision.HIGHEST
    )
    count_RS = weight_RLS.sum(axis=1)
    return sum_RSD / jnp.maximum(count_RS, 1.0)[:, :, None]


def normalize(vectors):
    """Scales vectors (last axis) to unit L2 norm, in float32; a zero vector stays zero."""
    vectors = vectors.astype(jnp.float32)
    square = jnp.sum(vectors * vectors, axis=-1, keepdims=True)
    return vectors * jnp.where(square > _NORM_FLOOR**2, 1.0 / jnp.sqrt(jnp.maximum(square, _NORM_FLOOR**2)), 0.0)

"""What encoders with rotary positions do differently from BERT: ModernBERT and mmBERT, nomic-bert, GTE.

Rotary positions (Su et al. 2021, arXiv 2104.09864) turn each pair of numbers of queries and keys by an angle that grows
with the position, so that products of the two depend on distances alone; there is no table of positions.  Layers of
ModernBERT (Warner et al. 2024, arXiv 2412.13663) normalise before each part instead of after it, their feed-forward
network is gated (GeGLU, Shazeer 2020, arXiv 2002.05202), and most of them see only a window of neighbours.
"""

import dataclasses

import jax.numpy as jnp

FIRST, LAST = "first", "last"


@dataclasses.dataclass(frozen=True)
class RotaryConfig:
    """How the layers differ from BERT's.

    Attributes:
      theta: base of the angles: pair i of a head with d numbers turns by theta ** (-2 i / d) / stretch per position.
      stretch: divides the positions (linear scaling); with a larger theta it is NTK scaling.
      local_layers: numbers of the layers that see a window only.
      local_theta: base of the angles in these layers.
      window: positions that a token of these layers sees to either side.
      pre_norm: whether a layer normalises before its parts, without a norm before the first attention, and once after
        the last layer; else after them, like BERT.
      biases: the products that have a bias, of query_key_value, attention_output, expand and contract.
      norm_bias: whether norms have a bias.
      activated: the half of `expand` that goes through the activation, FIRST or LAST, before it multiplies the other.
    """

    theta: float
    stretch: float = 1.0
    local_layers: tuple[int, ...] = ()
    local_theta: float = 0.0
    window: int = 0
    pre_norm: bool = False
    biases: tuple[str, ...] = ()
    norm_bias: bool = True
    activated: str = FIRST

    def __post_init__(self):
        for name in ("local_layers", "biases"):  # lists, when they come from JSON
            object.__setattr__(self, name, tuple(getattr(self, name)))

    def theta_of(self, layer: int) -> float:
        """The base of the angles in a layer."""
        return self.local_theta if layer in self.local_layers else self.theta


def rotated(values_RLHd, positions_RL, theta: float, stretch: float):
    """Queries or keys turned by the angles of their positions: [R, L, H, d] of the same dtype, computed in float32.

    Number i of a head's first half and number i of its second half are a pair.

    Args:
      values_RLHd: queries or keys.
      positions_RL: int32, place of each token in its text.
      theta, stretch: see RotaryConfig.
    """
    half = values_RLHd.shape[-1] // 2
    speed_h = theta ** (-jnp.arange(half, dtype=jnp.float32) / half) / stretch
    angle_RLh = positions_RL[..., None].astype(jnp.float32) * speed_h
    cosine, sine = (turn(angle_RLh)[:, :, None] for turn in (jnp.cos, jnp.sin))
    one, other = jnp.split(values_RLHd.astype(jnp.float32), 2, axis=-1)
    turned = jnp.concatenate([one * cosine - other * sine, other * cosine + one * sine], axis=-1)
    return turned.astype(values_RLHd.dtype)


def within(mask_RLL, positions_RL, window: int):
    """`mask_RLL` (bool), without tokens further apart than `window` positions; positions restart with each segment."""
    distance_RLL = jnp.abs(positions_RL[:, :, None] - positions_RL[:, None, :])
    return mask_RLL & (distance_RLL <= window)


def gated(expanded, activation, activated: str):
    """[..., F] of [..., 2 F]: one half through the activation, times the other."""
    first, last = jnp.split(expanded, 2, axis=-1)
    return activation(first) * last if activated == FIRST else first * activation(last)

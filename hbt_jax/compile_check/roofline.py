"""How long a step takes at best: matrix products, HBM and links at their peak rates, overlapped or in turn."""

import dataclasses
from collections.abc import Sequence

from hbt_jax.compile_check.chips import Slice
from hbt_jax.compile_check.collectives import Collective

ASSUMPTIONS = (
    "matrix products run at the chip's bfloat16 peak, float32 products at the highest precision as six of them",
    "HBM moves what every instruction reads and writes, whole operands except slices, look-ups and updates in place",
    "collectives over all chips use every dimension of the slice, others one; both directions where links close a ring",
    "nothing waits for the host; the least time overlaps all three, the most overlaps nothing",
    "MFU counts forward and backward products once: neither what is computed again nor the six passes",
)


@dataclasses.dataclass(frozen=True)
class Roofline:
    """Seconds of a step on one chip.

    Attributes:
      compute, memory, links: matrix products, HBM, transfers between chips.
      needed: seconds of the products a step needs at the peak, without repetitions.
    """

    compute: float
    memory: float
    links: float
    needed: float

    @property
    def least(self) -> float:
        """All overlapped."""
        return max(self.compute, self.memory, self.links)

    @property
    def most(self) -> float:
        """Nothing overlapped."""
        return self.compute + self.memory + self.links

    @property
    def mfu(self) -> tuple[float, float]:
        """Model FLOPs utilisation at the most and at the least time."""
        return self.needed / self.most, self.needed / self.least


def roofline(
    where: Slice, needed_flops: float, unit_flops: float, hbm_bytes: float, moved: Sequence[Collective]
) -> Roofline:
    """The times of a step.

    Args:
      where: the slice.
      needed_flops: of all chips, without repetitions.
      unit_flops: of all chips, as bfloat16 products.
      hbm_bytes: of one chip.
      moved: the program's collectives.
    """
    chip, chips = where.chip, len(where.devices)
    links = sum(one.sent / _rate(one, where) for one in moved)
    peak = chips * chip.flops
    return Roofline(unit_flops / peak, hbm_bytes / chip.hbm_rate, links, needed_flops / peak)


def _rate(one: Collective, where: Slice) -> float:
    """Bytes a second that a chip sends for a collective."""
    if one.kind == "collective-permute":
        return where.chip.link_rate
    used = sorted((side for side in where.sides if side > 1), reverse=True)
    if one.members < len(where.devices):
        used = used[:1]
    return where.chip.link_rate * sum(2 if side >= where.chip.ring else 1 for side in used) if used else float("inf")

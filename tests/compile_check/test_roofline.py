"""Times follow from bytes, FLOPs and the slice's shape."""

import pytest

from hbt_jax.compile_check.chips import CHIPS, Slice
from hbt_jax.compile_check.collectives import Collective
from hbt_jax.compile_check.hlo import Array
from hbt_jax.compile_check.roofline import roofline

CHIP = CHIPS["v5e"]


def slice_of(*sides) -> Slice:
    chips = 1
    for side in sides:
        chips *= side
    return Slice("v5e", CHIP, sides, tuple(range(chips)))


def moved(kind, members, bytes_):
    return Collective(kind, "data", members, (Array("f32", (bytes_ // 4,)),), 1, "")


def test_the_least_is_the_slowest_and_the_most_is_the_sum():
    times = roofline(
        slice_of(2, 2), 2e12, 4e12, CHIP.hbm_rate, [moved("collective-permute", 4, int(CHIP.link_rate) * 3)]
    )
    assert (times.compute, times.memory, times.links) == pytest.approx((1e12 / CHIP.flops, 1.0, 3.0))
    assert (times.least, times.most) == pytest.approx((3.0, 4.0 + 1e12 / CHIP.flops))
    assert times.mfu == pytest.approx((5e11 / CHIP.flops / times.most, 5e11 / CHIP.flops / 3.0))


@pytest.mark.parametrize(
    ("sides", "members", "links"),
    [
        ((16, 16), 256, 4),  # two dimensions, each a ring of two directions
        ((16, 16), 16, 2),
        ((4, 4), 16, 2),  # no rings
        ((4, 4), 4, 1),
        ((8, 16), 128, 3),
        ((2, 1), 2, 1),
    ],
)
def test_links_that_a_collective_uses(sides, members, links):
    gather = moved("all-gather", members, 4_000_000)
    times = roofline(slice_of(*sides), 1.0, 1.0, 1.0, [gather])
    assert times.links == pytest.approx(gather.sent / (links * CHIP.link_rate))

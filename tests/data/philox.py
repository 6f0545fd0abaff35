"""Philox4x64-10 in plain Python, after its paper (Salmon and others 2011), and numpy's way to number its blocks."""

import functools

_MULTIPLIERS = 0xD2E7470EE14C6C93, 0xCA5A826395121157
_KEY_STEPS = 0x9E3779B97F4A7C15, 0xBB67AE8584CAA73B
_MASK = 2**64 - 1


def philox(counter: tuple[int, int, int, int], key: tuple[int, int]) -> tuple[int, int, int, int]:
    """Four numbers of 64 bits from a counter."""
    a, b, c, d = counter
    left, right = key
    for _ in range(10):
        first, second = a * _MULTIPLIERS[0], c * _MULTIPLIERS[1]
        a, b, c, d = second >> 64 ^ b ^ left, second & _MASK, first >> 64 ^ d ^ right, first & _MASK
        left, right = (left + _KEY_STEPS[0]) & _MASK, (right + _KEY_STEPS[1]) & _MASK
    return a, b, c, d


@functools.cache
def raw_stream(seed: int, purpose: int, index: int, count: int) -> tuple[int, ...]:
    """The first numbers of hbt_jax.draws.stream; numpy adds 1 to the counter before each block."""
    blocks = (philox((block, 0, index, purpose), (seed, 0)) for block in range(1, count // 4 + 2))
    return tuple(number for block in blocks for number in block)[:count]

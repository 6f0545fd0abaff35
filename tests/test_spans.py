"""Places of runs of values, and of values in a sorted array."""

import doctest

from hbt_jax import spans


def test_the_examples_in_the_docstrings_hold():
    results = doctest.testmod(spans)
    assert results.attempted == 3 and results.failed == 0

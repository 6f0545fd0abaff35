"""Places of runs of values."""

import doctest

from hbt_jax import spans


def test_the_example_in_the_docstring_holds():
    results = doctest.testmod(spans)
    assert results.attempted == 1 and results.failed == 0

"""Connected components against a search that follows every edge."""

import doctest

import numpy as np
import pytest

from hbt_jax import connected


def test_examples():
    assert doctest.testmod(connected).failed == 0 and doctest.testmod(connected).attempted == 3


def test_nothing_and_no_edges():
    assert connected.first_connected(np.zeros((2, 0), np.int64), 3).tolist() == [0, 1, 2]
    assert connected.first_connected(np.zeros((2, 0), np.int64), 0).tolist() == []
    assert connected.joined(np.zeros(0, np.int64), np.zeros(0, np.int64)).tolist() == []
    assert connected.groups({}) == {} and connected.groups({"b": [], "a": []}) == {"b": "b", "a": "a"}


@pytest.mark.parametrize("seed", range(20))
def test_random_graphs(seed):
    draw = np.random.default_rng(seed)
    count = int(draw.integers(1, 60))
    edges = draw.integers(0, count, (2, int(draw.integers(0, 60))))
    first = list(range(count))
    for _ in range(count):
        for one, other in edges.T.tolist():
            first[one] = first[other] = min(first[one], first[other])
    assert connected.first_connected(edges, count).tolist() == first
    names = {
        str(number): [edge for edge, pair in enumerate(edges.T.tolist()) if number in pair] for number in range(count)
    }
    assert connected.groups(names) == {str(number): str(one) for number, one in enumerate(first)}

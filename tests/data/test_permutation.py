"""Keyed permutations: bijections of every size, other ones for other keys."""

import numpy as np
import pytest
from scipy import stats

from hbt_jax.data.permutation import key, permute


@pytest.mark.parametrize("size", [*range(1, 70), 127, 128, 129, 1000, 4097, 100_003])
def test_every_index_is_met_once(size):
    places = permute(np.arange(size), size, key(3, size))
    assert np.array_equal(np.sort(places), np.arange(size))


def test_large_sizes_stay_inside_without_memory():
    size = 40_000_000
    index = np.arange(size - 2000, size)
    places = permute(index, size, key(1, 2))
    assert len(np.unique(places)) == 2000
    assert places.min() >= 0
    assert places.max() < size
    assert abs(places.mean() / size - 0.5) < 0.05


def test_keys_may_differ_from_index_to_index():
    keys = key(5, np.array([0, 0, 1, 1]))
    index = np.array([4, 9, 4, 9])
    both = permute(index, 20, keys)
    assert both[:2].tolist() == permute(index[:2], 20, key(5, 0)).tolist()
    assert both[2:].tolist() == permute(index[2:], 20, key(5, 1)).tolist()


def test_order_of_key_parts_matters():
    assert key(1, 2) != key(2, 1)
    assert key(0) != key(0, 0)


def test_where_an_index_goes_is_uniform_over_keys():
    size, draws = 12, 6000
    places = permute(np.full(draws, 7), size, key(9, np.arange(draws)))
    assert stats.chisquare(np.bincount(places, minlength=size)).pvalue > 1e-4
    following = permute(np.full(draws, 8), size, key(9, np.arange(draws)))
    steps = (following - places) % size  # the neighbour goes anywhere else, uniformly
    assert stats.chisquare(np.bincount(steps, minlength=size)[1:]).pvalue > 1e-4

"""Subsets: the k-th member is the one that a list of the members has there."""

import numpy as np
import pytest

from hbt_jax.data.subset import Subset, packed


@pytest.mark.parametrize("share", [0.0, 0.01, 0.5, 0.99, 1.0])
@pytest.mark.parametrize("size", [1, 63, 64, 65, 1000])
@pytest.mark.parametrize("chunk", [8, 64, 1024])
def test_members_are_found_by_their_place(share, size, chunk):
    belongs = np.random.default_rng(size).random(size) < share
    subset = Subset([packed(belongs[first : first + chunk]) for first in range(0, size, chunk)])
    members = np.flatnonzero(belongs)
    assert len(subset) == len(members)
    assert subset.tolist() == members.tolist()
    places = np.random.default_rng(1).permutation(len(members))
    found = subset[places]
    assert found.dtype == np.int64
    np.testing.assert_array_equal(found, members[places])


def test_words_without_a_member_are_passed_over():
    belongs = np.zeros(1000, bool)
    belongs[[0, 63, 640, 999]] = True
    assert Subset([packed(belongs)])[np.array([3, 1, 2, 0, 2])].tolist() == [999, 63, 640, 0, 640]


def test_nothing_at_all():
    assert len(Subset([])) == 0
    assert Subset([]).tolist() == []

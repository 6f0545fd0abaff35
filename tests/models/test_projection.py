"""Which directions are those of language."""

import numpy as np
import pytest

from hbt_jax.errors import InputError
from hbt_jax.models.projection import top_directions


def test_the_directions_are_those_in_which_the_means_vary_most():
    mean_LD = np.array([[3.0, 1.0, 7.0], [-3.0, 1.0, 7.0], [0.0, 2.0, 7.0], [0.0, 0.0, 7.0]], np.float32)
    direction_KD = top_directions(mean_LD, 2)
    np.testing.assert_allclose(np.abs(direction_KD), [[1, 0, 0], [0, 1, 0]], atol=1e-6)
    assert direction_KD.dtype == np.float32


def test_they_are_the_top_of_the_covariance():
    mean_LD = np.random.default_rng(0).normal(size=(9, 6)).astype(np.float32)
    values, vectors = np.linalg.eigh(np.cov(mean_LD, rowvar=False))
    found_KD = top_directions(mean_LD, 3)
    np.testing.assert_allclose(found_KD @ found_KD.T, np.eye(3), atol=1e-6)
    np.testing.assert_allclose(np.abs(np.sum(found_KD.T * vectors[:, ::-1][:, :3], axis=0)), 1, atol=1e-5)


def test_there_are_fewer_directions_than_languages():
    with pytest.raises(InputError, match="directions=3: the means of 3 languages span at most 2 directions"):
        top_directions(np.eye(3, 5, dtype=np.float32), 3)

"""The spread of rank distances: bins that cover every distance, counts that add up, quantiles by hand."""

import math

import numpy as np
import pytest

from hbt_jax.evaluation.measures.rank_distances import bin_edges, rank_distances

CODES = ("de", "sw", "te")


def found(distances, languages):
    return rank_distances(np.array(distances, float), np.array(languages), CODES)


def test_the_histogram_counts_every_query_once():
    rng = np.random.default_rng(0)
    distances = np.floor(10 ** rng.uniform(0, 4.1, 500))
    distances[rng.random(500) < 0.1] = math.nan
    block = found(distances, rng.integers(3, size=500))
    counted = int(np.isfinite(distances).sum())
    assert sum(block["all"]["histogram"]) == block["all"]["queries"] == counted
    by_language = block["by_query_language"].values()
    assert sum(one["queries"] for one in by_language) == counted
    summed = np.sum([one["histogram"] for one in by_language], axis=0)
    assert summed.tolist() == block["all"]["histogram"]
    assert all(sum(one["histogram"]) == one["queries"] for one in by_language)


def test_distances_by_hand():
    block = found([1, 2, 3, 6, 7, 99, 100, math.nan], [0, 0, 0, 0, 0, 0, 1, 2])
    assert block["edges"] == [1, 2, 3, 4, 7, 10, 16, 26, 40, 64, 100]
    assert block["all"]["histogram"] == [1, 1, 1, 1, 1, 0, 0, 0, 0, 1, 1]
    assert set(block["by_query_language"]) == {"de", "sw"}
    assert block["by_query_language"]["sw"] == {"queries": 1, "histogram": [0] * 10 + [1], "quantiles": [100.0] * 5}
    middle = block["levels"].index(0.5)
    assert block["by_query_language"]["de"]["quantiles"][middle] == pytest.approx((3 + 6) / 2)


@pytest.mark.parametrize("largest", [1, 2, 9, 10, 11, 12_345, 10**6])
def test_each_whole_distance_has_one_bin(largest):
    edges = bin_edges(largest)
    assert edges[0] == 1 and edges[-1] <= largest
    assert (np.diff(edges) > 0).all()
    assert len(edges) <= 5 * (math.log10(largest) + 1) + 1


def test_without_a_distance_there_is_nothing():
    assert found([math.nan, math.nan], [0, 1]) == {}

"""Metrics against examples worked by hand."""

import numpy as np
import pytest

from hbt_jax.evaluation import bias, metrics

RANKS = np.array([[1, 3], [4, 2], [5, 0]])  # of two, two and one relevant candidates


def test_average_precision_by_hand():
    np.testing.assert_allclose(metrics.average_precision(RANKS), [(1 / 1 + 2 / 3) / 2, (1 / 2 + 2 / 4) / 2, 1 / 5])


def test_recall_divides_by_the_reachable():
    np.testing.assert_allclose(metrics.recall_at(RANKS, 1), [1.0, 0.0, 0.0])
    np.testing.assert_allclose(metrics.recall_at(RANKS, 3), [1.0, 0.5, 0.0])
    np.testing.assert_allclose(metrics.recall_at(RANKS, 10), [1.0, 1.0, 1.0])


def test_recall_at_1_can_be_1_with_many_relevant():
    assert metrics.recall_at(np.array([[7, 1, 3, 2]]), 1) == [1.0]


def test_a_query_without_relevant_candidates_is_nan():
    empty = np.zeros((1, 2), int)
    assert np.isnan(metrics.average_precision(empty)).all() and np.isnan(metrics.recall_at(empty, 10)).all()


def test_rank_distance_by_hand():
    ranks = np.array([[2, 9, 4], [9, 4, 0], [7, 0, 0], [3, 1, 8]])
    codes = np.array([[0, 1, 2], [3, 3, -1], [0, -1, -1], [1, 1, 0]])
    np.testing.assert_array_equal(bias.rank_distance(ranks, codes), [7, np.nan, np.nan, 7])


@pytest.fixture
def three_queries():
    """Queries de, de, en; candidates 0 de, 1 en, 2 de, 3 en; the last query has one relevant candidate, in de."""
    return metrics.query_metrics(
        rank_QG=np.array([[1, 3], [4, 2], [2, 0]]),
        own_rank_QG=np.array([[1, 2], [2, 1], [2, 0]]),
        relevant_QG=np.array([[0, 1], [2, 3], [0, -1]]),
        query_languages=["de", "de", "en"],
        candidate_languages=["de", "en", "de", "en"],
        languages=("de", "en"),
    )


def test_pools_by_hand(three_queries):
    np.testing.assert_array_equal(three_queries.language_Q, [0, 0, 1])
    np.testing.assert_allclose(three_queries.by_pool["map"], [[1, 1 / 2], [1 / 2, 1], [1 / 2, np.nan]])
    np.testing.assert_allclose(three_queries.by_pool["recall@1"], [[1, 0], [0, 1], [0, np.nan]])
    np.testing.assert_allclose(three_queries.multilingual["map"], [5 / 6, 1 / 2, 1 / 2])
    np.testing.assert_allclose(three_queries.multilingual["rank_distance"], [2, 2, np.nan])

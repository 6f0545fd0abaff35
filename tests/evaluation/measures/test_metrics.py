"""Metrics against examples worked by hand."""

import numpy as np
import pytest
import pytrec_eval

from hbt_jax.evaluation.measures import bias, metrics

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


def test_reciprocal_rank_and_ndcg_by_hand():
    np.testing.assert_allclose(metrics.reciprocal_rank(RANKS), [1, 1 / 2, 1 / 5])
    third, second, fourth, fifth = (1 / np.log2(1 + rank) for rank in (3, 2, 4, 5))
    np.testing.assert_allclose(
        metrics.ndcg_at(RANKS, 10), [(1 + third) / (1 + second), (second + fourth) / (1 + second), fifth]
    )


def test_ndcg_forgets_what_is_past_the_depth_and_expects_no_more_than_it_holds():
    ranks = np.array([[2, 11, 0], [11, 12, 13], [1, 2, 3]])
    np.testing.assert_allclose(metrics.ndcg_at(ranks[:2], 10), [1 / np.log2(3) / (1 + 1 / np.log2(3)), 0])
    np.testing.assert_allclose(metrics.ndcg_at(ranks, 2)[2], 1.0)


@pytest.mark.peer
def test_trec_eval_agrees_on_many_relevant_candidates():
    """Up to 40 relevant ones among 60, more than the ten that nDCG reads, in rankings without ties."""
    rng = np.random.default_rng(2)
    ranks, ranked, judged = np.zeros((30, 40), int), {}, {}
    for q in range(30):
        relevant = 1 + rng.permutation(60)[: 1 + q * 39 // 29]
        ranks[q, : len(relevant)] = relevant
        ranked[str(q)] = {str(rank): float(-rank) for rank in range(1, 61)}
        judged[str(q)] = {str(rank): 1 for rank in relevant}
    theirs = pytrec_eval.RelevanceEvaluator(judged, {"map", "recip_rank", "ndcg_cut_10"}).evaluate(ranked)
    ours = metrics.pool_metrics(ranks)
    for name, their_name in (("map", "map"), ("mrr", "recip_rank"), ("ndcg@10", "ndcg_cut_10")):
        np.testing.assert_allclose(ours[name], [theirs[str(q)][their_name] for q in range(30)], atol=1e-6)


def test_ranks_go_to_their_languages():
    found = metrics.ranks_by_language(np.array([[4, 5, 6], [7, 8, 0]]), np.array([[1, 0, 1], [1, 1, -1]]), 3)
    np.testing.assert_array_equal(found, [[[5, 0], [4, 6], [0, 0]], [[0, 0], [7, 8], [0, 0]]])

"""Numbers of language bias, by hand and against plain loops."""

import doctest

import numpy as np
import pytest

from hbt_jax.evaluation.benchmarks.benchmark import Benchmark, BenchmarkTexts
from hbt_jax.evaluation.measures import bias, metrics
from hbt_jax.evaluation.measures.top_languages import TopLanguages
from hbt_jax.evaluation.ranking.layout import make_layout
from hbt_jax.evaluation.ranking.rank import rank_blocks

NONE = -1


def test_the_examples_in_docstrings_hold():
    for module, examples in ((bias, 3), (metrics, 5)):
        found = doctest.testmod(module)
        assert found.attempted >= examples and found.failed == 0


def test_a_language_stands_by_its_best_ranked_candidate():
    """Two captions a language: de at 2 and 90, sw at 30 and 40, te at 5: the worst language is sw, at 30."""
    found = bias.rank_distance(np.array([[2, 90, 30, 40, 5]]), np.array([[0, 0, 1, 1, 2]]))
    np.testing.assert_array_equal(found, [28])


def test_with_one_candidate_a_language_it_is_the_worst_rank_less_the_best():
    rank = np.random.default_rng(0).permuted(np.tile(np.arange(1, 200), (50, 1)), axis=1)[:, :11]
    code = np.tile(np.arange(11), (50, 1))
    np.testing.assert_array_equal(bias.rank_distance(rank, code), rank.max(axis=1) - rank.min(axis=1))


def test_strong_alignment_by_hand():
    ranks = np.array([[3, 1, 2], [1, 2, 4], [1, 0, 0], [2, 0, 0], [0, 0, 0]])
    np.testing.assert_array_equal(bias.strong_alignment(ranks), [1, 0, 1, 0, np.nan])


def test_one_language_map_by_hand():
    """de at 1 and 4, sw at 2: de alone has ranks 1 and 3, (1/1 + 2/3) / 2; sw alone 1.  Padding changes nothing."""
    ranks = np.array([[1, 4, 2, 0], [4, 0, 0, 0], [0, 0, 0, 0]])
    found = bias.one_language_map(ranks, np.array([[0, 0, 1, NONE], [1, *[NONE] * 3], [NONE] * 4]))
    np.testing.assert_allclose(found, [((1 + 2 / 3) / 2 + 1) / 2, 1 / 4, np.nan])


def test_one_language_map_is_the_map_of_pools_without_the_other_answers():
    rng = np.random.default_rng(3)
    for _ in range(50):
        language_N = rng.integers(4, size=30)
        relevant = rng.choice(30, size=int(rng.integers(1, 12)), replace=False)
        ranking = rng.permutation(30)
        values = []
        for number in sorted({*language_N[relevant]}):
            others = {n for n in relevant if language_N[n] != number}
            left = [n for n in ranking if n not in others]
            ranks = sorted(left.index(n) + 1 for n in relevant if language_N[n] == number)
            values.append(np.mean([(i + 1) / rank for i, rank in enumerate(ranks)]))
        rank_1G = np.argsort(ranking)[relevant][None] + 1
        np.testing.assert_allclose(bias.one_language_map(rank_1G, language_N[relevant][None]), [np.mean(values)])


def test_an_answer_that_a_system_does_not_list_adds_nothing():
    ranks = np.array([[1, metrics.NOT_FOUND + 5]])
    np.testing.assert_allclose(bias.one_language_map(ranks, np.array([[0, 1]])), [0.5], atol=1e-8)


def test_similarity_gap_by_hand():
    """One query, de.  Scores of de: relevant .9, others .8 and .6, excluded .5; of others: relevant .4 and .2."""
    score = np.array([0.9, 0.8, 0.6, 0.5, 0.4, 0.2, 0.7], np.float32)
    found = bias.similarity_gap(
        np.ones((1, 1), np.float32),
        score[:, None],
        np.array([[0, 4, 5]], np.int32),
        np.array([[3, NONE]], np.int32),
        np.array([0]),
        np.array([0, 0, 0, 0, 1, 2, 2]),
    )
    np.testing.assert_allclose(found, [(0.8 + 0.6) / 2 - (0.4 + 0.2) / 2], atol=1e-6)


def test_similarity_gap_needs_both_sides():
    """The first query has no relevant candidate in another language, the second no other candidate in its own."""
    relevant = np.array([[0, NONE], [2, 0]], np.int32)
    found = bias.similarity_gap(
        np.ones((2, 2), np.float32), np.ones((3, 2), np.float32), relevant, None, np.array([0, 1]), np.array([0, 0, 1])
    )
    np.testing.assert_array_equal(found, [np.nan, np.nan])


def test_similarity_gap_against_a_loop(monkeypatch):
    monkeypatch.setattr(bias, "_QUERIES_AT_A_TIME", 7)
    rng = np.random.default_rng(1)
    query, candidate = (rng.standard_normal((rows, 5)).astype(np.float32) for rows in (30, 80))
    language_Q, language_N = rng.integers(3, size=30), rng.integers(3, size=80)
    drawn = np.stack([rng.permutation(80)[:6] for _ in range(30)]).astype(np.int32)
    relevant, excluded = drawn[:, :4].copy(), drawn[:, 4:].copy()
    relevant[::3, 2:], excluded[::2, 1:] = NONE, NONE
    found = bias.similarity_gap(query, candidate, relevant, excluded, language_Q, language_N)
    scores = query.astype(np.float64) @ candidate.T.astype(np.float64)
    for q in range(30):
        good = [n for n in relevant[q] if n != NONE]
        own = [scores[q, n] for n in range(80)
               if language_N[n] == language_Q[q] and n not in good and n not in excluded[q]]  # fmt: skip
        other = [scores[q, n] for n in good if language_N[n] != language_Q[q]]
        wanted = np.mean(own) - np.mean(other) if other else np.nan
        np.testing.assert_allclose(found[q], wanted, atol=1e-5)


@pytest.fixture
def twelve():
    """Scores of two queries and twelve candidates, eight of them de (0), three sw (1), one zh (2)."""
    language_N = np.array([0] * 8 + [1] * 3 + [2])
    scores = np.array([np.arange(12, 0, -1), np.arange(1, 13)], np.float32)
    return scores, language_N


def shares(scores, language_N, language_Q, excluded=None):
    """TopLanguages over an evaluation whose query q has the scores scores[q]: the candidates are their columns."""
    eye, relevant = np.eye(len(scores), dtype=np.float32), np.zeros((len(scores), 1), np.int32)
    sides = []
    for numbers in (language_Q, language_N):
        ids = [f"{n:02}" for n in range(len(numbers))]
        sides.append(BenchmarkTexts(ids, ids, [("de", "sw", "zh")[code] for code in numbers], ids))
    benchmark = Benchmark("hand", *sides, relevant, excluded)
    layout = make_layout(benchmark.candidates.ids, benchmark.candidate_pools)
    top = TopLanguages(benchmark, layout)
    for block in rank_blocks(eye, scores.T, relevant, layout, 1, excluded):
        top.add(block)
    return top.shares()


def test_languages_of_the_first_ten_by_hand(twelve):
    """The first query leaves out the last two candidates, sw and zh; the second the first two, both de."""
    top, pool = shares(*twelve, [0, 1])
    np.testing.assert_allclose(top, [[0.8, 0.2, 0.0], [0.6, 0.3, 0.1], [np.nan] * 3])
    np.testing.assert_allclose(pool[:2], [[8 / 12, 3 / 12, 1 / 12]] * 2)
    assert np.isnan(pool[2]).all()


def test_languages_of_the_first_ten_are_means_over_the_queries_of_a_language(twelve):
    top, _ = shares(*twelve, [0, 0])
    np.testing.assert_allclose(top[0], [0.7, 0.25, 0.05])


def test_what_a_query_does_not_search_is_in_neither_share(twelve):
    excluded = np.array([[0, 8], [NONE, NONE]], np.int32)
    top, pool = shares(*twelve, [0, 1], excluded)
    np.testing.assert_allclose(top[0], [7 / 10, 2 / 10, 1 / 10])
    np.testing.assert_allclose(pool[0], [7 / 10, 2 / 10, 1 / 10])
    np.testing.assert_allclose(pool[1], [8 / 12, 3 / 12, 1 / 12])


def test_a_pool_of_fewer_than_ten_is_shared_whole():
    top, pool = shares(np.ones((1, 4), np.float32), np.array([0, 0, 1, 2]), [2])
    np.testing.assert_allclose(top[2], [0.5, 0.25, 0.25])
    np.testing.assert_allclose(pool[2], top[2])

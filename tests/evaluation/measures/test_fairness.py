"""PEER, MRC and Max@R: worked by hand, by scipy, and by the plug-in of PEER's authors."""

import dataclasses

import numpy as np
import pytest
from scipy import stats

from hbt_jax.evaluation.benchmarks.benchmark import NO_CANDIDATE, Benchmark, BenchmarkTexts
from hbt_jax.evaluation.measures.fairness import peer
from hbt_jax.evaluation.measures.metrics import NOT_FOUND
from hbt_jax.evaluation.report.cards.bias import bias_card
from tests.evaluation.ranked_small import evaluate


@pytest.mark.peer
@pytest.mark.parametrize("depth", [57, 30, 8])
def test_peer_agrees_with_the_plug_in(small_benchmark, depth):
    kruskal = pytest.importorskip("peer_measure").kruskal
    rng = np.random.default_rng(0)
    codes, relevant_QG = small_benchmark.candidates.languages, small_benchmark.relevant_QG
    rank_QN = np.stack([1 + rng.permutation(len(codes)) for _ in relevant_QG])
    expected = []
    for query, row in enumerate(relevant_QG.tolist()):
        groups = {code: [] for code in codes}
        for n in row:
            if n != NO_CANDIDATE:
                groups[codes[n]].append(float(rank_QN[query, n]) if rank_QN[query, n] <= depth else np.nan)
        expected.append(kruskal(*groups.values())[1])
    rank_QG = np.where(relevant_QG == NO_CANDIDATE, 0, np.take_along_axis(rank_QN, relevant_QG, axis=1))
    rank_QG = np.where(rank_QG > depth, NOT_FOUND + rank_QG, rank_QG)
    number_N = np.unique(codes, return_inverse=True)[1]
    language_QG = np.where(relevant_QG == NO_CANDIDATE, -1, number_N[relevant_QG])
    assert peer(rank_QG, language_QG) == pytest.approx(expected)
    assert len(set(np.round(expected, 6))) > 3


def test_peer_is_scipys_test_where_ranks_are_those_of_the_relevant_alone():
    rank_QG, language_QG = np.array([[4, 1, 5, 2, 3, 6]]), np.array([[0, 0, 1, 1, 2, 2]])
    expected = stats.kruskal([4, 1], [5, 2], [3, 6]).pvalue
    assert peer(rank_QG, language_QG) == pytest.approx([expected])


def test_an_evaluation_has_the_measures(tmp_path):
    languages = ["de", "en", "sw"]
    queries = [(f"{item}:{code}", item, code, "?") for item in "ab" for code in languages]
    answers = [(f"{item}:{code}", item, code, ".") for item in "abcd" for code in languages]
    relevant_QG = np.array(
        [[n for n, (_, item, _, _) in enumerate(answers) if item == asked] for _, asked, _, _ in queries]
    )
    benchmark = Benchmark(
        "b", BenchmarkTexts.of_rows(queries), BenchmarkTexts.of_rows(answers), relevant_QG.astype(np.int32)
    )
    rng = np.random.default_rng(1)
    query_QD, candidate_ND = rng.normal(size=(6, 5)).astype(np.float32), rng.normal(size=(12, 5)).astype(np.float32)
    summary = evaluate(benchmark, query_QD, candidate_ND, out_dir=tmp_path)
    found, score_QN = summary["fairness"], query_QD @ candidate_ND.T
    rank_QN = stats.rankdata(-score_QN, axis=1)
    last = [rank_QN[q, relevant_QG[q]].max() for q in range(6)]
    assert found["max_rank"]["mean"] == pytest.approx(np.mean(last))
    assert found["max_rank"]["by_query_language"]["sw"] == pytest.approx(np.mean([last[2], last[5]]))
    pairs = [stats.spearmanr(score_QN[a], score_QN[b]).statistic for start in (0, 3)
             for a, b in ((start, start + 1), (start, start + 2), (start + 1, start + 2))]  # fmt: skip
    assert found["mrc"]["mean"] == pytest.approx(np.mean(pairs))
    assert found["mrc"]["items"] == 2
    assert found["peer"]["mean"] == pytest.approx(stats.chi2.sf(2, 2))  # one relevant candidate in each language
    text = bias_card(summary, [])
    assert "PEER" in text and f"{np.mean(pairs):.3f}" in text and f"{np.mean(last):.1f}" in text


def test_what_a_query_does_not_search_is_left_out_of_mrc(small_benchmark, small_embeddings, tmp_path):
    excluded_QX = np.full((len(small_benchmark.queries), 1), NO_CANDIDATE, np.int32)
    excluded_QX[0] = next(n for n in range(9) if n not in small_benchmark.relevant_QG[0])
    whole = evaluate(small_benchmark, *small_embeddings, out_dir=tmp_path / "whole")["fairness"]["mrc"]
    less = dataclasses.replace(small_benchmark, excluded_QX=excluded_QX)
    part = evaluate(less, *small_embeddings, out_dir=tmp_path / "part")["fairness"]["mrc"]
    assert part["items"] == whole["items"] and part["mean"] == pytest.approx(whole["mean"], abs=0.1)

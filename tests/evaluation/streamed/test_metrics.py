"""nDCG@10 and Recall@100 of graded judgements, against trec_eval."""

import doctest

import numpy as np
import pytest
import pytrec_eval

from hbt_jax.evaluation.streamed import metrics


def test_the_examples_in_docstrings_hold():
    assert doctest.testmod(metrics).attempted >= 2
    assert doctest.testmod(metrics).failed == 0


@pytest.mark.peer
def test_trec_eval_agrees_on_random_rankings_with_grades():
    rng = np.random.default_rng(0)
    queries, candidates = 40, 150
    ids = [f"d{number}" for number in range(candidates)]
    grades = [
        {ids[n]: int(rng.integers(-1, 4)) for n in rng.choice(candidates, rng.integers(1, 130), replace=False)}
        for _ in range(queries)
    ]
    grades[0] = {"d1": 0, "d2": 0}
    ranked = [rng.permutation(candidates)[: rng.integers(1, candidates)] for _ in range(queries)]
    id_QK = [[ids[n].encode() for n in one] + [b""] * (candidates - len(one)) for one in ranked]
    ours = metrics.query_values(metrics.grade_array(id_QK, grades), grades)
    run = {f"q{q}": {ids[n]: float(-place) for place, n in enumerate(one)} for q, one in enumerate(ranked)}
    judged = {f"q{q}": one for q, one in enumerate(grades)}
    theirs = pytrec_eval.RelevanceEvaluator(judged, {"ndcg_cut.10", "recall.100"}).evaluate(run)
    assert ours["ndcg@10"][0] == ours["recall@100"][0] == 0.0
    assert 0.1 < ours["ndcg@10"].mean() < 0.9
    for metric, name in (("ndcg@10", "ndcg_cut_10"), ("recall@100", "recall_100")):
        assert ours[metric] == pytest.approx([theirs[f"q{q}"][name] for q in range(queries)], abs=1e-6)

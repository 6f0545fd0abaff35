"""The scores after query-bank normalisation, against the definition written out."""

import numpy as np
import pytest

from hbt_jax.evaluation.ranking import query_bank
from hbt_jax.evaluation.ranking.query_bank import mean_of_closest, normalised


@pytest.fixture
def vectors():
    rng = np.random.default_rng(0)
    return [rng.normal(size=(rows, 5)).astype(np.float32) for rows in (6, 9, 7, 2)]


def test_inner_products_are_the_corrected_scores(vectors, monkeypatch):
    monkeypatch.setattr(query_bank, "_CANDIDATES", 4)  # so that there are several blocks
    query_QD, candidate_ND, german_BD, swahili_BD = vectors
    codes = ["de", "sw", "te", "de", "te", "sw"]
    banks = {"de": german_BD, "sw": swahili_BD}
    query, candidate = normalised(query_QD, candidate_ND, codes, banks, neighbours=3, weight=0.25)
    assert (query.dtype, candidate.dtype) == (np.float32, np.float32)
    for q, code in enumerate(codes):
        for c in range(9):
            expected = float(query_QD[q] @ candidate_ND[c])
            if code in banks:
                scores = sorted((float(candidate_ND[c] @ text) for text in banks[code]), reverse=True)[:3]
                expected -= 0.25 * sum(scores) / len(scores)  # sw has only two texts
            assert float(query[q] @ candidate[c]) == pytest.approx(expected, abs=1e-5)


def test_it_orders_candidates_as_csls(vectors):
    query_QD, candidate_ND, bank_BD, _ = (each / np.linalg.norm(each, axis=1, keepdims=True) for each in vectors)
    query, candidate = normalised(query_QD, candidate_ND, ["de"] * 6, {"de": bank_BD}, neighbours=4, weight=0.5)
    near_N = np.sort(candidate_ND @ bank_BD.T, axis=1)[:, -4:].mean(axis=1)
    near_Q = np.sort(query_QD @ candidate_ND.T, axis=1)[:, -4:].mean(axis=1)
    csls_QN = 2 * query_QD @ candidate_ND.T - near_Q[:, None] - near_N
    np.testing.assert_array_equal(np.argsort(query @ candidate.T), np.argsort(csls_QN))


def test_a_candidate_close_to_every_query_is_lowered_more():
    candidate_ND, bank_BD = np.eye(2, dtype=np.float32), np.array([[0.9, 0.1], [0.8, 0.0]], np.float32)
    np.testing.assert_allclose(mean_of_closest(candidate_ND, bank_BD, 5), [0.85, 0.05], atol=1e-6)

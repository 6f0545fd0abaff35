"""The exact best candidates, by every method, against final scores of all pairs and a sort."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from jax.sharding import Mesh

from hbt_jax.errors import InputError
from hbt_jax.evaluation.search import first_pass, search
from hbt_jax.evaluation.search.bound import Bound
from hbt_jax.evaluation.search.search import _PairScores
from hbt_jax.evaluation.search.shortlist import GROUP, RunningList


def top_candidates(query, candidate, depth, *, method="auto", block=None, mesh=None, **options):
    how = first_pass.FirstPass(method, block, mesh)
    return search.top_candidates(query, candidate, depth, how=how, **options)


def rng(seed=0):
    return np.random.default_rng(seed)


def unit(array):
    return (array / np.linalg.norm(array, axis=-1, keepdims=True)).astype(np.float32)


def random_case():
    return unit(rng().standard_normal((19, 24))), unit(rng(1).standard_normal((3000, 24)))


def clustered_case():
    """Tight clusters in one corner of the sphere, one after the other, and queries near their centres."""
    centres = np.ones(48) + 0.5 * rng().standard_normal((12, 48))
    candidate = np.repeat(centres, 200, axis=0) + 0.05 * rng(1).standard_normal((2400, 48))
    return unit(centres + 0.05 * rng(2).standard_normal((12, 48))), unit(candidate)


def tied_case():
    """Small whole numbers, many of them equal, of no particular length."""
    return tuple(rng(seed).integers(-2, 3, (count, 4)).astype(np.float32) for seed, count in ((0, 17), (1, 1500)))


def copies_case():
    """Two embeddings, each many times, so that no list holds all that are equal."""
    candidate = unit(rng().standard_normal((2, 24)))[rng(1).integers(0, 2, 3000)]
    return unit(rng(2).standard_normal((9, 24))), candidate


def near_ties_case():
    """Candidates that differ in their last bits, on two sides so that no shift helps: no pass can tell them apart."""
    candidate = np.ones((4000, 24)) + 2e-7 * rng().standard_normal((4000, 24))
    candidate[::2] *= -1
    return unit(rng(1).standard_normal((9, 24))), unit(candidate)


def zeros_case():
    query, candidate = random_case()
    query[::2], candidate[::3] = 0.0, 0.0
    return query, candidate[:1000]


def tiny_numbers_case():
    """Products that flush to zero in float32."""
    query, candidate = random_case()
    return query * np.float32(1e-22), candidate[:1000] * np.float32(1e-20)


def uneven_lengths_case():
    query, candidate = random_case()
    return query * np.float32(30.0), candidate * rng(3).lognormal(0.0, 2.0, (3000, 1)).astype(np.float32)


CASES = {
    function.__name__.removesuffix("_case"): function
    for function in (
        random_case, clustered_case, tied_case, copies_case, near_ties_case, zeros_case, tiny_numbers_case,
        uneven_lengths_case,
    )
}  # fmt: skip


def brute_force(query, candidate, depth, tie=None):
    """The same by the final scores of all pairs, each summed alone."""
    candidates = len(candidate)
    tie = np.arange(candidates) if tie is None else tie
    score_QK = np.full((len(query), depth), -np.inf, np.float32)
    index_QK = np.full((len(query), depth), -1, np.int64)
    for row, one in enumerate(query.astype(np.float64)):
        score_N = (one * candidate.astype(np.float64)).sum(axis=1).astype(np.float32)
        order = np.lexsort((np.arange(candidates), tie, -score_N))[:depth]
        score_QK[row, : len(order)], index_QK[row, : len(order)] = score_N[order], order
    return score_QK, index_QK


def assert_exact(found, query, candidate, depth, tie=None):
    score_QK, index_QK = brute_force(query, candidate, depth, tie)
    np.testing.assert_array_equal(found.index_QK, index_QK)
    np.testing.assert_array_equal(found.score_QK, score_QK)
    assert (found.score_QK.dtype, found.index_QK.dtype) == (np.float32, np.int64)


@pytest.mark.parametrize("method", first_pass.METHODS)
@pytest.mark.parametrize("case", CASES)
def test_equals_brute_force(case, method):
    query, candidate = CASES[case]()
    found = top_candidates(query, candidate, 10, method=method)
    assert_exact(found, query, candidate, 10)


@pytest.mark.parametrize("method", first_pass.METHODS)
@pytest.mark.parametrize("block", [1, 64, 500, 5000])
@pytest.mark.parametrize("case", ["random", "tied", "clustered"])
def test_does_not_depend_on_the_block(case, block, method):
    query, candidate = CASES[case]()
    query, candidate = query[:5], candidate[: 300 if block == 1 else None]
    assert_exact(top_candidates(query, candidate, 3, method=method, block=block), query, candidate, 3)


@pytest.mark.parametrize("method", ["xla-float32", "xla-bfloat16"])
@pytest.mark.parametrize("case", ["random", "tied", "near_ties"])
def test_does_not_depend_on_the_devices(case, method):
    query, candidate = CASES[case]()
    for devices in (1, 3, 8):
        mesh = Mesh(np.array(jax.devices()[:devices]).reshape(1, -1), ("data", "fsdp"))
        assert_exact(top_candidates(query, candidate, 10, method=method, mesh=mesh), query, candidate, 10)


@pytest.mark.parametrize("method", first_pass.METHODS)
def test_equal_scores_are_ordered_by_tie_then_index(method):
    query, candidate = tied_case()
    tie = rng(5).integers(-3, 4, len(candidate))
    assert_exact(top_candidates(query, candidate, 40, tie_N=tie, method=method), query, candidate, 40, tie)


@pytest.mark.parametrize("method", first_pass.METHODS)
@pytest.mark.parametrize("case", ["random", "tied", "copies", "near_ties"])
def test_only_wanted_scores_are_found(case, method):
    """From the fifth score of each query on, from the best on, and from above it."""
    query, candidate = CASES[case]()
    score_QK, index_QK = brute_force(query, candidate, 10)
    least = score_QK[:, 4].copy()
    least[1::3], least[2::3] = score_QK[1::3, 0], np.nextafter(score_QK[2::3, 0], np.float32(np.inf))
    found = top_candidates(query, candidate, 10, least_Q=least, method=method)
    is_wanted_QK = score_QK >= least[:, None]
    np.testing.assert_array_equal(found.index_QK, np.where(is_wanted_QK, index_QK, -1))
    np.testing.assert_array_equal(found.score_QK, np.where(is_wanted_QK, score_QK, -np.inf))


def test_unwanted_candidates_cost_no_final_score(monkeypatch):
    query, candidate = random_case()
    pairs, scores = [], _PairScores.scores
    monkeypatch.setattr(
        _PairScores, "scores", lambda self, row, index: pairs.append(len(row)) or scores(self, row, index)
    )
    found = top_candidates(query, candidate, 10, least_Q=np.full(len(query), 2.0, np.float32))
    assert pairs == [0] and (found.index_QK == -1).all() and found.fallbacks == 0


@pytest.mark.parametrize("method", first_pass.METHODS)
@pytest.mark.parametrize("candidates", [0, 1, 7])
def test_fewer_candidates_than_asked_for(candidates, method):
    query, candidate = random_case()
    found = top_candidates(query, candidate[:candidates], 9, method=method)
    assert_exact(found, query, candidate[:candidates], 9)
    assert (found.index_QK[:, candidates:] == -1).all() and found.fallbacks == 0


def test_no_query():
    found = top_candidates(np.zeros((0, 4), np.float32), np.ones((3, 4), np.float32), 2)
    assert found.score_QK.shape == found.index_QK.shape == (0, 2)


def test_several_blocks_of_queries(monkeypatch):
    monkeypatch.setattr("hbt_jax.evaluation.search.search._QUERIES", 4)
    monkeypatch.setattr("hbt_jax.evaluation.search.search._FALLBACK_QUERIES", 3)
    monkeypatch.setattr("hbt_jax.evaluation.search.search._FALLBACK_BLOCK", 100)
    for case in (random_case, copies_case):
        query, candidate = case()
        assert_exact(top_candidates(query, candidate, 10, method="numpy-float32"), query, candidate, 10)


@pytest.mark.parametrize("method", first_pass.METHODS)
def test_fallbacks_are_counted(method):
    counts = {case: top_candidates(*CASES[case](), 10, method=method).fallbacks for case in CASES}
    assert counts["random"] == 0
    assert (counts["clustered"] == 0) == method.endswith("float32")  # its clusters are too tight for bfloat16
    assert counts["near_ties"] == len(near_ties_case()[0])
    assert counts["copies"] == len(copies_case()[0])
    assert 0 < counts["zeros"] < len(zeros_case()[0])


def test_what_bfloat16_confuses_falls_back_and_float32_certifies():
    """Scores 1e-6 apart, on two sides: bfloat16 rounds many of them to one number, float32 none."""
    query = unit(np.ones((1, 8)))
    score = 0.5 + 1e-6 * rng().permutation(2000)[:, None]
    candidate = score * query + 0.5 * unit(np.array([[1, -1, 0, 0, 0, 0, 0, 0]]))
    candidate = np.concatenate([candidate, -candidate]).astype(np.float32)
    for method, fallbacks in (("numpy-float32", 0), ("cpu-bfloat16", 1), ("xla-float32", 0), ("xla-bfloat16", 1)):
        found = top_candidates(query, candidate, 10, method=method)
        assert (method, found.fallbacks) == (method, fallbacks)
        assert_exact(found, query, candidate, 10)


@pytest.mark.parametrize("dtype", ["float32", "bfloat16"])
@pytest.mark.parametrize("case", CASES)
def test_no_product_is_further_off_than_the_bound(case, dtype):
    query, candidate = CASES[case]()
    shift = candidate.mean(axis=0) if dtype == "bfloat16" else np.zeros(candidate.shape[1], np.float32)
    bound = Bound(query, shift, dtype)
    score_QN, norms = jax.jit(first_pass._products)(jnp.asarray(bound.rounded_qD), shift, candidate, len(candidate))
    final_QN = (query.astype(np.float64) @ candidate.astype(np.float64).T).astype(np.float32).astype(np.float64)
    off_QN = np.abs(np.asarray(score_QN, np.float64) + bound.offset_q[:, None] - final_QN)
    error_Q = bound.error_q(*np.asarray(norms, np.float64))
    assert (off_QN <= error_Q[:, None]).all()
    norm_QN = np.linalg.norm(query, axis=1)[:, None] * np.linalg.norm(candidate, axis=1)
    if case == "random":
        assert (error_Q < (2.5e-5 if dtype == "float32" else 6e-3) * norm_QN.max()).all()  # nor is it idle
        assert (norms[1] > 0) == (dtype == "bfloat16")


def test_running_list_keeps_the_best():
    running, score_QN = RunningList(3, 5, 64), rng().permutation(3 * 640).reshape(3, 640).astype(np.float32)
    for start in range(0, 640, 64):
        score_qS = score_QN[:, start : start + 64]
        running.add(score_qS, score_qS.reshape(3, GROUP, -1).max(axis=1), start, 64)
    score_qC, index_qC = running.listed()
    for row in range(3):
        taken = index_qC[row] >= 0
        np.testing.assert_array_equal(score_QN[row, index_qC[row, taken]], score_qC[row, taken])
        assert set(np.argsort(-score_QN[row])[:5]) <= set(index_qC[row])
        assert np.delete(score_QN[row], index_qC[row, taken]).max() <= running.floor_q[row]
    assert score_qC.shape[1] <= 10


@pytest.mark.parametrize("method", first_pass.METHODS)
@pytest.mark.parametrize("value", [np.nan, np.inf, -np.inf])
def test_a_broken_candidate_is_an_error(value, method):
    query, candidate = random_case()
    candidate[2999, 3] = candidate[17, 0] = value
    with pytest.raises(InputError, match="2 of 3000 candidate embeddings are not finite, the first is number 17"):
        top_candidates(query, candidate, 10, method=method)


def test_a_broken_query_is_an_error():
    query, candidate = random_case()
    query[4, 1] = np.nan
    with pytest.raises(InputError, match="1 of 19 query embeddings are not finite, the first is number 4"):
        top_candidates(query, candidate, 10)


@pytest.mark.parametrize("method", first_pass.METHODS)
def test_an_overlong_embedding_is_an_error(method):
    query, candidate = random_case()
    candidate[5] *= np.float32(1e25)
    with pytest.raises(InputError, match=r"candidate embedding number 5 has norm 1.0e\+25: expected at most 1e\+18"):
        top_candidates(query, candidate, 10, method=method)


def test_wrong_arguments_are_an_error():
    query, candidate = random_case()
    with pytest.raises(ValueError, match=r"candidates \(3000, 23\): expected"):
        top_candidates(query, candidate[:, :-1], 10)
    with pytest.raises(ValueError, match="depth 0: expected 1 or more"):
        top_candidates(query, candidate, 0)
    with pytest.raises(ValueError, match=r"tie order of shape \(5,\): expected one number for each of 3000"):
        top_candidates(query, candidate, 10, tie_N=np.arange(5))
    with pytest.raises(ValueError, match=r"least scores of shape \(5,\): expected one for each of 19"):
        top_candidates(query, candidate, 10, least_Q=np.zeros(5, np.float32))
    with pytest.raises(ValueError, match="float64: expected float32"):
        top_candidates(query, candidate.astype(np.float64), 10)
    with pytest.raises(ValueError, match="method 'faiss': expected auto, numpy-float32, cpu-bfloat16"):
        top_candidates(query, candidate, 10, method="faiss")


def test_method_by_processor(tmp_path, monkeypatch):
    (tmp_path / "with").write_text("flags : fpu avx512f amx_bf16 amx_tile\n")
    (tmp_path / "without").write_text("flags : fpu avx2\n")
    assert [first_pass._has_amx(tmp_path / name) for name in ("with", "without", "absent")] == [True, False, False]
    assert first_pass.resolve("auto") in ("numpy-float32", "cpu-bfloat16")
    monkeypatch.setattr(jax, "default_backend", lambda: "tpu")
    assert first_pass.resolve("auto") == "xla-bfloat16"


def test_poll_is_asked_between_blocks():
    class Stop(Exception):
        pass

    asked = []

    def poll():
        asked.append(1)
        if len(asked) == 3:
            raise Stop

    with pytest.raises(Stop):
        top_candidates(*random_case(), 10, block=160, poll=poll)

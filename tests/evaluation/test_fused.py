"""Fusion of BM25 and embeddings: ranks by hand, files, tables, options."""

import json

import numpy as np
import pytest

from hbt_jax.config.evaluation import EvalConfig
from hbt_jax.errors import InputError
from hbt_jax.evaluation.benchmarks.folder import read
from hbt_jax.evaluation.ranking.bm25 import PoolScores
from tests.evaluation.others.conftest import benchmark, benchmark_folder, by_vectors, evaluate, vectors  # noqa: F401


def by_hand(how: str, dense_N: np.ndarray, lexical_N: np.ndarray, ids: list[str]) -> list[str]:
    """The ids in the order of the fused scores, within one pool."""
    total_N = np.zeros(len(ids))
    for score_N, name in ((dense_N, "dense"), (lexical_N, "lexical")):
        if how == "minmax":
            spread = np.ptp(score_N) or 1.0
            total_N += {"dense": 0.7, "lexical": 0.3}[name] * (score_N - score_N.min()) / spread
        else:
            order = sorted(range(len(ids)), key=lambda n, score_N=score_N: (score_N[n], ids[n]), reverse=True)
            for rank, n in enumerate(order, 1):
                total_N[n] += 1 / (60 + rank) if name == "dense" or score_N[n] > 0 else 0.0
    total_N = total_N.astype(np.float32)
    return [ids[n] for n in sorted(range(len(ids)), key=lambda n: (total_N[n], ids[n]), reverse=True)]


def test_rankings_and_tables(evaluate, vectors, small_embeddings, benchmark, tmp_path, capsys):  # noqa: F811
    out, both = tmp_path / "out", {"fusion": ("rrf", "minmax"), "fusion_weight": 0.7, "run_depth": 0}
    plain = evaluate(out, embeddings=vectors, **both)
    printed, page = capsys.readouterr().out, (out / "report.html").read_text(encoding="utf-8")
    query_QD, candidate_ND = small_embeddings
    lexical_QN, own_QN = PoolScores(benchmark)(0, len(benchmark.queries))
    for how in both["fusion"]:
        found = json.loads((out / how / "small" / "results.json").read_text())
        assert found["metrics"] != plain["metrics"] and f"{how} with BM25, small: " in printed
        assert f"{how} with BM25" in page and found["model"].endswith(f"{how} with BM25")
        for setting, scores_QN in (("multilingual", lexical_QN), ("monolingual", own_QN)):
            lines = (out / how / "small" / "runs" / f"{setting}.trec").read_text().splitlines()
            query = benchmark.queries.ids.index(lines[0].split()[0])
            code = benchmark.queries.languages[query]
            inside = [n for n, one in enumerate(benchmark.candidates.languages) if setting[1] == "u" or one == code]
            ids = [benchmark.candidates.ids[n] for n in inside]
            dense_N = (query_QD[query] @ candidate_ND.T)[inside]
            expected = by_hand(how, dense_N, scores_QN[query][inside], ids)
            listed = [line.split()[2] for line in lines if line.split()[0] == benchmark.queries.ids[query]]
            assert listed == expected
    found = json.loads((out / "minmax" / "small" / "results.json").read_text())
    assert found["settings"]["fusion_weight"] == 0.7


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"fusion": ("sum",)}, "--fusion=sum: expected one or both of rrf, minmax"),
        ({"fusion": ("rrf", "rrf")}, "--fusion=rrf,rrf: expected one or both of"),
        ({"fusion_weight": 0.2, "fusion": ("rrf",)}, "--fusion_weight=0.2 needs --fusion=minmax"),
        (
            {"fusion": ("rrf",), "run": ("a",), "benchmarks": ("x",)},
            "--fusion=rrf cannot be combined with --run: fusion needs",
        ),
        ({"fusion": ("rrf",), "query_expansions": "x"}, "--fusion=rrf cannot be combined with --query_expansions"),
    ],
)
def test_options_that_do_not_go_together(options, message):
    with pytest.raises(InputError) as caught:
        EvalConfig(**options)
    assert message in str(caught.value)


def test_a_folder_of_results_is_no_benchmark(evaluate, vectors, benchmark_folder, tmp_path):  # noqa: F811
    (tmp_path / "rrf").symlink_to(benchmark_folder)
    assert read(str(tmp_path / "rrf"), "rrf").name == "rrf"
    with pytest.raises(InputError, match="rrf is reserved for other results: rename the folder"):
        evaluate(tmp_path / "out", embeddings=vectors, benchmarks=(str(tmp_path / "rrf"),))

"""A TREC run gets the ranks, the language bias and the comparisons of the system that wrote it."""

import json
from types import SimpleNamespace

import jax
import pytest
import pytrec_eval

from hbt_jax.config.compare import CompareConfig
from hbt_jax.config.evaluation import EvalConfig
from hbt_jax.errors import InputError
from hbt_jax.evaluation.benchmarks.registry import load_benchmark
from hbt_jax.evaluation.compare import compare
from hbt_jax.evaluation.evaluate import evaluate_model
from hbt_jax.evaluation.others.run_file import read_run
from hbt_jax.mesh import make_mesh
from tests.evaluation.benchmarks.test_beir import write


def test_a_whole_run_scores_as_the_vectors_that_made_it(by_vectors, evaluate, tmp_path):
    out, summary = by_vectors
    again = evaluate(tmp_path / "out", run=(str(out / "small" / "runs" / "multilingual.trec"),))
    for block in ("by_pair", "robustness", "top_10_languages", "rank_distances"):
        assert again[block] == summary[block]
    for setting, block in summary["metrics"].items():
        assert again["metrics"][setting] == {name: value for name, value in block.items() if name != "similarity_gap"}
    assert again["counts"]["relevant_not_in_run"] == again["counts"]["queries_not_in_run"] == 0
    assert (tmp_path / "out" / "report.html").exists()
    compared = compare(CompareConfig((str(tmp_path / "out"),), (str(out),), str(tmp_path / "compared"), samples=100))
    rows = compared["benchmarks"]["small"]["comparisons"]
    assert {row["overall"]["all"]["difference"] for row in rows.values()} == {0.0}


def test_a_run_that_is_cut_off_scores_as_by_trec_eval(by_vectors, evaluate, benchmark, tmp_path):
    out, whole = by_vectors
    lines = (out / "small" / "runs" / "multilingual.trec").read_text().splitlines()
    first = benchmark.queries.ids[0]
    kept = [line for line in lines if int(line.split()[3]) <= 5 and line.split()[0] != first]
    path = tmp_path / "cut.trec"
    path.write_text("\n".join(reversed(kept)) + "\n")  # the order of lines does not matter
    found = evaluate(tmp_path / "out", run=(str(path),))
    with open(path) as run, open(out / "small" / "qrels.trec") as qrels:
        ranked, judged = pytrec_eval.parse_run(run), pytrec_eval.parse_qrel(qrels)
    values = pytrec_eval.RelevanceEvaluator(judged, {"map", "recip_rank", "ndcg_cut.10"}).evaluate(ranked)
    language = dict(zip(benchmark.queries.ids, benchmark.queries.languages, strict=True))
    for ours, theirs in (("map", "map"), ("mrr", "recip_rank"), ("ndcg@10", "ndcg_cut_10")):
        for code, blocks in found["by_query_language"].items():
            own = [values[id_][theirs] if id_ in values else 0.0 for id_ in language if language[id_] == code]
            assert blocks["multilingual"][ours] == pytest.approx(sum(own) / len(own), abs=1e-8)
    assert found["counts"]["queries_not_in_run"] == 1
    assert found["counts"]["relevant_not_in_run"] > 0 and any("never found" in note for note in found["notes"])
    assert found["metrics"]["multilingual"]["rank_distance"] > whole["metrics"]["multilingual"]["rank_distance"]
    assert found["metrics"]["multilingual"]["rank_distance"] <= len(benchmark.candidates)


def test_queries_without_an_answer_are_passed_over_and_said(tmp_path):
    """Runs on BEIR often have all its queries, whatever the split that is judged."""
    folder = write(tmp_path / "small")
    path = tmp_path / "all.trec"
    path.write_text("q1 Q0 d1 1 2 t\nq1 Q0 d2 2 1 t\nq2 Q0 d2 1 9 t\n")
    options = {"benchmarks": (str(folder),), "language": "en", "run": (str(path),), "out": str(tmp_path / "out")}
    evaluate_model(EvalConfig(**options), make_mesh(1, 1, jax.devices()[:1]), SimpleNamespace(requested=False))
    found = json.loads((tmp_path / "out" / "small" / "results.json").read_text(encoding="utf-8"))
    assert found["metrics"]["multilingual"]["map"] == 1.0
    assert "1 queries of the run have no relevant candidate and are left out" in found["notes"]
    path.write_text("q9 Q0 d1 1 2 t\n")
    with pytest.raises(InputError, match=r"all\.trec:1: unknown query id 'q9'"):
        read_run(str(path), load_benchmark(str(folder), "", language="en"))


@pytest.mark.parametrize(
    ("lines", "message"),
    [
        (["{q} Q0 {c} 1 2.5"], ":1: 5 fields: expected 6, QUERY_ID Q0 CANDIDATE_ID RANK SCORE TAG"),
        (["x Q0 {c} 1 2.5 t"], ":1: unknown query id 'x': small has ids such as"),
        (["{q} Q0 x 1 2.5 t"], ":1: unknown candidate id 'x': small has ids such as"),
        (["{q} Q0 {c} 1 much t"], ":1: score 'much': expected a finite number"),
        (["{q} Q0 {c} 1 nan t"], ":1: score 'nan': expected a finite number"),
        (["{q} Q0 {c} 1 1e39 t"], ":1: score '1e39': expected a finite number"),
        (["{q} Q0 {c} 1 2 t", "", "{q} Q0 {c} 2 1 t"], "twice, one of 1 such lines: keep one line for each"),
        ([""], "the file is empty"),
    ],
)
def test_wrong_lines_are_named(evaluate, benchmark, lines, message, tmp_path):
    path = tmp_path / "bad.trec"
    ids = {"q": benchmark.queries.ids[0], "c": benchmark.candidates.ids[0]}
    path.write_text("\n".join(line.format(**ids) for line in lines) + "\n")
    with pytest.raises(InputError) as caught:
        evaluate(tmp_path / "out", run=(str(path),))
    assert str(path) in str(caught.value) and message in str(caught.value)
    assert not (tmp_path / "out" / "small" / "results.json").exists()


def test_systems_and_options_that_do_not_go_together():
    for options, message in (
        ({"run": ("a", "b"), "benchmarks": ("facts",)}, "--run=a,b: 2 runs for 1 of --benchmarks: expected one for"),
        ({"run": ("a",), "model": "m", "benchmarks": ("facts",)}, "--model=m and --run=a: expected one of them"),
        ({"embeddings": ("a",)}, "--embeddings=a: expected two files, QUERIES.npy,CANDIDATES.npy"),
        ({"embeddings": ("a", "b"), "benchmarks": ("x", "y")}, "vectors are of one benchmark, but --benchmarks=x,y"),
        ({"run": ("a",), "benchmarks": ("x",), "layer_probe": 4}, "--layer_probe=4 is not supported with --run=a"),
        ({"run": ("a",), "benchmarks": ("x",), "normalize": True}, "--normalize=True is not supported with --run=a"),
        (
            {"model": "st:m", "pooling": "cls"},
            "--pooling=cls is not supported with --model=st:m: only models of this package take it",
        ),
    ):
        with pytest.raises(InputError) as caught:
            EvalConfig(**options)
        assert message in str(caught.value)

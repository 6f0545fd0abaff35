"""Measures by name: ir-measures computes them from the ranking of an evaluation, with the grades of its files."""

import dataclasses
import json

import ir_measures
import numpy as np
import pytest

from hbt_jax.errors import InputError
from hbt_jax.evaluation.benchmarks import folder
from hbt_jax.evaluation.benchmarks.benchmark import NO_CANDIDATE
from hbt_jax.evaluation.measures.chosen import check_measures, definitions, names
from hbt_jax.evaluation.results.table import format_table
from tests.evaluation.ranked_small import evaluate

TEXT = "nDCG@20 P@5 RBP(p=0.8) R@10 AP Success@3"


@pytest.fixture(scope="module")
def graded(small_benchmark):
    """Grades 1, 2 and 3 of relevant candidates, and a judgement 0 for each query."""
    judged = []
    for row in small_benchmark.relevant_QG.tolist():
        relevant = [n for n in row if n != NO_CANDIDATE]
        other = next(n for n in range(len(small_benchmark.candidates)) if n not in relevant)
        judged.append({n: 1 + n % 3 for n in relevant} | {other: 0})
    return dataclasses.replace(small_benchmark, judged=judged)


@pytest.mark.parametrize("setting", ["monolingual", "multilingual"])
def test_the_written_files_give_the_same(graded, small_embeddings, setting, tmp_path):
    summary = evaluate(graded, *small_embeddings, out_dir=tmp_path, run_depth=0, measures=TEXT)
    folder_, runs = tmp_path / "small", tmp_path / "small" / "runs"
    qrels = folder_ / "qrels.trec" if setting == "multilingual" else runs / "monolingual.qrels"
    language = dict(zip(graded.queries.ids, graded.queries.languages, strict=True))
    for name in names(TEXT):
        measure = ir_measures.parse_measure("RBP(p=0.8,rel=1)" if name.startswith("RBP") else name)
        run = list(ir_measures.read_trec_run(str(runs / f"{setting}.trec")))
        values = ir_measures.iter_calc([measure], list(ir_measures.read_trec_qrels(str(qrels))), run)
        by_query = {one.query_id: one.value for one in values}
        for code, blocks in summary["by_query_language"].items():
            own = [value for id_, value in by_query.items() if language[id_] == code]
            assert blocks[setting][name] == pytest.approx(np.mean(own)), name
    assert summary["metrics"][setting]["AP"] == pytest.approx(summary["metrics"][setting]["map"])
    assert summary["metrics"][setting]["R@10"] <= summary["metrics"][setting]["recall@10"]
    assert summary["metrics"][setting]["nDCG@20"] != pytest.approx(summary["metrics"][setting]["ndcg@10"], abs=1e-3)
    assert {"nDCG@20", "RBP(p=0.8)"} <= set(summary["intervals"]["metrics"][setting])
    assert summary["settings"]["measures"] == TEXT.split()
    assert "by ir-measures 0." in summary["settings"]["definitions"]["RBP(p=0.8)"]
    assert "as RBP(rel=1)" in summary["settings"]["definitions"]["RBP(p=0.8)"]
    table = format_table(summary)
    assert "nDCG@20     P@5  RBP(p=0.8)" in table and "R_cap@10" in table
    heads = table.splitlines()[1].split()[:5]
    row = next(line for line in table.splitlines() if line.startswith(f"  {setting} ")).split()[1:6]
    assert heads == ["mAP", "R_cap@1", "R_cap@10", "R@1", "R@10"]
    shown = [summary["metrics"][setting][name] for name in ("map", "recall@1", "recall@10", "R@1", "R@10")]
    assert row == [f"{value:.4f}" for value in shown]
    json.dumps(summary, allow_nan=False)


def test_grades_of_a_folder_reach_measures_and_files(tmp_path):
    rows = [{"id": "a:en", "language": "en", "text": "one"}, {"id": "b:en", "language": "en", "text": "two"},
            {"id": "c:en", "language": "en", "text": "two "}]  # fmt: skip
    (tmp_path / "candidates.jsonl").write_text("".join(f"{json.dumps(row)}\n" for row in rows))
    (tmp_path / "queries.jsonl").write_text(json.dumps({"id": "q:en", "language": "en", "text": "?"}))
    (tmp_path / "qrels.trec").write_text("q:en 0 a:en 1\nq:en 0 b:en 3\n")
    benchmark = folder.read(str(tmp_path), "mine")
    assert benchmark.judged == [{0: 1, 1: 3, 2: 3}]  # the copy is judged as its text
    vectors = np.array([[1.0], [0.5], [0.2]], np.float32)
    summary = evaluate(benchmark, vectors[:1], vectors, out_dir=tmp_path / "out", measures="nDCG@2")
    best = 3 + 3 / np.log2(3)
    assert summary["metrics"]["multilingual"]["nDCG@2"] == pytest.approx((1 + 3 / np.log2(3)) / best)
    assert (tmp_path / "out" / "mine" / "qrels.trec").read_text().splitlines()[1] == "q:en 0 b:en 3"


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("nDCG@20 fast@3", "ir-measures cannot read 'fast@3' (measure not found: fast)"),
        ("P", "ir-measures cannot read 'P' (invalid param cutoff="),
        ("nDCG(", "ir-measures cannot read 'nDCG(' (problem parsing measure"),
        ("P@5 AP P@5", 'measures="P@5 AP P@5": P@5 is given twice'),
        ("alpha_nDCG@10", "alpha_nDCG@10: no installed package computes it: pip install -e '.[measures]'"),
    ],
)
def test_wrong_measures_are_named(text, message):
    with pytest.raises(InputError) as caught:
        check_measures(text)
    assert message in str(caught.value)


def test_without_the_library(monkeypatch):
    monkeypatch.setattr("importlib.util.find_spec", lambda _: None)
    monkeypatch.setattr("importlib.metadata.version", lambda name: pytest.fail(f"asked for {name}"))
    check_measures("")
    assert definitions("") == {}
    with pytest.raises(InputError, match=r"--measures needs the library ir-measures: pip install -e '.\[measures\]'"):
        check_measures("P@7")

"""evaluate(): files, the layout of results.json, and agreement with trec_eval on the written files."""

import glob
import gzip
import json
import os

import numpy as np
import pytest
import pytrec_eval

from hbt_jax.errors import Interrupted
from hbt_jax.evaluation.measures.metrics import FURTHER_METRICS, METRICS, SETTINGS
from hbt_jax.evaluation.results.table import format_table
from tests.evaluation.ranked_small import evaluate


def run_evaluation(benchmark, embeddings, out, **options):
    return evaluate(
        benchmark,
        *embeddings,
        out_dir=str(out),
        model_name="a model",
        settings={"query_prefix": "q: "},
        counts={"truncated_texts": 0},
        **options,
    )


@pytest.fixture(scope="module")
def evaluated(small_benchmark, small_embeddings, tmp_path_factory):
    """(OUT/small, content of results.json) with every run written in full."""
    out = tmp_path_factory.mktemp("out")
    summary = run_evaluation(small_benchmark, small_embeddings, out, run_depth=0, run_settings=SETTINGS)
    return out / "small", summary


def by_trec_eval(run_path, qrels_path):
    """Query id -> {metric: value} by trec_eval; recall from its P@k, which divides by k."""
    with open(run_path) as run_file, open(qrels_path) as qrels_file:
        ranked, judged = pytrec_eval.parse_run(run_file), pytrec_eval.parse_qrel(qrels_file)
    values = pytrec_eval.RelevanceEvaluator(judged, {"map", "P.1,10", "num_rel"}).evaluate(ranked)
    return {
        query: {"map": value["map"]} | {f"recall@{k}": value[f"P_{k}"] * k / min(k, value["num_rel"]) for k in (1, 10)}
        for query, value in values.items()
    }


def macro(values, language):
    """Mean over the languages of the mean over their queries."""
    codes = sorted({language[query] for query in values})
    return {
        m: np.mean([np.mean([values[q][m] for q in values if language[q] == code]) for code in codes]) for m in METRICS
    }


@pytest.mark.peer
@pytest.mark.parametrize("setting", ["monolingual", "multilingual"])
def test_trec_eval_agrees_on_one_pool_settings(evaluated, small_benchmark, setting):
    folder, summary = evaluated
    qrels = folder / ("qrels.trec" if setting == "multilingual" else "runs/monolingual.qrels")
    theirs = macro(
        by_trec_eval(folder / "runs" / f"{setting}.trec", qrels),
        dict(zip(small_benchmark.queries.ids, small_benchmark.queries.languages, strict=True)),
    )
    for metric in METRICS:
        assert summary["metrics"][setting][metric] == pytest.approx(theirs[metric], abs=1e-6)


@pytest.mark.peer
def test_trec_eval_agrees_on_every_cross_lingual_pair(evaluated, small_benchmark):
    folder, summary = evaluated
    language = dict(zip(small_benchmark.queries.ids, small_benchmark.queries.languages, strict=True))
    pairs = {}
    for path in glob.glob(str(folder / "runs" / "cross_lingual-*.trec")):
        pool = path.rpartition("-")[2].removesuffix(".trec")
        values = by_trec_eval(path, path.removesuffix(".trec") + ".qrels")
        for code in {language[query] for query in values}:
            pairs[f"{code}-{pool}"] = macro({q: v for q, v in values.items() if language[q] == code}, language)
    assert len(pairs) > 10
    assert set(pairs) == set(summary["by_pair"])
    for pair, block in pairs.items():
        for metric in METRICS:
            assert summary["by_pair"][pair][metric] == pytest.approx(block[metric], abs=1e-6)
    mean = np.mean([block["map"] for block in pairs.values()])
    assert summary["metrics"]["cross_lingual"]["map"] == pytest.approx(mean, abs=1e-6)


def test_results_have_the_promised_layout(evaluated, small_benchmark):
    folder, summary = evaluated
    written = json.loads((folder / "results.json").read_text(encoding="utf-8"))
    assert written == summary
    assert set(written) == {
        "benchmark",
        "model",
        "settings",
        "counts",
        "metrics",
        "by_query_language",
        "by_pair",
        "by_script",
        "robustness",
        "notes",
        "top_10_languages",
        "intervals",
        "rank_distances",
        "worst_queries",
        "fairness",
    }
    assert written["benchmark"] == "small" and written["model"] == "a model"
    assert written["settings"]["query_prefix"] == "q: "
    assert {"map", "recall", "rank_distance", "ties"} <= set(written["settings"]["definitions"])
    assert written["counts"]["truncated_texts"] == 0
    assert sum(written["counts"]["queries"].values()) == len(small_benchmark.queries)
    assert set(written["metrics"]["multilingual"]) == {
        *(*METRICS, *FURTHER_METRICS),
        *("rank_distance", "strong_alignment", "one_language_map", "similarity_gap"),
    }
    assert set(written["metrics"]["monolingual"]) == {*METRICS, *FURTHER_METRICS}
    assert set(written["by_query_language"]["de"]) == set(written["by_script"]["Latn"]) == set(SETTINGS)


def test_per_query_values_average_to_the_results(evaluated, small_benchmark):
    folder, summary = evaluated
    with gzip.open(folder / "per_query.jsonl.gz", "rt", encoding="utf-8") as file:
        rows = [json.loads(line) for line in file]
    assert [row["id"] for row in rows] == list(small_benchmark.queries.ids)
    german = [row for row in rows if row["language"] == "de"]
    block = summary["by_query_language"]["de"]
    assert np.mean([row["multilingual"]["map"] for row in german]) == pytest.approx(
        block["multilingual"]["map"], abs=1e-7
    )
    chinese = [row["cross_lingual"]["zh"] for row in german if "zh" in row["cross_lingual"]]
    assert np.mean(chinese) == pytest.approx(summary["by_pair"]["de-zh"]["map"], abs=1e-7)


def test_run_files_are_cut_at_the_depth(small_benchmark, small_embeddings, evaluated, tmp_path):
    run_evaluation(small_benchmark, small_embeddings, tmp_path, run_depth=3)
    runs = tmp_path / "small" / "runs"
    assert sorted(os.listdir(runs)) == ["monolingual.qrels", "monolingual.trec", "multilingual.trec"]
    lines = (runs / "multilingual.trec").read_text().splitlines()
    whole = (evaluated[0] / "runs" / "multilingual.trec").read_text().splitlines()
    assert len(lines) == 3 * len(small_benchmark.queries)
    assert lines == [line for line in whole if int(line.split()[3]) <= 3]


def test_a_stopped_evaluation_leaves_no_results(small_benchmark, small_embeddings, tmp_path):
    run_evaluation(small_benchmark, small_embeddings, tmp_path)

    def stop():
        raise Interrupted("stopped")

    with pytest.raises(Interrupted):
        run_evaluation(small_benchmark, small_embeddings, tmp_path, poll=stop)
    assert "results.json" not in os.listdir(tmp_path / "small")
    assert not [name for name in os.listdir(tmp_path / "small") if name.endswith(".partial")]


def test_the_table_shows_settings_and_worst_languages(evaluated):
    _, summary = evaluated
    lines = format_table(summary).splitlines()
    assert len(lines) == 6
    assert f"{summary['metrics']['cross_lingual']['map']:.4f}" in lines[3]
    assert summary["robustness"]["multilingual"]["worst_language"] in lines[4]
    assert lines[5].startswith("  language bias: ") and "strongly aligned queries" in lines[5]

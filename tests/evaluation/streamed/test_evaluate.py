"""One streamed evaluation from model to files: trec_eval agrees, other tools read it, a repetition embeds nothing."""

import gzip
import json

import jax
import numpy as np
import pytest
import pytrec_eval

from hbt_jax.config.compare import CompareConfig
from hbt_jax.config.evaluation import EvalConfig
from hbt_jax.errors import Interrupted
from hbt_jax.evaluation.benchmarks import miracl
from hbt_jax.evaluation.compare import compare, format_tables
from hbt_jax.evaluation.evaluator import EvaluatedModel, EvaluationContext
from hbt_jax.evaluation.measures.metrics import SETTINGS
from hbt_jax.evaluation.report import page
from hbt_jax.evaluation.results.table import format_table
from hbt_jax.evaluation.streamed import evaluate
from hbt_jax.mesh import make_mesh
from tests.evaluation import make_miracl
from tests.evaluation.several_processes import ALONE, run_together
from tests.evaluation.word_model import word_model

METRICS = {"ndcg@10": "ndcg_cut_10", "recall@100": "recall_100"}


def evaluated(folder, out, seed=0, poll=lambda: None, run_depth=100, chosen=()):
    config = EvalConfig(benchmarks=("miracl",), eval_batch=8, corpus_block=16, run_depth=run_depth)
    mesh = make_mesh(1, 1, jax.devices()[:1])
    evaluator = evaluate.StreamedEvaluator(miracl.read(str(folder), "miracl", chosen))
    evaluator.prepare(EvaluationContext(config, mesh, ALONE, out, poll, poll))
    return evaluator.run(EvaluatedModel(word_model(seed), "best", out)).json()


@pytest.fixture(scope="module")
def data(tmp_path_factory):
    return make_miracl.write(tmp_path_factory.mktemp("data") / "miracl")


@pytest.fixture(scope="module")
def finished(data, tmp_path_factory):
    """(OUT, content of results.json)."""
    out = tmp_path_factory.mktemp("out")
    return out, evaluated(data, out)


def test_a_signal_while_queries_are_embedded_stops_all_processes(data):
    benchmark = miracl.read(str(data), "miracl", ("yo",))

    def on(processes):
        def embedder(texts, side, tokenised):
            if processes.index == 1:
                raise Interrupted("a signal came")
            return np.zeros((len(texts), 4), np.float32)

        embedder.model = word_model()
        return evaluate._query_vectors(benchmark, embedder, processes)

    other, signalled = run_together(2, on)
    assert str(signalled) == "a signal came"
    assert isinstance(other, Interrupted)
    assert str(other) == "another process was stopped; run the same command again for the rest"


def by_trec_eval(run_path, qrels_path):
    """Query id -> metric -> value."""
    with open(run_path) as run_file, open(qrels_path) as qrels_file:
        ranked, judged = pytrec_eval.parse_run(run_file), pytrec_eval.parse_qrel(qrels_file)
    values = pytrec_eval.RelevanceEvaluator(judged, {"ndcg_cut.10", "recall.100"}).evaluate(ranked)
    return {query: {ours: value[theirs] for ours, theirs in METRICS.items()} for query, value in values.items()}


def mean(values, metric):
    return np.mean([value[metric] for value in values.values()])


@pytest.mark.peer
def test_trec_eval_finds_the_same_numbers_in_every_language(finished, data):
    out, summary = finished
    runs = out / "miracl" / "runs"
    for code, count in make_miracl.QUERIES.items():
        published = make_miracl.qrels_path(data, code)
        for qrels in (runs / f"monolingual-{code}.qrels", published):
            values = by_trec_eval(runs / f"monolingual-{code}.trec", qrels)
            assert len(values) == count
            for metric in METRICS:
                ours = summary["by_query_language"][code]["monolingual"][metric]
                assert ours == pytest.approx(mean(values, metric), abs=1e-6)
    macro = [block["monolingual"]["ndcg@10"] for block in summary["by_query_language"].values()]
    assert summary["metrics"]["monolingual"]["ndcg@10"] == pytest.approx(np.mean(macro))
    assert 0 < np.mean(macro) < 1


@pytest.mark.peer
def test_trec_eval_finds_the_same_numbers_in_the_pool_of_all(finished):
    out, summary = finished
    values = by_trec_eval(out / "miracl" / "runs" / "multilingual.trec", out / "miracl" / "qrels.trec")
    assert len(values) == sum(make_miracl.QUERIES.values())
    for code in make_miracl.QUERIES:
        own = {query: value for query, value in values.items() if query.startswith(f"{code}:")}
        for metric in METRICS:
            ours = summary["by_query_language"][code]["multilingual"][metric]
            assert ours == pytest.approx(mean(own, metric), abs=1e-6)
    assert summary["metrics"]["multilingual"]["recall@100"] < summary["metrics"]["monolingual"]["recall@100"]


def test_grades_are_kept_in_the_qrels(finished):
    out, _ = finished
    grades = [line.split()[3] for line in (out / "miracl" / "qrels.trec").read_text().splitlines()]
    assert {grade: grades.count(grade) for grade in set(grades)} == {"0": 54, "1": 24, "2": 12}


def test_results_have_the_promised_layout(finished):
    out, summary = finished
    assert json.loads((out / "miracl" / "results.json").read_text(encoding="utf-8")) == summary
    assert set(summary["metrics"]) == set(SETTINGS)
    assert set(summary["metrics"]["monolingual"]) == set(summary["metrics"]["multilingual"]) == set(METRICS)
    assert summary["metrics"]["cross_lingual"] == summary["by_pair"] == {}
    assert set(summary["by_query_language"]["sw"]) == set(summary["by_script"]["Latn"]) == set(SETTINGS)
    counts = summary["counts"]
    assert counts["queries"] == make_miracl.QUERIES
    assert counts["candidates"] == {code: sum(sizes) for code, sizes in make_miracl.SHARDS.items()}
    assert counts["judged"] == {code: 6 * queries for code, queries in make_miracl.QUERIES.items()}
    assert counts["relevant"] == {code: 3 * (queries - 1) for code, queries in make_miracl.QUERIES.items()}
    assert counts["queries_without_relevant"] == {"en": 1, "sw": 1, "yo": 1}
    assert (counts["empty_passages"], counts["shards"], counts["truncated_texts"]) == (3, 6, 0)
    for side in ("queries", "candidates"):
        assert {code: rates["texts"] for code, rates in summary["tokens"][side].items()} == counts[side]
    texts = [f"{row['title']} {row['text']}".lstrip() for row in make_miracl.passages("sw")]
    words, characters = sum(len(text.split()) for text in texts), sum(map(len, texts))
    assert summary["tokens"]["candidates"]["sw"]["per_character"] == words / characters
    settings = summary["settings"]
    assert settings["languages"] == ["en", "sw", "yo"] and settings["candidate_text"] == "title, space, text"
    assert "all that are judged relevant" in settings["definitions"]["recall@100"]
    assert "not relevant" in settings["definitions"]["ndcg@10"] and "descending" in settings["definitions"]["ties"]
    robust = summary["robustness"]["monolingual"]
    worst = min(blocks["monolingual"]["ndcg@10"] for blocks in summary["by_query_language"].values())
    assert robust["metric"] == "ndcg@10" and robust["worst"] == worst
    assert "setting's ndcg@10 by query language" in settings["definitions"]["robustness"]


def test_unjudged_candidates_and_languages_of_the_top_are_counted(finished):
    out, summary = finished
    judged, top = set(), {}
    for line in (out / "miracl" / "qrels.trec").read_text().splitlines():
        query, _, passage, _ = line.split()
        judged.add((query, passage))
    for line in (out / "miracl" / "runs" / "multilingual.trec").read_text().splitlines():
        query, _, passage, rank, *_ = line.split()
        if int(rank) <= 10:
            top.setdefault(query, []).append(passage)
    shares = [np.mean([(query, passage) not in judged for passage in passages]) for query, passages in top.items()]
    assert summary["unjudged_in_top_10"]["multilingual"] == pytest.approx(np.mean(shares))
    english = [np.mean([p.startswith("en:") for p in passages]) for q, passages in top.items() if q.startswith("en:")]
    assert summary["top_10_languages"]["by_query_language"]["en"]["en"] == pytest.approx(np.mean(english))
    passages = summary["counts"]["candidates"]
    shown = summary["top_10_languages"]["by_candidate_language"]["en"]["pool_share"]
    assert shown == pytest.approx(passages["en"] / sum(passages.values()))


def test_per_query_values_average_to_the_results(finished):
    out, summary = finished
    with gzip.open(out / "miracl" / "per_query.jsonl.gz", "rt", encoding="utf-8") as file:
        rows = [json.loads(line) for line in file]
    assert len({row["id"] for row in rows}) == len(rows) == sum(make_miracl.QUERIES.values())
    english = [row for row in rows if row["language"] == "en"]
    for pool in ("monolingual", "multilingual"):
        for metric in METRICS:
            wanted = summary["by_query_language"]["en"][pool][metric]
            assert np.mean([row[pool][metric] for row in english]) == pytest.approx(wanted, abs=1e-7)


@pytest.mark.parametrize("metric", list(METRICS))
def test_two_models_are_compared(finished, data, tmp_path, metric):
    evaluated(data, tmp_path / "other", seed=1)
    compared = compare(CompareConfig(a=(str(finished[0]),), b=(str(tmp_path / "other"),), metric=metric, samples=200))
    assert compared["benchmarks"]["miracl"]["queries"] == sum(make_miracl.QUERIES.values())
    comparisons = compared["benchmarks"]["miracl"]["comparisons"]
    assert set(comparisons) == {"monolingual", "multilingual"}
    assert set(comparisons["monolingual"]["by_query_language"]) == set(make_miracl.QUERIES)
    assert "multilingual" in format_tables(compared)


def test_runs_are_cut_at_the_depth_and_the_numbers_stay(finished, data, tmp_path):
    summary = evaluated(data, tmp_path, run_depth=3)
    assert summary["metrics"] == finished[1]["metrics"]
    lines = (tmp_path / "miracl" / "runs" / "multilingual.trec").read_text().splitlines()
    whole = (finished[0] / "miracl" / "runs" / "multilingual.trec").read_text().splitlines()
    assert lines == [line for line in whole if int(line.split()[3]) <= 3]


def test_one_language_alone_is_stated(data, tmp_path):
    summary = evaluated(data, tmp_path, chosen=("sw",))
    assert summary["settings"]["languages"] == ["sw"]
    assert summary["metrics"]["multilingual"] == summary["metrics"]["monolingual"]
    assert "one language: the multilingual pool is the monolingual one" in summary["notes"]


def test_an_interrupted_evaluation_keeps_shards_and_leaves_no_results(finished, data, tmp_path, capsys):
    out, summary = finished
    evaluated(data, tmp_path, seed=1)
    assert (tmp_path / "miracl" / "results.json").is_file()

    def poll():
        if len(list((tmp_path / "miracl" / "kept").glob("*/*.npz"))) == 6 + 2:
            raise Interrupted("a signal came")

    with pytest.raises(Interrupted):
        evaluated(data, tmp_path, poll=poll)
    assert not (tmp_path / "miracl" / "results.json").exists()
    capsys.readouterr()
    again = evaluated(data, tmp_path)
    said = capsys.readouterr().out
    assert "miracl: embedded and searched 67 passages in" in said
    assert "passages/s), 4 files; 2 files were finished before" in said
    assert "kept holds 6 results of other models or settings" in said
    assert again == summary
    assert [path.name for path in tmp_path.rglob("*.partial")] == []
    evaluated(data, tmp_path)
    assert "miracl: 6 files were finished before" in capsys.readouterr().out


def test_the_table_shows_settings_and_languages(finished):
    _, summary = finished
    lines = format_table(summary).splitlines()
    assert lines[0] == "miracl: 15 queries and 147 passages in 3 languages; 90 judgements"
    assert f"{summary['metrics']['multilingual']['recall@100']:.4f}" in lines[3]
    assert lines[5].split()[:3] == ["en", "7", "93"]
    assert f"{summary['by_query_language']['yo']['monolingual']['ndcg@10']:.4f}" in lines[7]
    assert lines[-1] == "  3 queries have no relevant passage; they count with the value 0, as in trec_eval"


def test_the_report_is_written(finished, tmp_path):
    page.write_report(str(tmp_path / "report.html"), [finished[1]])
    assert "miracl" in (tmp_path / "report.html").read_text(encoding="utf-8")

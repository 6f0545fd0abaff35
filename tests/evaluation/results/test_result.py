"""Macro averages, scripts and robustness by hand."""

import math

import numpy as np
import pytest

from hbt_jax import languages
from hbt_jax.evaluation.benchmarks.benchmark import Benchmark, BenchmarkTexts
from hbt_jax.evaluation.measures.metrics import METRICS, QueryMetrics
from hbt_jax.evaluation.measures.robustness import robustness, robustness_definition
from hbt_jax.evaluation.report.cards.summary import settings_card
from hbt_jax.evaluation.results.of_ranks import result_of
from hbt_jax.evaluation.results.result import Described, write_json


@pytest.fixture
def summary():
    """Two German queries and one each in Swahili and Chinese; only map differs from zero."""
    codes = ["de", "de", "sw", "zh"]
    ids = [f"q{number}" for number in range(4)]
    benchmark = Benchmark(
        "hand", BenchmarkTexts(ids, ids, codes, ids), BenchmarkTexts(ids, ids, codes, ids), np.zeros((4, 1), np.int32)
    )
    by_pool = np.array([[1.0, 0.2, 0.4], [0.5, math.nan, 0.6], [0.1, 0.3, math.nan], [0.2, math.nan, 0.9]])
    columns = {metric: np.where(np.isnan(by_pool), np.nan, 0.0) for metric in METRICS} | {"map": by_pool}
    multilingual = {metric: np.zeros(4) for metric in METRICS} | {"map": np.array([0.4, 0.2, 0.1, 0.5])}
    multilingual["rank_distance"] = np.array([10.0, 30.0, 8.0, math.nan])
    values = QueryMetrics(("de", "sw", "zh"), np.array([0, 0, 1, 2]), columns, multilingual)
    return result_of(benchmark, values, Described("m", {"similarity": "cosine"}, {})).json()


def test_the_release_of_the_data_is_a_setting(summary):
    assert "data_release" not in summary["settings"]
    texts = BenchmarkTexts(["q"], ["q"], ["de"], ["q"])
    benchmark = Benchmark("facts", texts, texts, np.zeros((1, 1), np.int32), release="Unicode CLDR 47")
    values = QueryMetrics(
        ("de",),
        np.array([0]),
        {metric: np.zeros((1, 1)) for metric in METRICS},
        {metric: np.zeros(1) for metric in (*METRICS, "rank_distance")},
    )
    found = result_of(benchmark, values, Described("m", {}, {})).json()
    assert found["settings"]["data_release"] == "Unicode CLDR 47"
    assert '<dt>data release</dt><dd><code dir="auto">Unicode CLDR 47</code>' in settings_card(found)


def test_macro_averages(summary):
    assert summary["by_query_language"]["de"]["monolingual"]["map"] == pytest.approx(0.75)
    assert summary["metrics"]["monolingual"]["map"] == pytest.approx((0.75 + 0.3 + 0.9) / 3)
    pairs = {pair: block["map"] for pair, block in summary["by_pair"].items()}
    assert pairs == pytest.approx({"de-sw": 0.2, "de-zh": 0.5, "sw-de": 0.1, "zh-de": 0.2})
    assert summary["metrics"]["cross_lingual"]["map"] == pytest.approx((0.2 + 0.5 + 0.1 + 0.2) / 4)
    assert summary["by_query_language"]["de"]["cross_lingual"]["map"] == pytest.approx(0.35)
    assert summary["metrics"]["multilingual"]["map"] == pytest.approx((0.3 + 0.1 + 0.5) / 3)
    assert summary["metrics"]["multilingual"]["rank_distance"] == pytest.approx((20 + 8) / 2)


def test_scripts(summary):
    assert summary["by_script"]["Latn"]["monolingual"]["map"] == pytest.approx((0.75 + 0.3) / 2)
    assert summary["by_script"]["Hans"]["multilingual"] == pytest.approx(
        {"map": 0.5, "recall@1": 0.0, "recall@10": 0.0}
    )


def test_counts(summary):
    assert summary["counts"]["queries"] == {"de": 2, "sw": 1, "zh": 1}
    assert summary["counts"]["counted_queries"] == {
        "monolingual": {"de": 2, "sw": 1, "zh": 1},
        "cross_lingual": {"de-sw": 1, "de-zh": 2, "sw-de": 1, "zh-de": 1},
        "multilingual": {"de": 2, "sw": 1, "zh": 1},
    }


def test_robustness(summary):
    block = summary["robustness"]["multilingual"]
    assert (block["worst_language"], block["worst_quarter_languages"]) == ("sw", ["sw"])
    assert block["worst"] == block["worst_quarter"] == block["under_resourced"] == pytest.approx(0.1)
    assert block["others"] == pytest.approx(0.4)
    assert block["gap"] == pytest.approx(0.3)
    assert block["standard_deviation"] == pytest.approx(np.std([0.3, 0.1, 0.5]))
    assert summary["settings"]["similarity"] == "cosine"


def test_other_under_resourced_languages_are_stated():
    by_language = {code: {"multilingual": {"map": value}} for code, value in (("de", 0.3), ("sw", 0.1), ("zh", 0.5))}
    with languages.state_under_resourced(["deu", "zh"]):
        block = robustness("multilingual", by_language, {"Latn": {"multilingual": {"map": 0.2}}})
        assert "of the under-resourced languages (de zh) and of" in robustness_definition()
    assert (block["under_resourced"], block["others"]) == (pytest.approx(0.4), 0.1)
    assert "setting's ndcg by query" in robustness_definition("ndcg")
    assert "of XM3600's five under-resourced languages and of the others" in robustness_definition()


def test_a_language_with_a_dash_keeps_its_own_pairs():
    codes = ["zh", "zh-TW"]
    benchmark = Benchmark(
        "two", BenchmarkTexts(codes, codes, codes, codes), BenchmarkTexts(codes, codes, codes, codes), np.zeros((2, 1))
    )
    columns = {metric: np.array([[1.0, 0.2], [0.4, 1.0]]) for metric in METRICS}
    multilingual = {metric: np.zeros(2) for metric in (*METRICS, "rank_distance")}
    values = QueryMetrics(("zh", "zh-TW"), np.array([0, 1]), columns, multilingual)
    summary = result_of(benchmark, values, Described("m", {}, {})).json()
    assert {pair: block["map"] for pair, block in summary["by_pair"].items()} == {"zh-zh-TW": 0.2, "zh-TW-zh": 0.4}
    own = {code: blocks["cross_lingual"]["map"] for code, blocks in summary["by_query_language"].items()}
    assert own == {"zh": 0.2, "zh-TW": 0.4}


def test_a_nan_is_never_written(tmp_path):
    with pytest.raises(ValueError, match="not JSON compliant"):
        write_json(str(tmp_path / "results.json"), {"map": math.nan})
    assert not list(tmp_path.iterdir())

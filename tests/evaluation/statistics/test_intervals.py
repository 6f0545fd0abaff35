"""Intervals in results.json and of differences to a baseline are those of significance.py on the same sums."""

import math

import numpy as np
import pytest

from hbt_jax.config.compare import CompareConfig
from hbt_jax.errors import InputError
from hbt_jax.evaluation.benchmarks.benchmark import Benchmark, BenchmarkTexts, pad_relevant
from hbt_jax.evaluation.compare import compare
from hbt_jax.evaluation.measures import metrics
from hbt_jax.evaluation.results.read import read_folder
from hbt_jax.evaluation.statistics import intervals
from hbt_jax.evaluation.statistics.significance import Cells, ComparedRow, compare_rows
from tests.evaluation.ranked_small import evaluate

CODES = ("de", "sw")
ITEMS = ["a", "a", "b", "b", "c", "d"]
LANGUAGE_Q = np.array([0, 1, 0, 1, 0, 0])


def values(by_pool, multilingual):
    return metrics.QueryMetrics(CODES, LANGUAGE_Q, {"map": np.array(by_pool)}, {"map": np.array(multilingual)})


@pytest.fixture
def benchmark():
    ids = [f"q{number}" for number in range(6)]
    texts = BenchmarkTexts(ids, ITEMS, [CODES[number] for number in LANGUAGE_Q], ids)
    return Benchmark("hand", texts, texts, pad_relevant([[number] for number in range(6)]))


NO = math.nan
BY_POOL = [[1.0, 0.5], [0.2, 0.6], [0.4, NO], [0.3, 0.1], [0.8, 0.9], [0.0, NO]]
MULTILINGUAL = [0.5, 0.25, 0.75, 0.0, 1.0, 0.5]


def expected(cells):
    (found,) = compare_rows(cells, [ComparedRow("overall", "all")], samples=10_000, seed=0, confidence=0.95)
    return found


def single(languages, count_IK, sum_IK):
    count_IK, sum_IK = np.array(count_IK, float), np.array(sum_IK, float)
    mean_XK = (sum_IK.sum(axis=0) / count_IK.sum(axis=0))[None]
    return Cells(languages, np.ones(len(languages)), count_IK, sum_IK, mean_XK, np.zeros_like(mean_XK))


def test_one_systems_intervals_by_hand(benchmark):
    found = intervals.intervals(benchmark, values(BY_POOL, MULTILINGUAL))
    assert (found["confidence"], found["samples"], found["items"]) == (0.95, 10_000, 4)
    hand = {
        "monolingual": single(
            CODES, [[1, 1], [1, 1], [1, 0], [1, 0]], [[1.0, 0.6], [0.4, 0.1], [0.8, 0.0], [0.0, 0.0]]
        ),
        "cross_lingual": single(
            CODES, [[1, 1], [0, 1], [1, 0], [0, 0]], [[0.5, 0.2], [0.0, 0.3], [0.9, 0.0], [0.0, 0.0]]
        ),
        "multilingual": single(
            CODES, [[1, 1], [1, 1], [1, 0], [1, 0]], [[0.5, 0.25], [0.75, 0.0], [1.0, 0.0], [0.5, 0.0]]
        ),
    }
    for setting, cells in hand.items():
        one = expected(cells)
        low, high = found["metrics"][setting]["map"]
        assert (low, high) == pytest.approx(np.clip(one.interval, 0, 1)), setting
        assert low < one.difference < high
    averages = {
        "monolingual": (0.55 + 0.35) / 2,
        "cross_lingual": (0.7 + 0.25) / 2,
        "multilingual": (0.6875 + 0.125) / 2,
    }
    assert {setting: expected(cells).difference for setting, cells in hand.items()} == pytest.approx(averages)


def test_the_interval_holds_the_average_of_every_metric(small_benchmark, small_embeddings, tmp_path):
    summary = evaluated(small_benchmark, small_embeddings, tmp_path)
    for setting, block in summary["metrics"].items():
        assert set(summary["intervals"]["metrics"][setting]) == set(block)
        for metric, value in block.items():
            low, high = summary["intervals"]["metrics"][setting][metric]
            assert low <= value <= high, (setting, metric)
    assert "bootstrap" in summary["settings"]["definitions"]["intervals"]


@pytest.mark.parametrize(
    ("metric", "cut"), [("map", (0, 1)), ("rank_distance", (0, None)), ("similarity_gap", (None, None))]
)
def test_intervals_end_where_the_metric_does(benchmark, metric, cut):
    value_Q1 = np.array([0.0, 0.0, 0.0, 0.0, 1.0, 1.0])[:, None]
    found = intervals.column_intervals(benchmark.queries, [("multilingual", metric, value_Q1)])
    low, high = found["metrics"]["multilingual"][metric]
    assert (low == 0 if cut[0] == 0 else low < 0) and (high == 1 if cut[1] == 1 else high > 1)


def test_one_item_has_no_interval(benchmark):
    one = Benchmark("one", BenchmarkTexts(["q0"], ["a"], ["de"], ["?"]), benchmark.candidates, pad_relevant([[0]]))
    alone = metrics.QueryMetrics(CODES, np.array([0]), {"map": np.array([[1.0, NO]])}, {"map": np.array([1.0])})
    assert intervals.intervals(one, alone)["metrics"] == {}


def evaluated(benchmark, embeddings, out, model="m"):
    return evaluate(benchmark, *embeddings, out_dir=str(out), model_name=model, settings={}, counts={})


@pytest.fixture(scope="module")
def two(small_benchmark, small_embeddings, tmp_path_factory):
    """Output folders of two systems."""
    folders = [tmp_path_factory.mktemp(name) for name in "ab"]
    query_QD, candidate_ND = small_embeddings
    evaluated(small_benchmark, (query_QD, candidate_ND), folders[0])
    evaluated(small_benchmark, (query_QD[:, ::-1].copy(), candidate_ND), folders[1])
    return folders


def outcomes(folders):
    return [read_folder(str(folder))["small"] for folder in folders]


def test_differences_are_those_of_compare(two):
    found = intervals.differences(*outcomes(two))
    assert set(found["monolingual"]) == set(metrics.METRICS)
    assert set(found["cross_lingual"]) == {"map"}  # the one that is written by pair
    assert set(found["multilingual"]) == {*metrics.METRICS, "rank_distance"}
    config = CompareConfig(a=(str(two[0]),), b=(str(two[1]),), out="unused")
    theirs = compare(config)["benchmarks"]["small"]["comparisons"]
    for setting, metric, name in (
        ("monolingual", "map", "monolingual"),
        ("cross_lingual", "map", "cross_lingual"),
        ("multilingual", "map", "multilingual"),
        ("multilingual", "rank_distance", "rank_distance"),
    ):
        row = theirs[name]["overall"]["all"]
        assert found[setting][metric] == pytest.approx({key: row[key] for key in ("difference", "low", "high")})


def test_without_values_by_query_there_is_no_difference(two, small_benchmark, small_embeddings, tmp_path):
    evaluated(small_benchmark, small_embeddings, tmp_path)
    (tmp_path / "small" / "per_query.jsonl.gz").unlink()
    assert intervals.differences(*outcomes([two[0], tmp_path])) == {}


def test_other_candidates_cannot_be_subtracted(two, small_benchmark, small_embeddings, tmp_path):
    query_QD, candidate_ND = small_embeddings
    texts = small_benchmark.candidates
    more = BenchmarkTexts(
        *(
            [*column, extra]
            for column, extra in zip(
                (texts.ids, texts.items, texts.languages, texts.texts), ("new", "99", "de", "."), strict=True
            )
        )
    )
    larger = Benchmark("small", small_benchmark.queries, more, small_benchmark.relevant_QG)
    evaluated(larger, (query_QD, np.concatenate([candidate_ND, candidate_ND[:1]])), tmp_path)
    with pytest.raises(InputError, match="expected evaluations of the same files"):
        intervals.differences(*outcomes([two[0], tmp_path]))


def test_other_metrics_are_compared_where_those_shown_everywhere_are_not_there(two, tmp_path):
    a, b = outcomes(two)
    for one in (a, b):
        for block in one.summary["metrics"].values():
            for metric in (
                *metrics.METRICS,
                *metrics.PLAIN_RECALLS,
                "strong_alignment",
                "one_language_map",
                "similarity_gap",
                "mrr",
            ):
                block.pop(metric, None)
    found = intervals.differences(a, b)
    assert set(found["monolingual"]) == {"ndcg@10"} and set(found["multilingual"]) == {"ndcg@10", "rank_distance"}

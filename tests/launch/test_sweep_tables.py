"""The tables of launch/sweep.py hold the columns that the benchmark has."""

import importlib.util

import pytest

from tests.launch.test_commands import ROOT

MAP = {"map": 0.5, "recall@1": 0.25}


@pytest.fixture(scope="module")
def sweep():
    spec = importlib.util.spec_from_file_location("sweep", ROOT / "launch" / "sweep.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def test_bitext_has_no_monolingual_columns(sweep):
    metrics = {"monolingual": {}, "cross_lingual": MAP, "multilingual": MAP | {"rank_distance": 2.0}}
    head, _, row = sweep.table("bitext", {"hybrid": [metrics]}).splitlines()
    assert head == "| bitext: batches | seeds | cross mAP | multi mAP | cross R@1 | multi R@1 | rank distance |"
    assert row == "| hybrid | 1 | 0.500 | 0.500 | 0.250 | 0.250 | 2.0 |"


def test_a_streamed_benchmark_has_its_own_columns(sweep):
    metrics = {name: {"ndcg@10": 0.125, "recall@100": 0.75} for name in ("monolingual", "multilingual")}
    head, rule, row = sweep.table("miracl", {"hybrid": [metrics, metrics]}).splitlines()
    assert head == "| miracl: batches | seeds | mono nDCG@10 | multi nDCG@10 | mono R@100 | multi R@100 |"
    assert rule.count("---") == 6
    assert row == "| hybrid | 2 | 0.125 ± 0.000 | 0.125 ± 0.000 | 0.750 ± 0.000 | 0.750 ± 0.000 |"

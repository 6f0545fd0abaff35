"""The tables of a study hold the columns that the benchmark has."""

from hbt_jax.study.table import table

MAP = {"map": 0.5, "recall@1": 0.25}


def test_bitext_has_no_monolingual_columns():
    metrics = {"monolingual": {}, "cross_lingual": MAP, "multilingual": MAP | {"rank_distance": 2.0}}
    head, _, row = table("bitext", {"hybrid": [metrics]}).splitlines()
    assert head == "| bitext: batches | seeds | cross mAP | multi mAP | cross R_cap@1 | multi R_cap@1 | rank distance |"
    assert row == "| hybrid | 1 | 0.500 | 0.500 | 0.250 | 0.250 | 2.0 |"


def test_a_streamed_benchmark_has_its_own_columns():
    metrics = {name: {"ndcg@10": 0.125, "recall@100": 0.75} for name in ("monolingual", "multilingual")}
    head, rule, row = table("miracl", {"hybrid": [metrics, metrics]}).splitlines()
    assert head == "| miracl: batches | seeds | mono nDCG@10 | multi nDCG@10 | mono R@100 | multi R@100 |"
    assert rule.count("---") == 6
    assert row == "| hybrid | 2 | 0.125 ± 0.000 | 0.125 ± 0.000 | 0.750 ± 0.000 | 0.750 ± 0.000 |"

"""The report: well-formed, complete, and nothing in it comes from the network."""

import copy
import math
import re

import pytest

from hbt_jax.evaluation.report import chart, curves
from hbt_jax.evaluation.report import page as report
from tests.evaluation.ranked_small import evaluate, with_layer_probe
from tests.evaluation.report.page import Page


@pytest.fixture(scope="module")
def summary(small_benchmark, small_embeddings, tmp_path_factory):
    return evaluate(
        small_benchmark,
        *small_embeddings,
        out_dir=str(tmp_path_factory.mktemp("out")),
        model_name='<runs> & "one"',
        settings={"query_prefix": "query: "},
        counts={"truncated_texts": 7},
    )


def written(tmp_path, *args, **options):
    report.write_report(str(tmp_path / "report.html"), *args, **options)
    return (tmp_path / "report.html").read_text(encoding="utf-8")


def test_the_page_is_whole_and_self_contained(summary, tmp_path):
    text = written(tmp_path, [summary, summary | {"benchmark": "other"}])
    page = Page(text)
    assert not re.search(r"https?:|//[a-z]|@import|url\(", text)
    assert not [attrs for _, attrs in page.tags if "src" in attrs or not attrs.get("href", "#").startswith("#")]
    ids = [attrs["id"] for _, attrs in page.tags if "id" in attrs]
    assert {attrs["href"] for _, attrs in page.tags if "href" in attrs} == {f"#{one}" for one in ids}
    assert len(page.of_class("cell")) == 2 * 5 * 5
    assert "&lt;runs&gt; &amp; &#34;one&#34;" in text
    assert len(ids) == len(set(ids))


def test_every_number_of_the_summary_is_there(summary, tmp_path):
    words = Page(written(tmp_path, [summary])).words
    shown = {"rank_distance": "{:,.1f}", "similarity_gap": "{:+.3f}", "strong_alignment": "{:.0f} %"}  # 0 % here
    for block in summary["metrics"].values():
        for metric, value in block.items():
            assert shown.get(metric, "{:.4f}").format(value) in words, metric
    for pair, block in summary["by_pair"].items():
        assert f"{block['map']:.3f}" in words, pair
    assert "query: " in words and "7" in words


def test_a_term_that_benchmarks_define_differently_is_explained_for_each(summary, tmp_path):
    own = summary["settings"]["definitions"]
    graded = {"ndcg@10": "of graded judgements", "map": own["map"], "recall@100": "of all"}
    other = summary | {"benchmark": "miracl", "settings": {"definitions": graded}}
    words = Page(written(tmp_path, [summary, other])).words
    for term, meaning in (
        ("nDCG@10 (small)", own["ndcg@10"]),
        ("nDCG@10 (miracl)", "of graded judgements"),
        ("mAP", own["map"]),
        ("R@100", "of all"),
    ):
        assert (term, meaning) in zip(words, words[1:], strict=False)
    assert "nDCG@10 (small, miracl)" not in words
    assert "nDCG@10 (small)" not in Page(written(tmp_path, [summary, summary | {"benchmark": "twin"}])).words


def test_the_baseline_stands_beside_the_model(summary, tmp_path):
    untrained, lexical = copy.deepcopy(summary), copy.deepcopy(summary)
    untrained["metrics"]["monolingual"]["map"] -= 0.125
    lexical["metrics"]["monolingual"]["map"] -= 0.25
    baselines = [report.System("untrained", [untrained]), report.System("BM25", [{"benchmark": "another"}, lexical])]
    words = Page(written(tmp_path, [summary], baselines=baselines)).words
    assert words.index("untrained") < words.index("BM25")
    assert "+0.1250" in words and "+0.2500" in words
    assert "untrained" not in Page(written(tmp_path, [summary])).words


def test_a_baseline_of_other_benchmarks_is_not_shown(summary, tmp_path):
    other = report.System("elsewhere", [summary | {"benchmark": "other"}])
    assert "elsewhere" not in Page(written(tmp_path, [summary], baselines=[other])).words


def test_under_resourced_languages_are_marked(summary, tmp_path):
    page = Page(written(tmp_path, [summary]))
    assert sorted(attrs["data-language"] for attrs in page.of_class("diamond")) == 3 * ["sw"] + 3 * ["te"]
    assert page.words.count("◆ Telu (1)") == 3  # a script that has no other language here


def test_the_training_curve(summary, tmp_path):
    series = {
        "loss": [(step, 3.0 / (1 + step)) for step in range(1000)],
        "validation loss": [(0, math.nan), (500, 1.0)],
    }
    page = Page(written(tmp_path, [summary], training_curve=series))
    loss, validation = page.of_class("series")
    assert len(loss["points"].split()) <= 400
    assert len(validation["points"].split()) == 1
    assert "validation loss" in page.words
    assert not Page(written(tmp_path, [summary])).of_class("series")


@pytest.mark.parametrize("values", [[0.0], [math.nan], [1e-7, 2e-7], [1e4]])
def test_a_training_curve_of_any_height_is_drawn(values):
    text = curves.training_curve({"loss": list(enumerate(values))})
    assert "nan" not in text and "inf" not in text
    Page(text)


def probe_of(shift: float, **changes) -> dict:
    """Three languages, two layers; `te` is the closest to random pairs at the end."""
    parallel = {"de": [0.3, 0.5, 0.9], "te": [0.35, 0.4, 0.5], "zh": [0.2, 0.3, 0.8]}
    curves_of = {
        code: {"items": 5, "parallel": [value + shift for value in values], "random": [0.1, 0.2, 0.3]}
        for code, values in parallel.items()
    }
    for one in curves_of.values():
        one["gap"] = [a - b for a, b in zip(one["parallel"], one["random"], strict=True)]
    values = {"items": 5, "pooling": "mean", "layers": [0, 1, 2], "left_out": [], "by_language": curves_of}
    return {**values, "mean": curves_of["de"], **changes}


def test_the_layer_probe_has_lines_panels_and_numbers(summary, tmp_path):
    probed = with_layer_probe(summary, probe_of(0.0))
    page = Page(written(tmp_path, [probed]))
    kinds = [attrs["class"] for attrs in page.of_class("by-layer")]
    assert kinds.count("by-layer parallel") == kinds.count("by-layer random") == 2 + 3  # key and means, languages
    assert not page.of_class("before")
    assert [attrs["data-language"] for attrs in page.of_class("mini")] == ["zh", "de", "te"]  # Hans, Latn, Telu
    assert "◆ te" in page.words and "layer 2: parallel 0.9000" in page.words
    assert {"0.9000", "0.3000", "0.6000"} <= set(page.words) and " 0.2000" in page.words  # the smallest gap, of te
    assert "Telugu: parallel 0.350 to 0.500, random 0.100 to 0.300; largest gap 0.250, at layer 0" in page.words
    assert any(word.startswith("cosines of queries after each layer") for word in page.words)
    assert "Alignment by layer" not in Page(written(tmp_path, [summary])).words


def test_the_layer_probe_beside_the_baseline(summary, tmp_path):
    model, baseline = (with_layer_probe(summary, probe_of(shift)) for shift in (0.0, -0.25))
    page = Page(written(tmp_path, [model], baselines=[report.System("untrained", [baseline])]))
    assert len(page.of_class("before")) == 2 * (2 + 3)
    assert "gap, untrained" in page.words and "0.3500" in page.words
    heights = [float(place.split(",")[1]) for one in page.of_class("by-layer") for place in one["points"].split()]
    assert all(0 <= height <= 320 for height in heights)
    assert not Page(written(tmp_path, [model], baselines=[report.System("untrained", [summary])])).of_class("before")


def test_the_layer_probe_names_what_it_left_out(summary, tmp_path):
    words = "".join(Page(written(tmp_path, [with_layer_probe(summary, probe_of(0.0, left_out=["sw"]))])).words)
    assert "Left out because they share too few of these items with every other language: sw." in words


@pytest.mark.parametrize(("lowest", "highest"), [(0.0, 0.0), (-0.3, 0.9), (0.98, 1.0), (0.0, 1e4), (0.71, 0.7100001)])
def test_ticks_are_round_even_and_enclose_the_values(lowest, highest):
    values = chart.ticks(lowest, highest)
    assert values[0] <= lowest + 1e-9 and values[-1] >= highest - 1e-9 and 2 <= len(values) <= 8
    steps = [b - a for a, b in zip(values, values[1:], strict=False)]
    assert max(steps) == pytest.approx(min(steps), rel=1e-6)


def test_a_probe_without_any_spread_is_drawn(summary, tmp_path):
    flat = {"items": 2, "parallel": [1.0, 1.0], "random": [1.0, 1.0], "gap": [0.0, 0.0]}
    probe = probe_of(0.0, layers=[0, 1], by_language={"de": flat}, mean=flat)
    assert "nan" not in written(tmp_path, [with_layer_probe(summary, probe)])

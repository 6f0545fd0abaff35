"""What a study says of finished runs: tests, corrected, in words, tables, curves and a page."""

import json
import re

import pytest

from hbt_jax.config.compare import CompareConfig
from hbt_jax.errors import InputError
from hbt_jax.evaluation.compare import compare
from hbt_jax.evaluation.statistics.significance import holm
from hbt_jax.study import curves, page
from hbt_jax.study.pairing import pairings
from hbt_jax.study.study import study
from tests.study.conftest import NOISE, TOLD, made_runs

HYBRID = "hybrid, mono_probability=0.25"


def of(studied: dict, a: str, b: str) -> dict:
    (found,) = [one for one in studied["benchmarks"]["made"]["comparisons"] if (one["a"], one["b"]) == (a, b)]
    return found


def said(studied: dict, key: str = "claims") -> list[str]:
    return [sentence for one in studied["benchmarks"]["made"]["comparisons"] for sentence in one[key]]


def test_each_configuration_is_compared_with_each_baseline_once(studied):
    found = [(one["a"], one["b"]) for one in studied["benchmarks"]["made"]["comparisons"]]
    others = [label for label in NOISE if label != "x-x-mono"]
    assert found == [*((label, "x-x-mono") for label in others), *((label, "untrained") for label in NOISE)]


def test_a_comparison_is_that_of_the_compare_command(finished, studied):
    folders = [tuple(str(finished / f"{name}-seed{seed}" / "evaluation") for seed in range(2))
               for name in ("hybrid-mono_probability=0.25", "x-x-mono")]  # fmt: skip
    expected = compare(CompareConfig(*folders, samples=400))["benchmarks"]["made"]["comparisons"]
    found = of(studied, HYBRID, "x-x-mono")["comparisons"]
    assert found.keys() == expected.keys()
    for setting, block in expected.items():
        assert found[setting]["by_query_language"] == block["by_query_language"]
        mine, theirs = (one["overall"]["all"] for one in (found[setting], block))
        assert {**mine, "better": None} == {**theirs, "better": None, "p_corrected": mine["p_corrected"]}


def test_p_is_corrected_over_the_configurations_of_one_baseline(studied):
    rows = [one["comparisons"]["monolingual"]["overall"]["all"] for one in studied["benchmarks"]["made"]["comparisons"]]
    for family in (rows[:3], rows[3:]):
        assert [row["p_corrected"] for row in family] == holm([row["p_runs"] for row in family]).tolist()
    assert any(row["p_corrected"] > row["p_runs"] for row in rows)


def test_sentences_say_what_the_tests_say(studied):
    claims = said(studied)
    row = of(studied, HYBRID, "x-x-mono")["comparisons"]["multilingual"]["overall"]["all"]
    numbers = f"{row['difference']:+.3f} [{row['low']:+.3f}, {row['high']:+.3f}]"
    (one,) = [claim for claim in claims if claim.startswith(f"{HYBRID} > x-x-mono in multilingual mAP: ")]
    assert one.startswith(f"{HYBRID} > x-x-mono in multilingual mAP: {numbers}, p ")
    assert any(claim.startswith(f"{HYBRID} < x-x-mono in rank distance (lower is better): -") for claim in claims)
    (same,) = [claim for claim in claims if "x-y and x-x-mono: no significant difference in monolingual mAP" in claim]
    row = of(studied, "x-y", "x-x-mono")["comparisons"]["monolingual"]["overall"]["all"]
    assert row["better"] is None and same.endswith(f"p = {row['p_corrected']:.3f}")
    named = r"better in \d of 4 languages \([a-z ]+\), worse in 0; better in \d of 3 scripts \(\w+[\w ]*\), worse in 0"
    pattern = re.compile(rf"{HYBRID} against x-x-mono in multilingual mAP: {named}$")
    assert len([sentence for sentence in said(studied, "details") if pattern.match(sentence)]) == 1
    assert any("under-resourced less other languages" in sentence for sentence in said(studied, "details"))


def test_a_decided_row_with_the_sign_turned_is_said_the_other_way(studied):
    claims = said(studied)
    assert not any(re.match(r"x-y [<>] x-x-mono", claim) for claim in claims)
    assert f"{HYBRID} > untrained in monolingual mAP" in " ".join(claims)


def test_results_are_kept_by_run_and_robustness_as_means(finished, studied):
    block = studied["benchmarks"]["made"]
    assert list(block["metrics"]) == [*NOISE, "untrained"]
    written = [json.loads((finished / f"x-y-seed{seed}/evaluation/made/results.json").read_text()) for seed in range(2)]
    assert block["metrics"]["x-y"] == [one["metrics"] for one in written]
    mean = sum(one["robustness"]["multilingual"]["worst"] for one in written) / 2
    assert block["robustness"]["multilingual"]["x-y"]["languages"]["worst"] == pytest.approx(mean)
    mean = sum(one["by_query_language"]["sw"]["multilingual"]["rank_distance"] for one in written) / 2
    assert block["by_query_language"]["rank_distance"]["x-y"]["sw"] == pytest.approx(mean)


def test_a_curve_over_alpha_ends_at_x_y_and_x_x_mono(studied):
    assert curves.numeric_axes(studied) == ["mono_probability"]
    (curve,) = curves.curves(studied, "mono_probability")
    assert curve.points == ((0.0, "x-y"), (0.25, HYBRID), (0.75, "hybrid, mono_probability=0.75"), (1.0, "x-x-mono"))


def test_a_curve_for_each_combination_of_the_other_options(tmp_path):
    axes, variants, _ = made_runs(tmp_path, "batching=x-y,hybrid; train_fraction=0.1,0.3,1")
    made = {"axes": axes, "variants": {one.label: {"options": one.options} for one in variants}}
    found = {curve.name: [x for x, _ in curve.points] for curve in curves.curves(made, "train_fraction")}
    assert found == {"x-y": [0.1, 0.3, 1.0], "hybrid": [0.1, 0.3, 1.0]}


def test_the_page_holds_sentences_tables_and_curves_and_escapes_what_it_prints(studied, tmp_path):
    hostile = json.loads(json.dumps(studied).replace(HYBRID, "<b>hybrid</b>"))
    page.write_page(str(tmp_path / "study.html"), hostile)
    text = (tmp_path / "study.html").read_text(encoding="utf-8")
    assert "<b>hybrid" not in text and "&lt;b&gt;hybrid&lt;/b&gt;" in text
    assert "no significant difference" in text and 'name="viewport"' in text
    assert text.count("<polyline") == 4  # three settings and the rank distance
    assert "over alpha (0: x-y, 1: x-x-mono)" in text
    for code in ("ar", "de", "sw", "te"):
        assert re.search(rf">{code}</span>", text)
    assert "http" not in re.sub(r"<dl>.*?</dl>", "", text, flags=re.DOTALL)  # nothing is loaded from elsewhere


def test_missing_results_are_told(finished, tmp_path):
    axes, variants, wanted = made_runs(tmp_path)
    with pytest.raises(InputError, match="x-x-mono-seed0 has no results of made: run the sweep again"):
        study(wanted, ["made"], axes, [], samples=100)
    wanted = [run for run in made_runs(tmp_path)[2] if run.variant.label == "x-y"]
    for run in wanted:
        (run.workdir / "evaluation").mkdir(parents=True)
        (run.workdir / "evaluation" / "made").symlink_to(finished / run.workdir.name / "evaluation" / "made")
    pairs = pairings(["untrained"], variants[1:2], list(axes), TOLD)
    with pytest.raises(InputError, match="--baseline=untrained: x-y has no results of its initial weights on made"):
        study(wanted, ["made"], axes, pairs, samples=100)

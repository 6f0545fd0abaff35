"""Comparing two systems, from evaluations on disk to the table, compare.json and compare.html."""

import json
import re
from pathlib import Path

import numpy as np
import pytest
from scipy import stats

from hbt_jax.config.compare import CompareConfig
from hbt_jax.errors import InputError, Interrupted
from hbt_jax.evaluation import compare
from hbt_jax.evaluation.report import compare_page, compare_table, forest
from tests.evaluation import make_outcomes
from tests.evaluation.make_outcomes import CODES, evaluated
from tests.evaluation.report.test_page import Page

SETTINGS = ("monolingual", "cross_lingual", "multilingual", "rank_distance")
QUICK = {"samples": 1000}


@pytest.fixture(scope="module")
def systems(tmp_path_factory):
    """Three runs of a good system and two of a bad one."""
    folder = tmp_path_factory.mktemp("systems")
    good = [evaluated(folder / f"good_{seed}", 0.5, seed) for seed in range(3)]
    return tuple(good), tuple(evaluated(folder / f"bad_{seed}", 1.5, 10 + seed) for seed in range(2))


@pytest.fixture(scope="module")
def compared(systems):
    return compare.compare(CompareConfig(*systems, **QUICK))


def results(folder, name="made"):
    return json.loads((Path(folder) / name / "results.json").read_text(encoding="utf-8"))


def test_values_are_the_means_of_results_json_over_runs(systems, compared):
    block = compared["benchmarks"]["made"]
    assert (block["queries"], block["items"], block["languages"]) == (58, 16, list(CODES))
    assert tuple(block["comparisons"]) == SETTINGS
    for setting, one in block["comparisons"].items():
        row = one["overall"]["all"]
        for side, folders in zip("ab", systems, strict=True):
            if setting == "rank_distance":
                values = [results(folder)["metrics"]["multilingual"][setting] for folder in folders]
            else:
                values = [results(folder)["metrics"][setting]["map"] for folder in folders]
            assert row[f"{side}_runs"] == pytest.approx(values, abs=1e-6)
            assert row[side] == pytest.approx(np.mean(values))
            assert row[f"{side}_standard_deviation"] == pytest.approx(np.std(values, ddof=1), abs=1e-6)
        assert row["difference"] == pytest.approx(row["a"] - row["b"])


def test_under_resourced_languages_are_those_that_are_stated(systems, tmp_path):
    config = CompareConfig(systems[0][:1], systems[1][:1], str(tmp_path), under_resourced=("arb", "de"), **QUICK)
    compare.compare_command(config, lambda: None)
    written = json.loads((tmp_path / "compare.json").read_text(encoding="utf-8"))
    assert written["under_resourced"] == ["ar", "de"]
    one, first = written["benchmarks"]["made"]["comparisons"]["multilingual"], results(systems[0][0])
    means = {code: blocks["multilingual"]["map"] for code, blocks in first["by_query_language"].items()}
    weak = one["by_resource"]["under_resourced"]["a_runs"][0]
    assert weak == pytest.approx((means["ar"] + means["de"]) / 2, abs=1e-6)
    with pytest.raises(InputError, match="--under_resourced=ha,jp: unknown language 'jp': write ja, its code here"):
        CompareConfig(under_resourced=("ha", "jp"))


def test_rows_are_those_of_results_json(systems, compared):
    for setting in SETTINGS[:3]:
        one, first = compared["benchmarks"]["made"]["comparisons"][setting], results(systems[0][0])
        by_language = {code: row["a_runs"][0] for code, row in one["by_query_language"].items()}
        assert by_language == pytest.approx(
            {code: block[setting]["map"] for code, block in first["by_query_language"].items()}, abs=1e-6
        )
        by_script = {script: row["a_runs"][0] for script, row in one["by_script"].items()}
        assert by_script == pytest.approx(
            {script: block[setting]["map"] for script, block in first["by_script"].items()}, abs=1e-6
        )
        robust, groups = first["robustness"][setting], one["by_resource"]
        assert groups["under_resourced"]["a_runs"][0] == pytest.approx(robust["under_resourced"], abs=1e-6)
        assert groups["under_resourced_less_others"]["a_runs"][0] == pytest.approx(-robust["gap"], abs=1e-6)


def test_the_better_system_is_found_and_the_rank_distance_is_better_when_lower(compared):
    overall = {name: one["overall"]["all"] for name, one in compared["benchmarks"]["made"]["comparisons"].items()}
    assert [overall[name]["better"] for name in SETTINGS] == ["a"] * 4
    assert overall["multilingual"]["difference"] > 0 > overall["rank_distance"]["difference"]
    assert all(row["low"] < row["difference"] < row["high"] and row["p_runs"] is not None for row in overall.values())


def test_the_other_way_round_is_the_mirror_image(systems, compared):
    mirrored = compare.compare(CompareConfig(*systems[::-1], **QUICK))["benchmarks"]["made"]["comparisons"]
    for setting, one in compared["benchmarks"]["made"]["comparisons"].items():
        for code, row in one["by_query_language"].items():
            other = mirrored[setting]["by_query_language"][code]
            assert other["difference"] == pytest.approx(-row["difference"])
            assert (other["p"], other["items"]) == (row["p"], row["items"])


def test_two_single_runs_of_one_language_are_what_scipy_says(systems):
    """German, monolingual: one query an item, so its test is scipy's paired permutation test."""
    (a, *_), (b, *_) = systems
    row = compare.compare(CompareConfig((a,), (b,), samples=100_000))["benchmarks"]["made"]["comparisons"][
        "monolingual"
    ]["by_query_language"]["de"]
    scores = []
    for folder in (a, b):
        lines = []
        make_outcomes.edit_lines(folder, lambda old, lines=lines: lines.extend(map(json.loads, old)) or old)
        scores.append(np.array([line["monolingual"]["map"] for line in lines if line["language"] == "de"]))
    gaps = scores[0] - scores[1]
    theirs = stats.permutation_test(
        (gaps,), lambda x, axis: x.mean(axis=axis), permutation_type="samples", n_resamples=np.inf, vectorized=True
    )
    assert row["p"] == pytest.approx(theirs.pvalue, abs=1e-9)
    assert (row["p_runs"], row["p_runs_holm"], row["a_standard_deviation"]) == (None, None, None)


def test_a_system_does_not_differ_from_itself_and_the_order_of_runs_does_not_matter(systems, compared):
    good, bad = systems
    same = compare.compare(CompareConfig(good[:1], good[:1], **QUICK))["benchmarks"]["made"]["comparisons"]
    for one in same.values():
        row = one["overall"]["all"]
        assert (row["difference"], row["low"], row["high"], row["p"], row["better"]) == (0.0, 0.0, 0.0, 1.0, None)
    assert compare.compare(CompareConfig(good[::-1], bad[::-1], **QUICK)) == compared


def test_recall_is_compared_without_the_cross_lingual_setting_and_says_so(systems):
    good, bad = systems
    found = compare.compare(CompareConfig(good[:1], bad[:1], metric="recall@1", **QUICK))
    assert set(found["benchmarks"]["made"]["comparisons"]) == {"monolingual", "multilingual", "rank_distance"}
    assert found["notes"] == ["made, cross-lingual: left out: per_query.jsonl.gz does not hold recall@1 there"]


def test_a_metric_of_one_setting_is_compared_there_and_the_others_say_why_not(systems):
    found = compare.compare(CompareConfig(*systems, metric="one_language_map", **QUICK))
    block = found["benchmarks"]["made"]["comparisons"]
    assert (
        tuple(block) == ("multilingual", "rank_distance") and block["multilingual"]["overall"]["all"]["better"] == "a"
    )
    reason = "left out: results.json has no one_language_map there"
    assert found["notes"] == [f"made, {setting}: {reason}" for setting in ("monolingual", "cross-lingual")]


@pytest.mark.parametrize(("metric", "name"), [("map", "mAP"), ("recall@10", "R_cap@10"), ("ndcg@10", "nDCG@10")])
def test_the_page_names_the_metric_that_was_compared(systems, metric, name):
    good, bad = systems
    found = compare.compare(CompareConfig(good[:1], bad[:1], metric=metric, **QUICK))["benchmarks"]["made"]
    assert compare_page._title("monolingual", found["comparisons"]["monolingual"]) == f"Monolingual ({name})"
    assert compare_page._title("rank_distance", found["comparisons"]["rank_distance"]).endswith(
        "(ranks, lower is better)"
    )


def test_settings_that_differ_are_named(systems, tmp_path):
    other = evaluated(tmp_path / "other", 0.5, 5, query_prefix="query: ")
    good, bad = systems
    found = compare.compare(CompareConfig((*good[:1], other), bad[:1], **QUICK))
    assert found["benchmarks"]["made"]["settings"].keys() == {"query_prefix"}
    assert "made: the 2 runs of A differ in query_prefix" in found["notes"]


def test_a_benchmark_that_one_lacks_is_left_out_with_a_note(systems, tmp_path):
    good, bad = systems
    both = evaluated(tmp_path / "both", 0.5, 5)
    evaluated(tmp_path / "both", 0.5, 5, make_outcomes.benchmark(name="more"))
    found = compare.compare(CompareConfig((both,), bad[:1], **QUICK))
    assert list(found["benchmarks"]) == ["made"]
    assert found["notes"] == [f"more is left out: it was not evaluated in {bad[0]}"]


def test_the_command_prints_and_writes_the_same_numbers(systems, compared, tmp_path, capsys):
    compare.compare_command(CompareConfig(*systems, out=str(tmp_path), **QUICK), lambda: None)
    printed = capsys.readouterr().out
    names = sorted(path.name for path in tmp_path.iterdir())
    assert names == ["compare.html", "compare.json", "compare.tex", "compare.tsv"]
    assert json.loads((tmp_path / "compare.json").read_text(encoding="utf-8")) == compared
    row = compared["benchmarks"]["made"]["comparisons"]["multilingual"]["overall"]["all"]
    line = next(line for line in printed.split("multilingual  ")[1].splitlines() if "all" in line)
    assert f"{row['difference']:+.4f}" in line and f"[{row['low']:+.4f}, {row['high']:+.4f}]" in line
    assert line.endswith("A better") and "58 queries about 16 items in 4 languages" in printed


def test_the_tsv_has_a_line_for_every_comparison(systems, compared, tmp_path):
    path = tmp_path / "compare.tsv"
    compare_table.write_tsv(str(path), compared)
    head, *lines = (line.split("\t") for line in path.read_text(encoding="utf-8").splitlines())
    rows = [dict(zip(head, line, strict=True)) for line in lines]
    comparisons = compared["benchmarks"]["made"]["comparisons"]
    families = ("overall", "by_resource", "by_script", "by_query_language")
    assert len(rows) == sum(len(one[family]) for one in comparisons.values() for family in families)
    found = next(one for one in rows if (one["setting"], one["row"]) == ("cross_lingual", "sw"))
    wanted = comparisons["cross_lingual"]["by_query_language"]["sw"]
    assert (found["benchmark"], found["metric"], found["family"]) == ("made", "map", "by_query_language")
    for name in ("items", "a", "b", "difference", "low", "high", "p", "p_holm", "p_runs", "p_runs_holm"):
        assert float(found[name]) == pytest.approx(wanted[name])
    assert found["better"] == (wanted["better"] or "")


def test_the_page_is_whole_self_contained_and_complete(compared, tmp_path):
    compare_page.write_page(str(tmp_path / "compare.html"), compared)
    text = (tmp_path / "compare.html").read_text(encoding="utf-8")
    page = Page(text)
    assert not re.search(r"https?:|//[a-z]|@import|url\(", text)
    assert "noise &lt;0.5&gt;" in text and "noise <0.5>" not in text
    assert len(page.of_class("forest")) == len(SETTINGS) + 3  # and the keys of the legend
    words = "".join(page.words)
    for one in compared["benchmarks"]["made"]["comparisons"].values():
        for family in ("overall", "by_resource", "by_script", "by_query_language"):
            for row in one[family].values():
                digits = 4 if one["higher_is_better"] else 1
                assert f"{row['low']:+,.{digits}f} to {row['high']:+,.{digits}f}" in words
    plotted = [attrs["data-row"] for tag, attrs in page.tags if "data-row" in attrs]
    assert sorted(plotted) == sorted(
        [name for one in compared["benchmarks"]["made"]["comparisons"].values()
         for family in ("overall", "by_resource", "by_script", "by_query_language") for name in one[family]]
    )  # fmt: skip


def test_decided_differences_have_their_own_shapes(compared, tmp_path):
    row = {"items": 3, "difference": 0.1, "low": 0.0, "high": 0.2}
    shapes = {}
    for better in ("a", "b", None):
        block = {"higher_is_better": True, "by_resource": {}, "by_script": {}, "by_query_language": {}}
        plot = forest.forest_plot("monolingual", block | {"overall": {"all": row | {"better": better}}})
        shapes[better] = re.search(r'<(\w+) class="point ([\w-]+)"', plot).groups()
    assert shapes == {"a": ("circle", "a-better"), "b": ("rect", "b-better"), None: ("circle", "undecided")}


def test_a_stop_leaves_nothing(systems, tmp_path):
    def stop():
        raise Interrupted("stopped")

    with pytest.raises(Interrupted):
        compare.compare_command(CompareConfig(*systems, out=str(tmp_path), **QUICK), stop)
    assert not list(tmp_path.iterdir())


@pytest.fixture
def pair(tmp_path):
    """Two single runs, for a test to spoil."""
    return evaluated(tmp_path / "a", 0.5, 0), evaluated(tmp_path / "b", 1.0, 1)


def refused(message, a, b, **options):
    with pytest.raises(InputError, match=message):
        compare.compare(CompareConfig((a,) if isinstance(a, str) else a, (b,), **QUICK | options))


def test_folders_that_are_not_outputs(pair, tmp_path):
    a, b = pair
    refused(r"nowhere: no such folder: expected an output folder of launch/eval.py", f"{tmp_path}/nowhere", b)
    (tmp_path / "empty").mkdir()
    refused(r"empty: no results: expected BENCHMARK/results.json in it", f"{tmp_path}/empty", b)
    refused(r"this is the folder of one benchmark: give .*/a$", f"{a}/made", b)


def test_a_run_counts_once(pair):
    a, b = pair
    refused(r"--a=.*: .*/a/ is given twice: expected each run once", (a, f"{a}/"), b)
    refused(r"/b is a run of both systems: expected no runs in common, or all of them", (a, b), b)


def test_nothing_in_common(pair, tmp_path):
    other = evaluated(tmp_path / "other", 1.0, 1, make_outcomes.benchmark(name="more"))
    refused(r"no benchmark was evaluated in every folder: .*/a has made; .*/other has more", pair[0], other)


def test_a_metric_that_is_not_there(pair):
    refused(r"--metric=mapp: made is left out: its results have no mapp, but map, mrr, ndcg@10,", *pair, metric="mapp")


def test_other_files_were_ranked(pair, tmp_path):
    a, b = pair
    fewer = evaluated(tmp_path / "fewer", 1.0, 1, make_outcomes.benchmark(items=15))
    refused(
        r"/a/made has 16 queries in 'ar' but .*/fewer/made has 15: expected evaluations of the same files", a, fewer
    )
    make_outcomes.edit_lines(b, lambda lines: [lines[0].replace("0:ar", "other"), *lines[1:]])
    refused(r"/b/made has other queries than .*/a/made: it lacks 1 of 58, such as '0:ar'", a, b)


def test_a_query_about_another_item_or_in_another_language(pair):
    a, b = pair
    make_outcomes.edit_lines(b, lambda lines: [lines[0].replace('"item": "0"', '"item": "9"'), *lines[1:]])
    refused(r"query '0:ar' has item '0' in .*/a/made but '9' in .*/b/made", a, b)


def test_a_query_that_counts_elsewhere(pair):
    def without_german(lines):
        line = json.loads(lines[0])
        del line["cross_lingual"]["de"]
        return [json.dumps(line), *lines[1:]]

    make_outcomes.edit_lines(pair[1], without_german)
    refused(r"query '0:ar' does not count in the same cross-lingual pools of .*/a/made and .*/b/made", *pair)


def test_other_text_of_the_candidates(tmp_path):
    a, b = (evaluated(tmp_path / text, 0.5, 0, candidate_text=text) for text in ("sentence", "context"))
    refused(r"candidate_text 'sentence' but .* has candidate_text 'context': scores can be compared only if", a, b)


def test_other_definitions(pair):
    a, b = pair
    make_outcomes.edit_summary(b, lambda content: content["settings"]["definitions"].update(recall="of another kind"))
    refused(r"define 'recall' differently \(.*of another kind'\): evaluate both with one version", a, b)


def test_other_judgements_of_copies(pair):
    """As of results that an earlier version wrote, which judged copies as the files do."""
    a, b = pair
    for added, out in ((0, a), (7, b)):
        counts = {"copies": {"added_judgements": added}}
        make_outcomes.edit_summary(out, lambda content, counts=counts: content["counts"].update(counts))
    refused(
        r"/a/made has 0 judgements added for copies but .*/b/made has 7: expected the same files, evaluated with", a, b
    )
    make_outcomes.edit_summary(b, lambda content: content["counts"].pop("copies"))
    assert compare.compare(CompareConfig((a,), (b,), **QUICK))["benchmarks"]


def test_files_that_are_not_results(pair):
    a, b = pair
    make_outcomes.edit_summary(b, lambda content: content.pop("metrics"))
    refused(r"b/made/results.json: no 'metrics' in it: expected the results of an evaluation", a, b)
    for content in ("{", "[" * 100_000, '{"counts": ' + "1" * 5000, "\0"):
        (Path(b) / "made" / "results.json").write_text(content, encoding="utf-8")
        refused(r"b/made/results.json: not JSON \(.*; evaluate again with launch/eval.py", a, b)


def test_values_by_query_that_are_missing_or_damaged(pair):
    a, b = pair
    path = Path(b) / "made" / "per_query.jsonl.gz"
    whole = path.read_bytes()
    for content in (whole[: len(whole) // 2], whole[:30] + b"\0\0\0\0" + whole[34:], b"no gzip at all"):
        path.write_bytes(content)
        refused(r"per_query.jsonl.gz: damaged or cut off after line \d+ \(.*; evaluate again", a, b)
    path.unlink()
    refused(r"per_query.jsonl.gz: no such file, though results.json is beside it", a, b)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda lines: [*lines[:4], "{", *lines[5:]], r"per_query.jsonl.gz:5: not JSON"),
        (lambda lines: [*lines[:4], "[" * 100_000, *lines[5:]], r"gz:5: not JSON \(brackets are nested 100,000 deep"),
        (lambda lines: [*lines[:4], "1" * 5000, *lines[5:]], r"gz:5: not JSON \(a whole number has 5,000 digits"),
        (lambda lines: [*lines[:4], lines[4][:-1] + ', "id": "q"}', *lines[5:]], r'gz:5: not JSON \(the name "id" '),
        (lambda lines: [re.sub(r'"map": [\d.]+', f'"map": {10**400}', lines[0]), *lines[1:]], r"where a number is exp"),
        (lambda lines: [*lines[:4], "[]", *lines[5:]], r"per_query.jsonl.gz:5: expected one JSON object per line"),
        (lambda lines: [*lines[:-1]], r"gz: 57 queries, but results.json beside it counts 58"),
        (lambda lines: [*lines, lines[0]], r"gz:59: but results.json beside it counts only 58 queries"),
        (lambda lines: [lines[1], *lines[1:]], r"query id .* occurs twice; evaluate again"),
        (lambda lines: [lines[0].replace('"language": "ar"', '"language": 3'), *lines[1:]], r"'language' is 3"),
        (lambda lines: [re.sub(r'"map": [\d.]+', '"map": "x"', lines[0]), *lines[1:]], r'"x" where a number is exp'),
        (lambda lines: [re.sub(r'"map": [\d.]+', '"map": NaN', lines[0]), *lines[1:]], r"NaN is not a number of JSON"),
        (lambda lines: [lines[0].replace('"multilingual"', '"multi"'), *lines[1:]], r"no 'multilingual' in it"),
        (lambda lines: [lines[0].replace('"sw"', '"xx"'), *lines[1:]], r"candidate language 'xx' is not among those"),
        (lambda lines: [re.sub(r'"map": [\d.]+', '"map": 7.5', lines[0]), *lines[1:]], r"from different evaluations"),
    ],
)  # fmt: skip
def test_a_line_that_no_evaluation_writes(pair, change, message):
    make_outcomes.edit_lines(pair[1], change)
    refused(message, *pair)


def test_one_item_is_too_few(tmp_path):
    only = make_outcomes.benchmark(items=1)
    a, b = (evaluated(tmp_path / name, 0.5, 0, only) for name in "ab")
    refused(r"a/made: all queries are about one item: expected several items to draw from", a, b)

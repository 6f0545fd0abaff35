"""The pages of the study show the studies of docs/study/ and nothing else."""

import importlib.util
import json
import xml.etree.ElementTree as ElementTree

import pytest

from tests.docs.pages import ROOT


@pytest.fixture(scope="module")
def study_page():
    spec = importlib.util.spec_from_file_location("study_page", ROOT / ".ci" / "study_page.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def test_the_page_is_what_the_studies_say(study_page):
    shown = set()
    for page in study_page.PAGES:
        written = page.read_text(encoding="utf-8")
        text, pictures = study_page.filled(written)
        assert text == written, "run: python .ci/study_page.py --write"
        for name, svg in pictures.items():
            assert (study_page.FOLDER / name).read_text(encoding="utf-8") == svg
        shown |= set(pictures) | {f"{given.split()[0]}.json" for _, _, given, _ in study_page._PLACE.findall(written)}
    assert shown == {file.name for file in study_page.FOLDER.iterdir()}  # nothing is kept that no page shows


def made(label: str, value: float) -> dict:
    block = {
        "metric": "map",
        "metrics": {name: [{"multilingual": {"map": value, "rank_distance": 3.0}}] for name in (label, "x-y")},
        "by_query_language": {
            "multilingual": {label: {"ar": value, "de": value + 0.25, "el": 0.5}, "x-y": {"ar": 0.75}},
            "rank_distance": {label: {"ar": 3.0, "de": 4.0, "el": 9.0}},
        },
        "robustness": {"multilingual": {label: {"languages": {"worst": value, "worst_quarter": 0.25}}}},
        "comparisons": [
            {
                "a": label,
                "b": "x-y",
                "baseline": "batching=x-y",
                "claims": [f"{label} > x-y"],
                "details": ["better in 2"],
                "comparisons": {},
            },
            {
                "a": "x-y",
                "b": label,
                "baseline": "batching=hybrid",
                "claims": ["the reverse"],
                "details": ["worse in 2"],
                "comparisons": {},
            },
        ],
    }
    variants = {
        label: {"options": {"batching": "hybrid", "mono_probability": 0.5}},
        "x-y": {"options": {"batching": "x-y"}},
    }
    return {"axes": {"mono_probability": [0.25, 0.5]}, "variants": variants, "benchmarks": {"facts": block}}


def test_places_are_filled_from_the_study_that_they_name(study_page, tmp_path):
    (tmp_path / "small.json").write_text(json.dumps(made("hybrid", 0.125)))
    views = ("results", "tests", "languages", "robustness")
    text = "".join(f"<!-- {view} small facts -->\nold\n<!-- end -->\n" for view in views)
    text += "<!-- picture small facts mono_probability multilingual -->\n<!-- end -->\n"
    text += "<!-- languages small facts batching=hybrid -->\n<!-- end -->\n"
    text += "<!-- groups small facts seen=ar,de unseen=el -->\n<!-- end -->\n"
    text += "<!-- results none facts -->\n<!-- end -->"
    page, pictures = study_page.filled(text, tmp_path)
    assert "old" not in page
    assert "| hybrid | 1 | 0.125 | 3.0 |" in page and "- hybrid > x-y\n" in page and "- better in 2\n" in page
    assert "the reverse" not in page and page.count("worse in 2") == 1
    assert "| hybrid | multilingual | 0.1250 | 0.2500 |" in page
    heads = "multilingual, seen | multilingual, unseen | rank distance, seen | rank distance, unseen |"
    assert f"| facts: batches | {heads}" in page
    assert "| hybrid | 0.2500 | 0.5000 | 3.5 | 9.0 |" in page and "| x-y | 0.7500 |  |  |  |" in page
    assert page.endswith("*Not run yet: no study `none` was kept.*\n<!-- end -->")
    assert study_page.filled(page, tmp_path) == (page, pictures)
    (svg,) = pictures.values()
    assert ElementTree.fromstring(svg).tag == "{http://www.w3.org/2000/svg}svg"
    with pytest.raises(SystemExit, match="has no xquad-r, but facts"):
        study_page.filled("<!-- results small xquad-r -->\n<!-- end -->", tmp_path)


def test_systems_and_pairs_of_a_comparison(study_page, tmp_path, monkeypatch):
    pair = {"a": "hybrid", "b": "x-y", "difference": 0.02, "low": 0.01, "high": 0.03, "better": "a",
            "p_holm": 0.5, "p_runs_holm": 0.004}  # fmt: skip
    undecided = {"a": "mono", "b": "hybrid", "difference": -3.0, "low": None, "high": None, "better": None,
                 "p_holm": 0.25, "p_runs_holm": None}  # fmt: skip
    found = {
        "monolingual": {"metric": "map", "higher_is_better": True, "values": {"hybrid": 0.75, "x-y": 0.73},
                        "pairs": [pair]},
        "rank_distance": {"metric": "rank_distance", "higher_is_better": False, "values": {"hybrid": 9.0, "x-y": 8.0},
                          "pairs": [undecided, pair]},
    }  # fmt: skip
    compared = {"systems": {}, "benchmarks": {"facts": {"queries": 2, "items": 1, "comparisons": found}}}
    (tmp_path / "compare.json").write_text(json.dumps(compared))
    monkeypatch.setattr(study_page, "FOLDER", tmp_path)
    monkeypatch.setattr(study_page, "PAGES", [tmp_path / "page.md"])
    text = "<!-- systems after facts -->\n<!-- end -->\n<!-- pairs after facts x-y:hybrid -->\n<!-- end -->\n"
    study_page.PAGES[0].write_text(text)
    study_page.keep("after", tmp_path / "compare.json")
    kept = json.loads((tmp_path / "after.json").read_text())["benchmarks"]["facts"]["comparisons"]
    assert kept["rank_distance"]["pairs"] == [pair]  # the other one is not shown
    page, _ = study_page.filled(text, tmp_path)
    assert "| facts: system | monolingual mAP | rank distance |" in page and "| hybrid | 0.7500 | 9.0 |" in page
    assert "- x-y < hybrid in monolingual mAP: -0.020 [-0.030, -0.010], p = 0.004\n" in page
    assert "- x-y < hybrid in rank distance (lower is better): -0.0 [-0.0, -0.0], p = 0.004\n" in page
    places = ("systems after facts monolingual", "pairs after facts monolingual x-y:hybrid")
    one_setting = "\n".join(f"<!-- {place} -->\n<!-- end -->" for place in places)
    page, _ = study_page.filled(one_setting, tmp_path)
    assert "| facts: system | monolingual mAP |\n" in page and "rank distance" not in page
    assert page.count("- x-y < hybrid in monolingual mAP") == 1
    with pytest.raises(SystemExit, match="no comparison of hybrid:mono in monolingual was kept"):
        study_page.filled("<!-- pairs after facts hybrid:mono -->\n<!-- end -->", tmp_path)


def test_a_kept_study_is_without_its_many_rows(study_page, tmp_path, monkeypatch):
    monkeypatch.setattr(study_page, "FOLDER", tmp_path / "study")
    study = made("hybrid", 0.5)
    rows = {"overall": {"all": {"p": 0.5}}, "by_query_language": {"ar": {}}, "by_script": {"Arab": {}}}
    for one in study["benchmarks"]["facts"]["comparisons"]:
        one["comparisons"] = {"multilingual": rows, "cross_lingual": rows}
    (tmp_path / "study.json").write_text(json.dumps(study))
    monkeypatch.setattr(study_page, "PAGES", [tmp_path / "page.md"])
    study_page.PAGES[0].write_text("<!-- forest facts facts cross_lingual hybrid x-y -->\n<!-- end -->")
    study_page.keep("facts", tmp_path / "study.json")
    kept = json.loads((tmp_path / "study" / "facts.json").read_text())
    few = {"overall": {"all": {"p": 0.5}}}
    one, reverse = (each["comparisons"] for each in kept["benchmarks"]["facts"]["comparisons"])
    assert one == {"multilingual": few, "cross_lingual": rows}  # which the page draws
    assert reverse == {"multilingual": few, "cross_lingual": few}
    assert kept["benchmarks"]["facts"]["metrics"] == study["benchmarks"]["facts"]["metrics"]


def test_a_forest_is_drawn_of_the_comparison_that_is_named(study_page, tmp_path):
    def row(difference: float, better: str | None) -> dict:
        return {"difference": difference, "low": difference - 0.25, "high": difference + 0.25, "better": better}

    study = made("hybrid", 0.5)
    study["benchmarks"]["facts"]["comparisons"][0]["comparisons"] = {
        "cross_lingual": {
            "metric": "map",
            "higher_is_better": True,
            "overall": {"all": row(0.5, "a")},
            "by_resource": {},
            "by_script": {},
            "by_query_language": {"ar": row(0.5, "a"), "de": row(-0.125, None)},
        }
    }
    (tmp_path / "small.json").write_text(json.dumps(study))
    place = "<!-- forest small facts cross_lingual hybrid x-y -->\n<!-- end -->"
    page, pictures = study_page.filled(place, tmp_path)
    name = "small-facts-cross_lingual-hybrid-x-y.svg"
    assert f"![facts: cross-lingual mAP, A: hybrid, B: x-y](study/{name})" in page
    said = ElementTree.fromstring(pictures[name]).get("aria-label")
    assert "A is better in 1, B in 0" in said and "-0.1250" in pictures[name]

"""Each card: what it shows of a full results.json, and that it copes with one that lacks its parts."""

import pytest

from hbt_jax.evaluation.report import names
from hbt_jax.evaluation.report import page as report
from hbt_jax.evaluation.report.cards import (
    bias,
    by_language,
    heatmap,
    layers,
    rank_distances,
    robustness,
    scripts,
    summary,
    worst_queries,
)
from tests.evaluation.report.page import Page

SHOWN_ONLY_WITH_PARTS = {
    "heat map": heatmap.heatmap_card,
    "robustness": robustness.robustness_card,
    "tokens": by_language.tokens_card,
    "bias": lambda content: bias.bias_card(content, []),
    "rank distances": lambda content: rank_distances.rank_distances_card(content, []),
    "layers": lambda content: layers.layers_card(content, []),
    "worst queries": worst_queries.worst_queries_card,
}


@pytest.mark.parametrize("card", SHOWN_ONLY_WITH_PARTS.values(), ids=SHOWN_ONLY_WITH_PARTS)
def test_a_card_without_its_part_is_left_out(lean, card):
    assert card(lean) == ""


@pytest.mark.parametrize("name", [name for name in SHOWN_ONLY_WITH_PARTS if name != "layers"])
def test_a_card_with_its_part_is_well_formed(full, name):
    text = SHOWN_ONLY_WITH_PARTS[name](full)
    page = Page(text)
    assert page.of_class("card") and "nan" not in text and "None" not in text


def test_a_report_of_what_is_there(lean, tmp_path):
    report.write_report(str(tmp_path / "report.html"), [lean])
    words = Page((tmp_path / "report.html").read_text(encoding="utf-8")).words
    assert words.count("0.4321") == words.count("0.8765") == 3  # the summary and two languages
    assert {"nDCG@10", "R@100"} <= set(words) and "mAP" not in words
    assert words.count("0.432") == 2  # a bar a script


def test_the_main_metric():
    def of(*metrics):
        return names.main_metric({"metrics": {"multilingual": dict.fromkeys(metrics, 0.5)}})

    assert of("recall@1", "ndcg@10", "map") == "map"
    assert of("recall@100", "ndcg@10") == "ndcg@10"
    assert of("mrr", "recall@10") == "recall@10"
    assert of() == "map"


def test_the_summary_has_intervals_where_there_are(full):
    page = Page(summary.summary_card(full, []))
    shown = [word for word in page.words if " to " in word]
    assert shown == ["0.1000 to 0.2111", "500.0 to 1,612.3"]
    assert any("95 % intervals, from 10,000 draws of the 10 items" in word for word in page.words)


def test_the_summary_beside_several_baselines(full, lean):
    other = {"metrics": {"monolingual": {"map": 0.5}, "multilingual": {"map": 0.25, "rank_distance": 600.0}}}
    found = {
        "monolingual": {"map": {"difference": 0.075, "low": -0.0111, "high": 0.1612}},
        "multilingual": {"map": {"difference": -0.1, "low": -0.1999, "high": -0.0222}},
    }
    baselines = [summary.Baseline("first & one", other, found), summary.Baseline("second", lean)]
    page = Page(summary.summary_card(full, baselines))
    assert page.words.count("first & one") == 2  # it has no cross-lingual values
    assert "second" in page.words and "0.8765" in page.words  # a metric that only it has
    assert "-0.0111 to +0.1612" in page.words and "-0.1999 to -0.0222" in page.words
    bold = [page.words[place] for place, word in enumerate(page.words) if word in ("+0.0750", "-0.1000")]
    assert bold == ["+0.0750", "-0.1000"]
    assert [tag for tag, _ in page.tags].count("b") == 1  # only the one whose interval does not hold zero
    assert "-25.0" in page.words  # rank distance, without an interval


def test_scripts_of_only_under_resourced_languages_are_marked(full):
    words = Page(scripts.scripts_card(full)).words
    assert words.count("◆ Telu (1)") == 3 and words.count("Latn (3)") == 3


def test_robustness_is_over_languages_and_scripts(full):
    words = Page(robustness.robustness_card(full)).words
    assert {"languages", "scripts", "sw", "Telu", "0.5500"} <= set(words)


def test_tokens_by_language(full):
    page = Page(by_language.tokens_card(full))
    assert page.words.count("12.5 %") == page.words.count("0.25 %") == page.words.count("0.457") == 8
    assert "0.8000" in page.words  # mAP beside them
    del full["tokens"]["queries"]
    assert Page(by_language.tokens_card(full)).words.count("12.5 %") == 4


def test_tokens_stand_beside_the_settings_that_were_evaluated(full, lean):
    groups = [words for words in Page(by_language.tokens_card(full)).words if words in names.POOLS or "-" in words]
    assert [name for name in groups if name.endswith("lingual")] == ["monolingual", "cross-lingual", "multilingual"]
    lean["tokens"] = {"queries": full["tokens"]["queries"]}
    words = Page(by_language.tokens_card(lean)).words
    assert "nDCG@10 as query" in words and "0.4321" in words
    assert [name for name in words if name.endswith("lingual")] == ["monolingual"]
    assert "mAP as query" not in words


def test_language_bias(full):
    baseline = {"metrics": {"multilingual": {"strong_alignment": 0.0625}}}
    page = Page(bias.bias_card(full, [summary.Baseline("other", baseline)]))
    assert {"62.5 %", "12.5 %", "+0.062", "575.0", "6.2 %", "its share of the pool, 25.0 %"} <= set(page.words)
    assert any(
        word == "Telugu: 25.0 % of the top 10, 25.0 % of that of its own queries, 25.0 % of the pool"
        for word in page.words
    )
    assert len(page.of_class("bar")) == 4 + 1 and len(page.of_class("pool")) == 4 + 1  # and the legend's


def test_bias_without_the_top_10_shows_the_measures(full):
    del full["top_10_languages"]
    page = Page(bias.bias_card(full, []))
    assert "12.5 %" in page.words and not page.of_class("bar")


def test_rank_distances(full):
    page = Page(rank_distances.rank_distances_card(full, []))
    assert "4 to 6: 50.0 % of queries (20)" in page.words and "16 and more: 12.5 % of queries (5)" in page.words
    assert len(page.of_class("bar")) == 7 and len(page.of_class("median")) == 4
    heights = [float(bar["height"]) for bar in page.of_class("bar")]
    assert heights[3] == 2 * heights[2] == max(heights)
    places = [float(bar["x"]) + float(bar["width"]) for bar in page.of_class("bar")]
    assert places == sorted(places)
    assert not page.of_class("other")


def test_rank_distances_beside_a_baseline(full):
    other = {"rank_distances": full["rank_distances"] | {"edges": [1, 2], "by_query_language": {}}}
    other["rank_distances"]["all"] = {"queries": 4, "histogram": [1, 3], "quantiles": [1.0, 1.0, 2.0, 2.0, 2.0]}
    page = Page(rank_distances.rank_distances_card(full, [summary.Baseline("none", {}), summary.Baseline("o", other)]))
    key, outline = page.of_class("other")
    assert len(outline["points"].split()) == 2 * 2 and "o" in page.words and "none" not in page.words
    shares = [float(bar["height"]) for bar in page.of_class("bar")]
    assert max(shares) == pytest.approx(150 * 0.5 / 0.75, abs=0.1)  # on the scale of the higher of the two


def test_worst_queries_keep_their_direction_and_are_escaped(full):
    text = worst_queries.worst_queries_card(full)
    page = Page(text)
    assert "<script>" not in text and 'ما هو "<script>"؟' in page.words and "شيء & آخر" in page.words
    texts = [attrs for tag, attrs in page.tags if tag == "bdi"]
    assert [attrs["lang"] for attrs in texts] == ["ar", "ar", "en", "ar"]  # the query, then by rank
    assert {attrs["dir"] for attrs in texts} == {"auto"}
    assert [word for word in page.words if word in ("1", "812", "1,999")] == ["1", "812", "1,999"]
    assert any("2,345" in word for word in page.words)  # an answer without text: its rank alone
    assert len(page.of_class("answer")) == 2


def test_notes_and_definitions_are_escaped(full, tmp_path):
    report.write_report(str(tmp_path / "report.html"), [full])
    text = (tmp_path / "report.html").read_text(encoding="utf-8")
    assert "One picture is &lt;missing&gt;." in text and "mean of &lt;precisions&gt;" in text and "q&lt;1&gt;" in text


def test_every_value_by_language_sorts_by_its_number(full):
    page = Page(by_language.language_card(full))
    values = [attrs["data-value"] for tag, attrs in page.tags if tag == "td" and "data-value" in attrs]
    assert values[:3] == ["de", "0.8", "0.4"]
    columns = [int(attrs["data-sortable"]) for _, attrs in page.tags if "data-sortable" in attrs]
    assert columns == list(range(3 + 4 + 4 + 5))

"""The heat map: orders and values that its script reads, cells by hand, and colours that everyone can tell apart."""

import itertools
import json

import numpy as np
import pytest

from hbt_jax.evaluation.report.cards import heatmap
from tests.evaluation.report.page import Page


@pytest.fixture
def figure(full):
    page = Page(heatmap.heatmap_card(full))
    ((_, attrs),) = [(tag, attrs) for tag, attrs in page.tags if tag == "figure"]
    names = ("languages", "values", "orders", "names", "scale")
    return {name: json.loads(attrs[f"data-{name}"]) for name in names}, page


def in_order(data, order, metric=None):
    places = data["orders"][order] if metric is None else data["orders"][order][metric]
    return [data["languages"][place][0] for place in places]


def test_orders(figure):
    data, _ = figure
    assert in_order(data, "script") == ["de", "en", "sw", "te"]
    assert in_order(data, "resource") == ["sw", "te", "de", "en"]
    assert in_order(data, "code") == ["de", "en", "sw", "te"]
    # A pair has (own of the query + 2 own of the candidates) / 4; te-sw has no value. Means as query: de .450, en .458,
    # sw .400, te .525; as candidate: de .525, en .567, sw .313, te .358.
    assert in_order(data, "query", "map") == ["te", "en", "de", "sw"]
    assert in_order(data, "candidate", "map") == ["en", "de", "te", "sw"]


def test_every_order_holds_every_language(figure):
    data, _ = figure
    by_value = (one for name in ("query", "candidate") for one in data["orders"][name].values())
    for order in (*(data["orders"][name] for name in ("script", "resource", "code")), *by_value):
        assert sorted(order) == [0, 1, 2, 3]


def test_values(figure, full):
    data, page = figure
    assert set(data["values"]) == {"map", "recall@1", "recall@10"} and data["names"]["recall@1"] == "R_cap@1"
    codes = [code for code, _ in data["languages"]]
    for metric, rows in data["values"].items():
        for (row, code), (column, other) in itertools.product(enumerate(codes), repeat=2):
            blocks = full["by_query_language"][code]["monolingual"] if code == other else None
            block = blocks or full["by_pair"].get(f"{code}-{other}")
            assert rows[row][column] == (None if block is None else round(1000 * block[metric]))
    assert "0.500" in page.words and "0.900" in page.words  # en-de, en in the table


def test_a_pair_without_queries_is_grey(figure):
    _, page = figure
    (absent,) = page.of_class("absent")
    assert "fill" not in absent
    assert len(page.of_class("cell")) == 16 and len(page.of_class("own")) == 4


def test_a_language_without_pairs_comes_last():
    values = {"map": [[0.9, None, None], [None, 0.1, 0.2], [None, 0.3, 0.1]]}
    assert heatmap.orders(["de", "en", "sw"], values)["query"]["map"] == [2, 1, 0]


def test_codes_that_need_quoting_stay_whole(full):
    full["metrics"]["monolingual"] = {'a"b': 0.5}
    full["by_pair"] = {"de-en": {'a"b': 0.5}}
    Page(heatmap.heatmap_card(full))


def test_the_colour_scale_runs_from_dark_to_light():
    assert (heatmap.colour(0.0), heatmap.colour(1.0)) == ("#00224e", "#fee838")
    assert heatmap.colour(-1.0) == heatmap.colour(0.0) and heatmap.colour(2.0) == heatmap.colour(1.0)


# What eyes without red, green or blue cones see, in linear RGB (Machado, Oliveira, Fernandes 2009, severity 1.0).
CONES = {
    "all": np.eye(3),
    "protanopia": [[0.152286, 1.052583, -0.204868], [0.114503, 0.786281, 0.099216], [-0.003882, -0.048116, 1.051998]],
    "deuteranopia": [[0.367322, 0.860646, -0.227968], [0.280085, 0.672501, 0.047413], [-0.01182, 0.04294, 0.968881]],
    "tritanopia": [[1.255528, -0.076749, -0.178779], [-0.078411, 0.930809, 0.147602], [0.004733, 0.691367, 0.3039]],
}


@pytest.mark.parametrize("cones", CONES)
def test_a_higher_value_is_lighter_to_every_eye(cones):
    colours = [heatmap.colour(step / 20) for step in range(21)]
    rgb = np.array([[int(one[i : i + 2], 16) / 255 for i in (1, 3, 5)] for one in colours])
    linear = np.where(rgb <= 0.04045, rgb / 12.92, ((rgb + 0.055) / 1.055) ** 2.4)
    luminance = np.clip(linear @ np.array(CONES[cones]).T, 0, 1) @ [0.2126, 0.7152, 0.0722]
    lightness = 116 * np.cbrt(luminance) - 16
    assert np.diff(lightness).min() > 1.5  # one twentieth of the scale is a visible step


def test_numbers_in_cells_have_contrast():
    for step in range(101):
        rgb = np.array([int(heatmap.colour(step / 100)[i : i + 2], 16) / 255 for i in (1, 3, 5)])
        linear = np.where(rgb <= 0.04045, rgb / 12.92, ((rgb + 0.055) / 1.055) ** 2.4)
        luminance = linear @ [0.2126, 0.7152, 0.0722]
        text = 0.0 if step / 100 >= heatmap.DARK_TEXT_FROM else 1.0
        ratio = (max(text, luminance) + 0.05) / (min(text, luminance) + 0.05)
        assert ratio >= 4.5, step  # WCAG 2 AA

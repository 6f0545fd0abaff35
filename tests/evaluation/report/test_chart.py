"""Marks, scales and axes of the charts."""

import pytest

from hbt_jax.evaluation.report import chart
from tests.evaluation.report.page import Page


def test_text_and_attributes_are_escaped():
    drawn = chart.element("text", 'a<b>"', kind="one two", x=1.26, data_row='"<', fill=None)
    assert drawn == '<text class="one two" x="1.3" data-row="&#34;&lt;">a&lt;b&gt;&#34;</text>'


def test_a_scale_may_run_either_way():
    x, y = chart.Scale(0, 4, 10, 50), chart.Scale(0.0, 1.0, 90, 10)
    assert [x(0), x(1), x(4)] == [10, 20, 50] and [y(0.0), y(0.25), y(1.0)] == [90, 70, 10]


def test_a_frame_places_steps_and_values():
    frame = chart.Frame(100, 60, left=10, right=10, top=5, bottom=15, last=4, lowest=-1.0, highest=1.0)
    assert frame.places([(0, -1.0), (4, 1.0), (2, -7.0)]) == [(10, 45), (90, 5), (50, 45)]  # below the edge: on it


def test_the_grid_marks_zero_and_leaves_unnamed_lines_without_text():
    page = Page(chart.grid([(-1.0, "low"), (0.0, ""), (1.0, "high")], chart.Scale(-1, 1, 0, 10), 20, 30, zero="zero"))
    assert [attrs["class"] for tag, attrs in page.tags if tag == "line"] == ["grid-line", "zero", "grid-line"]
    assert page.words == ["low", "high"]
    assert [attrs["y"] for tag, attrs in page.tags if tag == "text"] == ["14", "14"]


@pytest.mark.parametrize(("code", "said"), [("te", "◆ Telu te"), ("de", "Latn de")])
def test_a_language_has_its_script_and_its_mark(code, said):
    page = Page(chart.language_label(code, 1, 2))
    assert page.words[1:] == [said] and bool(page.of_class("under-resourced")) == (code == "te")

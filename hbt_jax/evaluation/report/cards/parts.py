"""What the cards are made of: boxes, tables, numbers, names of metrics and languages."""

import html
from collections.abc import Iterable, Sequence

from hbt_jax import languages
from hbt_jax.evaluation.measures.metrics import RANK_DISTANCE, SETTINGS, SIMILARITY_GAP, STRONG_ALIGNMENT

SETTING_NAMES = {"monolingual": "monolingual", "cross_lingual": "cross-lingual", "multilingual": "multilingual"}
METRIC_NAMES = {
    "map": "mAP",
    "recall@1": "R@1",
    "recall@10": "R@10",
    "recall@100": "R@100",
    "mrr": "MRR",
    "ndcg@10": "nDCG@10",
    RANK_DISTANCE: "rank distance",
}
_MAIN = ("map", "ndcg@10")
_OF_BIAS_CARD = (STRONG_ALIGNMENT, SIMILARITY_GAP)


def metric_name(metric: str) -> str:
    """How a metric is written in the page."""
    return METRIC_NAMES.get(metric, metric.replace("_", " "))


def block_of(blocks: dict, setting: str) -> dict:
    """The metrics of a setting; {} where it was not evaluated."""
    return blocks.get(setting) or {}


def settings_of(blocks: dict) -> list[str]:
    """The settings that have a metric, in their usual order."""
    return [setting for setting in SETTINGS if block_of(blocks, setting)]


def metrics_in(blocks: Iterable[dict]) -> list[str]:
    """The metrics that any block has, in the order of METRIC_NAMES, further ones after them."""
    present = dict.fromkeys(metric for block in blocks for metric in block if metric not in _OF_BIAS_CARD)
    return [metric for metric in METRIC_NAMES if metric in present] + [m for m in present if m not in METRIC_NAMES]


def main_metric(summary: dict) -> str:
    """The metric that figures show: mAP, nDCG@10 where there is no mAP, else the first that was measured."""
    found = metrics_in(block_of(summary["metrics"], setting) for setting in SETTINGS)
    return next((metric for metric in (*_MAIN, *found) if metric in found), _MAIN[0])


def number(value: float | None, metric: str, sign: str = "") -> str:
    """A value as text: ranks to one decimal, fractions to four; "" for None."""
    return "" if value is None else f"{value:{sign},.{1 if metric == RANK_DISTANCE else 4}f}"


def percent(share: float) -> str:
    """A share with one decimal, two where it is below one percent, none where it is zero.

    >>> percent(0.125), percent(0.00349), percent(0.0)
    ('12.5 %', '0.35 %', '0 %')
    """
    if share == 0:
        return "0 %"
    return f"{share:.{2 if 0 < abs(share) < 0.01 else 1}%}".replace("%", " %")


def card(title: str, body: str, note: str = "") -> str:
    """A titled box; body and note are HTML."""
    note = f'<p class="note">{note}</p>' if note else ""
    return f'<div class="card"><h3>{html.escape(title)}</h3>{note}{body}</div>'


def table(kind: str, heads: Sequence[str], rows: Sequence[str]) -> str:
    """A table that scrolls sideways where it is too wide, from the inner HTML of its rows."""
    head, body = ("".join(f"<tr>{row}</tr>" for row in part) for part in (heads, rows))
    return f'<div class="scroll"><table class="{kind}"><thead>{head}</thead><tbody>{body}</tbody></table></div>'


def sortable_heads(names: Sequence[str], left: int, first: int = 0) -> str:
    """Heads of columns that sort: the first `left` of them are words; column numbers start with `first`."""
    return "".join(
        f'<th class="{"name" if place < left else "number"}" scope="col" data-sortable="{first + place}">{name}</th>'
        for place, name in enumerate(names)
    )


def value_cell(value: float | None, shown: str) -> str:
    """A cell that sorts by its value."""
    return f'<td data-value="{"" if value is None else value}">{shown}</td>'


def code_mark(code: str) -> str:
    """A language code, coloured where it is under-resourced, with the language's name as its title."""
    known = languages.language(code)
    kind = ' class="under-resourced"' if known.under_resourced else ""
    return f'<span{kind} title="{html.escape(known.name)}">{html.escape(code)}</span>'


def name_cells(code: str) -> str:
    """Code, name and script of a language: the first cells of a row of a sortable table."""
    known = languages.language(code)
    return (
        f'<td class="name" data-value="{html.escape(code)}">{code_mark(code)}</td>'
        f'<td class="name">{html.escape(known.name)}</td><td class="name">{known.script}</td>'
    )


def by_script(codes: Iterable[str]) -> list[str]:
    """Codes ordered by script, then by code."""
    return sorted(codes, key=lambda code: (languages.language(code).script, code))


def script_and_code(code: str, attributes: str) -> str:
    """A language as a label of a figure, an SVG text with these attributes; under-resourced ones have a mark."""
    known = languages.language(code)
    kind, mark = (' class="under-resourced"', "◆ ") if known.under_resourced else ("", "")
    title = f"<title>{html.escape(known.name)}</title>"
    return f"<text{kind} {attributes}>{title}{mark}{known.script} {html.escape(code)}</text>"


def text_of(text: str, code: str) -> str:
    """A text in some language, isolated, in its own direction, whatever that of the page."""
    return f'<bdi class="text" lang="{html.escape(code)}" dir="auto">{html.escape(text)}</bdi>'

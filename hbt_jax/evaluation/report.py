"""report.html: one self-contained page with tables and figures, no network, no library."""

import html
import importlib.resources
import json
import string
from collections.abc import Sequence

from hbt_jax import languages
from hbt_jax.evaluation import charts, curves, expansion_chart, layer_chart
from hbt_jax.evaluation.metrics import METRICS, RANK_DISTANCE, SETTINGS
from hbt_jax.files import atomic_file

_LABELS = {
    "map": "mAP",
    "recall@1": "R@1",
    "recall@10": "R@10",
    RANK_DISTANCE: "rank distance",
    "monolingual": "monolingual",
    "cross_lingual": "cross-lingual",
    "multilingual": "multilingual",
    "layer_probe": "layer probe",
}
_POOLS = {
    "monolingual": "candidates of the query's language",
    "cross_lingual": "candidates of one other language",
    "multilingual": "candidates of all languages",
}
_DIGITS = {RANK_DISTANCE: 1}


def write_report(
    path: str,
    results: Sequence[dict],
    *,
    training_curve: dict[str, Sequence[tuple[int, float]]] | None = None,
    baseline: Sequence[dict] | None = None,
    baseline_label: str = "untrained",
    lexical: Sequence[dict] = (),
    expanded: Sequence[dict] = (),
) -> None:
    """Writes the report of one model.

    Args:
      path: the HTML file to write.
      results: contents of results.json, one per benchmark, all of one model.
      training_curve: name of a series, such as "loss" -> its (step, value) points; None to leave the figure out.
      baseline: contents of results.json to compare with, matched by benchmark; a benchmark without one is shown alone.
      baseline_label: what the baseline is called in the tables.
      lexical: contents of results.json of the lexical baseline, matched likewise.
      expanded: contents of results.json of the same model with query expansions, matched likewise.
    """
    by_name, lexical_by_name, expanded_by_name = (
        {summary["benchmark"]: summary for summary in each or ()} for each in (baseline, lexical, expanded)
    )
    sections = [_header(results)]
    for summary in results:
        name = summary["benchmark"]
        others = {"BM25": lexical_by_name[name]} if name in lexical_by_name else {}
        sections.append(_benchmark(summary, by_name.get(name), baseline_label, others, expanded_by_name.get(name)))
    if training_curve:
        sections.append(f'<h2>Training</h2><div class="card">{curves.training_curve(training_curve)}</div>')
    sections.append(_definitions(results))
    part = {kind: _asset(f"report_page.{kind}") for kind in ("html", "css", "js")}
    page = string.Template(part["html"]).substitute(
        title=html.escape(f"Retrieval report: {results[0]['model']}"),
        style=part["css"],
        script=part["js"],
        body="\n".join(sections),
    )
    with atomic_file(path) as file:
        file.write(page.encode())


def _asset(name: str) -> str:
    return importlib.resources.files("hbt_jax.evaluation").joinpath(name).read_text(encoding="utf-8")


def _header(results: Sequence[dict]) -> str:
    names = ", ".join(summary["benchmark"] for summary in results)
    return (
        f"<header><h1>Multilingual retrieval: <bdi>{html.escape(results[0]['model'])}</bdi></h1>"
        f'<p class="lead">Evaluated on {html.escape(names)}. Values are fractions, higher is better; rank distance'
        " counts ranks, lower is better. XM3600's five under-resourced languages are marked"
        ' <span class="under-resourced">in this colour</span>.</p></header>'
    )


def _benchmark(summary: dict, baseline: dict | None, label: str, others: dict[str, dict], expanded: dict | None) -> str:
    queries, candidates = summary["counts"]["queries"], summary["counts"]["candidates"]
    codes = set(queries) | set(candidates)
    bars = "".join(
        f"<figure><figcaption>{_LABELS[setting]}</figcaption>{charts.script_bars(summary, setting)}</figure>"
        for setting in SETTINGS
        if summary["metrics"][setting]
    )
    parts = [
        f"<section><h2>{html.escape(summary['benchmark'])}</h2>",
        f'<p class="lead">{sum(queries.values()):,} queries and {sum(candidates.values()):,} candidates in'
        f" {len(codes)} languages.</p>",
        _card("The three settings", _summary_table(summary, ({label: baseline} if baseline else {}) | others)),
        _card("Query expansion", expansion_chart.body(expanded), expansion_chart.note(expanded)) if expanded else "",
        _card("mAP of every language pair", charts.heatmap(summary), note=_HEATMAP_NOTE),
        _card("By script of the query", f'<div class="panels">{bars}</div>', note=_BARS_NOTE),
        _card("Robustness", _robustness_table(summary), note=_ROBUSTNESS_NOTE),
        _card("By query language", _language_table(summary), note="A click on a column's name sorts."),
        _layer_probe(summary, baseline, label),
        _card("Settings of this evaluation", _settings(summary)),
        "</section>",
    ]
    return "\n".join(parts)


def _layer_probe(summary: dict, baseline: dict | None, label: str) -> str:
    """The card of the layer probe; empty where none was asked for."""
    probe = summary.get("layer_probe")
    if not probe:
        return ""
    before = (baseline or {}).get("layer_probe")
    return _card(
        "Alignment by layer",
        f'<div class="layers">{layer_chart.layer_means(probe, before, label)}{_layer_table(probe, before, label)}</div>'
        f"<details open><summary>Each language, by script</summary>{layer_chart.language_panels(probe, before)}"
        "</details>",
        note=_probe_note(probe),
    )


def _probe_note(probe: dict) -> str:
    left_out = ""
    if probe["left_out"]:
        codes = " ".join(_code(code) for code in probe["left_out"])
        left_out = f" Left out, sharing too few of these items with every other language: {codes}."
    return (
        f"Mean cosine of queries after each layer, 0 being the embedding layer, pooled by {probe['pooling']}:"
        f" {probe['items']:,} items in {len(probe['by_language'])} languages, the same item in another language"
        f" (parallel) and another item in another language (random). Shaded: from the lowest to the highest language."
        f'{left_out} <span class="under-resourced">◆</span> under-resourced language.'
    )


def _layer_table(probe: dict, before: dict | None, label: str) -> str:
    """The means of each layer, the other model's gap where there is one, and the language with the smallest gap."""
    heads = ["layer", "parallel", "random", "gap", *([f"gap, {label}"] if before else []), "smallest gap"]
    gaps = {code: curves["gap"] for code, curves in probe["by_language"].items()}
    rows = []
    for layer in probe["layers"]:
        numbers = [f"{probe['mean'][name][layer]:.4f}" for name in ("parallel", "random", "gap")]
        if before:
            numbers.append(f"{before['mean']['gap'][layer]:.4f}" if layer < len(before["layers"]) else "")
        code = min(gaps, key=lambda code: gaps[code][layer])
        cells = "".join(f"<td>{number}</td>" for number in numbers)
        rows.append(f'<th class="name">{layer}</th>{cells}<td>{_code(code)} {gaps[code][layer]:.4f}</td>')
    head = "".join(f"<th>{html.escape(name)}</th>" for name in heads[1:])
    return _table("by-layer-table", [f'<th class="name">{heads[0]}</th>{head}'], rows)


_HEATMAP_NOTE = "Outlined cells are monolingual. Grey: no query counts."
_BARS_NOTE = (
    "Bars: mean mAP of the script's languages (how many). Dots: each language."
    ' <span class="under-resourced">◆</span> under-resourced language.'
)
_ROBUSTNESS_NOTE = (
    "mAP over query languages. The worst quarter is listed from the worst language up; gap = others - under-resourced."
)


def _card(title: str, body: str, note: str = "") -> str:
    """A titled box; body and note are HTML."""
    note = f'<p class="note">{note}</p>' if note else ""
    return f'<div class="card"><h3>{html.escape(title)}</h3>{note}{body}</div>'


def _table(kind: str, heads: Sequence[str], rows: Sequence[str]) -> str:
    """A table that scrolls sideways where it is too wide, from the inner HTML of its rows."""
    head, body = ("".join(f"<tr>{row}</tr>" for row in part) for part in (heads, rows))
    return f'<div class="scroll"><table class="{kind}"><thead>{head}</thead><tbody>{body}</tbody></table></div>'


def _number(value: float | None, metric: str, sign: str = "") -> str:
    return "" if value is None else f"{value:{sign},.{_DIGITS.get(metric, 4)}f}"


def _summary_table(summary: dict, others: dict[str, dict]) -> str:
    """Metrics of the settings; under each, the values of other systems by their label, and this model less them."""
    columns = [*METRICS, RANK_DISTANCE]
    rows = []
    for setting in SETTINGS:
        blocks = [("this model", "best", summary["metrics"][setting], "")]
        for label, other in others.items():
            theirs = other["metrics"][setting]
            change = {m: value - theirs[m] for m, value in summary["metrics"][setting].items() if m in theirs}
            blocks += [(label, "", theirs, ""), ("difference", "", change, "+")]
        for number, (who, kind, block, sign) in enumerate(blocks):
            title = f'<th class="name" title="{_POOLS[setting]}">{_LABELS[setting] if number == 0 else ""}</th>'
            cells = "".join(f'<td class="{kind}">{_number(block.get(m), m, sign)}</td>' for m in columns)
            rows.append(f'{title}<td class="name">{html.escape(who)}</td>{cells}')
    head = "".join(f"<th>{_LABELS[metric]}</th>" for metric in columns)
    return _table("summary", [f'<th class="name">setting</th><th class="name"></th>{head}'], rows)


def _robustness_table(summary: dict) -> str:
    columns = {
        "mean": "mean",
        "worst": "worst",
        "worst_quarter": "worst quarter",
        "standard_deviation": "std. dev.",
        "under_resourced": "under-resourced",
        "others": "others",
        "gap": "gap",
    }
    rows = []
    for setting, block in summary["robustness"].items():
        if block:
            cells = "".join(f"<td>{_number(block[key], 'map')}</td>" for key in columns)
            worst = " ".join(_code(code) for code in block["worst_quarter_languages"])
            rows.append(f'<th class="name">{_LABELS[setting]}</th>{cells}<td class="name">{worst}</td>')
    head = "".join(f"<th>{title}</th>" for title in columns.values())
    return _table("robustness", [f'<th class="name">setting</th>{head}<th class="name">worst quarter</th>'], rows)


def _code(code: str) -> str:
    known = languages.language(code)
    kind = ' class="under-resourced"' if known.under_resourced else ""
    return f'<span{kind} title="{html.escape(known.name)}">{html.escape(code)}</span>'


def _language_table(summary: dict) -> str:
    columns = [(setting, metric) for setting in SETTINGS for metric in METRICS] + [("multilingual", RANK_DISTANCE)]
    names = ("code", "language", "script")
    spans = "".join(
        f'<th colspan="{sum(one == setting for one, _ in columns)}">{_LABELS[setting]}</th>' for setting in SETTINGS
    )
    heads = [f'<th class="name" data-sortable="{number}">{name}</th>' for number, name in enumerate(names)]
    for _, metric in columns:
        heads.append(f'<th data-sortable="{len(heads)}">{_LABELS[metric]}</th>')
    rows = []
    for code, blocks in summary["by_query_language"].items():
        known = languages.language(code)
        words = (f'data-value="{code}">{_code(code)}', f">{html.escape(known.name)}", f">{known.script}")
        cells = [f'<td class="name" {word}</td>' for word in words]
        for setting, metric in columns:
            value = blocks[setting].get(metric)
            cells.append(f'<td data-value="{"" if value is None else value}">{_number(value, metric)}</td>')
        rows.append("".join(cells))
    return _table("sortable", [f'<th class="group" colspan="{len(names)}"></th>{spans}', "".join(heads)], rows)


def _settings(summary: dict) -> str:
    """Every setting and single count; a text keeps its spaces visible."""
    shown = {"model": summary["model"], **summary["settings"], **summary["counts"]}
    items = [
        f'<dt>{html.escape(name.replace("_", " "))}</dt><dd><code dir="auto">{html.escape(_plain(value))}</code></dd>'
        for name, value in shown.items()
        if not isinstance(value, dict)
    ]
    for side in ("queries", "candidates"):
        counts = " ".join(f"{_code(code)}&nbsp;{number:,}" for code, number in summary["counts"][side].items())
        items.append(f"<dt>{side} by language</dt><dd>{counts}</dd>")
    return f"<dl>{''.join(items)}</dl>"


def _plain(value) -> str:
    return value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)


def _definitions(results: Sequence[dict]) -> str:
    defined = results[0]["settings"].get("definitions", {})
    pools = "".join(f"<dt>{_LABELS[name]}</dt><dd>pool: {text}</dd>" for name, text in _POOLS.items())
    rest = "".join(
        f"<dt>{html.escape(_LABELS.get(name, name))}</dt><dd>{html.escape(text)}</dd>" for name, text in defined.items()
    )
    return f'<h2>Definitions</h2><div class="card"><dl>{pools}{rest}</dl></div>'

"""compare.html: one self-contained page with the tables of a comparison and a forest plot of each setting."""

import html
import importlib.resources
import json
import string
from collections.abc import Sequence

from hbt_jax import languages
from hbt_jax.evaluation.measures.metrics import RANK_DISTANCE
from hbt_jax.evaluation.report.cards.parts import METRIC_NAMES
from hbt_jax.evaluation.report.forest import forest_plot, point_key
from hbt_jax.files import atomic_file, utf8

_TITLES = {
    "monolingual": "Monolingual",
    "cross_lingual": "Cross-lingual",
    "multilingual": "Multilingual",
    RANK_DISTANCE: "Rank distance",
}
_METRICS = METRIC_NAMES | {RANK_DISTANCE: "ranks, lower is better"}
_FAMILY_TITLES = {
    "overall": "overall",
    "by_resource": "resources",
    "by_script": "script",
    "by_query_language": "language",
}
_NAMES = {
    "all": "all languages",
    "under_resourced": "under-resourced",
    "under_resourced_less_others": "under-resourced less others",
}


def write_page(path: str, compared: dict) -> None:
    """Writes the page; `compared` is the content of compare.json."""
    sections = [_header(compared)]
    sections += [_benchmark(name, block, compared) for name, block in compared["benchmarks"].items()]
    sections.append(_definitions(compared))
    assets = importlib.resources.files("hbt_jax.evaluation.report")
    part = {name: (assets / name).read_text(encoding="utf-8") for name in _ASSETS}
    page = string.Template(part["report_page.html"]).substitute(
        title=html.escape(f"A and B compared: {', '.join(compared['benchmarks'])}"),
        style=part["report_page.css"] + part["compare_page.css"],
        script=part["report_page.js"],
        body="\n".join(sections),
    )
    with atomic_file(path) as file:
        file.write(utf8(page))


_ASSETS = ("report_page.html", "report_page.css", "report_page.js", "compare_page.css")


def p_text(p: float) -> str:
    """A p value to four decimals, never as zero."""
    return "<0.0001" if p < 0.00005 else f"{p:.4f}"


def _header(compared: dict) -> str:
    systems = "".join(f"<dt>{side.upper()}</dt><dd>{_runs(compared[side]['runs'])}</dd>" for side in ("a", "b"))
    notes = "".join(f"<li>{html.escape(note)}</li>" for note in compared["notes"])
    return (
        f'<header><h1>System A against system B</h1><div class="card"><dl>{systems}</dl></div>'
        '<p class="lead">Differences are A - B. Intervals are for each row alone; a row counts as decided by its p'
        f" value after Holm's correction, at the level {1 - compared['confidence']:.3g}. {_said(compared)}</p>"
        + (f'<ul class="lead">{notes}</ul>' if notes else "")
        + "</header>"
    )


def _runs(runs: Sequence[dict]) -> str:
    shown = "".join(
        f'<br><bdi>{html.escape(run["model"])}</bdi> <code dir="auto">{html.escape(run["folder"])}</code>'
        for run in runs
    )
    return f"{len(runs)} run{'s' * (len(runs) > 1)}{shown}"


def _several(compared: dict) -> bool:
    return any(len(compared[side]["runs"]) > 1 for side in ("a", "b"))


def _said(compared: dict) -> str:
    """What the tests are about, which hangs on the number of runs."""
    single = [side.upper() for side in ("a", "b") if len(compared[side]["runs"]) == 1]
    if len(single) == 2:
        return "Each system has one run: the tests are about these two models, not about training them again."
    fixed = f" {single[0]} has one run and is taken as it is." if single else ""
    return f"Items and runs are drawn: the tests are about the systems, trained again.{fixed}"


def _benchmark(name: str, block: dict, compared: dict) -> str:
    figures = "".join(
        f"<figure><figcaption>{_title(setting, one)}</figcaption>{forest_plot(setting, one)}</figure>"
        for setting, one in block["comparisons"].items()
    )
    parts = [
        f"<section><h2>{html.escape(name)}</h2>",
        f'<p class="lead">{block["queries"]:,} queries about {block["items"]:,} items in'
        f" {len(block['languages'])} languages.</p>",
        _card("Overall", _overall_table(block, compared), note=_OVERALL_NOTE),
        _card(
            "Differences with intervals", f'{_legend()}<div class="panels forests">{figures}</div>', note=_FOREST_NOTE
        ),
        _card("Every comparison", _details(block, compared), note="A click on a column's name sorts."),
        _card("Settings that differ", _settings(block["settings"])) if block["settings"] else "",
        "</section>",
    ]
    return "\n".join(parts)


_OVERALL_NOTE = "Macro averages; ± is the standard deviation over runs. These few are not corrected for each other."
_FOREST_NOTE = (
    "Point: A - B. Line: its interval. Shapes and colours say what Holm's correction leaves decided."
    ' <span class="under-resourced">◆</span> under-resourced language.'
)


def _title(setting: str, block: dict) -> str:
    return f"{_TITLES[setting]} ({html.escape(_METRICS.get(block['metric'], block['metric']))})"


def _legend() -> str:
    named = {"a-better": "A better", "b-better": "B better", "undecided": "not decided"}
    keys = "".join(f"<span>{point_key(kind)}{text}</span>" for kind, text in named.items())
    return f'<div class="legend">{keys}</div>'


def _card(title: str, body: str, note: str = "") -> str:
    """A titled box; body and note are HTML."""
    note = f'<p class="note">{note}</p>' if note else ""
    return f'<div class="card"><h3>{html.escape(title)}</h3>{note}{body}</div>'


def _table(kind: str, head: str, rows: Sequence[str]) -> str:
    """A table that scrolls sideways where it is too wide, from the inner HTML of its rows."""
    body = "".join(f"<tr>{row}</tr>" for row in rows)
    return (
        f'<div class="scroll"><table class="{kind}"><thead><tr>{head}</tr></thead><tbody>{body}</tbody></table></div>'
    )


def _p_keys(compared: dict) -> dict[str, str]:
    """Keys of the p values that are shown, with their heads."""
    keys = {"p": "p", "p_holm": "Holm p"}
    return keys | {"p_runs": "p, runs", "p_runs_holm": "Holm p, runs"} if _several(compared) else keys


def _overall_table(block: dict, compared: dict) -> str:
    shown = {key: head for key, head in _p_keys(compared).items() if not key.endswith("holm")}
    rows = []
    for setting, one in block["comparisons"].items():
        row = one["overall"]["all"]
        values = "".join(f"<td>{_value(row, side, one)}</td>" for side in ("a", "b"))
        numbers = "".join(f"<td>{html.escape(p_text(row[key]))}</td>" for key in shown)
        difference = f'<td class="best">{_number(row["difference"], one)}</td>'
        rows.append(
            f'<th class="name">{_title(setting, one)}</th>{_verdict(row)}{difference}'
            f"<td>{_interval(row, one)}</td>{values}{numbers}"
        )
    heads = ["A - B", f"{compared['confidence'] * 100:g} % interval", "A", "B", *shown.values()]
    head = "".join(f"<th>{text}</th>" for text in heads)
    return _table("summary", f'<th class="name">setting</th><th class="name"></th>{head}', rows)


def _value(row: dict, side: str, block: dict) -> str:
    deviation = row[f"{side}_standard_deviation"]
    spread = "" if deviation is None else f" ± {_number(deviation, block, sign='')}"
    return _number(row[side], block, sign="") + spread


def _number(value: float, block: dict, sign: str = "+") -> str:
    return f"{value:{sign},.{4 if block['higher_is_better'] else 1}f}"


def _interval(row: dict, block: dict) -> str:
    if row["low"] is None:
        return "one item"
    return f"{_number(row['low'], block)} to {_number(row['high'], block)}"


def _verdict(row: dict) -> str:
    if row["better"] is None:
        return '<td class="name undecided">not decided</td>'
    return f'<td class="name"><b class="{row["better"]}-better">{row["better"].upper()} better</b></td>'


def _details(block: dict, compared: dict) -> str:
    return "".join(
        f"<details><summary>{_title(setting, one)}</summary>{_detail_table(one, compared)}</details>"
        for setting, one in block["comparisons"].items()
    )


def _detail_table(block: dict, compared: dict) -> str:
    keys = _p_keys(compared)
    interval = f"{compared['confidence'] * 100:g} % interval"
    heads = ["row", "of", "better", "A - B", interval, "A", "B", *keys.values(), "items"]
    head = "".join(
        f'<th class="{"name" if place < 3 else "number"}" data-sortable="{place}">{text}</th>'
        for place, text in enumerate(heads)
    )
    rows = []
    for family, title in _FAMILY_TITLES.items():
        for name, row in block[family].items():
            numbers = [("difference", _number(row["difference"], block)), ("low", _interval(row, block))]
            numbers += [(side, _value(row, side, block)) for side in ("a", "b")]
            numbers += [(key, html.escape(p_text(row[key]))) for key in keys]
            numbers.append(("items", f"{row['items']:,}"))
            cells = "".join(
                f'<td data-value="{"" if row[key] is None else row[key]}">{text}</td>' for key, text in numbers
            )
            rows.append(
                f'<td class="name">{_name(family, name)}</td><td class="name">{title}</td>{_verdict(row)}{cells}'
            )
    return _table("sortable", head, rows)


def _name(family: str, name: str) -> str:
    if family != "by_query_language":
        return _NAMES.get(name, name)
    known = languages.language(name)
    kind = ' class="under-resourced"' if known.under_resourced else ""
    return f"<span{kind}>{html.escape(name)}</span> {html.escape(known.name)}"


def _settings(settings: dict) -> str:
    rows = []
    for key, values in settings.items():
        cells = "".join(
            f'<td class="wrap"><code dir="auto">{_distinct(values[side])}</code></td>' for side in ("a", "b")
        )
        rows.append(f'<th class="name">{html.escape(key.replace("_", " "))}</th>{cells}')
    return _table("settings", '<th class="name">setting</th><th class="name">A</th><th class="name">B</th>', rows)


def _distinct(values: Sequence) -> str:
    shown = [value if isinstance(value, str) else json.dumps(value, ensure_ascii=False) for value in values]
    return html.escape(" | ".join(dict.fromkeys(shown)))


def _definitions(compared: dict) -> str:
    rows = "".join(
        f"<dt>{html.escape(name.replace('_', ' '))}</dt><dd>{html.escape(text)}</dd>"
        for name, text in compared["definitions"].items()
    )
    draws = f"<dt>draws</dt><dd>{compared['samples']:,} of each kind, seed {compared['seed']}</dd>"
    return f'<h2>Definitions</h2><div class="card"><dl>{rows}{draws}</dl></div>'

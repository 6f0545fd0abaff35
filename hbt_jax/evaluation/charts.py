"""The report's figures of metrics as SVG text: heatmap, bars by script.

Colours come from the page's style sheet, so they follow light and dark; only the heatmap's scale is fixed.
"""

import html
import json
from collections.abc import Sequence

from hbt_jax import languages

# Ten stops of cividis, made to look the same to colour-blind eyes (Nunez, Anderton, Renslow 2018, PLOS ONE 13(7)).
_CIVIDIS = ("00224e", "123570", "3b496c", "575d6d", "707173", "8a8678", "a59c74", "c3b369", "e1cc55", "fee838")

_LEFT, _TOP = 84, 40  # room for the heatmap's labels
_HEATMAP_SIDE, _SMALLEST_CELL, _LARGEST_CELL = 720, 20, 44
_ROW = 21


def colour(value: float) -> str:
    """The colour of a fraction from 0 (dark blue) to 1 (yellow), as "#rrggbb"."""
    place = min(max(value, 0.0), 1.0) * (len(_CIVIDIS) - 1)
    low = min(int(place), len(_CIVIDIS) - 2)
    ends = [[int(stop[i : i + 2], 16) for i in (0, 2, 4)] for stop in _CIVIDIS[low : low + 2]]
    return "#" + "".join(f"{round(a + (b - a) * (place - low)):02x}" for a, b in zip(*ends, strict=True))


def heatmap(summary: dict) -> str:
    """Every (query language, candidate language) pair's map as a square of cells; the diagonal is monolingual."""
    codes = sorted(
        {code for side in ("queries", "candidates") for code in summary["counts"][side]},
        key=lambda code: (languages.language(code).script, code),
    )
    size = min(max(_HEATMAP_SIDE // len(codes), _SMALLEST_CELL), _LARGEST_CELL)
    width, height = _LEFT + size * len(codes) + 14, _TOP + size * len(codes) + 8
    cells = [
        _cell(code, other, row, column, size, _pair_map(summary, code, other))
        for row, code in enumerate(codes)
        for column, other in enumerate(codes)
    ]
    known = [
        {
            "code": code,
            "script": languages.language(code).script,
            "under_resourced": languages.language(code).under_resourced,
        }
        for code in codes
    ]
    return (
        f'<figure class="heatmap" data-languages="{html.escape(json.dumps(known))}">{_HEATMAP_CONTROLS}'
        f'<div class="scroll"><svg width="{width}" height="{height}" viewBox="0 0 {width} {height}" role="img"'
        f' aria-label="mAP by query and candidate language" data-cell="{size}" data-left="{_LEFT}" data-top="{_TOP}">'
        f'<text class="faint" x="2" y="12">query ↓</text><text class="faint" x="2" y="27">candidates →</text>'
        f"{_heatmap_labels(codes, size)}{''.join(cells)}</svg></div>"
        f'<p class="readout" aria-live="polite">Point at a cell, or tap it, for its value.</p></figure>'
    )


_HEATMAP_CONTROLS = (
    '<div class="controls"><label>Order by <select><option value="script">script</option>'
    '<option value="code">language code</option><option value="resource">under-resourced first</option>'
    '<option value="query">mean mAP as query</option><option value="candidate">mean mAP as candidate</option></select>'
    '</label><span>mAP 0 <span class="scale" role="img" aria-label="colour scale from 0 to 1"'
    f' style="background:linear-gradient(90deg,{",".join("#" + stop for stop in _CIVIDIS)})"></span> 1</span></div>'
)


def _pair_map(summary: dict, code: str, other: str) -> float | None:
    if code == other:
        return summary["by_query_language"].get(code, {}).get("monolingual", {}).get("map")
    return summary["by_pair"].get(f"{code}-{other}", {}).get("map")


def _cell(code: str, other: str, row: int, column: int, size: int, value: float | None) -> str:
    names = f"{languages.language(code).name} query, {languages.language(other).name} candidates"
    shown = "no query counts" if value is None else f"mAP {value:.3f}"
    kind = " own" * (code == other) + " absent" * (value is None)
    paint = "" if value is None else f' data-value="{value:.4f}" fill="{colour(value)}"'
    return (
        f'<rect class="cell{kind}" data-q="{row}" data-c="{column}" x="{_LEFT + size * column}" y="{_TOP + size * row}"'
        f' width="{size - 1}" height="{size - 1}"{paint}><title>{html.escape(names)}: {shown}</title></rect>'
    )


def _heatmap_labels(codes: Sequence[str], size: int) -> str:
    parts = []
    for place, code in enumerate(codes):
        known = languages.language(code)
        kind = ' class="under-resourced"' if known.under_resourced else ""
        title = f"<title>{html.escape(known.name)}</title>"
        middle = size * (place + 0.5) + 3.5
        parts.append(
            f'<text{kind} data-row="{place}" x="{_LEFT - 6}" y="{_TOP + middle}" text-anchor="end">'
            f"{title}{known.script} {code}</text>"
            f'<text{kind} data-column="{place}" transform="translate({_LEFT + middle} {_TOP - 6}) rotate(-90)">'
            f"{title}{code}</text>"
        )
    return "".join(parts)


def script_bars(summary: dict, setting: str) -> str:
    """One bar per script, its mean map over query languages; a mark for each of its languages."""
    left, right, width = 66, 44, 360
    span = width - left - right
    scripts = {
        script: blocks[setting]["map"] for script, blocks in summary["by_script"].items() if "map" in blocks[setting]
    }
    height = 26 + _ROW * len(scripts)
    parts = [_value_grid(left, span, 18, height - 4)]
    for row, (script, mean) in enumerate(sorted(scripts.items(), key=lambda item: (-item[1], item[0]))):
        y = 24 + _ROW * row
        members = {
            code: blocks[setting]["map"]
            for code, blocks in summary["by_query_language"].items()
            if languages.language(code).script == script and "map" in blocks[setting]
        }
        parts.append(
            f'<text x="{left - 8}" y="{y + 12}" text-anchor="end">{script} ({len(members)})</text>'
            f'<rect class="bar" x="{left}" y="{y}" width="{span * mean:.1f}" height="{_ROW - 6}" rx="2">'
            f"<title>{script}: mean mAP {mean:.3f} of {html.escape(' '.join(members))}</title></rect>"
            f'<text x="{width - right + 6}" y="{y + 12}">{mean:.3f}</text>'
        )
        parts += [
            _language_mark(code, value, left + span * value, y + (_ROW - 6) / 2) for code, value in members.items()
        ]
    return (
        f'<svg class="panel" viewBox="0 0 {width} {height}" role="img"'
        f' aria-label="mAP by script, {setting}">{"".join(parts)}</svg>'
    )


def _value_grid(left: float, span: float, top: float, bottom: float) -> str:
    parts = []
    for tick in (0, 0.25, 0.5, 0.75, 1):
        x = f"{left + span * tick:.1f}"
        parts.append(
            f'<line class="grid-line" x1="{x}" x2="{x}" y1="{top}" y2="{bottom}"/>'
            f'<text class="faint" x="{x}" y="{top - 6}" text-anchor="middle">{tick:g}</text>'
        )
    return "".join(parts)


def _language_mark(code: str, value: float, x: float, y: float) -> str:
    known = languages.language(code)
    title = f"<title>{html.escape(known.name)}: mAP {value:.3f}</title>"
    if not known.under_resourced:
        return f'<circle class="dot" cx="{x:.1f}" cy="{y}" r="2.6" fill-opacity="0.75">{title}</circle>'
    corners = f"{x - 5.5:.1f},{y} {x:.1f},{y - 5.5} {x + 5.5:.1f},{y} {x:.1f},{y + 5.5}"
    return f'<polygon class="diamond" data-language="{code}" points="{corners}">{title}</polygon>'

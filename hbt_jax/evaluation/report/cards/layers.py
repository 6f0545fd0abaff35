"""Alignment by layer, where the layer probe was asked for."""

import html
from collections.abc import Sequence

from hbt_jax.evaluation.report import layer_chart
from hbt_jax.evaluation.report.cards.parts import card, code_mark, table
from hbt_jax.evaluation.report.cards.summary import Baseline


def layers_card(summary: dict, baselines: Sequence[Baseline]) -> str:
    """Beside the first baseline that was probed; "" where there was no probe."""
    probe = summary.get("layer_probe")
    if not probe:
        return ""
    other = next((one for one in baselines if one.summary.get("layer_probe")), None)
    before, label = (other.summary["layer_probe"], other.label) if other else (None, "")
    return card(
        "Alignment by layer",
        f'<div class="layers">{layer_chart.layer_means(probe, before, label)}{_table(probe, before, label)}</div>'
        f"<details open><summary>Each language, by script</summary>{layer_chart.language_panels(probe, before)}"
        "</details>",
        note=_note(probe),
    )


def _note(probe: dict) -> str:
    left_out = ""
    if probe["left_out"]:
        codes = " ".join(code_mark(code) for code in probe["left_out"])
        left_out = f" Left out, sharing too few of these items with every other language: {codes}."
    return (
        f"Mean cosine of queries after each layer, 0 being the embedding layer, pooled by {probe['pooling']}:"
        f" {probe['items']:,} items in {len(probe['by_language'])} languages, the same item in another language"
        f" (parallel) and another item in another language (random). Shaded: from the lowest to the highest language."
        f'{left_out} <span class="under-resourced">◆</span> under-resourced language.'
    )


def _table(probe: dict, before: dict | None, label: str) -> str:
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
        rows.append(f'<th class="name">{layer}</th>{cells}<td>{code_mark(code)} {gaps[code][layer]:.4f}</td>')
    head = "".join(f"<th>{html.escape(name)}</th>" for name in heads[1:])
    return table("by-layer-table", [f'<th class="name">{heads[0]}</th>{head}'], rows)

"""How the evaluation was done, and what was counted."""

import html
import json

from hbt_jax.evaluation.report.cards.parts import card, code_mark


def settings_card(summary: dict) -> str:
    """Every setting and single count; a text keeps its spaces visible."""
    shown = {"model": summary["model"], **summary["settings"], **summary["counts"]}
    items = [
        f'<dt>{html.escape(name.replace("_", " "))}</dt><dd><code dir="auto">{html.escape(_plain(value))}</code></dd>'
        for name, value in shown.items()
        if not isinstance(value, dict)
    ]
    for side in ("queries", "candidates"):
        counts = " ".join(f"{code_mark(code)}&nbsp;{number:,}" for code, number in summary["counts"][side].items())
        items.append(f"<dt>{side} by language</dt><dd>{counts}</dd>")
    return card("Settings of this evaluation", f"<dl>{''.join(items)}</dl>")


def _plain(value) -> str:
    return value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)

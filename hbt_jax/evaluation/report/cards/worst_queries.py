"""The worst queries: each with its answers' ranks and what was ranked above them."""

import html

from hbt_jax import languages
from hbt_jax.evaluation.measures.worst_queries import MOST_ABOVE, MOST_OF_ITEM
from hbt_jax.evaluation.report.cards.parts import card, code_mark, table, text_of

_OPEN = 3  # shown in full; the others at a click


def worst_queries_card(summary: dict) -> str:
    """A list of the queries, worst first; "" where none was kept."""
    found = summary.get("worst_queries")
    if not found:
        return ""
    entries = "".join(f"<li>{_entry(one, place < _OPEN)}</li>" for place, one in enumerate(found))
    note = (
        f"The {len(found)} queries of the lowest average precision in the pool of all candidates, at most"
        f" {MOST_OF_ITEM} about one item. Under each: its answers, best-placed language first, and the first"
        f" {MOST_ABOVE} candidates that stand before the last of them and are no answers."
    )
    return card("Worst queries", f'<ol class="worst">{entries}</ol>', note=note)


def _entry(one: dict, is_open: bool) -> str:
    relevant = one["relevant"]
    rows = [("above", candidate) for candidate in one["above"]]
    rows += [("relevant", candidate) for candidate in relevant if "text" in candidate]
    rows.sort(key=lambda row: row[1]["rank"])
    ranks = " ".join(f"{code_mark(each['language'])}&nbsp;{each['rank']:,}" for each in relevant)
    facts = f"average precision {one['average_precision']:.2g}, best answer at rank {relevant[0]['rank']:,}"
    return (
        f"<details{' open' if is_open else ''}>"
        f"<summary>{_language(one['language'])} {text_of(one['text'], one['language'])}"
        f' <span class="facts">{facts}</span></summary>'
        f"{table('ranked', [_HEAD], [_row(*row) for row in rows])}"
        f'<p class="note">Ranks of the answers by language: {ranks}. Query <code>{html.escape(one["id"])}</code></p>'
        "</details>"
    )


_HEAD = '<th scope="col">rank</th><th class="name" scope="col">language</th><th class="name" scope="col">candidate</th>'


def _row(kind: str, candidate: dict) -> str:
    mark = ' <span class="answer">✓ answer</span>' if kind == "relevant" else ""
    return (
        f"<td>{candidate['rank']:,}</td>"
        f'<td class="name">{_language(candidate["language"])}{mark}</td>'
        f'<td class="wrap {kind}">{text_of(candidate["text"], candidate["language"])}</td>'
    )


def _language(code: str) -> str:
    known = languages.language(code)
    kind = " under-resourced" if known.under_resourced else ""
    return f'<span class="language{kind}" title="{html.escape(known.name)}">{html.escape(code)}</span>'

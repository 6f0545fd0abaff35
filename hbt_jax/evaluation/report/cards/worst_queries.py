"""The worst queries: each with its answers' ranks and what was ranked above them."""

from hbt_jax.evaluation.measures.worst_queries import MOST_ABOVE, MOST_OF_ITEM
from hbt_jax.evaluation.report.render import render

_OPEN = 3  # queries that start unfolded; the others open on a click


def worst_queries_card(summary: dict) -> str:
    """A list of the queries, worst first; "" if none was kept."""
    found = summary.get("worst_queries")
    if not found:
        return ""
    entries = [(query, _rows(query), place < _OPEN) for place, query in enumerate(found)]
    return render("cards/worst_queries.html", entries=entries, most_of_item=MOST_OF_ITEM, most_above=MOST_ABOVE)


def _rows(query: dict) -> list[tuple[bool, dict]]:
    """(is an answer, candidate) of the candidates that have a text, by rank."""
    rows = [(False, candidate) for candidate in query["above"]]
    rows += [(True, candidate) for candidate in query["relevant"] if "text" in candidate]
    return sorted(rows, key=lambda row: row[1]["rank"])

"""Pieces of Markdown."""

from collections.abc import Iterable


def table(head: Iterable[str], rows: Iterable[Iterable[str]]) -> list[str]:
    """The lines of a table.

    >>> table(("x", "y"), [("1", "a|b")])
    ['| x | y |', '|---|---|', '| 1 | a\\\\|b |']
    """
    head = tuple(head)
    return [_row(head), "|---" * len(head) + "|", *map(_row, rows)]


def _row(cells: Iterable[str]) -> str:
    return "| " + " | ".join(cell.replace("|", "\\|") for cell in cells) + " |"

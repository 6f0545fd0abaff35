"""The rows of a comparison as text: for a terminal, and as tab-separated values."""

from collections.abc import Sequence

from hbt_jax.evaluation.measures.metrics import RANK_DISTANCE
from hbt_jax.evaluation.report.compare_page import p_text
from hbt_jax.files import atomic_file, utf8

FAMILIES = ("overall", "by_resource", "by_script", "by_query_language")
LABELS = {
    "monolingual": "monolingual",
    "cross_lingual": "cross-lingual",
    "multilingual": "multilingual",
    RANK_DISTANCE: "rank distance",
}
_MOST_ROWS = 20  # a larger family is summarised on a terminal
_COLUMNS = ("items", "a", "b", "a_standard_deviation", "b_standard_deviation", "difference", "low", "high",
            "p", "p_holm", "p_runs", "p_runs_holm", "better")  # fmt: skip


def write_tsv(path: str, compared: dict) -> None:
    """Writes a line with the columns' names, then a line for every row of compare.json; null becomes empty."""
    lines = [("benchmark", "setting", "metric", "family", "row", *_COLUMNS)]
    for name, benchmark in compared["benchmarks"].items():
        for setting, block in benchmark["comparisons"].items():
            for family in FAMILIES:
                for title, row in block[family].items():
                    values = ("" if row[column] is None else row[column] for column in _COLUMNS)
                    lines.append((name, setting, block["metric"], family, title, *values))
    with atomic_file(path) as file:
        file.write(utf8("".join("\t".join(map(str, line)) + "\n" for line in lines)))


def format_tables(compared: dict) -> str:
    """Every comparison as text for a terminal."""
    lines = [f"{side.upper()}: {_named(compared[side]['runs'])}" for side in ("a", "b")]
    for name, benchmark in compared["benchmarks"].items():
        lines.append(
            f"{name}: {benchmark['queries']:,} queries about {benchmark['items']:,} items in"
            f" {len(benchmark['languages'])} languages; {compared['metric']}, {compared['samples']:,} draws"
        )
        for setting, block in benchmark["comparisons"].items():
            lines += _table(setting, block, compared["confidence"])
    return "\n".join([*lines, *(f"note: {note}" for note in compared["notes"])])


def _named(runs: Sequence[dict]) -> str:
    folders = ", ".join(run["folder"] for run in runs)
    return f"{runs[0]['model']} ({len(runs)} run{'s' * (len(runs) > 1)}: {folders})"


def _table(setting: str, block: dict, confidence: float) -> list[str]:
    decimals = 4 if block["higher_is_better"] else 1
    several = block["overall"]["all"]["p_runs"] is not None
    heads = ["p", "Holm p", "p, runs", "Holm p"][: 4 if several else 2]
    lines = [
        f"  {LABELS[setting]:28}{'A':>10}{'B':>10}{'A - B':>11}{f'{confidence * 100:g} % interval':>23}"
        + "".join(f"{head:>9}" for head in heads)
    ]
    for family in FAMILIES:
        if len(block[family]) > _MOST_ROWS:
            lines.append(_summary_line(family, block[family]))
            continue
        for name, row in block[family].items():
            interval = "-" if row["low"] is None else f"[{row['low']:+,.{decimals}f}, {row['high']:+,.{decimals}f}]"
            shown = ("p", "p_holm", "p_runs", "p_runs_holm")[: len(heads)]
            numbers = "".join(f"{p_text(row[key]):>9}" for key in shown)
            lines.append(
                f"    {name.replace('_', ' '):26}{row['a']:10,.{decimals}f}{row['b']:10,.{decimals}f}"
                f"{row['difference']:+11,.{decimals}f}{interval:>23}{numbers}"
                + (f"  {row['better'].upper()} better" if row["better"] else "")
            )
    return lines


def _summary_line(family: str, rows: dict[str, dict]) -> str:
    """One line that names the decided rows of a large family."""
    named = {side: [name for name, row in rows.items() if row["better"] == side] for side in ("a", "b")}
    said = "; ".join(f"{side.upper()} better: {' '.join(names) or 'none'}" for side, names in named.items())
    undecided = len(rows) - sum(map(len, named.values()))
    return f"    {family.replace('_', ' ')}, {len(rows)} rows: {said}; not decided: {undecided}"

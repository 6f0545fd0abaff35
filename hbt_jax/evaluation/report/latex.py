"""A comparison as a LaTeX table, for the package booktabs.

A superscript number after a value names a system that is worse at the level of the comparison, after Holm's correction;
the best value of a setting is bold.
"""

import re
from collections.abc import Iterator, Mapping

from hbt_jax.evaluation.measures.metrics import RANK_DISTANCE
from hbt_jax.evaluation.report.compare_table import LABELS
from hbt_jax.evaluation.report.names import metric_name
from hbt_jax.files import atomic_file, utf8

_SPECIAL = {"\\": r"\textbackslash{}", "~": r"\textasciitilde{}", "^": r"\textasciicircum{}"}


def write_latex(path: str, compared: dict) -> None:
    """Writes the table.

    Args:
      path: the file.
      compared: content of compare.json, of two systems or of several.
    """
    with atomic_file(path) as file:
        file.write(utf8(latex_table(compared if "systems" in compared else _of_two(compared))))


def latex_table(compared: dict) -> str:
    """The table of a comparison of several systems."""
    settings = [name for name in LABELS if any(name in one["comparisons"] for one in compared["benchmarks"].values())]
    heads = ["", "System", *(LABELS[setting] for setting in settings)]
    lines = [
        f"% {metric_name(compared['metric'])}; a superscript number: better than the system of that number, at level"
        f" {1 - compared['confidence']:g} after Holm's correction",
        rf"\begin{{tabular}}{{rl{'r' * len(settings)}}}",
        r"\toprule",
        " & ".join(map(escaped, heads)) + r" \\",
    ]
    for name, benchmark in compared["benchmarks"].items():
        lines += [r"\midrule", rf"\multicolumn{{{len(heads)}}}{{l}}{{{escaped(name)}}} \\"]
        for number, system in enumerate(compared["systems"], 1):
            cells = [_cell(benchmark["comparisons"].get(setting), system, compared["systems"]) for setting in settings]
            lines.append(" & ".join([str(number), escaped(system), *cells]) + r" \\")
    return "\n".join([*lines, r"\bottomrule", r"\end{tabular}"]) + "\n"


def escaped(text: str) -> str:
    r"""A text as LaTeX shows it.

    >>> print(escaped("a_b & 5 %"))
    a\_b \& 5 \%
    """
    return re.sub(r"[\\~^&%$#_{}]", lambda found: _SPECIAL.get(found[0], f"\\{found[0]}"), text)


def _cell(comparison: Mapping | None, system: str, systems: Mapping[str, object]) -> str:
    if comparison is None:
        return "--"
    values, is_higher = comparison["values"], comparison["higher_is_better"]
    text = f"{values[system]:,.4f}" if is_higher else f"{values[system]:,.1f}"
    if values[system] == (max if is_higher else min)(values.values()):
        text = rf"\textbf{{{text}}}"
    numbers = {name: number for number, name in enumerate(systems, 1)}
    beaten = sorted(numbers[name] for name in _beaten(comparison["pairs"], system))
    return text + (rf"\textsuperscript{{{','.join(map(str, beaten))}}}" if beaten else "")


def _beaten(pairs: list[dict], system: str) -> Iterator[str]:
    """The systems that this one is better than."""
    for pair in pairs:
        if pair["better"] and pair[pair["better"]] == system:
            yield pair["b" if pair["better"] == "a" else "a"]


def _of_two(compared: dict) -> dict:
    """A comparison of two systems in the form of one of several."""
    benchmarks = {}
    for name, benchmark in compared["benchmarks"].items():
        blocks = {}
        for setting, block in benchmark["comparisons"].items():
            row = block["overall"]["all"]
            pair = {"a": "A", "b": "B", "better": row["better"]}
            values = {"A": row["a"], "B": row["b"]}
            blocks[setting] = {"higher_is_better": setting != RANK_DISTANCE, "values": values, "pairs": [pair]}
        benchmarks[name] = {"comparisons": blocks}
    return {**compared, "systems": {"A": {}, "B": {}}, "benchmarks": benchmarks}

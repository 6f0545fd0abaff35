"""What the tests of a study say, as sentences; no sentence is written without its test."""

from collections.abc import Iterator, Mapping

from hbt_jax.evaluation.measures.metrics import RANK_DISTANCE
from hbt_jax.evaluation.report.names import SETTING_NAMES, metric_name

_MOST_CODES = 12  # languages that a sentence names


def claims(compared: Mapping) -> Iterator[str]:
    """Sentences about one pairing over all languages, one a setting.

    Args:
      compared: as `comparisons.compare_benchmark` gives it.

    `hybrid > x-y in monolingual mAP: +0.021 [+0.012, +0.030], p < 0.001`
    """
    for setting, block in compared["comparisons"].items():
        row = block["overall"]["all"]
        yield sentence(compared["a"], compared["b"], setting, block, row, row["p_corrected"])


def details(compared: Mapping) -> Iterator[str]:
    """Sentences about one pairing by languages and scripts; `compared` as for `claims`."""
    a, b = compared["a"], compared["b"]
    for setting, block in compared["comparisons"].items():
        row = block["by_resource"].get("under_resourced_less_others")
        if row:
            yield _for_the_weak(a, b, measured(setting, block), block, row)
    for setting, block in compared["comparisons"].items():
        families = [("languages", block["by_query_language"]), ("scripts", block["by_script"])]
        counted = [_counted(name, rows) for name, rows in families if len(rows) > 1]
        if counted:
            yield f"{a} against {b} in {measured(setting, block)}: {'; '.join(counted)}"


def deciding_p(row: Mapping) -> float:
    """The p value, after Holm's correction, by which a row of compare.json is decided."""
    return row["p_holm"] if row["p_runs_holm"] is None else row["p_runs_holm"]


def measured(setting: str, block: Mapping) -> str:
    """What a block of compare.json compares, in words: "rank distance", or such as "monolingual mAP"."""
    return "rank distance" if setting == RANK_DISTANCE else f"{SETTING_NAMES[setting]} {metric_name(block['metric'])}"


def sentence(a: str, b: str, setting: str, block: Mapping, row: Mapping, p: float) -> str:
    """What the test of two systems says.

    Args:
      a, b: their names.
      setting: as in results.json.
      block: {"metric", "higher_is_better"}.
      row: {"difference", "low", "high", "better"} as in compare.json.
      p: the corrected p value that decided.
    """
    what, numbers = measured(setting, block), f"{_difference(row, block)}, {p_text(p)}"
    if row["better"] is None:
        return f"{a} and {b}: no significant difference in {what}: {numbers}"
    sign = ">" if row["difference"] > 0 else "<"
    note = "" if block["higher_is_better"] else " (lower is better)"
    return f"{a} {sign} {b} in {what}{note}: {numbers}"


def _for_the_weak(a: str, b: str, measured: str, block: Mapping, row: Mapping) -> str:
    numbers = f"{_difference(row, block)}, {p_text(deciding_p(row))}"
    if row["better"] is None:
        return f"{a} against {b} in {measured}, under-resourced less other languages: not significant: {numbers}"
    more = "more" if row["better"] == "a" else "less"
    return f"{a} does {more} over {b} for under-resourced than for other languages in {measured}: {numbers}"


def _counted(name: str, rows: Mapping[str, Mapping]) -> str:
    better, worse = ([code for code, row in rows.items() if row["better"] == side] for side in ("a", "b"))
    return f"better in {len(better)} of {len(rows)} {name}{_named(better)}, worse in {len(worse)}{_named(worse)}"


def _named(codes: list[str]) -> str:
    return f" ({' '.join(codes)})" if 0 < len(codes) <= _MOST_CODES else ""


def _difference(row: Mapping, block: Mapping) -> str:
    ends = "" if row["low"] is None else f" [{number(row['low'], block)}, {number(row['high'], block)}]"
    return f"{number(row['difference'], block)}{ends}"


def number(value: float, block: Mapping) -> str:
    """A difference with its sign: fractions to three decimals, ranks to one."""
    return f"{value:+,.{3 if block['higher_is_better'] else 1}f}"


def p_text(p: float) -> str:
    """A p value to three decimals, never as zero.

    >>> p_text(0.0002), p_text(0.25)
    ('p < 0.001', 'p = 0.250')
    """
    return "p < 0.001" if p < 0.001 else f"p = {p:.3f}"

"""Macro averages (arXiv 2408.10536) of the values of queries.

Monolingual and multilingual values are means over query languages of the mean over the queries of a language;
cross-lingual values are means over ordered pairs (query language, candidate language) of the mean over the queries of
the pair.  A language or pair without a query that counts is left out, never taken as zero.
"""

import dataclasses
from collections.abc import Iterator, Mapping, Sequence

import numpy as np

from hbt_jax import languages
from hbt_jax.evaluation.measures.metrics import SETTINGS, QueryMetrics
from hbt_jax.evaluation.measures.robustness import robustness

Block = Mapping[str, float]  # metric -> value
BySetting = Mapping[str, Block]


@dataclasses.dataclass(frozen=True)
class Averages:
    """The scores of results.json.

    Attributes:
      metrics: setting -> metric -> value.
      by_query_language: code -> setting -> metric -> value; cross-lingual: mean over the candidate languages.
      by_pair: "CODE-CODE" of query and candidate language -> metric -> value.
      by_script: script -> setting -> metric -> value, means over the query languages of the script.
      robustness: setting -> what measures/robustness.py says of it.
    """

    metrics: BySetting
    by_query_language: Mapping[str, BySetting]
    by_pair: Mapping[str, Block]
    by_script: Mapping[str, BySetting]
    robustness: Mapping[str, Mapping[str, object]]


def averages_of(
    by_language: Mapping[str, BySetting], by_pair: Mapping[tuple[str, str], Block], metric: str
) -> Averages:
    """The averages over languages and pairs.

    Args:
      by_language: query language -> setting -> metric -> value, in all settings.
      by_pair: (query language, candidate language) -> metric -> value; none where no pool has one language.
      metric: the one that robustness is about.
    """
    by_script = _by_script(by_language)
    blocks = {setting: [block[setting] for block in by_language.values()] for setting in SETTINGS}
    blocks["cross_lingual"] = list(by_pair.values())
    return Averages(
        {setting: mean_of(blocks[setting]) for setting in SETTINGS},
        by_language,
        {f"{code}-{other}": block for (code, other), block in by_pair.items()},
        by_script,
        {setting: robustness(setting, by_language, by_script, metric) for setting in SETTINGS},
    )


def pair_averages(values: QueryMetrics) -> dict[tuple[str, str], dict[str, float]]:
    """(query language, candidate language) -> metrics, for each ordered pair of different languages with a query."""
    pairs = {}
    for number, code, rows in language_rows(values):
        for other_number, other in enumerate(values.languages):
            block = _present({m: _mean(values.by_pool[m][rows, other_number]) for m in values.by_pool})
            if other_number != number and block:
                pairs[code, other] = block
    return pairs


def language_averages(
    values: QueryMetrics, by_pair: Mapping[tuple[str, str], Block]
) -> dict[str, dict[str, dict[str, float]]]:
    """Query language -> setting -> metrics; the cross-lingual ones are means over the candidate languages."""
    by_language = {}
    for number, code, rows in language_rows(values):
        by_language[code] = {
            "monolingual": _present({m: _mean(values.by_pool[m][rows, number]) for m in values.by_pool}),
            "cross_lingual": mean_of([block for (asked, _), block in by_pair.items() if asked == code]),
            "multilingual": _present({m: _mean(column[rows]) for m, column in values.multilingual.items()}),
        }
    return by_language


def language_rows(values: QueryMetrics) -> Iterator[tuple[int, str, np.ndarray]]:
    """Yields number, code and query indexes of each language that has queries."""
    for number, code in enumerate(values.languages):
        rows = np.flatnonzero(values.language_Q == number)
        if rows.size:
            yield number, code, rows


def mean_of(blocks: Sequence[Block]) -> dict[str, float]:
    """Means, metric by metric, over the blocks that have the metric; metrics that none has are left out."""
    names = dict.fromkeys(metric for block in blocks for metric in block)
    return {metric: float(np.mean([block[metric] for block in blocks if metric in block])) for metric in names}


def _by_script(by_language: Mapping[str, BySetting]) -> dict[str, dict[str, dict[str, float]]]:
    members: dict[str, list[BySetting]] = {}
    for code, blocks in by_language.items():
        members.setdefault(languages.language(code).script, []).append(blocks)
    return {
        script: {setting: mean_of([blocks[setting] for blocks in members[script]]) for setting in SETTINGS}
        for script in sorted(members)
    }


def _mean(numbers: np.ndarray) -> float | None:
    """Mean of the numbers that are not NaN; None if there is none."""
    finite = numbers[np.isfinite(numbers)]
    return float(finite.mean()) if finite.size else None


def _present(block: Mapping[str, float | None]) -> dict[str, float]:
    return {metric: value for metric, value in block.items() if value is not None}

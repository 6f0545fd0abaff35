"""How the pages write settings, metrics and numbers, and in which order."""

from collections.abc import Iterable

from hbt_jax import languages
from hbt_jax.evaluation.measures.metrics import (
    CAPPED,
    ONE_LANGUAGE_MAP,
    RANK_DISTANCE,
    SETTINGS,
    SIMILARITY_GAP,
    STRONG_ALIGNMENT,
)

SETTING_NAMES = {"monolingual": "monolingual", "cross_lingual": "cross-lingual", "multilingual": "multilingual"}
POOLS = {
    "monolingual": "candidates of the query's language",
    "cross_lingual": "candidates of one other language",
    "multilingual": "candidates of all languages",
}
METRIC_NAMES = {
    "map": "mAP",
    **{metric: name for name, metric in CAPPED.items()},
    "recall@100": "R@100",
    "mrr": "MRR",
    "ndcg@10": "nDCG@10",
    RANK_DISTANCE: "rank distance",
    ONE_LANGUAGE_MAP: "one-language mAP",
}
_MAIN = ("map", "ndcg@10")
_OF_BIAS_CARD = (STRONG_ALIGNMENT, ONE_LANGUAGE_MAP, SIMILARITY_GAP)


def metric_name(metric: str) -> str:
    """How a metric is written in the page."""
    return METRIC_NAMES.get(metric, metric.replace("_", " "))


def block_of(blocks: dict, setting: str) -> dict:
    """The metrics of a setting; {} if it was not evaluated."""
    return blocks.get(setting) or {}


def settings_of(blocks: dict) -> list[str]:
    """The settings that have a metric, in their usual order."""
    return [setting for setting in SETTINGS if block_of(blocks, setting)]


def metrics_in(blocks: Iterable[dict]) -> list[str]:
    """The metrics that any block has: those of METRIC_NAMES in its order, then the others."""
    present = dict.fromkeys(metric for block in blocks for metric in block if metric not in _OF_BIAS_CARD)
    return [metric for metric in METRIC_NAMES if metric in present] + [m for m in present if m not in METRIC_NAMES]


def main_metric(summary: dict) -> str:
    """The metric that figures show: mAP if measured, else nDCG@10, else the first that was measured."""
    found = metrics_in(block_of(summary["metrics"], setting) for setting in SETTINGS)
    return next((metric for metric in (*_MAIN, *found) if metric in found), _MAIN[0])


def number(value: float | None, metric: str, sign: str = "") -> str:
    """A value as text: ranks with one decimal, fractions with four; "" for None."""
    return "" if value is None else f"{value:{sign},.{1 if metric == RANK_DISTANCE else 4}f}"


def percent(share: float) -> str:
    """A share with one decimal, with two if it is below one percent, with none if it is zero.

    >>> percent(0.125), percent(0.00349), percent(0.0)
    ('12.5 %', '0.35 %', '0 %')
    """
    if share == 0:
        return "0 %"
    return f"{share:.{2 if 0 < abs(share) < 0.01 else 1}%}".replace("%", " %")


def by_script(codes: Iterable[str]) -> list[str]:
    """Language codes ordered by script, then by code."""
    return sorted(codes, key=lambda code: (languages.language(code).script, code))

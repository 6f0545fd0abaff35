"""report.html: one self-contained page with tables and figures, without network access or libraries."""

import dataclasses
from collections.abc import Iterator, Mapping, Sequence

from hbt_jax.evaluation.report import curves
from hbt_jax.evaluation.report.cards.bias import bias_card
from hbt_jax.evaluation.report.cards.by_language import language_card, tokens_card
from hbt_jax.evaluation.report.cards.expansion import expansion_card
from hbt_jax.evaluation.report.cards.heatmap import heatmap_card
from hbt_jax.evaluation.report.cards.layers import layers_card
from hbt_jax.evaluation.report.cards.rank_distances import rank_distances_card
from hbt_jax.evaluation.report.cards.robustness import robustness_card
from hbt_jax.evaluation.report.cards.scripts import scripts_card
from hbt_jax.evaluation.report.cards.summary import Baseline, settings_card, summary_card
from hbt_jax.evaluation.report.cards.worst_queries import worst_queries_card
from hbt_jax.evaluation.report.names import metric_name
from hbt_jax.evaluation.report.render import write_page


@dataclasses.dataclass(frozen=True)
class System:
    """Another system to show beside the model.

    Attributes:
      label: what it is called in the tables.
      results: contents of its results.json, matched by benchmark; a benchmark without one is shown without it.
      differences: benchmark -> what intervals.differences finds between the model and it; may be empty.
    """

    label: str
    results: Sequence[dict]
    differences: Mapping[str, dict] = dataclasses.field(default_factory=dict)

    def on(self, benchmark: str) -> Baseline | None:
        """What it scored on one benchmark; None if it was not evaluated on it."""
        for summary in self.results:
            if summary["benchmark"] == benchmark:
                return Baseline(self.label, summary, self.differences.get(benchmark, {}))
        return None


def write_report(
    path: str,
    results: Sequence[dict],
    *,
    training_curve: dict[str, Sequence[tuple[int, float]]] | None = None,
    baselines: Sequence[System] = (),
    expanded: Sequence[dict] = (),
) -> None:
    """Writes the report of one model.

    Args:
      path: the HTML file to write.
      results: contents of results.json, one per benchmark, all of one model.
      training_curve: name of a series, such as "loss" -> its (step, value) points; None to leave the figure out.
      baselines: systems to compare with, in the order to show them.
      expanded: contents of results.json of the same model with query expansions, matched by benchmark.
    """
    with_expansions = {summary["benchmark"]: summary for summary in expanded}
    cards = []
    for summary in results:
        found = [system.on(summary["benchmark"]) for system in baselines]
        cards.append(list(_cards(summary, [one for one in found if one], with_expansions.get(summary["benchmark"]))))
    write_page(
        path,
        "report.html",
        model=results[0]["model"],
        benchmarks=list(zip(results, cards, strict=True)),
        training=_training(training_curve or {}),
        definitions=_definitions(results),
    )


def _cards(summary: dict, baselines: Sequence[Baseline], expanded: dict | None) -> Iterator[str]:
    yield summary_card(summary, baselines)
    if expanded:
        yield expansion_card(expanded)
    yield heatmap_card(summary)
    yield scripts_card(summary)
    yield robustness_card(summary)
    yield tokens_card(summary)
    yield bias_card(summary, baselines)
    yield rank_distances_card(summary, baselines)
    yield layers_card(summary, baselines)
    yield worst_queries_card(summary)
    yield language_card(summary)
    yield settings_card(summary)


def _training(curve: dict[str, Sequence[tuple[int, float]]]) -> list[str]:
    """A chart of the losses, and one of the metrics of dev benchmarks, whose names are paths."""
    charts = ({name: points for name, points in curve.items() if ("/" in name) == is_dev} for is_dev in (False, True))
    return [curves.training_curve(chart) for chart in charts if chart]


def _definitions(results: Sequence[dict]) -> list[tuple[str, str]]:
    """Each term once; a term with several meanings once for each, with the names of its benchmarks."""
    meanings: dict[str, dict[str, list[str]]] = {}
    for summary in results:
        for name, text in summary["settings"].get("definitions", {}).items():
            meanings.setdefault(name, {}).setdefault(text, []).append(summary["benchmark"])
    return [
        (metric_name(name) + (f" ({', '.join(benchmarks)})" if len(texts) > 1 else ""), text)
        for name, texts in meanings.items()
        for text, benchmarks in texts.items()
    ]

"""report.html: one self-contained page with tables and figures, no network, no library."""

import dataclasses
import html
import importlib.resources
import string
from collections.abc import Mapping, Sequence

from hbt_jax.evaluation.report import curves
from hbt_jax.evaluation.report.cards.bias import bias_card
from hbt_jax.evaluation.report.cards.by_language import language_card
from hbt_jax.evaluation.report.cards.expansion import expansion_card
from hbt_jax.evaluation.report.cards.heatmap import heatmap_card
from hbt_jax.evaluation.report.cards.layers import layers_card
from hbt_jax.evaluation.report.cards.parts import SETTING_NAMES, metric_name
from hbt_jax.evaluation.report.cards.rank_distances import rank_distances_card
from hbt_jax.evaluation.report.cards.robustness import robustness_card, tokens_card
from hbt_jax.evaluation.report.cards.scripts import scripts_card
from hbt_jax.evaluation.report.cards.settings import settings_card
from hbt_jax.evaluation.report.cards.summary import POOLS, Baseline, summary_card
from hbt_jax.evaluation.report.cards.worst_queries import worst_queries_card
from hbt_jax.files import atomic_file, utf8


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
        """What it scored on one benchmark; None where it was not evaluated on it."""
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
    sections = [_header(results)]
    for place, summary in enumerate(results):
        found = [system.on(summary["benchmark"]) for system in baselines]
        sections.append(
            _benchmark(place, summary, [one for one in found if one], with_expansions.get(summary["benchmark"]))
        )
    if training_curve:
        sections.append(f'<h2>Training</h2><div class="card">{_training(training_curve)}</div>')
    sections.append(_definitions(results))
    part = {kind: _asset(f"report_page.{kind}") for kind in ("html", "css", "js")}
    page = string.Template(part["html"]).substitute(
        title=html.escape(f"Retrieval report: {results[0]['model']}"),
        style=part["css"],
        script=part["js"],
        body="\n".join(sections),
    )
    with atomic_file(path) as file:
        file.write(utf8(page))


def _training(curve: dict[str, Sequence[tuple[int, float]]]) -> str:
    """One chart of the losses, and one of the metrics of dev benchmarks, whose names are paths."""
    charts = ({name: points for name, points in curve.items() if ("/" in name) == is_dev} for is_dev in (False, True))
    return "".join(curves.training_curve(chart) for chart in charts if chart)


def _asset(name: str) -> str:
    return importlib.resources.files("hbt_jax.evaluation.report").joinpath(name).read_text(encoding="utf-8")


def _header(results: Sequence[dict]) -> str:
    links = ", ".join(
        f'<a href="#benchmark-{place}">{html.escape(summary["benchmark"])}</a>' for place, summary in enumerate(results)
    )
    return (
        f"<header><h1>Multilingual retrieval: <bdi>{html.escape(results[0]['model'])}</bdi></h1>"
        f'<p class="lead">Evaluated on {links}. Values are fractions, higher is better; rank distance'
        " counts ranks, lower is better. XM3600's five under-resourced languages are marked"
        ' <span class="under-resourced">in this colour</span>.</p></header>'
    )


def _benchmark(place: int, summary: dict, baselines: Sequence[Baseline], expanded: dict | None) -> str:
    queries, candidates = summary["counts"]["queries"], summary["counts"]["candidates"]
    codes = set(queries) | set(candidates)
    parts = [
        f'<section id="benchmark-{place}"><h2>{html.escape(summary["benchmark"])}</h2>',
        f'<p class="lead">{sum(queries.values()):,} queries and {sum(candidates.values()):,} candidates in'
        f" {len(codes)} languages.</p>",
        *(f'<p class="lead">{html.escape(note)}</p>' for note in summary.get("notes", ())),
        summary_card(summary, baselines),
        expansion_card(expanded) if expanded else "",
        heatmap_card(summary),
        scripts_card(summary),
        robustness_card(summary),
        tokens_card(summary),
        bias_card(summary, baselines),
        rank_distances_card(summary, baselines),
        layers_card(summary, baselines),
        worst_queries_card(summary),
        language_card(summary),
        settings_card(summary),
        "</section>",
    ]
    return "\n".join(part for part in parts if part)


def _definitions(results: Sequence[dict]) -> str:
    """What the numbers mean, each term once; a term of several meanings once for each, with its benchmarks' names."""
    meanings: dict[str, dict[str, list[str]]] = {}
    for summary in results:
        for name, text in summary["settings"].get("definitions", {}).items():
            meanings.setdefault(name, {}).setdefault(text, []).append(summary["benchmark"])
    defined = [
        (metric_name(name) + (f" ({', '.join(benchmarks)})" if len(texts) > 1 else ""), text)
        for name, texts in meanings.items()
        for text, benchmarks in texts.items()
    ]
    pools = "".join(f"<dt>{SETTING_NAMES[name]}</dt><dd>pool: {text}</dd>" for name, text in POOLS.items())
    rest = "".join(f"<dt>{html.escape(term)}</dt><dd>{html.escape(text)}</dd>" for term, text in defined)
    return f'<h2>Definitions</h2><div class="card"><dl>{pools}{rest}</dl></div>'

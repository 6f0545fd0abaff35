"""One evaluation, from embeddings to files and a printed table."""

import contextlib
import os
from collections.abc import Callable, Iterator

import numpy as np

from hbt_jax import files
from hbt_jax.evaluation.benchmarks.benchmark import Benchmark
from hbt_jax.evaluation.measures import bias, metrics
from hbt_jax.evaluation.measures.rank_distances import RANK_DISTANCES_DEFINITION, rank_distances
from hbt_jax.evaluation.measures.top_languages import TopLanguages
from hbt_jax.evaluation.measures.worst_queries import WORST_QUERIES_DEFINITION, WorstQueries
from hbt_jax.evaluation.ranking import layout as layouts
from hbt_jax.evaluation.ranking import rank as ranking
from hbt_jax.evaluation.results import results, trec
from hbt_jax.evaluation.results.results import PER_QUERY, RESULTS
from hbt_jax.evaluation.statistics.intervals import INTERVALS_DEFINITION, intervals

QRELS, RUNS = "qrels.trec", "runs"


def evaluate(benchmark: Benchmark, query_QD: np.ndarray, candidate_ND: np.ndarray, **options) -> dict:
    """Ranks, measures and writes one benchmark by embeddings, see `evaluate_ranked`.

    Args:
      benchmark: the queries and candidates.
      query_QD, candidate_ND: float32 embeddings in the benchmark's order; the score is their inner product.
      options: those of `evaluate_ranked`.

    Raises:
      InputError: an embedding is not finite.
    """
    relevant_QG, excluded_QX = benchmark.relevant_QG, benchmark.excluded_QX

    def rank(layout: layouts.Layout) -> Iterator[ranking.RankedQueries]:
        return ranking.rank_blocks(query_QD, candidate_ND, relevant_QG, layout, excluded_QX=excluded_QX)

    def similarity_gap(language_Q: np.ndarray, language_N: np.ndarray) -> dict[str, np.ndarray]:
        gap_Q = bias.similarity_gap(query_QD, candidate_ND, relevant_QG, excluded_QX, language_Q, language_N)
        return {metrics.SIMILARITY_GAP: gap_Q}

    return evaluate_ranked(benchmark, rank, further=similarity_gap, **options)


def evaluate_ranked(
    benchmark: Benchmark,
    rank: Callable[[layouts.Layout], Iterator[ranking.RankedQueries]],
    *,
    out_dir: str,
    model_name: str,
    settings: dict,
    counts: dict,
    layer_probe: dict | None = None,
    tokens: dict | None = None,
    run_depth: int = 100,
    run_settings: tuple[str, ...] = ("monolingual", "multilingual"),
    further: Callable[[np.ndarray, np.ndarray], dict[str, np.ndarray]] = lambda *_: {},
    poll: Callable[[], None] = lambda: None,
) -> dict:
    """Ranks, measures and writes one benchmark.

    Writes OUT/NAME/qrels.trec, runs/*.trec, per_query.jsonl.gz and, last of all, results.json; one that an earlier
    evaluation left is removed first, so a results.json always belongs to the files beside it.

    Args:
      benchmark: the queries and candidates; its name is the folder of the results.
      rank: ranks the candidates, laid out as it is told, for all queries in order.
      out_dir: OUT.
      model_name: names the model in the results.
      settings: how texts were prepared and embedded (prefixes, lengths, checkpoint, similarity, dtype).
      counts: further counts for the results, such as {"truncated_texts": 0}.
      layer_probe: what layer_probe.probe_layers found; None where it was not asked for.
      tokens: {"queries": ..., "candidates": ...}, rates of token_counts.TokenCounts; None where they were not counted.
      run_depth: candidates per query in a run file; 0 for all.
      run_settings: the settings whose runs are written, of metrics.SETTINGS.
      further: given the int language numbers of queries and candidates, more numbers of each query for the pool of all,
        float64 [Q] by name.
      poll: called between blocks of queries; raises to stop.

    Returns:
      The content of results.json.
    """
    folder = os.path.join(out_dir, benchmark.name)
    os.makedirs(folder, exist_ok=True)
    with contextlib.suppress(FileNotFoundError):
        os.remove(os.path.join(folder, RESULTS))
    candidates, codes, excluded_QX = benchmark.candidates, benchmark.languages, benchmark.excluded_QX
    layout = layouts.make_layout(candidates.ids, benchmark.candidate_pools)
    language_Q = metrics.language_numbers(benchmark.queries.languages, codes)
    language_N = metrics.language_numbers(candidates.languages, codes)
    top = TopLanguages(layout, language_Q, language_N, len(codes), excluded_QX)
    worst = WorstQueries(benchmark, layout)
    rank_QG = np.zeros(benchmark.relevant_QG.shape, np.int32)
    own_rank_QG = np.zeros_like(rank_QG)
    with (
        files.atomic_folder(os.path.join(folder, RUNS)) as runs,
        trec.RunWriter(runs, benchmark, layout, run_depth, run_settings) as writer,
    ):
        for block in rank(layout):
            poll()
            rank_QG[block.start : block.stop] = block.rank_qG
            own_rank_QG[block.start : block.stop] = block.own_rank_qG
            top.add(block)
            worst.add(block)
            writer.write(block)
    values = metrics.query_metrics(
        rank_QG,
        own_rank_QG,
        benchmark.relevant_QG,
        benchmark.queries.languages,
        candidates.languages,
        codes,
    )
    values.multilingual.update(further(language_Q, language_N))
    settings = settings | {"run_depth": run_depth, "run_settings": list(run_settings)}
    summary = results.summarise(benchmark, values, model=model_name, settings=settings, counts=counts)
    summary = results.with_top_languages(summary, codes, *top.shares())
    summary = _with_details(summary, benchmark, values, worst, poll)
    if tokens is not None:
        summary = results.with_tokens(summary, tokens)
    if layer_probe is not None:
        summary = results.with_layer_probe(summary, layer_probe)
    trec.write_qrels(os.path.join(folder, QRELS), benchmark)
    results.write_per_query(os.path.join(folder, PER_QUERY), benchmark, values)
    results.write_json(os.path.join(folder, RESULTS), summary)
    return summary


def _with_details(
    summary: dict, benchmark: Benchmark, values: metrics.QueryMetrics, worst: WorstQueries, poll: Callable[[], None]
) -> dict:
    """The content of results.json with the parts that the report draws: intervals, rank distances, worst queries."""
    parts = (
        ("intervals", intervals(benchmark, values, poll), INTERVALS_DEFINITION),
        (
            "rank_distances",
            rank_distances(values.multilingual[metrics.RANK_DISTANCE], values.language_Q, values.languages),
            RANK_DISTANCES_DEFINITION,
        ),
        ("worst_queries", worst.found(), WORST_QUERIES_DEFINITION),
    )
    for name, content, definition in parts:
        if content:
            summary = results.with_part(summary, name, content, definition)
    return summary


def format_table(summary: dict) -> str:
    """The three settings, the language bias and the worst languages of one results.json, for a terminal."""
    sides = {side: summary["counts"][side] for side in ("queries", "candidates")}
    lines = [
        f"{summary['benchmark']}: {sum(sides['queries'].values()):,} queries and"
        f" {sum(sides['candidates'].values()):,} candidates in {len(set().union(*sides.values()))} languages",
        f"  {'':14}{'mAP':>8}{'R@1':>8}{'R@10':>8}   rank distance   worst query languages (mAP)",
    ]
    for setting in metrics.SETTINGS:
        block = summary["metrics"][setting]
        cells = "".join(f"{block[metric]:8.4f}" if metric in block else f"{'-':>8}" for metric in metrics.METRICS)
        distance = f"{block[metrics.RANK_DISTANCE]:,.1f}" if metrics.RANK_DISTANCE in block else ""
        lines.append(f"  {setting.replace('_', '-'):14}{cells}   {distance:>13}   {_worst_languages(summary, setting)}")
    return "\n".join([*lines, *(f"  {line}" for line in _remarks(summary))])


def _worst_languages(summary: dict, setting: str, how_many: int = 4) -> str:
    scores = [
        (blocks[setting]["map"], code)
        for code, blocks in summary["by_query_language"].items()
        if "map" in blocks[setting]
    ]
    return "  ".join(f"{code} {value:.3f}" for value, code in sorted(scores)[:how_many])


def _remarks(summary: dict) -> list[str]:
    """Lines on accuracy of bitext, language bias, queries that do not count and the files."""
    accuracy, lines = summary.get("accuracy@1"), []
    if accuracy:
        lines.append(
            f"accuracy@1 both ways, mean of {len(accuracy['by_pair']):,} language pairs: {accuracy['mean']:.4f};"
            f" worst {accuracy['worst_pair']} {accuracy['worst']:.4f}"
        )
    lines.append(_bias_line(summary))
    if summary["counts"]["queries_without_monolingual"]:
        lines.append(_no_monolingual(summary["counts"]))
    return lines + summary["notes"]


def _bias_line(summary: dict) -> str:
    block, own = summary["metrics"]["multilingual"], summary["top_10_languages"]["own_language"]
    parts = [f"{own['share']:.1%} of the top 10 in the query's language ({own['pool_share']:.1%} of the pool)"]
    if metrics.STRONG_ALIGNMENT in block:
        parts.append(f"strongly aligned queries {block[metrics.STRONG_ALIGNMENT]:.1%}")
    if metrics.SIMILARITY_GAP in block:
        parts.append(f"similarity gap {block[metrics.SIMILARITY_GAP]:+.3f}")
    return f"language bias: {', '.join(parts)}"


def _no_monolingual(counts: dict) -> str:
    """Which queries have no other relevant candidate in their language, so do not count monolingually."""
    missing, queries = counts["queries_without_monolingual"], counts["queries"]
    whole = [code for code, number in missing.items() if number == queries[code]]
    if len(whole) == len(queries):
        return "no monolingual queries: no query has another relevant candidate in its own language"
    parts = [f"{number:,} of {queries[code]:,} in {code}" for code, number in missing.items() if code not in whole]
    if whole:
        parts.insert(0, f"all of {' '.join(whole)}")
    return f"queries without a monolingual pool (nothing else in their language is relevant): {', '.join(parts)}"

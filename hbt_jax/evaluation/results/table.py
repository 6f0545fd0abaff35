"""The printed table of one results.json."""

from collections.abc import Iterator, Sequence

from hbt_jax.evaluation.measures.metrics import (
    CAPPED,
    METRICS,
    ONE_LANGUAGE_MAP,
    PLAIN_RECALLS,
    RANK_DISTANCE,
    SETTINGS,
    SIMILARITY_GAP,
    STRONG_ALIGNMENT,
)

_HEADS = {"map": "mAP", "ndcg@10": "nDCG@10", "recall@100": "R@100"} | {metric: name for name, metric in CAPPED.items()}
_RANKED = (*METRICS, *PLAIN_RECALLS)
_GRADED = ("ndcg@10", "recall@100")  # where not all are ranked


def format_table(summary: dict) -> str:
    """The settings, the worst languages, the language bias and the notes, for a terminal.

    Args:
      summary: content of results.json.  Where its candidates were streamed (`judged` is in its counts) there are
        only monolingual pools, or only cross-lingual ones, and each language or pair of languages has a line.
    """
    is_streamed = "judged" in summary["counts"]
    metrics = _GRADED if is_streamed else _RANKED
    settings = [setting for setting in SETTINGS if summary["metrics"][setting] or not is_streamed]
    beside = "unjudged in top 10" if is_streamed else f"{'rank distance':>13}"
    heads = "".join(f"{_head(metric):>{_width(metric)}}" for metric in metrics)
    lines = [
        _sizes(summary),
        f"  {'':14}{heads}   {beside}   worst query languages ({_head(metrics[0])})",
    ]
    for setting in settings:
        block = summary["metrics"][setting]
        cells = "".join(_cell(block, metric) for metric in metrics)
        aside = f"{_beside(summary, setting):>{len(beside)}}"
        worst = _worst_languages(summary, setting, metrics[0])
        lines.append(f"  {setting.replace('_', '-'):14}{cells}   {aside}   {worst}")
    lines += _language_rows(summary) if is_streamed else _accuracy(summary)
    lines += _chosen(summary, settings)
    lines.append(f"  language bias: {_bias(summary)}")
    lines += [f"  {remark}" for remark in (*_no_monolingual(summary["counts"]), *summary["notes"])]
    return "\n".join([*lines, *layer_probe_lines(summary), *expansion_lines(summary)])


def _head(metric: str) -> str:
    return _HEADS.get(metric, metric)


def _width(metric: str) -> int:
    return max(8, len(_head(metric)) + 2)


def _cell(block: dict, metric: str) -> str:
    return f"{block[metric]:{_width(metric)}.4f}" if metric in block else f"{'-':>{_width(metric)}}"


def _sizes(summary: dict) -> str:
    counts = summary["counts"]
    queries, candidates = counts["queries"], counts["candidates"]
    what, judged = "candidates", ""
    if "judged" in counts:
        what, judged = "passages", f"; {sum(counts['judged'].values()):,} judgements"
    return (
        f"{summary['benchmark']}: {sum(queries.values()):,} queries and {sum(candidates.values()):,} {what} in"
        f" {len({*queries, *candidates})} languages{judged}"
    )


def _beside(summary: dict, setting: str) -> str:
    if "unjudged_in_top_10" in summary:
        return f"{summary['unjudged_in_top_10'][setting]:.1%}"
    block = summary["metrics"][setting]
    return f"{block[RANK_DISTANCE]:,.1f}" if RANK_DISTANCE in block else ""


def _worst_languages(summary: dict, setting: str, metric: str, how_many: int = 4) -> str:
    scores = [
        (blocks[setting][metric], code)
        for code, blocks in summary["by_query_language"].items()
        if metric in blocks[setting]
    ]
    return "  ".join(f"{code} {value:.3f}" for value, code in sorted(scores)[:how_many])


def _language_rows(summary: dict) -> Iterator[str]:
    """The values of each query language; or of each pair, if queries and passages are in different ones."""
    if summary.get("by_pair"):
        yield f"  {'languages':10}{'passages':>21}{'cross-lingual':>14}{'nDCG@10':>9}{'R@100':>8}"
        for pair, block in summary["by_pair"].items():
            passages = summary["counts"]["candidates"][pair.partition("-")[2]]
            cells = "".join(_cell(block, metric) for metric in _GRADED)
            yield f"  {pair:10}{passages:>21,}{'':14}{cells}"
        return
    shown = ("monolingual", "multilingual")
    heads = "".join(f"{name:>14}{'nDCG@10':>9}{'R@100':>8}" for name in shown)
    yield f"  {'language':10}{'queries':>9}{'passages':>12}{heads}"
    for code, blocks in summary["by_query_language"].items():
        cells = "".join(f"{'':14}{''.join(_cell(blocks[setting], metric) for metric in _GRADED)}" for setting in shown)
        queries, passages = (summary["counts"][side][code] for side in ("queries", "candidates"))
        yield f"  {code:10}{queries:>9,}{passages:>12,}{cells}"


def _accuracy(summary: dict) -> Iterator[str]:
    accuracy = summary.get("accuracy@1")
    if accuracy:
        yield (
            f"  accuracy@1 both ways, mean of {len(accuracy['by_pair']):,} language pairs: {accuracy['mean']:.4f};"
            f" worst {accuracy['worst_pair']} {accuracy['worst']:.4f}"
        )


def _chosen(summary: dict, settings: Sequence[str]) -> Iterator[str]:
    """The measures that were asked for, below each other as above."""
    widths = {name: max(8, len(name) + 2) for name in summary["settings"].get("measures", [])}
    if widths:
        yield f"  {'':14}{''.join(f'{name:>{width}}' for name, width in widths.items())}"
    for setting in settings if widths else ():
        block = summary["metrics"][setting]
        cells = (f"{block[m]:>{width}.4f}" if m in block else f"{'-':>{width}}" for m, width in widths.items())
        yield f"  {setting.replace('_', '-'):14}{''.join(cells)}"


def _bias(summary: dict) -> str:
    block, own = summary["metrics"]["multilingual"], summary["top_10_languages"]["own_language"]
    parts = [f"{own['share']:.1%} of the top 10 in the query's language ({own['pool_share']:.1%} of the pool)"]
    if STRONG_ALIGNMENT in block:
        parts.append(f"strongly aligned queries {block[STRONG_ALIGNMENT]:.1%}")
    if ONE_LANGUAGE_MAP in block:
        parts.append(f"one-language mAP {block[ONE_LANGUAGE_MAP]:.4f}")
    if SIMILARITY_GAP in block:
        parts.append(f"similarity gap {block[SIMILARITY_GAP]:+.3f}")
    return ", ".join(parts)


def _no_monolingual(counts: dict) -> Iterator[str]:
    """Which queries have no other relevant candidate in their language, so do not count monolingually."""
    missing, queries = counts.get("queries_without_monolingual", {}), counts["queries"]
    whole = [code for code, number in missing.items() if number == queries[code]]
    parts = [f"{number:,} of {queries[code]:,} in {code}" for code, number in missing.items() if code not in whole]
    if len(whole) == len(queries):
        yield "no monolingual queries: no query has another relevant candidate in its own language"
    elif missing:
        parts = [f"all of {' '.join(whole)}", *parts] if whole else parts
        yield f"queries without a monolingual pool (nothing else in their language is relevant): {', '.join(parts)}"


def layer_probe_lines(summary: dict) -> Iterator[str]:
    """The layer probe at the first, the middle and the last layer."""
    probe = summary.get("layer_probe")
    if probe:
        last, mean = len(probe["layers"]) - 1, probe["mean"]
        shown = ", ".join(
            f"{mean['parallel'][layer]:.3f} / {mean['random'][layer]:.3f} at layer {layer}"
            for layer in sorted({0, last // 2, last})
        )
        left_out = ""
        if probe["left_out"]:
            left_out = f"; left out because they share fewer than 2 of these items: {' '.join(probe['left_out'])}"
        yield f"  layer probe ({probe['items']:,} items): cosine of parallel / random queries {shown}{left_out}"


def expansion_lines(summary: dict) -> Iterator[str]:
    """mAP with and without query expansions, by length and script."""
    effect = summary.get("query_expansion")
    if not effect:
        return
    yield f"  {'mAP of queries with expansions':34}{'setting':16}{'queries':>9}{'without':>10}{'with':>10}"
    blocks = {"all": effect["by_setting"]}
    blocks |= {f"{name} quarter": block for name, block in effect["by_query_length"].items()}
    blocks |= {f"{name} script": {"cross_lingual": cell} for name, cell in effect["by_script"].items()}
    for name, block in blocks.items():
        for setting in effect["by_setting"]:
            if setting in block:
                cell = block[setting]
                yield (
                    f"    {name:32}{setting.replace('_', '-'):16}{cell['queries']:9,}{cell['without']:10.4f}"
                    f"{cell['with']:10.4f}"
                )

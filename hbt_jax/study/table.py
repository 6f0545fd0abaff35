"""The results of a study as Markdown tables: one row a configuration, mean and standard deviation over its seeds."""

import statistics
from collections.abc import Mapping, Sequence

COLUMNS = (  # heading, setting, metric, digits
    ("mono mAP", "monolingual", "map", 3),
    ("cross mAP", "cross_lingual", "map", 3),
    ("multi mAP", "multilingual", "map", 3),
    ("mono R_cap@1", "monolingual", "recall@1", 3),
    ("cross R_cap@1", "cross_lingual", "recall@1", 3),
    ("multi R_cap@1", "multilingual", "recall@1", 3),
    ("rank distance", "multilingual", "rank_distance", 1),
)
OF_STREAMED = (  # for benchmarks whose passages are streamed
    ("mono nDCG@10", "monolingual", "ndcg@10", 3),
    ("multi nDCG@10", "multilingual", "ndcg@10", 3),
    ("mono R@100", "monolingual", "recall@100", 3),
    ("multi R@100", "multilingual", "recall@100", 3),
)


def columns(runs: Mapping[str, Sequence[dict]]) -> list[tuple]:
    """The columns that all results have; bitext, for one, has no monolingual queries.

    Args:
      runs: label -> the metrics of its runs, as in results.json.
    """
    everyone = [metrics for of_label in runs.values() for metrics in of_label]
    shown, streamed = ([column for column in some if _in_all(everyone, column)] for some in (COLUMNS, OF_STREAMED))
    return shown or streamed


def _in_all(everyone: Sequence[dict], column: tuple) -> bool:
    _, setting, metric, _ = column
    return all(metrics.get(setting, {}).get(metric) is not None for metrics in everyone)


def cell(values: Sequence[float], digits: int) -> str:
    """Mean, and sample standard deviation where there are several values."""
    mean = f"{statistics.fmean(values):.{digits}f}"
    return mean if len(values) == 1 else f"{mean} ± {statistics.stdev(values):.{digits}f}"


def rows(runs: Mapping[str, Sequence[dict]]) -> list[list[str]]:
    """Label, number of seeds and cells of each configuration; columns as `columns` gives them."""
    shown = columns(runs)
    return [
        [label, str(len(of_label)), *(cell([each[setting][metric] for each in of_label], digits)
                                      for _, setting, metric, digits in shown)]
        for label, of_label in runs.items()
    ]  # fmt: skip


def table(benchmark: str, runs: Mapping[str, Sequence[dict]]) -> str:
    """The Markdown table of a benchmark."""
    heads = [f"{benchmark}: batches", "seeds", *(heading for heading, *_ in columns(runs))]
    return markdown(heads, rows(runs))


def markdown(heads: Sequence[str], cells: Sequence[Sequence[str]]) -> str:
    """A Markdown table."""
    lines = [f"| {' | '.join(heads)} |", "|---" * len(heads) + "|"]
    return "\n".join([*lines, *(f"| {' | '.join(row)} |" for row in cells)])

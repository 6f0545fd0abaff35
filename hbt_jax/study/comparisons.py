"""Tests each configuration of a study against its baseline, as launch/compare.py does."""

from collections.abc import Callable, Mapping, Sequence

from hbt_jax.config.compare import CompareConfig
from hbt_jax.errors import InputError
from hbt_jax.evaluation.compare import DEFINITIONS, compare_outcomes
from hbt_jax.evaluation.report.names import main_metric
from hbt_jax.evaluation.results.read import Outcome
from hbt_jax.evaluation.statistics.significance import holm
from hbt_jax.study.grid import UNTRAINED
from hbt_jax.study.pairing import Pairing, untrained_label
from hbt_jax.study.runs import StudyRun, benchmark_name

STUDY_DEFINITIONS = DEFINITIONS | {
    "holm": f"{DEFINITIONS['holm']}; over all languages, also over the configurations compared with one baseline",
    "better": f"{DEFINITIONS['better']}; over all languages, by the value that is corrected over configurations",
}


def outcomes(runs: Sequence[StudyRun], benchmark: str) -> dict[str, list[Outcome]]:
    """Label -> what its runs scored on a benchmark; untrained models as `untrained_label` names them.

    Raises:
      InputError: a run has no results.
    """
    found: dict[str, list[Outcome]] = {}
    for run in runs:
        for untrained in (False, True):
            outcome = run.outcome(benchmark, untrained)
            if outcome:
                label = untrained_label(run.variant.label) if untrained else run.variant.label
                found.setdefault(label, []).append(outcome)
            elif not untrained:
                raise InputError(f"{run.workdir} has no results of {benchmark}: run the sweep again")
    return found


def compare_benchmark(
    benchmark: str,
    of_label: Mapping[str, list[Outcome]],
    pairings: Sequence[Pairing],
    samples: int,
    poll: Callable[[], None] = lambda: None,
) -> list[dict]:
    """The comparisons on one benchmark.

    Args:
      benchmark: its name or path.
      of_label: as `outcomes` gives them.
      pairings: what is compared with what.
      samples: draws of the bootstrap and of the randomisation test.
      poll: called often; raises to stop.

    Returns:
      Of each pairing {"a", "b", "baseline", "metric", "confidence", "queries", "items", "languages", "notes",
      "comparisons": as in compare.json}, where the rows over all languages have "p_corrected" too.

    Raises:
      InputError: a file is wrong, or results of untrained models are missing.
    """
    found = []
    for one in pairings:
        if one.other not in of_label:
            raise InputError(f"--baseline={UNTRAINED}: {one.label} has no results of its initial weights on"
                             f" {benchmark}: give --evaluate_untrained from the first run on")  # fmt: skip
        a, b = of_label[one.label], of_label[one.other]
        metric, notes = main_metric(a[0].summary), []
        config = CompareConfig(metric=metric, samples=samples)
        block = compare_outcomes(benchmark_name(benchmark), a, b, config, poll, notes)
        kept = {key: block[key] for key in ("queries", "items", "languages", "comparisons")}
        head = {"a": one.label, "b": UNTRAINED if one.baseline == UNTRAINED else one.other, "baseline": one.baseline}
        found.append(head | {"metric": metric, "confidence": config.confidence, "notes": notes} | kept)
    for baseline in dict.fromkeys(one.baseline for one in pairings):
        _correct([one for one in found if one["baseline"] == baseline])
    return found


def _correct(compared: Sequence[dict]) -> None:
    """Adds Holm's correction over configurations to the rows over all languages, setting by setting, in place."""
    for setting in dict.fromkeys(setting for one in compared for setting in one["comparisons"]):
        blocks = [one["comparisons"][setting] for one in compared if setting in one["comparisons"]]
        rows = [block["overall"]["all"] for block in blocks]
        final = [row["p"] if row["p_runs"] is None else row["p_runs"] for row in rows]
        for one, block, row, p in zip(compared, blocks, rows, holm(final).tolist(), strict=True):
            row["p_corrected"] = p
            decided = p <= 1 - one["confidence"] and row["difference"]
            row["better"] = ("a" if (row["difference"] > 0) == block["higher_is_better"] else "b") if decided else None

"""Reads output folders of launch/eval.py, query by query, and checks that they can be compared."""

import dataclasses
import gzip
import json
import zlib
from collections.abc import Iterator
from pathlib import Path

import numpy as np

from hbt_jax import json_text
from hbt_jax.errors import InputError
from hbt_jax.evaluation.measures.metrics import RANK_DISTANCE, SETTINGS
from hbt_jax.evaluation.results.result import PER_QUERY, RESULTS

COMPARED = (*SETTINGS, RANK_DISTANCE)  # the settings, in the metric asked for, and the rank distance
_CROSS_LINGUAL_METRICS = {False: "map", True: "ndcg@10"}  # by whether candidates are streamed
_MUST_MATCH = ("candidate_text",)  # settings that determine what is ranked
_FREE_DEFINITIONS = ("layer_probe", "robustness")  # of values that are not compared
_SHOWN = 60  # characters of a wrong value that a message repeats
_KEYS = ("id", "item", "language")
AGAIN = "evaluate again with launch/eval.py"


@dataclasses.dataclass(frozen=True)
class Outcome:
    """One benchmark in one output folder.

    Attributes:
      folder: OUT/X.
      summary: the content of its results.json.
    """

    folder: Path
    summary: dict

    def expected(self, compared: str, metric: str) -> float | None:
        """The macro average in results.json; None if it has none."""
        return self.block(compared).get(RANK_DISTANCE if compared == RANK_DISTANCE else metric)

    def block(self, compared: str) -> dict:
        """The macro averages of a setting in results.json, the multilingual one for the rank distance; {} if absent."""
        return self.summary["metrics"].get("multilingual" if compared == RANK_DISTANCE else compared, {})


def read_folder(out: str) -> dict[str, Outcome]:
    """The benchmarks in an output folder of launch/eval.py, by name.

    Raises:
      InputError: there is no such folder, it has no benchmark, or a results.json in it is not one of an evaluation.
    """
    folder = Path(out)
    if not folder.is_dir():
        raise InputError(f"{out}: no such folder: expected an output folder of launch/eval.py")
    found = sorted(entry for entry in folder.iterdir() if (entry / RESULTS).is_file())
    if not found:
        hint = "a finished evaluation writes it"
        if (folder / RESULTS).is_file():
            hint = f"this is the folder of one benchmark: give {folder.parent}"
        raise InputError(f"{out}: no results: expected BENCHMARK/{RESULTS} in it; {hint}")
    return {entry.name: read_outcome(entry) for entry in found}


def read_outcome(folder: Path) -> Outcome:
    """The benchmark in a folder OUT/X; raises InputError if its results.json is not one of an evaluation."""
    return Outcome(folder, _read_summary(folder / RESULTS))


def _read_summary(path: Path) -> dict:
    try:
        summary = json_text.read(path)
    except ValueError as error:
        raise InputError(f"{path}: not JSON ({error}); {AGAIN}") from error
    parts = {"benchmark": str, "model": str, "settings": dict, "counts": dict, "metrics": dict}
    for key, kind in parts.items():
        if not isinstance(summary, dict) or not isinstance(summary.get(key), kind):
            raise InputError(f"{path}: no {key!r} in it: expected the results of an evaluation; {AGAIN}")
    for side in ("queries", "candidates"):
        counts = summary["counts"].get(side)
        if not isinstance(counts, dict) or not all(isinstance(number, int) for number in counts.values()):
            raise InputError(f"{path}: no counts of {side} by language in it; {AGAIN}")
    return summary


def check_alike(first: Outcome, other: Outcome) -> None:
    """Raises InputError naming the difference, unless both ranked the same benchmark with the same definitions."""
    if first.summary["benchmark"] != other.summary["benchmark"]:
        names = [f"{one.folder} is of {one.summary['benchmark']!r}" for one in (first, other)]
        raise InputError(f"{' but '.join(names)}: expected the same benchmark")
    for name in _MUST_MATCH:
        values = [one.summary["settings"].get(name, "not stated") for one in (first, other)]
        if values[0] != values[1]:
            said = [f"{one.folder} has {name} {value!r}" for one, value in zip((first, other), values, strict=True)]
            raise InputError(f"{' but '.join(said)}: scores can be compared only if it is the same; {AGAIN}")
    for side in ("queries", "candidates"):
        counts = [one.summary["counts"][side] for one in (first, other)]
        for code in sorted({*counts[0], *counts[1]}):
            numbers = [each.get(code, 0) for each in counts]
            if numbers[0] != numbers[1]:
                raise InputError(
                    f"{first.folder} has {numbers[0]} {side} in {code!r} but {other.folder} has {numbers[1]}: expected"
                    " evaluations of the same files"
                )
    added = [one.summary["counts"].get("copies", {}).get("added_judgements", 0) for one in (first, other)]
    if added[0] != added[1]:
        raise InputError(
            f"{first.folder} has {added[0]} judgements added for copies but {other.folder} has {added[1]}: expected the"
            " same files, evaluated with one version"
        )
    definitions = [one.summary["settings"].get("definitions", {}) for one in (first, other)]
    for name in sorted({*definitions[0]} & {*definitions[1]} - {*_FREE_DEFINITIONS}):
        if definitions[0][name] != definitions[1][name]:
            raise InputError(
                f"{first.folder} and {other.folder} define {name!r} differently ({definitions[0][name]!r};"
                f" {definitions[1][name]!r}): evaluate both with one version"
            )


@dataclasses.dataclass(frozen=True)
class Scores:
    """The content of one per_query.jsonl.gz.

    Attributes:
      ids, items, languages: of the Q queries.
      values: name in COMPARED -> float64 [Q, P], in each of P pools: one per candidate language in the cross-lingual
        setting, else one; NaN if the query does not count.
    """

    ids: list[str]
    items: list[str]
    languages: list[str]
    values: dict[str, np.ndarray]


def read_scores(outcome: Outcome, metric: str) -> Scores:
    """Reads what each query scored.

    Raises:
      InputError: the file is missing, cut off or damaged, or a line in it is not what an evaluation writes.
    """
    path = outcome.folder / PER_QUERY
    queries = sum(outcome.summary["counts"]["queries"].values())
    place = {code: number for number, code in enumerate(sorted(outcome.summary["counts"]["candidates"]))}
    across = _CROSS_LINGUAL_METRICS["judged" in outcome.summary["counts"]]
    pools = {name: len(place) if name == "cross_lingual" else 1 for name in COMPARED}
    scores = Scores([], [], [], {name: np.full((queries, width), np.nan) for name, width in pools.items()})
    for number, line in _lines(path):
        if number > queries:
            raise InputError(f"{path}:{number}: but {RESULTS} beside it counts only {queries:,} queries; {AGAIN}")
        try:
            for column, key in zip((scores.ids, scores.items, scores.languages), _KEYS, strict=True):
                column.append(_text(line, key))
            for name, pool, value in _values(line, metric, place if metric == across else None):
                scores.values[name][number - 1, pool] = _number(value)
        except ValueError as error:
            raise InputError(f"{path}:{number}: {error}; {AGAIN}") from error
    if len(scores.ids) < queries or not queries:
        raise InputError(f"{path}: {len(scores.ids):,} queries, but {RESULTS} beside it counts {queries:,}; {AGAIN}")
    seen = set()
    for query in scores.ids:
        if query in seen:
            raise InputError(f"{path}: query id {query!r} occurs twice; {AGAIN}")
        seen.add(query)
    return scores


def _refuse(constant: str) -> None:
    raise ValueError(f"{constant} is not a number of JSON")


_DECODER = json.JSONDecoder(parse_constant=_refuse, object_pairs_hook=json_text.once_each)


def _lines(path: Path) -> Iterator[tuple[int, dict]]:
    """Yields number and content of each line of a gzipped JSON-lines file."""
    if not path.is_file():
        raise InputError(f"{path}: no such file, though {RESULTS} is beside it; {AGAIN}")
    number = 0
    try:
        with gzip.open(path, "rt", encoding="utf-8") as file:
            for number, text in enumerate(file, 1):
                line = _DECODER.decode(text)
                if not isinstance(line, dict):
                    raise InputError(f"{path}:{number}: expected one JSON object per line; {AGAIN}")
                yield number, line
    except (EOFError, gzip.BadGzipFile, zlib.error) as error:
        raise InputError(f"{path}: damaged or cut off after line {number} ({error}); {AGAIN}") from error
    except UnicodeDecodeError as error:
        raise InputError(f"{path}: not UTF-8 after line {number}; {AGAIN}") from error
    except (ValueError, RecursionError) as error:
        raise InputError(f"{path}:{number}: not JSON ({json_text.not_json(error, text)}); {AGAIN}") from error


def _text(line: dict, key: str) -> str:
    value = line.get(key)
    if not isinstance(value, str):
        raise ValueError(f"{key!r} is {json_text.shown(value, _SHOWN)}: expected a text")
    return value


def _number(value) -> float:
    if not json_text.is_number(value):
        raise ValueError(f"{json_text.shown(value, _SHOWN)} where a number is expected")
    return value


def _values(line: dict, metric: str, place: dict[str, int] | None) -> Iterator[tuple[str, int, float]]:
    """Yields the name in COMPARED, the pool's number and the value, for each pool in which the line's query counts.

    Args:
      line: of the file.
      metric: of the settings.
      place: candidate language -> number of its pool; None: the file has no cross-lingual values of the metric.
    """
    for key in SETTINGS:
        if not isinstance(line.get(key), dict):
            raise ValueError(f"no {key!r} in it")
    for name, key, wanted in (
        ("monolingual", "monolingual", metric),
        ("multilingual", "multilingual", metric),
        (RANK_DISTANCE, "multilingual", RANK_DISTANCE),
    ):
        if wanted in line[key]:
            yield name, 0, line[key][wanted]
    if place is not None:
        for code, value in line["cross_lingual"].items():
            if code not in place:
                raise ValueError(f"candidate language {code!r} is not among those of {RESULTS}")
            yield "cross_lingual", place[code], value

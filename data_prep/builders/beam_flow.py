"""The steps of builders/flow.py as an Apache Beam pipeline; TensorFlow Datasets runs it and writes its records.

A worker cannot end the build.  So what a source leaves out is collected in a file beside the table, for the process
that started the pipeline.
"""

import itertools
import json
import os
import re
from collections.abc import Callable, Iterable, Iterator, Sequence
from pathlib import Path

import apache_beam as beam
from apache_beam.options.pipeline_options import PipelineOptions, StandardOptions

from data_prep.builders.row import BadRow, Dropped
from hbt_jax.errors import InputError
from hbt_jax.files import utf8

EXAMPLE = "--runner=DirectRunner,--direct_running_mode=multi_processing,--direct_num_workers=2"
# What Beam's DirectRunner falls back to when it cannot download Prism, the runner that it tries first.
_IN_PROCESS = "apache_beam.runners.portability.fn_api_runner.FnApiRunner"
_ROOT = Path(__file__).resolve().parents[2]
_LEFT_OUT = "left_out"
_DROPPED, _BAD_ROW, _WRONG_FILE = "dropped", "bad rows", "wrong files"


def split(records: Callable[[Callable], "BeamFlow"], left_out: Path) -> beam.PTransform:
    """The transform that makes the (key, record) pairs of one split.

    Args:
      records: called with a function that starts a flow; returns the flow of pairs.
      left_out: file to which what the steps leave out is written; see `read_left_out`.
    """

    @beam.ptransform_fn
    def made(pipeline):
        job = _Job(pipeline)
        found = records(job.start)
        job.write_left_out(left_out)
        return found.shared_out().values

    return made()


def read_left_out(path: Path) -> Iterator[BadRow | Dropped]:
    """Yields what the steps left out and removes the file; raises InputError if a whole input file was wrong."""
    found = json.loads(path.read_text(encoding="utf-8"))
    path.unlink()
    for message in found[_WRONG_FILE]:
        raise InputError(message)
    yield from (Dropped(reason, count) for reason, count in found[_DROPPED])
    yield from map(BadRow, found[_BAD_ROW])


def options(given: str) -> PipelineOptions:
    """The options of the pipeline that --beam_options names, such as --runner=DirectRunner,--direct_num_workers=2.

    Workers in other processes import this project from the same place as this process.

    Raises:
      InputError: an option does not begin with -- or is unknown to Beam, or the runner is unknown.
    """
    listed = re.split(r",(?=--)", given)
    for option in listed:
        if not option.startswith("--"):
            raise InputError(f"--beam_options: {option!r}: expected Beam options such as {EXAMPLE}")
    made = PipelineOptions(listed)
    unknown = made.get_all_options(retain_unknown_options=True).keys() - made.get_all_options().keys()
    if unknown:
        raise InputError(
            f"--beam_options: Beam has no option {', '.join(sorted(unknown))}: expected options such as {EXAMPLE}"
        )
    standard = made.view_as(StandardOptions)
    standard.runner = _runner(standard.runner or "DirectRunner")
    paths = [str(_ROOT), *filter(None, [os.environ.get("PYTHONPATH")])]
    os.environ["PYTHONPATH"] = os.pathsep.join(paths)
    return made


def _runner(name: str) -> str:
    if name == "DirectRunner":
        return _IN_PROCESS
    if "." not in name and name not in StandardOptions.KNOWN_RUNNER_NAMES:
        known = " ".join(StandardOptions.KNOWN_RUNNER_NAMES)
        raise InputError(f"--beam_options: unknown runner {name!r}: expected one of {known}, or the path of a class")
    return name


class _Job:
    """The part of a pipeline that makes one split: its root, and what its steps leave out."""

    def __init__(self, pipeline: object):
        self._pipeline = pipeline
        self._left_out: list[beam.PCollection] = []
        self._numbers = itertools.count()

    def label(self, step: str) -> str:
        return f"{step} {next(self._numbers)}"

    def start(self, values: Sequence) -> "BeamFlow":
        made = self._pipeline | self.label("start") >> beam.Create(list(values))
        return BeamFlow(self, made | self.label("share") >> beam.Reshuffle(), few=True)

    def left_out(self, values: beam.PCollection) -> None:
        self._left_out.append(values)

    def write_left_out(self, path: Path) -> None:
        found = tuple(self._left_out) | "left out" >> beam.Flatten()
        kinds = {
            kind: found | f"only {kind}" >> beam.Filter(_is_of, kind) | f"values of {kind}" >> beam.Values()
            for kind in (_DROPPED, _BAD_ROW, _WRONG_FILE)
        }
        kinds[_DROPPED] |= "sums" >> beam.CombinePerKey(sum)
        sides = {kind: beam.pvalue.AsList(values) for kind, values in kinds.items()}
        root = self._pipeline | "write left out" >> beam.Create([str(path)])
        root | "written left out" >> beam.Map(_write, *sides.values())


class BeamFlow:
    """See data_prep/builders/flow.py.

    Args:
      job: the split's part of the pipeline.
      values: the values.
      few: whether they come from only a few files; Beam would then run all later steps on as few workers.
    """

    def __init__(self, job: _Job, values: beam.PCollection, few: bool):
        self._job, self.values, self._few = job, values, few

    def shared_out(self) -> "BeamFlow":
        """The same values, distributed among all workers."""
        if not self._few:
            return self
        return BeamFlow(self._job, self.values | self._job.label("share") >> beam.Reshuffle(), few=False)

    def each(self, function: Callable[..., Iterable], *totals: beam.PCollection) -> "BeamFlow":
        """See data_prep/builders/flow.py."""
        sides = [beam.pvalue.AsSingleton(total) for total in totals]
        made = self.values | self._job.label("each") >> beam.ParDo(_Each(function), *sides).with_outputs(
            _LEFT_OUT, main="values"
        )
        self._job.left_out(made[_LEFT_OUT])
        return BeamFlow(self._job, made["values"], self._few)

    def by_key(self) -> "BeamFlow":
        """See data_prep/builders/flow.py."""
        return BeamFlow(self._job, self.values | self._job.label("by key") >> beam.GroupByKey(), few=False)

    def total(self, merge: Callable[[Iterable], object]) -> beam.PCollection:
        """See data_prep/builders/flow.py."""
        return self.values | self._job.label("total") >> beam.CombineGlobally(merge)

    def done(self) -> None:
        """See data_prep/builders/flow.py: Beam runs every step."""


class _Each(beam.DoFn):
    def __init__(self, function: Callable[..., Iterable]):
        self._function = function

    def process(self, value, *totals):
        try:
            for made in self._function(value, *totals):
                if isinstance(made, Dropped):
                    yield _set_aside(_DROPPED, (made.reason, made.count))
                elif isinstance(made, BadRow):
                    yield _set_aside(_BAD_ROW, str(made))
                else:
                    yield made
        except InputError as error:
            yield _set_aside(_WRONG_FILE, str(error))


def _set_aside(kind: str, value: object) -> beam.pvalue.TaggedOutput:
    return beam.pvalue.TaggedOutput(_LEFT_OUT, (kind, value))


def _is_of(kind_and_value: tuple[str, object], kind: str) -> bool:
    return kind_and_value[0] == kind


def _write(path: str, dropped: list, bad_rows: list, wrong_files: list) -> None:
    found = {
        _DROPPED: sorted(dropped),
        _BAD_ROW: sorted(bad_rows, key=_by_line),
        _WRONG_FILE: sorted(wrong_files),
    }
    Path(path).write_bytes(utf8(json.dumps(found, ensure_ascii=False)))


def _by_line(message: str) -> list[tuple[int, str]]:
    """A key that sorts FILE:9 before FILE:10."""
    return [(int(part), "") if part.isdecimal() else (-1, part) for part in re.split(r"([0-9]+)", message)]

"""What every evaluation of a benchmark has in common: two methods, a context and a model.

    context = make_context(config, mesh, stop, out)
    for evaluator in evaluators:
        evaluator.prepare(context)     # reads and checks everything, before anything costly
    result = evaluator.run(evaluated)  # after training, or between two steps of it: the parameters are an argument

Evaluators keep nothing of a model, so one of them may run many models.  In a job of several processes each of them
prepares and runs the same evaluators in the same order.
"""

import dataclasses
from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple, Protocol

import jax
from jax.sharding import Mesh

from hbt_jax import languages
from hbt_jax.config.evaluation import EvalConfig
from hbt_jax.config.values import WHOLE
from hbt_jax.errors import Interrupted
from hbt_jax.evaluation.measures.metrics import SETTINGS
from hbt_jax.evaluation.processes import Processes
from hbt_jax.evaluation.results.result import Described, Result
from hbt_jax.mesh import any_process
from hbt_jax.models.model import Model

_USUAL_RUNS = ("monolingual", "multilingual")


class ResultFiles(NamedTuple):
    """Where the files of results go, and which TREC runs are among them.

    Attributes:
      out: OUT; the files of a benchmark go to OUT/NAME.
      run_depth: candidates per query in a run; 0 for all.
      run_settings: the settings whose runs are written, of metrics.SETTINGS.
      measures: further measures for the results, see measures/chosen.py.
    """

    out: Path
    run_depth: int = 100
    run_settings: tuple[str, ...] = _USUAL_RUNS
    measures: str = ""


@dataclasses.dataclass(frozen=True)
class EvaluationContext:
    """What evaluators work with.

    Attributes:
      config: how to embed, rank and write.
      mesh: the devices of all processes.
      processes: of this job.
      out: folder of what an evaluator keeps beside the results of a model.
      poll: raises Interrupted on this process, in work that the processes do not do in step.
      poll_together: raises Interrupted on every process at once; every process must call it equally often.
    """

    config: EvalConfig
    mesh: Mesh
    processes: Processes
    out: Path
    poll: Callable[[], None]
    poll_together: Callable[[], None]

    def files(self, out: Path) -> ResultFiles:
        """The files of results in another folder."""
        settings = SETTINGS if self.config.cross_lingual_runs else _USUAL_RUNS
        return ResultFiles(out, self.config.run_depth, settings, self.config.measures)


class StopRequested(Protocol):
    """Tells whether this process was asked to stop, as training/preemption.py's StopRequest does."""

    requested: bool


def make_context(config: EvalConfig, mesh: Mesh, stop: StopRequested, out: str) -> EvaluationContext:
    """The context of an evaluation in this job."""

    def poll_by(agree: Callable[[bool], bool]) -> Callable[[], None]:
        def poll() -> None:
            if agree(stop.requested):
                raise Interrupted(
                    f"during evaluation; finished benchmarks are in {out}; run the command again: it redoes them, and"
                    " resumes a streamed corpus where it stopped"
                )

        return poll

    return EvaluationContext(config, mesh, this_job(), Path(out), poll_by(bool), poll_by(any_process))


def this_job() -> Processes:
    """The processes of this job."""
    return Processes(jax.process_index(), jax.process_count(), any_process)


@dataclasses.dataclass(frozen=True)
class EvaluatedModel:
    """A model to evaluate.

    Attributes:
      model: with its parameters, and the prefixes and lengths to use.
      checkpoint: what the results call the state of its parameters, such as "best" or "untrained".
      out: folder for the files of its results; None: only the metrics are taken, quickly, and nothing is written.
    """

    model: Model
    checkpoint: str
    out: Path | None = None

    def described(self, compute_dtype: str) -> Described:
        """What the results say of it."""
        text = self.model.text
        settings = {
            "checkpoint": self.checkpoint,
            "step": self.model.step,
            "similarity": self.model.similarity,
            "pooling": self.model.pooling,
            "query_prefix": text.query_prefix,
            "passage_prefix": text.passage_prefix,
            "query_length": text.query_length,
            "passage_length": text.passage_length,
            "compute_dtype": compute_dtype,
        }
        if self.model.removed_directions:
            settings["removed_language_directions"] = self.model.removed_directions
        if self.model.truncate_dim:
            settings["truncate_dim"] = self.model.truncate_dim
        if self.model.quantization != WHOLE:
            settings["quantization"] = self.model.quantization
        settings |= languages.under_resourced()
        return Described(self.model.name, settings, {})


class Evaluator(Protocol):
    """Evaluates models on one benchmark."""

    def prepare(self, context: EvaluationContext) -> None:
        """Checks, and reads what is not in memory yet, before anything costly is done.

        Raises:
          InputError: something that the evaluation needs is missing or wrong.
          Interrupted: the context's poll said so.
        """

    def run(self, evaluated: EvaluatedModel | None) -> Result | None:
        """Evaluates a model and writes the files of its result; `prepare` has been called.

        An evaluator of a system that is not a model of this package, such as BM25, needs no model and writes into
        the context's folder.

        Returns:
          The result; None on all processes but the first.

        Raises:
          InputError: the model's vectors are not finite, or a file has changed or is damaged.
          Interrupted: the context's poll said so.
        """

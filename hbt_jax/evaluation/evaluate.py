"""What launch/eval.py does, and launch/train.py after training: evaluates models, prints tables, writes the report."""

import dataclasses
import os
from collections.abc import Mapping, Sequence
from pathlib import Path

import jax
from jax.sharding import Mesh

from hbt_jax import languages
from hbt_jax.bucket.mirror import files_of, publish
from hbt_jax.config.evaluation import EvalConfig
from hbt_jax.config.training import TrainConfig
from hbt_jax.config.values import FUSIONS, WHOLE
from hbt_jax.errors import InputError
from hbt_jax.evaluation.benchmarks.benchmark import Benchmark
from hbt_jax.evaluation.benchmarks.streamed import StreamedBenchmark
from hbt_jax.evaluation.embedding.language_directions import read_language_texts, without_language_directions
from hbt_jax.evaluation.evaluator import EvaluatedModel, EvaluationContext, Evaluator, make_context, this_job
from hbt_jax.evaluation.evaluators import make_evaluators, read_benchmarks
from hbt_jax.evaluation.expanded import EXPANDED
from hbt_jax.evaluation.lexical import LexicalEvaluator
from hbt_jax.evaluation.others.texts import write_texts
from hbt_jax.evaluation.processes import on_first_process
from hbt_jax.evaluation.ranking.bm25 import BM25, NAME, check_installed
from hbt_jax.evaluation.report.page import System, write_report
from hbt_jax.evaluation.results.read import Outcome
from hbt_jax.evaluation.results.result import Result
from hbt_jax.evaluation.statistics.intervals import differences
from hbt_jax.files import check_writable
from hbt_jax.mesh import keep_compiled, make_mesh
from hbt_jax.models.projection import truncated
from hbt_jax.training.load import is_run, load_as_asked
from hbt_jax.training.metrics_log import training_curve
from hbt_jax.training.preemption import StopRequest

UNTRAINED = "untrained"
UNCOMPRESSED = "uncompressed"  # embeddings, where --truncate_dim or --quantization keeps less of them
_RESERVED = (UNTRAINED, UNCOMPRESSED, BM25, EXPANDED, *FUSIONS)  # folders of OUT


def check_benchmarks(config: TrainConfig) -> None:
    """Reads the benchmarks of a run, so that a fault in one is known before training; not what is streamed.

    Raises:
      InputError: a benchmark cannot be read.
    """
    read_benchmarks(_of_run(config), _RESERVED)


def evaluate_workdir(config: TrainConfig, mesh: Mesh, stop: StopRequest) -> None:
    """Evaluates a finished run into WORKDIR/evaluation, with its untrained weights as the baseline when asked to."""
    evaluate_model(_of_run(config), mesh, stop, baseline=config.evaluation.evaluate_untrained)


def _of_run(config: TrainConfig) -> EvalConfig:
    """The evaluation of a run when it has finished."""
    return EvalConfig(
        model=config.run.workdir,
        benchmarks=config.evaluation.benchmarks,
        data_dir=config.evaluation.data_dir,
        out=os.path.join(config.run.workdir, "evaluation"),
        compute_dtype=config.mesh.compute_dtype,
        layer_probe=config.evaluation.layer_probe,
    )


def evaluate_command(config: EvalConfig, stop: StopRequest) -> None:
    """What launch/eval.py does once its flags are checked."""
    keep_compiled(config.compilation_cache_dir)
    devices = jax.devices()
    if config.mesh_data > len(devices):
        raise InputError(f"--mesh_data={config.mesh_data}: there are only {len(devices)} devices; 0 takes all")
    with languages.state_under_resourced(config.under_resourced):
        evaluate_model(config, make_mesh(0, 1, devices[: config.mesh_data or None]), stop)


def evaluate_model(config: EvalConfig, mesh: Mesh, stop: StopRequest, *, baseline: bool = False) -> None:
    """Evaluates one model on every benchmark and writes OUT/X/results.json, OUT/X/runs and OUT/report.html.

    Args:
      config: model, benchmarks and folders.
      mesh: the devices.
      stop: polled between blocks of texts and queries.
      baseline: evaluate the untrained weights too, into OUT/untrained, and show them beside the model.

    Raises:
      InputError: OUT cannot be written, or the model or a benchmark cannot be read; every benchmark is read before
        anything is embedded.
      Interrupted: a signal came; results of benchmarks already done are kept.
    """
    local = dataclasses.replace(config, out=str(files_of(config.out)))
    check_writable(local.out)
    leads = this_job().index == 0
    try:
        _evaluate(local, mesh, stop, baseline)
    finally:  # what is done is kept
        if leads:
            publish(config.out)
    if leads and not config.write_texts:
        print(f"report: {os.path.join(config.out, 'report.html')}")


def _evaluate(config: EvalConfig, mesh: Mesh, stop: StopRequest, baseline: bool) -> None:
    """`evaluate_model` with a local OUT."""
    benchmarks = read_benchmarks(config, _RESERVED)
    if config.write_texts:
        on_first_process(this_job(), lambda: _write_texts(config, benchmarks))
        return
    texts = read_language_texts(config.language_texts) if config.language_texts else {}
    if config.fusion:
        check_installed()
    lexical = [LexicalEvaluator(benchmark) for benchmark in benchmarks] if config.lexical_baseline else []
    evaluators = make_evaluators(config, benchmarks, texts)
    context = make_context(config, mesh, stop, config.out)
    for evaluator in (*lexical, *evaluators):
        evaluator.prepare(context)
    untrained = []
    if baseline:
        out = context.out / UNTRAINED
        untrained = _results(evaluators, _loaded(config, UNTRAINED, context, out, texts), "untrained weights, ")
    uncompressed = []
    if config.truncate_dim or config.quantization != WHOLE:
        whole, out = dataclasses.replace(config, truncate_dim=0, quantization=WHOLE), context.out / UNCOMPRESSED
        evaluated = _loaded(whole, config.checkpoint, context, out, texts)
        uncompressed = _results(evaluators, evaluated, "uncompressed embeddings, ")
    evaluated = None if config.is_other else _loaded(config, config.checkpoint, context, context.out, texts)
    results = _results(evaluators, evaluated, "")
    of_words = _results(lexical, evaluated, f"{NAME}, ")
    if context.processes.index == 0:
        fused = [(f"{how} with {NAME}", [result.fused[how] for result in results], how) for how in config.fusion]
        beside = [
            _system(label, theirs, results, context.out, folder)
            for label, theirs, folder in (
                (UNTRAINED, untrained, UNTRAINED),
                (UNCOMPRESSED, uncompressed, UNCOMPRESSED),
                (NAME, of_words, BM25),
                *fused,
            )
            if theirs
        ]
        write_report(
            os.path.join(config.out, "report.html"),
            [result.json() for result in results],
            training_curve=training_curve(files_of(config.model)) if config.model and is_run(config.model) else None,
            baselines=beside,
            expanded=[result.expanded.json() for result in results if result.expanded],
        )


def _write_texts(config: EvalConfig, benchmarks: Sequence[Benchmark | StreamedBenchmark]) -> None:
    """Writes the texts of benchmarks in memory."""
    for benchmark in benchmarks:
        print(write_texts(Path(config.out), benchmark), flush=True)


def _loaded(
    config: EvalConfig, checkpoint: str, context: EvaluationContext, out: Path, texts: Mapping[str, Sequence[str]]
) -> EvaluatedModel:
    """The model at a checkpoint, with the prefixes and lengths that are asked for; `texts` by language."""
    mesh, poll = context.mesh, context.poll_together
    model = load_as_asked(config, checkpoint, mesh)
    if config.remove_language_directions:
        model = without_language_directions(model, texts, config.remove_language_directions, mesh, poll)
    if config.truncate_dim:
        model = truncated(model, config.truncate_dim)
    if config.quantization != WHOLE:
        name = f"{model.name}, {config.quantization} embeddings"
        model = dataclasses.replace(model, quantization=config.quantization, name=name)
    if jax.process_index() == 0:
        for note in model.lines():
            print(note, flush=True)
    return EvaluatedModel(model, checkpoint if is_run(config.model) else "pretrained", out)


def _results(evaluators: Sequence[Evaluator], evaluated: EvaluatedModel | None, title: str) -> list[Result]:
    """What the evaluators find, printed as it comes; none on the processes that do not rank."""
    results = []
    for evaluator in evaluators:
        result = evaluator.run(evaluated)
        if result is not None:
            results.append(result)
            print(title + result.table(), flush=True)
            for how, fused in result.fused.items():
                print(f"{title}{how} with {NAME}, {fused.table()}", flush=True)
            if result.expanded:
                print(f"{title}with expansions, {result.expanded.table()}", flush=True)
    return results


def _system(label: str, theirs: list[Result], results: list[Result], out: Path, folder: str) -> System:
    """A system evaluated into OUT/FOLDER, with its differences to the model, which was evaluated into OUT."""
    mine, found = {result.benchmark: result.json() for result in results}, {}
    for result in theirs:
        name = result.benchmark
        found[name] = differences(Outcome(out / name, mine[name]), Outcome(out / folder / name, result.json()))
    return System(label, [result.json() for result in theirs], found)

"""What launch/eval.py does, and launch/train.py after training: load, embed, rank, write, print."""

import os
from collections.abc import Callable
from pathlib import Path

import jax
from jax.sharding import Mesh

from hbt_jax.config import EvalConfig, TrainConfig
from hbt_jax.errors import InputError, Interrupted
from hbt_jax.evaluation.benchmarks.streamed import StreamedBenchmark
from hbt_jax.evaluation.embedding.layer_probe import parallel_texts
from hbt_jax.evaluation.embedding.query_expansion import read_expansions
from hbt_jax.evaluation.expanded_run import EXPANDED
from hbt_jax.evaluation.lexical_job import lexical_baseline
from hbt_jax.evaluation.model_job import ModelEvaluation
from hbt_jax.evaluation.options import candidate_text, read_benchmarks, run_settings
from hbt_jax.evaluation.processes import Processes
from hbt_jax.evaluation.ranking.bm25 import BM25, NAME, check_installed
from hbt_jax.evaluation.report.page import System, write_report
from hbt_jax.evaluation.results.read import Outcome
from hbt_jax.evaluation.statistics.intervals import differences
from hbt_jax.evaluation.streamed.evaluate import note_copies, read_corpus
from hbt_jax.files import check_writable
from hbt_jax.mesh import any_process, make_mesh
from hbt_jax.models.model import Model, with_text
from hbt_jax.training.load import is_run, load_model
from hbt_jax.training.meters import training_curve
from hbt_jax.training.preemption import StopRequest

UNTRAINED = "untrained"


def evaluate_run(config: TrainConfig, mesh: Mesh, stop: StopRequest) -> None:
    """Evaluates a finished run into WORKDIR/evaluation, with its untrained weights as the baseline when asked to."""
    given = EvalConfig(
        model=config.run.workdir,
        benchmarks=config.run.benchmarks,
        data_dir=config.run.data_dir,
        out=str(Path(config.run.workdir) / "evaluation"),
        compute_dtype=config.run.compute_dtype,
        layer_probe=config.run.layer_probe,
    )
    run_evaluation(given, mesh, stop, baseline=config.run.evaluate_untrained)


def evaluate_command(config: EvalConfig, stop: StopRequest) -> None:
    """What launch/eval.py does once its flags are checked."""
    devices = jax.devices()
    if config.mesh_data > len(devices):
        raise InputError(f"--mesh_data={config.mesh_data}: there are only {len(devices)} devices; 0 takes all")
    run_evaluation(config, make_mesh(0, 1, devices[: config.mesh_data or None]), stop)


def run_evaluation(config: EvalConfig, mesh: Mesh, stop: StopRequest, *, baseline: bool = False) -> None:
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
    check_writable(config.out)
    benchmarks = read_benchmarks(config, reserved=(UNTRAINED, BM25, EXPANDED))
    if config.lexical_baseline:
        check_installed()
    probed = {}
    if config.layer_probe:
        probed = {benchmark.name: parallel_texts(benchmark, config.layer_probe) for benchmark in benchmarks}
    expansions = read_expansions(config.query_expansions, benchmarks) if config.query_expansions else {}
    processes = Processes(jax.process_index(), jax.process_count(), any_process)
    inventories = {
        benchmark.name: read_corpus(benchmark, config.out, processes, _poll(stop, config.out, bool))
        for benchmark in benchmarks
        if isinstance(benchmark, StreamedBenchmark)
    }
    benchmarks = [
        note_copies(benchmark, config.out, processes, _poll(stop, config.out, bool))
        if benchmark.name in inventories
        else benchmark
        for benchmark in benchmarks
    ]
    evaluation = ModelEvaluation(
        config,
        mesh,
        processes,
        probed,
        inventories,
        expansions,
        poll_together=_poll(stop, config.out, any_process),
        poll_alone=_poll(stop, config.out, bool),
    )
    untrained = []
    if baseline:
        folder = Path(config.out) / UNTRAINED
        untrained = evaluation.all(
            benchmarks, *_loaded(config, UNTRAINED, mesh), folder, title="untrained weights, "
        ).results
    results, expanded = evaluation.all(
        benchmarks, *_loaded(config, config.checkpoint, mesh), Path(config.out), title=""
    )
    lexical = []
    if config.lexical_baseline:
        lexical = lexical_baseline(
            benchmarks,
            [candidate_text(config, benchmark) for benchmark in benchmarks],
            processes,
            out_dir=os.path.join(config.out, BM25),
            run_depth=config.run_depth,
            run_settings=run_settings(config),
            poll=_poll(stop, config.out, bool),
        )
    if jax.process_index() == 0:
        report = os.path.join(config.out, "report.html")
        beside = [
            _system(label, theirs, results, Path(config.out), folder)
            for label, theirs, folder in ((UNTRAINED, untrained, UNTRAINED), (NAME, lexical, BM25))
            if theirs
        ]
        write_report(
            report,
            results,
            training_curve=_curve(config.model),
            baselines=beside,
            expanded=expanded,
        )
        print(f"report: {report}")


def _loaded(config: EvalConfig, checkpoint: str, mesh: Mesh) -> tuple[Model, str]:
    """The model at a checkpoint, as it embeds here, and what the results call the checkpoint."""
    model = load_model(
        config.model, checkpoint, mesh, config.compute_dtype, pooling=config.pooling, normalize=config.normalize
    )
    model = with_text(model, config.query_prefix, config.passage_prefix, config.max_length)
    if jax.process_index() == 0:
        for note in model.lines():
            print(note, flush=True)
    return model, checkpoint if is_run(config.model) else "pretrained"


def _poll(stop: StopRequest, out: str, agree: Callable[[bool], bool]) -> Callable[[], None]:
    """Raises Interrupted where `agree`, asked about this process's stop request, says so."""

    def poll() -> None:
        if agree(stop.requested):
            raise Interrupted(
                f"during evaluation; finished benchmarks are in {out}; repeat the command: it does them again, and"
                " goes on in a corpus where it stopped"
            )

    return poll


def _system(label: str, theirs: list[dict], results: list[dict], out: Path, folder: str) -> System:
    """A system evaluated into OUT/FOLDER, with its differences to the model, which was evaluated into OUT."""
    mine = {summary["benchmark"]: summary for summary in results}
    found = {}
    for summary in theirs:
        name = summary["benchmark"]
        found[name] = differences(Outcome(out / name, mine[name]), Outcome(out / folder / name, summary))
    return System(label, theirs, found)


def _curve(model: str):
    return training_curve(Path(model)) if is_run(model) else None

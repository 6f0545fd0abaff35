"""What launch/eval.py does, and launch/train.py after training: load, embed, rank, write, print."""

import os
from collections.abc import Callable
from pathlib import Path

import jax
import numpy as np
from jax.sharding import Mesh

from hbt_jax.config import EvalConfig, TrainConfig
from hbt_jax.data.packing import text_format
from hbt_jax.errors import InputError, Interrupted
from hbt_jax.evaluation.benchmarks import WITH_CONTEXT, load_benchmark
from hbt_jax.evaluation.benchmarks.benchmark import Benchmark, Texts
from hbt_jax.evaluation.benchmarks.streamed import StreamedBenchmark
from hbt_jax.evaluation.embed import Embedder
from hbt_jax.evaluation.inventory import Found
from hbt_jax.evaluation.layer_probe import ParallelTexts, format_probe, parallel_texts, probe_layers
from hbt_jax.evaluation.metrics import SETTINGS
from hbt_jax.evaluation.report import write_report
from hbt_jax.evaluation.run import evaluate, format_table
from hbt_jax.evaluation.sharing import Processes
from hbt_jax.evaluation.streamed_job import evaluate_streamed, read_corpus
from hbt_jax.evaluation.streamed_results import format_table as format_streamed_table
from hbt_jax.evaluation.token_counts import TokenCounts
from hbt_jax.mesh import any_process, make_mesh
from hbt_jax.models.model import Model, with_text
from hbt_jax.training.load import is_run, load_model
from hbt_jax.training.meters import training_curve
from hbt_jax.training.preemption import StopRequest

UNTRAINED = "untrained"
_USUAL_RUNS = ("monolingual", "multilingual")


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
      InputError: the model or a benchmark cannot be read; every benchmark is read before anything is embedded.
      Interrupted: a signal came; results of benchmarks already done are kept.
    """
    benchmarks = [
        load_benchmark(
            name,
            config.data_dir,
            candidate_text=config.candidate_text,
            miracl_languages=config.miracl_languages,
        )
        for name in config.benchmarks
    ]
    names = [benchmark.name for benchmark in benchmarks]
    if len(set(names)) < len(names):
        raise InputError(f"--benchmarks={','.join(config.benchmarks)}: two have the same name, and so the same results")
    probed = {}
    if config.layer_probe:
        probed = {benchmark.name: parallel_texts(benchmark, config.layer_probe) for benchmark in benchmarks}
    processes = Processes(jax.process_index(), jax.process_count(), any_process)
    inventories = {
        benchmark.name: read_corpus(benchmark, config.out, processes, _poll(stop, config.out, bool))
        for benchmark in benchmarks
        if isinstance(benchmark, StreamedBenchmark)
    }
    evaluated = _Evaluation(config, mesh, stop, processes, probed, inventories)
    untrained = []
    if baseline:
        untrained = evaluated.all(benchmarks, UNTRAINED, Path(config.out) / UNTRAINED, title="untrained weights, ")
    results = evaluated.all(benchmarks, config.checkpoint, Path(config.out), title="")
    if jax.process_index() == 0:
        report = os.path.join(config.out, "report.html")
        write_report(report, results, training_curve=_curve(config.model), baseline=untrained or None)
        print(f"report: {report}")


def _curve(model: str):
    return training_curve(Path(model)) if is_run(model) else None


def _poll(stop: StopRequest, out: str, agree: Callable[[bool], bool]) -> Callable[[], None]:
    """Raises Interrupted where `agree`, asked about this process's stop request, says so."""

    def poll() -> None:
        if agree(stop.requested):
            raise Interrupted(f"during evaluation; finished benchmarks are in {out}; repeat the command for the rest")

    return poll


def _embedded(embedder: Embedder, side: Texts, name: str) -> tuple[np.ndarray, dict]:
    """The vectors of one side of a benchmark, and how the texts of each language fared with the tokenizer."""
    model = embedder.model
    counts = TokenCounts(model.tokenizer.unk_id, text_format(model.text, model.tokenizer, name).room)
    vectors = embedder(side.texts, name, tokenised=counts.watch(side.languages, side.texts))
    return vectors, counts.rates()


class _Evaluation:
    """Embeds and ranks benchmarks with the checkpoints of one model."""

    def __init__(
        self,
        config: EvalConfig,
        mesh: Mesh,
        stop: StopRequest,
        processes: Processes,
        probed: dict[str, ParallelTexts],
        inventories: dict[str, dict[str, Found]],
    ):
        self._config, self._mesh, self._processes = config, mesh, processes
        self._probed, self._inventories = probed, inventories
        self._poll_together = _poll(stop, config.out, any_process)
        self._poll_alone = _poll(stop, config.out, bool)

    def all(
        self, benchmarks: list[Benchmark | StreamedBenchmark], checkpoint: str, out: Path, title: str
    ) -> list[dict]:
        """Results of one checkpoint on every benchmark, printed as they come."""
        config = self._config
        model = load_model(
            config.model,
            checkpoint,
            self._mesh,
            config.compute_dtype,
            pooling=config.pooling,
            normalize=config.normalize,
        )
        model = with_text(model, config.query_prefix, config.passage_prefix, config.max_length)
        if jax.process_index() == 0:
            for note in model.notes:
                print(note, flush=True)
        results = []
        for benchmark in benchmarks:
            streamed = isinstance(benchmark, StreamedBenchmark)
            result = (self._streamed if streamed else self._one)(benchmark, model, checkpoint, str(out))
            if result is not None:
                results.append(result)
                print(title + (format_streamed_table if streamed else format_table)(result), flush=True)
                if "layer_probe" in result:
                    print(format_probe(result["layer_probe"]), flush=True)
        return results

    def _one(self, benchmark: Benchmark, model: Model, checkpoint: str, out: str) -> dict | None:
        """Every process embeds and probes; the first one ranks and writes, the others wait for it and return None."""
        leader, interrupted, result = jax.process_index() == 0, None, None
        embedder = Embedder(
            model, self._mesh, texts_per_device=self._config.eval_batch, poll=self._poll_together, shown=leader
        )
        query_QD, query_rates = _embedded(embedder, benchmark.queries, "query")
        candidate_ND, candidate_rates = _embedded(embedder, benchmark.candidates, "passage")
        tokens = {"queries": query_rates, "candidates": candidate_rates}
        probe = self._probe(benchmark.name, model, leader)
        if leader:
            try:
                counts = {"truncated_texts": embedder.truncated}
                result = self._ranked(benchmark, query_QD, candidate_ND, probe, tokens, counts, model, checkpoint, out)
            except Interrupted as error:
                interrupted = error
        if any_process(interrupted is not None):
            raise interrupted or Interrupted("during evaluation, with the process that ranks")
        return result

    def _streamed(self, benchmark: StreamedBenchmark, model: Model, checkpoint: str, out: str) -> dict | None:
        """Every process embeds and searches its share of the corpus; the first one merges, the others return None."""
        return evaluate_streamed(
            benchmark,
            self._inventories[benchmark.name],
            model,
            self._mesh,
            self._processes,
            out_dir=out,
            settings=self._settings(model, checkpoint),
            texts_per_device=self._config.eval_batch,
            block=self._config.corpus_block,
            run_depth=self._config.run_depth,
            poll=self._poll_alone,
        )

    def _settings(self, model: Model, checkpoint: str) -> dict:
        """How texts are prepared and embedded, for results.json."""
        text = model.text
        return {
            "checkpoint": checkpoint if is_run(self._config.model) else "pretrained",
            "step": model.step,
            "similarity": "cosine" if model.normalize else "dot product",
            "pooling": model.pooling,
            "query_prefix": text.query_prefix,
            "passage_prefix": text.passage_prefix,
            "query_length": text.query_length,
            "passage_length": text.passage_length,
            "compute_dtype": self._config.compute_dtype,
        }

    def _probe(self, name: str, model: Model, shown: bool) -> dict | None:
        """What the layer probe finds on a benchmark's queries; None where it is not asked for."""
        if name not in self._probed:
            return None
        return probe_layers(
            self._probed[name],
            model,
            self._mesh,
            texts_per_device=self._config.eval_batch,
            poll=self._poll_together,
            shown=shown,
        )

    def _ranked(
        self,
        benchmark,
        query_QD,
        candidate_ND,
        probe: dict | None,
        tokens: dict,
        counts: dict,
        model: Model,
        checkpoint: str,
        out: str,
    ) -> dict:
        config, settings = self._config, self._settings(model, checkpoint)
        if benchmark.name in WITH_CONTEXT:
            settings["candidate_text"] = config.candidate_text
        return evaluate(
            benchmark,
            query_QD,
            candidate_ND,
            out_dir=out,
            model_name=model.name,
            settings=settings,
            counts=counts,
            layer_probe=probe,
            tokens=tokens,
            run_depth=config.run_depth,
            run_settings=SETTINGS if config.cross_lingual_runs else _USUAL_RUNS,
            poll=self._poll_alone,
        )

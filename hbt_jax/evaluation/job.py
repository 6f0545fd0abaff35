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
from hbt_jax.evaluation.expanded_run import EXPANDED, ExpandedRun, format_effect
from hbt_jax.evaluation.intervals import differences
from hbt_jax.evaluation.inventory import Found
from hbt_jax.evaluation.layer_probe import ParallelTexts, format_probe, parallel_texts, probe_layers
from hbt_jax.evaluation.lexical import BM25, NAME, check_installed
from hbt_jax.evaluation.lexical_job import lexical_baseline
from hbt_jax.evaluation.metrics import SETTINGS
from hbt_jax.evaluation.outcomes import Outcome
from hbt_jax.evaluation.query_expansion import Expansions, read_expansions
from hbt_jax.evaluation.report import System, write_report
from hbt_jax.evaluation.run import evaluate, format_table
from hbt_jax.evaluation.sharing import Processes
from hbt_jax.evaluation.streamed_job import evaluate_streamed, read_corpus
from hbt_jax.evaluation.streamed_results import format_table as format_streamed_table
from hbt_jax.evaluation.token_counts import TokenCounts
from hbt_jax.files import check_writable
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
      InputError: OUT cannot be written, or the model or a benchmark cannot be read; every benchmark is read before
        anything is embedded.
      Interrupted: a signal came; results of benchmarks already done are kept.
    """
    check_writable(config.out)
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
    for name in sorted({*names} & {UNTRAINED, BM25, EXPANDED}):
        raise InputError(f"--benchmarks: {config.out}/{name} is for other results: rename the folder of this benchmark")
    _check_streamed(config, benchmarks)
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
    evaluated = _Evaluation(config, mesh, stop, processes, probed, inventories, expansions)
    untrained = []
    if baseline:
        untrained = evaluated.all(benchmarks, UNTRAINED, Path(config.out) / UNTRAINED, title="untrained weights, ")
    results = evaluated.all(benchmarks, config.checkpoint, Path(config.out), title="")
    lexical = []
    if config.lexical_baseline:
        lexical = lexical_baseline(
            benchmarks,
            [_candidate_text(config, benchmark) for benchmark in benchmarks],
            out_dir=os.path.join(config.out, BM25),
            run_depth=config.run_depth,
            run_settings=_run_settings(config),
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
            expanded=evaluated.expanded_results,
        )
        print(f"report: {report}")


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


def _check_streamed(config: EvalConfig, benchmarks: list[Benchmark | StreamedBenchmark]) -> None:
    """Raises InputError where an option needs all candidates of a benchmark in memory and they are not."""
    given = {"lexical_baseline": config.lexical_baseline, "query_expansions": config.query_expansions}
    for benchmark in benchmarks:
        for flag, value in given.items():
            if value and isinstance(benchmark, StreamedBenchmark):
                raise InputError(
                    f"--{flag} is not for {benchmark.name}, whose passages are read as a stream: leave {flag} out, or"
                    f" {benchmark.name}"
                )


def _run_settings(config: EvalConfig) -> tuple[str, ...]:
    return SETTINGS if config.cross_lingual_runs else _USUAL_RUNS


def _candidate_text(config: EvalConfig, benchmark: Benchmark) -> dict[str, str]:
    """The setting that says what is ranked of a candidate, of benchmarks that have a choice."""
    return {"candidate_text": config.candidate_text} if benchmark.name in WITH_CONTEXT else {}


def _poll(stop: StopRequest, out: str, agree: Callable[[bool], bool]) -> Callable[[], None]:
    """Raises Interrupted where `agree`, asked about this process's stop request, says so."""

    def poll() -> None:
        if agree(stop.requested):
            raise Interrupted(
                f"during evaluation; finished benchmarks are in {out}; repeat the command: it does them again, and"
                " goes on in a corpus where it stopped"
            )

    return poll


def _embedded(embedder: Embedder, side: Texts, name: str) -> tuple[np.ndarray, dict]:
    """The vectors of one side of a benchmark, and how the texts of each language fared with the tokenizer."""
    model = embedder.model
    counts = TokenCounts(model.tokenizer.unk_id, text_format(model.text, model.tokenizer, name).room)
    vectors = embedder(side.texts, name, tokenised=counts.watch(side.languages, side.texts))
    return vectors, counts.rates()


class _Evaluation:
    """Embeds and ranks benchmarks with the checkpoints of one model.

    Attributes:
      expanded_results: results with query expansions of the benchmarks evaluated so far, on the process that ranks.
    """

    def __init__(
        self,
        config: EvalConfig,
        mesh: Mesh,
        stop: StopRequest,
        processes: Processes,
        probed: dict[str, ParallelTexts],
        inventories: dict[str, dict[str, Found]],
        expansions: dict[str, Expansions],
    ):
        self._config, self._mesh, self._processes = config, mesh, processes
        self._probed, self._inventories, self._expansions = probed, inventories, expansions
        self.expanded_results: list[dict] = []
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
                if self._expansions:
                    print(f"with expansions, {format_table(self.expanded_results[-1])}", flush=True)
                    print(format_effect(self.expanded_results[-1]), flush=True)
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
        counts = {"truncated_texts": embedder.truncated}
        expanded = None
        if self._expansions:
            expansions = self._expansions[benchmark.name]
            combination = self._config.expansion_combination
            expanded = ExpandedRun.embedded(benchmark, expansions, combination, embedder, query_QD)
        probe = self._probe(benchmark.name, model, leader)
        if leader:
            try:
                result = self._ranked(benchmark, query_QD, candidate_ND, probe, tokens, counts, model, checkpoint, out)
                if expanded is not None:
                    found = self._ranked(
                        expanded.benchmark,
                        expanded.query_QD,
                        candidate_ND,
                        None,
                        None,
                        counts | expanded.counts,
                        model,
                        checkpoint,
                        os.path.join(out, EXPANDED),
                        expanded.settings,
                    )
                    self.expanded_results.append(expanded.with_effect(result, found, out))
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
        tokens: dict | None,
        counts: dict,
        model: Model,
        checkpoint: str,
        out: str,
        further_settings: dict | None = None,
    ) -> dict:
        config, settings = self._config, self._settings(model, checkpoint)
        settings |= _candidate_text(config, benchmark) | (further_settings or {})
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
            run_settings=_run_settings(config),
            poll=self._poll_alone,
        )

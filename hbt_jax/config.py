"""Everything a run can be told, as frozen dataclasses; `hbt_jax/flags.py` makes one flag of each field.

A field's help states its unit; its limits are checked when a configuration is made, so an impossible value ends the
run before any model is loaded.  The rest of the package takes plain values or one of these dataclasses, never flags.
"""

import dataclasses
import re
from typing import Any

from hbt_jax.errors import InputError

BATCHINGS = ("hybrid", "x-x-mono", "x-x", "x-y")
POOLINGS = ("mean", "cls")
SCHEDULES = ("linear", "cosine", "constant")
DTYPES = ("float32", "bfloat16")
REMATS = ("none", "dots", "full")
RESUMES = ("auto", "never", "must")
CANDIDATE_TEXTS = ("sentence", "sentence+context")
CONCAT, MEAN_EMBEDDING = "concat", "mean-embedding"
EXPANSION_COMBINATIONS = (CONCAT, MEAN_EMBEDDING)
OF_MODEL = "model"  # the value of an option that is left to the model it starts from or evaluates
SWITCHES = (OF_MODEL, "true", "false")
_IN_A_FLAGFILE = ', which a line of a flag file keeps inside quotes, --query_prefix="query: "'
VALIDATION_LOSS = "validation_loss"  # the value of --best_metric that is no metric of a dev benchmark
SHORTEST = 4  # tokens that a longest text has at least: prefix, specials and something of the text


def option(
    default: Any,
    text: str,
    *,
    choices=None,
    minimum=None,
    above=None,
    maximum=None,
    remote: bool = False,
    spaces_count: bool = False,
) -> Any:
    """A dataclass field that `hbt_jax/flags.py` can turn into a flag.

    Args:
      default: the default value; its type is the flag's type (tuples are comma-separated lists).
      text: the flag's help, with the unit.
      choices: the allowed values, for an enumeration.
      minimum, maximum: inclusive limits of a number.
      above: exclusive lower limit of a number.
      remote: whether it takes places with a scheme, such as gs://BUCKET/FOLDER; refused of all others.
      spaces_count: whether spaces at the ends of a text mean something, so that none is dropped in silence.
    """
    limits = {"choices": choices, "minimum": minimum, "above": above, "maximum": maximum}
    kinds = {"remote": remote, "spaces_count": spaces_count}
    return dataclasses.field(default=default, metadata={"help": text, **kinds, **limits})


def check_limits(config: Any) -> None:
    """Raises InputError, naming the flag, for the first field of `config` outside its limits."""
    for field in dataclasses.fields(config):
        value, limits = getattr(config, field.name), field.metadata
        problem = None
        if limits["choices"] is not None and value not in limits["choices"]:
            problem = f"one of {', '.join(limits['choices'])}"
        elif limits["minimum"] is not None and not value >= limits["minimum"]:
            problem = f"at least {limits['minimum']}"
        elif limits["above"] is not None and not value > limits["above"]:
            problem = f"more than {limits['above']}"
        elif limits["maximum"] is not None and not value <= limits["maximum"]:
            problem = f"at most {limits['maximum']}"
        if problem:
            raise InputError(f"--{field.name}={value}: expected {problem}")


def _layer_probe() -> Any:
    """The option that training and evaluation share."""
    return option(
        0,
        "items whose queries are compared over languages after every layer, chosen evenly (arXiv 2506.15415); 0: none",
        minimum=0,
    )


def _check_layer_probe(items: int) -> None:
    if items == 1:
        raise InputError("--layer_probe=1: one item has no random pairs: expected 2 or more, or 0 for no probe")


@dataclasses.dataclass(frozen=True)
class TextConfig:
    """How a text becomes tokens, the same in training and evaluation."""

    query_prefix: str = option(
        OF_MODEL,
        f"text put before every query, most often ending in a space{_IN_A_FLAGFILE}; `model`: the prompt in the files"
        " of a pretrained --model, 'query: ' for an encoder without such files",
        spaces_count=True,
    )
    passage_prefix: str = option(
        OF_MODEL,
        "text put before every passage, likewise; `model` without such files: 'passage: '",
        spaces_count=True,
    )
    query_length: int = option(
        32, "longest query, in tokens with prefix and specials; the rest is cut", minimum=SHORTEST
    )
    passage_length: int = option(
        128, "longest passage, in tokens with prefix and specials; the rest is cut", minimum=SHORTEST
    )
    row_length: int = option(
        0, "tokens of a packed row; 0: the larger of --query_length and --passage_length", minimum=0
    )
    row_segments: int = option(0, "texts a packed row holds at most; 0: row length / 8, at least 1", minimum=0)

    def __post_init__(self):
        check_limits(self)
        if self.row_length and self.row_length < self.longest:
            raise InputError(
                f"--row_length={self.row_length} is shorter than the longest text"
                f" (--query_length={self.query_length}, --passage_length={self.passage_length}): raise it, or set 0"
            )

    @property
    def longest(self) -> int:
        """Tokens of the longest text on either side."""
        return max(self.query_length, self.passage_length)

    @property
    def row_tokens(self) -> int:
        """L: tokens of a packed row."""
        return self.row_length or self.longest

    @property
    def segments(self) -> int:
        """S: texts a packed row can hold at most."""
        return self.row_segments or max(1, self.row_tokens // 8)


@dataclasses.dataclass(frozen=True)
class PlanConfig:
    """Which texts and languages make a batch (hbt_jax/data/plan.py)."""

    stores: tuple = option(
        (),
        "training stores written by data_prep/build_store.py, folders or gs://BUCKET/FOLDER, comma-separated",
        remote=True,
    )
    batching: str = option("hybrid", "batch kind: hybrid, x-x-mono, x-x or x-y (arXiv 2408.10536)", choices=BATCHINGS)
    mono_probability: float = option(
        0.5, "alpha of hybrid batching: probability that a batch is x-x-mono", minimum=0.0, maximum=1.0
    )
    size_exponent: float = option(
        1.0, "a store is drawn in proportion to its number of pairs to this power", minimum=0.0, maximum=2.0
    )
    global_batch: int = option(128, "pairs of one step over all devices", minimum=2)
    negatives: int = option(0, "explicit negative passages per query, where a store has them", minimum=0)

    def __post_init__(self):
        check_limits(self)


@dataclasses.dataclass(frozen=True)
class ModelConfig:
    """Which encoder is trained."""

    model: str = option(
        "tiny",
        "encoder to start from: a preset with random weights, tiny (2 layers x 128) or small (6 layers x 384); or the"
        " folder or hub id of a pretrained BERT-family encoder in Hugging Face's layout",
    )
    tokenizer: str = option(
        "", "folder or file of a preset's tokenizer; empty: that of the first store; a pretrained --model has its own"
    )
    pooling: str = option(
        OF_MODEL,
        "how token vectors become one: mean over the text, or cls, its first token; `model`: as the files of a"
        " pretrained --model say, else mean",
        choices=(OF_MODEL, *POOLINGS),
    )
    normalize: str = option(
        OF_MODEL,
        "scale embeddings to unit length, so that scores are cosines; `model`: as the files of a pretrained --model"
        " say, else true",
        choices=SWITCHES,
    )
    dropout: float = option(
        0.1, "dropout rate of embeddings, attention output and feed-forward output", minimum=0.0, maximum=0.9
    )
    freeze: tuple = option(
        (),
        "parts that are not trained, comma-separated: embeddings, tokens (their table alone), layers:3, layers:0-5,"
        " dense",
    )
    lora_rank: int = option(
        0, "rank of low-rank adapters, which are then all that trains (arXiv 2106.09685); 0: none", minimum=0
    )
    lora_alpha: float = option(16.0, "an adapter's output is multiplied by alpha / rank", above=0.0)
    lora_layers: tuple = option((), "layers with adapters, such as 0-2 or 0-2,5; empty: all")
    lora_targets: tuple = option(
        ("query", "value"),
        "products with adapters: query, key, value, attention_output, expand (feed-forward, in), contract (out)",
    )

    def __post_init__(self):
        check_limits(self)
        for field in dataclasses.fields(self):
            value = getattr(self, field.name)
            if not self.lora_rank and field.name.startswith("lora_") and value != field.default:
                shown = ",".join(value) if isinstance(value, tuple) else value
                raise InputError(f"--{field.name}={shown} needs --lora_rank, the rank of the adapters")


@dataclasses.dataclass(frozen=True)
class LearningConfig:
    """Loss and optimizer."""

    temperature: float = option(0.02, "cosines are divided by this before the softmax", above=0.0)
    symmetric: bool = option(False, "add the loss of passages against queries, at equal weight")
    learning_rate: float = option(3e-5, "peak learning rate of AdamW", above=0.0)
    weight_decay: float = option(
        1e-2, "AdamW weight decay of matrices (none on biases, norms and embeddings' norms)", minimum=0.0
    )
    warmup_steps: int = option(0, "steps of linear warm-up from zero", minimum=0)
    schedule: str = option(
        "linear", "learning rate after warm-up: linear or cosine to zero, or constant", choices=SCHEDULES
    )
    clip_norm: float = option(1.0, "gradients are scaled to at most this global norm; 0: not clipped", minimum=0.0)

    def __post_init__(self):
        check_limits(self)


@dataclasses.dataclass(frozen=True)
class MemoryConfig:
    """What memory and time an update takes; none of it changes what is learnt, but for rounding."""

    encode_chunk: int = option(
        0, "packed rows a device encodes at a time, and again for their gradient; 0: all of its rows, once", minimum=0
    )
    loss_tile: int = option(
        0,
        "passages whose scores are computed at a time, and again for their gradient; 0: all at once up to 2^26 scores a"
        " device, in tiles of 2^22 numbers above that",
        minimum=0,
    )
    remat: str = option(
        "none",
        "results of an encoder layer that are computed again for its gradient: none, dots (all but matrix products with"
        " parameters) or full",
        choices=REMATS,
    )
    scan_layers: bool | None = option(
        None, "compile one encoder layer and loop over all; unset: on TPU and GPU, but not on CPU"
    )
    split_optimizer: bool = option(
        True, "split optimizer state over all devices, even where they hold parameters whole (ZeRO-1)"
    )

    def __post_init__(self):
        check_limits(self)


@dataclasses.dataclass(frozen=True)
class RunConfig:
    """Where a run lives and how long it goes on."""

    workdir: str = option("", "folder of this run: configuration, checkpoints, metrics and evaluation")
    steps: int = option(1000, "updates to apply in all", minimum=1)
    seed: int = option(0, "seed of the batch plan, the initial weights and dropout", minimum=0, maximum=2**31 - 1)
    resume: str = option(
        "auto", "auto: continue a run found in --workdir; never: refuse to; must: fail without one", choices=RESUMES
    )
    mesh_data: int = option(
        0, "mesh axis `data`: devices over which batches alone are split; 0: all that remain", minimum=0
    )
    mesh_fsdp: int = option(1, "mesh axis `fsdp`: devices over which batches and parameters are split", minimum=1)
    compute_dtype: str = option("float32", "dtype of matrix products in the encoder", choices=DTYPES)
    log_every: int = option(20, "steps between two written rows of metrics", minimum=1)
    validate_every: int = option(0, "steps between two validations; 0: at the end only", minimum=0)
    validation_stores: tuple = option(
        (), "stores, likewise, whose loss picks the best checkpoint; empty: the last step is kept", remote=True
    )
    store_cache: str = option(
        "",
        "folder of this machine that stores at gs://BUCKET/FOLDER are copied to, once; empty: hbt_jax/stores in"
        " $XDG_CACHE_HOME or ~/.cache",
    )
    validation_batches: int = option(
        8, "batches of one validation, shared out evenly among the kinds of batches; always the same ones", minimum=1
    )
    evaluate_every: int = option(
        0, "steps between two evaluations on --dev_benchmarks, and one after the last step; 0: none", minimum=0
    )
    dev_benchmarks: tuple = option(
        (),
        "benchmarks evaluated during training, comma-separated: NAME in --data_dir, NAME:FOLDER for files elsewhere,"
        " or the path of a benchmark of your own",
    )
    best_metric: str = option(
        VALIDATION_LOSS,
        "metric that decides which checkpoint is best and when --patience ends: validation_loss, or a metric of a dev"
        " benchmark such as facts/multilingual/map",
    )
    patience: int = option(0, "stop after this many values of --best_metric without a better one; 0: never", minimum=0)
    save_every: int = option(0, "steps between two checkpoints; 0: by --save_minutes alone", minimum=0)
    save_minutes: float = option(15.0, "minutes between two checkpoints; the last step is always saved", above=0.0)
    prepare: str = option("", "source whose stores, tokenizer and benchmark are built first when missing (facts)")
    prepared_dir: str = option("runs/data", "folder of what --prepare builds")
    vocabulary: int = option(28000, "pieces of the tokenizer that --prepare trains", minimum=400)
    benchmarks: tuple = option((), "benchmarks evaluated after training, comma-separated")
    data_dir: str = option("", "folder with one folder a benchmark")
    evaluate_untrained: bool = option(False, "evaluate the initial weights too, as the baseline of the report")
    layer_probe: int = _layer_probe()

    def __post_init__(self):
        check_limits(self)
        _check_layer_probe(self.layer_probe)


@dataclasses.dataclass(frozen=True)
class EvalConfig:
    """What launch/eval.py evaluates."""

    model: str = option("", "workdir of a run, or folder or hub id of an encoder in Hugging Face's layout")
    checkpoint: str = option(
        "best",
        "of a workdir: best (by validation loss; the last where there was none), last or untrained",
        choices=("best", "last", "untrained"),
    )
    benchmarks: tuple = option((), "benchmarks, comma-separated")
    data_dir: str = option("", "folder with one folder a benchmark")
    out: str = option("", "folder for results.json, TREC runs and report.html")
    candidate_text: str = option(
        "sentence",
        "what is embedded of a candidate of xquad-r and mlqa-r: sentence, or sentence+context (its paragraph after it)",
        choices=CANDIDATE_TEXTS,
    )
    miracl_languages: tuple = option(
        (), "languages of miracl that are evaluated, comma-separated; empty: all whose files are there"
    )
    query_prefix: str = option(
        OF_MODEL,
        f"text put before every query{_IN_A_FLAGFILE}; `model`: as in training, or as its files say",
        spaces_count=True,
    )
    passage_prefix: str = option(OF_MODEL, "text put before every candidate; `model`: likewise", spaces_count=True)
    max_length: int = option(0, "longest text, in tokens; 0: as in training, or as the model's files say", minimum=0)
    pooling: str = option(
        OF_MODEL, "mean or cls; `model`: as in training, or as its files say", choices=(OF_MODEL, *POOLINGS)
    )
    normalize: str = option(
        OF_MODEL, "scale embeddings to unit length; `model`: as in training, or as its files say", choices=SWITCHES
    )
    compute_dtype: str = option("float32", "dtype of matrix products in the encoder", choices=DTYPES)
    mesh_data: int = option(0, "devices over which texts are split; 0: all", minimum=0)
    eval_batch: int = option(
        256, "texts of 64 tokens embedded at a time, per device, fewer longer ones; a CPU takes at most 32", minimum=1
    )
    corpus_block: int = option(
        32768, "passages of miracl that are read, embedded and searched at a time; bounds the memory", minimum=1
    )
    run_depth: int = option(
        100, "candidates per query in a written TREC run; 0: all, which miracl has too many of", minimum=0
    )
    cross_lingual_runs: bool = option(False, "write TREC runs of the cross-lingual pools too, one a candidate language")
    layer_probe: int = _layer_probe()
    lexical_baseline: bool = option(
        False, "rank by BM25 too, into OUT/bm25, and show it beside the model; needs the extra `lexical`"
    )
    query_expansions: str = option(
        "",
        'file of JSON lines {"id": QUERY_ID, "texts": [...]}: evaluate with these texts added to the queries too, into'
        " OUT/expanded; empty: none",
    )
    expansion_combination: str = option(
        CONCAT,
        "how --query_expansions are added; concat: the query and its texts as one text, with the query prefix, cut at"
        " the longest text of either side; mean-embedding: mean of the embeddings of the query and of each text (with"
        " the passage prefix), to unit length",
        choices=EXPANSION_COMBINATIONS,
    )

    def __post_init__(self):
        check_limits(self)
        _check_layer_probe(self.layer_probe)
        if self.miracl_languages and "miracl" not in self.benchmarks:
            raise InputError(
                f"--miracl_languages={','.join(self.miracl_languages)} needs --benchmarks=miracl: other benchmarks are"
                " evaluated in all their languages"
            )
        if self.corpus_block != EvalConfig.corpus_block and "miracl" not in self.benchmarks:
            raise InputError(
                f"--corpus_block={self.corpus_block} needs --benchmarks=miracl: other benchmarks' candidates are read"
                " whole"
            )
        if self.expansion_combination != CONCAT and not self.query_expansions:
            raise InputError(
                f"--expansion_combination={self.expansion_combination} needs --query_expansions, the file of the texts"
            )
        if "miracl" in self.benchmarks and not self.run_depth:
            raise InputError("--run_depth=0: the whole ranking of miracl's passages is never held: expected 1 or more")


@dataclasses.dataclass(frozen=True)
class ExportConfig:
    """What launch/export.py writes."""

    model: str = option("", "workdir of a run, or folder or hub id of an encoder in Hugging Face's layout")
    checkpoint: str = option(
        "best",
        "of a workdir: best (by validation loss; the last where there was none), last or untrained",
        choices=("best", "last", "untrained"),
    )
    out: str = option("", "folder to write; one that an earlier export wrote, unchanged since, is replaced")
    max_length: int = option(
        0, "longest text, in tokens; 0: the longer side's of training, or as the model's files say", minimum=0
    )
    license: str = option(
        "unknown", "licence of the model for its card, as the hub writes it (apache-2.0, cc-by-4.0); unknown: not said"
    )

    def __post_init__(self):
        check_limits(self)
        if not re.fullmatch(r"[a-z0-9][a-z0-9.+-]*", self.license):
            raise InputError(
                f"--license={self.license!r}: expected the hub's name of a licence, in small letters without spaces,"
                " such as apache-2.0, mit, cc-by-4.0, other or unknown"
            )


@dataclasses.dataclass(frozen=True)
class EmbedConfig:
    """What launch/embed.py embeds."""

    model: str = option("", "workdir of a run, or folder or hub id of an encoder in Hugging Face's layout")
    checkpoint: str = option(
        "best",
        "of a workdir: best (by validation loss; the last where there was none), last or untrained",
        choices=("best", "last", "untrained"),
    )
    input: str = option(
        "-", "texts: a .txt file, one a line; a .jsonl file, one object a line; - for standard input, one a line"
    )
    field: str = option(
        "", "of JSON lines, the field with the text; empty: text; with --input=- it says that these are JSON lines"
    )
    output: str = option(
        "", "file to write: .npy, float32 [texts, width]; or .parquet, columns id (where given), text and embedding"
    )
    side: str = option("query", "the side whose prefix and length all texts get", choices=("query", "passage"))
    nearest: int = option(
        0, "print for each text this many others with the highest scores, all embedded as --side; 0: none", minimum=0
    )
    query_prefix: str = option(
        OF_MODEL,
        f"text put before every query{_IN_A_FLAGFILE}; `model`: as in training, or as its files say",
        spaces_count=True,
    )
    passage_prefix: str = option(OF_MODEL, "text put before every passage; `model`: likewise", spaces_count=True)
    max_length: int = option(0, "longest text, in tokens; 0: as in training, or as the model's files say", minimum=0)
    pooling: str = option(
        OF_MODEL, "mean or cls; `model`: as in training, or as its files say", choices=(OF_MODEL, *POOLINGS)
    )
    normalize: str = option(
        OF_MODEL, "scale embeddings to unit length; `model`: as in training, or as its files say", choices=SWITCHES
    )
    compute_dtype: str = option("float32", "dtype of matrix products in the encoder", choices=DTYPES)
    mesh_data: int = option(0, "devices over which texts are split; 0: all", minimum=0)
    eval_batch: int = option(
        256, "texts of 64 tokens embedded at a time, per device, fewer longer ones; a CPU takes at most 32", minimum=1
    )

    def __post_init__(self):
        check_limits(self)


@dataclasses.dataclass(frozen=True)
class CompareConfig:
    """What launch/compare.py compares."""

    a: tuple = option((), "output folders of launch/eval.py, one for each training run of system A, comma-separated")
    b: tuple = option((), "those of system B, likewise; differences are A - B")
    out: str = option("", "folder for compare.html, compare.tsv and compare.json")
    metric: str = option("map", "metric of the three settings, as results.json names it; rank distance comes with it")
    samples: int = option(
        10_000, "draws of the bootstrap, and of the randomisation test", minimum=100, maximum=1_000_000
    )
    seed: int = option(0, "seed of the draws", minimum=0, maximum=2**31 - 1)
    confidence: float = option(
        0.95, "confidence of the intervals; 1 - confidence is the level of the tests", minimum=0.5, maximum=0.999
    )

    def __post_init__(self):
        check_limits(self)


@dataclasses.dataclass(frozen=True)
class ProcessConfig:
    """How several processes find each other; not part of what a run is, so not written beside its checkpoints."""

    coordinator: str = option(
        "", "host:port of process 0 for jax.distributed; auto: JAX finds it (Cloud TPU, Slurm); empty: one process"
    )
    processes: int = option(0, "number of processes; 0 with --coordinator=auto: JAX finds it", minimum=0)
    process: int = option(0, "number of this process, from 0; not used with --coordinator=auto", minimum=0)

    def __post_init__(self):
        check_limits(self)
        if self.coordinator not in ("", "auto") and not self.process < self.processes:
            raise InputError(
                f"--coordinator={self.coordinator} --processes={self.processes} --process={self.process}:"
                " expected a number of processes, and one below it for this process"
            )


TRAIN_PARTS = {
    "text": TextConfig,
    "plan": PlanConfig,
    "model": ModelConfig,
    "learning": LearningConfig,
    "run": RunConfig,
}


@dataclasses.dataclass(frozen=True)
class TrainConfig:
    """The whole configuration of a training run."""

    text: TextConfig = TextConfig()
    plan: PlanConfig = PlanConfig()
    model: ModelConfig = ModelConfig()
    learning: LearningConfig = LearningConfig()
    run: RunConfig = RunConfig()

    def to_json(self) -> dict:
        """The configuration as nested JSON values; tuples become lists."""
        return {
            part: {
                k: list(v) if isinstance(v, tuple) else v for k, v in dataclasses.asdict(getattr(self, part)).items()
            }
            for part in TRAIN_PARTS
        }

    @classmethod
    def from_json(cls, values: dict) -> "TrainConfig":
        """The inverse of `to_json`; raises InputError for fields this version does not know."""
        parts = {}
        for part, kind in TRAIN_PARTS.items():
            known = {field.name for field in dataclasses.fields(kind)}
            given = values.get(part, {})
            if set(given) - known:
                raise InputError(f"configuration has unknown fields {sorted(set(given) - known)} in part {part!r}")
            parts[part] = kind(**{k: tuple(v) if isinstance(v, list) else v for k, v in given.items()})
        return cls(**parts)

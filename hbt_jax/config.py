"""Every option of every command, as frozen dataclasses; `hbt_jax/flags.py` makes one flag of each field.

Each dataclass is a part with one reason to change; a command takes several.  What two commands share stands in a part
that both inherit.  A field's help states its unit; limits are checked when a configuration is made, so an impossible
value ends the command before any model is loaded.  The rest of the package takes plain values or one of these
dataclasses, never flags.
"""

import dataclasses
import re
from collections.abc import Mapping
from typing import Any, ClassVar

from hbt_jax.errors import InputError
from hbt_jax.languages import UNDER_RESOURCED, canonical

JOINT = "joint"
BATCHINGS = ("hybrid", "x-x-mono", "x-x", "x-y", JOINT)
POOLINGS = ("mean", "cls")
TRACKERS = ("wandb", "mlflow")
SCHEDULES = ("linear", "cosine", "constant")
DTYPES = ("float32", "bfloat16")
REMATS = ("none", "dots", "full")
ATTENTIONS = AUTO, XLA, SPLASH, CUDNN = "auto", "xla", "splash", "cudnn"
RESUMES = ("auto", "never", "must")
CANDIDATE_TEXTS = ("sentence", "sentence+context")
CONCAT, MEAN_EMBEDDING = "concat", "mean-embedding"
EXPANSION_COMBINATIONS = (CONCAT, MEAN_EMBEDDING)
KL, MARGIN_MSE = "kl", "margin_mse"
SENTENCE_MODEL = "st:"  # before the folder or hub id of a model that sentence-transformers embeds with
STREAMED = ("miracl", "mldr", "neuclir")  # benchmarks whose passages are read as a stream
WHOLE, INT8, BINARY = "none", "int8", "binary"
QUANTIZATIONS = (WHOLE, INT8, BINARY)
OF_MODEL = "model"  # the value of an option that is left to the model it starts from or evaluates
_IN_A_FLAGFILE = ', which needs quotes in a flag file: --query_prefix="query: "'
FUSIONS = ("rrf", "minmax")
VALIDATION_LOSS = "validation_loss"  # the value of --best_metric that is no metric of a dev benchmark
MIN_MAX_LENGTH = 4  # tokens: the smallest maximum length, enough for prefix, special tokens and some text


def option(
    default: Any,
    text: str,
    *,
    choices=None,
    minimum=None,
    above=None,
    maximum=None,
    remote: bool | str = False,
    spaces_count: bool = False,
) -> Any:
    """A dataclass field that `hbt_jax/flags.py` can turn into a flag.

    Args:
      default: the default value; its type is the flag's type (tuples are comma-separated lists; None is a boolean that
        may be left open).
      text: the flag's help, with the unit.
      choices: the allowed values, for an enumeration.
      minimum, maximum: inclusive limits of a number.
      above: exclusive lower limit of a number.
      remote: whether it takes places with a scheme, such as gs://BUCKET/FOLDER, or the only scheme that it takes; all
        other options refuse them.
      spaces_count: whether spaces at the ends of a text mean something, so that dropping one is an error.
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


@dataclasses.dataclass(frozen=True)
class Part:
    """Options that belong together, with their limits checked.

    `title` is the heading over the options in --help; a part without one stands under that of the part inheriting it.
    """

    title: ClassVar[str] = ""

    def __post_init__(self):
        check_limits(self)


@dataclasses.dataclass(frozen=True)
class Prefixes(Part):
    """What is put before every text."""

    query_prefix: str = option(
        OF_MODEL,
        f"text put before every query, usually ending in a space{_IN_A_FLAGFILE}; `model`: as in training, or the"
        " prompt in the model's files; 'query: ' if there is neither",
        spaces_count=True,
    )
    passage_prefix: str = option(
        OF_MODEL,
        "text put before every passage; `model`: as for --query_prefix, 'passage: ' if there is neither",
        spaces_count=True,
    )


@dataclasses.dataclass(frozen=True)
class Pooling(Part):
    """How token vectors become one embedding."""

    pooling: str = option(
        OF_MODEL,
        "how token vectors become one: mean over the text, or cls, its first token; `model`: as in training, or as the"
        " model's files say; mean if there is neither",
        choices=(OF_MODEL, *POOLINGS),
    )
    normalize: bool | None = option(
        None,
        "scale embeddings to unit length, so that scores are cosines; not given: as in training, or as the model's"
        " files say; true if there is neither",
    )


@dataclasses.dataclass(frozen=True)
class Devices(Part):
    """Where and in what precision the encoder runs."""

    compute_dtype: str = option("float32", "dtype of matrix products in the encoder", choices=DTYPES)
    mesh_data: int = option(
        0,
        "devices over which texts are split (mesh axis `data`); 0: all, in training those that --mesh_fsdp leaves",
        minimum=0,
    )
    compilation_cache_dir: str = option(
        "",
        "folder that keeps compiled programs for later runs; empty: hbt_jax/compiled in $XDG_CACHE_HOME or ~/.cache;"
        " none: nothing is kept",
    )


@dataclasses.dataclass(frozen=True)
class Benchmarks(Part):
    """Which benchmarks are evaluated."""

    title: ClassVar[str] = "Benchmarks"

    benchmarks: tuple = option((), "benchmarks to evaluate, in training after the last step, comma-separated")
    data_dir: str = option("", "folder that holds one folder per benchmark")
    layer_probe: int = option(
        0,
        "evenly chosen items whose queries are compared across languages after every layer (arXiv 2506.15415); 0: none",
        minimum=0,
    )

    def __post_init__(self):
        super().__post_init__()
        if self.layer_probe == 1:
            raise InputError("--layer_probe=1: one item has no random pairs: expected 2 or more, or 0 for no probe")


def _under_resourced() -> Any:
    """The option that says which languages evaluation counts as under-resourced."""
    return option(
        UNDER_RESOURCED,
        "codes of the languages that robustness and the report set apart as under-resourced, comma-separated; the"
        " default are the five that XM3600 chose for that reason",
    )


def _check_languages(flag: str, codes: tuple[str, ...]) -> None:
    """Raises InputError for a code that is no language's."""
    for code in codes:
        try:
            canonical(code)
        except InputError as error:
            raise InputError(f"--{flag}={','.join(codes)}: {error}") from error


@dataclasses.dataclass(frozen=True)
class RunConfig(Part):
    """Where a run lives and how long it lasts."""

    title: ClassVar[str] = "Run"

    workdir: str = option(
        "", "folder of this run: configuration, checkpoints, metrics and evaluation; or gs://BUCKET/FOLDER", remote="gs"
    )
    steps: int = option(1000, "updates to apply in all", minimum=1)
    epochs: float = option(
        0.0,
        "length of the run in passes over as many pairs as all stores have, rounded up to whole steps, in place of"
        " --steps; 0: --steps",
        minimum=0.0,
    )
    seed: int = option(0, "seed of the batch plan, the initial weights and dropout", minimum=0, maximum=2**31 - 1)
    log_every: int = option(20, "steps between two rows of metrics", minimum=1)
    trackers: tuple = option(
        (),
        "where metrics go besides metrics.jsonl and TensorBoard: wandb (Weights & Biases), mlflow; each needs the extra"
        " of its name and is set up by its own environment variables",
    )
    project: str = option("hbt_jax", "project, or experiment, under which --trackers list the run")
    store_cache: str = option(
        "",
        "folder on this machine into which stores at gs://BUCKET/FOLDER are copied once; empty: hbt_jax/stores in"
        " $XDG_CACHE_HOME or ~/.cache",
    )

    def __post_init__(self):
        super().__post_init__()
        if unknown := [name for name in self.trackers if name not in TRACKERS]:
            raise InputError(
                f"--trackers={','.join(self.trackers)}: unknown {unknown[0]!r}: expected some of {', '.join(TRACKERS)}"
            )


@dataclasses.dataclass(frozen=True)
class PlanConfig(Part):
    """Which texts and languages make a batch (hbt_jax/data/plan.py)."""

    title: ClassVar[str] = "Batches"

    stores: tuple = option(
        (),
        "training stores written by data_prep/build_store.py, folders or gs://BUCKET/FOLDER, comma-separated",
        remote=True,
    )
    batching: str = option(
        "hybrid",
        "batch kind: hybrid, x-x-mono, x-x or x-y (arXiv 2408.10536); or joint, each pair in several languages at once",
        choices=BATCHINGS,
    )
    mono_probability: float = option(
        0.5, "alpha of hybrid batching: probability that a batch is x-x-mono", minimum=0.0, maximum=1.0
    )
    joint_languages: int = option(
        4,
        "languages of joint batching in which each pair of a batch is shown, on either side; a batch has as many fewer"
        " different pairs, and every passage of a pair is a positive of its queries",
        minimum=2,
    )
    size_exponent: float = option(
        1.0, "a store is drawn in proportion to its number of pairs to this power", minimum=0.0, maximum=2.0
    )
    train_fraction: float = option(
        1.0,
        "share of each training store's pairs that is trained on; the seed decides which, and a smaller share is part"
        " of a larger one",
        above=0.0,
        maximum=1.0,
    )
    global_batch: int = option(128, "pairs of one step over all devices", minimum=2)
    negatives: int = option(0, "explicit negative passages per query, where a store has them", minimum=0)

    def __post_init__(self):
        super().__post_init__()
        if self.global_batch % self.rows_per_pair:
            raise InputError(
                f"--global_batch={self.global_batch} is no multiple of --joint_languages={self.joint_languages}:"
                " expected one, so that every pair of a joint batch is in as many languages"
            )

    @property
    def rows_per_pair(self) -> int:
        """Consecutive places of a batch that show one pair, in several languages."""
        return self.joint_languages if self.batching == JOINT else 1


@dataclasses.dataclass(frozen=True)
class TextConfig(Prefixes):
    """How a text becomes tokens, the same in training and evaluation."""

    title: ClassVar[str] = "Texts"

    query_length: int = option(
        32,
        "maximum length of a query, in tokens including prefix and special tokens; the rest is cut",
        minimum=MIN_MAX_LENGTH,
    )
    passage_length: int = option(
        128,
        "maximum length of a passage, in tokens including prefix and special tokens; the rest is cut",
        minimum=MIN_MAX_LENGTH,
    )
    row_length: int = option(
        0, "tokens of a packed row; 0: the larger of --query_length and --passage_length", minimum=0
    )
    row_segments: int = option(0, "maximum number of texts in a packed row; 0: row length / 8, at least 1", minimum=0)

    def __post_init__(self):
        super().__post_init__()
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
class InitialWeights(Part):
    """Which encoder training starts from."""

    model: str = option(
        "tiny",
        "encoder to start from: a preset with random weights, tiny (2 layers x 128) or small (6 layers x 384); or the"
        " folder or hub id of a pretrained BERT-family encoder in Hugging Face's layout",
    )
    tokenizer: str = option(
        "",
        "folder or file of a preset's tokenizer; empty: that of the first store; a pretrained --model brings its own",
    )


@dataclasses.dataclass(frozen=True)
class ModelConfig(Pooling, InitialWeights):
    """Which encoder is trained, and which of its parameters."""

    title: ClassVar[str] = "Model"

    dropout: float = option(
        0.1, "dropout rate of embeddings, attention output and feed-forward output", minimum=0.0, maximum=0.9
    )
    freeze: tuple = option(
        (),
        "parts that are not trained, comma-separated: embeddings, tokens (only their table), layers:3, layers:0-5,"
        " dense",
    )
    lora_rank: int = option(
        0,
        "rank of low-rank adapters (arXiv 2106.09685), which are then the only parameters trained; 0: none",
        minimum=0,
    )
    lora_alpha: float = option(16.0, "an adapter's output is multiplied by alpha / rank", above=0.0)
    lora_layers: tuple = option((), "layers with adapters, such as 0-2 or 0-2,5; empty: all")
    lora_targets: tuple = option(
        ("query", "value"),
        "products with adapters: query, key, value, attention_output, expand (feed-forward, in), contract (out)",
    )

    def __post_init__(self):
        super().__post_init__()
        for field in dataclasses.fields(self):
            value = getattr(self, field.name)
            if not self.lora_rank and field.name.startswith("lora_") and value != field.default:
                shown = ",".join(value) if isinstance(value, tuple) else value
                raise InputError(f"--{field.name}={shown} needs --lora_rank, the rank of the adapters")


@dataclasses.dataclass(frozen=True)
class LearningConfig(Part):
    """Loss and optimizer."""

    title: ClassVar[str] = "Learning"

    temperature: float = option(0.02, "cosines are divided by this before the softmax", above=0.0)
    matryoshka_widths: tuple = option(
        (),
        "widths of embeddings that are trained too, each with its weight, such as 256:1,64:0.5 (Matryoshka, arXiv"
        " 2205.13147): the loss is the weighted mean over these and the whole width, of weight 1 unless it is listed",
    )
    symmetric: bool = option(False, "add the loss of passages against queries, with equal weight")
    learning_rate: float = option(3e-5, "peak learning rate of AdamW", above=0.0)
    weight_decay: float = option(
        1e-2, "AdamW weight decay of matrices (none on biases and the scales of LayerNorm)", minimum=0.0
    )
    embedding_learning_rate: float = option(
        0.0, "peak learning rate of the embedding tables and their LayerNorm; 0: that of --layer_decay", minimum=0.0
    )
    layer_decay: float = option(
        1.0,
        "each layer's learning rate is that of the layer above times this, the embeddings' that of the lowest layer"
        " times this (arXiv 1801.06146, section 3.2); 1: one rate for all",
        above=0.0,
        maximum=1.0,
    )
    warmup_steps: int = option(0, "steps of linear warm-up from zero", minimum=0)
    warmup_ratio: float = option(
        0.0, "length of the warm-up as a fraction of the run, in place of --warmup_steps", minimum=0.0, maximum=1.0
    )
    schedule: str = option(
        "linear", "learning rate after warm-up: linear or cosine to zero, or constant", choices=SCHEDULES
    )
    clip_norm: float = option(1.0, "gradients are scaled to at most this global norm; 0: not clipped", minimum=0.0)

    def __post_init__(self):
        super().__post_init__()
        if self.warmup_steps and self.warmup_ratio:
            raise InputError(
                f"--warmup_steps={self.warmup_steps} --warmup_ratio={self.warmup_ratio:g}: both set the length of the"
                " warm-up: leave one out"
            )

        self.widths()

    def widths(self) -> dict[int, float]:
        """Width -> weight of --matryoshka_widths; raises InputError if it is malformed."""
        found, flag = {}, f"--matryoshka_widths={','.join(self.matryoshka_widths)}"
        for text in self.matryoshka_widths:
            width, _, weight = text.partition(":")
            try:
                number, share = int(width), float(weight or 1)
            except ValueError as error:
                raise InputError(f"{flag}: {text!r}: expected WIDTH or WIDTH:WEIGHT, such as 256:0.5") from error
            if number < 1 or not 0 < share < float("inf") or number in found:
                raise InputError(f"{flag}: {text!r}: expected different widths from 1, and weights above 0")
            found[number] = share
        return found

    def warmup(self, steps: int) -> int:
        """Steps of warm-up of a run of `steps` updates."""
        return self.warmup_steps or round(self.warmup_ratio * steps)


@dataclasses.dataclass(frozen=True)
class TeachingConfig(Part):
    """What a guide and a teacher add."""

    title: ClassVar[str] = "Guide and teacher"

    guide_model: str = option(
        "",
        "workdir, folder or hub id of a model that embeds the stores once, before training: in-batch negatives that it"
        " finds closer to a query than the query's passage are masked (GISTEmbed, arXiv 2402.16829); empty: none",
    )
    guide_margin: float = option(
        0.0, "a negative is masked if its guide score is above that of the positive plus this; may be negative"
    )
    distillation: str = option(
        "none",
        "loss against the scores of a teacher in the stores, over each pair's passage and --negatives: kl (divergence),"
        " or margin_mse (arXiv 2010.02666)",
        choices=("none", KL, MARGIN_MSE),
    )
    distillation_weight: float = option(
        0.5, "weight of --distillation; the loss of the batch has the rest", above=0.0, maximum=1.0
    )
    teacher_temperature: float = option(1.0, "a teacher's scores are divided by this", above=0.0)

    def __post_init__(self):
        super().__post_init__()
        if self.guide_margin and not self.guide_model:
            raise InputError(f"--guide_margin={self.guide_margin:g} needs --guide_model")
        for name in ("distillation_weight", "teacher_temperature"):
            value = getattr(self, name)
            if value != getattr(TeachingConfig, name) and self.distillation == "none":
                raise InputError(f"--{name}={value:g} needs --distillation")


@dataclasses.dataclass(frozen=True)
class MemoryConfig(Part):
    """What memory and time an update takes; none of it changes what is learnt, but for rounding."""

    title: ClassVar[str] = "Memory and speed"

    encode_chunk: int = option(
        0, "packed rows a device encodes at a time, and again for their gradient; 0: all of its rows, once", minimum=0
    )
    loss_tile: int = option(
        0,
        "passages whose scores are computed at a time, and again for their gradient; 0: all of them up to 2^26 scores"
        " a device, tiles of 2^22 scores above that",
        minimum=0,
    )
    remat: str = option(
        "none",
        "results of an encoder layer that are computed again for its gradient: none, dots (all but matrix products with"
        " parameters) or full; a CPU needs --scan_layers for it",
        choices=REMATS,
    )
    attention: str = option(
        "auto",
        "form of attention: xla; or splash, a kernel for TPU, or cudnn, one for GPU, which need less memory in long"
        " rows; auto: splash on a TPU for rows of 512 tokens or more, else xla",
        choices=ATTENTIONS,
    )
    scan_layers: bool | None = option(
        None, "compile one encoder layer and loop over all; unset: on TPU and GPU, but not on CPU"
    )
    split_optimizer: bool = option(
        True, "split optimizer state over all devices, even where they hold parameters whole (ZeRO-1)"
    )
    gradient_dtype: str = option(
        "bfloat16",
        "dtype in which devices sum the gradients of layers' kernels with --compute_dtype=bfloat16; float32 moves twice"
        " as many bytes of them; products add up in float32 either way",
        choices=DTYPES,
    )
    profile_steps: str = option(
        "", "FIRST:LAST, steps whose trace for TensorBoard and Perfetto is written to WORKDIR/profile, such as 5:8"
    )

    def __post_init__(self):
        super().__post_init__()
        first, _, last = self.profile_steps.partition(":")
        if self.profile_steps and not (first.isdecimal() and last.isdecimal() and 1 <= int(first) <= int(last)):
            raise InputError(f"--profile_steps={self.profile_steps}: expected two numbers of steps from 1, such as 5:8")


@dataclasses.dataclass(frozen=True)
class ValidationConfig(Part):
    """What is measured during training, and what follows from it."""

    title: ClassVar[str] = "Validation and evaluation during training"

    validate_every: int = option(0, "steps between two validations; 0: only after the last step", minimum=0)
    validation_stores: tuple = option(
        (),
        "validation stores, folders or gs://BUCKET/FOLDER, comma-separated; the checkpoint with the lowest loss on them"
        " is kept as best, unless --best_metric says otherwise",
        remote=True,
    )
    validation_batches: int = option(
        8, "batches of one validation, always the same, divided equally among the kinds of batches", minimum=1
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
    patience: int = option(0, "stop after this many values of --best_metric without improvement; 0: never", minimum=0)


@dataclasses.dataclass(frozen=True)
class CheckpointConfig(Part):
    """When the state is saved, and whether it is resumed from."""

    title: ClassVar[str] = "Checkpoints"

    resume: str = option(
        "auto",
        "auto: resume a run found in --workdir; never: fail if there is one; must: fail if there is none",
        choices=RESUMES,
    )
    save_every: int = option(0, "steps between two checkpoints; 0: only --save_minutes counts", minimum=0)
    save_minutes: float = option(15.0, "minutes between two checkpoints; the last step is always saved", above=0.0)
    keep_checkpoints: int = option(
        2, "newest checkpoints that are kept; if the newest is damaged, a run resumes from the one before", minimum=1
    )


@dataclasses.dataclass(frozen=True)
class MeshConfig(Devices):
    """The devices of training."""

    title: ClassVar[str] = "Devices"

    mesh_fsdp: int = option(1, "devices over which both batches and parameters are split (mesh axis `fsdp`)", minimum=1)


@dataclasses.dataclass(frozen=True)
class PreparationConfig(Part):
    """Data that is built before training when it is missing."""

    title: ClassVar[str] = "Preparation"

    prepare: str = option("", "source whose stores, tokenizer and benchmark are built first if missing (facts)")
    prepared_dir: str = option("runs/data", "folder of what --prepare builds")
    vocabulary: int = option(28000, "pieces of the tokenizer that --prepare trains", minimum=400)


@dataclasses.dataclass(frozen=True)
class EvaluationConfig(Benchmarks):
    """What is evaluated after training."""

    evaluate_untrained: bool = option(False, "evaluate the initial weights too, as the baseline in the report")


@dataclasses.dataclass(frozen=True)
class ProcessConfig(Part):
    """How several processes find each other; not a property of a run, so not written beside its checkpoints."""

    title: ClassVar[str] = "Several processes"

    coordinator: str = option(
        "", "host:port of process 0 for jax.distributed; auto: JAX finds it (Cloud TPU, Slurm); empty: one process"
    )
    processes: int = option(0, "number of processes; 0 with --coordinator=auto: JAX finds it", minimum=0)
    process: int = option(0, "number of this process, from 0; not used with --coordinator=auto", minimum=0)

    def __post_init__(self):
        super().__post_init__()
        if self.coordinator not in ("", "auto") and not self.process < self.processes:
            raise InputError(
                f"--coordinator={self.coordinator} --processes={self.processes} --process={self.process}:"
                " expected the number of processes, and a smaller number for this process"
            )


@dataclasses.dataclass(frozen=True)
class SavedModel(Part):
    """A model that is read."""

    title: ClassVar[str] = "Model"

    model: str = option(
        "",
        "workdir of a run, which may be gs://BUCKET/FOLDER, or folder or hub id of an encoder in Hugging Face's layout;"
        " launch/eval.py: or st:FOLDER, of any model of sentence-transformers, which then embeds",
        remote="gs",
    )
    checkpoint: str = option(
        "best",
        "which checkpoint of a workdir to load: best (falls back to last), last or untrained",
        choices=("best", "last", "untrained"),
    )


@dataclasses.dataclass(frozen=True)
class Embedding(Devices, Pooling, Prefixes):
    """How a model that is read embeds texts."""

    title: ClassVar[str] = "Embedding"

    max_length: int = option(
        0, "maximum length of a text, in tokens; 0: as in training, or as the model's files say", minimum=0
    )
    eval_batch: int = option(
        256,
        "texts of 64 tokens embedded at a time on each device; scaled down for longer texts, capped at 32 on CPU",
        minimum=1,
    )


@dataclasses.dataclass(frozen=True)
class Truncation(Part):
    """How many numbers of an embedding are kept."""

    title: ClassVar[str] = "Embedding"

    truncate_dim: int = option(
        0,
        "first numbers of each embedding that are kept, scaled to unit length again if the model's are, as for models"
        " trained with --matryoshka_widths; 0: all",
        minimum=0,
    )


@dataclasses.dataclass(frozen=True)
class Compression(Truncation):
    """How much of an embedding is kept."""

    quantization: str = option(
        WHOLE,
        "numbers of an embedding as int8, each text with a scale of its own; or binary, a bit for each number, compared"
        " by how many agree; none: float32",
        choices=QUANTIZATIONS,
    )


@dataclasses.dataclass(frozen=True)
class LanguageRemoval(Part):
    """Which directions of language are projected out of a model's embeddings."""

    title: ClassVar[str] = "Language directions"

    remove_language_directions: int = option(
        0,
        "directions projected out of all embeddings: those in which the means of languages vary most (LSAR, arXiv"
        " 2401.05792), at most the number of languages less one; 0: none",
        minimum=0,
    )
    language_texts: str = option(
        "",
        "folder of texts by language, of no benchmark, for what needs them: LANGUAGE.txt or LANGUAGE.txt.gz, one text a"
        " line",
    )

    @property
    def uses_language_texts(self) -> tuple[str, ...]:
        """The options with a value that need --language_texts, written as flags."""
        count = self.remove_language_directions
        return (f"--remove_language_directions={count}",) if count else ()

    def __post_init__(self):
        super().__post_init__()
        if self.uses_language_texts and not self.language_texts:
            raise InputError(f"{self.uses_language_texts[0]} needs --language_texts, a folder of texts by language")
        if self.language_texts and not self.uses_language_texts:
            raise InputError(f"--language_texts={self.language_texts}: no other flag uses it: leave it out")


@dataclasses.dataclass(frozen=True)
class OtherSystem(Part):
    """A system that is evaluated in place of a model of this package."""

    title: ClassVar[str] = "Other systems, in place of --model"

    run: tuple = option((), "TREC runs of another system, one for each of --benchmarks, comma-separated")
    embeddings: tuple = option(
        (),
        "vectors of another system: QUERIES.npy,CANDIDATES.npy, float [texts, D], rows in the order of --write_texts,"
        " or named by X.ids beside X.npy, one id a line; --normalize scales them to unit length",
    )
    write_texts: bool = option(
        False, "write the texts of --benchmarks into OUT, in the order of the rows of --embeddings, and end"
    )

    def __post_init__(self):
        super().__post_init__()
        if self.embeddings and len(self.embeddings) != 2:
            raise InputError(
                f"--embeddings={','.join(self.embeddings)}: expected two files, QUERIES.npy,CANDIDATES.npy"
            )

    @property
    def other(self) -> tuple[str, ...]:
        """The options with a value that need no model of this package, written as flags."""
        given = {"run": ",".join(self.run), "embeddings": ",".join(self.embeddings)}
        return (*(f"--{name}={value}" for name, value in given.items() if value), *["--write_texts"] * self.write_texts)


_WITH_MTEB = {  # options of an evaluation that tasks of mteb go by
    "mteb_tasks", "model", "checkpoint", "out", "query_prefix", "passage_prefix", "max_length", "pooling", "normalize",
    "compute_dtype", "eval_batch", "compilation_cache_dir",
}  # fmt: skip


@dataclasses.dataclass(frozen=True)
class EvalConfig(Embedding, Compression, Benchmarks, LanguageRemoval, OtherSystem, SavedModel):
    """What launch/eval.py evaluates."""

    title: ClassVar[str] = "Evaluation"

    out: str = option("", "folder for results.json, TREC runs and report.html; or gs://BUCKET/FOLDER", remote="gs")
    candidate_text: str = option(
        "sentence",
        "text embedded for a candidate of xquad-r and mlqa-r: sentence, or sentence+context (followed by its"
        " paragraph)",
        choices=CANDIDATE_TEXTS,
    )
    language: str = option(
        "", "language of the texts of a BEIR folder or a data set of ir_datasets, where their files do not say it"
    )
    miracl_languages: tuple = option(
        (), "languages of miracl to evaluate, comma-separated; empty: all whose files are there"
    )
    neuclir_queries: str = option(
        "own",
        "language of neuclir's queries: own, that of the documents; en, English, as in its cross-language tasks",
        choices=("own", "en"),
    )
    corpus_block: int = option(
        32768, "passages of miracl, mldr and neuclir that are read and searched at a time; bounds the memory", minimum=1
    )
    run_depth: int = option(
        100, "candidates per query in a TREC run; 0: all, which miracl, mldr and neuclir do not support", minimum=0
    )
    cross_lingual_runs: bool = option(
        False, "write TREC runs of the cross-lingual pools too, one per candidate language"
    )
    measures: str = option(
        "",
        'further measures by ir-measures, such as "nDCG@20 P@5 RBP(p=0.8) R@100", separated by spaces; grades count; a'
        " measure without a cutoff takes long on large pools, RBP a millisecond a query and pool; needs the extra"
        " `measures`",
    )
    lexical_baseline: bool = option(
        False, "rank by BM25 too, into OUT/bm25, and show it beside the model; needs the extra `lexical`"
    )
    mteb_tasks: tuple = option(
        (),
        "tasks of mteb to run in place of --benchmarks, comma-separated, such as STS22.v2; results also as mteb's JSON,"
        " into OUT/mteb/REVISION; needs the extra `mteb`",
    )
    fusion: tuple = option(
        (),
        "rank by the model and BM25 together too, comma-separated: rrf, reciprocal rank fusion, into OUT/rrf; minmax,"
        " scores scaled to 0 ... 1 and added by --fusion_weight, into OUT/minmax; needs the extra `lexical`",
    )
    fusion_weight: float = option(
        0.5, "weight of the model's scores in --fusion=minmax; that of BM25 is the rest", minimum=0.0, maximum=1.0
    )
    query_expansions: str = option(
        "",
        'file of JSON lines {"id": QUERY_ID, "texts": [...]}: evaluate a second time with these texts added to the'
        " queries, into OUT/expanded; empty: none",
    )
    expansion_combination: str = option(
        CONCAT,
        "how --query_expansions are added; concat: the query and its texts as one text, with the query prefix, cut at"
        " the maximum length of the longer side; mean-embedding: mean of the embeddings of the query and of each text"
        " (with the passage prefix), scaled to unit length",
        choices=EXPANSION_COMBINATIONS,
    )

    query_bank: int = option(
        0,
        "neighbours of query-bank normalisation: a candidate's score is lowered by --query_bank_weight times its mean"
        " score with this many of the closest --language_texts in the query's language (CSLS, arXiv 1710.04087); needs"
        " the language of every query; 0: none",
        minimum=0,
    )
    query_bank_weight: float = option(0.5, "weight of --query_bank; CSLS has one half", above=0.0)
    under_resourced: tuple = _under_resourced()

    @property
    def uses_language_texts(self) -> tuple[str, ...]:
        """See `LanguageRemoval`."""
        bank = (f"--query_bank={self.query_bank}",) if self.query_bank else ()
        return (*super().uses_language_texts, *bank)

    def __post_init__(self):
        super().__post_init__()
        _check_languages("under_resourced", self.under_resourced)
        if self.query_bank_weight != EvalConfig.query_bank_weight and not self.query_bank:
            raise InputError(
                f"--query_bank_weight={self.query_bank_weight} needs --query_bank, the number of neighbours"
            )
        if self.query_bank and self.query_expansions:
            raise InputError(
                f"--query_bank={self.query_bank} cannot be combined with --query_expansions, whose queries are of no"
                " one language: leave one out"
            )
        if self.neuclir_queries != "own" and "neuclir" not in self.benchmarks:
            raise InputError(f"--neuclir_queries={self.neuclir_queries} needs --benchmarks=neuclir: leave it out")
        if self.miracl_languages and "miracl" not in self.benchmarks:
            raise InputError(
                f"--miracl_languages={','.join(self.miracl_languages)} needs --benchmarks=miracl: other benchmarks are"
                " evaluated in all their languages"
            )
        streamed = [name for name in self.benchmarks if name in STREAMED]
        if self.corpus_block != EvalConfig.corpus_block and not streamed:
            raise InputError(
                f"--corpus_block={self.corpus_block} needs --benchmarks=miracl: other benchmarks' candidates are read"
                " whole"
            )
        if self.expansion_combination != CONCAT and not self.query_expansions:
            raise InputError(
                f"--expansion_combination={self.expansion_combination} needs --query_expansions, the file of the texts"
            )
        if streamed and not self.run_depth:
            raise InputError(
                f"--run_depth=0: the whole ranking of {streamed[0]}'s passages is never held: expected 1 or more"
            )
        self._check_mteb()
        self._check_fusion()
        self._check_other()

    def _check_mteb(self) -> None:
        """Raises InputError for what does not go with tasks of mteb."""
        if not self.mteb_tasks:
            return
        given = f"--mteb_tasks={','.join(self.mteb_tasks)}"
        if self.is_other:
            raise InputError(f"{given} needs a model of this package; mteb itself runs others")
        for field in dataclasses.fields(self):
            if field.name not in _WITH_MTEB and getattr(self, field.name) != field.default:
                raise InputError(f"{given} is not for --{field.name}: run them apart")

    def _check_fusion(self) -> None:
        """Raises InputError for fusions that do not exist, or options that do not go with one."""
        given = f"--fusion={','.join(self.fusion)}"
        for how in self.fusion:
            if how not in FUSIONS or self.fusion.count(how) > 1:
                raise InputError(f"{given}: expected one or both of {', '.join(FUSIONS)}")
        if self.fusion_weight != EvalConfig.fusion_weight and "minmax" not in self.fusion:
            raise InputError(f"--fusion_weight={self.fusion_weight} needs --fusion=minmax")
        for name in ("run", "query_expansions", "query_bank"):
            if self.fusion and getattr(self, name):
                raise InputError(f"{given} is not for --{name}: it needs embeddings of the queries as they are")

    def _check_other(self) -> None:
        """Raises InputError for options that another system cannot have."""
        systems = [*([f"--model={self.model}"] if self.model else []), *self.other]
        if self.other and len(systems) > 1:
            raise InputError(f"{' and '.join(systems)}: expected one of them: a command evaluates one system")
        if self.run and len(self.run) != len(self.benchmarks):
            raise InputError(
                f"--run={','.join(self.run)}: {len(self.run)} runs for {len(self.benchmarks)} of --benchmarks: expected"
                " one for each, in their order"
            )
        if self.embeddings and len(self.benchmarks) > 1:
            raise InputError(
                f"{self.other[0]}: vectors are of one benchmark, but --benchmarks={','.join(self.benchmarks)}: give one"
            )
        if not self.is_other:
            return
        own = ["layer_probe", "query_expansions", "query_bank", "remove_language_directions", "checkpoint", "pooling"]
        own += ["truncate_dim", "quantization"]
        if not self.model:
            own += ["query_prefix", "passage_prefix", "max_length"]
        for name in [*own, *([] if self.embeddings else ["normalize"])]:
            value = getattr(self, name)
            if value != getattr(EvalConfig, name):
                raise InputError(f"--{name}={value} is not for {systems[0]}: it needs a model of this package")

    @property
    def is_other(self) -> bool:
        """Whether the system is none of this package's models."""
        return bool(self.other) or self.model.startswith(SENTENCE_MODEL)


@dataclasses.dataclass(frozen=True)
class ExportConfig(LanguageRemoval, Truncation, SavedModel):
    """What launch/export.py writes."""

    title: ClassVar[str] = "Export"

    out: str = option("", "folder to write; an existing export is overwritten only if it is unmodified")
    max_length: int = option(
        0,
        "maximum length of a text, in tokens; 0: that of the longer side in training, or as the model's files say",
        minimum=0,
    )
    peft_adapter: bool = option(
        False,
        "write the low-rank adapters of a run that trained some as PEFT files too, into OUT/adapter, for the model that"
        " it started from",
    )
    dtype: str = option(
        "float32",
        "precision of the weights that are written; the embeddings of bfloat16 differ in the third digit",
        choices=DTYPES,
    )
    onnx: bool = option(
        False, "write OUT/onnx/model.onnx too, in float32, and compare it in ONNX Runtime; needs the extra `onnx`"
    )
    push: str = option(
        "",
        "id OWNER/NAME on the Hugging Face hub to upload the folder to, once it is written; the login is that of"
        " huggingface_hub (`hf auth login`, or HF_TOKEN)",
    )
    push_dry_run: bool = option(False, "print what --push would upload, and contact nobody")
    push_private: bool = option(False, "make the repository private if --push has to create it")
    license: str = option(
        "unknown", "licence in the model card, as the hub writes it (apache-2.0, cc-by-4.0); unknown: none stated"
    )

    def __post_init__(self):
        super().__post_init__()
        if not re.fullmatch(r"[a-z0-9][a-z0-9.+-]*", self.license):
            raise InputError(
                f"--license={self.license!r}: expected the hub's name of a licence, in small letters without spaces,"
                " such as apache-2.0, mit, cc-by-4.0, other or unknown"
            )
        if self.push and not re.fullmatch(r"[\w-][\w.-]*/[\w-][\w.-]*", self.push, re.ASCII):
            raise InputError(f"--push={self.push}: expected OWNER/NAME on the Hugging Face hub, such as acme/retriever")
        if self.onnx and self.dtype != "float32":
            raise InputError(f"--onnx is written in float32, --dtype={self.dtype} is not: export them apart")
        for name in ("push_dry_run", "push_private"):
            if getattr(self, name) and not self.push:
                raise InputError(f"--{name} needs --push=OWNER/NAME")


@dataclasses.dataclass(frozen=True)
class EmbedConfig(Embedding, Compression, SavedModel):
    """What launch/embed.py embeds."""

    title: ClassVar[str] = "Texts and output"

    input: str = option(
        "-", "texts: a .txt file, one per line; a .jsonl file, one object per line; - for standard input, one per line"
    )
    field: str = option(
        "", "field of a JSON line that holds the text; empty: text; with --input=- it says that the lines are JSON"
    )
    output: str = option(
        "",
        "file to write: .npy, float32 [texts, width], or as --quantization says; or .parquet, columns id (if given),"
        " text and embedding",
    )
    side: str = option("query", "side whose prefix and maximum length apply to all texts", choices=("query", "passage"))
    nearest: int = option(
        0,
        "print for each text this many others with the highest scores, all embedded as --side; 0: none",
        minimum=0,
    )


@dataclasses.dataclass(frozen=True)
class MineConfig(Embedding, SavedModel):
    """Which negatives launch/mine.py finds."""

    title: ClassVar[str] = "Mining"

    stores: tuple = option(
        (), "stores written by data_prep/build_store.py, comma-separated; each is searched for its own pairs"
    )
    out: str = option("", "folder for the stores with negatives, each under the name of its folder")
    per_pair: int = option(8, "negatives of a pair, at most", minimum=1)
    first_rank: int = option(
        1, "first rank of a negative, counted among the items that do not answer the query", minimum=1
    )
    last_rank: int = option(50, "last rank of a negative", minimum=1)
    absolute_margin: float = option(
        0.0, "a negative's score is at least this much below that of the positive", minimum=0.0
    )
    relative_margin: float = option(
        0.05,
        "a negative's score is at least this fraction of the positive's below it (arXiv 2407.15831)",
        minimum=0.0,
        maximum=1.0,
    )
    negative_languages: str = option(
        "any",
        "texts that are searched: same, in the language of the query; other, in all others; any, in all",
        choices=("same", "other", "any"),
    )
    query_languages: tuple = option(
        (), "languages of the queries that search, comma-separated; empty: all that a query exists in"
    )
    take: str = option(
        "top",
        "which of the items in the range of ranks are taken: top, the best; random, drawn by --seed",
        choices=("top", "random"),
    )
    seed: int = option(0, "seed of --take=random", minimum=0, maximum=2**31 - 1)
    keep_negatives: bool = option(False, "keep the negatives that a store has, before those that are found")
    cross_encoder: str = option(
        "",
        "folder or hub id of a cross-encoder of sentence-transformers whose scores the margins apply to, and which are"
        " written as the teacher's; empty: the margins apply to the scores of --model",
    )
    cross_encoder_batch: int = option(32, "pairs of texts that --cross_encoder scores at a time", minimum=1)

    def __post_init__(self):
        super().__post_init__()
        if self.last_rank < self.first_rank:
            raise InputError(
                f"--last_rank={self.last_rank} is before --first_rank={self.first_rank}: expected at least the same"
            )
        if self.cross_encoder and self.keep_negatives:
            raise InputError(
                f"--keep_negatives cannot be combined with --cross_encoder={self.cross_encoder}, which has no scores"
                " for the negatives that a store has: leave one out"
            )


@dataclasses.dataclass(frozen=True)
class CompareConfig(Part):
    """What launch/compare.py compares."""

    title: ClassVar[str] = "Comparison"

    a: tuple = option((), "output folders of launch/eval.py, one for each training run of system A, comma-separated")
    b: tuple = option((), "output folders of system B; differences are A - B")
    out: str = option("", "folder for compare.json, compare.tsv, compare.tex and, of --a and --b, compare.html")
    metric: str = option(
        "map", "metric of the three settings, as named in results.json; rank distance is always compared too"
    )
    samples: int = option(
        10_000, "draws of the bootstrap and of the randomisation test", minimum=100, maximum=1_000_000
    )
    seed: int = option(0, "seed of the draws", minimum=0, maximum=2**31 - 1)
    confidence: float = option(
        0.95,
        "confidence level of the intervals; 1 - confidence is the significance level of the tests",
        minimum=0.5,
        maximum=0.999,
    )
    under_resourced: tuple = _under_resourced()
    systems: tuple = option(
        (),
        "two systems or more in place of --a and --b, every pair of which is compared: NAME:FOLDER for each run,"
        " comma-separated, with one name for the runs of a system",
    )

    def __post_init__(self):
        super().__post_init__()
        _check_languages("under_resourced", self.under_resourced)
        if self.systems and (self.a or self.b):
            raise InputError(f"--systems={','.join(self.systems)} stands in place of --a and --b: leave those out")


@dataclasses.dataclass(frozen=True)
class CompileCheckConfig(Part):
    """What launch/compile_check.py compiles, beside a configuration of training."""

    title: ClassVar[str] = "Compile check"

    topology: str = option("", "TPU slice to compile for: a topology such as v5e:4x4, or a slice such as v5e-16")
    stand_in: bool = option(
        False, "take the architecture of --model from its name, and texts of equal length: needs no weights, no data"
    )
    stand_in_vocabulary: int = option(0, "pieces of a stand-in's tokenizer; 0: the model's", minimum=0)
    stand_in_width: int = option(0, "width of a stand-in's encoder; 0: the model's", minimum=0)
    stand_in_layers: int = option(0, "layers of a stand-in's encoder; 0: the model's", minimum=0)
    stand_in_heads: int = option(0, "attention heads of a stand-in's encoder; 0: the model's", minimum=0)
    stand_in_feed_forward: int = option(0, "inner width of a stand-in's feed-forward part; 0: the model's", minimum=0)
    stand_in_query_tokens: int = option(0, "tokens of each query of a stand-in; 0: --query_length", minimum=0)
    stand_in_passage_tokens: int = option(0, "tokens of each passage of a stand-in; 0: --passage_length", minimum=0)
    eval_batch: int = option(
        256, "texts of 64 tokens that the evaluator embeds at a time on each device, as of launch/eval.py", minimum=1
    )
    largest_chunk: bool = option(
        True, "look for the largest --encode_chunk that fits; compiles several times unless all rows fit at once"
    )
    headroom: float = option(
        0.2, "fraction of the memory that should stay free; reported beside the verdict", minimum=0.0, maximum=0.9
    )
    program_cache: str = option(
        "", "folder in which compiled programs are kept, so that none is compiled a second time; empty: none"
    )
    json: str = option("", "file for the result as JSON; empty: printed after the table")
    report: str = option("", "file for a report on all flag files for TPUs; empty: one check of the flags given")


TRAIN_PARTS: dict[str, type[Part]] = {  # in the order of --help
    "run": RunConfig,
    "plan": PlanConfig,
    "text": TextConfig,
    "model": ModelConfig,
    "learning": LearningConfig,
    "teaching": TeachingConfig,
    "validation": ValidationConfig,
    "checkpoints": CheckpointConfig,
    "mesh": MeshConfig,
    "memory": MemoryConfig,
    "preparation": PreparationConfig,
    "evaluation": EvaluationConfig,
}
_PART_OF = {field.name: part for part, kind in TRAIN_PARTS.items() for field in dataclasses.fields(kind)}
_EARLIER_VALUES = {("normalize", "true"): True, ("normalize", "false"): False, ("normalize", OF_MODEL): None}


@dataclasses.dataclass(frozen=True)
class TrainConfig:
    """The whole configuration of a training run."""

    run: RunConfig = RunConfig()
    plan: PlanConfig = PlanConfig()
    text: TextConfig = TextConfig()
    model: ModelConfig = ModelConfig()
    learning: LearningConfig = LearningConfig()
    teaching: TeachingConfig = TeachingConfig()
    validation: ValidationConfig = ValidationConfig()
    checkpoints: CheckpointConfig = CheckpointConfig()
    mesh: MeshConfig = MeshConfig()
    memory: MemoryConfig = MemoryConfig()
    preparation: PreparationConfig = PreparationConfig()
    evaluation: EvaluationConfig = EvaluationConfig()

    def options(self) -> dict[str, Any]:
        """Every option by name; names are unique over all parts."""
        return {name: getattr(getattr(self, part), name) for name, part in _PART_OF.items()}

    def to_json(self) -> dict:
        """The configuration as nested JSON values; tuples become lists."""
        found: dict[str, dict] = {part: {} for part in TRAIN_PARTS}
        for name, value in self.options().items():
            found[_PART_OF[name]][name] = list(value) if isinstance(value, tuple) else value
        return found

    @classmethod
    def from_json(cls, values: dict) -> "TrainConfig":
        """The inverse of `to_json`, which also reads what earlier versions wrote: they had the same options in fewer
        parts.  Options that are absent have their defaults.

        Raises:
          InputError: there is a field that this version does not know.
        """
        options = {}
        for part, given in values.items():
            if not isinstance(given, dict):
                raise InputError(f"configuration has {given!r} as part {part!r}, expected an object of its options")
            unknown = sorted(set(given) - _PART_OF.keys())
            if unknown:
                raise InputError(f"configuration has unknown fields {unknown} in part {part!r}")
            options |= given
        return cls.from_options(options)

    @classmethod
    def from_options(cls, options: Mapping[str, Any]) -> "TrainConfig":
        """A configuration from options by name; lists become tuples, absent options have their defaults."""
        parts: dict[str, dict] = {part: {} for part in TRAIN_PARTS}
        for name, value in options.items():
            value = tuple(value) if isinstance(value, list) else _EARLIER_VALUES.get((name, value), value)
            parts[_PART_OF[name]][name] = value
        return cls(**{part: kind(**parts[part]) for part, kind in TRAIN_PARTS.items()})

"""The options of launch/train.py: a run, what it measures and keeps, and all its parts together."""

import dataclasses
from collections.abc import Mapping
from typing import Any, ClassVar

from hbt_jax.config.devices import MemoryConfig, MeshConfig
from hbt_jax.config.learning import LearningConfig, ModelConfig, PlanConfig, TeachingConfig, TextConfig
from hbt_jax.config.option import Part, option
from hbt_jax.config.shared import Benchmarks
from hbt_jax.config.values import OF_MODEL, RESUMES, TRACKERS, VALIDATION_LOSS
from hbt_jax.errors import InputError


@dataclasses.dataclass(frozen=True)
class RunConfig(Part):
    """Where a run lives and how long it lasts."""

    title: ClassVar[str] = "Run"

    workdir: str = option(
        "", "folder of this run: configuration, checkpoints, metrics and evaluation; or gs://BUCKET/FOLDER", remote="gs"
    )
    steps: int = option(1000, "total number of updates", minimum=1)
    epochs: float = option(
        0.0,
        "train for this many epochs instead of --steps; an epoch is as many pairs as all stores hold; rounded up to"
        " whole steps; 0: use --steps",
        minimum=0.0,
    )
    seed: int = option(0, "seed of the batch plan, the initial weights and dropout", minimum=0, maximum=2**31 - 1)
    log_every: int = option(20, "steps between two rows of metrics", minimum=1)
    trackers: tuple = option(
        (),
        "where metrics go besides metrics.jsonl and TensorBoard: wandb (Weights & Biases), mlflow; each needs the extra"
        " of its name and is set up by its own environment variables",
    )
    project: str = option("hbt_jax", "project (or, in mlflow, experiment) under which --trackers list the run")
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
        8, "batches per validation, the same ones every time, divided equally among the kinds of batches", minimum=1
    )
    evaluate_every: int = option(
        0, "steps between two evaluations on --dev_benchmarks; one more follows the last step; 0: none", minimum=0
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
    """When checkpoints are saved, and whether a run resumes from them."""

    title: ClassVar[str] = "Checkpoints"

    resume: str = option(
        "auto",
        "auto: resume a run found in --workdir; never: fail if there is one; must: fail if there is none",
        choices=RESUMES,
    )
    save_every: int = option(0, "steps between two checkpoints; 0: only --save_minutes counts", minimum=0)
    save_minutes: float = option(15.0, "minutes between two checkpoints; the last step is always saved", above=0.0)
    keep_checkpoints: int = option(
        2,
        "how many of the newest checkpoints are kept; if the newest is damaged, a run resumes from the one before",
        minimum=1,
    )


@dataclasses.dataclass(frozen=True)
class PreparationConfig(Part):
    """Data that is built before training when it is missing."""

    title: ClassVar[str] = "Preparation"

    prepare: str = option("", "source whose stores, tokenizer and benchmark are built first if missing (facts)")
    prepared_dir: str = option("runs/data", "folder for what --prepare builds")
    vocabulary: int = option(28000, "vocabulary size of the tokenizer that --prepare trains", minimum=400)


@dataclasses.dataclass(frozen=True)
class EvaluationConfig(Benchmarks):
    """What is evaluated after training."""

    evaluate_untrained: bool = option(False, "evaluate the initial weights too, as the baseline in the report")


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

"""What is compiled: an update and the shapes of a batch, taken from a model's files and stores or from a stand-in.

A stand-in needs no data and no weights: the architecture is that of a model known by name, and all texts of a side have
the same length.
"""

import dataclasses

import jax
import numpy as np
from jax.sharding import Mesh

from hbt_jax.config.compile_check import CompileCheckConfig
from hbt_jax.config.learning import TextConfig
from hbt_jax.config.training import TrainConfig
from hbt_jax.data.false_negatives import words
from hbt_jax.data.packing import ladder_rows, pack_shares
from hbt_jax.errors import InputError
from hbt_jax.mesh import batch_sharding
from hbt_jax.models.encoder import PRESETS, EncoderConfig, preset
from hbt_jax.models.lora import lora_config
from hbt_jax.models.rotary import LAST, RotaryConfig
from hbt_jax.training.freezing import frozen_parts
from hbt_jax.training.step import StepConfig

_XLMR = {"vocab_size": 250002, "max_positions": 512, "position_offset": 2, "token_types": 1, "pad_id": 1}
_E5 = {"vocab_size": 250037, "max_positions": 512, "token_types": 2, "norm_epsilon": 1e-12}
_BASE = {"width": 768, "layers": 12, "heads": 12, "feed_forward": 3072}
_LARGE = {"width": 1024, "layers": 24, "heads": 16, "feed_forward": 4096}
_LABSE = {"vocab_size": 501153, "max_positions": 512, "token_types": 2, "norm_epsilon": 1e-12, "dense": 768}
_MMBERT = {"vocab_size": 256000, "layers": 22, "feed_forward": 1152, "max_positions": 8192}
_MMBERT_ROTARY = RotaryConfig(
    160_000.0,
    local_layers=tuple(number for number in range(22) if number % 3),
    local_theta=160_000.0,
    window=64,
    pre_norm=True,
    norm_bias=False,
)
_GTE = {"vocab_size": 250048, "max_positions": 8192, "token_types": 1, "norm_epsilon": 1e-12, "pad_id": 1}
_GTE_ROTARY = RotaryConfig(
    160_000.0, 8 ** (2 / 64), biases=("query_key_value", "attention_output", "contract"), activated=LAST
)
ARCHITECTURES = {  # last part of a hub id, in small letters -> the architecture in its config.json
    "xlm-roberta-base": EncoderConfig(**_XLMR, **_BASE),
    "xlm-roberta-large": EncoderConfig(**_XLMR, **_LARGE),
    "labse": EncoderConfig(**_LABSE, **_BASE),
    "multilingual-e5-small": EncoderConfig(**_E5, width=384, layers=12, heads=12, feed_forward=1536),
    "multilingual-e5-base": EncoderConfig(**_XLMR, **_BASE),
    "multilingual-e5-large": EncoderConfig(**_XLMR, **_LARGE),
    "mmbert-small": EncoderConfig(**_MMBERT, width=384, heads=6, rotary=_MMBERT_ROTARY),
    "mmbert-base": EncoderConfig(**_MMBERT, width=768, heads=12, rotary=_MMBERT_ROTARY),
    "gte-multilingual-base": EncoderConfig(**_GTE, **_BASE, rotary=_GTE_ROTARY),
}
_POOLING = {"labse": "cls", "gte-multilingual-base": "cls"}
_VOCABULARY = 28000  # of a preset, unless a flag says otherwise


@dataclasses.dataclass(frozen=True)
class Case:
    """What is compiled for training.

    Attributes:
      step: the update.
      global_batch: B.
      passages: of each query, negatives included.
      rows: R, packed rows of a device.
      text: lengths.
      eval_batch: texts of 64 tokens that the evaluator embeds at a time on each device.
    """

    step: StepConfig
    global_batch: int
    passages: int
    rows: int
    text: TextConfig
    eval_batch: int

    def batch(self, mesh: Mesh) -> dict:
        """Shapes and shardings of a batch on a mesh."""
        shares, b = mesh.size, self.global_batch // mesh.size
        shapes = dict.fromkeys(("tokens", "segments", "positions"), (shares, self.rows, self.text.row_tokens))
        shapes |= {"query_slots": (shares, b), "passage_slots": (shares, b * self.passages)}
        shapes |= {"masked": (shares, b, words(self.global_batch * self.passages))}
        shapes |= dict.fromkeys(("false_negatives", "truncated", "absent_negatives"), (shares,))
        sharding = batch_sharding(mesh)
        return {name: jax.ShapeDtypeStruct(shape, np.int32, sharding=sharding) for name, shape in shapes.items()}

    def with_memory(self, **changes) -> "Case":
        """The same with other options of memory and speed."""
        memory = dataclasses.replace(self.step.memory, **changes)
        return dataclasses.replace(self, step=dataclasses.replace(self.step, memory=memory))


def stand_in_case(config: TrainConfig, check: CompileCheckConfig, devices: int) -> Case:
    """The case without files.

    Raises:
      InputError: no model of that name is known, or sizes do not fit together.
    """
    check_divides(config.plan.global_batch, devices)
    model, encoder = config.model, _architecture(config, check)
    lora = lora_config(model.lora_rank, model.lora_alpha, model.lora_layers, model.lora_targets, encoder.layers)
    pooling = model.pooling if model.pooling != "model" else _POOLING.get(_key(model.model), "mean")
    step = StepConfig(
        encoder=encoder,
        pooling=pooling,
        segments=config.text.segments,
        learning=config.learning,
        steps=config.run.steps,
        seed=config.run.seed,
        compute_dtype=config.mesh.compute_dtype,
        normalize=model.normalize is not False,
        lora=lora,
        frozen=frozen_parts(model.freeze, encoder, lora),
        memory=config.memory,
    )
    passages = 1 + config.plan.negatives
    b = config.plan.global_batch // devices
    lengths = [check.stand_in_query_tokens or config.text.query_length] * b
    lengths += [check.stand_in_passage_tokens or config.text.passage_length] * (b * passages)
    if max(lengths) > config.text.row_tokens:
        raise InputError(
            f"a text of {max(lengths)} tokens does not fit a row of {config.text.row_tokens}: raise --row_length"
        )
    placed = pack_shares(np.array([lengths]), config.text.row_tokens, config.text.segments)
    rows = ladder_rows(int(placed.rows[0]))
    return Case(step, config.plan.global_batch, passages, rows, config.text, check.eval_batch)


def real_case(config: TrainConfig, check: CompileCheckConfig, mesh: Mesh) -> Case:
    """The case of the model and the stores that the configuration names, with the rows of the first batch.

    Raises:
      InputError: a model or store cannot be read.
    """
    from hbt_jax.training.batches import HostBatches  # TensorFlow, which a stand-in does not need
    from hbt_jax.training.initial_model import open_initial_model
    from hbt_jax.training.workdir import step_config_of

    if not config.plan.stores:
        raise InputError("--stores is needed, because its first batch gives the number of rows; or give --stand_in")
    check_divides(config.plan.global_batch, mesh.size)
    initial = open_initial_model(config)
    batches = HostBatches(initial.config, config.plan.stores, initial.tokenizer, mesh)
    first = next(iter(batches(0, 1)))
    passages, rows = first["passage_slots"].shape[1] // first["query_slots"].shape[1], first["tokens"].shape[1]
    text = initial.config.text
    return Case(step_config_of(initial), config.plan.global_batch, passages, rows, text, check.eval_batch)


def check_divides(global_batch: int, devices: int) -> None:
    """Raises InputError if a batch does not split evenly over the devices."""
    if global_batch % devices:
        below = global_batch // devices * devices
        near = " or ".join(str(size) for size in (below, below + devices) if size)
        raise InputError(
            f"--global_batch={global_batch} does not split evenly over {devices} devices: expected a multiple, such as"
            f" {near}"
        )


def _key(model: str) -> str:
    return model.rstrip("/").rpartition("/")[2].lower()


def _architecture(config: TrainConfig, check: CompileCheckConfig) -> EncoderConfig:
    name = config.model.model
    changes = {
        "vocab_size": check.stand_in_vocabulary,
        "width": check.stand_in_width,
        "layers": check.stand_in_layers,
        "heads": check.stand_in_heads,
        "feed_forward": check.stand_in_feed_forward,
    }
    changes = {field: value for field, value in changes.items() if value}
    if name in PRESETS:
        found = preset(name, vocab_size=_VOCABULARY, max_positions=config.text.longest, dropout=0.0, pad_id=0)
    elif _key(name) in ARCHITECTURES:
        found = ARCHITECTURES[_key(name)]
    else:
        known = ", ".join([*PRESETS, *ARCHITECTURES])
        raise InputError(f"--stand_in: --model={name} is not known by name: expected one of {known}")
    found = dataclasses.replace(found, dropout=config.model.dropout, **changes)
    if found.width % found.heads:
        raise InputError(
            f"--stand_in_width={found.width} does not split over {found.heads} heads: change --stand_in_heads"
        )
    if config.text.longest > found.max_positions:
        raise InputError(f"texts of {config.text.longest} tokens, but {name} has {found.max_positions} positions")
    return found

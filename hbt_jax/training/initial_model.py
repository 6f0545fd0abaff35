"""What a run starts from: a preset with random weights, or a pretrained encoder with its tokenizer and its habits.

An option of value `model` (None for a boolean) is left to the model.  It gets its concrete value here, so that the
configuration a run writes, and everything later, is explicit.
"""

import dataclasses
from collections.abc import Mapping

import numpy as np

from hbt_jax.config.learning import ModelConfig, TextConfig
from hbt_jax.config.training import TrainConfig
from hbt_jax.config.values import OF_MODEL
from hbt_jax.data.packing import stored_format
from hbt_jax.data.store import store_tokenizer
from hbt_jax.data.store_cache import local_store
from hbt_jax.errors import InputError
from hbt_jax.models.encoder import PRESETS, EncoderConfig, preset
from hbt_jax.models.huggingface import pretrained as files
from hbt_jax.models.huggingface.pretrained import Pretrained
from hbt_jax.models.lora import LoraConfig, lora_config
from hbt_jax.models.tokenizer import Tokenizer, load_tokenizer
from hbt_jax.training.freezing import frozen_parts

POOLING, NORMALIZE, QUERY_PREFIX, PASSAGE_PREFIX = "mean", True, "query: ", "passage: "  # where nothing else is said

_OF_FILES = ("pooling", "normalize", "query_prefix", "passage_prefix")  # options that may be left to the model


@dataclasses.dataclass(frozen=True)
class Habits:
    """How a model turns texts into embeddings, with every option that was left to it resolved."""

    pooling: str
    normalize: bool
    query_prefix: str
    passage_prefix: str


@dataclasses.dataclass(frozen=True)
class InitialModel:
    """What a run starts from.

    Attributes:
      config: the run's configuration without options left to the model.
      encoder: the architecture, with the run's dropout.
      tokenizer: the tokenizer.
      lora: the adapters, None for none.
      frozen: parts that are not trained, see freezing.py.
      pretrained: the folder of the weights, None for random ones.
      said: for options left to the model's files, the file and key that set them, in words.
      assumed: those of pooling, normalize, query_prefix and passage_prefix that neither a file nor a flag states.
    """

    config: TrainConfig
    encoder: EncoderConfig
    tokenizer: Tokenizer
    lora: LoraConfig | None
    frozen: tuple[str, ...]
    pretrained: Pretrained | None
    said: Mapping[str, str] = dataclasses.field(default_factory=dict)
    assumed: tuple[str, ...] = ()

    @property
    def fingerprint(self) -> str:
        """What the weights of step 0 are: a preset's name, or the digest of the pretrained files."""
        return self.pretrained.fingerprint if self.pretrained else self.config.model.model

    def weights(self) -> tuple[dict[tuple, np.ndarray] | None, tuple[str, ...]]:
        """The pretrained parameters by path, None for random ones; and notes on what in the files is not used."""
        if not self.pretrained:
            return None, ()
        parameters, left_out = files.read_parameters(self.pretrained)
        return parameters, unused(self.pretrained, left_out)


def unused(pretrained: Pretrained, left_out: list[str]) -> tuple[str, ...]:
    """One line on the tensors that embeddings do not need; nothing if there are none."""
    return (f"not used from {pretrained.name}: {', '.join(left_out)}",) if left_out else ()


def open_initial_model(config: TrainConfig) -> InitialModel:
    """Reads what --model names, except the weights.

    Raises:
      InputError: there is no such model, or a flag does not fit it.
    """
    model, pretrained = config.model, _pretrained(config)
    tokenizer = load_tokenizer(_tokenizer_path(config, pretrained))
    if pretrained:
        check_vocabulary(pretrained, tokenizer)
        encoder = dataclasses.replace(pretrained.encoder, dropout=model.dropout)
    else:
        encoder = preset(
            model.model,
            vocab_size=tokenizer.vocab_size,
            max_positions=config.text.longest,
            dropout=model.dropout,
            pad_id=tokenizer.pad_id,
        )
    _check_lengths(config.text, encoder)
    too_wide = [width for width in config.learning.widths() if width > encoder.embedding_width]
    if too_wide:
        raise InputError(
            f"--matryoshka_widths={','.join(config.learning.matryoshka_widths)}: {too_wide[0]} is more than the"
            f" {encoder.embedding_width} numbers of this model's embeddings: leave it out"
        )
    lora = lora_config(model.lora_rank, model.lora_alpha, model.lora_layers, model.lora_targets, encoder.layers)
    if lora and not pretrained:
        raise InputError(
            f"--lora_rank={lora.rank} needs a pretrained --model: only the adapters would be trained, on top of the"
            f" random weights of --model={model.model}"
        )
    told = {field: getattr(part, field) for part in (config.text, model) for field in _OF_FILES if hasattr(part, field)}
    left = [name for name in _OF_FILES if pretrained and told[name] in (OF_MODEL, None)]
    said = {name: pretrained.said[name] for name in left if name in pretrained.said}
    settled = _resolved(config, pretrained)
    for side in ("query", "passage"):
        stored_format(settled.text, tokenizer, side, said)
    return InitialModel(
        config=settled,
        encoder=encoder,
        tokenizer=tokenizer,
        lora=lora,
        frozen=frozen_parts(model.freeze, encoder, lora),
        pretrained=pretrained,
        said=said,
        assumed=tuple(name for name in left if name in pretrained.unstated),
    )


def resolved(config: TrainConfig) -> TrainConfig:
    """The configuration without options left to the model, as a run writes it to WORKDIR/config.json.

    Reads only the files of the model that its options are taken from; none for a preset.

    Raises:
      InputError: there is no such model, or a file of it is wrong.
    """
    return _resolved(config, _pretrained(config))


def architecture(config: TrainConfig) -> EncoderConfig:
    """The encoder that --model names, of a preset without its vocabulary and positions; raises as `resolved`."""
    pretrained, name = _pretrained(config), config.model.model
    return pretrained.encoder if pretrained else preset(name, vocab_size=0, max_positions=0, dropout=0.0, pad_id=0)


def one_spelling(config: TrainConfig, encoder: EncoderConfig | None) -> dict[str, object]:
    """The options by name, spelled so that configurations of the same meaning have equal ones.

    Args:
      config: without options left to the model.
      encoder: the architecture; None leaves expressions for its layers as they are.
    """
    options, model = config.options(), config.model
    options |= {"row_length": config.text.row_tokens, "row_segments": config.text.segments}
    options["steps"] = None if config.run.epochs else config.run.steps
    options |= {name: tuple(sorted(getattr(model, name))) for name in ("freeze", "lora_layers", "lora_targets")}
    if encoder is None:
        return options
    try:
        lora = lora_config(model.lora_rank, model.lora_alpha, model.lora_layers, model.lora_targets, encoder.layers)
        options["freeze"] = frozen_parts(model.freeze, encoder, lora)
    except InputError:  # of another encoder, which is an error of its own
        return options
    return options | ({"lora_layers": lora.layers, "lora_targets": lora.targets} if lora else {})


def habits(pretrained: Pretrained | None, text: TextConfig, pooling: str, normalize: bool | None) -> Habits:
    """The options of a run or an evaluation; those left to the model are taken from its files, else the defaults."""

    def chosen(given, of_files, default):
        if given not in (OF_MODEL, None):
            return given
        return default if of_files is None else of_files

    return Habits(
        pooling=chosen(pooling, pretrained and pretrained.pooling, POOLING),
        normalize=chosen(normalize, pretrained and pretrained.normalize, NORMALIZE),
        query_prefix=chosen(text.query_prefix, pretrained and pretrained.query_prefix, QUERY_PREFIX),
        passage_prefix=chosen(text.passage_prefix, pretrained and pretrained.passage_prefix, PASSAGE_PREFIX),
    )


def check_vocabulary(pretrained: Pretrained, tokenizer: Tokenizer) -> None:
    """Raises InputError if the tokenizer has ids that the encoder's table does not have."""
    if tokenizer.vocab_size > pretrained.encoder.vocab_size:
        raise InputError(
            f"{pretrained.folder}: tokenizer.json has ids up to {tokenizer.vocab_size - 1}, but config.json says"
            f" vocab_size {pretrained.encoder.vocab_size}: the two files belong to different models"
        )


def _tokenizer_path(config: TrainConfig, pretrained: Pretrained | None):
    if pretrained and config.model.tokenizer:
        raise InputError(
            f"--tokenizer={config.model.tokenizer} cannot be used with a pretrained --model={config.model.model}, which"
            " has its own: leave it out"
        )
    if pretrained:
        return pretrained.folder
    return config.model.tokenizer or store_tokenizer(local_store(config.plan.stores[0], config.run.store_cache))


def _check_lengths(text: TextConfig, encoder: EncoderConfig) -> None:
    for name in ("query_length", "passage_length"):
        if getattr(text, name) > encoder.max_positions:
            raise InputError(
                f"--{name}={getattr(text, name)}: expected at most {encoder.max_positions}, this model's positions"
            )


def has_random_weights(config: TrainConfig) -> bool:
    """Whether --model is a preset, so that its weights are drawn by the seed, and its vocabulary is the stores'."""
    return config.model.model in PRESETS


def _pretrained(config: TrainConfig) -> Pretrained | None:
    return None if has_random_weights(config) else files.read(config.model.model)


def _resolved(config: TrainConfig, pretrained: Pretrained | None) -> TrainConfig:
    of_model = habits(pretrained, config.text, config.model.pooling, config.model.normalize)
    text = dataclasses.replace(config.text, query_prefix=of_model.query_prefix, passage_prefix=of_model.passage_prefix)
    model: ModelConfig = dataclasses.replace(config.model, pooling=of_model.pooling, normalize=of_model.normalize)
    return dataclasses.replace(config, text=text, model=model)

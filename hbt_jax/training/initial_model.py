"""What a run starts from: a preset with random weights, or a pretrained encoder with its tokenizer and its habits.

An option of value `model` is left to the model; here it gets its value, so that what a run writes down, and everything
after this, holds concrete ones.
"""

import dataclasses
from collections.abc import Mapping

import numpy as np

from hbt_jax.config import OF_MODEL, ModelConfig, TextConfig, TrainConfig
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
_SWITCH = {OF_MODEL: OF_MODEL, "true": True, "false": False}


@dataclasses.dataclass(frozen=True)
class Habits:
    """How a model turns texts into embeddings, with every option of value `model` resolved."""

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
      frozen: parts that do not train, see freezing.py.
      pretrained: the folder of the weights, None for random ones.
      said: of the options left to the model's files, the file and key that say them, in words.
      assumed: of pooling, normalize, query_prefix and passage_prefix, those that neither a file nor a flag states.
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
        """The pretrained parameters by path, None for random ones; and notes on what of the files is not used."""
        if not self.pretrained:
            return None, ()
        parameters, left_out = files.read_parameters(self.pretrained)
        return parameters, unused(self.pretrained, left_out)


def unused(pretrained: Pretrained, left_out: list[str]) -> tuple[str, ...]:
    """One line on the tensors that embeddings do not need, none if there are no such tensors."""
    return (f"not used of {pretrained.name}: {', '.join(left_out)}",) if left_out else ()


def open_initial_model(config: TrainConfig) -> InitialModel:
    """Reads what --model names, all but the weights.

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
    lora = lora_config(model.lora_rank, model.lora_alpha, model.lora_layers, model.lora_targets, encoder.layers)
    if lora and not pretrained:
        raise InputError(
            f"--lora_rank={lora.rank} needs a pretrained --model: nothing but the adapters would train, on top of the"
            f" random weights of --model={model.model}"
        )
    told = {field: getattr(part, field) for part in (config.text, model) for field in _OF_FILES if hasattr(part, field)}
    left = [name for name in _OF_FILES if pretrained and told[name] == OF_MODEL]
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
    """The configuration without options left to the model: what a run of it writes to WORKDIR/config.json.

    Reads of the model only the files that its options are taken from, none for a preset.

    Raises:
      InputError: there is no such model, or a file of it is wrong.
    """
    return _resolved(config, _pretrained(config))


def habits(pretrained: Pretrained | None, text: TextConfig, pooling: str, normalize: str) -> Habits:
    """The options of a run or an evaluation, those of value `model` taken from the model's files, else the defaults."""

    def chosen(given, of_files, default):
        if given != OF_MODEL:
            return given
        return default if of_files is None else of_files

    return Habits(
        pooling=chosen(pooling, pretrained and pretrained.pooling, POOLING),
        normalize=chosen(_SWITCH[normalize], pretrained and pretrained.normalize, NORMALIZE),
        query_prefix=chosen(text.query_prefix, pretrained and pretrained.query_prefix, QUERY_PREFIX),
        passage_prefix=chosen(text.passage_prefix, pretrained and pretrained.passage_prefix, PASSAGE_PREFIX),
    )


def check_vocabulary(pretrained: Pretrained, tokenizer: Tokenizer) -> None:
    """Raises InputError if the tokenizer has ids that the encoder's table lacks."""
    if tokenizer.vocab_size > pretrained.encoder.vocab_size:
        raise InputError(
            f"{pretrained.folder}: tokenizer.json has ids up to {tokenizer.vocab_size - 1}, but config.json says"
            f" vocab_size {pretrained.encoder.vocab_size}: the two files are of different models"
        )


def _tokenizer_path(config: TrainConfig, pretrained: Pretrained | None):
    if pretrained and config.model.tokenizer:
        raise InputError(
            f"--tokenizer={config.model.tokenizer} does not go with a pretrained --model={config.model.model}, which"
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


def _pretrained(config: TrainConfig) -> Pretrained | None:
    return None if config.model.model in PRESETS else files.read(config.model.model)


def _resolved(config: TrainConfig, pretrained: Pretrained | None) -> TrainConfig:
    of_model = habits(pretrained, config.text, config.model.pooling, config.model.normalize)
    text = dataclasses.replace(config.text, query_prefix=of_model.query_prefix, passage_prefix=of_model.passage_prefix)
    model: ModelConfig = dataclasses.replace(
        config.model, pooling=of_model.pooling, normalize="true" if of_model.normalize else "false"
    )
    return dataclasses.replace(config, text=text, model=model)

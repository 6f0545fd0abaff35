"""Reads pretrained encoders strictly: a folder in Hugging Face's layout or a hub id to architecture and parameters."""

import dataclasses
import functools
import hashlib
import itertools
from pathlib import Path

import numpy as np

from hbt_jax.config.values import MIN_MAX_LENGTH
from hbt_jax.errors import InputError
from hbt_jax.models.encoder import EncoderConfig
from hbt_jax.models.huggingface import architectures, peft_adapters
from hbt_jax.models.huggingface.by_transformers import OLDER_FILES, TOKENIZER
from hbt_jax.models.huggingface.by_transformers import SETTINGS as TOKENIZER_SETTINGS
from hbt_jax.models.huggingface.hub import EXPECTED, find
from hbt_jax.models.huggingface.json_files import Fields, read_json
from hbt_jax.models.huggingface.peft_adapters import Adapter
from hbt_jax.models.huggingface.sentence_files import NO_PROMPTS, Dense, SentenceFiles, read_sentence_files
from hbt_jax.models.huggingface.weights import INDEX, PICKLE, SINGLE, Weights, fill, find_weights, mismatch

# These were trained with prefixes that their files do not state (Wang et al. 2024, arXiv 2402.05672).
_UNSTATED_PREFIXES = {f"multilingual-e5-{size}": ("query: ", "passage: ") for size in ("small", "base", "large")}

_UNKNOWN_LENGTH = 10**20  # transformers treats a model_max_length from here on as unknown (it writes 10**30)


@dataclasses.dataclass(frozen=True)
class Pretrained:
    """A pretrained encoder, without its weights in memory.

    Attributes:
      name: the folder or hub id as given.
      folder: of the encoder's and the tokenizer's files.
      encoder: its architecture, without dropout.
      pooling: "mean" or "cls"; None without sentence-transformers files.
      normalize: whether embeddings are scaled to unit length; None as for pooling.
      query_prefix, passage_prefix: put before texts; None as for pooling.
      max_length: tokens of the longest text, at most `encoder.max_positions`.
      said: where pooling, normalize, query_prefix, passage_prefix and max_length come from, in words such as
        "prompts.query in FILE"; without those that nothing states.
      unstated: those of pooling, normalize, query_prefix, passage_prefix and max_length that no file states.
      notes: what a user should know, one line each.
      weights: the encoder's weights.
      dense: the dense layer after pooling; None for none.
      dense_weights: its weights.
      adapter: PEFT adapters that are added to the weights; None for none.
    """

    name: str
    folder: Path
    encoder: EncoderConfig
    pooling: str | None
    normalize: bool | None
    query_prefix: str | None
    passage_prefix: str | None
    max_length: int
    said: dict[str, str]
    unstated: tuple[str, ...]
    notes: tuple[str, ...]
    weights: Weights
    dense: Dense | None
    dense_weights: Weights | None
    adapter: Adapter | None = None

    @functools.cached_property
    def fingerprint(self) -> str:
        """Identifies the weights: "sha256:" and a digest of all their files."""
        digests = []
        others = [one.files for one in (self.dense_weights, self.adapter) if one]
        for file in itertools.chain(self.weights.files, *others):
            with file.open("rb") as content:
                digests.append(hashlib.file_digest(content, "sha256").hexdigest())
        return "sha256:" + hashlib.sha256("\n".join(digests).encode()).hexdigest()


def read(name: str, given: str = "") -> Pretrained:
    """Reads all of a pretrained encoder except its weights.

    Args:
      name: folder or hub id, see `find`.
      given: what gave the name, for messages; empty: `--model=NAME`.

    Raises:
      InputError: there is no such model, or a file of it is missing, damaged or states something unsupported.
    """
    given = given or f"--model={name}"
    root = find(name, given)
    sentence = read_sentence_files(root)
    folder = sentence.transformer if sentence else root
    config = folder / "config.json"
    adapter = peft_adapters.read(folder)
    if adapter and not config.is_file():
        return _on_its_base(name, sentence, adapter)
    if not config.is_file():
        raise InputError(f"{given}: no config.json in {folder}; {EXPECTED}")
    encoder = architectures.encoder_config(read_json(config), str(config))
    dense = sentence.dense if sentence else None
    if sentence:
        _check_widths(encoder, sentence)
    if dense:
        encoder = dataclasses.replace(encoder, dense=dense.outputs, dense_activation=dense.activation)
    weights = _weights(folder, name, sentence)
    dense_weights = _weights(dense.folder, name, sentence) if dense else None
    if not any((folder / file).is_file() for file in (TOKENIZER, *OLDER_FILES)):
        raise InputError(
            f"{folder}: no {TOKENIZER} (or {' or '.join(OLDER_FILES)}); to make it of other tokenizer files,"
            f" {_remake(name, sentence)}"
        )
    query_prefix, passage_prefix, said, notes = _prefixes(name, sentence)
    max_length, said["max_length"] = _max_length(folder, sentence)
    pooling, normalize = (sentence.pooling, sentence.normalize) if sentence else (None, None)
    stated = {
        "pooling": pooling,
        "normalize": normalize,
        "query_prefix": query_prefix,
        "passage_prefix": passage_prefix,
        "max_length": max_length,
    }
    return Pretrained(
        name=name,
        folder=folder,
        encoder=encoder,
        pooling=pooling,
        normalize=normalize,
        query_prefix=query_prefix,
        passage_prefix=passage_prefix,
        max_length=min(max_length or encoder.max_positions, encoder.max_positions),
        said=said,
        unstated=tuple(key for key, value in stated.items() if value is None),
        notes=(*notes, *_default_notes(folder, encoder, max_length, said["max_length"])),
        weights=weights,
        adapter=adapter,
        dense=dense,
        dense_weights=dense_weights,
    )


def _on_its_base(name: str, sentence: SentenceFiles | None, adapter: Adapter) -> Pretrained:
    """Joins an adapter without a model beside it to its base, which says how texts are embedded."""
    if sentence:
        raise InputError(
            f"{adapter.folder}: has {peft_adapters.CONFIG} and no config.json in a folder with modules.json: copy the"
            f" base model's config.json and weights ({adapter.base or 'not stated'}) beside it"
        )
    if not adapter.base:
        raise InputError(
            f"{adapter.folder / peft_adapters.CONFIG}: base_model_name_or_path is not stated: write the folder or hub"
            " id of the model that the adapter was trained on"
        )
    base = read(adapter.base, f"{adapter.folder / peft_adapters.CONFIG}: base_model_name_or_path={adapter.base}")
    if base.adapter:
        raise InputError(f"{adapter.folder}: its base, {base.name}, is an adapter itself: merge that one first")
    return dataclasses.replace(base, name=name, adapter=adapter)


def _check_widths(encoder: EncoderConfig, sentence: SentenceFiles) -> None:
    widths = {"Pooling": sentence.pooling_width} | ({"Dense": sentence.dense.inputs} if sentence.dense else {})
    for module, width in widths.items():
        if width != encoder.width:
            raise InputError(
                f"{sentence.transformer / 'config.json'}: hidden_size is {encoder.width}, but the {module} module is"
                f" for vectors of {width} numbers: the files are of different models"
            )


def _weights(folder: Path, name: str, sentence: SentenceFiles | None) -> Weights:
    weights = find_weights(folder)
    if weights is None:
        raise InputError(
            f"{folder}: no {SINGLE} or {INDEX}; a {PICKLE} is not read, because unpickling it can run foreign code: to"
            f" convert it, {_remake(name, sentence)}"
        )
    return weights


def _remake(name: str, sentence: SentenceFiles | None) -> str:
    """The command by which the model's own libraries rewrite the folder with safetensors and tokenizer.json."""
    if sentence:
        code = f"from sentence_transformers import SentenceTransformer as S; S({name!r}).save_pretrained('OUT')"
    else:
        code = (
            f"from transformers import AutoModel as M, AutoTokenizer as T; M.from_pretrained({name!r})"
            f".save_pretrained('OUT'); T.from_pretrained({name!r}).save_pretrained('OUT')"
        )
    return f'run: python -c "{code}" and give --model=OUT'


def _prefixes(
    name: str, sentence: SentenceFiles | None
) -> tuple[str | None, str | None, dict[str, str], tuple[str, ...]]:
    """The prefixes of queries and passages, where they come from, and notes on them."""
    stated = (sentence.query_prompt, sentence.passage_prompt) if sentence else (None, None)
    notes = sentence.notes if sentence else ()
    known = _model_name(Path(name).resolve())
    if any(stated) or known not in _UNSTATED_PREFIXES:
        return (*stated, dict(sentence.said) if sentence else {}, notes)
    query, passage = _UNSTATED_PREFIXES[known]
    note = (
        f"{known}: its files state no prompts; it was trained with {query!r} and {passage!r}, which are taken unless"
        " --query_prefix and --passage_prefix say otherwise"
    )
    said = dict(sentence.said) if sentence else {}
    said |= {f"{side}_prefix": f"the {side} prefix that {known} was trained with" for side in ("query", "passage")}
    return query, passage, said, (note, *(one for one in notes if one != NO_PROMPTS))


def _default_notes(folder: Path, encoder: EncoderConfig, max_length: int | None, said: str) -> list[str]:
    """Notes on what the files leave to transformers' defaults, and on a longest text that exceeds the positions."""
    notes, defaults = [], architectures.defaults_taken(read_json(folder / "config.json"))
    if defaults:
        notes.append(f"config.json does not state {', '.join(defaults)}: these defaults of transformers are taken")
    if not (folder / TOKENIZER_SETTINGS).is_file():
        notes.append(
            f"no {TOKENIZER_SETTINGS}: the tokenizer is of the class that goes with the model_type of config.json, with"
            " the special tokens of that class"
        )
    if max_length and encoder.max_positions < max_length < _UNKNOWN_LENGTH:
        notes.append(f"{said} is {max_length}: the model has {encoder.max_positions} positions, longer texts are cut")
    return notes


def _model_name(folder: Path) -> str:
    """The model's name in lower case: its folder's name or, in the hub's cache, NAME of models--OWNER--NAME."""
    if folder.parent.name == "snapshots":
        return folder.parent.parent.name.rpartition("--")[2].lower()
    return folder.name.lower()


def _max_length(folder: Path, sentence: SentenceFiles | None) -> tuple[int | None, str]:
    """Tokens of the longest text, None if no file states it; and the key and file that state it, in words."""
    if sentence and sentence.max_length:
        return sentence.max_length, sentence.said["max_length"]
    file = folder / TOKENIZER_SETTINGS
    fields = Fields(read_json(file) if file.is_file() else {}, file)
    longest = fields.value(
        "model_max_length",
        lambda found: type(found) in (int, float) and found >= MIN_MAX_LENGTH,
        f"a number of tokens, at least {MIN_MAX_LENGTH}, or null",
        absent=None,
        null=None,
    )
    if longest is None or longest >= _UNKNOWN_LENGTH:
        return None, f"max_position_embeddings in {folder / 'config.json'}"
    return int(longest), f"model_max_length in {file}"


def read_parameters(pretrained: Pretrained) -> tuple[dict[tuple, np.ndarray], list[str]]:
    """Reads the weights; it takes as much memory as they do, once.

    Args:
      pretrained: what `read` returned.

    Returns:
      (parameters, left_out): float32 arrays by path, as `nnx.to_flat_state` names them; and what else the files hold,
      which embeddings do not need, in words such as "lm_head (5 tensors)".

    Raises:
      InputError: a file is damaged, or tensors are missing, unexpected, or of another shape or dtype.
    """
    source, dense, encoder = pretrained.weights, pretrained.dense, pretrained.encoder
    tensors = source.tensors()
    names, left_out = architectures.encoder_names(tensors, str(source.source), encoder)
    own = {name: tensors[given] for name, given in names.items()}
    dense_tensors = pretrained.dense_weights.tensors() if dense else {}
    problems = {
        source.source: mismatch(own, architectures.tensor_shapes(encoder)),
        dense and pretrained.dense_weights.source: mismatch(dense_tensors, dense.tensor_shapes() if dense else {}),
    }
    told = "; ".join(f"{file}: {problem}" for file, problem in problems.items() if problem)
    if told:
        raise InputError(f"the weights are not those that {pretrained.folder / 'config.json'} describes: {told}")
    flat = architectures.to_flat(encoder, lambda name, target: fill(own[name], target))
    if dense:
        flat["dense", "kernel"] = np.zeros((dense.inputs, dense.outputs), np.float32)
        flat["dense", "bias"] = np.zeros(dense.outputs, np.float32)
        fill(dense_tensors["linear.weight"], flat["dense", "kernel"].T)
        if dense.bias:
            fill(dense_tensors["linear.bias"], flat["dense", "bias"])
    if pretrained.adapter:
        peft_adapters.merge(pretrained.adapter, encoder, flat)
    return flat, left_out

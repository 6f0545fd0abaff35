"""Reads an exported folder like any pretrained encoder, and compares it with the model that was exported."""

import dataclasses
from pathlib import Path

import numpy as np

from hbt_jax.errors import InputError
from hbt_jax.models.huggingface import architectures, pretrained
from hbt_jax.models.model import Model
from hbt_jax.models.tokenizer import Tokenizer, load_tokenizer


def check_read_back(folder: Path, model: Model, tensors: dict[str, np.ndarray], dense: dict[str, np.ndarray]) -> None:
    """Raises InputError if the folder reads back as anything but `model`.

    Args:
      folder: the exported folder.
      model: what was exported; its longest text is that of the longer side.
      tensors: transformers' tensors that were written.
      dense: the tensors of the dense layer; empty for none.
    """
    found = pretrained.read(str(folder))
    flat, _ = pretrained.read_parameters(found)
    again = {f"dense {path[1]}": value for path, value in flat.items() if path[0] == "dense"}
    meant = {"dense kernel": dense["linear.weight"].T, "dense bias": dense["linear.bias"]} if dense else {}
    differing = [
        *_differing_settings(found, model),
        *_differing_arrays(again, meant),
        *_differing_arrays(architectures.from_flat(found.encoder, flat), tensors),
        *_differing_tokens(load_tokenizer(folder), model.tokenizer),
    ]
    if differing:
        raise InputError(
            f"{folder} was not kept, because {', '.join(differing[:6])} differ from the model's when read back: if the"
            " disk is not faulty, this model cannot be exported"
        )


def _differing_settings(found: pretrained.Pretrained, model: Model) -> list[str]:
    """Token types may differ, because BERT's families have at least one, and dropout, which only training uses."""
    types = model.encoder.token_types or (0 if model.encoder.rotary else 1)
    encoder = dataclasses.replace(model.encoder, dropout=0.0, token_types=types)
    meant = {
        "encoder": encoder,
        "pooling": model.pooling,
        "normalize": model.normalize,
        "query_prefix": model.text.query_prefix,
        "passage_prefix": model.text.passage_prefix,
        "max_length": model.text.longest,
    }
    return [name for name, value in meant.items() if getattr(found, name) != value]


def _differing_arrays(found: dict[str, np.ndarray], meant: dict[str, np.ndarray]) -> list[str]:
    """Names of arrays whose bits differ as float32."""
    names = sorted(set(found) | set(meant))
    return [name for name in names if name not in found or name not in meant or not _same(found[name], meant[name])]


def _same(one: np.ndarray, other: np.ndarray) -> bool:
    bits = (np.ascontiguousarray(array, np.float32).view(np.uint32) for array in (one, other))
    return one.shape == other.shape and np.array_equal(*bits)


def _differing_tokens(found: Tokenizer, meant: Tokenizer) -> list[str]:
    """Only special tokens: huggingface/tokenizer_json.py checks the ids of texts when it writes the tokenizer."""
    return [name for name in ("pad_id", "bos_id", "eos_id") if getattr(found, name) != getattr(meant, name)]

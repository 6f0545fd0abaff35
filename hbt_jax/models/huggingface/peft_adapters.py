"""Low-rank adapters in PEFT's layout: read, added to the weights of their encoder, and written.

    adapter_config.json          rank, alpha, the adapted modules, and the model that they were trained on
    adapter_model.safetensors    base_model.model.MODULE.lora_A.weight [rank, in] and .lora_B.weight [out, rank]

An adapted product x W becomes x W + (alpha / rank) (x A^T) B^T (Hu et al. 2021, arXiv 2106.09685).
"""

import dataclasses
import json
import math
import re
from collections.abc import Mapping
from pathlib import Path

import numpy as np
import safetensors.numpy

from hbt_jax.errors import InputError
from hbt_jax.models.encoder import EncoderConfig
from hbt_jax.models.huggingface import architectures, rotary_layouts
from hbt_jax.models.huggingface.json_files import Fields, is_positive, is_size, is_switch, read_json
from hbt_jax.models.huggingface.weights import DTYPES, StoredTensor, Weights, fill
from hbt_jax.models.lora import FUSED, LoraConfig

CONFIG, WEIGHTS = "adapter_config.json", "adapter_model.safetensors"
_PREFIX = "base_model.model."
_FIXED = {  # what changes the product and is not computed here
    "peft_type": ("LORA",), "use_dora": (False, None), "bias": ("none", None), "lora_bias": (False, None),
    "fan_in_fan_out": (False, None), "modules_to_save": (None, []), "layer_replication": (None,),
    "megatron_config": (None,), "trainable_token_indices": (None,), "target_parameters": (None, []),
}  # fmt: skip
_STARTS = (True, False, None, "gaussian", "eva", "orthogonal")  # of A and B; others change the model's own weights


@dataclasses.dataclass(frozen=True)
class Adapter:
    """Adapters without their weights in memory.

    Attributes:
      folder: of both files.
      base: folder or hub id of the model that they were trained on; empty if not stated.
      rank, alpha: of modules without a pattern.
      alpha_of: pattern of module names -> alpha.
      root: whether alpha is divided by the root of the rank (rsLoRA, arXiv 2312.03732).
    """

    folder: Path
    base: str
    rank: int
    alpha: float
    alpha_of: Mapping[str, float]
    root: bool

    @property
    def files(self) -> tuple[Path, Path]:
        """Both files."""
        return self.folder / CONFIG, self.folder / WEIGHTS

    def scale(self, module: str, rank: int) -> float:
        """What multiplies the product of a module's two matrices of this rank."""
        alpha = next((a for key, a in self.alpha_of.items() if re.match(rf"(.*\.)?({key})$", module)), self.alpha)
        return alpha / (math.sqrt(rank) if self.root else rank)


def read(folder: Path) -> Adapter | None:
    """The adapters in a folder; None if it has no adapter_config.json.

    Raises:
      InputError: a file is missing or damaged, or the adapters are of a kind that is not computed here.
    """
    path = folder / CONFIG
    if not path.is_file():
        return None
    if not (folder / WEIGHTS).is_file():
        raise InputError(f"{path}: no {WEIGHTS} beside it: copy or download the adapter again, in safetensors")
    fields = Fields(read_json(path), path)
    fields.check_fixed(_FIXED)
    fields.value("init_lora_weights", lambda way: way in _STARTS, f"one of {_STARTS}", absent=True, null=None)
    patterns = fields.value(
        "alpha_pattern",
        lambda found: isinstance(found, dict) and all(_is_pattern(k) and is_positive(a) for k, a in found.items()),
        "an object of patterns and numbers above 0", absent={}, null={},
    )  # fmt: skip
    return Adapter(
        folder=folder,
        base=fields.value("base_model_name_or_path", lambda name: isinstance(name, str), "a name", absent="", null=""),
        rank=fields.value("r", is_size, "a whole number above 0"),
        alpha=float(fields.value("lora_alpha", is_positive, "a number above 0")),
        alpha_of={key: float(alpha) for key, alpha in patterns.items()},
        root=fields.value("use_rslora", is_switch, "true or false", absent=False, null=False),
    )


def _is_pattern(key: str) -> bool:
    try:
        re.compile(key)
    except re.error:
        return False
    return True


def merge(adapter: Adapter, encoder: EncoderConfig, flat: Mapping[tuple, np.ndarray]) -> int:
    """Adds the adapters to the parameters in place; the sums are formed in float64.

    Args:
      adapter: the adapters.
      encoder: the architecture.
      flat: float32 parameters by path.

    Returns:
      how many products were adapted.

    Raises:
      InputError: an adapter is for a module that the encoder does not have or of another shape, or half of one is
        missing.
    """
    file = adapter.folder / WEIGHTS
    views = architectures.views(encoder, flat)
    pairs: dict[str, dict[str, StoredTensor]] = {}
    for name, tensor in Weights(file, (file,)).tensors().items():
        matched = re.fullmatch(rf"({re.escape(_PREFIX)})?(.+)\.lora_([AB])(\.default)?\.weight", name)
        module = matched and architectures.own_name(f"{matched[2]}.weight", views)
        if not module or tensor.dtype not in DTYPES:
            raise InputError(
                f"{file}: {name} ({tensor.dtype}) is no adapter of a product of this encoder; expected names such as"
                f" {_PREFIX}{next(name for name in views if 'layer' in name).removesuffix('.weight')}.lora_A.weight"
            )
        pairs.setdefault(module, {})[matched[3]] = tensor
    for module, pair in pairs.items():
        view = views[module]
        shapes = {half: tensor.shape for half, tensor in pair.items()}
        rank = shapes.get("A", (0,))[0]
        if shapes != {"A": (rank, view.shape[-1]), "B": (view.shape[0], rank)} or view.ndim != 2:
            raise InputError(
                f"{file}: the adapter of {module} has matrices of shapes {shapes}; expected A (rank, {view.shape[-1]})"
                f" and B ({view.shape[0]}, rank): it is of another model"
            )
        a, b = (_read(pair[half]) for half in "AB")
        view[...] = view + adapter.scale(module.removesuffix(".weight"), rank) * (b @ a)
    return len(pairs)


def _read(tensor: StoredTensor) -> np.ndarray:
    found = np.zeros(tensor.shape, np.float32)
    fill(tensor, found)
    return found.astype(np.float64)


def write(folder: Path, base: str, encoder: EncoderConfig, lora: LoraConfig, flat: Mapping[tuple, np.ndarray]) -> None:
    """Writes the adapters of an encoder as both files.

    A product that is one in transformers and three or two here has one adapter there, whose rank is the sum of theirs.

    Args:
      folder: existing folder.
      base: name of the pretrained model.
      encoder: its architecture.
      lora: the adapters.
      flat: float32 parameters by path, with adapters.

    Raises:
      InputError: transformers has the products of this architecture under other names than its files.
    """
    if encoder.rotary and not encoder.pre_norm:
        raise InputError(
            f"adapters of a model in the layout {rotary_layouts.family(encoder)} cannot be written for PEFT, because"
            " transformers names its layers differently from its files: export only the merged model"
        )
    tensors, rank_of = {}, {}
    for (layer, product), (a, b, own) in _by_product(lora, flat).items():
        for tensor in architectures.tensors_of(encoder, ("layers", layer, product, "kernel")):
            kept = tensor.view(own).any(axis=0)
            if not kept.any():
                continue
            module = tensor.name.removesuffix(".weight")
            tensors[f"{_PREFIX}{module}.lora_A.weight"] = np.ascontiguousarray(a.T[kept])
            tensors[f"{_PREFIX}{module}.lora_B.weight"] = np.ascontiguousarray(tensor.view(b)[:, kept])
            rank_of[module] = int(kept.sum())
    other = {module: rank for module, rank in rank_of.items() if rank != lora.rank}
    config = {
        "peft_type": "LORA",
        "task_type": "FEATURE_EXTRACTION",
        "base_model_name_or_path": base,
        "r": lora.rank,
        "lora_alpha": lora.alpha,
        "lora_dropout": 0.0,
        "target_modules": sorted(rank_of),
        "rank_pattern": {re.escape(module): rank for module, rank in other.items()},
        "alpha_pattern": {re.escape(module): lora.scale * rank for module, rank in other.items()},
        "bias": "none",
        "fan_in_fan_out": False,
        "inference_mode": True,
        "init_lora_weights": True,
        "modules_to_save": None,
        "use_dora": False,
        "use_rslora": False,
    }
    (folder / CONFIG).write_text(json.dumps(config, indent=2) + "\n", encoding="utf-8")
    safetensors.numpy.save_file(tensors, folder / WEIGHTS, metadata={"format": "pt"})


def _by_product(lora: LoraConfig, flat: Mapping[tuple, np.ndarray]) -> dict[tuple[int, str], tuple]:
    """(layer, product) -> A [in, R], B [R, out] and which numbers of B belong to an adapter, with R of all targets."""
    found = {}
    for layer in lora.layers:
        products: dict[str, list[str]] = {}
        for target in lora.targets:
            products.setdefault("query_key_value" if target in FUSED else target, []).append(target)
        for product, targets in products.items():
            pairs = [
                [np.asarray(flat["layers", layer, "adapters", target, half]) for half in ("lora_a", "lora_b")]
                for target in targets
            ]
            width = pairs[0][1].shape[1]
            b = np.zeros((lora.rank * len(targets), width * (len(FUSED) if product == "query_key_value" else 1)))
            b, own = b.astype(np.float32), np.zeros(b.shape, bool)
            for number, (target, (_, part)) in enumerate(zip(targets, pairs, strict=True)):
                first = width * FUSED.index(target) if target in FUSED else 0
                here = slice(lora.rank * number, lora.rank * (number + 1)), slice(first, first + width)
                b[here], own[here] = part, True
            found[layer, product] = np.concatenate([a for a, _ in pairs], axis=1), b, own
    return found

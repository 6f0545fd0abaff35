"""Low-rank adapters on chosen layers (LoRA, Hu et al. 2021, arXiv 2106.09685), by flax.nnx.LoRA.

An adapted product x W becomes x W + (alpha / rank) (x A) B with A [in, rank] and B [rank, out]; B starts at zero, so
training starts from the encoder as it was.  The query, key and value products share one kernel, each has its own
adapter.
"""

import dataclasses
from collections.abc import Mapping

import numpy as np

from hbt_jax.errors import InputError

TARGETS = ("query", "key", "value", "attention_output", "expand", "contract")
FUSED = ("query", "key", "value")  # in the order of their columns in the shared kernel


@dataclasses.dataclass(frozen=True)
class LoraConfig:
    """Which products carry an adapter.

    Attributes:
      rank: columns of A.
      alpha: the adapter's output is multiplied by alpha / rank.
      layers: numbers of the adapted layers, from 0.
      targets: the adapted products in them, of TARGETS.
    """

    rank: int
    alpha: float
    layers: tuple[int, ...]
    targets: tuple[str, ...]

    @property
    def scale(self) -> float:
        """alpha / rank."""
        return self.alpha / self.rank

    def on(self, layer: int) -> tuple[str, ...]:
        """The adapted products of a layer."""
        return self.targets if layer in self.layers else ()


def layer_numbers(text: str, layers: int, flag: str) -> tuple[int, ...]:
    """The layers that an expression like "0-2" or "7" names.

    Args:
      text: one number, or two with a hyphen, both included.
      layers: how many layers the encoder has.
      flag: the flag with its value, for messages.

    Raises:
      InputError: not of that form, or it names a layer that the encoder does not have.
    """
    first, hyphen, last = text.partition("-")
    if not (first.isdecimal() and (last.isdecimal() or not hyphen)):
        raise InputError(f"{flag}: {text!r} names no layers; expected a number or a range such as 0-{layers - 1}")
    low, high = int(first), int(last or first)
    if not low <= high < layers:
        raise InputError(f"{flag}: {text!r} does not fit an encoder with layers 0 to {layers - 1}")
    return tuple(range(low, high + 1))


def lora_config(
    rank: int, alpha: float, layers: tuple[str, ...], targets: tuple[str, ...], count: int
) -> LoraConfig | None:
    """The adapters that flags ask for, None for rank 0.

    Args:
      rank, alpha: of every adapter.
      layers: expressions like "0-2"; empty for all.
      targets: products, of TARGETS.
      count: how many layers the encoder has.

    Raises:
      InputError: an unknown target, or a layer that the encoder does not have.
    """
    if not rank:
        return None
    unknown = [target for target in targets if target not in TARGETS]
    if unknown or not targets:
        raise InputError(f"--lora_targets={','.join(targets)}: expected some of {', '.join(TARGETS)}")
    flag = f"--lora_layers={','.join(layers)}"
    numbers = {number for text in layers for number in layer_numbers(text, count, flag)} or set(range(count))
    return LoraConfig(rank, alpha, tuple(sorted(numbers)), tuple(t for t in TARGETS if t in targets))


def merged(flat: Mapping[tuple, np.ndarray], lora: LoraConfig | None) -> dict[tuple, np.ndarray]:
    """The parameters of an encoder without adapters that computes the same.

    Args:
      flat: float32 parameters by path (nnx's flat state), with adapters.
      lora: the adapters; None returns `flat` as it is.

    Returns:
      float32 parameters by path; the products A B are formed in float64.
    """
    plain = {path: value for path, value in flat.items() if "adapters" not in path}
    if lora is None:
        return plain
    for layer in lora.layers:
        for target in lora.targets:
            a, b = (flat["layers", layer, "adapters", target, name] for name in ("lora_a", "lora_b"))
            change = np.asarray(a, np.float64) @ np.asarray(b, np.float64) * lora.scale
            path = ("layers", layer, "query_key_value" if target in FUSED else target, "kernel")
            kernel = np.asarray(plain[path], np.float64)
            if target in FUSED:
                first = FUSED.index(target) * change.shape[1]
                kernel[:, first : first + change.shape[1]] += change
            else:
                kernel += change
            plain[path] = kernel.astype(np.float32)
    return plain

"""A grid over options of training: its configurations, their names, and the one that each is compared with.

`batching=x-x-mono,hybrid; mono_probability=0.25,0.5` holds three configurations, not four: the probability is that of
hybrid batches, and makes no difference to x-x-mono.
"""

import dataclasses
import itertools
import re
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from hbt_jax.config.training import TrainConfig
from hbt_jax.config.values import BATCHINGS, JOINT
from hbt_jax.errors import InputError

BATCHING, ALPHA = "batching", "mono_probability"
UNTRAINED = "untrained"  # the baseline that is the initial weights
NO_RESULT = {  # options that change no result: where a run is, how often it reports or saves
    "workdir", "resume", "log_every", "save_every", "save_minutes", "store_cache",
    "trackers", "project",
}  # fmt: skip
_NOT_IN_A_GRID = NO_RESULT | {"seed", "benchmarks", "data_dir", "evaluate_untrained", "prepare", "prepared_dir"}
_EXAMPLE = 'expected NAME=VALUE,VALUE;NAME=VALUE,..., such as "batching=x-x-mono,hybrid; learning_rate=1e-4,1e-3"'
_NEEDS: tuple[tuple[tuple[str, ...], Callable[[Mapping[str, Any]], bool]], ...] = (  # options, and when they count
    ((ALPHA,), lambda options: options[BATCHING] == "hybrid"),
    (("joint_languages",), lambda options: options[BATCHING] == JOINT),
    (("lora_alpha", "lora_layers", "lora_targets"), lambda options: options["lora_rank"] > 0),
    (("guide_margin",), lambda options: bool(options["guide_model"])),
    (("anchor_language", "anchor_weight"), lambda options: bool(options["anchor_model"])),
    (("distillation_weight", "teacher_temperature"), lambda options: options["distillation"] != "none"),
    (("steps",), lambda options: not options["epochs"]),
    (("size_exponent",), lambda options: len(options["stores"]) > 1),
)
_BOOLEANS = {"true": True, "1": True, "yes": True, "false": False, "0": False, "no": False}


@dataclasses.dataclass(frozen=True)
class Variant:
    """One configuration of a grid.

    Attributes:
      options: name -> value of the options of the grid that make a difference in it.
      label: what it is called in tables.
      name: the same for a folder's name.
    """

    options: Mapping[str, Any]
    label: str
    name: str


def parse_grid(text: str, flag: str = "grid") -> dict[str, tuple]:
    """{option: its values} of a text such as `batching=x-y,hybrid; learning_rate=1e-4,1e-3`.

    Several values in one, for an option that is a list, are joined by +: `stores=A,A+B`.

    Raises:
      InputError: the text is not of this form, or an option or value is unknown.
    """
    axes: dict[str, tuple] = {}
    for part in filter(None, (each.strip() for each in text.split(";"))):
        name, equals, values = (each.strip() for each in part.partition("="))
        if not equals:
            raise InputError(f"--{flag}: {part!r}: {_EXAMPLE}")
        if name in axes:
            raise InputError(f"--{flag}: {name} is given twice: give its values in one list")
        axes[name] = tuple(dict.fromkeys(typed(name, value.strip(), flag) for value in values.split(",")))
    return axes


def typed(name: str, text: str, flag: str = "grid") -> Any:
    """A value of an option from its text, its limits not checked.

    Raises:
      InputError: there is no such option for a grid, or the text is not of its type.
    """
    defaults = TrainConfig().options()
    if name not in defaults:
        raise InputError(f"--{flag}: unknown option {name}: expected an option of launch/train.py")
    if name in _NOT_IN_A_GRID:
        raise InputError(f"--{flag}: {name} cannot vary within a grid" + (": use --seeds" if name == "seed" else ""))
    default = defaults[name]
    if isinstance(default, tuple):
        return tuple(filter(None, text.split("+")))
    try:
        if default is None or isinstance(default, bool):
            return None if default is None and text == "model" else _BOOLEANS[text.lower()]
        return type(default)(text)
    except (KeyError, ValueError) as error:
        kind = {int: "a whole number", float: "a number", bool: "true or false"}.get(type(default), "true or false")
        raise InputError(f"--{flag}: {name}={text}: expected {kind}") from error


def effective(axes: Sequence[str], options: Mapping[str, Any], told: Mapping[str, Any]) -> dict[str, Any]:
    """The options of a grid that make a difference, of those named by `axes`.

    Hybrid batching that always or never draws x-x-mono is x-x-mono or x-y.

    Args:
      axes: options of the grid.
      options: a value of each.
      told: every option by name, as the command was told.
    """
    made = dict(told) | dict(options)
    if BATCHING in axes and made[BATCHING] == "hybrid" and made[ALPHA] in (0.0, 1.0):
        made[BATCHING] = "x-x-mono" if made[ALPHA] else "x-y"
    without = {name for names, counts in _NEEDS if not counts(made) for name in names}
    return {name: made[name] for name in axes if name not in without}


def variants(axes: Mapping[str, Sequence], told: Mapping[str, Any]) -> list[Variant]:
    """The configurations of a grid, each once, in the order of its values.

    Raises:
      InputError: a batch kind is unknown, or two configurations would have one folder.
    """
    wrong = set(axes.get(BATCHING, ())) - set(BATCHINGS)
    if wrong or not axes.get(BATCHING, BATCHINGS):
        kinds = ",".join(axes[BATCHING])
        raise InputError(f"--batching={kinds}: expected a comma-separated list of {', '.join(BATCHINGS)}")
    found: dict[str, Variant] = {}
    for values in itertools.product(*axes.values()):
        variant = _variant(effective(list(axes), dict(zip(axes, values, strict=True)), told))
        known = found.setdefault(variant.name, variant)
        if known.options != variant.options:
            raise InputError(f"{known.label!r} and {variant.label!r} would have one folder: rename a file or store")
    return list(found.values())


def _variant(options: dict[str, Any]) -> Variant:
    parts = [shown(value) if name == BATCHING else f"{name}={shown(value)}" for name, value in options.items()]
    label = ", ".join(parts) or "run"
    return Variant(options, label, "-".join(re.sub(r"[^\w.+=-]", "_", part) for part in parts) or "run")


def shown(value: Any) -> str:
    """A value of an option as `parse_grid` reads it."""
    if value is None:
        return "model"
    if isinstance(value, bool):
        return str(value).lower()
    return "+".join(value) if isinstance(value, tuple) else str(value)


def parse_baseline(text: str) -> dict[str, Any] | str:
    """The options of a baseline such as `batching=x-x-mono`, several joined by `;`; the word `untrained` as it is.

    Raises:
      InputError: an option is unknown, or has several values.
    """
    if text.strip() == UNTRAINED:
        return UNTRAINED
    axes = parse_grid(text, "baseline")
    several = [name for name, values in axes.items() if len(values) > 1]
    if several or not axes:
        raise InputError(
            f"--baseline={text}: expected `{UNTRAINED}` or one value per option, such as batching=x-x-mono"
        )
    return {name: values[0] for name, values in axes.items()}


def reference(
    variant: Variant, baseline: Mapping[str, Any], among: Sequence[Variant], axes: Sequence[str], told: Mapping
) -> Variant:
    """The configuration that one is compared with: the same but for the options of the baseline.

    Raises:
      InputError: the grid does not have it.
    """
    stray = [name for name in baseline if name not in axes]
    if stray:
        raise InputError(f"--baseline: {stray[0]} does not vary: expected options among {', '.join(axes)}")
    wanted = effective(axes, dict(variant.options) | dict(baseline), told)
    for other in among:
        if other.options == wanted:
            return other
    raise InputError(
        f"--baseline: {variant.label!r} would be compared with {_variant(wanted).label!r}, which is not in the grid:"
        " add it, or name more options of the baseline"
    )

"""One option of a command, and a part of a configuration: a frozen dataclass of options with their limits."""

import dataclasses
from typing import Any, ClassVar

from hbt_jax.errors import InputError


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


def limits_text(field: dataclasses.Field) -> str:
    """The limits of a number as help states them, such as "above 0, at most 1"; "" for none, or at least 0."""
    named = {"above": "above", "minimum": "at least", "maximum": "at most"}
    limits = {words: field.metadata[name] for name, words in named.items() if field.metadata[name] is not None}
    if limits == {"at least": 0}:
        return ""
    return ", ".join(f"{words} {value:{',' if isinstance(value, int) else 'g'}}" for words, value in limits.items())


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

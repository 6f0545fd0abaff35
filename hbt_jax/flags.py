"""absl flags from the configuration dataclasses, and the one way every command starts and ends.

Exit codes: 0 done, 2 bad flags or input (one clear line), 3 stopped by a signal after saving, 1 anything else.
"""

import dataclasses
import difflib
import sys
from collections.abc import Callable, Iterable, Mapping

from absl import app, flags, logging

from hbt_jax.errors import InputError, Interrupted, TrainingDiverged
from hbt_jax.files import DISK_FULL
from hbt_jax.flagfile import expanded
from hbt_jax.output import escape_what_cannot_be_shown

flags.disclaim_key_flags()  # flags count as the running program's own, so that its --help shows them

EXIT_FAILED = 1
EXIT_BAD_INPUT = 2
EXIT_INTERRUPTED = 3

_SPACES_COUNT: set[str] = (
    set()
)  # names of the flags defined so far whose values may end in a space that means something


def define(*parts: type) -> None:
    """Defines one absl flag for each field of the given configuration dataclasses, with its help and default."""
    for part in parts:
        for field in dataclasses.fields(part):
            _define_one(field)


def _define_one(field: dataclasses.Field) -> None:
    text, choices = field.metadata["help"], field.metadata["choices"]
    if field.metadata["spaces_count"]:
        _SPACES_COUNT.add(field.name)
    if choices is not None:
        flags.DEFINE_enum(field.name, field.default, list(choices), text)
    elif isinstance(field.default, bool):
        flags.DEFINE_bool(field.name, field.default, text)
    elif isinstance(field.default, int):
        flags.DEFINE_integer(field.name, field.default, text)
    elif isinstance(field.default, float):
        flags.DEFINE_float(field.name, field.default, text)
    elif isinstance(field.default, tuple):
        flags.DEFINE_list(field.name, list(field.default), text)
    else:
        flags.DEFINE_string(field.name, field.default, text)


def values(part: type):
    """An instance of the configuration dataclass `part` with the values of the parsed flags.

    Raises:
      InputError: a value is outside its limits, or two values do not go together.
    """
    given = {field.name: getattr(flags.FLAGS, field.name) for field in dataclasses.fields(part)}
    return part(**{name: tuple(value) if isinstance(value, list) else value for name, value in given.items()})


def require(names: Iterable[str]) -> None:
    """Raises InputError for the first of the named flags that is empty."""
    for name in names:
        if not getattr(flags.FLAGS, name):
            raise InputError(f"--{name} is needed: {flags.FLAGS[name].help}")


def require_data_dir(benchmarks: Iterable[str], data_dir: str) -> None:
    """Raises InputError if a benchmark is given by name, not by path, and there is no folder to look it up in."""
    named = [name for name in benchmarks if "/" not in name]
    if named and not data_dir:
        raise InputError(f"--benchmarks={','.join(named)} needs --data_dir, the folder with one folder a benchmark")


def _takes_value(name: str) -> bool:
    return name in flags.FLAGS and not flags.FLAGS[name].boolean


def _parse(arguments: list[str]) -> list[str]:
    arguments = [*arguments[:1], *expanded(arguments[1:], _takes_value, _SPACES_COUNT.__contains__)]
    try:
        return flags.FLAGS(arguments)
    except flags.UnrecognizedFlagError as error:
        close = difflib.get_close_matches(error.flagname, list(flags.FLAGS), n=1)
        hint = f"did you mean --{close[0]}? " if close else ""
        raise InputError(f"unknown flag --{error.flagname}: {hint}--help lists the flags") from error
    except (flags.Error, OSError) as error:
        raise InputError(f"{' '.join(str(error).split())}") from error


def run_command(main: Callable[[list[str]], None], positional: Mapping[str, str] | None = None) -> None:
    """Parses the flags, runs `main([program, *arguments])` and exits with the code that its ending stands for.

    Args:
      main: the command.
      positional: name -> meaning of each argument that must be given without a flag, in their order; None: there are
        none.  They stand before, between or after the flags.
    """
    names = dict(positional or {})
    escape_what_cannot_be_shown()

    def guarded(arguments: list[str]) -> None:
        given = arguments[1:]
        if len(given) > len(names):
            raise InputError(f"unexpected argument {given[len(names)]!r}: options are written --NAME=VALUE")
        missing = [f"{name} is needed: {text}" for name, text in list(names.items())[len(given) :]]
        if missing:
            raise InputError(missing[0])
        if not flags.FLAGS["verbosity"].present:
            logging.set_verbosity(logging.ERROR)  # libraries' notes; commands print their own
        main(arguments)

    try:
        app.run(guarded, flags_parser=_parse)
    except InputError as error:
        print(f"error: {error}", file=sys.stderr)
        sys.exit(EXIT_BAD_INPUT)
    except OSError as error:
        if error.errno not in DISK_FULL:
            raise
        print(
            f"error: no space left on the disk of {error.filename or 'the output folder'}: make room", file=sys.stderr
        )
        sys.exit(EXIT_BAD_INPUT)
    except Interrupted as error:
        print(f"stopped: {error}", file=sys.stderr)
        sys.exit(EXIT_INTERRUPTED)
    except TrainingDiverged as error:
        print(f"error: {error}", file=sys.stderr)
        sys.exit(EXIT_FAILED)

"""absl flags from the configuration dataclasses, and the one way every command starts and ends.

Exit codes: 0 done, 2 bad flags or input (one clear line), 3 stopped by a signal after saving, 1 anything else.
"""

import contextlib
import dataclasses
import difflib
import errno
import os
import select
import sys
from collections.abc import Callable, Container, Iterable, Mapping, Sequence

from absl import app, flags, logging

from hbt_jax.config.option import Part, limits_text
from hbt_jax.config.values import OF_MODEL, SENTENCE_MODEL
from hbt_jax.ending import end_at_once
from hbt_jax.errors import InputError, Interrupted, TrainingDiverged
from hbt_jax.files import named_errors, says_full
from hbt_jax.flag_elsewhere import flag_here
from hbt_jax.flag_help import OTHERS, help_text
from hbt_jax.flagfile import expanded
from hbt_jax.output import escape_what_cannot_be_shown
from hbt_jax.places import check_ends, check_local, check_scheme

flags.disclaim_key_flags()  # flags defined here count as the running program's own, so that its --help shows them

# flags whose values are not paths, and may begin like a scheme or with a space
_FREE_TEXT = ("query_prefix", "passage_prefix", "field", "license", "coordinator", "measures", "project", "grid")
_NAMED_FOLDERS = ("dev_benchmarks", "systems")  # flags whose values may be NAME:FOLDER, of which the folder is a path
_PREFIXES = {"model": SENTENCE_MODEL}  # flag -> what may stand before a path
_remote: dict[str, str] = {}  # flags of the configuration that take a place with a scheme -> the only one, "" for any

EXIT_FAILED = 1
EXIT_BAD_INPUT = 2
EXIT_INTERRUPTED = 3

_ADVICE = {  # errors of the system on files and folders, wherever they were met
    errno.ENAMETOOLONG: "choose a shorter name; temporary files beside it have a suffix as well",
    errno.ELOOP: "its links form a loop: name another",
    errno.EACCES: "change its permissions, or name another",
    errno.EPERM: "change its permissions, or name another",
    errno.EROFS: "name a place on another disk",
}

_SPACES_COUNT: set[str] = set()  # flags whose values may end in a space that means something
_HELP = {"-h", "--h", "-?", "--?", "-help", "--help", "-helpshort", "--helpshort"}
_groups: dict[str, list[str]] = {}  # heading in --help -> names of the flags of the configuration


class _OptionalBoolean(flags.BooleanParser):
    """Reads a boolean that may be left open, which is written by leaving the flag out or by the word `model`."""

    def parse(self, argument: str | bool | int | None) -> bool | None:
        """The value; None for one left open."""
        return None if argument == OF_MODEL else super().parse(argument)


def define(*parts: type) -> None:
    """Defines one absl flag for each field of the given dataclasses, with its help and default.

    The fields are made by `config.option`; those of a `config.Part` stand below its title in --help.
    """
    for part in parts:
        for field in dataclasses.fields(part):
            _groups.setdefault(_heading(part, field.name), []).append(field.name)
            _define_one(field)


def _heading(part: type, name: str) -> str:
    """The title of the most basic part that has one and holds the field."""
    holding = [kind for kind in part.__mro__ if name in getattr(kind, "__dataclass_fields__", {})]
    return next((kind.title for kind in reversed(holding) if issubclass(kind, Part) and kind.title), OTHERS)


def _define_one(field: dataclasses.Field) -> None:
    limits, choices = limits_text(field), field.metadata["choices"]
    text = f"{field.metadata['help']}; {limits}" if limits else field.metadata["help"]
    if field.metadata["remote"]:
        _remote[field.name] = field.metadata["remote"] if isinstance(field.metadata["remote"], str) else ""
    if field.metadata["spaces_count"]:
        _SPACES_COUNT.add(field.name)
    if choices is not None:
        flags.DEFINE_enum(field.name, field.default, list(choices), text)
    elif field.default is None:
        flag = flags.BooleanFlag(field.name, None, text)
        flag.parser = _OptionalBoolean()
        flags.DEFINE_flag(flag)
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
    named = [name for name in benchmarks if "/" not in name and ":" not in name]
    if named and not data_dir:
        raise InputError(f"--benchmarks={','.join(named)} needs --data_dir, the folder with one folder per benchmark")


def _check_places(given: Mapping[str, str], remote: Iterable[str], local: Container[str]) -> None:
    """Raises InputError for a value that begins with a scheme where only a local path works, or with white space.

    Args:
      given: the arguments that are not flags, by name.
      remote: names of flags and arguments that take a scheme.
      local: names of flags that take none here.
    """
    takes = {name for name in (*_remote, *remote) if (name in flags.FLAGS or name in given) and name not in local}
    shown = sorted(name if name in given else f"--{name}" for name in takes)
    found = [(name, name, [value]) for name, value in given.items()]
    found += [(name, f"--{name}", _texts(flags.FLAGS[name].value)) for name in flags.FLAGS]
    for name, called, texts in found:
        for text in () if name in _FREE_TEXT else texts:
            text = text.removeprefix(_PREFIXES.get(name, ""))
            if name in _NAMED_FOLDERS and not text.partition(":")[2].startswith("//"):
                text = text.partition(":")[2]
            check_ends(called, text)
            if name in takes:
                check_scheme(called, text, _remote.get(name, ""))
            else:
                check_local(called, text, shown)


def _check_current_folder() -> None:
    """Raises InputError if the folder in which the command was started has been removed since."""
    try:
        os.getcwd()
    except FileNotFoundError as error:
        raise InputError("the current folder no longer exists: change to another and repeat the command") from error


def _texts(value: object) -> list[str]:
    """The texts in a flag's value."""
    return [text for text in (value if isinstance(value, list | tuple) else [value]) if isinstance(text, str)]


def _takes_value(name: str) -> bool:
    return name in flags.FLAGS and not flags.FLAGS[name].boolean


def _show_help() -> None:
    """Prints the help of the running program and exits with code 0."""
    main = sys.modules["__main__"]
    grouped = {name for names in _groups.values() for name in names}
    own = sorted(flag.name for flag in flags.FLAGS.get_key_flags_for_module(sys.argv[0]))
    others = [*(name for name in own if name not in grouped), *_groups.get(OTHERS, [])]
    groups = {heading: names for heading, names in _groups.items() if heading != OTHERS} | {OTHERS: others}
    print(help_text(main.__doc__ or "", groups, flags.FLAGS))
    sys.exit(0)


def _parse(arguments: list[str]) -> list[str]:
    if _HELP.intersection(arguments[1 : arguments.index("--") if "--" in arguments else None]):
        _show_help()
    arguments = [*arguments[:1], *expanded(arguments[1:], _takes_value, _SPACES_COUNT.__contains__)]
    try:
        return flags.FLAGS(arguments)
    except flags.UnrecognizedFlagError as error:
        close = difflib.get_close_matches(error.flagname, list(flags.FLAGS), n=1)
        meant = f"did you mean --{close[0]}? " if close else ""
        hint = flag_here(error.flagname, flags.FLAGS) or meant
        raise InputError(f"unknown flag --{error.flagname}: {hint}--help lists the flags") from error
    except (flags.Error, OSError) as error:
        raise InputError(f"{' '.join(str(error).split())}") from error


def _end(code: int, at_once: bool) -> None:
    if at_once:
        end_at_once(code)
    sys.exit(code)


def run_command(
    main: Callable[[list[str]], None],
    positional: Mapping[str, str] | None = None,
    remote: Sequence[str] = (),
    local: Sequence[str] = (),
) -> None:
    """Parses the flags, runs `main([program, *arguments])` and exits with the code for how it ended.

    Args:
      main: the command.
      positional: name -> meaning of each argument that must be given without a flag, in order; None: there are none.
        They may stand before, between or after the flags.
      remote: names of flags and arguments that take a place with a scheme, such as gs://BUCKET/FOLDER, in addition to
        the options that the configuration marks as remote; all others refuse a scheme.
      local: names of options that are marked as remote but take no scheme in this command.
    """
    names = dict(positional or {})
    escape_what_cannot_be_shown()

    def guarded(arguments: list[str]) -> None:
        _check_current_folder()
        given = arguments[1:]
        if len(given) > len(names):
            raise InputError(f"unexpected argument {given[len(names)]!r}: options are written --NAME=VALUE")
        missing = [f"{name} is needed: {text}" for name, text in list(names.items())[len(given) :]]
        if missing:
            raise InputError(missing[0])
        _check_places(dict(zip(names, given, strict=True)), remote, local)
        if not flags.FLAGS["verbosity"].present:
            logging.set_verbosity(logging.ERROR)  # libraries' notes; commands print their own
        main(arguments)
        if sys.stdout is not None:  # as in a process that was started with its output closed
            with named_errors("standard output"):
                sys.stdout.flush()

    try:
        app.run(guarded, flags_parser=_parse)
    except InputError as error:
        print(f"error: {error}", file=sys.stderr, flush=True)
        _end(EXIT_BAD_INPUT, error.at_once)
    except Interrupted as error:
        print(f"stopped: {error}", file=sys.stderr, flush=True)
        _end(EXIT_INTERRUPTED, error.at_once)
    except KeyboardInterrupt:  # of a command that has no handler of its own
        print("stopped: interrupted; run the same command again to start over", file=sys.stderr, flush=True)
        sys.exit(EXIT_INTERRUPTED)
    except TrainingDiverged as error:
        print(f"error: {error}", file=sys.stderr)
        sys.exit(EXIT_FAILED)
    except BrokenPipeError:
        if not _reader_is_gone():
            raise
        with contextlib.suppress(BrokenPipeError):  # of 2>&1, the reader of both is gone
            print("stopped: the program that read the output has ended", file=sys.stderr, flush=True)
        sys.exit(EXIT_INTERRUPTED)
    except Exception as error:
        line = _about_place(error)
        if line is None:
            raise
        print(f"error: {line}", file=sys.stderr)
        sys.exit(EXIT_BAD_INPUT)


def _reader_is_gone() -> bool:
    """Whether standard output is a pipe that has lost its reader, such as `| head`; if so, it is sent to /dev/null."""
    output = sys.stdout.fileno()
    poll = select.poll()
    poll.register(output, 0)
    if not any(events & (select.POLLERR | select.POLLHUP) for _, events in poll.poll(0)):
        return False
    os.dup2(os.open(os.devnull, os.O_WRONLY), output)
    return True


def _about_place(error: Exception) -> str | None:
    """One line on an error of the system that is about a place the user named; None for any other error."""
    place = getattr(error, "filename", None)
    if says_full(error):
        return f"no space left on the disk of {place or 'the output folder'}: make room and repeat the command"
    advice = _ADVICE.get(getattr(error, "errno", None)) if place is not None else None
    return advice and f"{os.fsdecode(place)}: {error.strerror}: {advice}"

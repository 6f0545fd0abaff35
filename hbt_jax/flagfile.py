"""Files of flags (--flagfile=FILE), one flag per line, in which spaces at the ends of values can be kept.

Lines are read as absl reads them: surrounding spaces are dropped, a line that begins with `#` or `//` is a comment, and
--flagfile=OTHER includes the lines of that file.  In addition, a value may be quoted, with single or double quotes:

    --query_prefix="query: "

Quotes are removed only if they enclose the whole value, and nothing inside is changed: no escapes, no variables.  Files
are UTF-8 regardless of the machine's encoding.

A value must stand on the line of its flag, after `=`.  absl also takes a flag's value from the next line, without the
spaces at its ends; here that is an error.
"""

import os
from collections.abc import Callable, Iterator, Sequence

from hbt_jax.errors import InputError

_QUOTES = ("'", '"')
_NAMES = ("--flagfile", "-flagfile")


def expanded(arguments: Sequence[str], takes_value: Callable[[str], bool], spaces_count: Callable[[str], bool]) -> list:
    """The arguments of a command, with flag files replaced by their lines.

    Args:
      arguments: without the program's name.
      takes_value: whether a flag of this name is written `--NAME VALUE` or `--NAME=VALUE`, as all except booleans are.
      spaces_count: whether spaces at the ends of this flag's values mean something.

    Raises:
      InputError: a file cannot be read or includes itself; a value is not on the line of its flag, after `=`; or a
        value whose spaces count ends in an unquoted space, which would be lost.
    """
    made, waiting = [], list(arguments)
    while waiting:
        argument = waiting.pop(0)
        file = _file_of(argument)
        if file is None:
            made.append(argument)
            if argument == "--":
                return made + waiting
            alone = argument.startswith("-") and "=" not in argument and takes_value(argument.lstrip("-"))
            if alone and waiting and not waiting[0].startswith("-"):
                made.append(waiting.pop(0))  # its value, whatever it looks like
            continue
        if not file and argument in _NAMES:
            if not waiting:
                raise InputError("--flagfile without a name: expected --flagfile=FILE, one flag per line")
            file = waiting.pop(0)
        made += _lines(file, takes_value, spaces_count, ())
    return made


def quoted(name: str, value: str) -> str:
    """A flag with its value in quotes, which means the same in a shell and in a flag file.

    A value that contains both kinds of quotes cannot be quoted in a flag file: it is left as it is.
    """
    quote = next((quote for quote in _QUOTES if quote not in value), "")
    return f"--{name}={quote}{value}{quote}"


def _file_of(argument: str) -> str | None:
    """The file that an argument names, empty if the next argument names it; None for any other argument."""
    name, equals, value = argument.partition("=")
    return value if name in _NAMES and (equals or not value) else None


def _lines(
    file: str, takes_value: Callable[[str], bool], spaces_count: Callable[[str], bool], within: tuple[str, ...]
) -> Iterator[str]:
    if not file:  # as in absl: --flagfile= reads nothing
        return
    path = os.path.expanduser(file)
    if path in within:
        raise InputError(f"--flagfile={file}: includes itself, by way of {' and '.join(within)}: take one line out")
    try:
        with open(path, encoding="utf-8-sig") as content:
            lines = content.read().split("\n")
    except UnicodeDecodeError as error:
        raise InputError(f"--flagfile={file}: not UTF-8 text ({error}): save it as UTF-8") from error
    except OSError as error:
        raise InputError(f"--flagfile={file}: {error.strerror}: expected a file with one flag per line") from error
    for number, line in enumerate(lines, start=1):
        flag = line.strip()
        if not flag or line.startswith(("#", "//")):
            continue
        _check_on_one_line(f"{file}:{number}", line, lines[number:], takes_value, spaces_count)
        other = _file_of(flag)
        if other is not None:
            yield from _lines(other.strip(), takes_value, spaces_count, (*within, path))
        else:
            yield _unquoted(f"{file}:{number}", line, spaces_count)


def _check_on_one_line(
    place: str,
    line: str,
    after: Sequence[str],
    takes_value: Callable[[str], bool],
    spaces_count: Callable[[str], bool],
) -> None:
    """Raises InputError for a flag whose value is on the next line, or after a space, or missing."""
    flag, *rest = line.rstrip("\r").split(maxsplit=1)
    name = flag.lstrip("-")
    if not flag.startswith("-") or "=" in flag or not (takes_value(name) or flag in _NAMES):
        return
    if rest:
        value, found = rest[0].removeprefix("=").lstrip(), "a space after the flag's name"
    else:
        value, found = after[0].rstrip("\r") if after else "", "no value on the line of the flag"
    if value.lstrip().startswith(("-", "#", "//")) or not value.strip():
        value = "VALUE"
    keeps_spaces = spaces_count(name) and not _is_quoted(value.strip())
    written = quoted(name, value) if keeps_spaces else f"--{name}={value.strip()}"
    raise InputError(f"{place}: {flag}: {found}: write {written}, on one line")


def _is_quoted(value: str) -> bool:
    return len(value) > 1 and value[0] in _QUOTES and value[-1] == value[0] and value[0] not in value[1:-1]


def _unquoted(place: str, line: str, spaces_count: Callable[[str], bool]) -> str:
    name, equals, value = line.strip().partition("=")
    if equals and _is_quoted(value):
        return f"{name}={value[1:-1]}"
    ending = line.rstrip("\r")
    if equals and value and ending != ending.rstrip() and spaces_count(name.lstrip("-")):
        bare = name.lstrip("-")
        raise InputError(
            f"{place}: the space at the end of {line.strip()} would be lost: write {quoted(bare, value + ' ')} to"
            " keep one, or remove it"
        )
    return line.strip()

"""Files of flags (--flagfile=FILE), one flag per line, in which spaces at the ends of values can be kept.

Lines are read as absl reads them: surrounding spaces are dropped, a line that begins with `#` or `//` is a comment, and
--flagfile=OTHER includes the lines of that file.  In addition, a value may be quoted, with single or double quotes:

    --query_prefix="query: "

Quotes are removed only if they enclose the whole value, and nothing inside is changed: no escapes, no variables.  Files
are UTF-8 regardless of the machine's encoding.
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
      InputError: a file cannot be read or includes itself, or a value whose spaces count ends in an unquoted space,
        which would be lost.
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
        made += _lines(file, spaces_count, ())
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


def _lines(file: str, spaces_count: Callable[[str], bool], within: tuple[str, ...]) -> Iterator[str]:
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
        other = _file_of(flag)
        if other is not None:
            yield from _lines(other.strip(), spaces_count, (*within, path))
        else:
            yield _unquoted(f"{file}:{number}", line, spaces_count)


def _unquoted(place: str, line: str, spaces_count: Callable[[str], bool]) -> str:
    name, equals, value = line.strip().partition("=")
    if equals and len(value) > 1 and value[0] in _QUOTES and value[-1] == value[0] and value[0] not in value[1:-1]:
        return f"{name}={value[1:-1]}"
    ending = line.rstrip("\r")
    if equals and value and ending != ending.rstrip() and spaces_count(name.lstrip("-")):
        bare = name.lstrip("-")
        raise InputError(
            f"{place}: the space at the end of {line.strip()} would be lost: write {quoted(bare, value + ' ')} to"
            " keep one, or remove it"
        )
    return line.strip()

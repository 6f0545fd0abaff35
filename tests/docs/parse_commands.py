"""Parses commands without doing what they say, in a process of its own: their flags are global.

Reads [[file, argument, ...], ...] as JSON from standard input and prints a list with what is wrong with each, "" where
nothing is.
"""

import contextlib
import dataclasses
import io
import json
import sys
from collections.abc import Callable, Sequence
from unittest import mock

from hbt_jax import flags as command
from tests.docs.pages import ROOT, flags_page

NOT_INSTALLED = "not installed: "


def wrong(file: str, arguments: Sequence[str]) -> str:
    """What the command says of its arguments: the real parser, places and limits of the configuration's values."""
    if "run_command(" not in (ROOT / file).read_text(encoding="utf-8"):
        raise AssertionError(f"{file} does not call run_command: it would be run, not parsed")
    parts = []
    define, run_command = command.define, command.run_command

    def defining(*more: type) -> None:
        parts.extend(more)
        define(*more)

    def parsed(_: Callable, *positional, **remote) -> None:
        run_command(lambda _: _check(parts), *positional, **remote)

    said = io.StringIO()
    try:
        with (
            contextlib.redirect_stderr(said),
            mock.patch.object(command, "define", defining),
            flags_page().run_until_parsing(ROOT / file, parsed, arguments),
        ):
            raise AssertionError(f"{file} does not call run_command")
    except ImportError as error:
        return f"{NOT_INSTALLED}{error.name}"
    except SystemExit as ended:
        return said.getvalue() if ended.code else ""


def _check(parts: Sequence[type]) -> None:
    for part in parts:
        named = [field for field in dataclasses.fields(part) if isinstance(field.default, str)]
        if not any(isinstance(getattr(command.flags.FLAGS, field.name), list) for field in named):  # as in a sweep
            command.values(part)


if __name__ == "__main__":
    print(json.dumps([wrong(file, arguments) for file, *arguments in json.load(sys.stdin)]))

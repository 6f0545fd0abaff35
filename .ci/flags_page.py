"""Prints docs/flags.md: the flags of every command, taken from the commands themselves.

    python .ci/flags_page.py           # prints the page
    python .ci/flags_page.py --write   # writes docs/flags.md

A command is a script of launch/ or data_prep/, or a module of hbt_jax that runs by `python -m`, that ends in
`run_command`.  It is run up to that call, which is replaced, so nothing is parsed or done.
"""

import ast
import contextlib
import dataclasses
import runpy
import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from unittest import mock

from absl import flags

ROOT = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT))

from hbt_jax import flags as command  # noqa: E402

PAGE = ROOT / "docs" / "flags.md"
MANY_IN_COMMON = 20  # flags that two commands share before the second page entry refers to the first
INTRODUCTION = """# Flags

<!-- Written by .ci/flags_page.py; a test compares it with the commands. -->

Every command also takes `--help` and `--flagfile=FILE`: a file with one flag per line, where a value may stand in
quotes (`--query_prefix="query: "`). A later flag overrides an earlier one. Lists are comma-separated. A switch is
written `--name` or `--noname`. Exit codes: 0 done, 2 bad flags or input, 3 stopped by a signal after saving, 1 anything
else.
"""


@dataclasses.dataclass(frozen=True)
class Defined:
    """What a command takes.

    Attributes:
      groups: title, "" for none -> names of flags, in the order in which they are defined.
      flags: name -> the absl flag.
      positional: name -> meaning of each argument without a flag.
    """

    groups: Mapping[str, list[str]]
    flags: Mapping[str, flags.Flag]
    positional: Mapping[str, str]


def commands() -> list[Path]:
    """The files of all commands: training, what else is in launch/, data_prep/, modules."""
    scripts = [path for folder in ("launch", "data_prep") for path in sorted((ROOT / folder).glob("*.py"))]
    scripts.sort(key=lambda path: path.name != "train.py")
    modules = sorted((ROOT / "hbt_jax").rglob("*.py"))
    return [path for path in [*scripts, *modules] if _runs(path)]


def _runs(path: Path) -> bool:
    text = path.read_text(encoding="utf-8")
    return '__name__ == "__main__"' in text and "run_command(" in text


@contextlib.contextmanager
def run_until_parsing(path: Path, instead: Callable, arguments: Sequence[str] = ()) -> Iterator[None]:
    """Runs a command with `instead` in the place of `run_command`; its flags are forgotten afterwards."""
    before = set(flags.FLAGS)
    try:
        with (
            mock.patch.object(sys, "argv", [str(path), *arguments]),
            mock.patch.object(command, "run_command", instead),
        ):
            runpy.run_path(str(path), run_name="__main__")
        yield
    finally:
        for name in set(flags.FLAGS) - before:
            delattr(flags.FLAGS, name)


def defined(path: Path) -> Defined:
    """What the command in a file takes."""
    positional, titles, before = {}, {}, set(flags.FLAGS)

    def define(*parts: type) -> None:
        for part in parts:
            titles.update(dict.fromkeys((field.name for field in dataclasses.fields(part)), _first_line(part.__doc__)))
        define_for_real(*parts)

    def run_command(_: Callable, given: Mapping[str, str] | None = None, *__, **___) -> None:
        positional.update(given or {})

    define_for_real = command.define
    with mock.patch.object(command, "define", define), run_until_parsing(path, run_command):
        found = {name: flags.FLAGS[name] for name in flags.FLAGS if name not in before}
    groups: dict[str, list[str]] = {}
    for name in found:
        groups.setdefault(titles.get(name, ""), []).append(name)
    return Defined(groups, found, positional)


def _first_line(text: str) -> str:
    return text.strip().split("\n")[0]


def page() -> str:
    """The page, as Markdown."""
    written: dict[str, Defined] = {}
    parts = []
    for path in commands():
        name = path.relative_to(ROOT).as_posix()
        parts.append("\n".join(_section(name, path, defined(path), written)))
    links = [f"[{name}](#{anchor(name)})" for name in written]
    return "\n".join([INTRODUCTION, " · ".join(links), "", "\n\n".join(parts), ""])


def anchor(heading: str) -> str:
    """The anchor that GitHub gives a heading."""
    kept = "".join(letter for letter in heading.lower() if letter.isalnum() or letter in " -_")
    return kept.replace(" ", "-")


def _section(name: str, path: Path, this: Defined, written: dict[str, Defined]) -> list[str]:
    lines = [f"## {name}", "", _first_line(ast.get_docstring(ast.parse(path.read_text(encoding="utf-8"))))]
    if name.startswith("hbt_jax/"):
        lines += ["", f"Runs as `python -m {name.removesuffix('.py').replace('/', '.')}`."]
    lines += ["", *(f"- argument `{argument}`: {_cell(text)}" for argument, text in this.positional.items())]
    new = set(this.flags)
    for other, before in written.items():
        same = {flag for flag in this.flags if flag in before.flags and _row(this, flag) == _row(before, flag)}
        if len(same) >= MANY_IN_COMMON:
            missing = [f"`--{flag}`" for flag in before.flags if flag not in this.flags]
            without = f", without {', '.join(missing)}" if missing else ""
            lines += [f"Takes the flags of [{other}](#{anchor(other)}){without}{'' if new <= same else '; and these'}."]
            new -= same
            break
    written[name] = this
    for title, names in this.groups.items():
        rows = [_row(this, flag) for flag in names if flag in new]
        if rows:
            lines += ["", *([f"**{title.rstrip('.')}**", ""] if title and len(this.groups) > 1 else [])]
            lines += ["| flag | value | default | meaning |", "|---|---|---|---|", *rows]
    return [line for n, line in enumerate(lines) if line or (n and lines[n - 1])]


def _row(this: Defined, name: str) -> str:
    flag = this.flags[name]
    shown = _shown(flag.default)
    default = f"`{_cell(shown)}`" if shown else "none"
    text = (
        flag.help.partition(">: ")[2] if flag.help.startswith("<") else flag.help
    )  # absl puts <the choices> before it
    return f"| `--{name}` | {_kind(flag)} | {default} | {_cell(text)} |"


def _kind(flag: flags.Flag) -> str:
    if getattr(flag.parser, "enum_values", None):
        return ", ".join(f"`{value}`" for value in flag.parser.enum_values)
    kinds = {"bool": "switch", "int": "whole number", "float": "number", "comma separated list of strings": "list"}
    return kinds.get(flag.flag_type(), "text")


def _shown(value: object) -> str:
    if value is None:
        return ""
    if isinstance(value, bool):
        return str(value).lower()
    return ",".join(value) if isinstance(value, list) else str(value)


def _cell(text: str) -> str:
    """A text for the cell of a table."""
    return " ".join(text.split()).replace("|", "\\|").replace("<", "&lt;")


if __name__ == "__main__":
    if sys.argv[1:] == ["--write"]:
        PAGE.write_text(page(), encoding="utf-8")
    else:
        sys.stdout.reconfigure(encoding="utf-8")
        print(page(), end="")

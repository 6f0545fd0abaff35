"""Parses README.md and docs/ into what the tests need: commands, links, headings."""

import dataclasses
import functools
import importlib.util
import re
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
PAGES = (ROOT / "README.md", ROOT / "data_prep" / "README.md", *sorted((ROOT / "docs").glob("*.md")))
_FENCE = re.compile(
    r"^(?:<!-- (?P<marker>[^\n]*) -->\n)?```(?P<language>\w*)\n(?P<body>.*?)^```$", re.MULTILINE | re.DOTALL
)


@dataclasses.dataclass(frozen=True)
class Command:
    """A line of a fenced block without a language, or a whole script, which is a block of bash or python.

    Attributes:
      page: path of its page below the repository.
      text: the line, or the script.
      marker: the comment before the block, which says why no test runs it; "" where one does.
    """

    page: str
    text: str
    marker: str

    @property
    def program(self) -> tuple[str, list[str]] | None:
        """(file, arguments without shell quotes) of a command of this repository; None of another one."""
        found = re.search(r"(?:^|\| |&& |-- )python (-m )?(\S+)(.*)$", self.text)
        if not found or found[2] in ("venv", "pytest"):
            return None
        file = f"{found[2].replace('.', '/')}.py" if found[1] else found[2]
        return file, found[3].split()


def name(page: Path) -> str:
    """A page's path below the repository."""
    return page.relative_to(ROOT).as_posix()


@functools.cache
def commands() -> tuple[Command, ...]:
    """Every command of every page, in order."""
    return tuple(
        Command(name(page), line, block["marker"] or "")
        for page in PAGES
        for block in _FENCE.finditer(page.read_text(encoding="utf-8"))
        if not block["language"]
        for line in block["body"].splitlines()
    )


@functools.cache
def scripts() -> tuple[Command, ...]:
    """Every script of every page, in order."""
    return tuple(
        Command(name(page), block["body"], block["marker"] or "")
        for page in PAGES
        for block in _FENCE.finditer(page.read_text(encoding="utf-8"))
        if block["language"] in ("bash", "python")
    )


def prose(page: Path) -> str:
    """A page without its fenced blocks."""
    return _FENCE.sub("", page.read_text(encoding="utf-8"))


@functools.cache
def flags_page():
    """The module .ci/flags_page.py."""
    spec = importlib.util.spec_from_file_location("flags_page", ROOT / ".ci" / "flags_page.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module

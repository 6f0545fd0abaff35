"""Gives the site of .ci/mkdocs.yml the layout of the repository, so that links between files work as they stand.

Its files are README.md, the pages of docs/, and what these link to: pictures and the like as they are, code as a page
that shows it, a folder as a page that lists its files.
"""

import logging
import os
import re
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import unquote

from mkdocs.config.defaults import MkDocsConfig
from mkdocs.structure.files import File, Files, InclusionLevel

ROOT = Path(__file__).resolve().parents[1]
CODE = {".flags": "text", ".py": "python", ".sh": "bash", ".toml": "toml"}  # suffix -> how it is highlighted
_LOG = logging.getLogger("mkdocs.hooks.site_files")  # a warning there fails a strict build
_ASKED_FOR = re.compile(r'\s(?:href|src)="([^"#?:]+)["#?]')
_LINK = re.compile(r"\]\(([^)\s#]+)")
_PAGE = """---
title: {title}
search:
  exclude: true
hide:
  - toc
---
# `{title}`

{body}
"""


class Shown(File):
    """A file or folder that is none of the documentation, shown as a page."""

    def is_documentation_page(self) -> bool:
        """It has no name in .md, by which others are told apart."""
        return True


def on_files(files: Files, config: MkDocsConfig) -> Files:
    """The files of the site, at their paths in the repository, and those of the theme."""
    theme = (file for file in files if file.src_dir != config.docs_dir)
    pages = [ROOT / "README.md", *sorted((ROOT / "docs").glob("*.md"))]
    found = dict.fromkeys([*pages, *(target for page in pages for target in _linked(page))])
    return Files([*theme, *(_file(path, config) for path in found)])


def on_post_build(config: MkDocsConfig) -> None:
    """Warns of each local file that a finished page asks for but that does not exist, even if the theme asks for it."""
    site = Path(config.site_dir)
    for page in site.rglob("*.html"):
        targets = set(_ASKED_FOR.findall(page.read_text(encoding="utf-8")))
        missing = sorted(target for target in targets if not (page.parent / unquote(target)).exists())
        if missing and page.name != "404.html":  # its links start at the server's root
            _LOG.warning("%s asks for files that are not there: %s", page.relative_to(site), ", ".join(missing))


def _linked(page: Path) -> Iterator[Path]:
    """The files and folders of the repository that a page links to."""
    for target in _LINK.findall(page.read_text(encoding="utf-8")):
        path = Path(os.path.normpath(page.parent / target))
        if path.is_relative_to(ROOT) and path.exists():
            yield path


def _file(path: Path, config: MkDocsConfig) -> File:
    uri = path.relative_to(ROOT).as_posix()
    if not path.is_dir() and path.suffix not in CODE:
        return File(uri, str(ROOT), config.site_dir, config.use_directory_urls)
    content = _PAGE.format(title=uri, body=_listing(path) if path.is_dir() else _code(path))
    shown = Shown.generated(config, uri, content=content, inclusion=InclusionLevel.NOT_IN_NAV)
    shown.dest_uri = f"{uri}.html"
    return shown


def _listing(folder: Path) -> str:
    return "\n".join(f"- `{path.name}`" for path in sorted(folder.iterdir()) if path.name != "__pycache__")


def _code(path: Path) -> str:
    fence = "~" * 8
    return f"{fence} {CODE[path.suffix]}\n{path.read_text(encoding='utf-8')}{fence}"

"""What README.md and docs/ name exists: links, anchors, paths, flags; README.md is one page."""

import re
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.docs.pages import PAGES, ROOT, commands, flags_page, name, prose, scripts

OF_OTHERS = {"runner", "direct_running_mode", "direct_num_workers", "flink_master", "project"}  # Apache Beam's flags
PROGRAMS = ("python ", "pip install ", "hf download ", "uvx ", "printf ", "bash launch/tpu_vm/", "docker ")
MARKERS = re.compile(r"(needs .+|takes (\d+|many) minutes)(; run by \.ci/run)?")
pages = pytest.mark.parametrize("page", PAGES, ids=name)


def anchors(page: Path) -> set[str]:
    return {flags_page().anchor(heading) for heading in re.findall(r"(?m)^#+ (.+)$", prose(page))}


def links(page: Path) -> Iterator[tuple[Path, str]]:
    """(file, anchor) of each link within the repository."""
    for target in re.findall(r"\]\(([^)\s]+)\)", prose(page)):
        if not target.startswith("https://"):
            path, _, anchor = target.partition("#")
            yield (page.parent / path).resolve() if path else page, anchor


def known_flags() -> set[str]:
    rows = re.findall(r"(?m)^\| `--(\w+)` \| `?(\w+)", (ROOT / "docs" / "flags.md").read_text(encoding="utf-8"))
    assert len(rows) > 100
    known = {"help", "flagfile", "name", "noname"} | {flag for flag, _ in rows}
    known |= {f"no{flag}" for flag, kind in rows if kind == "switch"}
    for path in (ROOT / "launch" / "tpu_vm").glob("*.sh"):
        known |= set(re.findall(r"--(\w+)", path.read_text(encoding="utf-8").partition("source ")[0]))
    for path in (ROOT / "tests" / "benchmarks").rglob("*.py"):
        known |= set(re.findall(r'flags\.DEFINE_\w+\(\s*"(\w+)"', path.read_text(encoding="utf-8")))
    return known


def test_readme_is_one_page():
    assert len((ROOT / "README.md").read_text(encoding="utf-8").splitlines()) <= 130


@pages
def test_links_and_anchors_resolve(page):
    found = list(links(page))
    assert found or page.name == "agreement.md"
    for target, anchor in found:
        assert target.exists(), target
        assert not anchor or anchor in anchors(target), f"{target}#{anchor}"


def test_every_page_is_in_the_index_and_reached_from_the_readme():
    docs = {page for page in PAGES if page.parent.name == "docs"}
    index, readme = (
        {target for target, _ in links(page)} for page in (ROOT / "docs" / "README.md", ROOT / "README.md")
    )
    assert docs - index == {ROOT / "docs" / "README.md"}
    reached = readme | {target for page in readme & docs for target, _ in links(page)}
    assert docs - reached == set()


def test_every_page_is_in_the_menu_of_the_site():
    settings = (ROOT / ".ci" / "mkdocs.yml").read_text(encoding="utf-8")
    menu = re.findall(r"(?m)^ +- (?:[\w ]+: )?(\S+\.md)$", settings.partition("\nnav:")[2])
    assert sorted(menu) == sorted(name(page) for page in PAGES if page.parent.name != "data_prep")


@pages
def test_paths_exist(page):
    text = page.read_text(encoding="utf-8")
    named = re.findall(r"(?<![\w/.~-])(?:hbt_jax|data_prep|launch|tests|docs|\.ci)/[\w./-]*", text)
    known = {
        path.name for folder in ("hbt_jax", "data_prep", "launch", "tests") for path in (ROOT / folder).rglob("*.py")
    }
    if page.name != "flags.md":  # help texts name places elsewhere
        assert [path for path in named if not (ROOT / path.rstrip(".")).exists()] == []
    assert [file for file in re.findall(r"(?<![\w/])\w+\.py\b", text) if file not in known] == []


@pages
def test_flags_exist(page):
    others = r"(?m)^(hf|uvx|python -m pytest|pip|#SBATCH|docker build) .*$|-m pytest.*$"
    text = re.sub(rf"{others}|^(docker run|srun) .*? (?=hbt_jax:|python)", "", page.read_text(encoding="utf-8"))
    named = re.findall(r"(?<![\w-])--([a-z]\w*)", text)
    assert [flag for flag in named if flag not in known_flags() | OF_OTHERS] == []


def test_fenced_lines_are_commands_and_markers_are_known():
    assert len(commands()) > 40
    for command in commands():
        assert command.text.startswith(PROGRAMS), command
        assert not command.marker or MARKERS.fullmatch(command.marker), command


def test_scripts_say_why_no_test_runs_them():
    assert {script.page for script in scripts()} >= {"docs/launching.md", "docs/export.md", "docs/study_details.md"}
    for script in scripts():
        assert MARKERS.fullmatch(script.marker), script


def test_markers_of_ci_are_what_ci_runs():
    by_ci = [command for command in commands() if "run by .ci/run" in command.marker]
    script = (ROOT / ".ci" / "run").read_text(encoding="utf-8")
    wanted = re.findall(r'readme_command\.py "(.+)"\)', script)
    assert len(wanted) == 2
    *of_readme, site = by_ci
    assert all(part in command.text for part, command in zip(wanted, of_readme, strict=True))
    assert site.text.partition(" && ")[2] in script.splitlines()

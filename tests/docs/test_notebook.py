"""docs/quickstart.ipynb says what README.md says, and is kept without outputs.  .ci/run executes it."""

import configparser
import json
import re

import pytest

from tests.docs.pages import ROOT, commands


@pytest.fixture(scope="module")
def cells() -> list[dict]:
    return json.loads((ROOT / "docs" / "quickstart.ipynb").read_text(encoding="utf-8"))["cells"]


def texts(cells, kind: str) -> list[str]:
    return ["".join(cell["source"]) for cell in cells if cell["cell_type"] == kind]


def test_it_is_kept_without_outputs(cells):
    code = [cell for cell in cells if cell["cell_type"] == "code"]
    assert len(code) > 3
    assert all(cell["outputs"] == [] and cell["execution_count"] is None for cell in code)


def test_its_commands_are_those_of_the_readme(cells):
    (both,) = (c.text for c in commands() if c.page == "README.md" and "quickstart.flags" in c.text)
    lines = [line for text in texts(cells, "code") for line in text.splitlines()]
    (install,) = (line for line in lines if line.startswith("%pip "))
    (train,) = (line for line in lines if "launch/train.py --" in line)
    install = install.replace("%pip install -q ", "pip install ").replace('".{EXTRA}"', ".")
    train = train.replace('!"{PYTHON}" ', "python ").removesuffix(" {FLAGS}")
    assert f"{install} && {train}" == both


def test_the_cell_that_installs_is_marked_as_such(cells):
    marked = [cell for cell in cells if "install" in cell["metadata"].get("tags", [])]
    assert texts(marked, "code") == [text for text in texts(cells, "code") if "%pip" in text]


def test_what_it_names_exists(cells):
    setup = configparser.ConfigParser()
    setup.read(ROOT / "setup.cfg", encoding="utf-8")
    extras = re.findall(r'"\[(\w+)\]"', "".join(texts(cells, "code")))
    assert extras and set(extras) <= set(setup["options.extras_require"])
    targets = re.findall(r"\]\(([^)\s#]+)", "".join(texts(cells, "markdown")))
    assert targets and all((ROOT / "docs" / target).exists() for target in targets), targets
    (variable,) = re.findall(r'environ\.get\("(\w+)"', "".join(texts(cells, "code")))
    assert f"{variable}=" in (ROOT / ".ci" / "run").read_text(encoding="utf-8")

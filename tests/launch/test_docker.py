"""launch/docker/Dockerfile, as far as reading can check it: what is pinned, installed, copied and started."""

import configparser
import re
import shlex
from pathlib import Path

import pytest
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

ROOT = Path(__file__).resolve().parents[2]
FILE = ROOT / "launch" / "docker" / "Dockerfile"


def instructions() -> dict[str, list[tuple[str, str]]]:
    """Stage -> its (instruction, rest of the line), those of the stage that it begins with included."""
    stages: dict[str, list[tuple[str, str]]] = {}
    for line in FILE.read_text(encoding="utf-8").splitlines():
        word, _, rest = line.partition(" ")
        if word == "FROM":
            image, name = rest.split(" AS ")
            stages[name] = [*stages.get(image, [(word, image)])]
        elif line and not line.startswith("#"):
            stages[name].append((word, rest))
    return stages


def pinned() -> set[str]:
    lines = (ROOT / "constraints.txt").read_text(encoding="utf-8").splitlines()
    found = [Requirement(line) for line in lines if line and not line.startswith("#")]
    assert all(str(requirement.specifier).startswith("==") for requirement in found)
    return {canonicalize_name(requirement.name) for requirement in found}


@pytest.mark.parametrize(("target", "extras"), [("gpu", {"cuda", "gcs"}), ("tpu", {"tpu", "gcs"})])
def test_an_image_installs_what_is_pinned_and_starts_a_command(target, extras):
    steps = instructions()[target]
    assert re.fullmatch(r"python:3\.11\.\d+-slim-\w+", dict(steps)["FROM"])
    copied = [shlex.split(rest)[:-1] for word, rest in steps if word == "COPY"]
    assert all((ROOT / path).exists() for paths in copied for path in paths)
    install = next(shlex.split(rest) for word, rest in steps if word == "RUN")
    assert install[:4] == ["pip", "install", "-c", "constraints.txt"] and "constraints.txt" in copied[0]
    assert set(re.fullmatch(r"\.\[(.+)\]", install[-1])[1].split(",")) == extras
    assert [word for word, _ in steps][-2:] == ["RUN", "COPY"] and copied[-1] == ["."]
    assert dict(steps)["ENTRYPOINT"] == '["python"]'
    command = re.findall(r'"([^"]+)"', dict(steps)["CMD"])
    assert (ROOT / command[0]).exists()


def test_what_an_image_installs_is_pinned():
    setup = configparser.ConfigParser()
    setup.read(ROOT / "setup.cfg", encoding="utf-8")
    texts = [setup["options"]["install_requires"], *(setup["options.extras_require"][one] for one in ("tpu", "gcs"))]
    lines = [line for text in texts for line in text.splitlines() if line and not line.startswith("#")]
    assert len(lines) > 20
    assert {canonicalize_name(Requirement(line).name) for line in lines} <= pinned()
    assert {"jax-cuda13-plugin", "jax-cuda13-pjrt", "nvidia-cudnn-cu13"} <= pinned()  # of the extra `cuda`


def test_what_stays_out_of_an_image_is_not_copied_into_it():
    left_out = (FILE.parent / "Dockerfile.dockerignore").read_text(encoding="utf-8").split()
    copied = [path for word, rest in instructions()["gpu"] if word == "COPY" for path in shlex.split(rest)[:-1]]
    assert not set(left_out) & set(copied)
    assert {".git", "runs"} <= set(left_out)

"""Errors of the system on places that the user named end in one line, wherever they are met."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
LONG = 260 * "x"
SCRIPT = """
import errno, os, sys
from hbt_jax.flags import run_command

def main(_):
    raise {}

run_command(main)
"""


def run(raised: str) -> subprocess.CompletedProcess:
    return subprocess.run(
        [sys.executable, "-c", SCRIPT.format(raised)], cwd=ROOT, capture_output=True, text=True, check=False
    )


@pytest.mark.parametrize(
    ("number", "line"),
    [
        ("ENAMETOOLONG", "error: a/b: File name too long: choose a shorter name; "),
        ("EACCES", "error: a/b: Permission denied: change its permissions, or name another"),
        ("EROFS", "error: a/b: Read-only file system: name a place on another disk"),
        ("ELOOP", "error: a/b: Too many levels of symbolic links: its links form a loop"),
        ("ENOSPC", "error: no space left on the disk of a/b: make room"),
    ],
)
def test_an_error_on_a_place_is_one_line(number, line):
    ended = run(f"OSError(errno.{number}, os.strerror(errno.{number}), 'a/b')")
    assert ended.returncode == 2 and ended.stderr.startswith(line) and ended.stderr.count("\n") == 1


@pytest.mark.parametrize("raised", ["PermissionError(13, 'Permission denied')", "FileNotFoundError(2, 'No', 'a/b')"])
def test_other_errors_keep_their_traceback(raised):
    ended = run(raised)
    assert ended.returncode == 1 and "Traceback" in ended.stderr


@pytest.mark.parametrize(
    ("command", "arguments"),
    [
        ("launch/compare.py", ["--a=a", "--b=b", "--out={}"]),
        ("launch/export.py", ["--model=m", "--out={}"]),
        ("launch/train.py", ["--prepare=facts", "--stores=s", "--workdir={}"]),
        ("data_prep/prepare_facts.py", ["--out_dir={}"]),
    ],
)
def test_a_name_that_is_too_long_is_said(tmp_path, command, arguments):
    out = tmp_path / LONG
    ended = subprocess.run(
        [sys.executable, str(ROOT / command), *(one.format(out) for one in arguments)],
        capture_output=True,
        text=True,
        check=False,
    )
    assert ended.returncode == 2 and "File name too long: choose a shorter name" in ended.stderr.splitlines()[-1]
    assert "Traceback" not in ended.stderr and list(tmp_path.iterdir()) == []


def test_a_current_folder_that_was_removed_is_said(tmp_path):
    folder = tmp_path / "removed"
    folder.mkdir()
    script = f"cd {folder} && rmdir {folder} && {sys.executable} {ROOT / 'launch' / 'compare.py'} --a=a --b=b --out=c"
    environment = os.environ | {"PYTHONPATH": str(ROOT)}  # Python does not start there with a relative path
    ended = subprocess.run(["bash", "-c", script], capture_output=True, text=True, check=False, env=environment)
    assert ended.returncode == 2
    assert ended.stderr == "error: the current folder no longer exists: change to another and repeat the command\n"

"""Output folders are checked before the work, and nothing is made by the check."""

import errno
import os
import sqlite3
import subprocess
import sys
from pathlib import Path

import pytest

from hbt_jax.errors import InputError
from hbt_jax.files import check_writable, named_errors, says_full

ROOT = Path(__file__).resolve().parents[1]


def test_a_folder_that_is_there_or_can_be_made_passes(tmp_path):
    check_writable(str(tmp_path))
    check_writable(str(tmp_path / "new" / "deep"))
    assert list(tmp_path.iterdir()) == []


def test_a_file_in_the_way_is_named(tmp_path):
    (tmp_path / "file").write_text("x")
    for folder in (tmp_path / "file", tmp_path / "file" / "out"):
        with pytest.raises(InputError) as caught:
            check_writable(str(folder))
        assert str(caught.value).startswith(f"{folder}: cannot write there: {tmp_path / 'file'} is not a folder: ")


def test_a_folder_without_permission_is_named(tmp_path, monkeypatch):
    """`os.access` is replaced, as permissions do not bind an administrator."""
    monkeypatch.setattr(os, "access", lambda path, mode: path != str(tmp_path))
    with pytest.raises(InputError, match=f"cannot write there: {tmp_path} is not writable: change its permissions"):
        check_writable(str(tmp_path / "out"))


@pytest.mark.parametrize(
    ("error", "full"),
    [
        (OSError(errno.ENOSPC, "No space left on device"), True),
        (OSError(errno.EDQUOT, "Disk quota exceeded"), True),
        (OSError(errno.EACCES, "Permission denied"), False),
        (RuntimeError("/raw/x.tfrecord; No space left on device"), True),  # as TensorFlow says it
        (sqlite3.OperationalError("database or disk is full"), True),
        (RuntimeError("out of memory"), False),
    ],
)
def test_a_full_disk_is_known_whoever_says_it(error, full):
    assert says_full(error) == full
    with pytest.raises(type(error) if not full else OSError) as caught, named_errors("/place"):
        raise error
    assert (getattr(caught.value, "filename", None) == "/place") == full


def test_a_command_ends_with_one_line_when_a_disk_is_full(tmp_path):
    script = (
        "from hbt_jax.flags import run_command\n"
        "def main(_):\n    raise RuntimeError('/raw/x; No space left on device')\n"
        "run_command(main)"
    )
    ended = subprocess.run([sys.executable, "-c", script], cwd=ROOT, capture_output=True, text=True, check=False)
    assert ended.returncode == 2
    assert ended.stderr == "error: no space left on the disk of the output folder: make room and repeat the command\n"

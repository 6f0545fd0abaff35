"""Output folders are checked before the work, and nothing is made by the check."""

import os

import pytest

from hbt_jax.errors import InputError
from hbt_jax.files import check_writable


def test_a_folder_that_is_there_or_can_be_made_passes(tmp_path):
    check_writable(str(tmp_path))
    check_writable(str(tmp_path / "new" / "deep"))
    assert list(tmp_path.iterdir()) == []


def test_a_file_in_the_way_is_named(tmp_path):
    (tmp_path / "file").write_text("x")
    for folder in (tmp_path / "file", tmp_path / "file" / "out"):
        with pytest.raises(InputError) as caught:
            check_writable(str(folder))
        assert str(caught.value).startswith(f"{folder}: cannot write there: {tmp_path / 'file'} is no folder: choose")


def test_a_folder_without_permission_is_named(tmp_path, monkeypatch):
    """`os.access` is replaced, as permissions do not bind an administrator."""
    monkeypatch.setattr(os, "access", lambda path, mode: path != str(tmp_path))
    with pytest.raises(InputError, match=f"cannot write there: {tmp_path} is not writable: change its permissions"):
        check_writable(str(tmp_path / "out"))

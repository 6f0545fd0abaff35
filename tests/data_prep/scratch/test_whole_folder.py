"""A folder of results replaces an older one only when whole, and nothing else ever."""

import pytest

from data_prep.scratch.whole_folder import whole_folder
from hbt_jax.errors import InputError


def test_the_older_folder_stands_until_the_new_one_is_whole(tmp_path):
    out = tmp_path / "deep" / "out"
    with whole_folder(out, ("a", "b")) as folder:
        (folder / "a").write_text("old")
        (folder / "b").write_text("old")
    with pytest.raises(RuntimeError, match="half way"), whole_folder(out, ("a", "b")) as folder:
        (folder / "a").write_text("new")
        raise RuntimeError("half way")
    assert [path.name for path in out.parent.iterdir()] == ["out"]
    assert {path.name: path.read_text() for path in out.iterdir()} == {"a": "old", "b": "old"}
    with whole_folder(out, ("a", "b")) as folder:
        assert list(folder.iterdir()) == []
        (folder / "a").write_text("new")
    assert {path.name: path.read_text() for path in out.iterdir()} == {"a": "new"}
    assert [path.name for path in out.parent.iterdir()] == ["out"]


def test_a_folder_of_other_things_is_left_alone(tmp_path):
    (tmp_path / "thesis.txt").write_text("x")
    with pytest.raises(InputError, match="holds 'thesis.txt' and would be replaced by a folder of a, b: choose"), \
         whole_folder(tmp_path, ("a", "b")):  # fmt: skip
        pass
    assert (tmp_path / "thesis.txt").read_text() == "x"
    with pytest.raises(InputError, match="thesis.txt is a file"), whole_folder(tmp_path / "thesis.txt", ("a",)):
        pass


def test_a_link_to_a_folder_stays_one(tmp_path):
    (tmp_path / "there").mkdir()
    (tmp_path / "out").symlink_to(tmp_path / "there")
    with whole_folder(tmp_path / "out", ("a",)) as folder:
        (folder / "a").write_text("new")
    assert (tmp_path / "out").is_symlink() and (tmp_path / "there" / "a").read_text() == "new"


def test_a_full_disk_names_the_folder(tmp_path):
    out = tmp_path / "out"
    with pytest.raises(OSError, match=f"No space left on device: '{out}'"), whole_folder(out, ("a",)) as folder:
        (folder / "a").symlink_to("/dev/full")
        (folder / "a").write_text("new")
    assert list(tmp_path.iterdir()) == []

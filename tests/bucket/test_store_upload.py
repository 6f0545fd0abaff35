"""A place of a store in a bucket is held while a store is built for it and uploaded."""

import os
import shutil
import tempfile

import pytest

from data_prep.upload_store import local_output, upload_store
from hbt_jax import ending
from hbt_jax.bucket import hold
from hbt_jax.bucket.mirror import files_of
from hbt_jax.data.remote import RemoteFolder
from hbt_jax.data.store_cache import local_store
from hbt_jax.errors import InputError
from tests.bucket.object_store import BUCKET, take_over
from tests.data_prep.small_stores import QUESTIONS, SENTENCES, make_text_store, make_tokenizer

PLACE, RECORD = f"{BUCKET}/stores/mine", "bucket/stores/mine/.held"
ROWS = [
    [{code: texts[code][number] for code in ("de", "en")} for number in range(4)] for texts in (QUESTIONS, SENTENCES)
]


@pytest.fixture(autouse=True)
def quick(monkeypatch):
    monkeypatch.setattr(hold, "_SETTLE_SECONDS", 0.01)
    monkeypatch.setattr(hold, "RENEW_SECONDS", 0.05)
    monkeypatch.setattr(hold, "GONE_SECONDS", 20)


@pytest.fixture
def made(tmp_path):
    make_text_store(tmp_path / "made", make_tokenizer(tmp_path / "tokenizer"), *ROWS)
    return tmp_path / "made"


def there(files):
    files.invalidate_cache()
    return files.find("bucket/stores/mine") if files.exists("bucket/stores/mine") else []


def test_a_place_in_use_is_refused_before_anything_is_built_or_uploaded(files, made):
    with hold.held_anywhere(PLACE, "--out_dir"):
        used = rf"{PLACE} is in use by process \d+ on host .*: wait until it has ended, or choose another"
        for given in ("PLACE", "--drop"):
            with pytest.raises(InputError, match=f"{used} {given}$"):
                upload_store(made, PLACE, given)
        with pytest.raises(InputError, match=f"{used} --out_dir$"), local_output(PLACE):
            raise AssertionError("built for nothing")
        assert there(files) == [RECORD]
    assert there(files) == []


def test_the_place_is_held_until_the_last_file_has_arrived(files, made, tmp_path, monkeypatch):
    put, held = RemoteFolder.put, []
    monkeypatch.setattr(RemoteFolder, "put", lambda *given: held.append(RECORD in there(files)) or put(*given))
    with local_output(PLACE) as folder:
        assert there(files) == [RECORD]
        shutil.copytree(made, folder)
    assert len(held) > 3 and all(held)
    local_store(PLACE, tmp_path / "cache")
    assert RECORD not in there(files)
    files.rm("bucket/stores", recursive=True)


def test_an_upload_that_fails_lets_go_and_the_next_one_replaces_its_remains(files, made, tmp_path, monkeypatch):
    with monkeypatch.context() as broken:
        broken.setattr(RemoteFolder, "size", lambda self, name: None)
        with pytest.raises(InputError, match="None bytes arrived"):
            upload_store(made, PLACE)
    assert there(files) and RECORD not in there(files)
    upload_store(made, PLACE)
    local_store(PLACE, tmp_path / "cache")
    files.rm("bucket/stores", recursive=True)


class _Ended(BaseException):
    """In place of the end of this process."""


@pytest.fixture
def temporary(tmp_path, monkeypatch):
    """The folder for temporary files, in which others have theirs."""
    (tmp_path / "temporary" / "store_of_another").mkdir(parents=True)
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path / "temporary"))
    return tmp_path / "temporary"


@pytest.fixture
def ends(monkeypatch):
    """The exit code and the temporary folders each time that this process would end; it does not."""
    found = []
    monkeypatch.setattr(ending.os, "_exit", lambda code: found.append((code, {*os.listdir(tempfile.gettempdir())})))
    return found


def test_a_build_whose_place_was_taken_over_leaves_no_temporary_folder(files, temporary, ends):
    with pytest.raises(_Ended), local_output(PLACE) as folder:
        folder.mkdir()
        (folder / "half").write_text("written")
        take_over(files, RECORD, ends)
        raise _Ended
    assert ends[0] == (1, {"store_of_another"})
    files.rm_file(RECORD)


def test_an_upload_whose_place_was_taken_over_keeps_the_store_and_says_where(
    files, made, temporary, ends, monkeypatch, capfd
):
    def put(*_):
        take_over(files, RECORD, ends)
        raise _Ended

    monkeypatch.setattr(RemoteFolder, "put", put)
    with pytest.raises(_Ended), local_output(PLACE) as folder:
        shutil.copytree(made, folder)
    code, folders = ends[0]
    (kept,) = folders - {"store_of_another"}
    assert code == 1 and (temporary / kept / "store" / "manifest.json").is_file()
    command = f"upload it: python data_prep/upload_store.py {temporary / kept / 'store'} {PLACE}"
    assert command in capfd.readouterr().err
    files.rm_file(RECORD)


def test_the_local_files_of_a_run_whose_place_was_taken_over_are_removed(files, temporary, ends):
    files.pipe_file("bucket/stores/mine/config.json", b"{}")
    with hold.held_anywhere(PLACE, "--workdir"):
        assert [path.name for path in files_of(PLACE).iterdir()] == ["config.json"]
        assert len(os.listdir(temporary)) == 2
        take_over(files, RECORD, ends)
    assert ends[0] == (1, {"store_of_another"})
    files.rm("bucket/stores", recursive=True)

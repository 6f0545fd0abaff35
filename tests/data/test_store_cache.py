"""Stores at places with a scheme: copied once, whole or not at all, and every way it can go wrong is one line.

memory:// stands for a bucket inside this process, file:// for one that several processes see.
"""

import errno
import json
import socket
import subprocess
import sys
import time
from pathlib import Path

import fsspec
import numpy as np
import pytest

from hbt_jax.data import remote, store_cache
from hbt_jax.data.mixture import open_mixture
from hbt_jax.data.store import open_store
from hbt_jax.data.store_cache import default_cache, local_store
from hbt_jax.errors import InputError
from tests.data.make_stores import make_store, parallel

ROOT = Path(__file__).resolve().parents[2]
FILES = (
    "passages/ar.arrow", "passages/de.arrow", "passages/identity.arrow", "pairs.arrow", "queries/ar.arrow",
    "queries/de.arrow", "queries/identity.arrow",
)  # fmt: skip


@pytest.fixture
def bucket(tmp_path):
    """A store at memory://, and its place."""
    place = f"memory://{tmp_path.name}/stores/made"
    make_store(tmp_path / "made", parallel(20, 2))
    put(tmp_path / "made", place)
    yield place
    fsspec.filesystem("memory").rm(f"/{tmp_path.name}", recursive=True)


def put(folder: Path, place: str) -> None:
    fsspec.filesystem("memory").put(f"{folder}/", f"{place}/", recursive=True)


def write(place: str, content: bytes) -> None:
    fsspec.filesystem("memory").pipe_file(place, content)


@pytest.fixture
def copied(monkeypatch) -> list[str]:
    """The names of the files that are copied, in order."""
    names, blocks = [], remote.RemoteFolder.blocks

    def counted(self, name, size):
        names.append(name)
        yield from blocks(self, name, size)

    monkeypatch.setattr(remote.RemoteFolder, "blocks", counted)
    return names


def test_a_store_is_copied_once_and_is_the_same(tmp_path, bucket, copied, capsys):
    cache = tmp_path / "cache"
    folder = local_store(bucket, cache)
    assert folder.parent == cache and folder.name.startswith("made-train-")
    assert sorted(copied) == sorted(FILES)
    assert f"{bucket}: copying 0.00 GB to {folder}" in capsys.readouterr().err
    ours, theirs = open_store(folder), open_store(tmp_path / "made")
    assert ours.fingerprint == theirs.fingerprint and ours.manifest == theirs.manifest
    for side in ("queries", "passages"):
        for code in ours.languages:
            one, other = (getattr(store, side).tokens[code] for store in (ours, theirs))
            np.testing.assert_array_equal(one.values, other.values)
    assert local_store(bucket + "/", cache) == folder
    assert len(copied) == len(FILES)
    assert open_mixture([bucket, tmp_path / "made"], cache_dir=str(cache)).sizes.tolist() == [20, 20]
    assert capsys.readouterr().err == ""


@pytest.mark.parametrize("block", [8 << 20, 100])
def test_large_files_come_in_blocks(tmp_path, bucket, monkeypatch, block):
    monkeypatch.setattr(remote, "_BLOCK", block)
    folder = local_store(bucket, tmp_path / "cache")
    for name in (*FILES, "manifest.json"):
        assert (folder / name).read_bytes() == (tmp_path / "made" / name).read_bytes()


def test_a_local_folder_stays_what_it_is(tmp_path, monkeypatch):
    assert local_store("some/store") == Path("some/store")
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    assert default_cache() == tmp_path / "hbt_jax" / "stores"
    monkeypatch.delenv("XDG_CACHE_HOME")
    monkeypatch.setenv("HOME", "/home/someone")
    assert default_cache() == Path("/home/someone/.cache/hbt_jax/stores")


def test_a_store_that_was_replaced_gets_a_folder_of_its_own(tmp_path, bucket):
    first = local_store(bucket, tmp_path / "cache")
    make_store(tmp_path / "other", parallel(21, 2))
    put(tmp_path / "other", bucket)
    second = local_store(bucket, tmp_path / "cache")
    assert first != second
    assert (len(open_store(first).pairs), len(open_store(second).pairs)) == (20, 21)


def test_a_truncated_file_stops_the_copy_which_resumes_once_the_file_is_whole(tmp_path, bucket, copied):
    whole = (tmp_path / "made" / "pairs.arrow").read_bytes()
    write(f"{bucket}/pairs.arrow", whole[:-8])
    size = f"{len(whole) - 8:,} bytes, expected {len(whole):,}"
    with pytest.raises(InputError, match=rf"pairs\.arrow: {size} by the store's manifest\.json: upload the store"):
        local_store(bucket, tmp_path / "cache")
    assert [path.suffix for path in (tmp_path / "cache").iterdir() if path.is_dir()] == [".partial"]
    kept = {str(path.relative_to(path.parents[1])) for path in (tmp_path / "cache").rglob("*/*/*.arrow")}
    write(f"{bucket}/pairs.arrow", whole)
    copied.clear()
    open_store(local_store(bucket, tmp_path / "cache"))
    assert set(copied) == set(FILES) - kept
    assert not list((tmp_path / "cache").glob("*.partial"))


def test_a_file_of_another_content_is_refused(tmp_path, bucket):
    whole = bytearray((tmp_path / "made" / "queries" / "de.arrow").read_bytes())
    whole[len(whole) // 2] ^= 1
    write(f"{bucket}/queries/de.arrow", bytes(whole))
    with pytest.raises(InputError, match=r"queries/de\.arrow: damaged, or replaced meanwhile \(sha256 .*: try again"):
        local_store(bucket, tmp_path / "cache")
    fsspec.filesystem("memory").rm(f"{bucket}/queries/de.arrow")
    with pytest.raises(InputError, match=r"queries/de\.arrow: missing, though it is listed in the store's manifest"):
        local_store(bucket, tmp_path / "cache")


def test_a_file_that_ends_early_is_refused(tmp_path, bucket, monkeypatch):
    monkeypatch.setattr(remote.RemoteFolder, "blocks", lambda *_: iter([b"short"]))
    with pytest.raises(InputError, match="damaged, or replaced meanwhile"):
        local_store(bucket, tmp_path / "cache")


def test_a_damaged_copy_is_made_again(tmp_path, bucket, capsys):
    folder = local_store(bucket, tmp_path / "cache")
    with (folder / "pairs.arrow").open("rb+") as file:
        file.truncate(10)
    assert local_store(bucket, tmp_path / "cache") == folder
    assert f"{folder}: damaged; it is copied again" in capsys.readouterr().err
    open_store(folder)


def test_a_manifest_cannot_name_files_outside_the_store(tmp_path, bucket):
    manifest = json.loads((tmp_path / "made" / "manifest.json").read_text())
    for name in ("../escaped", "/escaped", "queries/../../escaped"):
        manifest["pairs"]["file"] = name
        write(f"{bucket}/manifest.json", json.dumps(manifest).encode())
        with pytest.raises(InputError, match=f"lists '{name}', expected a file inside the store's folder"):
            local_store(bucket, tmp_path / "cache")


def test_a_place_without_a_whole_store(tmp_path, bucket):
    with pytest.raises(
        InputError, match=r"store memory://nowhere: no manifest\.json there, so there is no store or it"
    ):
        local_store("memory://nowhere", tmp_path / "cache")
    write(f"{bucket}/manifest.json", b"{")
    with pytest.raises(InputError, match=rf"{bucket}/manifest\.json: not JSON"):
        local_store(bucket, tmp_path / "cache")


def test_a_missing_package_and_an_unknown_scheme(tmp_path, monkeypatch):
    monkeypatch.setitem(sys.modules, "gcsfs", None)
    with pytest.raises(
        InputError, match=r"gs://bucket/store: needs a package that is missing .*: pip install -e '.\[gcs\]'"
    ):
        local_store("gs://bucket/store", tmp_path)
    with pytest.raises(InputError, match="gss://bucket/store: unknown scheme; expected gs://BUCKET/FOLDER or a local"):
        local_store("gss://bucket/store", tmp_path)


@pytest.mark.parametrize("error", [PermissionError("403 Forbidden"), ValueError("Bad Request"), RuntimeError()])
def test_errors_of_the_bucket_are_one_line(tmp_path, bucket, monkeypatch, error):
    def refuse(*_, **__):
        raise error

    monkeypatch.setattr(type(fsspec.filesystem("memory")), "cat_file", refuse)
    words = f"{type(error).__name__}: {error}" if str(error) else type(error).__name__
    with pytest.raises(InputError) as caught:
        local_store(bucket, tmp_path)
    assert f"{bucket}/manifest.json: cannot be read ({words}): check the bucket's name, the conn" in str(caught.value)
    assert "\n" not in str(caught.value)


def test_a_full_disk_is_one_line(tmp_path, bucket, monkeypatch):
    usage = store_cache.shutil.disk_usage(tmp_path)
    monkeypatch.setattr(store_cache.shutil, "disk_usage", lambda _: usage._replace(free=5))
    with pytest.raises(InputError, match=r"cache: 0\.00 GB are free, but the copy needs .* by --store_cache"):
        local_store(bucket, tmp_path / "cache")
    monkeypatch.setattr(store_cache.shutil, "disk_usage", lambda _: usage)

    def full(*_):
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(store_cache, "synced_file", full)
    with pytest.raises(
        InputError, match="cache: the disk is full; .* by --store_cache; files that are complete are not copied again"
    ):
        local_store(bucket, tmp_path / "cache")


def test_a_cache_that_cannot_be_written_is_one_line(tmp_path, bucket):
    (tmp_path / "file").write_text("")
    for cache in ("file", "file/inside"):
        with pytest.raises(
            InputError, match=rf"{cache}: cannot be written \(.*\); name another folder by --store_cache"
        ):
            local_store(bucket, tmp_path / cache)


CHILD = """
import os, signal, sys, time
from hbt_jax.data import remote, store_cache
place, cache, log, killed_at, pause = sys.argv[1:]
store_cache._FILES = 1
blocks = remote.RemoteFolder.blocks

def slow(self, name, size):
    with open(log, "a") as file:
        file.write(name + "\\n")
    if name == killed_at:
        os.kill(os.getpid(), signal.SIGKILL)
    time.sleep(float(pause))
    yield from blocks(self, name, size)

remote.RemoteFolder.blocks = slow
print(store_cache.local_store(place, cache))
"""


def child(folder: Path, cache: Path, log: Path, killed_at: str = "", pause: float = 0.0) -> subprocess.Popen:
    """A process that copies a store and writes down which files."""
    command = [sys.executable, "-c", CHILD, f"file://{folder}", str(cache), str(log), killed_at, str(pause)]
    return subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)


def test_processes_that_want_the_same_store_copy_it_once(tmp_path):
    store = make_store(tmp_path / "made", parallel(20, 2))
    cache, log = tmp_path / "cache", tmp_path / "log"
    first = child(store.path, cache, log, pause=3)  # longer than the other one takes to start on a busy machine
    while not log.exists() and first.poll() is None:
        time.sleep(0.02)
    second = child(store.path, cache, log)
    printed = [process.communicate(timeout=120) for process in (first, second)]
    assert (first.returncode, second.returncode) == (0, 0), printed
    assert sorted(log.read_text().split()) == sorted(FILES)
    assert printed[0][0] == printed[1][0]
    place = f"file://{store.path}"
    assert f"waiting for process {first.pid} on host {socket.gethostname()} (python) since " in printed[1][1]
    assert f", which is copying {place} to {printed[0][0].strip()}" in printed[1][1]
    open_store(printed[0][0].strip())


def test_a_killed_copy_is_resumed(tmp_path):
    store = make_store(tmp_path / "made", parallel(20, 2))
    cache, log = tmp_path / "cache", tmp_path / "log"
    killed = child(store.path, cache, log, killed_at="passages/ar.arrow")
    killed.communicate(timeout=120)
    assert killed.returncode == -9
    assert not [path for path in cache.iterdir() if path.is_dir() and not path.name.endswith(".partial")]
    before = log.read_text().split()
    log.write_text("")
    again = child(store.path, cache, log)
    printed = again.communicate(timeout=120)
    assert again.returncode == 0, printed
    assert before == ["queries/ar.arrow", "queries/de.arrow", "passages/ar.arrow"]
    rest = [
        "passages/ar.arrow",
        "passages/de.arrow",
        "queries/identity.arrow",
        "passages/identity.arrow",
        "pairs.arrow",
    ]
    assert log.read_text().split() == rest
    open_store(printed[0].strip())

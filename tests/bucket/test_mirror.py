"""The files of a folder in a bucket: fetched once, changed locally, copied when they have changed."""

import pytest

from hbt_jax.bucket import mirror
from hbt_jax.errors import InputError
from tests.bucket.object_store import BUCKET


@pytest.fixture(autouse=True)
def forgotten(monkeypatch):
    monkeypatch.setattr(mirror, "_mirrors", {})


def test_a_local_folder_is_itself(tmp_path):
    assert mirror.files_of(str(tmp_path)) == tmp_path
    mirror.publish(str(tmp_path))


def test_files_are_fetched_and_what_changes_is_copied(files, monkeypatch):
    place = f"{BUCKET}/run"
    for name in ("config.json", "tokenizer/a/b", "checkpoints/last/1/x", "tensorboard/events", ".held"):
        files.pipe_file(f"bucket/run/{name}", name.encode())
    folder = mirror.files_of(f"{place}/")
    assert mirror.files_of(place) == folder
    names = sorted(path.relative_to(folder).as_posix() for path in folder.rglob("*") if path.is_file())
    assert names == ["config.json", "tokenizer/a/b"]
    assert (folder / "tokenizer/a/b").read_text() == "tokenizer/a/b"

    put = []
    sent = mirror.RemoteFolder.put
    monkeypatch.setattr(
        mirror.RemoteFolder, "put", lambda self, local, name: put.append(name) or sent(self, local, name)
    )
    mirror.publish(place)
    assert put == []
    (folder / "metrics.jsonl").write_text("1\n")
    (folder / "half.partial").write_text("2")
    mirror.publish(place)
    mirror.publish(place)
    with (folder / "metrics.jsonl").open("a") as file:
        file.write("2\n")
    mirror.publish(place)
    assert put == ["metrics.jsonl", "metrics.jsonl"]
    assert files.cat_file("bucket/run/metrics.jsonl") == b"1\n2\n"


def test_a_new_folder_is_empty(files):
    assert list(mirror.files_of(f"{BUCKET}/new").iterdir()) == []


def test_a_bucket_that_is_not_there_is_one_line(files):
    folder = mirror.files_of("gs://no-such-bucket/run")
    (folder / "a").write_text("b")
    with pytest.raises(InputError, match="gs://no-such-bucket/run/a: cannot be written .*check the bucket's name"):
        mirror.publish("gs://no-such-bucket/run")


def test_a_subfolder_is_moved(files):
    remote = mirror.RemoteFolder(f"{BUCKET}/moved")
    for name in ("a/1/x", "a/1/y/z", "b/old"):
        remote.write(name, name.encode())
    remote.move("a/1", "b")
    assert {name: files.cat_file(f"bucket/moved/{name}") for name in remote.names()} == {
        "b/x": b"a/1/x",
        "b/y/z": b"a/1/y/z",
    }

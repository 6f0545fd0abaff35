"""Stores go to a bucket whole or not at all, with their tokenizer, and are used from there; file:// stands for it."""

import errno
import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import fsspec
import numpy as np
import pytest

from data_prep.decontaminate import decontaminate
from data_prep.inspect_store import inspect_store
from data_prep.store.rows import open_with_tokenizer
from data_prep.upload_store import local_output, upload_store
from hbt_jax.bucket.hold import held_anywhere
from hbt_jax.data.remote import RemoteFolder
from hbt_jax.data.store import open_store
from hbt_jax.data.store_cache import local_store
from hbt_jax.data.store_writer import StoreWriter
from hbt_jax.errors import InputError, Interrupted
from hbt_jax.models.tokenizer import load_tokenizer
from tests.data_prep.small_stores import QUESTIONS, SENTENCES, make_benchmark, make_text_store, make_tokenizer

ROOT = Path(__file__).resolve().parents[2]
BOTH = ("de", "en")
QUERIES = [{code: QUESTIONS[code][number] for code in BOTH} for number in range(4)]
PASSAGES = [{code: SENTENCES[code][number] for code in BOTH} for number in range(4)]


@pytest.fixture
def store(tmp_path):
    """A store whose tokenizer is gone from where it was."""
    tokenizer = make_tokenizer(tmp_path / "moved" / "tokenizer")
    make_text_store(tmp_path / "made" / "store", tokenizer, QUERIES, PASSAGES)
    shutil.rmtree(tmp_path / "moved")
    return tmp_path / "made" / "store"


@pytest.fixture
def place(tmp_path):
    return f"file://{tmp_path}/bucket/store"


def test_a_store_is_uploaded_manifest_last_and_read_with_its_tokenizer(tmp_path, store, place, monkeypatch, capsys):
    order, put = [], RemoteFolder.put
    monkeypatch.setattr(RemoteFolder, "put", lambda self, local, name: order.append(name) or put(self, local, name))
    upload_store(store, place)
    assert f"uploaded 0.00 GB to {place}" in capsys.readouterr().out
    files = sorted(str(path.relative_to(store)) for path in store.rglob("*") if path.is_file())
    assert order[-1] == "manifest.json" and sorted(order) == files
    assert "tokenizer/tokenizer.model" in files
    opened, tokenizer = open_with_tokenizer(place, cache_dir=tmp_path / "cache")
    assert opened.fingerprint == open_store(store).fingerprint
    assert tokenizer.path == opened.path / "tokenizer"
    assert tokenizer.decode(*tokenizer.encode(["When did the harbour freeze?"])) == ["When did the harbour freeze?"]
    lines = list(inspect_store(place, cache_dir=tmp_path / "cache"))
    assert "store made/train: 2 languages (de en)" in lines


def test_a_store_that_is_there_is_refused_and_one_that_is_there_in_part_is_not(tmp_path, store, place, monkeypatch):
    put = RemoteFolder.put

    def broken(self, local, name):
        if name == "pairs.arrow":
            raise InputError("broken pipe")
        put(self, local, name)

    monkeypatch.setattr(RemoteFolder, "put", broken)
    with pytest.raises(InputError, match="broken pipe"):
        upload_store(store, place)
    with pytest.raises(
        InputError, match=r"no manifest\.json there, so there is no store or its upload was not finished"
    ):
        local_store(place, tmp_path / "cache")
    monkeypatch.setattr(RemoteFolder, "put", put)
    upload_store(store, place)
    with pytest.raises(InputError, match=f"PLACE={place}: already holds a store: remove it, or name another folder"):
        upload_store(store, place)
    with pytest.raises(InputError, match=f"--out_dir={place}: already holds a store"), local_output(place):
        raise AssertionError("built for nothing")


def test_a_second_process_for_a_place_in_use_ends_at_once(tmp_path, store, place):
    command = [sys.executable, "data_prep/upload_store.py", str(store), place]
    local = tmp_path / "bucket" / "store"
    with held_anywhere(place, "--out_dir"):
        done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
        assert [path.name for path in local.iterdir()] == [".held"]  # the record of the local folder that it is
    assert done.returncode == 2
    assert f"error: {local} is in use by process {os.getpid()} on host" in done.stderr
    assert done.stderr.rstrip().endswith("wait until it has ended, or choose another PLACE")
    assert not (tmp_path / "bucket").exists()
    upload_store(store, place)
    assert not (local / ".held").exists()


def test_a_file_system_that_cannot_create_alone_looks_first(monkeypatch):
    memory = type(fsspec.filesystem("memory"))
    whole = memory.pipe_file
    monkeypatch.setattr(memory, "pipe_file", lambda self, path, value: whole(self, path, value))  # takes no mode
    folder = RemoteFolder("memory://made/alone")
    assert folder.create("x", b"one") and not folder.create("x", b"two") and folder.read("x") == b"one"
    folder.remove("x")


def test_bytes_that_did_not_arrive_are_noticed(store, place, monkeypatch):
    monkeypatch.setattr(RemoteFolder, "put", lambda self, local, name: None)
    with pytest.raises(InputError, match="None bytes arrived, expected .*: upload the store again"):
        upload_store(store, place)


def test_a_build_that_fails_leaves_nothing_and_an_upload_that_fails_leaves_the_store(
    tmp_path, store, place, monkeypatch, capsys
):
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path / "temporary"))
    (tmp_path / "temporary").mkdir()
    with pytest.raises(KeyboardInterrupt), local_output(place) as folder:
        folder.mkdir()
        raise KeyboardInterrupt
    assert not list((tmp_path / "temporary").iterdir()) and not (tmp_path / "bucket").exists()

    def refuse(*_):
        raise InputError("403")

    monkeypatch.setattr(RemoteFolder, "put", refuse)
    with pytest.raises(InputError, match="403"), local_output(place) as folder:
        shutil.copytree(store, folder)
    assert f"python data_prep/upload_store.py {folder} {place}" in capsys.readouterr().err
    open_store(folder)
    monkeypatch.undo()
    upload_store(folder, place)
    open_store(local_store(place, tmp_path / "cache"))


def test_an_upload_that_is_interrupted_leaves_the_store(tmp_path, store, place, monkeypatch):
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))

    def interrupted(*_):
        raise KeyboardInterrupt

    monkeypatch.setattr(RemoteFolder, "put", interrupted)
    command = rf"python data_prep/upload_store\.py .*/store {place}"
    message = f"the store is complete in .*/store, but not uploaded; to upload it: {command}"
    with pytest.raises(Interrupted, match=message), local_output(place) as folder:
        shutil.copytree(store, folder)
    open_store(folder)


def test_a_full_temporary_disk_is_named(tmp_path, place, monkeypatch):
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    message = "store_.*: the disk is full; the store is built there before it is uploaded: .* variable TMPDIR"
    with pytest.raises(InputError, match=message), local_output(place) as folder, StoreWriter(folder) as writer:
        (writer.scratch / "queries-de.values").symlink_to("/dev/full")
        writer.append("queries", "de", np.array([0]), np.zeros(9000, np.int32), np.array([0, 9000]))
    with pytest.raises(InputError, match=message), local_output(place) as folder:
        raise OSError(errno.EDQUOT, "Disk quota exceeded", str(folder / "raw" / "x.ids"))
    with pytest.raises(InputError, match="another disk"), local_output(place):
        raise InputError("another disk") from OSError(errno.ENOSPC, "No space left on device", "/elsewhere/x")
    assert not list(tmp_path.glob("store_*"))


def test_a_store_without_its_tokenizer_needs_the_flag(tmp_path, store, place, capsys):
    tokenizer = tmp_path / "elsewhere"
    shutil.move(store / "tokenizer", tokenizer)
    manifest = json.loads((store / "manifest.json").read_text())
    del manifest["tokenizer"]["files"]
    manifest["tokenizer"]["path"] = "../../moved/tokenizer"
    (store / "manifest.json").write_text(json.dumps(manifest))
    open_with_tokenizer(store, tokenizer)
    upload_store(store, place)
    assert "this store does not contain its tokenizer: commands that read the copy need" in capsys.readouterr().out
    with pytest.raises(InputError, match="its tokenizer is not at .*; give its path by --tokenizer"):
        open_with_tokenizer(place, cache_dir=tmp_path / "cache")
    assert (
        open_with_tokenizer(place, tokenizer, tmp_path / "cache")[1].fingerprint
        == load_tokenizer(tokenizer).fingerprint
    )


def test_decontamination_reads_and_writes_places_with_a_scheme(tmp_path, store, place):
    upload_store(store, place)
    texts = [("de", QUESTIONS["de"][3]), ("en", SENTENCES["en"][0])]
    benchmark = str(make_benchmark(tmp_path / "mine", texts, texts))
    told = {"out_dir": tmp_path / "report", "cache_dir": tmp_path / "cache"}
    with pytest.raises(InputError, match="--out_dir is needed for the store file://.*: a local folder for the"):
        decontaminate(place, [benchmark], "")
    with pytest.raises(InputError, match="--out_dir=gs://b/r: expected a local path, .*only STORE and --drop"):
        decontaminate(place, [benchmark], "", out_dir="gs://b/r")
    with pytest.raises(InputError, match=f"--drop={place}: already holds a store"):
        decontaminate(place, [benchmark], "", drop=place, **told)
    decontaminate(place, [benchmark], "", drop=f"{place}-clean", **told)
    copy, _ = open_with_tokenizer(f"{place}-clean", cache_dir=tmp_path / "cache")
    assert len(copy.pairs) == 2


def test_from_rows_to_a_bucket_to_a_plan(tmp_path, place):
    tokenizer, rows = make_tokenizer(tmp_path / "tokenizer"), tmp_path / "mine"
    rows.mkdir()
    lines = [json.dumps({"query": query, "passage": passage}) for query, passage in zip(QUERIES, PASSAGES, strict=True)]
    (rows / "train.jsonl").write_text("\n".join(lines) + "\n", encoding="utf-8")
    build = [sys.executable, "data_prep/build_store.py", "--source=jsonl", f"--input_dir={rows}", f"--out_dir={place}",
             f"--raw_dir={tmp_path / 'raw'}", f"--tokenizer={tokenizer}"]  # fmt: skip
    plan = [sys.executable, "-m", "hbt_jax.data.audit", f"--stores={place}", f"--store_cache={tmp_path / 'cache'}",
            "--global_batch=4", "--steps=10"]  # fmt: skip
    for command, code, words in (
        (build, 0, f"to {place}"),
        (build, 2, f"error: --out_dir={place}: already holds a store"),
        (
            [*build, "--raw_dir=gs://bucket/raw", f"--out_dir={place}-2"],
            2,
            "--raw_dir=gs://bucket/raw: expected a local path, not gs:// (only --out_dir",
        ),
        ([*build, "--input_dir=gs://bucket/in", f"--out_dir={place}-2"], 2, "give a local path and copy the files"),
        (plan, 0, "realised in 10 steps, 40 pairs"),
    ):
        done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
        assert done.returncode == code, done.stderr
        assert words in done.stdout + done.stderr
    assert not (ROOT / "gs:").exists()

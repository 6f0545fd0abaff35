"""A folder in a bucket is held by one command at a time; what a dead one left is taken over."""

import dataclasses
import json
import subprocess
import sys
import time

import pytest

from hbt_jax import ending
from hbt_jax.bucket import hold
from hbt_jax.errors import InputError
from hbt_jax.holding import this_process
from tests.bucket.object_store import BUCKET, ELSEWHERE, take_over

PLACE, RECORD = f"{BUCKET}/held", "bucket/held/.held"


@pytest.fixture(autouse=True)
def quick(monkeypatch):
    monkeypatch.setattr(hold, "_SETTLE_SECONDS", 0.01)
    monkeypatch.setattr(hold, "RENEW_SECONDS", 0.05)
    monkeypatch.setattr(hold, "GONE_SECONDS", 0.4)


def held():
    return hold.held_anywhere(PLACE, "--workdir")


def leave(files, holder, renewed: int = 0) -> None:
    files.pipe_file(RECORD, json.dumps({**dataclasses.asdict(holder), "renewed": renewed}).encode())


def test_a_folder_is_held_renewed_and_released(files):
    with held():
        first = json.loads(files.cat_file(RECORD))
        time.sleep(0.3)
        later = json.loads(files.cat_file(RECORD))
        assert later["renewed"] > first["renewed"] and later["process"] == this_process().process
    files.invalidate_cache()
    assert not files.exists(RECORD)


def test_a_folder_in_use_is_refused(files):
    with (
        held(),
        pytest.raises(
            InputError, match=r"gs://bucket/held is in use by process \d+ on host .* choose another --workdir"
        ),
        held(),
    ):
        pass
    assert not files.exists(RECORD)


def test_a_record_that_is_not_renewed_is_taken_over(files, capsys):
    leave(files, ELSEWHERE)
    begun = time.monotonic()
    with held():
        assert time.monotonic() - begun > 0.4
        assert json.loads(files.cat_file(RECORD))["host"] == this_process().host
    said = capsys.readouterr().err
    assert (
        "on host another" in said and "checking whether it is still running" in said and "has ended: taken over" in said
    )


def test_a_process_of_this_machine_that_has_ended_is_not_waited_for(files, monkeypatch):
    monkeypatch.setattr(hold, "GONE_SECONDS", 60)
    ended = subprocess.Popen([sys.executable, "-c", ""])
    ended.wait()
    leave(files, dataclasses.replace(this_process(), process=ended.pid, started=1))
    with held():
        pass


def test_a_damaged_record_is_taken_over_when_it_is_not_renewed(files):
    files.pipe_file(RECORD, b"{")
    with held():
        assert json.loads(files.cat_file(RECORD))["process"] == this_process().process


def test_a_process_that_lost_the_folder_ends(files, monkeypatch, capsys):
    ends = []
    monkeypatch.setattr(ending.os, "_exit", ends.append)
    with held():
        take_over(files, RECORD, ends)
    assert set(ends) == {1} and "was taken over by process" in capsys.readouterr().err
    assert json.loads(files.cat_file(RECORD))["renewed"] == 7  # not its own any more, so not removed
    files.rm_file(RECORD)


def test_a_record_that_was_removed_is_put_back(files, monkeypatch):
    ends = []
    monkeypatch.setattr(ending.os, "_exit", ends.append)
    with held():
        files.rm_file(RECORD)
        time.sleep(0.4)
        assert json.loads(files.cat_file(RECORD))["process"] == this_process().process
    assert ends == [] and not files.exists(RECORD)


def test_a_local_folder_is_held_by_a_file_in_it(tmp_path):
    with hold.held_anywhere(str(tmp_path / "run"), "--workdir"):
        assert (tmp_path / "run" / ".held").exists()

"""A folder that is written has one holder; what a dead process leaves is taken over, what may live is not."""

import dataclasses
import errno
import json
import os
import signal
import socket
import subprocess
import sys
import time
from pathlib import Path

import pytest

from hbt_jax import holding
from hbt_jax.errors import InputError
from hbt_jax.holding import RECORD, held, record_of, this_process

ROOT = Path(__file__).resolve().parents[1]
HOST = socket.gethostname()
CHILD = """
import os, sys, time
from hbt_jax.errors import InputError
from hbt_jax.holding import held

path, how, end = sys.argv[1:]
while how == "at once" and not os.path.exists(end + ".go"):
    time.sleep(0.001)
try:
    with held(path, "--out", beside=how == "beside"):
        if how == "fork":
            there, runs = os.pipe()
            if os.fork() == 0:
                os.write(runs, b"!")  # so it has let go of what it inherited
                time.sleep(600)
            os.read(there, 1)
        print("holds", flush=True)
        while not os.path.exists(end):
            time.sleep(0.01)
except InputError as error:
    print(f"refused {error}", flush=True)
"""


@pytest.fixture
def start(tmp_path):
    """Starts processes that hold a path until the file `end` is there."""
    running = []

    def start(path, how: str = "inside") -> subprocess.Popen:
        command = [sys.executable, "-c", CHILD, str(path), how, str(tmp_path / "end")]
        process = subprocess.Popen(
            command, cwd=ROOT, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, start_new_session=True
        )
        running.append(process)
        return process

    yield start
    for process in running:
        try:
            os.killpg(process.pid, signal.SIGKILL)  # the group is this test's own: it began with the process
        except ProcessLookupError:
            continue
        process.communicate()


def holder(start, path, how: str = "inside") -> subprocess.Popen:
    process = start(path, how)
    assert process.stdout.readline() == "holds\n", process.communicate()
    return process


def killed(process: subprocess.Popen) -> None:
    process.kill()
    process.wait()


def write(path: Path, **changes) -> None:
    """Leaves the record of another process."""
    record = record_of(path)
    record.parent.mkdir(exist_ok=True)
    record.write_text(json.dumps(dataclasses.asdict(dataclasses.replace(this_process(), **changes))))


@pytest.fixture
def without_locks(monkeypatch):
    """A file system that has no locks."""

    def flock(*_):
        raise OSError(errno.ENOSYS, "Function not implemented")

    monkeypatch.setattr(holding.fcntl, "flock", flock)
    monkeypatch.setattr(holding, "_SETTLE_SECONDS", 0.05)


@pytest.mark.parametrize("how", ["inside", "beside"])
def test_a_second_process_is_told_who_holds_it_and_since_when(tmp_path, start, how):
    out = tmp_path / "deep" / "out"
    process = holder(start, out, how)
    since = json.loads(record_of(out, beside=how == "beside").read_text())["since"]
    with pytest.raises(InputError) as caught, held(out, "--out", beside=how == "beside"):
        pass
    assert str(caught.value) == (
        f"{out} is in use by process {process.pid} on host {HOST} (python) since {since}: wait until it has ended, or"
        " choose another --out"
    )
    (tmp_path / "end").touch()
    assert process.wait() == 0
    assert [path.name for path in tmp_path.iterdir()] == ["end"]  # the record and the empty folders are gone
    with held(out, "--out", beside=how == "beside"):
        pass


@pytest.mark.parametrize("spelling", ["link", "out/../out", "./out/", "link/../out"])
@pytest.mark.parametrize("beside", [False, True])
def test_another_spelling_is_the_same_folder(tmp_path, start, monkeypatch, spelling, beside):
    (tmp_path / "out").mkdir()
    (tmp_path / "link").symlink_to(tmp_path / "out")
    holder(start, tmp_path / "out", "beside" if beside else "inside")
    monkeypatch.chdir(tmp_path)
    with pytest.raises(InputError, match="is in use by process"), held(spelling, "--out", beside=beside):
        pass
    with held(tmp_path / "out2", "--out", beside=beside), held(tmp_path / "out" / "below", "--out", beside=beside):
        pass  # others are free


def test_one_of_several_processes_that_start_at_once_wins(tmp_path, start):
    """Four of them, several times.  The folder is removed by the one that made it, unless another's record is in it."""
    for turn in range(3):
        end, out = tmp_path / "end", tmp_path / f"new{turn}" / "out"
        processes = [start(out, "at once") for _ in range(4)]
        time.sleep(0.5)  # until they wait
        (tmp_path / "end.go").touch()
        said = [process.stdout.readline() for process in processes]
        assert sorted(line.split()[0] for line in said) == ["holds", *["refused"] * 3], said
        winner = processes[[line.split()[0] for line in said].index("holds")]
        assert all(f"in use by process {winner.pid} on" in line for line in said if line.startswith("refused"))
        end.touch()
        assert [process.wait() for process in processes] == [0] * 4
        assert not [path for path in out.parent.rglob("*") if not path.is_dir()]
        end.unlink()
        (tmp_path / "end.go").unlink()


def test_folders_that_were_made_to_hold_a_place_are_removed_while_they_are_empty(tmp_path):
    with held(tmp_path / "new" / "out", "--out"):
        assert (tmp_path / "new" / "out" / RECORD).exists()
    assert not (tmp_path / "new").exists()
    with held(tmp_path / "new" / "out", "--out"):
        (tmp_path / "new" / "kept").touch()
    assert [path.name for path in (tmp_path / "new").iterdir()] == ["kept"]


@pytest.mark.parametrize("number", [signal.SIGKILL, signal.SIGTERM])
@pytest.mark.parametrize("beside", [False, True])
def test_what_a_killed_process_held_is_taken_over_with_a_line(tmp_path, start, capsys, number, beside):
    out = tmp_path / "out"
    process = holder(start, out, "beside" if beside else "inside")
    process.send_signal(number)
    process.wait()
    record = record_of(out, beside=beside)
    assert record.exists()
    with held(out, "--out", beside=beside):
        assert json.loads(record.read_text())["process"] == os.getpid()
        printed = capsys.readouterr().err
        assert printed.startswith(f"{out} was in use by process {process.pid} on host {HOST} (python) since ")
        assert printed.endswith(", which has ended: taken over\n") and printed.count("\n") == 1
    assert not record.exists()


@pytest.mark.parametrize(("left", "code"), [("KeyboardInterrupt", 1), ("SystemExit(3)", 3), ("ValueError", 1)])
def test_every_end_of_the_block_lets_go(tmp_path, left, code):
    script = f"from hbt_jax.holding import held\nwith held({str(tmp_path / 'out')!r}, '--out'):\n    raise {left}"
    ended = subprocess.run([sys.executable, "-c", script], cwd=ROOT, capture_output=True, check=False)
    assert ended.returncode in (code, -signal.SIGINT)
    assert list(tmp_path.iterdir()) == []


def test_a_record_of_another_boot_of_this_host_is_taken_over(tmp_path, capsys):
    write(tmp_path / "out", boot="other", process=1)
    with held(tmp_path / "out", "--out"):
        assert "was in use by process 1 on host " in capsys.readouterr().err


def test_a_record_of_this_boot_under_another_host_name_is_taken_over(tmp_path, capsys):
    """A container has a host name of its own; its locks are this kernel's."""
    write(tmp_path / "out", host="a-container", process=1)
    with held(tmp_path / "out", "--out"):
        assert "on host a-container" in capsys.readouterr().err


@pytest.mark.parametrize("locks", [True, False])
def test_a_record_of_another_host_is_believed(tmp_path, request, locks):
    if not locks:
        request.getfixturevalue("without_locks")
    out = tmp_path / "out"
    write(out, host="elsewhere", boot="other", process=7)
    with pytest.raises(InputError) as caught, held(out, "--out"):
        pass
    assert str(caught.value).startswith(f"{out} is in use by process 7 on host elsewhere ")
    assert f"which cannot be checked from host {HOST}" in str(caught.value)
    assert str(caught.value).endswith(f"process or host is gone, remove {out / RECORD} and run the command again")
    (out / RECORD).unlink()
    with held(out, "--out"):
        pass


def test_without_locks_a_living_process_is_found_by_its_id_and_start(tmp_path, start, without_locks, capsys):
    out = tmp_path / "out"
    process = holder(start, tmp_path / "other")
    alive = json.loads((tmp_path / "other" / RECORD).read_text())
    write(out, **alive)
    with pytest.raises(InputError, match=f"in use by process {process.pid} on host .*: wait until"), held(out, "--out"):
        pass
    write(out, **{**alive, "started": alive["started"] - 1})  # its id was another process's before
    with held(out, "--out"):
        assert "which has ended: taken over" in capsys.readouterr().err
        assert json.loads((out / RECORD).read_text())["process"] == os.getpid()
    killed(process)
    write(out, **alive)
    with held(out, "--out"):
        assert "which has ended: taken over" in capsys.readouterr().err
    assert not (out / RECORD).exists()


def test_without_locks_the_last_to_write_its_record_wins(tmp_path, start, without_locks, monkeypatch):
    """Two that saw no record both write one; after a while each looks whose is there."""
    out = tmp_path / "out"
    holder(start, tmp_path / "other")
    theirs = (tmp_path / "other" / RECORD).read_text()
    monkeypatch.setattr(holding.time, "sleep", lambda _: (out / RECORD).write_text(theirs))
    with pytest.raises(InputError, match="is in use by process"), held(out, "--out"):
        pass
    assert (out / RECORD).read_text() == theirs


@pytest.mark.parametrize("content", ["", "{", "null", '{"host": "h"}', '{"process": "x"}', "\x00\x00"])
def test_a_record_that_was_never_whole_is_no_holder(tmp_path, content):
    (tmp_path / RECORD).write_text(content)
    with held(tmp_path, "--out"):
        assert json.loads((tmp_path / RECORD).read_text())["process"] == os.getpid()


def test_a_process_may_hold_again_what_it_holds(tmp_path, start):
    record = tmp_path / RECORD
    with held(tmp_path, "--workdir"):
        with held(tmp_path / ".", "--out"):
            pass
        assert record.exists()
        with pytest.raises(InputError, match=f"is in use by process {os.getpid()} on"), \
             held(tmp_path, "--out", again=False):  # fmt: skip
            pass
        assert start(tmp_path).stdout.readline().startswith("refused")
    assert not record.exists()
    holder(start, tmp_path)


def test_a_forked_process_keeps_nothing_when_the_holder_ends(tmp_path, start):
    process = holder(start, tmp_path / "out", "fork")
    killed(process)  # what it forked off lives on
    with held(tmp_path / "out", "--out"):
        pass


def test_a_started_program_keeps_nothing_when_the_holder_ends(tmp_path):
    script = (
        "import subprocess, sys, os\nfrom hbt_jax.holding import held\n"
        f"with held({str(tmp_path / 'out')!r}, '--out'):\n"
        "    print(subprocess.Popen(['sleep', '600'], stdout=2, close_fds=False).pid, flush=True)\n"
        "    os._exit(0)"
    )
    ended = subprocess.run([sys.executable, "-c", script], cwd=ROOT, stdout=subprocess.PIPE, text=True, check=True)
    try:
        with held(tmp_path / "out", "--out"):
            pass
    finally:
        os.kill(int(ended.stdout), signal.SIGKILL)


def test_waiting_says_for_whom_and_goes_on(tmp_path, start, capsys, monkeypatch):
    process = holder(start, tmp_path / "out")
    monkeypatch.setattr(holding, "_POLL_SECONDS", 0.01)
    slept = []

    def sleep(seconds):
        slept.append(seconds)
        (tmp_path / "end").touch()
        os.waitid(os.P_PID, process.pid, os.WEXITED | os.WNOWAIT)

    monkeypatch.setattr(holding.time, "sleep", sleep)
    with held(tmp_path / "out", "--out", wait="which copies it"):
        assert slept
    said = capsys.readouterr().err
    assert said.startswith(f"waiting for process {process.pid} on host ") and said.endswith(", which copies it\n")


def test_a_holder_whose_record_was_removed_removes_no_other(tmp_path, start):
    with held(tmp_path, "--out"):
        (tmp_path / RECORD).unlink()
        other = holder(start, tmp_path)
    assert json.loads((tmp_path / RECORD).read_text())["process"] == other.pid


def test_a_full_disk_leaves_no_record_and_no_folder(tmp_path, monkeypatch):
    def full(*_):
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(holding.os, "pwrite", full)
    with (
        pytest.raises(InputError, match="new: the disk is full; make room, .* by --out"),
        held(tmp_path / "new", "--out"),
    ):
        pass
    assert list(tmp_path.iterdir()) == []


def test_a_folder_that_cannot_be_written_is_one_line(tmp_path):
    (tmp_path / "file").touch()
    for path, beside in (("file", False), ("file/out", False), ("file/out", True)):
        with pytest.raises(InputError, match="cannot write there: .*file is not a folder"), \
             held(tmp_path / path, "--out", beside=beside):  # fmt: skip
            pass


@pytest.mark.skipif(not Path("/proc/self").exists(), reason="this system has no /proc")
@pytest.mark.parametrize("path", ["/proc/hbt", "/proc/hbt/out"])
def test_a_file_system_without_new_folders_is_one_line(path):
    message = f"{path}: cannot be written .*; name another folder by --out"
    with pytest.raises(InputError, match=message), held(path, "--out"):
        pass

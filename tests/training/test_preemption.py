"""The first signal asks, the second one ends; handlers go back to what they were."""

import os
import signal
import subprocess
import sys
import threading
import time
from pathlib import Path

import pytest

from hbt_jax.errors import Interrupted
from hbt_jax.training.preemption import StopRequest, end_with_parent, run_child


def test_a_signal_sets_the_flag_and_handlers_are_restored(capfd):
    before = signal.getsignal(signal.SIGTERM)
    with StopRequest() as stop:
        assert not stop.requested
        os.kill(os.getpid(), signal.SIGTERM)
        assert stop.requested
        assert stop.received == signal.SIGTERM
    assert signal.getsignal(signal.SIGTERM) == before
    assert "SIGTERM: saving and stopping" in capfd.readouterr().err


def test_the_second_signal_ends_the_process():
    code = (
        "import os, signal, time\nfrom hbt_jax.training.preemption import StopRequest\n"
        "with StopRequest() as stop:\n    os.kill(os.getpid(), signal.SIGINT)\n    assert stop.requested\n"
        "    os.kill(os.getpid(), signal.SIGTERM)\n    time.sleep(30)\n"
    )
    assert subprocess.run([sys.executable, "-c", code], capture_output=True, check=False).returncode == -signal.SIGTERM


def test_the_second_signal_ends_a_process_that_is_in_a_library():
    """Where Python runs no handler: not even the first one is printed."""
    code = (
        "import hashlib\nfrom hbt_jax.training.preemption import StopRequest\nwith StopRequest():\n"
        "    print('ready', flush=True)\n    hashlib.pbkdf2_hmac('sha256', b'a', b'b', 2**31 - 1)\n"
    )
    process = subprocess.Popen([sys.executable, "-c", code], stdout=subprocess.PIPE, stderr=subprocess.PIPE)
    assert process.stdout.readline() == b"ready\n"
    time.sleep(0.5)
    process.terminate()
    time.sleep(1)
    assert process.poll() is None
    process.terminate()
    _, errors = process.communicate(timeout=10)
    assert (process.returncode, errors) == (-signal.SIGTERM, b"")


def test_a_child_gets_one_signal_and_time_to_finish(tmp_path):
    started, counted = tmp_path / "started", tmp_path / "counted"
    code = (
        "import pathlib, signal, sys, time\nseen = []\n"
        "for each in (signal.SIGTERM, signal.SIGINT):\n    signal.signal(each, lambda *_: seen.append(1))\n"
        "pathlib.Path(sys.argv[1]).touch()\nwhile not seen:\n    time.sleep(0.01)\ntime.sleep(0.5)\n"
        "pathlib.Path(sys.argv[2]).write_text(str(len(seen)))\nsys.exit(3)\n"
    )

    def interrupt() -> None:
        while not started.exists():
            time.sleep(0.01)
        os.kill(os.getpid(), signal.SIGINT)

    with StopRequest() as stop:
        threading.Thread(target=interrupt).start()
        assert run_child([sys.executable, "-c", code, str(started), str(counted)], stop) == 3
    assert counted.read_text() == "1"


def test_a_second_signal_kills_the_child(tmp_path):
    started = tmp_path / "started"
    code = (
        "import pathlib, signal, sys, time\nsignal.signal(signal.SIGTERM, signal.SIG_IGN)\n"
        "pathlib.Path(sys.argv[1]).touch()\ntime.sleep(60)\n"
    )

    def interrupt() -> None:
        while not started.exists():
            time.sleep(0.01)
        os.kill(os.getpid(), signal.SIGINT)
        time.sleep(0.5)
        os.kill(os.getpid(), signal.SIGINT)

    with StopRequest() as stop:
        threading.Thread(target=interrupt).start()
        assert run_child([sys.executable, "-c", code, str(started)], stop) == -signal.SIGKILL


def is_running(process: int) -> bool:
    try:
        return Path(f"/proc/{process}/stat").read_text().rpartition(")")[2].split()[0] not in "ZX"
    except OSError:
        return False


@pytest.mark.skipif(sys.platform != "linux", reason="the kernel of Linux alone tells of a parent's end")
def test_children_end_when_their_command_is_killed(tmp_path):
    """As launch/sweep.py runs launch/train.py, and that data_prep/prepare_facts.py."""
    code = (
        "import os, pathlib, sys, time\n"
        "from hbt_jax.training.preemption import StopRequest, end_with_parent, run_child\n"
        "end_with_parent()\nfolder, depth = sys.argv[1], int(sys.argv[2])\n"
        "(pathlib.Path(folder) / f'{depth}.partial').write_text(str(os.getpid()))\n"
        "(pathlib.Path(folder) / f'{depth}.partial').rename(pathlib.Path(folder) / str(depth))\n"
        "with StopRequest() as stop:\n"
        "    if depth < 2:\n        code = sys.argv[3]\n"
        "        run_child([sys.executable, '-c', code, folder, str(depth + 1), code], stop)\n"
        "    time.sleep(60)\n"
    )
    first = subprocess.Popen([sys.executable, "-c", code, str(tmp_path), "0", code])
    while first.poll() is None and not (tmp_path / "2").exists():
        time.sleep(0.02)
    processes = [int((tmp_path / str(depth)).read_text()) for depth in range(3)]
    assert processes[0] == first.pid and all(map(is_running, processes))
    first.kill()
    first.wait()
    until = time.monotonic() + 10
    while any(map(is_running, processes)) and time.monotonic() < until:
        time.sleep(0.02)
    assert not any(map(is_running, processes))


@pytest.mark.skipif(sys.platform != "linux", reason="the kernel of Linux alone tells of a parent's end")
def test_a_child_whose_command_has_ended_already_does_not_begin(monkeypatch):
    ended = subprocess.Popen([sys.executable, "-c", ""])
    ended.wait()
    monkeypatch.setenv("HBT_JAX_PARENT", str(ended.pid))
    code = "from hbt_jax.training.preemption import end_with_parent\nend_with_parent()\n"
    found = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert f"{Interrupted.__name__}: the command that started this one (process {ended.pid}) has ended" in found.stderr


@pytest.mark.skipif(sys.platform != "linux", reason="the kernel of Linux alone tells of a parent's end")
def test_a_command_of_another_user_is_taken_as_alive(monkeypatch):
    def refused(process, number):
        raise PermissionError(1, "Operation not permitted")

    monkeypatch.setenv("HBT_JAX_PARENT", "1")
    monkeypatch.setattr(os, "kill", refused)
    monkeypatch.setattr("ctypes.CDLL", lambda _: type("C", (), {"prctl": lambda *_: 0})())
    end_with_parent()
    assert "HBT_JAX_PARENT" not in os.environ


def test_a_command_of_a_user_has_no_such_parent(monkeypatch):
    monkeypatch.delenv("HBT_JAX_PARENT", raising=False)
    end_with_parent()
    assert "HBT_JAX_PARENT" not in os.environ

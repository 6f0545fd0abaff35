"""The first signal asks, the second one ends; handlers go back to what they were."""

import os
import signal
import subprocess
import sys
import threading
import time

from hbt_jax.training.preemption import StopRequest, run_child


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

"""The first signal asks, the second one ends; handlers go back to what they were."""

import os
import signal
import subprocess
import sys

from hbt_jax.training.preemption import StopRequest


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

"""Interrupted runs end as uninterrupted ones: the short form of chaos.py, in processes of its own."""

import os
import subprocess
import sys
from pathlib import Path

import pytest


@pytest.mark.skipif("HBT_CHAOS" not in os.environ, reason="takes minutes of both cores: set HBT_CHAOS=1")
@pytest.mark.chaos
def test_interrupted_runs_end_as_one_without_a_break():
    script = Path(__file__).with_name("chaos.py")
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(["", *sys.path])}
    ended = subprocess.run(
        [sys.executable, str(script), "--short"], env=environment, capture_output=True, text=True, check=False
    )
    assert ended.returncode == 0, ended.stdout + ended.stderr
    assert "4 of 4 as they should be" in ended.stdout

"""A process that ends at once, from any thread, removes what is its own."""

import subprocess
import sys
import threading
from pathlib import Path

from hbt_jax.ending import remove_in_use

ROOT = Path(__file__).resolve().parents[1]
SCRIPT = """
import sys, threading, time
from hbt_jax.ending import before_sudden_end, end_at_once

def broken():
    print("broken", end=" ")
    raise ValueError

with before_sudden_end(lambda: print("first", end=" ")), before_sudden_end(broken):
    with before_sudden_end(lambda: print("over")):
        pass
    with before_sudden_end(lambda: print("last", end=" ")):
        threading.Thread(target=end_at_once, args=(7,)).start()
        time.sleep(600)
"""


def test_what_is_to_be_done_before_a_sudden_end_is_done_latest_first():
    ended = subprocess.run([sys.executable, "-c", SCRIPT], cwd=ROOT, capture_output=True, text=True, check=False)
    assert (ended.returncode, ended.stdout, ended.stderr) == (7, "last broken first ", "")


def test_a_folder_is_removed_while_another_thread_writes_into_it(tmp_path):
    begun, folder = threading.Event(), tmp_path / "folder"
    folder.mkdir()

    def write():
        try:
            for number in range(100_000):
                (folder / str(number)).touch()
                begun.set()
        except FileNotFoundError:  # the folder is gone
            return

    thread = threading.Thread(target=write)
    thread.start()
    begun.wait()
    remove_in_use(folder)
    thread.join()
    assert list(tmp_path.iterdir()) == []

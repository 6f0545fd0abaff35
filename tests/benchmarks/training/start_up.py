#!/usr/bin/env python3
"""Seconds from the command to the first update of a fine-tuning, with nothing compiled before and with all of it.

    python tests/benchmarks/training/start_up.py --model=FOLDER --store=STORE [--rounds=2]

Runs launch/train.py for a few steps with a new --compilation_cache_dir and then, --rounds times, with what the first
run left there.  The clock starts with the process and stops when metrics.jsonl says that the first update is done.
"""

import contextlib
import json
import os
import pathlib
import signal
import statistics
import subprocess
import sys
import tempfile
import time

from absl import flags

ROOT = pathlib.Path(__file__).resolve().parents[3]
sys.path.insert(0, str(ROOT))

from hbt_jax.errors import InputError  # noqa: E402

_STEPS = 4
_POLL_SECONDS = 0.05
_TIMEOUT_SECONDS = 600


def seconds_to_first_update(given, folder: pathlib.Path, cache: pathlib.Path) -> float:
    """Of one run, which is left to end by itself.

    Raises:
      InputError: the run failed, or did not get there in ten minutes.
    """
    command = [
        *(sys.executable, str(ROOT / "launch" / "train.py"), f"--workdir={folder}", f"--model={given.model}"),
        *(f"--stores={given.store}", f"--global_batch={given.global_batch}", f"--compute_dtype={given.compute_dtype}"),
        *("--dropout=0", f"--steps={_STEPS}", "--log_every=1", f"--compilation_cache_dir={cache}"),
    ]
    written, found = folder / "metrics.jsonl", None
    start = time.perf_counter()
    with (folder.with_suffix(".log")).open("wb") as log:
        job = subprocess.Popen(command, stdout=log, stderr=log, env={**os.environ, "JAX_PLATFORMS": "cpu"})
        try:
            while job.poll() is None and time.perf_counter() - start < _TIMEOUT_SECONDS:
                if found is None and has_first_step(written):
                    found = time.perf_counter() - start
                time.sleep(_POLL_SECONDS)
        finally:
            with contextlib.suppress(ProcessLookupError):
                job.send_signal(signal.SIGKILL)
            job.wait()
    if found is None:
        said = folder.with_suffix(".log").read_text(encoding="utf-8", errors="replace").strip()
        raise InputError(f"launch/train.py made no update: {(said or 'no message').splitlines()[-1]}")
    return found


def has_first_step(written: pathlib.Path) -> bool:
    """Whether the metrics hold an update of step 1."""
    if not written.exists():
        return False
    first = written.read_text(encoding="utf-8").split("\n", 1)
    return len(first) == 2 and json.loads(first[0])["step"] == 1


def main(_: list[str]) -> None:
    """One cold run, then warm ones."""
    from hbt_jax.flags import require

    given = flags.FLAGS
    require(["model", "store"])
    with tempfile.TemporaryDirectory() as work:
        folder = pathlib.Path(work)
        cold = seconds_to_first_update(given, folder / "cold", folder / "cache")
        print(f"nothing compiled before: {cold:.1f} s", flush=True)
        warm = [seconds_to_first_update(given, folder / f"warm{n}", folder / "cache") for n in range(given.rounds)]
        print(f"compiled before: {statistics.median(warm):.1f} s ({', '.join(f'{one:.1f}' for one in warm)})")


if __name__ == "__main__":
    from hbt_jax.flags import run_command

    flags.DEFINE_string("model", "", "folder of a pretrained encoder")
    flags.DEFINE_string("store", "", "store of pairs, built with the model's tokenizer")
    flags.DEFINE_enum("compute_dtype", "float32", ["float32", "bfloat16"], "dtype of matrix products")
    flags.DEFINE_integer("global_batch", 32, "pairs of a step", lower_bound=1)
    flags.DEFINE_integer("rounds", 2, "runs that find everything compiled", lower_bound=1)
    run_command(main)

"""Measurements in separate processes, since two packages in one process slow each other down."""

import json
import os
import pathlib
import subprocess
import sys
from collections.abc import Sequence

from hbt_jax.errors import InputError

_ALLOCATOR = "hugetlb=1 mmap_max=0 trim_threshold=17179869184 top_pad=268435456"  # huge pages, kept by the process


def output_of(what: str, command: Sequence[str], variables: dict[str, str | None]) -> str:
    """The standard output of a command of Python, on the CPU and with the same allocator settings as all others.

    Args:
      what: names the command in messages.
      command: script and arguments.
      variables: environment variables to set, besides those of this process; None: unset.

    Raises:
      InputError: it failed; the message ends in the last line of its standard error.
    """
    tunables = ":".join(f"glibc.malloc.{setting}" for setting in _ALLOCATOR.split())
    environment = {**os.environ, "JAX_PLATFORMS": "cpu", "GLIBC_TUNABLES": tunables, **variables}
    ended = subprocess.run(
        [sys.executable, *command],
        env={name: value for name, value in environment.items() if value is not None},
        capture_output=True, text=True, encoding="utf-8", check=False,
    )  # fmt: skip
    if ended.returncode:
        raise InputError(f"{what} failed: {(ended.stderr.strip() or 'no message').splitlines()[-1]}")
    return ended.stdout


def said_by_child(script: str, given, names: Sequence[str], own: dict[str, object], variables: dict[str, str | None]):
    """The last line of what a script prints as a child of itself, read as JSON.

    Args:
      script: its `__file__`.
      given: its flags.
      names: the flags that the child gets as they are.
      own: flags for the child alone; the first, `child`, says which part it runs.
      variables: as for `output_of`.
    """
    options = own | {name: getattr(given, name) for name in names}
    command = [str(pathlib.Path(script).resolve()), *(f"--{name}={value}" for name, value in options.items())]
    return json.loads(output_of(f"--child={own['child']}", command, variables).splitlines()[-1])

"""Divides work among the processes of a job, and lets them wait for each other."""

import dataclasses
import functools
from collections.abc import Callable, Sequence
from typing import TypeVar

from hbt_jax.errors import InputError, Interrupted

Value = TypeVar("Value")


@dataclasses.dataclass(frozen=True)
class Processes:
    """The processes of a job, seen from one of them.

    Attributes:
      index, count: the number of this process, and how many there are.
      agree: whether a flag is set on any process; all processes must call it, and wait for each other.
    """

    index: int
    count: int
    agree: Callable[[bool], bool]


def shares(sizes: Sequence[int], processes: int) -> list[list[int]]:
    """Divides pieces of work evenly: each piece, from the largest down, goes to the process that has the least so far.

    Args:
      sizes: of the pieces.
      processes: how many there are.

    Returns:
      For each process, the numbers of its pieces, the largest first.

    >>> shares([5, 9, 1, 4, 3], 2)
    [[1, 4], [0, 3, 2]]
    """
    found, loads = [[] for _ in range(processes)], [0] * processes
    for piece in sorted(range(len(sizes)), key=lambda piece: (-sizes[piece], piece)):
        least = loads.index(min(loads))
        found[least].append(piece)
        loads[least] += sizes[piece]
    return found


def work_together(processes: Processes, sizes: Sequence[int], work: Callable[[int], None]) -> None:
    """Does this process's share of the pieces; after each piece, all processes hear whether one has failed.

    Args:
      processes: all must call this, with the same sizes.
      sizes: of the pieces.
      work: does the piece with this number.

    Raises:
      InputError, Interrupted: what `work` raised here, or a notice that it raised on another process.
    """
    divided = shares(sizes, processes.count)
    own = divided[processes.index]
    for turn in range(max(map(len, divided))):
        _in_step(processes, functools.partial(work, own[turn]) if turn < len(own) else None)


def _in_step(processes: Processes, action: Callable[[], Value] | None) -> Value | None:
    """The value of this process's action, after all processes have heard that none has failed."""
    value = bad_input = interrupted = None
    try:
        value = action() if action else None
    except InputError as error:
        bad_input = error
    except Interrupted as error:
        interrupted = error
    if processes.agree(bad_input is not None):
        raise bad_input or InputError("another process found bad input: see its error message")
    if processes.agree(interrupted is not None):
        raise interrupted or Interrupted("another process was stopped; run the same command again for the rest")
    return value


def on_every_process(processes: Processes, action: Callable[[], Value]) -> Value:
    """What `action` returns on each process; the processes wait for each other and learn whether it failed on one.

    Raises:
      InputError, Interrupted: what `action` raised here, or a notice that it raised on another process.
    """
    return _in_step(processes, action)


def on_first_process(processes: Processes, action: Callable[[], Value]) -> Value | None:
    """What `action` returns on the first process; the others wait for it, hear whether it failed, and get None.

    Raises:
      InputError, Interrupted: what `action` raised here, or a notice that it raised on the first process.
    """
    return _in_step(processes, action if processes.index == 0 else None)

"""The steps by which a large source becomes records, run in this process; data_prep/beam_flow.py runs them on Beam.

A source says its steps once, with four operations on a flow of values:

    each(function, *totals)   function(value, *totals) yields the values that one value becomes, and a BadRow or
                              Dropped in the place of what is left out
    by_key()                  (key, value) pairs become (key, all values of the key), values in no order
    total(merge)              merge(values) makes one value of all; merge([merge(some), merge(others)]) is the same
    done()                    nobody takes the values: the flow is for what it leaves out, or for nothing

A total is passed to later `each`.  Functions are those of a module, or functools.partial of one: workers of Beam get
them by name.  Nothing may depend on the order of the values; each record has a key of its own, and TensorFlow Datasets
writes records in the order of their keys, so both ways of running give the same tables.
"""

import hashlib
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path

from data_prep.row import BadRow, Dropped
from data_prep.sorted_groups import sorted_groups

_ODD = 0x9E3779B97F4A7C15  # 2**64 over the golden ratio: neighbours land far apart
_HALF = 1 << 64


def spread(number: int) -> int:
    """The key of a record: 128 bits, different for each number from 0 below 2**64, and spread evenly.

    TensorFlow Datasets divides records among files by the size of their keys, and holds one of these files in memory:
    keys that are close together would all land in one.
    """
    return number * _ODD % _HALF * _HALF + number


def spread_name(name: str) -> int:
    """The same of a name, for `by_key`: 64 bits; a caller that has two names under one key must tell them apart."""
    return int.from_bytes(hashlib.blake2b(name.encode(), digest_size=8).digest(), "big")


def key_in(group: int, number: int) -> int:
    """The key of record `number` of a group whose key is `spread_name` of a name."""
    return group * _HALF + number


class Flow:
    """Values that stream through, one at a time.

    Args:
      values: any.
      set_aside: called with each BadRow and Dropped; may raise it.
      scratch: existing folder for what does not fit in memory.
    """

    def __init__(self, values: Iterable, set_aside: Callable[[BadRow | Dropped], None], scratch: Path):
        self._values, self._set_aside, self._scratch = values, set_aside, scratch

    def __iter__(self) -> Iterator:
        return iter(self._values)

    def each(self, function: Callable[..., Iterable], *totals: object) -> "Flow":
        """See the module's text."""
        return Flow(self._made(function, totals), self._set_aside, self._scratch)

    def _made(self, function: Callable[..., Iterable], totals: tuple) -> Iterator:
        for value in self._values:
            for made in function(value, *totals):
                if isinstance(made, BadRow | Dropped):
                    self._set_aside(made)
                else:
                    yield made

    def by_key(self) -> "Flow":
        """See the module's text."""
        return Flow(sorted_groups(self._values, self._scratch), self._set_aside, self._scratch)

    def total(self, merge: Callable[[Iterable], object]) -> object:
        """See the module's text."""
        return merge(self._values)

    def done(self) -> None:
        """See the module's text."""
        for _ in self._values:
            pass

"""The steps by which a large source becomes records, run in this process; builders/beam_flow.py runs them on Beam.

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

from collections.abc import Callable, Iterable, Iterator
from pathlib import Path

from data_prep.builders.row import BadRow, Dropped
from data_prep.scratch.sorted_groups import sorted_groups


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

"""The steps that turn a large source into records, run in this process; builders/beam_flow.py runs them on Beam.

A source states its steps once, as four operations on a flow of values:

    each(function, *totals)   function(value, *totals) yields the values made of one value, and a BadRow or Dropped in
                              place of what is left out
    by_key()                  (key, value) pairs become (key, all values of the key), in any order
    total(merge)              merge(values) makes one value of all; merge([merge(some), merge(others)]) is the same
    done()                    the values are not used; the flow is run for what it leaves out

A total is an argument of a later `each`.  Functions must be module-level, or a functools.partial of one, because Beam's
workers look them up by name.  Nothing may depend on the order of the values.  Each record has its own key, and
TensorFlow Datasets writes records in the order of their keys, so both ways of running give the same tables.
"""

from collections.abc import Callable, Iterable, Iterator
from pathlib import Path

from data_prep.builders.row import BadRow, Dropped
from data_prep.scratch.sorted_groups import sorted_groups


class Flow:
    """Values that stream through, one at a time.

    Args:
      values: any values.
      set_aside: called with each BadRow and Dropped; may raise it.
      scratch: existing folder for what does not fit in memory.
    """

    def __init__(self, values: Iterable, set_aside: Callable[[BadRow | Dropped], None], scratch: Path):
        self._values, self._set_aside, self._scratch = values, set_aside, scratch

    def __iter__(self) -> Iterator:
        return iter(self._values)

    def each(self, function: Callable[..., Iterable], *totals: object) -> "Flow":
        """See the module's docstring."""
        return Flow(self._made(function, totals), self._set_aside, self._scratch)

    def _made(self, function: Callable[..., Iterable], totals: tuple) -> Iterator:
        for value in self._values:
            for made in function(value, *totals):
                if isinstance(made, BadRow | Dropped):
                    self._set_aside(made)
                else:
                    yield made

    def by_key(self) -> "Flow":
        """See the module's docstring."""
        return Flow(sorted_groups(self._values, self._scratch), self._set_aside, self._scratch)

    def total(self, merge: Callable[[Iterable], object]) -> object:
        """See the module's docstring."""
        return merge(self._values)

    def done(self) -> None:
        """See the module's docstring."""
        for _ in self._values:
            pass

"""Groups values by key when they do not all fit in memory: sorted runs on disk, then merged.

sqlite3 is not used because it would write a table in random order; these runs are written and read sequentially.
"""

import heapq
import itertools
import operator
import pickle
from collections.abc import Iterable, Iterator
from pathlib import Path

from hbt_jax.files import named_errors

_RUN = 1 << 18  # values sorted in memory at a time
_FAN = 8  # runs of one size merged into one: few files are open at a time, and each value is written a few times
_KEY = operator.itemgetter(0)


def sorted_groups(
    values: Iterable[tuple[int, object]], scratch: Path, run: int = _RUN
) -> Iterator[tuple[int, list[object]]]:
    """Yields (key, values of the key) in order of the keys.

    Memory holds `run` values or the values of one key, whichever is more.

    Args:
      values: (key, value) in any order; values must be picklable.
      scratch: existing folder for files, which are removed as they are read.
      run: how many values are sorted in memory at a time.
    """
    names = (scratch / f"run-{number}" for number in itertools.count())
    levels: list[list[Path]] = [[]]  # runs of about `run` values, of _FAN times as many, and so on
    iterator = iter(values)
    while part := list(itertools.islice(iterator, run)):
        part.sort(key=_KEY)
        _push(levels, 0, _written(part, next(names)), names)
    for key, found in itertools.groupby(_merged([path for level in levels for path in level]), _KEY):
        yield key, [value for _, value in found]


def _push(levels: list[list[Path]], level: int, path: Path, names: Iterator[Path]) -> None:
    if level == len(levels):
        levels.append([])
    levels[level].append(path)
    if len(levels[level]) == _FAN:
        merged = _written(_merged(levels[level]), next(names))
        levels[level] = []
        _push(levels, level + 1, merged, names)


def _merged(paths: list[Path]) -> Iterator[tuple[int, object]]:
    return heapq.merge(*map(_read, paths), key=_KEY)


def _written(values: Iterable[tuple[int, object]], path: Path) -> Path:
    with named_errors(path), path.open("wb") as file:
        for value in values:
            pickle.dump(value, file, pickle.HIGHEST_PROTOCOL)
    return path


def _read(path: Path) -> Iterator[tuple[int, object]]:
    with path.open("rb") as file:
        while True:
            try:
                yield pickle.load(file)
            except EOFError:
                break
    path.unlink()

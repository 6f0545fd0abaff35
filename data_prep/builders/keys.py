"""The keys of records, 128 bits; TensorFlow Datasets writes a table in their order.

It divides a table of more than 1 GB among files by the value of the keys, and sorts one file at a time in memory.  So
keys must be spread evenly: keys that are close together would all land in one file.
"""

import hashlib
from collections.abc import Iterable, Iterator
from typing import TypeVar

_ODD = 0x9E3779B97F4A7C15  # 2**64 over the golden ratio, which spreads neighbours far apart
_HALF = 1 << 64
_MOST = 1 << 29  # records in order: half a million in each of TensorFlow Datasets' thousand files

Record = TypeVar("Record")


def in_order(records: Iterable[Record]) -> Iterator[tuple[int, Record]]:
    """Yields (key, record), with keys that keep the order of up to 2**29 records.

    Raises:
      OverflowError: there are more records.
    """
    for position, record in enumerate(records):
        if position == _MOST:
            raise OverflowError(f"a table in the order of its rows holds at most {_MOST:,} records")
        yield position * (_HALF * _HALF // _MOST), record


def number_key(number: int) -> int:
    """The key of a record numbered from 0 to 2**64 - 1: unique, and spread evenly."""
    return number * _ODD % _HALF * _HALF + number


def name_key(name: str) -> int:
    """A 64-bit key of a name, for `Flow.by_key`; two names may share a key, and callers must tell them apart."""
    return int.from_bytes(hashlib.blake2b(name.encode(), digest_size=8).digest(), "big")


def key_in(group: int, number: int) -> int:
    """The key of record `number` in a group whose own key is from `name_key`."""
    return group * _HALF + number

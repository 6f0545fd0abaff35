"""The keys of records: TensorFlow Datasets writes a table in their order.

A table of more than 1 GB is divided among files by the size of its keys, 128 bits, and one of these files at a time is
sorted in memory: keys that are close together would all land in one.
"""

import hashlib
from collections.abc import Iterable, Iterator
from typing import TypeVar

_ODD = 0x9E3779B97F4A7C15  # 2**64 over the golden ratio: neighbours land far apart
_HALF = 1 << 64
_MOST = 1 << 29  # records in order: half a million of them in each of TensorFlow Datasets' thousand files

Record = TypeVar("Record")


def in_order(records: Iterable[Record]) -> Iterator[tuple[int, Record]]:
    """Yields (key, record) with keys that keep the order of up to 2**29 records.

    Raises:
      OverflowError: there are more records.
    """
    for position, record in enumerate(records):
        if position == _MOST:
            raise OverflowError(f"a table in the order of its rows holds at most {_MOST:,} records")
        yield position * (_HALF * _HALF // _MOST), record


def number_key(number: int) -> int:
    """The key of a record that has a number from 0 below 2**64: different for each, and spread evenly."""
    return number * _ODD % _HALF * _HALF + number


def name_key(name: str) -> int:
    """The key of a name, for `Flow.by_key`: 64 bits; a caller that has two names under one key must tell them apart."""
    return int.from_bytes(hashlib.blake2b(name.encode(), digest_size=8).digest(), "big")


def key_in(group: int, number: int) -> int:
    """The key of record `number` of a group whose key is `name_key` of a name."""
    return group * _HALF + number

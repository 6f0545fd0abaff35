"""The steps of large sources in one process: flows and keys."""

import collections
import functools

import pytest

from data_prep.builders import keys
from data_prep.builders.flow import Flow
from data_prep.builders.keys import in_order, key_in, name_key, number_key
from data_prep.builders.row import BadRow, Dropped

BUCKETS = 1000  # into which TensorFlow Datasets divides the keys, by their size


def halves(number, odd):
    if number % 2:
        yield BadRow(f"f:{number}: odd") if odd == "bad" else Dropped("odd numbers")
    else:
        yield number // 2, number
        yield number // 2, -number


def test_a_flow_sets_aside_what_its_steps_leave_out(tmp_path):
    left_out = []
    start = functools.partial(Flow, set_aside=left_out.append, scratch=tmp_path)
    assert start(range(6)).each(halves, "bad").total(len_of) == 6
    assert [str(bad) for bad in left_out] == ["f:1: odd", "f:3: odd", "f:5: odd"]
    left_out.clear()
    assert [(key, sorted(found)) for key, found in start([4, 1, 2]).each(halves, "").by_key()] == [
        (1, [-2, 2]), (2, [-4, 4]),
    ]  # fmt: skip
    start([7]).each(halves, "").done()
    assert left_out == [Dropped("odd numbers")] * 2


def len_of(values):
    return sum(1 for _ in values)


@pytest.mark.parametrize("made", [
    [number_key(number) for number in range(50_000)],
    [key_in(name_key(f"{number:010}"), 3) for number in range(50_000)],
])  # fmt: skip
def test_keys_differ_and_share_the_records_evenly_among_the_files_that_sort_them(made):
    assert len(set(made)) == len(made) and min(made) >= 0 and max(made) < 1 << 128
    counts = collections.Counter(key * BUCKETS >> 128 for key in made)
    assert len(counts) == BUCKETS and max(counts.values()) < 100


def test_keys_in_order_keep_it_and_fill_one_file_after_the_other(monkeypatch):
    assert [record for _, record in sorted(in_order("cab"))] == ["c", "a", "b"]
    monkeypatch.setattr(keys, "_MOST", 1 << 14)
    counts = collections.Counter(key * BUCKETS >> 128 for key, _ in in_order(range(1 << 14)))
    assert len(counts) == BUCKETS and max(counts.values()) < 20
    with pytest.raises(OverflowError, match="at most 16,384 records"):
        list(in_order(range((1 << 14) + 1)))

"""Numbers of ids are those of a dictionary, however the runs lie."""

import fcntl
import os
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from data_prep.scratch import id_index, sorted_groups
from data_prep.scratch.growing_array import GrowingArray
from data_prep.scratch.id_index import IdIndex

BATCHES = st.lists(st.lists(st.tuples(st.integers(0, 4), st.integers(0, 9)), max_size=12), max_size=30)


@pytest.fixture(scope="module")
def small_runs():
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(id_index, "_LARGE", 4)
        patch.setattr(id_index, "_LARGEST", 16)
        yield


@settings(deadline=None)
@given(batches=BATCHES)
def test_numbers_are_those_of_a_dictionary(small_runs, tmp_path_factory, batches):
    index, known = IdIndex(tmp_path_factory.mktemp("ids"), "x"), {}
    for batch in batches:
        ids = np.array(batch, np.uint64).reshape(-1, 2)
        assert index.find(ids).tolist() == [known.get(id_, -1) for id_ in batch]
        assert index.add(ids).tolist() == [known.setdefault(id_, len(known)) for id_ in batch]
    assert len(index) == len(known)


def test_large_runs_lie_in_files_and_merged_ones_leave_none(small_runs, tmp_path):
    index = IdIndex(tmp_path, "x")
    ids = np.random.default_rng(0).permutation(200).astype(np.uint64)[:, None] * np.array([[1, 3]], np.uint64)
    for start in range(0, 200, 5):
        index.add(ids[start : start + 5])
    np.testing.assert_array_equal(index.find(ids), np.arange(200))
    assert sum(path.stat().st_size for path in tmp_path.iterdir()) == 24 * 200


def test_a_full_disk_names_the_file_that_is_written():
    ids = np.arange(1 << 18, dtype=np.uint64).reshape(-1, 2)
    with pytest.raises(OSError, match=r"No space left on device: '/dev/full'"):
        id_index._Run(ids, np.arange(len(ids))).on_disk(Path("/dev/full"))
    with pytest.raises(OSError, match=r"No space left on device: '/dev/full'"):
        sorted_groups._written([(0, b"x" * (1 << 20))], Path("/dev/full"))


def test_an_array_grows_with_zeros_and_keeps_its_values(tmp_path):
    array = GrowingArray(tmp_path / "x", np.uint64)
    array.rows(3)[:] = [1, 2, 3]
    grown = array.rows(100_000)
    assert grown[:3].tolist() == [1, 2, 3] and not grown[3:].any()


def test_files_grow_where_the_system_cannot_and_the_c_library_has_to(tmp_path, monkeypatch):
    def of_the_c_library(file, start, size):  # as glibc without fallocate, on NFS: it reads, and refuses to append
        flags = fcntl.fcntl(file, fcntl.F_GETFL)
        assert flags & os.O_ACCMODE == os.O_RDWR and not flags & os.O_APPEND
        os.truncate(file, start + size)

    monkeypatch.setattr("os.posix_fallocate", of_the_c_library)
    array = GrowingArray(tmp_path / "x", np.uint64)
    array.rows(2)[:] = 7
    assert array.rows(10_000)[:3].tolist() == [7, 7, 0]


def test_a_full_disk_is_an_error_that_names_the_file(tmp_path, monkeypatch):
    def full(*_):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("os.posix_fallocate", full)
    with pytest.raises(OSError, match="No space left on device: .*/x'"):
        GrowingArray(tmp_path / "x", np.uint64).rows(1)

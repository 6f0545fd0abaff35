"""The running top: what stays does not depend on how the stream is cut."""

import doctest

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from hbt_jax.evaluation.search import running_top
from hbt_jax.evaluation.search.running_top import RunningTop


def whole(score_QN, ids, depth):
    """The first `depth` of each query by sorting everything."""
    rows = []
    for score_N in score_QN.tolist():
        by_id = sorted(zip(score_N, ids, strict=True), key=lambda pair: pair[1], reverse=True)
        rows.append(sorted(by_id, key=lambda pair: -pair[0])[:depth])
    return rows


def test_the_examples_in_docstrings_hold():
    assert doctest.testmod(running_top).attempted >= 1
    assert doctest.testmod(running_top).failed == 0


@settings(max_examples=60, deadline=None)
@given(st.data())
def test_any_cut_into_blocks_in_any_order_gives_the_same(data):
    rng = np.random.default_rng(data.draw(st.integers(0, 2**32 - 1)))
    count, depth = data.draw(st.integers(1, 40)), data.draw(st.integers(1, 12))
    ids = [f"{number}#{rng.integers(0, 9)}".encode() for number in rng.permutation(10 * count)[:count]]
    score_QN = rng.integers(-2, 3, (3, count)).astype(np.float32)  # ties everywhere
    top = RunningTop(3, depth)
    cuts = sorted(data.draw(st.lists(st.integers(0, count), max_size=5)))
    parts = [part for part in np.split(np.arange(count), cuts) if part.size]
    for place in rng.permutation(len(parts)):
        part = parts[place]
        top.add(score_QN[:, part], np.tile(np.array(ids)[part], (3, 1)))
    for row, wanted in enumerate(whole(score_QN, ids, depth)):
        found = [(score, id_) for score, id_ in zip(top.score_QK[row].tolist(), top.id_QK[row].tolist(), strict=True)]
        assert found == wanted + [(-np.inf, b"")] * (depth - len(wanted))


def test_longer_ids_are_kept_whole():
    top = RunningTop(1, 2)
    top.add(np.array([[1.0]], np.float32), np.array([[b"1"]]))
    top.add(np.array([[2.0]], np.float32), np.array([[b"1234567890#12"]]))
    top.add(np.array([[0.5]], np.float32), np.array([[b"2"]]))
    assert top.id_QK.tolist() == [[b"1234567890#12", b"1"]]

"""Pieces of work over processes: each is done once, and all hear of a failure."""

import doctest

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hbt_jax.errors import InputError, Interrupted
from hbt_jax.evaluation import processes as sharing
from tests.evaluation.several_processes import run_together


def test_the_examples_in_docstrings_hold():
    assert doctest.testmod(sharing).attempted >= 1
    assert doctest.testmod(sharing).failed == 0


@given(st.lists(st.integers(0, 1000), max_size=30), st.integers(1, 6))
def test_every_piece_has_one_process_and_none_has_much_more_than_another(sizes, processes):
    divided = sharing.shares(sizes, processes)
    assert sorted(piece for own in divided for piece in own) == list(range(len(sizes)))
    loads = [sum(sizes[piece] for piece in own) for own in divided]
    assert max(loads) - min(loads) <= max(sizes, default=0)


def test_each_piece_is_done_once():
    done = []
    run_together(3, lambda processes: sharing.work_together(processes, [1, 2, 3, 4, 5], done.append))
    assert sorted(done) == [0, 1, 2, 3, 4]


@pytest.mark.parametrize(
    ("error", "others"),
    [
        (InputError("bad line"), "another process found bad input: see its error message"),
        (Interrupted("a signal came"), "another process was stopped; run the same command again for the rest"),
    ],
)
def test_a_failure_ends_all_processes_after_the_piece_at_hand(error, others):
    done = []

    def work(piece):
        if piece == 0:
            raise error
        done.append(piece)

    def on(processes):
        sharing.work_together(processes, [9, 8, 1, 1], work)

    failed, other = run_together(2, on)
    assert failed is error
    assert type(other) is type(error) and str(other) == others
    assert done == [1]


def test_what_every_process_does_fails_on_all_where_it_fails_on_one():
    done = []

    def on(processes):
        def action():
            if processes.index == 1:
                raise Interrupted("a signal came")
            done.append(processes.index)

        sharing.on_every_process(processes, action)

    found = run_together(3, on)
    assert [str(one) for one in found] == [
        "another process was stopped; run the same command again for the rest",
        "a signal came",
        "another process was stopped; run the same command again for the rest",
    ]
    assert sorted(done) == [0, 2]


def test_what_the_first_process_does_is_waited_for_and_fails_on_all():
    done = []
    run_together(3, lambda processes: sharing.on_first_process(processes, lambda: done.append(processes.index)))
    assert done == [0]

    def fails():
        raise InputError("embeddings are not finite")

    found = run_together(2, lambda processes: sharing.on_first_process(processes, fails))
    assert [str(one) for one in found] == [
        "embeddings are not finite",
        "another process found bad input: see its error message",
    ]

"""The lexical baseline in a job of several processes."""

import pytest

from hbt_jax.errors import InputError, Interrupted
from hbt_jax.evaluation import lexical_job
from tests.evaluation.several_processes import run_together


@pytest.mark.parametrize("error", [InputError("a query is wrong"), Interrupted("a signal came")])
def test_a_failure_of_the_process_that_ranks_ends_the_others(monkeypatch, error):
    def fails(benchmark, **_):
        raise error

    monkeypatch.setattr(lexical_job, "evaluate_bm25", fails)

    def on(processes):
        options = {"out_dir": "", "run_depth": 1, "run_settings": (), "poll": lambda: None}
        return lexical_job.lexical_baseline(["one"], [{}], processes, **options)

    first, other = run_together(2, on)
    assert first is error
    assert type(other) is type(error) and "another process" in str(other)

"""The lexical baseline in a job of several processes."""

import pytest

from hbt_jax.config.evaluation import EvalConfig
from hbt_jax.errors import InputError, Interrupted
from hbt_jax.evaluation import lexical
from hbt_jax.evaluation.evaluator import EvaluationContext
from tests.evaluation.several_processes import run_together


@pytest.mark.parametrize("error", [InputError("a query is wrong"), Interrupted("a signal came")])
def test_a_failure_of_the_process_that_ranks_ends_the_others(monkeypatch, tmp_path, error):
    def fails(*_):
        raise error

    monkeypatch.setattr(lexical, "evaluate_bm25", fails)

    def on(processes):
        evaluator = lexical.LexicalEvaluator("one")
        evaluator.prepare(EvaluationContext(EvalConfig(), None, processes, tmp_path, lambda: None, lambda: None))
        return evaluator.run(None)

    first, other = run_together(2, on)
    assert first is error
    assert type(other) is type(error) and "another process" in str(other)

"""An evaluation with query-bank normalisation: what is ranked, and what is said of it."""

import dataclasses
import json
from types import SimpleNamespace

import numpy as np
import pytest

from hbt_jax.config.evaluation import EvalConfig
from hbt_jax.errors import InputError
from hbt_jax.evaluation import evaluators
from hbt_jax.evaluation.evaluator import EvaluatedModel, make_context
from hbt_jax.evaluation.ranking.query_bank import normalised
from tests.evaluation.ranked_small import evaluate
from tests.evaluation.test_evaluate import benchmark
from tests.evaluation.word_model import embedder, word_model

BANK = {"de": ["50 60 70", "80 90", "33"], "en": ["30"]}


def results(out, texts=BANK, **options) -> dict:
    config = EvalConfig(model="m", benchmarks=("one",), out=str(out), language_texts="d" if options else "", **options)
    mesh = embedder(word_model()).mesh
    (evaluator,) = evaluators.make_evaluators(config, [benchmark("one")], texts)
    evaluator.prepare(make_context(config, mesh, SimpleNamespace(requested=False), config.out))
    return evaluator.run(EvaluatedModel(word_model(), "best", out)).json()


def test_the_ranking_is_that_of_the_corrected_scores(tmp_path):
    found = results(tmp_path / "banked", query_bank=2, query_bank_weight=2.0)
    plain, embed = benchmark("one"), embedder(word_model())
    vectors = embed(plain.queries.texts, "query"), embed(plain.candidates.texts, "passage")
    banks = {"de": embed(BANK["de"], "query")}
    corrected = normalised(*vectors, plain.queries.languages, banks, 2, 2.0)
    assert found["metrics"] == evaluate(plain, *corrected, out_dir=str(tmp_path / "by hand"))["metrics"]
    run = "one/runs/multilingual.trec"
    scores = [line.split()[4] for line in (tmp_path / "banked" / run).read_text().splitlines()]
    by_hand = [line.split()[4] for line in (tmp_path / "by hand" / run).read_text().splitlines()]
    np.testing.assert_allclose(np.array(scores, float), np.array(by_hand, float), atol=1e-5)
    assert (tmp_path / "banked" / run).read_text() != _run_without(tmp_path, run)


def _run_without(tmp_path, run: str) -> str:
    results(tmp_path / "plain")
    return (tmp_path / "plain" / run).read_text()


def test_settings_counts_and_notes_state_the_query_bank(tmp_path):
    found = results(tmp_path, query_bank=2)
    assert (found["settings"]["query_bank"], found["settings"]["query_bank_weight"]) == (2, 0.5)
    counts = {"query_bank_texts": 3, "truncated_bank_texts": 0, "queries_without_bank": 4}  # those in sw
    assert counts.items() <= found["counts"].items()
    note = (
        "query bank: 3 texts in 1 of 2 query languages; 4 queries in the other languages are ranked without correction"
    )
    assert note in found["notes"]
    assert json.loads((tmp_path / "one" / "results.json").read_text())["counts"] == found["counts"]


def test_without_a_bank_in_any_query_language_nothing_changes(tmp_path):
    found, plain = results(tmp_path / "a", {"en": ["30"], "fr": ["40"]}, query_bank=2), results(tmp_path / "b")
    assert found["metrics"] == plain["metrics"]
    assert found["counts"]["queries_without_bank"] == 8


def test_options_that_do_not_go_together(tmp_path):
    for given, message in (
        ({"query_bank": 5}, "--query_bank=5 needs --language_texts"),
        ({"query_bank_weight": 0.25}, "--query_bank_weight=0.25 needs --query_bank"),
        (
            {"query_bank": 5, "language_texts": "d", "query_expansions": "e"},
            "cannot be combined with --query_expansions",
        ),
    ):
        with pytest.raises(InputError, match=message):
            EvalConfig(**given)
    both = EvalConfig(query_bank=5, remove_language_directions=1, language_texts="d")
    assert dataclasses.replace(both, query_bank=0).language_texts == "d"

"""Options of an evaluation that do not go with its benchmarks."""

import pytest

from hbt_jax.config.evaluation import EvalConfig
from hbt_jax.errors import InputError
from hbt_jax.evaluation.evaluators import read_benchmarks
from tests.evaluation import make_miracl


def test_cross_lingual_runs_of_benchmarks_without_cross_lingual_pools_are_an_error(tmp_path):
    make_miracl.write(tmp_path / "miracl")
    given = {"model": "m", "benchmarks": ("miracl",), "data_dir": str(tmp_path), "out": str(tmp_path / "out")}
    assert [one.name for one in read_benchmarks(EvalConfig(**given), ())] == ["miracl"]
    with pytest.raises(InputError, match="--cross_lingual_runs: miracl is judged in the query's language only and has"):
        read_benchmarks(EvalConfig(**given, cross_lingual_runs=True), ())


def test_a_way_to_add_expansions_without_any_is_an_error():
    assert EvalConfig(expansion_combination="mean-embedding", query_expansions="f.jsonl").query_expansions == "f.jsonl"
    with pytest.raises(InputError, match="--expansion_combination=mean-embedding needs --query_expansions"):
        EvalConfig(expansion_combination="mean-embedding")


def test_a_benchmark_that_is_named_as_a_folder_of_other_results_is_an_error(tmp_path):
    folder = make_miracl.write(tmp_path / "miracl")
    config = EvalConfig(model="m", benchmarks=("miracl",), data_dir=str(folder.parent), out="OUT")
    with pytest.raises(InputError, match="--benchmarks: OUT/miracl is reserved for other results: rename the folder"):
        read_benchmarks(config, ("miracl",))

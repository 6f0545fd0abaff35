"""A run is resumed by what its options mean, not by how they are spelled."""

import dataclasses

import pytest

from hbt_jax.config.learning import LearningConfig, ModelConfig, PlanConfig, TextConfig
from hbt_jax.config.training import EvaluationConfig, RunConfig, TrainConfig
from hbt_jax.errors import InputError
from hbt_jax.models.encoder import EncoderConfig
from hbt_jax.training.checkpoint import Record
from hbt_jax.training.resume import check_same_run

ENCODER = EncoderConfig(300, width=32, layers=4, heads=2, feed_forward=64, max_positions=32)


def check(saved: TrainConfig, wanted: TrainConfig, workdir):
    records = (Record(3, config.to_json(), {}) for config in (saved, wanted))
    check_same_run(*records, workdir, encoder=ENCODER)


def lora(layers=(), targets=("query", "value"), **more):
    return ModelConfig(lora_rank=2, lora_layers=layers, lora_targets=targets, **more)


@pytest.mark.parametrize(
    ("saved", "wanted"),
    [
        (TextConfig(passage_length=64), TextConfig(passage_length=64, row_length=64, row_segments=8)),
        (ModelConfig(freeze=("layers:0-2", "tokens")), ModelConfig(freeze=("tokens", "layers:0", "layers:1-2"))),
        (ModelConfig(freeze=("embeddings", "tokens")), ModelConfig(freeze=("embeddings",))),
        (lora(), lora(("0-3",))),
        (lora(("2", "0-1")), lora(("0-2",))),
        (lora(targets=("value", "query")), lora()),
    ],
)
def test_equal_options_spelled_differently_resume(tmp_path, saved, wanted):
    part = "text" if isinstance(saved, TextConfig) else "model"
    for one, other in ((saved, wanted), (wanted, saved)):
        check(TrainConfig(**{part: one}), TrainConfig(**{part: other}), tmp_path)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"text": TextConfig(row_length=256)}, "--row_length=0 became 256; --row_segments=16 became 32"),
        ({"model": ModelConfig(freeze=("layers:0",))}, "--freeze= became layers:0"),
        ({"model": ModelConfig(normalize=False)}, "--normalize=None became false"),
        ({"plan": PlanConfig(batching="x-y")}, "--batching=hybrid became x-y"),
        ({"learning": LearningConfig(symmetric=True)}, "--symmetric=false became true"),
        ({"run": RunConfig(seed=4)}, "--seed=0 became 4"),
    ],
)
def test_options_of_another_meaning_are_named(tmp_path, changes, message):
    with pytest.raises(InputError, match=f"other settings: {message}; give the same flags"):
        check(TrainConfig(), TrainConfig(**changes), tmp_path)


def test_what_changes_no_result_may_change(tmp_path):
    other = TrainConfig(run=RunConfig(workdir="elsewhere", steps=9, log_every=1), evaluation=EvaluationConfig(("b",)))
    check(TrainConfig(), other, tmp_path)


def test_a_configuration_in_fewer_parts_is_of_the_same_run(tmp_path):
    now = dataclasses.replace(TrainConfig(), model=ModelConfig(normalize=True)).to_json()
    earlier = {"text": now["text"], "plan": now["plan"], "model": now["model"] | {"normalize": "true"},
               "learning": now["learning"], "run": now["run"] | now["mesh"] | now["validation"]}  # fmt: skip
    check_same_run(Record(3, earlier, {}), Record(0, now, {}), tmp_path, encoder=ENCODER)

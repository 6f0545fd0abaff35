"""Configurations check themselves, and survive being written to JSON."""

import dataclasses
import json

import pytest

from hbt_jax.config.learning import LearningConfig, PlanConfig, TextConfig
from hbt_jax.config.option import limits_text
from hbt_jax.config.training import TRAIN_PARTS, CheckpointConfig, RunConfig, TrainConfig
from hbt_jax.errors import InputError


def test_json_and_back():
    config = TrainConfig(plan=PlanConfig(stores=("a", "b"), batching="x-y"), run=RunConfig(workdir="w", seed=7))
    assert TrainConfig.from_json(json.loads(json.dumps(config.to_json()))) == config


def test_a_field_from_another_version_is_named():
    values = TrainConfig().to_json()
    values["plan"]["colour"] = "red"
    with pytest.raises(InputError, match=r"unknown fields \['colour'\] in part 'plan'"):
        TrainConfig.from_json(values)


def test_what_earlier_versions_wrote_is_read():
    """They had fewer parts, and words for a boolean that was left to the model."""
    values = {
        "text": {"query_length": 16},
        "model": {"normalize": "false", "freeze": ["tokens"]},
        "run": {"workdir": "w", "mesh_fsdp": 2, "validation_stores": ["v"], "resume": "must", "layer_probe": 4},
    }
    config = TrainConfig.from_json(values)
    assert (config.text.query_length, config.model.normalize, config.model.freeze) == (16, False, ("tokens",))
    assert (config.run.workdir, config.mesh.mesh_fsdp, config.validation.validation_stores) == ("w", 2, ("v",))
    assert (config.checkpoints.resume, config.evaluation.layer_probe) == ("must", 4)
    assert TrainConfig.from_json({"model": {"normalize": "model"}}).model.normalize is None


def test_no_option_of_training_has_two_parts():
    names = [field.name for part in TRAIN_PARTS.values() for field in dataclasses.fields(part)]
    assert len(names) == len(set(names)) == len(TrainConfig().options())


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: PlanConfig(batching="x"), "--batching=x: expected one of hybrid, x-x-mono, x-x, x-y"),
        (lambda: PlanConfig(global_batch=1), "--global_batch=1: expected at least 2"),
        (lambda: PlanConfig(mono_probability=-0.1), "--mono_probability=-0.1: expected at least 0.0"),
        (lambda: CheckpointConfig(save_minutes=0.0), "--save_minutes=0.0: expected more than 0.0"),
        (lambda: LearningConfig(matryoshka_widths=("8:x",)), "--matryoshka_widths=8:x: '8:x': expected WIDTH or"),
        (
            lambda: LearningConfig(matryoshka_widths=("8", "8:2")),
            "expected different widths from 1, and weights above 0",
        ),
        (lambda: TextConfig(query_length=64, passage_length=32, row_length=48), "--row_length=48 is shorter"),
    ],
)
def test_limits(make, message):
    with pytest.raises(InputError) as caught:
        make()
    assert message in str(caught.value)


def test_help_states_the_limits_of_numbers():
    fields = {field.name: field for part in TRAIN_PARTS.values() for field in dataclasses.fields(part)}
    said = {name: limits_text(fields[name]) for name in ("learning_rate", "dropout", "seed", "steps", "distillation")}
    assert said == {
        "learning_rate": "above 0",
        "dropout": "at least 0, at most 0.9",
        "seed": "at least 0, at most 2,147,483,647",
        "steps": "at least 1",
        "distillation": "",
    }


def test_row_length_and_segments_follow_the_texts():
    assert (TextConfig(query_length=32, passage_length=96).row_tokens, TextConfig(passage_length=96).segments) == (
        96,
        12,
    )
    assert TextConfig(query_length=4, passage_length=4).segments == 1
    assert TextConfig(row_length=256, row_segments=5).segments == 5

"""Configurations check themselves, and survive being written to JSON."""

import json

import pytest

from hbt_jax.config import PlanConfig, RunConfig, TextConfig, TrainConfig
from hbt_jax.errors import InputError


def test_json_and_back():
    config = TrainConfig(plan=PlanConfig(stores=("a", "b"), batching="x-y"), run=RunConfig(workdir="w", seed=7))
    assert TrainConfig.from_json(json.loads(json.dumps(config.to_json()))) == config


def test_a_field_from_another_version_is_named():
    values = TrainConfig().to_json()
    values["plan"]["colour"] = "red"
    with pytest.raises(InputError, match=r"unknown fields \['colour'\] in part 'plan'"):
        TrainConfig.from_json(values)


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: PlanConfig(batching="x"), "--batching=x: expected one of hybrid, x-x-mono, x-x, x-y"),
        (lambda: PlanConfig(global_batch=1), "--global_batch=1: expected at least 2"),
        (lambda: PlanConfig(mono_probability=-0.1), "--mono_probability=-0.1: expected at least 0.0"),
        (lambda: RunConfig(save_minutes=0.0), "--save_minutes=0.0: expected more than 0.0"),
        (lambda: TextConfig(query_length=64, passage_length=32, row_length=48), "--row_length=48 is shorter"),
    ],
)
def test_limits(make, message):
    with pytest.raises(InputError) as caught:
        make()
    assert message in str(caught.value)


def test_row_length_and_segments_follow_the_texts():
    assert (TextConfig(query_length=32, passage_length=96).row_tokens, TextConfig(passage_length=96).segments) == (
        96,
        12,
    )
    assert TextConfig(query_length=4, passage_length=4).segments == 1
    assert TextConfig(row_length=256, row_segments=5).segments == 5

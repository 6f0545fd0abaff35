"""Names that users of other packages know lead to the flag here."""

import dataclasses

import pytest

from hbt_jax.config.embed import EmbedConfig
from hbt_jax.config.evaluation import EvalConfig
from hbt_jax.config.export import ExportConfig
from hbt_jax.config.mine import MineConfig
from hbt_jax.config.training import TRAIN_PARTS
from hbt_jax.flag_elsewhere import _HERE, flag_here

TRAIN = {field.name for part in TRAIN_PARTS.values() for field in dataclasses.fields(part)}
OTHERS = (EvalConfig, EmbedConfig, ExportConfig, MineConfig)


@pytest.mark.parametrize(
    ("name", "said"),
    [
        ("num_train_epochs", "here it is --epochs; "),
        ("per_device_train_batch_size", "here it is --global_batch; "),
        ("output_dir", "here it is --workdir; "),
        ("query-max-len", "here it is --query_length; "),
        ("bf16", "here it is --compute_dtype=bfloat16; "),
        ("train_group_size", "here it is --negatives=SIZE-1; "),
        ("kd_loss_type", "here it is --distillation; "),
        ("colour", ""),
    ],
)
def test_names_in_training(name, said):
    assert flag_here(name, TRAIN) == said


@pytest.mark.parametrize(
    ("command", "name", "here"),
    [
        (EmbedConfig, "batch_size", "eval_batch"),
        (MineConfig, "negative_number", "per_pair"),
        (MineConfig, "num_negatives", "per_pair"),
        (MineConfig, "range_for_sampling", "last_rank"),
        (ExportConfig, "push_to_hub", "push"),
    ],
)
def test_names_in_other_commands(command, name, here):
    assert flag_here(name, {field.name for field in dataclasses.fields(command)}) == f"here it is --{here}; "


def test_a_flag_that_the_command_lacks_is_not_recommended():
    evaluation = {field.name for field in dataclasses.fields(EvalConfig)}
    assert flag_here("output_dir", evaluation) == "here it is --out; "
    assert flag_here("num_train_epochs", evaluation) == ""


def test_every_recommended_flag_exists_and_no_known_name_is_taken():
    known = TRAIN | {field.name for kind in OTHERS for field in dataclasses.fields(kind)}
    assert {here.partition("=")[0] for here in _HERE} <= known
    assert not {name for names in _HERE.values() for name in names} & TRAIN

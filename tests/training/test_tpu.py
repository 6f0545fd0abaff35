"""The train step compiles for a TPU on this machine, without a TPU: no host call, nothing global on one chip."""

import math
import os
import re

import jax
import numpy as np
import pytest
from jax.experimental import topologies
from jax.sharding import AxisType, Mesh

from hbt_jax.config.learning import LearningConfig
from hbt_jax.data.false_negatives import words
from hbt_jax.mesh import BATCH_AXES, batch_sharding
from hbt_jax.models.encoder import preset
from hbt_jax.training import step as steps

pytest.importorskip("libtpu", reason="libtpu is absent: pip install -e '.[tpu]' lets the step compile for a TPU here")

TOPOLOGY = "v5e:2x2"
GLOBAL_BATCH = 1536  # no other size of the model, so an array with two such axes is a B x B array
HOST_CALLS = ("host_callback", "xla_python", "outfeed", "infeed", "send(", "recv(")


@pytest.fixture(scope="module")
def program() -> str:
    """The compiled program over a mesh of 2 x 2, so that both axes split."""
    os.environ.setdefault("TPU_SKIP_MDS_QUERY", "1")
    os.environ.setdefault("ALLOW_MULTIPLE_LIBTPU_LOAD", "true")  # another process may be compiling for a TPU, too
    return compiled(topologies.get_topology_desc(TOPOLOGY, "tpu").devices, (2, 2))


def compiled(devices, axes) -> str:
    mesh = Mesh(np.array(devices).reshape(axes), BATCH_AXES, axis_types=(AxisType.Auto, AxisType.Auto))
    encoder = preset("tiny", vocab_size=8000, max_positions=128, dropout=0.1, pad_id=0)
    step_config = steps.StepConfig(encoder, "mean", 16, LearningConfig(), steps=100, seed=0, compute_dtype="bfloat16")
    shares, b, rows = mesh.size, GLOBAL_BATCH // mesh.size, 144
    shapes = {name: (shares, rows, 128) for name in ("tokens", "segments", "positions")}
    shapes |= {name: (shares, b) for name in ("query_slots", "passage_slots")}
    shapes |= {"masked": (shares, b, words(GLOBAL_BATCH))}
    shapes |= {name: (shares,) for name in ("false_negatives", "truncated", "absent_negatives")}
    batch = {
        name: jax.ShapeDtypeStruct(shape, np.int32, sharding=batch_sharding(mesh)) for name, shape in shapes.items()
    }
    state = steps.abstract_state(step_config, mesh)
    return steps.make_train_step(step_config, mesh).lower(state, batch).compile().as_text()


def widest_scores(program: str) -> int:
    """Largest number of elements in an array of the program one of whose axes is the global batch."""
    shapes = [tuple(map(int, found.split(","))) for found in re.findall(r"(?:f32|bf16|pred|s32)\[([\d,]+)\]", program)]
    return max(math.prod(shape) for shape in shapes if shape.count(GLOBAL_BATCH) >= 1 and 256 not in shape)


def test_no_host_callback(program):
    assert not [call for call in HOST_CALLS if call in program]


def test_scores_stay_split_over_the_chips(program):
    assert f"{GLOBAL_BATCH},{GLOBAL_BATCH}]" not in program
    assert widest_scores(program) == GLOBAL_BATCH * GLOBAL_BATCH // 4


def test_passages_are_gathered_and_gradients_are_reduced(program):
    assert "all-gather" in program
    assert "all-reduce" in program or "reduce-scatter" in program

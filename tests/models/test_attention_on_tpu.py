"""The kernel of attention compiles for a TPU on this machine, without a TPU, and holds no scores of a row."""

import os
import re

import jax
import jax.numpy as jnp
import pytest
from jax.experimental import topologies

from hbt_jax.mesh import batch_sharding, make_mesh
from hbt_jax.models.attention import attention_on, seen_of

pytest.importorskip("libtpu", reason="libtpu is absent: pip install -e '.[tpu]' lets attention compile for a TPU here")


def compiled(asked: str, length: int, width: int) -> str:
    """The program of attention and its gradients on a mesh of 2 x 2."""
    os.environ.setdefault("TPU_SKIP_MDS_QUERY", "1")
    os.environ.setdefault("ALLOW_MULTIPLE_LIBTPU_LOAD", "true")  # another process may be compiling for a TPU, too
    mesh = make_mesh(2, 2, topologies.get_topology_desc("v5e:2x2", "tpu").devices)
    attention, split = attention_on(mesh, asked, "bfloat16"), batch_sharding(mesh)
    part = jax.ShapeDtypeStruct((8, length, 3, width), jnp.bfloat16, sharding=split)
    ids = jax.ShapeDtypeStruct((8, length), jnp.int32, sharding=split)

    def total(query, key, value, segments, positions):
        return attention(query, key, value, seen_of(segments, positions)).astype(jnp.float32).sum()

    update = jax.jit(jax.grad(total, argnums=(0, 1, 2)))
    return update.lower(part, part, part, ids, ids).compile().as_text()


@pytest.mark.parametrize(("length", "width"), [(512, 64), (640, 32)])
def test_long_rows(length, width):
    scores = re.compile(r"(?<!\d)(\d{3,}),\1\]")  # also of rows that are padded
    own, plain = (compiled(asked, length, width) for asked in ("auto", "xla"))
    assert "tpu_custom_call" in own and not scores.search(own)
    assert "tpu_custom_call" not in plain and scores.search(plain)[1] == str(length)

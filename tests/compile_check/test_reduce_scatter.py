"""Why docs/tpu_report.md counts all-reduces where a reduce-scatter would send half: libtpu makes one of the other."""

import jax
import numpy as np
import pytest
from jax.sharding import NamedSharding, PartitionSpec

from hbt_jax.compile_check.chips import open_slice
from hbt_jax.mesh import BATCH_AXES, make_mesh

pytest.importorskip("libtpu", reason="libtpu is absent: pip install -e '.[tpu]' lets programs compile for a TPU here")


@pytest.mark.peer  # a libtpu that does better is good news: then the report is to be made again
@pytest.mark.parametrize("slice_name", ["v5e-16", "v4-32"])
def test_even_an_explicit_reduce_scatter_becomes_an_all_reduce_and_a_slice(slice_name):
    mesh = make_mesh(0, 1, list(open_slice(slice_name).devices))
    split = NamedSharding(mesh, PartitionSpec(BATCH_AXES))

    def scattered(left_NR, right_ND):
        return jax.lax.psum_scatter(left_NR.T @ right_ND, BATCH_AXES, scatter_dimension=0, tiled=True)

    function = jax.shard_map(scattered, mesh=mesh, in_specs=(split.spec,) * 2, out_specs=split.spec)
    given = [jax.ShapeDtypeStruct((64 * mesh.size, width), np.float32, sharding=split) for width in (4096, 768)]
    lowered = jax.jit(function, out_shardings=split).lower(*given)
    assert "reduce_scatter" in lowered.as_text()
    program = lowered.compile().as_text()
    assert " all-reduce(" in program and "reduce-scatter" not in program

#!/usr/bin/env python3
"""Memory of an update of multilingual-e5-small on one CPU device, as compiled and not run: what each flag saves.

    python tests/benchmarks/training/memory.py [--pairs=4096]

Rows hold a query of 32 tokens and a passage of 96.  Prints GiB of temporaries, which come on top of parameters,
optimizer state and batch: of all rows at once and in chunks (--encode_chunk), of the layers in a loop with each
--remat, and of the loss alone with its gradient, of 65,536 pairs of width 768, with all scores at once and in tiles
(--loss_tile).
"""

import functools
import os
import sys
from pathlib import Path

os.environ.setdefault("JAX_PLATFORMS", "cpu")

from absl import flags  # noqa: E402

ROOT = Path(__file__).resolve().parents[3]
sys.path.insert(0, str(ROOT))

_QUERY, _PASSAGE = 32, 96
_REMAT_PAIRS = 256
_LOSS_PAIRS, _LOSS_WIDTH, _LOSS_TILE = 65_536, 768, 1024


def temporaries(compiled) -> str:
    """GiB of a compiled program, beside its inputs and results."""
    return f"{compiled.memory_analysis().temp_size_in_bytes / 2**30:.2f} GiB"


def update(pairs: int, **memory):
    """The compiled update of a batch of `pairs` pairs."""
    import jax
    import numpy as np

    from hbt_jax.compile_check.stand_in import ARCHITECTURES
    from hbt_jax.config.devices import MemoryConfig
    from hbt_jax.config.learning import LearningConfig
    from hbt_jax.data.false_negatives import words
    from hbt_jax.mesh import make_mesh
    from hbt_jax.training import step as steps

    mesh = make_mesh(1, 1, jax.devices()[:1])
    encoder = ARCHITECTURES["multilingual-e5-small"]
    step_config = steps.StepConfig(
        encoder,
        "mean",
        2,
        LearningConfig(),
        steps=1000,
        seed=0,
        memory=MemoryConfig(**memory),
    )
    shapes = {name: (1, pairs, _QUERY + _PASSAGE) for name in ("tokens", "segments", "positions")}
    shapes |= {name: (1, pairs) for name in ("query_slots", "passage_slots")}
    shapes |= {"masked": (1, pairs, words(pairs))}
    shapes |= {name: (1,) for name in ("false_negatives", "truncated", "absent_negatives")}
    batch = {name: jax.ShapeDtypeStruct(shape, np.int32) for name, shape in shapes.items()}
    return steps.make_train_step(step_config, mesh).lower(steps.abstract_state(step_config, mesh), batch).compile()


def loss(tile: int):
    """The compiled loss of a large batch and its gradient."""
    import jax
    import numpy as np

    from hbt_jax.data.false_negatives import words
    from hbt_jax.training import losses

    vectors = jax.ShapeDtypeStruct((1, _LOSS_PAIRS, _LOSS_WIDTH), np.float32)
    masked = jax.ShapeDtypeStruct((1, _LOSS_PAIRS, words(_LOSS_PAIRS)), np.int32)

    def compute(query_PbD, passage_PcD, masked_PbW):
        one = functools.partial(losses.info_nce, masked_PbW=masked_PbW, temperature=0.05, tile=tile)
        return jax.value_and_grad(one, argnums=(0, 1), has_aux=True)(query_PbD, passage_PcD)

    return jax.jit(compute).lower(vectors, vectors, masked).compile()


def main(_: list[str]) -> None:
    """Compiles each case and prints its line."""
    pairs = flags.FLAGS.pairs
    for chunk in (0, 512, 64):
        print(f"{pairs} pairs, --encode_chunk={chunk}: {temporaries(update(pairs, encode_chunk=chunk))}", flush=True)
    for remat in ("none", "dots", "full"):
        found = temporaries(update(_REMAT_PAIRS, scan_layers=True, remat=remat))
        print(f"{_REMAT_PAIRS} pairs, --scan_layers --remat={remat}: {found}", flush=True)
    for tile in (0, _LOSS_TILE):
        print(f"loss of {_LOSS_PAIRS} pairs, --loss_tile={tile}: {temporaries(loss(tile))}", flush=True)


if __name__ == "__main__":
    from hbt_jax.flags import run_command

    flags.DEFINE_integer("pairs", 4096, "pairs of the batch that is encoded in chunks", lower_bound=32)
    run_command(main)

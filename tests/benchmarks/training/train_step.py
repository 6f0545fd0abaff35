#!/usr/bin/env python3
"""Seconds of a training step on this machine's CPU: this package against sentence-transformers' model under PyTorch.

    python tests/benchmarks/training/train_step.py --model=FOLDER [--compute_dtype=bfloat16] [--pairs=32] [--rounds=3]

Both sides take the same shapes: `--pairs` queries and passages of exactly --query_length and --passage_length random
tokens, so that nothing is padded; InfoNCE over the batch, clipping, AdamW with float32 weights and dense gradients of
the token table.  PyTorch runs the model of the folder by sentence-transformers, with autocast for bfloat16 and AdamW's
fused kernel, once as it is and once by torch.compile: the better one counts.  Each measurement is a process of its own,
as they slow each other down in one; they take turns, with the same allocator settings.  Loading and compiling are not
timed.  Prints the median step of each and, last, the median of the rounds' ratios.
"""

import json
import os
import pathlib
import statistics
import sys
import time
from collections.abc import Callable

import numpy as np
from absl import flags

ROOT = pathlib.Path(__file__).resolve().parents[3]
sys.path.insert(0, str(ROOT))

from tests.benchmarks import apart  # noqa: E402

_LEARNING_RATE = 2e-5
_TEMPERATURE = 0.05


def seconds(step: Callable[[], None], steps: int) -> float:
    """The median over `steps` calls, after two that are not timed."""
    taken = []
    for _ in range(steps + 2):
        start = time.perf_counter()
        step()
        taken.append(time.perf_counter() - start)
    return statistics.median(taken[2:])


def ours(given, ids: tuple[np.ndarray, np.ndarray]) -> float:
    """Seconds of a step of this package; a row holds a query and its passage."""
    import jax

    from hbt_jax.config.learning import LearningConfig
    from hbt_jax.mesh import make_mesh, put_batch
    from hbt_jax.models.huggingface.pretrained import read
    from hbt_jax.training.step import StepConfig, make_train_step, sharded_initial_state

    learning = LearningConfig(learning_rate=_LEARNING_RATE, temperature=_TEMPERATURE, schedule="constant")
    config = StepConfig(
        read(given.model).encoder, "mean", 2, learning, steps=1000, seed=0, compute_dtype=given.compute_dtype
    )
    tokens_RL = np.concatenate(ids, axis=1).astype(np.int32)
    rows, lengths = len(tokens_RL), [part.shape[1] for part in ids]
    numbers_R = np.arange(rows, dtype=np.int32)
    batch = {
        "tokens": tokens_RL[None],
        "segments": np.tile(np.repeat([1, 2], lengths).astype(np.int32), (1, rows, 1)),
        "positions": np.tile(np.concatenate([np.arange(n) for n in lengths]).astype(np.int32), (1, rows, 1)),
        "query_slots": 2 * numbers_R[None],
        "passage_slots": 2 * numbers_R[None] + 1,
        "masked": np.zeros((1, rows, -(-rows // 32)), np.int32),
        **{name: np.zeros(1, np.int32) for name in ("false_negatives", "truncated", "absent_negatives")},
    }
    mesh = make_mesh(0, 1)
    batch, update = put_batch(batch, mesh), make_train_step(config, mesh)
    held = [sharded_initial_state(config, mesh)]

    def step() -> None:
        held[0], _ = update(held[0], batch)
        jax.block_until_ready(held[0])

    return seconds(step, given.steps)


def theirs(given, ids: tuple[np.ndarray, np.ndarray], compiled: bool) -> float:
    """Seconds of a step of PyTorch."""
    import torch
    from sentence_transformers import SentenceTransformer

    torch.set_num_threads(given.threads)
    encoder = SentenceTransformer(given.model, device="cpu").train()
    for module in encoder.modules():
        if isinstance(module, torch.nn.Dropout):
            module.p = 0.0
    optimizer = torch.optim.AdamW(encoder.parameters(), lr=_LEARNING_RATE, fused=True)
    sides = [torch.from_numpy(part.astype(np.int64)) for part in ids]
    labels = torch.arange(len(sides[0]))

    def embed(tokens):
        return encoder({"input_ids": tokens, "attention_mask": torch.ones_like(tokens)})["sentence_embedding"]

    def loss_of(queries, passages):
        with torch.autocast("cpu", dtype=torch.bfloat16, enabled=given.compute_dtype == "bfloat16"):
            query, passage = (torch.nn.functional.normalize(embed(side).float()) for side in (queries, passages))
        return torch.nn.functional.cross_entropy(query @ passage.T / _TEMPERATURE, labels)

    loss_of = torch.compile(loss_of) if compiled else loss_of

    def step() -> None:
        optimizer.zero_grad()
        loss_of(*sides).backward()
        torch.nn.utils.clip_grad_norm_(encoder.parameters(), 1.0)
        optimizer.step()

    return seconds(step, given.steps)


def child(given) -> float:
    """One measurement."""
    os.sched_setaffinity(0, sorted(os.sched_getaffinity(0))[: given.threads])
    rng = np.random.default_rng(0)
    shapes = [(given.pairs, length) for length in (given.query_length, given.passage_length)]
    ids = tuple(rng.integers(10, given.vocabulary, shape) for shape in shapes)
    return ours(given, ids) if given.child == "ours" else theirs(given, ids, given.child == "compiled")


def measured(given, who: str) -> float:
    """What a child process of its own says."""
    names = ("model", "compute_dtype", "pairs", "query_length", "passage_length", "steps", "threads", "vocabulary")
    return apart.said_by_child(__file__, given, names, {"child": who}, {})


def main(_: list[str]) -> None:
    """Runs one child's part, or all children in turn."""
    from hbt_jax.flags import require

    given = flags.FLAGS
    require(["model"])
    if given.child:
        print(json.dumps(child(given)))
        return
    ratios, peers = [], ["eager", "compiled"]
    for turn in range(given.rounds):
        own = measured(given, "ours")
        others = {peer: measured(given, peer) for peer in peers}
        best = min(others, key=others.get)
        peers = [best]  # the better one of the first round
        ratios.append(own / others[best])
        said = ", ".join(f"PyTorch {peer} {taken:.3f} s" for peer, taken in others.items())
        print(f"round {turn + 1}: hbt_jax {own:.3f} s, {said}: {ratios[-1]:.2f}", flush=True)
    print(f"{given.compute_dtype}, {given.pairs} pairs: {statistics.median(ratios):.2f} of PyTorch's time")


if __name__ == "__main__":
    from hbt_jax.flags import run_command

    flags.DEFINE_string("model", "", "folder that both packages load")
    flags.DEFINE_enum("compute_dtype", "bfloat16", ["float32", "bfloat16"], "dtype of matrix products")
    flags.DEFINE_integer("pairs", 32, "queries of a step, each with its passage")
    flags.DEFINE_integer("query_length", 32, "tokens of each query")
    flags.DEFINE_integer("passage_length", 96, "tokens of each passage")
    flags.DEFINE_integer("vocabulary", 250_000, "token ids are drawn below it")
    flags.DEFINE_integer("steps", 10, "timed steps of each measurement")
    flags.DEFINE_integer("rounds", 3, "measurements of each side")
    flags.DEFINE_integer("threads", 2, "cores that a measurement may use")
    flags.DEFINE_string("child", "", "used by the script itself: ours, eager or compiled")
    run_command(main)

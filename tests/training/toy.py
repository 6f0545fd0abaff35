"""A small step_config and packed batches made of random texts, for tests of the step, the loop and checkpoints."""

from types import SimpleNamespace

import numpy as np

from hbt_jax.config.learning import LearningConfig, TextConfig
from hbt_jax.data.false_negatives import masks
from hbt_jax.data.identity import identity_of
from hbt_jax.data.packing import pack_texts
from hbt_jax.models.encoder import EncoderConfig
from hbt_jax.training.step import StepConfig

VOCABULARY = 300  # padded to 384 rows in the token table
SEGMENTS = 4
LENGTH = 16
TOKENIZER = SimpleNamespace(
    pad_id=0, bos_id=1, eos_id=2, prefix_ids=lambda prefix: np.zeros(0, np.int32), joins=lambda prefix: True
)


def step_config(**changes) -> StepConfig:
    """Two layers of width 32."""
    values = {
        "encoder": EncoderConfig(
            VOCABULARY,
            width=32,
            layers=2,
            heads=2,
            feed_forward=64,
            max_positions=LENGTH,
            dropout=changes.pop("dropout", 0.0),
        ),
        "pooling": "mean",
        "segments": SEGMENTS,
        "learning": LearningConfig(learning_rate=1e-2, temperature=0.1, warmup_steps=2),
        "steps": 6,
        "seed": 3,
    }
    return StepConfig(**{**values, **changes})


def texts(seed: int, count: int) -> list[np.ndarray]:
    """Random texts of 1 to 14 tokens."""
    rng = np.random.default_rng(seed)
    return [rng.integers(4, VOCABULARY, rng.integers(1, LENGTH - 1)).astype(np.int32) for _ in range(count)]


def packed_rows(rows_of_texts: list[list[np.ndarray]], max_segments: int = SEGMENTS):
    """Packs one list of equally many texts per share; returns (tokens, segments, positions by name, slots [P, n])."""
    flat = [text for share in rows_of_texts for text in share]
    form = TextConfig(query_prefix="", query_length=LENGTH, passage_length=LENGTH, row_segments=max_segments)
    offsets = np.cumsum([0, *map(len, flat)])
    packed = pack_texts(np.concatenate(flat), offsets, form, TOKENIZER, "query", shares=len(rows_of_texts))
    return {name: packed[name] for name in ("tokens", "segments", "positions")}, packed["slots"]


def batch(step: int, shares: int, pairs: int = 16) -> dict:
    """The packed batch of a step over any number of shares: the same pairs for each, split in order."""
    queries, passages = texts(2 * step, pairs), texts(2 * step + 1, pairs)
    b = pairs // shares
    arrays, place = packed_rows([queries[p * b : p * b + b] + passages[p * b : p * b + b] for p in range(shares)])
    rows = np.arange(pairs, dtype=np.int32)
    query_rows = np.where(rows == 1, 0, rows)  # the first two pairs share their query: one mask on each side
    identity = identity_of([(query_rows, rows, rows)], rows, rows)
    masked, counts = masks(identity, query_rows, rows, rows)
    return {
        **arrays,
        "query_slots": place[:, :b],
        "passage_slots": place[:, b:],
        "masked": masked.reshape(shares, b, -1),
        "false_negatives": counts.reshape(shares, b).sum(1, dtype=np.int32),
        "truncated": np.zeros(shares, np.int32),
        "absent_negatives": np.zeros(shares, np.int32),
    }

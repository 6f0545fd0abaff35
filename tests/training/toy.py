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


def batch(step: int, shares: int, pairs: int = 16, negatives: int = 0, positives: int = 1) -> dict:
    """The packed batch of a step over any number of shares: the same pairs for each, split in order.

    Args:
      step: decides the texts.
      shares: P.
      pairs: of all shares.
      negatives: explicit ones of each query.  The first of query 2 is the passage of query 3; the last of query 4 is
        absent.
      positives: as StepConfig has it: so many consecutive pairs are one.  With 1 the first two share their query.
    """
    b, rows = pairs // shares, np.arange(pairs, dtype=np.int32)
    negative_rows = np.arange(pairs, pairs * (1 + negatives), dtype=np.int32).reshape(pairs, negatives)
    queries, passages = texts(2 * step, pairs), texts(2 * step + 1, pairs)
    others = texts(10_000 + step, pairs * negatives)
    if negatives:
        negative_rows[2, 0], others[2 * negatives] = 3, passages[3]
        negative_rows[4, -1] = -1
    of_share = [slice(p * b, p * b + b) for p in range(shares)]
    all_texts = [
        [*queries[own], *passages[own], *others[own.start * negatives : own.stop * negatives]] for own in of_share
    ]
    arrays, place = packed_rows(all_texts)
    passage_rows = np.concatenate([rows.reshape(shares, b), negative_rows.reshape(shares, -1)], axis=1)
    is_absent = passage_rows < 0
    query_rows = rows // positives * positives if positives > 1 else np.where(rows == 1, 0, rows)
    every = np.arange(pairs * (1 + negatives), dtype=np.int32)
    own_column = (np.arange(shares)[:, None] * passage_rows.shape[1] + np.arange(b)).reshape(-1)
    masked, counts = masks(
        identity_of([(query_rows, rows, rows)], rows, every), query_rows, passage_rows.reshape(-1), own_column
    )
    return {
        **arrays,
        "query_slots": place[:, :b],
        "passage_slots": np.where(is_absent, 0, place[:, b:]),
        "masked": masked.reshape(shares, b, -1),
        "false_negatives": counts.reshape(shares, b).sum(1, dtype=np.int32),
        "truncated": np.zeros(shares, np.int32),
        "absent_negatives": is_absent.sum(1, dtype=np.int32),
    }

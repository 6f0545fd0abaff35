"""A small recipe and packed batches made of random texts, for tests of the step, the loop and checkpoints."""

import numpy as np

from hbt_jax.config import LearningConfig
from hbt_jax.data.packing import PackedRows, TextFormat, ladder_rows, pack_shares, slots
from hbt_jax.models.encoder import EncoderConfig
from hbt_jax.training.step import Recipe

VOCABULARY = 300  # padded to 384 rows in the token table
SEGMENTS = 4
LENGTH = 16
FORM = TextFormat(head=np.array([1], np.int32), end=2, longest=LENGTH)


def recipe(**changes) -> Recipe:
    """Two layers of width 32."""
    values = {
        "encoder": EncoderConfig(VOCABULARY, width=32, layers=2, heads=2, feed_forward=64, max_positions=LENGTH,
                                 dropout=changes.pop("dropout", 0.0)),
        "pooling": "mean",
        "segments": SEGMENTS,
        "learning": LearningConfig(learning_rate=1e-2, temperature=0.1, warmup_steps=2),
        "steps": 6,
        "seed": 3,
    }
    return Recipe(**{**values, **changes})


def texts(seed: int, count: int) -> list[np.ndarray]:
    """Random texts of 1 to 14 tokens."""
    rng = np.random.default_rng(seed)
    return [rng.integers(4, VOCABULARY, rng.integers(1, LENGTH - 1)).astype(np.int32) for _ in range(count)]


def packed_rows(rows_of_texts: list[list[np.ndarray]], max_segments: int = SEGMENTS):
    """Packs one list of texts per share; returns (tokens, segments, positions by name, slots [P, n])."""
    lengths = np.array([[len(text) + 2 for text in share] for share in rows_of_texts])
    placement = pack_shares(lengths, LENGTH, max_segments)
    rows = PackedRows(len(rows_of_texts), ladder_rows(int(placement.rows.max())), LENGTH, pad_id=0)
    flat = [text for share in rows_of_texts for text in share]
    rows.put(FORM, placement, lengths, np.concatenate(flat), np.array([len(text) for text in flat]))
    return rows.arrays(), slots(placement, max_segments)


def batch(step: int, shares: int, pairs: int = 16) -> dict:
    """The packed batch of a step over any number of shares: the same pairs for each, split in order."""
    queries, passages = texts(2 * step, pairs), texts(2 * step + 1, pairs)
    b = pairs // shares
    arrays, place = packed_rows([queries[p * b : p * b + b] + passages[p * b : p * b + b] for p in range(shares)])
    ids = np.arange(pairs, dtype=np.int32).reshape(shares, b)
    query_ids = np.where(ids == 1, 0, ids)  # the first two pairs share their query: one mask on each side
    return {
        **arrays,
        "query_slots": place[:, :b],
        "passage_slots": place[:, b:],
        "query_ids": query_ids,
        "group_ids": ids,
        "passage_ids": ids,
        "passage_groups": ids,
        "truncated": np.zeros(shares, np.int32),
    }

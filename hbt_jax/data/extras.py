"""What a teacher adds to a batch: vectors of a guide or an anchor model, scores of pairs and negatives."""

from collections.abc import Mapping, Sequence
from typing import Protocol

import numpy as np

from hbt_jax.data.plan import BatchPlan
from hbt_jax.data.store import Store
from hbt_jax.data.text_vectors import Vectors
from hbt_jax.errors import InputError
from hbt_jax.spans import spread

GUIDE_QUERIES, GUIDE_PASSAGES = "guide_queries", "guide_passages"
ANCHOR_QUERIES, ANCHOR_PASSAGES = "anchor_queries", "anchor_passages"
TEACHER_SCORES = "teacher_scores"


class Sides(Protocol):
    """The texts of one side of this host's shares: `rows` int64 [P, n], -1 for an absent one, `language` int16."""

    rows: np.ndarray
    language: np.ndarray


class Extra(Protocol):
    """More arrays of a batch, float32, whose first axis counts this host's shares.

    Attributes:
      names: of the arrays.
    """

    names: tuple[str, ...]

    def __call__(self, batch: BatchPlan, queries: Sides, passages: Sides, own: np.ndarray) -> list[np.ndarray]:
        """The arrays, in the order of `names`; `own` are the numbers of the shares, whose texts come share by share."""


class GuideVectors:
    """A guide's vectors of the batch's texts: guide_queries [P, b, D] and guide_passages [P, c, D], 0 for absent ones.

    Args:
      stores: for each store, (side, language) -> vectors.
    """

    names = (GUIDE_QUERIES, GUIDE_PASSAGES)

    def __init__(self, stores: Sequence[Mapping[tuple[str, int], Vectors]]):
        self._stores = stores

    def __call__(self, batch: BatchPlan, queries: Sides, passages: Sides, own: np.ndarray) -> list[np.ndarray]:
        """See `Extra`."""
        vectors = self._stores[batch.store]
        return [_gathered(vectors, "queries", queries), _gathered(vectors, "passages", passages)]


def _gathered(vectors: Mapping[tuple[str, int], Vectors], side: str, texts: Sides) -> np.ndarray:
    width = next(iter(vectors.values())).vector_ND.shape[1]
    found_ND = np.zeros((texts.rows.size, width), np.float32)
    rows, languages = texts.rows.ravel(), texts.language.ravel()
    for language in np.unique(languages).tolist():
        is_of = languages == language
        found_ND[is_of] = _found(vectors[side, language], rows[is_of])
    return found_ND.reshape(*texts.rows.shape, width)


class AnchorVectors:
    """Vectors of the translations of the batch's texts into one language, 0 where there is none.

    anchor_queries [P, b, D] and anchor_passages [P, c, D].

    Args:
      stores: for each store, side -> vectors of its texts in that language.
    """

    names = (ANCHOR_QUERIES, ANCHOR_PASSAGES)

    def __init__(self, stores: Sequence[Mapping[str, Vectors]]):
        self._stores = stores

    def __call__(self, batch: BatchPlan, queries: Sides, passages: Sides, own: np.ndarray) -> list[np.ndarray]:
        """See `Extra`."""
        of_store = self._stores[batch.store]
        return [
            _found(of_store[side], texts.rows.ravel()).reshape(*texts.rows.shape, -1)
            for side, texts in (("queries", queries), ("passages", passages))
        ]


def _found(vectors: Vectors, rows: np.ndarray) -> np.ndarray:
    """float32 [N, D]: the vector of each row, 0 for an absent one."""
    place = vectors.places(rows)
    found_ND = np.zeros((len(rows), vectors.vector_ND.shape[1]), np.float32)
    found_ND[place >= 0] = vectors.vector_ND[place[place >= 0]]
    return found_ND


class TeacherScores:
    """A teacher's scores, teacher_scores [P, b, 1 + K]: of each query's own passage, then of its explicit negatives.

    Absent negatives have nan.

    Args:
      stores: the training stores.
      needed_by: the flag that asks for scores, for messages.

    Raises:
      InputError: a store has no scores of pairs and negatives.
    """

    names = (TEACHER_SCORES,)

    def __init__(self, stores: Sequence[Store], needed_by: str):
        self._tables = [store.pairs for store in stores]
        for store in stores:
            if store.pairs.score_A is None or store.pairs.negative_scores is None:
                raise InputError(
                    f"{needed_by} needs a teacher's scores of pairs and negatives, which store {store.path} lacks:"
                    " build it from a source that has them, or mine it with launch/mine.py --cross_encoder"
                )

    def __call__(self, batch: BatchPlan, queries: Sides, passages: Sides, own: np.ndarray) -> list[np.ndarray]:
        """See `Extra`."""
        del queries
        shares, b = len(own), passages.rows.shape[1] // (1 + batch.negatives.shape[1])
        pairs = batch.pairs.reshape(-1, b)[own].ravel()
        chosen_QK = passages.rows[:, b:].reshape(shares * b, -1)
        table = self._tables[batch.store]
        starts = table.negative_offsets[pairs]
        counts = table.negative_offsets[pairs + 1] - starts
        listed, owner = spread(starts, counts), np.repeat(np.arange(len(pairs)), counts)
        score_QK = np.full(chosen_QK.shape, np.nan, np.float32)
        for k in range(chosen_QK.shape[1]):
            same = table.negative_rows[listed] == chosen_QK[owner, k]
            score_QK[owner[same], k] = table.negative_scores[listed[same]]
        scores = np.concatenate([table.score_A[pairs][:, None], score_QK], axis=1)
        return [scores.reshape(shares, b, -1)]

"""Finds for each text the ones most similar to it, for a first look at a model."""

from collections.abc import Callable, Iterator, Sequence

import numpy as np

_QUERIES, _CANDIDATES = 1024, 16_384  # of the scores in memory at a time
_SHOWN_CHARACTERS = 100


def nearest(vectors_ND: np.ndarray, count: int, poll: Callable[[], None]) -> Iterator[tuple[np.ndarray, np.ndarray]]:
    """Yields for each vector in turn the others of largest inner product.

    Args:
      vectors_ND: float32, embeddings.
      count: K, how many; fewer if there are fewer others.
      poll: called between blocks; raises to stop.

    Yields:
      (int64 [K], float32 [K]): their rows, best first, equal scores in order of rows; and their scores.
    """
    for start in range(0, len(vectors_ND), _QUERIES):
        query_qD = vectors_ND[start : start + _QUERIES]
        rows_qK, scores_qK = np.zeros((len(query_qD), 0), np.int64), np.zeros((len(query_qD), 0), np.float32)
        for first in range(0, len(vectors_ND), _CANDIDATES):
            poll()
            candidate_SD = vectors_ND[first : first + _CANDIDATES]
            score_qS = query_qD @ candidate_SD.T
            rows_S = np.arange(first, first + len(candidate_SD))
            score_qS[np.arange(start, start + len(query_qD))[:, None] == rows_S] = -np.inf
            rows_qK, scores_qK = _best(
                np.concatenate([rows_qK, np.broadcast_to(rows_S, score_qS.shape)], axis=1),
                np.concatenate([scores_qK, score_qS], axis=1),
                min(count, len(vectors_ND) - 1),
            )
        order = np.lexsort((rows_qK, -scores_qK))
        yield from zip(np.take_along_axis(rows_qK, order, 1), np.take_along_axis(scores_qK, order, 1), strict=True)


def _best(rows: np.ndarray, scores: np.ndarray, count: int) -> tuple[np.ndarray, np.ndarray]:
    """The `count` best of each line, in any order; all if there are fewer."""
    if scores.shape[1] > count:
        kept = np.argpartition(-scores, count - 1, axis=1)[:, :count]
        rows, scores = np.take_along_axis(rows, kept, 1), np.take_along_axis(scores, kept, 1)
    return rows, scores


def table(labels: Sequence[str], texts: Sequence[str], found: Iterator[tuple[np.ndarray, np.ndarray]]) -> Iterator[str]:
    """Yields lines to print: each text with its label, then the texts found for it, with score and label."""
    width = max(map(len, labels))
    for label, text, (rows, scores) in zip(labels, texts, found, strict=True):
        yield f"{label:>{width}}  {_shown(text)}"
        for row, score in zip(rows, scores, strict=True):
            yield f"{'':{width}}  {score:7.4f}  {labels[row]:>{width}}  {_shown(texts[row])}"


def _shown(text: str) -> str:
    """A text as one line, cut if it is long."""
    line = " ".join(text.split())
    return line if len(line) <= _SHOWN_CHARACTERS else line[: _SHOWN_CHARACTERS - 3] + "..."

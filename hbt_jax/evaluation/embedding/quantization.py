"""Embeddings in fewer bits: int8 with a scale for each text, or one bit a number.

int8    v is round(v / scale), scale = max |v| / 127; the cosine of two rows needs no scale
binary  v is 1 where it is above 0; two texts are compared by how many bits agree (Hamming), which orders them as
        the inner product of vectors of +1 and -1 does
"""

import numpy as np

from hbt_jax.config.values import BINARY, INT8

_LARGEST = 127


def int8_rows(vectors_ND: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """(int8 [N, D], float32 [N] scales): a vector is its row times its scale, up to half a scale.

    >>> int8_rows(np.array([[0.5, -1.0], [0.0, 0.0]], np.float32))[0].tolist()
    [[64, -127], [0, 0]]
    """
    scale_N = np.abs(vectors_ND).max(axis=1).astype(np.float32) / np.float32(_LARGEST)
    safe_N1 = np.where(scale_N > 0, scale_N, 1)[:, None]
    return np.rint(vectors_ND / safe_N1).astype(np.int8), scale_N


def binary_rows(vectors_ND: np.ndarray) -> np.ndarray:
    """uint8 [N, D / 8, rounded up]: a bit for each number, the first one highest, as numpy.packbits writes them.

    >>> binary_rows(np.array([[1.0, -1.0, 0.0, 2.0]], np.float32)).tolist()
    [[144]]
    """
    return np.packbits(vectors_ND > 0, axis=1)


def as_compared(vectors_ND: np.ndarray, kind: str, normalize: bool) -> np.ndarray:
    """float32 [N, D]: vectors whose inner products order texts as the quantised ones do.

    Args:
      vectors_ND: float32.
      kind: "int8", "binary" or "none".
      normalize: whether vectors have unit length.
    """
    if kind == INT8:
        row_ND, scale_N = int8_rows(vectors_ND)
        found_ND = row_ND * scale_N[:, None]
        return found_ND / np.maximum(np.linalg.norm(found_ND, axis=1, keepdims=True), 1e-12) if normalize else found_ND
    if kind == BINARY:
        return np.where(vectors_ND > 0, np.float32(1), np.float32(-1)) / np.float32(np.sqrt(vectors_ND.shape[1]))
    return vectors_ND

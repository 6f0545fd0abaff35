"""Quantised vectors order texts as int8 rows and bits do."""

import numpy as np

from hbt_jax.evaluation.embedding.quantization import as_compared, binary_rows, int8_rows


def vectors(count: int = 20, width: int = 12) -> np.ndarray:
    found = np.random.default_rng(0).standard_normal((count, width)).astype(np.float32)
    return found / np.linalg.norm(found, axis=1, keepdims=True)


def test_int8_is_off_by_half_a_scale_at_most():
    whole = vectors()
    rows, scale = int8_rows(whole)
    assert rows.dtype == np.int8 and (np.abs(rows).max(axis=1) == 127).all()
    assert (np.abs(rows * scale[:, None] - whole) <= scale[:, None] * 0.5001).all()
    assert int8_rows(np.zeros((1, 4), np.float32))[0].tolist() == [[0] * 4]


def test_what_is_compared_is_the_cosine_of_int8_rows():
    whole = vectors()
    rows = int8_rows(whole)[0].astype(np.float64)
    rows /= np.linalg.norm(rows, axis=1, keepdims=True)
    compared = as_compared(whole, "int8", True)
    np.testing.assert_allclose(compared @ compared.T, rows @ rows.T, atol=1e-6)
    np.testing.assert_allclose(as_compared(3 * whole, "int8", False), 3 * whole, atol=0.02)
    assert compared.dtype == np.float32


def test_what_is_compared_counts_bits_that_agree():
    whole = vectors()
    bits = binary_rows(whole)
    assert bits.dtype == np.uint8 and bits.shape == (20, 2)
    differ = np.bitwise_count(bits[:, None] ^ bits[None]).sum(axis=2)
    compared = as_compared(whole, "binary", True)
    np.testing.assert_allclose(compared @ compared.T, 1 - 2 * differ / 12, atol=1e-6)
    assert as_compared(whole, "none", True) is whole

"""How much of a device's arithmetic training uses: model FLOPs utilisation (Chowdhery et al. 2022, arXiv 2204.02311).

The matrix products that an update needs are counted, two operations for each multiplication, three times the
forward pass; what is computed again (--encode_chunk, --remat, --loss_tile) does not count, nor do look-ups, softmax and
normalisation.  Padding in packed rows counts, as it is computed; `row_fill` says how much of the rows is text.
"""

from hbt_jax.models.encoder import EncoderConfig

_PEAK_BFLOAT16 = {  # dense operations a second of one device as JAX names it, from the makers' data sheets
    "TPU v4": 275e12,
    "TPU v5 lite": 197e12,
    "TPU v5e": 197e12,
    "TPU v5": 459e12,
    "TPU v5p": 459e12,
    "TPU v6 lite": 918e12,
    "TPU v6e": 918e12,
    "NVIDIA A100-SXM4-40GB": 312e12,
    "NVIDIA A100-SXM4-80GB": 312e12,
    "NVIDIA A100 80GB PCIe": 312e12,
    "NVIDIA H100 80GB HBM3": 989e12,
    "NVIDIA H200": 989e12,
    "NVIDIA L4": 121e12,
}


def peak_flops(device_kind: str, compute_dtype: str) -> float | None:
    """Peak operations per second of one device; None if unknown."""
    return _PEAK_BFLOAT16.get(device_kind) if compute_dtype == "bfloat16" else None


def update_flops(encoder: EncoderConfig, rows: int, length: int, queries: int, passages: int) -> float:
    """Operations of one update in all.

    Args:
      encoder: the architecture.
      rows: packed rows of all shares.
      length: L, tokens of a row.
      queries, passages: of all shares, which the loss compares.
    """
    kernels = encoder.layers * encoder.width * (4 * encoder.width + encoder.expanded + encoder.feed_forward)
    attention = encoder.layers * 2 * length * encoder.width  # scores, and their products with the values
    forward = 2 * rows * length * (kernels + attention)
    forward += 2 * (queries + passages) * encoder.width * encoder.dense
    forward += 2 * queries * passages * encoder.embedding_width
    return 3.0 * forward

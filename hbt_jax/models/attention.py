"""Attention inside segments, in the form that suits the devices.

    xla     scores of all pairs of tokens of a row, then a softmax, as XLA compiles them; on any device
    splash  on TPU: the kernel of JAX's Pallas library that never holds the scores of a row (after FlashAttention,
            Dao et al. 2022, arXiv 2205.14135); it knows segments and windows, and skips what is outside a window
    cudnn   on GPU: cuDNN's fused kernel, which holds no scores of each head either; bfloat16 only

All give the same but for rounding.
"""

import dataclasses
import functools
from typing import NamedTuple

import jax
import jax.numpy as jnp
from jax.sharding import Mesh, PartitionSpec

from hbt_jax.config.values import AUTO, CUDNN, SPLASH, XLA
from hbt_jax.errors import InputError
from hbt_jax.models import on_cpu, rotary

ONE_CPU = "one_cpu"  # on_cpu.py
LONG_ROW = 512  # tokens; AUTO uses the kernel from here on, cautiously: at 128 it saves no memory (docs/benchmarks.md)
_PLATFORM = {SPLASH: "tpu", CUDNN: "gpu"}
_LANES = 128  # numbers that a TPU's unit works on at a time
_BLOCKS = (512, 384)  # tokens that the kernel takes at a time of a row that is longer


class Seen(NamedTuple):
    """Which tokens see which.

    Attributes:
      segments_RL: int32, the segment of each token; it sees those of its own.
      positions_RL: int32, place of each token in its text.
      mask_RLL: bool, whether two tokens are of one segment.
    """

    segments_RL: jax.Array
    positions_RL: jax.Array
    mask_RLL: jax.Array


def seen_of(segments_RL, positions_RL) -> Seen:
    """The Seen of packed rows."""
    return Seen(segments_RL, positions_RL, segments_RL[:, :, None] == segments_RL[:, None, :])


@dataclasses.dataclass(frozen=True)
class Attention:
    """One form of attention.

    Attributes:
      kind: XLA, SPLASH, CUDNN or ONE_CPU; AUTO: SPLASH for rows of LONG_ROW tokens or more, else XLA.
      mesh: the devices, over all of whose axes rows are split; only the kernel for TPU needs them.
      interpret: whether that kernel is computed by plain JAX, on any device.
    """

    kind: str = XLA
    mesh: Mesh | None = None
    interpret: bool = False

    def __call__(self, query_RLHd, key_RLHd, value_RLHd, seen: Seen, window: int = 0):
        """[R, L, H, d] of the inputs' dtype; the softmax is computed in float32.

        Args:
          query_RLHd, key_RLHd, value_RLHd: of each token and head.
          seen: which tokens see which.
          window: positions that a token sees to either side; 0: all of its segment.

        Raises:
          InputError: cuDNN does not take rows of this length, or heads of this width, or is not there for this GPU.
        """
        given = query_RLHd, key_RLHd, value_RLHd
        if self.on_rows_of(query_RLHd.shape[1]) == SPLASH:
            kernel = functools.partial(_splash, window=window, interpret=self.interpret)
            return self._by_rows(kernel)(*given, seen.segments_RL)
        mask_RLL = rotary.within(seen.mask_RLL, seen.positions_RL, window) if window else seen.mask_RLL
        if self.kind == ONE_CPU:
            return on_cpu.attention(*given, mask_RLL)
        if self.kind == CUDNN:
            return _cudnn(*given, mask_RLL)
        return jax.nn.dot_product_attention(*given, mask=mask_RLL[:, None], implementation=XLA)

    def on_rows_of(self, length: int) -> str:
        """The kind for rows of `length` tokens."""
        if self.kind != AUTO:
            return self.kind
        return SPLASH if length >= LONG_ROW else XLA

    def _by_rows(self, kernel):
        """The kernel on the rows of each device by itself, since XLA cannot split a kernel over devices."""
        around = jax.sharding.get_abstract_mesh()
        axes = tuple(axis for axis in self.mesh.axis_names if axis not in around.manual_axes)
        mesh = around if around.manual_axes else self.mesh  # inside step.py's `apart`, one axis is split already
        rows = PartitionSpec(axes)
        return jax.shard_map(kernel, mesh=mesh, in_specs=rows, out_specs=rows, axis_names={*axes}, check_vma=False)


PLAIN = Attention()  # on any device


def attention_on(mesh: Mesh, asked: str, compute_dtype: str) -> Attention:
    """The attention of an encoder on a mesh.

    Args:
      mesh: the devices.
      asked: --attention.
      compute_dtype: of its inputs.

    Raises:
      InputError: what was asked for is not for these devices, or not for this dtype.
    """
    device = mesh.devices.flat[0]
    wanted = _PLATFORM.get(asked)
    if wanted and device.platform != wanted:
        found = device.platform.upper()
        raise InputError(f"--attention={asked} is for a {wanted.upper()}, but the device is a {found}")
    if asked == CUDNN and compute_dtype != "bfloat16":
        raise InputError(f"--attention={asked} needs --compute_dtype=bfloat16: cuDNN has no such kernel in float32")
    if asked == AUTO and on_cpu.has_one_cpu(mesh):
        return Attention(ONE_CPU)
    if asked == AUTO and device.platform != _PLATFORM[SPLASH]:
        return Attention(XLA)
    return Attention(asked, mesh if asked in (AUTO, SPLASH) else None)


def _cudnn(query_RLHd, key_RLHd, value_RLHd, mask_RLL):
    """Attention by cuDNN's kernel.

    What it never takes is refused here, since JAX may find it only where a gradient is traced, after this returned.
    """
    length, _, width = query_RLHd.shape[1:]
    if length % 2 or width % 8:
        raise InputError(
            f"--attention={CUDNN} takes an even number of tokens a row and heads whose width is a multiple of 8, but"
            f" rows have {length} tokens (--row_length) and heads a width of {width}: change these, or use"
            f" --attention={XLA}"
        )
    given = query_RLHd, key_RLHd, value_RLHd
    try:
        return jax.nn.dot_product_attention(*given, mask=mask_RLL[:, None], implementation=CUDNN)
    except (NotImplementedError, RuntimeError) as error:  # limits of a GPU and of its version of cuDNN
        raise InputError(f"--attention={CUDNN} cannot be used here ({error}): use --attention={XLA}") from error


def _splash(query_RLHd, key_RLHd, value_RLHd, segments_RL, *, window: int, interpret: bool):
    """Attention by JAX's kernel for TPU; rows are padded to a multiple of its block, in segment 0."""
    from jax.experimental.pallas.ops.tpu.splash_attention import splash_attention_kernel

    length, heads, width = query_RLHd.shape[1:]
    block = _block(length)
    lacking = ((0, 0), (0, -length % block))
    query_RLHd = (query_RLHd * width**-0.5).astype(query_RLHd.dtype)  # the kernel does not scale scores
    filled = (jnp.pad(part, (*lacking, (0, 0), (0, 0))) for part in (query_RLHd, key_RLHd, value_RLHd))
    query_RHLd, key_RHLd, value_RHLd = (part.transpose(0, 2, 1, 3) for part in filled)
    segments_RL = jnp.pad(segments_RL, lacking)
    kernel = _kernel(segments_RL.shape[1], block, heads, window, interpret)

    def of_row(query_HLd, key_HLd, value_HLd, segments_L):
        ids = splash_attention_kernel.SegmentIds(segments_L, segments_L)
        return kernel(query_HLd, key_HLd, value_HLd, segment_ids=ids)

    attended_RHLd = jax.vmap(of_row)(query_RHLd, key_RHLd, value_RHLd, segments_RL)
    return attended_RHLd.transpose(0, 2, 1, 3)[:, :length]


def _block(length: int) -> int:
    """Tokens of a row that the kernel takes at a time; it holds a query's gradient once for each block of a row."""
    whole = -(-length // _LANES) * _LANES
    if whole <= _BLOCKS[0]:
        return whole
    return min(_BLOCKS, key=lambda size: -(-length // size) * size)


def _kernel(length: int, block: int, heads: int, window: int, interpret: bool):
    """JAX's kernel for rows of `length` tokens, a multiple of the block."""
    from jax.experimental.pallas.ops.tpu.splash_attention import splash_attention_kernel, splash_attention_mask

    names = ("block_q", "block_kv", "block_kv_compute", "block_q_dkv", "block_kv_dkv", "block_kv_dkv_compute")
    blocks = splash_attention_kernel.BlockSizes(**dict.fromkeys(names, block), use_fused_bwd_kernel=True)
    shape = (length, length)
    if window:
        mask = splash_attention_mask.LocalMask(shape, (window, window), 0)
    else:
        mask = splash_attention_mask.FullMask(shape)
    whole = splash_attention_mask.MultiHeadMask([mask] * heads)
    options = {"block_sizes": blocks, "head_shards": 1, "q_seq_shards": 1, "interpret": interpret}
    return splash_attention_kernel.make_splash_mha(whole, **options)

"""The parts of an encoder in the forms that XLA computes fast on one CPU device; equal in value to the plain ones.

On a CPU, XLA takes its slow general loop for a bfloat16 product unless the result is float32 and, if the left side is
transposed, unless the transpose lies in memory.  It adds up the rows of a matrix column by column.  Of an activation or
a softmax it keeps many arrays for the gradient, where one is enough.  On TPU and GPU none of this is needed.
"""

import functools

import jax
import jax.numpy as jnp
from flax import nnx
from jax.ad_checkpoint import checkpoint_name
from jax.sharding import Mesh

from hbt_jax.models.linear import PRODUCT

_HIDDEN = -1e30  # a score that no softmax sees


def has_one_cpu(mesh: Mesh) -> bool:
    """Whether each process has a single device of a mesh, which is a CPU: where this module's forms are used."""
    return len(mesh.local_devices) == 1 and mesh.local_devices[0].platform == "cpu"


class Linear(nnx.Linear):
    """nnx.Linear."""

    wide_gradients = False

    def __call__(self, inputs):
        """[..., N] from [..., K]."""
        kernel_KN, bias = self.kernel[...], None if self.bias is None else self.bias[...]
        inputs, rounded_KN, bias_N = self.promote_dtype((inputs, kernel_KN, bias), dtype=self.dtype)
        kernel_KN = kernel_KN if self.wide_gradients else rounded_KN
        output_MN = checkpoint_name(_product(inputs.reshape(-1, inputs.shape[-1]), kernel_KN), PRODUCT)
        output_MN = output_MN if bias is None else _plus_row(output_MN, bias_N)
        return output_MN.reshape(*inputs.shape[:-1], -1)


class WideGradientLinear(Linear):
    """linear.WideGradientLinear."""

    wide_gradients = True


class LayerNorm(nnx.LayerNorm):
    """nnx.LayerNorm over the last axis, in float32."""

    def __call__(self, inputs):
        """float32 of the shape of `inputs`."""
        flat_MD = inputs.reshape(-1, inputs.shape[-1]).astype(jnp.float32)
        output_MD = _times_row(_standardised(flat_MD, self.epsilon), self.scale[...])
        output_MD = output_MD if self.bias is None else _plus_row(output_MD, self.bias[...])
        return output_MD.reshape(inputs.shape)


@jax.custom_vjp
def _product(inputs_MK, kernel_KN):
    return _dot(inputs_MK, kernel_KN.astype(inputs_MK.dtype), (1, 0)).astype(inputs_MK.dtype)


def _product_backward(kept, gradient_MN):
    inputs_MK, kernel_KN = kept
    dtype = inputs_MK.dtype
    turned_KM = _in_memory(inputs_MK.T) if dtype == jnp.bfloat16 else inputs_MK.T
    to_kernel_KN = _dot(turned_KM, gradient_MN, (1, 0)).astype(kernel_KN.dtype)
    return _dot(gradient_MN, kernel_KN.astype(dtype), (1, 1)).astype(dtype), to_kernel_KN


_product.defvjp(lambda *given: (_product(*given), given), _product_backward)


@jax.custom_vjp
def _plus_row(values_MN, row_N):
    return values_MN + row_N


def _plus_row_backward(_, gradient_MN):
    return gradient_MN, _sum_of_rows(gradient_MN).astype(gradient_MN.dtype)


_plus_row.defvjp(lambda *given: (_plus_row(*given), None), _plus_row_backward)


@jax.custom_vjp
def _times_row(values_MN, row_N):
    return values_MN * row_N


def _times_row_backward(kept, gradient_MN):
    values_MN, row_N = kept
    return gradient_MN * row_N, _sum_of_rows(gradient_MN * values_MN).astype(gradient_MN.dtype)


_times_row.defvjp(lambda *given: (_times_row(*given), given), _times_row_backward)


@functools.partial(jax.custom_vjp, nondiff_argnums=(1,))
def _standardised(values_MD, epsilon):
    return _standardised_forward(values_MD, epsilon)[0]


def _standardised_forward(values_MD, epsilon):
    mean_M1 = values_MD.mean(-1, keepdims=True)
    variance_M1 = jnp.maximum(0.0, jnp.square(values_MD).mean(-1, keepdims=True) - jnp.square(mean_M1))
    factor_M1 = jax.lax.rsqrt(variance_M1 + epsilon)
    return (values_MD - mean_M1) * factor_M1, (values_MD, mean_M1, factor_M1)


def _standardised_backward(_, kept, gradient_MD):
    values_MD, mean_M1, factor_M1 = kept
    standard_MD = (values_MD - mean_M1) * factor_M1
    along_M1 = (gradient_MD * standard_MD).mean(-1, keepdims=True)
    return (factor_M1 * (gradient_MD - gradient_MD.mean(-1, keepdims=True) - standard_MD * along_M1),)


_standardised.defvjp(_standardised_forward, _standardised_backward)


def attention(query_RLHd, key_RLHd, value_RLHd, mask_RLL):
    """Softmax attention of H heads; [R, L, H, d] of the inputs' dtype.  The softmax is computed in float32.

    Args:
      query_RLHd, key_RLHd, value_RLHd: of each token and head.
      mask_RLL: bool, which tokens see which; each sees at least one.
    """
    return _attention(query_RLHd, key_RLHd, value_RLHd, mask_RLL)


@jax.custom_vjp
def _attention(query_RLHd, key_RLHd, value_RLHd, mask_RLL):
    return _attention_forward(query_RLHd, key_RLHd, value_RLHd, mask_RLL)[0]


def _attention_forward(query_RLHd, key_RLHd, value_RLHd, mask_RLL):
    rows, length, heads, width = query_RLHd.shape
    query_NLd, key_NLd, value_NLd = map(_by_head, (query_RLHd, key_RLHd, value_RLHd))
    hidden_RHLL = jnp.broadcast_to(jnp.where(mask_RLL, 0.0, _HIDDEN)[:, None], (rows, heads, length, length))
    scores_NLL = _dot(query_NLd, key_NLd, (2, 2)) * width**-0.5 + hidden_RHLL.reshape(-1, length, length)
    raised_NLL = jnp.exp(scores_NLL - scores_NLL.max(-1, keepdims=True))
    weights_NLL = (raised_NLL / raised_NLL.sum(-1, keepdims=True)).astype(query_RLHd.dtype)
    attended_NLd = _dot(weights_NLL, value_NLd, (2, 1)).astype(query_RLHd.dtype)
    return _by_token(attended_NLd, heads), (query_NLd, key_NLd, value_NLd, weights_NLL)


def _attention_backward(kept, gradient_RLHd):
    query_NLd, key_NLd, value_NLd, weights_NLL = kept
    dtype, heads = gradient_RLHd.dtype, gradient_RLHd.shape[2]
    gradient_NLd = _by_head(gradient_RLHd)
    to_weights_NLL = _dot(gradient_NLd, value_NLd, (2, 2))
    wide_NLL = weights_NLL.astype(jnp.float32)
    shared_NL1 = (to_weights_NLL * wide_NLL).sum(-1, keepdims=True)
    to_scores_NLL = ((to_weights_NLL - shared_NL1) * wide_NLL * query_NLd.shape[2] ** -0.5).astype(dtype)
    to_query_NLd = _dot(to_scores_NLL, key_NLd, (2, 1)).astype(dtype)
    to_key_NdL = _dot(_transposed(query_NLd), to_scores_NLL, (2, 1)).astype(dtype)
    to_value_NdL = _dot(_transposed(gradient_NLd), weights_NLL, (2, 1)).astype(dtype)
    turned = (part.transpose(0, 2, 1) for part in (to_key_NdL, to_value_NdL))
    return *(_by_token(part_NLd, heads) for part_NLd in (to_query_NLd, *turned)), None


_attention.defvjp(_attention_forward, _attention_backward)


@jax.custom_vjp
def gelu(values):
    """x times the normal distribution function of x, exactly (Hendrycks & Gimpel 2016, arXiv 1606.08415)."""
    wide = values.astype(jnp.float32)
    return (wide * _normal_below(wide)).astype(values.dtype)


def _gelu_backward(values, gradient):
    wide = values.astype(jnp.float32)
    density = jnp.exp(-0.5 * wide * wide) * (2 * jnp.pi) ** -0.5
    return ((_normal_below(wide) + wide * density) * gradient).astype(values.dtype)


gelu.defvjp(lambda values: (gelu(values), values), lambda values, gradient: (_gelu_backward(values, gradient),))


def _normal_below(values):
    return 0.5 * (1.0 + jax.lax.erf(values * 0.5**0.5))


def _dot(left, right, axes: tuple[int, int]):
    """The float32 product that sums over an axis of each; with three axes, one product for each place of the first."""
    batch = ((0,), (0,)) if left.ndim == 3 else ((), ())
    return jax.lax.dot_general(left, right, (((axes[0],), (axes[1],)), batch), preferred_element_type=jnp.float32)


def _in_memory(transposed):
    """The same array, which XLA must lay out anew."""
    return jax.lax.optimization_barrier(transposed.reshape(-1)).reshape(transposed.shape)


def _transposed(values_NLd):
    return _in_memory(values_NLd.transpose(0, 2, 1))


def _sum_of_rows(values_MN):
    """float32 [N]: as a product, since XLA adds up columns one by one."""
    return _dot(jnp.ones((1, len(values_MN)), values_MN.dtype), values_MN, (1, 0))[0]


def _by_head(values_RLHd):
    rows, length, heads, width = values_RLHd.shape
    return _in_memory(values_RLHd.transpose(0, 2, 1, 3)).reshape(rows * heads, length, width)


def _by_token(values_NLd, heads: int):
    return values_NLd.reshape(-1, heads, *values_NLd.shape[1:]).transpose(0, 2, 1, 3)

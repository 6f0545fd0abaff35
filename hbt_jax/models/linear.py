"""Linear layers whose weight gradient stays in float32, the dtype in which its product is accumulated."""

import jax
from flax import nnx
from jax.ad_checkpoint import checkpoint_name

PRODUCT = "product with a kernel"  # what a layer may keep for its backward pass, see encoder.REMAT


class WideGradientLinear(nnx.Linear):
    """nnx.Linear, but the gradient of its kernel has the kernel's dtype from the product on.

    nnx.Linear rounds kernels to the dtype of its products, and so their gradients, before devices sum them.
    """

    def __call__(self, inputs):
        """[..., N] from [..., K]."""
        bias = None if self.bias is None else self.bias[...]
        inputs, bias_N = self.promote_dtype((inputs, bias), dtype=self.dtype)
        output = checkpoint_name(_product(inputs, self.kernel[...]), PRODUCT)
        return output if bias is None else output + bias_N


@jax.custom_vjp
def _product(inputs, kernel_KN):
    return inputs @ kernel_KN.astype(inputs.dtype)


def _backward(kept, gradient):
    inputs, kernel_KN = kept
    outer = tuple(range(inputs.ndim - 1))
    to_kernel_KN = jax.lax.dot_general(
        inputs, gradient, ((outer, outer), ((), ())), preferred_element_type=kernel_KN.dtype
    )
    return gradient @ kernel_KN.astype(inputs.dtype).T, to_kernel_KN


_product.defvjp(lambda *given: (_product(*given), given), _backward)

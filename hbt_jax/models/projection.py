"""Linear maps merged into a model's dense layer: they remove language directions, or keep only the first numbers.

If the means of languages differ mostly along a few directions, then texts are compared across languages without their
component along these (LSAR: Xie et al. 2024, arXiv 2401.05792; LIR: Yang et al. 2021, arXiv 2109.04727).  The map is
P = I - U^T U, with orthonormal rows U.  Scaling to unit length comes after it, so P of a unit vector and P of the same
vector before it was scaled give one embedding.
"""

import dataclasses
from collections.abc import Callable

import jax
import jax.numpy as jnp
import numpy as np
from flax import nnx

from hbt_jax.errors import InputError
from hbt_jax.models.encoder import DENSE_ACTIVATIONS
from hbt_jax.models.model import Model


def top_directions(mean_JD: np.ndarray, count: int) -> np.ndarray:
    """float32 [count, D], orthonormal: the directions in which the means of L languages vary most.

    They are the first right singular vectors of the means less their mean, which is the top of their covariance.

    Args:
      mean_JD: the mean embedding of each language.
      count: at most L - 1.

    Raises:
      InputError: more directions are requested than there are.
    """
    languages = len(mean_JD)
    if count > languages - 1:
        raise InputError(
            f"--remove_language_directions={count}: the means of {languages} languages span at most {languages - 1}"
            " directions: give fewer, or texts of more languages"
        )
    centred_JD = mean_JD.astype(np.float64) - mean_JD.mean(axis=0, dtype=np.float64)
    return np.linalg.svd(centred_JD, full_matrices=False)[2][:count].astype(np.float32)


def without_directions(model: Model, direction_KD: np.ndarray) -> Model:
    """The model whose embeddings have no component along some directions.

    Args:
      model: its dense layer, if it has one, must be linear.
      direction_KD: float32, orthonormal rows; D numbers as an embedding has.

    Raises:
      InputError: the model's dense layer is followed by an activation, so the map cannot be merged into it.
    """
    if model.encoder.dense and model.encoder.dense_activation != "identity":
        raise InputError(
            f"--remove_language_directions={len(direction_KD)}: the dense layer of {model.name} is followed by"
            f" {model.encoder.dense_activation}, so no linear map can be merged into it: leave the flag out"
        )
    wide_KD = direction_KD.astype(np.float64)
    width = wide_KD.shape[1]
    map_DD = np.eye(width) - wide_KD.T @ wide_KD
    graph, parameters = _with_dense(model, lambda kernel, bias: (kernel @ map_DD, bias @ map_DD), width, "identity")
    return dataclasses.replace(
        model,
        graph=graph,
        parameters=parameters,
        encoder=dataclasses.replace(model.encoder, dense=width, dense_activation="identity"),
        removed_directions=model.removed_directions + len(direction_KD),
        name=f"{model.name}, {len(direction_KD)} language directions removed",
    )


def truncated(model: Model, width: int) -> Model:
    """The model whose embeddings are the first `width` numbers, before they are scaled to unit length.

    Raises:
      InputError: its embeddings have fewer.
    """
    own = model.encoder.embedding_width
    if width > own:
        raise InputError(f"--truncate_dim={width}: embeddings of {model.name} have {own} numbers: give at most {own}")
    activation = model.encoder.dense_activation if model.encoder.dense else "identity"
    graph, parameters = _with_dense(model, lambda kernel, bias: (kernel[:, :width], bias[:width]), width, activation)
    return dataclasses.replace(
        model,
        graph=graph,
        parameters=parameters,
        encoder=dataclasses.replace(model.encoder, dense=width, dense_activation=activation),
        truncate_dim=width,
        name=f"{model.name}, first {width} numbers",
    )


def _with_dense(model: Model, change: Callable, width: int, activation: str) -> tuple[nnx.GraphDef, nnx.State]:
    """The encoder with a dense layer to `width` numbers, made by `change` of its kernel and bias (the identity's)."""
    encoder, own = nnx.merge(model.graph, model.parameters), model.encoder.embedding_width
    kernel_DD, bias_D = np.eye(own), np.zeros(own)
    if encoder.dense is not None:
        leaves = encoder.dense.kernel, encoder.dense.bias
        kernel_DD, bias_D = (np.asarray(leaf.get_value(), np.float64) for leaf in leaves)
    dense = nnx.eval_shape(
        lambda: nnx.Linear(
            len(kernel_DD), width, dtype=jnp.float32, precision=jax.lax.Precision.HIGHEST, rngs=nnx.Rngs(0)
        )
    )
    place = encoder.embedding_norm.bias.get_value().sharding
    for parameter, value in zip((dense.kernel, dense.bias), change(kernel_DD, bias_D), strict=True):
        parameter.set_value(jax.device_put(value.astype(np.float32), place))
    encoder.dense, encoder.dense_activation = nnx.data(dense), DENSE_ACTIVATIONS[activation]
    return nnx.split(encoder, nnx.Param)

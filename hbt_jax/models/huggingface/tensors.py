"""A tensor of transformers as a view of one of our parameters.

transformers stores linear weights as [outputs, inputs], and query, key and value separately or together; here a kernel
is [inputs, outputs], and the three are one.  Nothing is computed on the way, so the same bits come back.
"""

import dataclasses
import functools
from collections.abc import Callable, Iterator

import numpy as np


@dataclasses.dataclass(frozen=True)
class TensorView:
    """One of transformers' tensors: its name, the path of the parameter that holds it, and its view of the latter."""

    name: str
    path: tuple
    view: Callable[[np.ndarray], np.ndarray]


def whole(parameter: np.ndarray) -> np.ndarray:
    """A parameter as it is."""
    return parameter


def transposed(parameter: np.ndarray) -> np.ndarray:
    """[outputs, inputs] of a kernel."""
    return parameter.T


def first_rows(rows: int, parameter: np.ndarray) -> np.ndarray:
    """A table without its padding rows."""
    return parameter[:rows]


def share(number: int, of: int, parameter: np.ndarray) -> np.ndarray:
    """One of several products that are one here: its part of the kernel, [outputs, inputs], or of the bias."""
    width = parameter.shape[-1] // of
    return parameter[..., number * width : (number + 1) * width].T


def token_table(name: str, vocab_size: int) -> Iterator[TensorView]:
    """The token table."""
    yield TensorView(name, ("token_table", "embedding"), functools.partial(first_rows, vocab_size))


def linear(name: str, path: tuple, bias: bool = True) -> Iterator[TensorView]:
    """The weight of a product, and its bias if it has one."""
    yield TensorView(f"{name}.weight", (*path, "kernel"), transposed)
    if bias:
        yield TensorView(f"{name}.bias", (*path, "bias"), whole)


def norm(name: str, path: tuple, bias: bool = True) -> Iterator[TensorView]:
    """The scale of a norm, and its bias if it has one."""
    yield TensorView(f"{name}.weight", (*path, "scale"), whole)
    if bias:
        yield TensorView(f"{name}.bias", (*path, "bias"), whole)

"""Matrix-product FLOPs of a step, counted in the traced program; bodies of loops count once for each trip."""

import math
from collections.abc import Callable, Iterator
from typing import NamedTuple

import jax
from jax.extend import core

_PASSES = 6  # bfloat16 products that make a float32 one at the highest precision on a TPU


class Flops(NamedTuple):
    """Floating-point operations of the matrix products of all chips.

    Attributes:
      counted: two for each product of two numbers.
      on_the_unit: the same as bfloat16 products: float32 products at the highest precision count six times.
    """

    counted: float = 0.0
    on_the_unit: float = 0.0

    def __add__(self, other: "Flops") -> "Flops":
        return Flops(self.counted + other.counted, self.on_the_unit + other.on_the_unit)

    def times(self, number: float) -> "Flops":
        """That of `number` repetitions."""
        return Flops(number * self.counted, number * self.on_the_unit)


def matmul_flops(function: Callable, *arguments) -> Flops:
    """What the matrix products in `function(*arguments)` take; arguments may be abstract."""
    return _of(jax.make_jaxpr(function)(*arguments).jaxpr)


def _of(jaxpr: core.Jaxpr) -> Flops:
    total = Flops()
    for equation in jaxpr.eqns:
        if equation.primitive.name == "dot_general":
            total += _product(equation)
            continue
        inside = [_of(each) for each in _inner(equation)]
        if not inside:
            continue
        if equation.primitive.name == "cond":
            total += max(inside)
        else:
            total += sum(inside, Flops()).times(_repetitions(equation))
    return total


def _product(equation: core.JaxprEqn) -> Flops:
    left, right = (operand.aval for operand in equation.invars)
    (contracted, _), _ = equation.params["dimension_numbers"]
    counted = 2.0 * math.prod(equation.outvars[0].aval.shape) * math.prod(left.shape[axis] for axis in contracted)
    highest = "HIGHEST" in str(equation.params["precision"]) and "float32" in (str(left.dtype), str(right.dtype))
    return Flops(counted, counted * (_PASSES if highest else 1))


def _repetitions(equation: core.JaxprEqn) -> int:
    """Trips of a scan; devices that each run the body of a shard_map; times that a kernel's body runs on its grid."""
    if equation.primitive.name == "shard_map":
        given = equation.params
        axes = given["newly_manual_axes"] if "newly_manual_axes" in given else given["manual_axes"]  # jax 0.10.0's name
        return math.prod(given["mesh"].shape[axis] for axis in axes)
    if equation.primitive.name == "pallas_call":
        return math.prod(equation.params["grid_mapping"].grid)
    return equation.params.get("length", 1)


def _inner(equation: core.JaxprEqn) -> Iterator[core.Jaxpr]:
    for name, value in equation.params.items():
        if name in ("fwd_jaxpr_thunk", "bwd", "jvp_jaxpr_fun"):  # rules of derivatives, which are traced where used
            continue
        for each in value if isinstance(value, tuple | list) else [value]:
            if isinstance(each, core.ClosedJaxpr):
                yield each.jaxpr
            elif isinstance(each, core.Jaxpr):
                yield each

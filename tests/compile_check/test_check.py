"""The largest chunk is found by bisection, and a program that is too large is a verdict, not a failure."""

from types import SimpleNamespace

import jax
import jax.numpy as jnp
import pytest
from jax.sharding import NamedSharding, PartitionSpec

from hbt_jax.compile_check import check
from hbt_jax.compile_check.chips import CHIPS, Slice
from hbt_jax.mesh import make_mesh

CASE = SimpleNamespace(rows=160, step=SimpleNamespace(memory=SimpleNamespace(encode_chunk=0)))
GIB = 2**30


def largest(limit: int, own: int = 0):
    """The largest chunk that fits if `limit` rows do, and which chunks were compiled."""
    tried = []
    case = SimpleNamespace(rows=CASE.rows, step=SimpleNamespace(memory=SimpleNamespace(encode_chunk=own)))
    done = SimpleNamespace(memory=SimpleNamespace(fits=(own or CASE.rows) <= limit))

    def fits(chunk: int) -> bool:
        tried.append(chunk)
        return (chunk or CASE.rows) <= limit

    return check.largest_chunk(case, done, fits), tried


@pytest.mark.parametrize(
    ("limit", "found"), [(1000, 0), (160, 0), (159, 80), (80, 80), (79, 54), (20, 20), (4, 4), (3, 3), (2, None)]
)
def test_the_largest_chunk(limit, found):
    assert largest(limit)[0] == found


def test_what_is_known_is_not_compiled_again():
    assert largest(1000)[1] == []
    assert largest(100, own=80) == (80, [0, 3, 20, 54])
    assert len(largest(50)[1]) <= 5


class TooLarge:
    """A jitted function whose program does not fit."""

    def lower(self, *_):
        return self

    def compile(self, _):
        raise jax.errors.JaxRuntimeError(self.message)

    message = (
        "RESOURCE_EXHAUSTED: E1000: CompileTimeHbmOom: Ran out of memory on HBM, the total memory required for HLO"
        " temporaries (16.52G) exceeds available HBM (15.75G). HLO module: jit_update."
    )


def a_slice(cache="") -> Slice:
    return Slice("v5e:2x4", CHIPS["v5e"], (2, 4), tuple(jax.devices()), cache)


def test_a_program_that_is_too_large_says_how_much_it_would_need():
    sharding = NamedSharding(make_mesh(8, 1), PartitionSpec("data"))
    argument = jax.ShapeDtypeStruct((8, 2**20), jnp.float32, sharding=sharding)
    made = check._compiled(TooLarge(), a_slice(), argument)
    assert not made.memory.fits and made.text == ""
    assert (made.memory.arguments, made.memory.temporaries) == (2**22, None)
    assert made.memory.peak == pytest.approx(16.52 * GIB + 2**22)
    assert made.memory.spare < 0


def test_other_errors_of_the_compiler_are_raised():
    broken = TooLarge()
    broken.message = "INTERNAL: a bug"
    with pytest.raises(jax.errors.JaxRuntimeError, match="INTERNAL: a bug"):
        check._compiled(broken, a_slice())


def test_a_program_in_the_cache_is_not_compiled_again(tmp_path, monkeypatch):
    monkeypatch.setattr(check.importlib.metadata, "version", lambda name: "1.0")
    where = a_slice(str(tmp_path / "kept"))
    made = check._compiled(
        jax.jit(lambda x: x + 1),
        where,
        jax.ShapeDtypeStruct((3,), jnp.float32, sharding=jax.sharding.SingleDeviceSharding(jax.devices()[0])),
    )
    assert made.text and made.memory.fits
    monkeypatch.setattr(check, "_compile", None)
    again = check._compiled(
        jax.jit(lambda y: y + 1),
        where,
        jax.ShapeDtypeStruct((3,), jnp.float32, sharding=jax.sharding.SingleDeviceSharding(jax.devices()[0])),
    )
    assert again == made

"""Instructions are read with their types, and loops with their trip counts."""

import pytest

from hbt_jax.compile_check import hlo
from tests.compile_check import recorded


def test_bodies_of_loops_run_as_often_as_counter_and_limit_say():
    program = hlo.parse(recorded.LOOPS)
    assert program.runs == {"main": 1, "body": 12, "inner_body": 48}
    assert program.unknown_loops == []


@pytest.mark.parametrize(
    ("written", "instead", "runs"),
    [
        ("%start = s32[]{:T(128)} constant(0)", "%start = s32[]{:T(128)} constant(2)", {"body": 10, "inner_body": 40}),
        ("u32[]{:T(128)} constant(2)", "u32[]{:T(128)} constant(3)", {"body": 12, "inner_body": 36}),
        (
            'op_name="jit(update)/while"}',
            '}, backend_config={"known_trip_count":{"n":"5"}}',
            {"body": 5, "inner_body": 20},
        ),
    ],
)
def test_first_value_step_and_stated_count(written, instead, runs):
    assert written in recorded.LOOPS
    assert hlo.parse(recorded.LOOPS.replace(written, instead)).runs == {"main": 1, **runs}


@pytest.mark.parametrize(
    ("written", "instead"),
    [
        ("%start = s32[]{:T(128)} constant(0)", "%start = s32[]{:T(128)} custom-call()"),
        ("%add.1 = s32[]{:T(128)} add(%gte.4, %one)", "%add.1 = s32[]{:T(128)} multiply(%gte.4, %one)"),
        (
            'direction=LT, metadata={op_name="jit(update)/while/cond',
            'direction=NE, metadata={op_name="jit(update)/while/cond',
        ),
    ],
)
def test_a_loop_of_unknown_length_counts_once_and_is_named(written, instead):
    assert written in recorded.LOOPS
    program = hlo.parse(recorded.LOOPS.replace(written, instead))
    assert program.runs == {"main": 1, "body": 1, "inner_body": 4}
    assert program.unknown_loops == ["while.2"]


def test_types_say_bytes_and_where_they_lie():
    inner = hlo.parse(recorded.LOOPS).computations["inner_body"]
    start = inner.instructions["cps.0"]
    assert (start.opcode, start.operands) == ("collective-permute-start", ("gte.2",))
    assert start.arrays[0] == hlo.Array("bf16", (48, 768), in_hbm=False) and start.arrays[0].bytes == 2 * 48 * 768
    assert inner.instructions["gte.2"].arrays == (hlo.Array("bf16", (48, 768), in_hbm=True),)
    assert start.op_name == "jit(update)/dot_general"
    assert inner.root.name == "tuple.0"
    assert hlo.arrays("(pred[3]{0}, f8e4m3fn[2,2]{1,0}, s32[])") == (
        hlo.Array("pred", (3,)), hlo.Array("f8e4m3fn", (2, 2)), hlo.Array("s32", ())
    )  # fmt: skip

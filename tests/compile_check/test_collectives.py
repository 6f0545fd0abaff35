"""Collectives are counted with their bytes and axis, however their groups are written."""

import pytest

from hbt_jax.compile_check import hlo
from hbt_jax.compile_check.collectives import Collective, collectives, moving_logits
from tests.compile_check import recorded

MESH = {"data": 4, "fsdp": 2}


def found() -> list[Collective]:
    return collectives(hlo.parse(recorded.COLLECTIVES), MESH)


def test_kind_axis_bytes():
    seen = sorted((one.kind, one.axis, one.members, one.bytes) for one in found())
    assert seen == sorted(
        [
            ("all-gather", "data x fsdp", 8, 4 * 256 * 128),
            ("all-gather", "data", 4, 4 * 128 * 128),
            ("all-gather", "fsdp", 2, 4 * 64 * 128),
            ("all-reduce", "data", 4, 2 * 128 + 4),
            ("reduce-scatter", "data x fsdp", 8, 4 * 256 * 128),  # of reduce-scatter.7: the whole that is scattered
            ("reduce-scatter", "data x fsdp", 8, 4 * 256 * 128),  # of the fusion
            ("all-gather", "fsdp", 2, 2 * 128 * 256),  # begun, continued and ended, but once
            ("all-reduce", "groups of 2", 2, 4),
        ]
    )


def test_most_bytes_come_first_with_their_origin():
    sizes = [one.bytes for one in found()]
    assert sizes == sorted(sizes, reverse=True)
    assert {one.op_name for one in found()[:3]} >= {"jit(update)/jvp()/reshape"}


def test_what_a_chip_sends_in_a_ring():
    array = (hlo.Array("f32", (100,)),)
    sent = {
        kind: Collective(kind, "data", 4, array, 3, "").sent for kind in ("all-reduce", "all-gather", "reduce-scatter")
    }
    assert sent == {"all-reduce": 2 * 3 * 300, "all-gather": 3 * 300, "reduce-scatter": 3 * 300}
    assert Collective("collective-permute", "data", 4, array, 3, "").sent == 3 * 400


def test_a_transfer_in_a_loop_counts_for_each_trip():
    (permute,) = collectives(hlo.parse(recorded.LOOPS), {"data": 4, "fsdp": 1})
    assert (permute.kind, permute.axis, permute.times) == ("collective-permute", "data x fsdp", 48)
    assert permute.bytes == 48 * 2 * 48 * 768


@pytest.mark.parametrize(
    ("written", "axis"),
    [
        ("mesh['a'=4,'b'=2] {'b'}", "fsdp"),
        ("mesh['a'=2,'b'=1,'c'=4], device_ids=([4,2]T(1,0)) {'c'}", "data"),
        ("mesh['a'=2,'b'=1,'c'=4], device_ids=([4,2]T(1,0)) {'a'}", "fsdp"),
        ("mesh['a'=4,'b'=2], device_ids=(0,1,2,3,4,5,6,7) {'a'}", "data"),
        ("mesh['a'=8,'b'=1], device_ids=([4,2]T(1,0)) {'a','b'}", "data x fsdp"),
    ],
)
def test_groups_with_the_names_of_axes(written, axis):
    text = recorded.COLLECTIVES.replace("[4,2]<=[8]", written)
    (one,) = [each for each in collectives(hlo.parse(text), MESH) if each.bytes == 4 * 64 * 128]
    assert one.axis == axis


def test_groups_that_cannot_be_read_are_shown_as_written():
    text = recorded.COLLECTIVES.replace("[4,2]<=[8]", "mesh['a'=8] {'a':(2)4}")
    (one,) = [each for each in collectives(hlo.parse(text), MESH) if each.bytes == 4 * 64 * 128]
    assert one.axis.startswith("mesh['a'=8] {'a':(2)4}")


def test_scores_are_told_from_embeddings():
    def moved(*shape):
        return Collective("all-gather", "data", 4, (hlo.Array("f32", shape),), 1, "")

    ones = [moved(128, 32768), moved(1, 32768, 128), moved(512, 32768), moved(32768, 768), moved(768, 768), moved(128)]
    kept = moving_logits(ones, rows=(128, 32768), columns=(32768, 512), width=768)
    assert kept == [*ones[:3]]
    assert not moving_logits([moved(32768, 768), moved(128, 768)], rows=(128, 32768), columns=(32768,), width=768)

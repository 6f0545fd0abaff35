"""What is read and written in HBM."""

from hbt_jax.compile_check import hlo
from hbt_jax.compile_check.traffic import hbm_bytes
from tests.compile_check import recorded

LAYER = 4 * 64 * 128


def test_slices_and_updates_in_place_count_their_part_and_the_core_counts_nothing():
    read, looked_up, product, kept = LAYER, 2 * 4 * 16 * 128, 4 * 64 * 64, LAYER
    assert hbm_bytes(hlo.parse(recorded.TRAFFIC)) == read + looked_up + product + kept


def test_an_array_that_is_also_used_whole_is_read_whole():
    text = recorded.TRAFFIC.replace("bitcast(%ds)", "add(%ds, %p.0)")
    assert hbm_bytes(hlo.parse(text)) - hbm_bytes(hlo.parse(recorded.TRAFFIC)) == 11 * LAYER

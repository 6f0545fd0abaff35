"""Packing: every text is whole, nothing overlaps or overflows, and rows are full."""

import dataclasses
import doctest

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from hbt_jax.config.learning import TextConfig
from hbt_jax.data import packing
from hbt_jax.errors import InputError
from tests.data.make_stores import SpecialTokens


def test_the_examples_in_docstrings_hold():
    results = doctest.testmod(packing)
    assert results.attempted >= 1
    assert results.failed == 0


@settings(max_examples=200, deadline=None)
@given(st.data())
def test_texts_lie_whole_and_apart(data):
    row_length = data.draw(st.integers(1, 200))
    segments = data.draw(st.integers(1, 8))
    shares, texts = data.draw(st.integers(1, 4)), data.draw(st.integers(1, 60))
    shortness = data.draw(st.sampled_from([1, 2, 4]))  # many short texts beside few long ones
    generator = np.random.default_rng(data.draw(st.integers(0, 2**32 - 1)))
    lengths_PN = (row_length * generator.random((shares, texts)) ** shortness).astype(int)
    lengths_PN[0, 0] = row_length
    placed = packing.pack_shares(lengths_PN, row_length, segments)
    for share in range(shares):
        used = np.zeros((int(placed.rows[share]), row_length), int)
        numbers = [[] for _ in used]
        for text in np.flatnonzero(lengths_PN[share]):
            row, start = placed.row[share, text], placed.start[share, text]
            end = start + lengths_PN[share, text]
            assert end <= row_length
            used[row, start:end] += 1
            numbers[row].append((start, placed.segment[share, text]))
        assert used.max(initial=0) <= 1
        for row, found in zip(used, numbers, strict=True):
            assert 1 <= len(found) <= segments  # no row is empty
            assert [segment for _, segment in sorted(found)] == list(range(1, len(found) + 1))
            assert row[: row.sum()].all()  # texts follow each other without a gap


def test_shares_do_not_influence_each_other():
    lengths_PN = np.random.default_rng(0).integers(3, 60, (4, 50))
    together = packing.pack_shares(lengths_PN, 64, 8)
    for share in range(4):
        row, segment, start, rows = packing.pack(lengths_PN[share], 64, 8)
        # Rounds are cut by the longest text of all shares, so rows may differ, but not by much.
        assert abs(rows - together.rows[share]) <= 2
    again = packing.pack_shares(lengths_PN, 64, 8)
    np.testing.assert_array_equal(together.row, again.row)


def test_rows_are_full_on_mixed_lengths():
    generator = np.random.default_rng(0)
    queries = np.clip(generator.poisson(14, 1024), 5, 32)
    passages = np.clip(generator.lognormal(3.8, 0.5, 1024).astype(int), 6, 96)
    lengths = np.concatenate([queries, passages])
    for row_length, segments in ((96, 12), (128, 16), (256, 32)):
        _, _, _, rows = packing.pack(lengths, row_length, segments)
        assert lengths.sum() / (rows * row_length) > 0.95


def test_a_text_goes_to_the_fullest_row_that_holds_it():
    row, segment, start, rows = packing.pack(np.array([10, 44, 54, 21]), 64, 8)
    assert rows == 3
    assert row[0] == row[2]
    assert (segment[0], start[0]) == (2, 54)
    assert len({row[1], row[2], row[3]}) == 3


def test_a_text_longer_than_a_row_is_a_bug_of_the_caller():
    with pytest.raises(ValueError, match="a text of 9 tokens, rows of 8"):
        packing.pack(np.array([9]), 8, 4)


def test_the_ladder_is_even_short_and_close():
    values = np.array([packing.ladder_rows(rows) for rows in range(1, 5000)])
    assert (values >= np.arange(1, 5000)).all()
    assert (values % 2 == 0).all()
    assert (np.diff(values) >= 0).all()
    assert len(np.unique(values[128:1024])) == 24  # three octaves of eight steps
    assert (values[15:] / np.arange(16, 5000)).max() <= 1.125


def _pack(lists: list[list[int]], text: TextConfig, side: str, **options) -> dict[str, np.ndarray]:
    offsets = np.concatenate([[0], np.cumsum([len(tokens) for tokens in lists])])
    values = np.array([token for tokens in lists for token in tokens], np.int32)
    return packing.pack_texts(values, offsets, text, SpecialTokens(), side, **options)


def _unpack(packed: dict[str, np.ndarray], segments: int) -> list[list[int]]:
    """Texts by their slots, with positions checked."""
    found = []
    for share, slots in enumerate(packed["slots"]):
        for row, segment in zip(slots // segments, slots % segments + 1, strict=True):
            inside = packed["segments"][share, row] == segment
            assert packed["positions"][share, row][inside].tolist() == list(range(inside.sum()))
            found.append(packed["tokens"][share, row][inside].tolist())
    return found


TEXT = TextConfig("query: ", "passage: ", query_length=8, passage_length=16, row_length=24, row_segments=5)
LISTS = [list(range(100 * i, 100 * i + n)) for i, n in enumerate([3, 0, 30, 5, 4, 1, 13, 12, 2], start=1)]


@pytest.mark.parametrize("shares", [1, 2, 3])
def test_packed_texts_are_prefix_text_and_specials(shares):
    packed = _pack(LISTS, TEXT, "passage", shares=shares)
    wanted = [[1, 20, 21, *tokens[:12], 2] for tokens in LISTS]
    assert _unpack(packed, TEXT.segments)[: len(LISTS)] == wanted
    assert packed["truncated"].sum() == 2
    assert packed["tokens"].shape[0] == shares
    padding = packed["segments"] == 0
    assert padding.any()
    assert (packed["tokens"][padding] == SpecialTokens.pad_id).all()
    assert (packed["positions"][padding] == 0).all()


def test_one_segment_a_row_is_padding_with_the_same_texts():
    padded = dataclasses.replace(TEXT, row_segments=1)
    packed = _pack(LISTS, padded, "query")
    assert sorted(packed["slots"][0]) == list(range(len(LISTS)))  # a row of its own for each
    assert set(np.unique(packed["segments"])) <= {0, 1}
    assert _unpack(packed, 1) == _unpack(_pack(LISTS, TEXT, "query"), TEXT.segments)


def test_more_rows_can_be_asked_for():
    assert _pack(LISTS[:1], TEXT, "query", least_rows=9)["tokens"].shape == (1, 10, 24)


def test_no_room_for_a_text_names_the_flags():
    text = TextConfig("query: ", "passage: ", query_length=4, passage_length=4)
    with pytest.raises(InputError, match="--passage_length=4 leaves no room .* --passage_prefix='passage: '"):
        packing.text_format(text, SpecialTokens(), "passage")
    assert packing.text_format(text, SpecialTokens(), "query").room == 1

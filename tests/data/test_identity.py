"""Which items are one text and what answers what: against plain sets, through a store, and with rows left out."""

import doctest

import numpy as np
import pytest

from hbt_jax.data import false_negatives, identity
from hbt_jax.data.false_negatives import masks, words
from hbt_jax.data.identity import Classes, identity_of
from hbt_jax.data.store import open_store
from hbt_jax.data.store_writer import StoreWriter
from hbt_jax.training.losses import masked_columns
from tests.data.make_stores import make_store, parallel

QUERIES, PASSAGES, PAIRS, GROUPS = 30, 40, 90, 25


@pytest.mark.parametrize("module", [identity, false_negatives])
def test_examples_of_the_docstrings(module):
    found = doctest.testmod(module)
    assert found.attempted and not found.failed


def drawn(seed):
    """Classes of both sides, and pairs (query, passage, group) in two parts."""
    rng = np.random.default_rng(seed)
    same = []
    for rows in (QUERIES, PASSAGES):
        joined = np.arange(rows, dtype=np.int32)
        for row in rng.choice(rows, rows // 3, replace=False):
            joined[row] = joined[rng.integers(0, row + 1)]  # the first row of a class that began before
        same.append(joined)
    columns = [rng.integers(0, limit, PAIRS) for limit in (QUERIES, PASSAGES, GROUPS)]
    return same, [tuple(column[part] for column in columns) for part in (slice(0, 60), slice(60, PAIRS))]


def forbidden(same, pairs):
    """{(query row, passage row)} of passages that must not count as wrong, by the definition and nothing else."""
    answers, groups = set(), ({}, {})
    for query, passage, group in zip(*(np.concatenate(columns) for columns in zip(*pairs, strict=True)), strict=True):
        answers.add((same[0][query], same[1][passage]))
        groups[0].setdefault(same[0][query], set()).add(group)
        groups[1].setdefault(same[1][passage], set()).add(group)
    return {
        (query, passage)
        for query in range(QUERIES)
        for passage in range(PASSAGES)
        if (same[0][query], same[1][passage]) in answers
        or groups[0].get(same[0][query], set()) & groups[1].get(same[1][passage], set())
    }


@pytest.mark.parametrize("seed", range(6))
def test_masks_are_those_of_plain_sets(seed):
    same, pairs = drawn(seed)
    made = identity_of(pairs, *same)
    wrong = forbidden(same, pairs)
    rng = np.random.default_rng(seed)
    chosen = rng.integers(0, PAIRS, 20)
    query, own, _ = (np.concatenate(columns)[chosen] for columns in zip(*pairs, strict=True))
    columns = np.concatenate([own, rng.integers(-1, PASSAGES, 30)])
    masked, counts = masks(made, query, columns, np.arange(20))
    assert masked.shape == (20, words(50)) and masked.dtype == np.int32
    wanted = np.array([
        [column < 0 or (j != i and (row, column) in wrong) for j, column in enumerate(columns.tolist())]
        for i, row in enumerate(query.tolist())
    ])  # fmt: skip
    np.testing.assert_array_equal(masked_columns(masked, 50), wanted)
    assert counts.tolist() == (wanted & (columns >= 0)).sum(axis=1).tolist() and counts.sum() > 20
    part = slice(7, 13)  # the queries of one host
    np.testing.assert_array_equal(masks(made, query[part], columns, np.arange(20)[part])[0], masked[part])


@pytest.mark.parametrize("seed", range(3))
def test_answering_is_what_the_masks_say(seed):
    same, pairs = drawn(seed)
    made, wrong = identity_of(pairs, *same), forbidden(same, pairs)
    query, own, _ = pairs[0]
    asked = np.random.default_rng(seed).integers(0, PASSAGES, len(query))
    wanted = [pair in wrong for pair in zip(query.tolist(), asked.tolist(), strict=True)]
    assert made.answering(query, own, asked).tolist() == wanted and any(wanted) and not all(wanted)


def answers_of(made, query):
    """The classes of passages that are noted, at either side, as answers of a query row."""
    row = made.query_Q[query]
    asked, passage = made.asked.of(np.arange(len(made.passage_N)))
    return {*made.answers.of(np.array([row]))[0].tolist(), *passage[asked == row].tolist()}


def test_many_answers_and_many_queries_make_no_long_list():
    many = np.arange(1, 501)
    queries, passages = np.concatenate([np.zeros(500, np.int64), many]), np.concatenate([many, np.zeros(500, np.int64)])
    queries, passages = np.concatenate([queries, many]), np.concatenate([passages, many])  # a second answer each
    rows = np.arange(501, dtype=np.int32)
    made = identity_of([(queries, passages, np.arange(1500))], rows, rows)
    assert max(np.diff(made.answers.offsets).max(), np.diff(made.asked.offsets).max()) == 2
    assert answers_of(made, 0) == {*range(1, 501)} and answers_of(made, 7) == {0, 7}


def test_a_chain_of_answers_and_groups_by_hand():
    # queries 0 and 1 are one; passage 2 is passage 0's copy; 3 answers query 1, and 4 is in a group of two queries
    same = np.array([0, 0, 2, 3], np.int32), np.array([0, 1, 0, 3, 4], np.int32)
    pairs = [tuple(np.array(column) for column in ([0, 1, 2, 3], [0, 3, 1, 4], [5, 6, 7, 7]))]
    made = identity_of(pairs, *same)
    assert made.answers.values.tolist() == [] and made.asked.of(np.arange(5))[1].tolist() == [0, 3]  # not of one answer
    assert made.query_groups.of(np.arange(4))[0].tolist() == [7, 7] and made.query_groups.offsets.tolist() == [
        0,
        0,
        0,
        1,
        2,
    ]
    assert made.passage_groups.of(np.arange(5))[1].tolist() == [1, 4]
    masked, counts = masks(made, np.array([0, 2]), np.array([0, 1, 2, 3, 4]), np.array([0, 1]))
    assert [f"{word:05b}"[::-1] for word in masked[:, 0]] == ["00110", "00001"] and counts.tolist() == [2, 1]


def test_a_store_keeps_and_counts_classes_and_answers(tmp_path):
    pairs = [(0, 0, 0, [1, 3]), (1, 1, 1, []), (2, 2, 2, [2]), (3, 3, 0, [])]
    same = {"queries": [0, 0, 2, 3], "passages": [0, 1, 2, 3]}
    store = make_store(tmp_path / "store", parallel(4, 2), pairs=pairs, same=same)
    assert store.identity.query_Q.tolist() == same["queries"] and not store.identity.query_Q.flags.owndata
    assert answers_of(store.identity, 1) == {0, 1} and answers_of(store.identity, 2) == set()  # of one answer nothing
    assert store.manifest["pairs"]["answering_negatives"] == 3  # by the copy of the query, by the group, its own
    entry = store.manifest["queries"]["identity"]
    assert (entry["shared"], entry["classes"], entry["largest"]) == (2, 1, 2)
    assert store.manifest["passages"]["identity"]["shared"] == 0


def test_a_pair_that_is_not_in_the_table_still_answers(tmp_path):
    description = {"name": "n", "split": "train", "languages": ["de"], "tokenizer": {"path": "", "fingerprint": ""}}
    with StoreWriter(tmp_path / "store") as writer:
        for side in ("queries", "passages"):
            writer.append(side, "de", np.arange(2), np.array([5, 6]), np.arange(3))
        writer.relate(np.array([0]), np.array([1]), np.array([0]))
        writer.append_pairs(*np.array([[0, 1], [0, 1], [0, 1]]), np.zeros(0, np.int64), np.zeros(3, np.int64))
        writer.finish({"queries": 2, "passages": 2}, description)
    store = open_store(tmp_path / "store")
    assert len(store.pairs) == 2 and answers_of(store.identity, 0) == {0, 1}


@pytest.mark.parametrize("seed", range(6))
def test_with_rows_left_out_the_others_are_masked_as_before(seed):
    same, pairs = drawn(seed)
    rng = np.random.default_rng(seed)
    kept = [rng.random(rows) < 0.6 for rows in (QUERIES, PASSAGES)]
    made = identity_of(pairs, *same).of_rows(*kept)
    rows = [np.flatnonzero(one) for one in kept]
    for side, found in enumerate((made.query_Q, made.passage_N)):
        assert found.dtype == np.int32 and (found <= np.arange(len(found))).all()
        alike = same[side][rows[side]]
        np.testing.assert_array_equal(found[:, None] == found, alike[:, None] == alike)
    wrong = forbidden(same, pairs)
    said = {(same[0][query], same[1][passage]) for part in pairs for query, passage in zip(*part[:2], strict=True)}
    compared = 0
    for number, row in enumerate(rows[0].tolist()):
        answers = [new for new, before in enumerate(rows[1]) if (same[0][row], same[1][before]) in said]
        for own in answers[:1]:
            columns = np.array([own, *range(len(rows[1]))])
            masked = masked_columns(masks(made, np.array([number]), columns, np.array([0]))[0], len(columns))
            shown = np.flatnonzero(np.asarray(masked)[0]) - 1
            assert rows[1][shown].tolist() == [before for before in rows[1].tolist() if (row, before) in wrong]
            compared += 1
    assert compared > 5


def test_counts_of_classes():
    assert Classes.of(np.array([0, 1, 2])) == Classes(0, 0, 1)
    assert Classes.of(np.array([0, 0, 2, 0, 2, 5])) == Classes(5, 2, 3)
    assert Classes.of(np.zeros(0, np.int32)) == Classes(0, 0, 0)

"""Which pairs can serve which kind of batch, against the definition pair by pair; and subsets, against lists."""

import itertools

import numpy as np
import pytest

from hbt_jax.config.learning import PlanConfig
from hbt_jax.data.mixture import CROSS, MONO, SAME, Mixture, Subset, open_mixture, packed
from hbt_jax.data.plan import Plan
from hbt_jax.errors import InputError
from tests.data.make_stores import make_store, parallel


def test_eligible_pairs_follow_the_definition(tmp_path, monkeypatch):
    monkeypatch.setattr("hbt_jax.data.mixture._SCAN", 8)  # so that the scan takes several pieces
    generator = np.random.default_rng(0)
    queries, passages = generator.random((2, 40, 3)) < 0.4
    store = make_store(tmp_path / "store", queries, passages)
    mixture = Mixture([store])
    languages = range(3)

    def rows(wanted):
        return [row for row in range(40) if wanted(queries[row], passages[row])]

    def found(kind, language=-1):
        eligible = mixture.eligible(0, kind, language)
        assert eligible.pairs == len(eligible.rows)
        return eligible.rows.tolist()

    for language in languages:
        assert found(MONO, language) == rows(lambda q, p, code=language: q[code] and p[code])
    assert found(SAME) == rows(lambda q, p: any(q[a] and p[a] for a in languages))
    ordered = list(itertools.permutations(languages, 2))
    assert found(CROSS) == rows(lambda q, p: any(q[a] and p[b] for a, b in ordered))
    assert not mixture.parallel(0)


def test_a_parallel_store_needs_no_list_of_pairs(tmp_path):
    mixture = Mixture([make_store(tmp_path / "store", parallel(10, 3))])
    assert mixture.parallel(0)
    for kind, language in ((MONO, 2), (SAME, -1), (CROSS, -1)):
        eligible = mixture.eligible(0, kind, language)
        assert (eligible.pairs, eligible.rows) == (10, None)


def test_pairs_are_scanned_once(tmp_path, monkeypatch):
    exists = parallel(6, 2)
    exists[0, 0] = False
    mixture = Mixture([make_store(tmp_path / "store", exists)])
    scanned = []
    monkeypatch.setattr(mixture, "available", lambda store, rows: scanned.append(store) or (np.ones(6, np.uint64),) * 2)
    Plan(mixture, PlanConfig(batching="x-x", global_batch=2), seed=0)
    assert scanned == [0]


def test_one_language_serves_no_cross_batches(tmp_path):
    mixture = Mixture([make_store(tmp_path / "store", parallel(10, 1))])
    assert mixture.serves(0, MONO)
    assert mixture.serves(0, SAME)
    assert not mixture.serves(0, CROSS)


def test_languages_without_a_pair_are_left_out(tmp_path):
    queries, passages = parallel(4, 3), parallel(4, 3)
    queries[:, 1] = False
    mixture = Mixture([make_store(tmp_path / "store", queries, passages)])
    assert mixture.mono_languages(0) == [0, 2]


def test_opening_several(tmp_path):
    paths = [make_store(tmp_path / name, parallel(rows, 2)).path for name, rows in (("a", 3), ("b", 5))]
    mixture = open_mixture(paths)
    assert mixture.sizes.tolist() == [3, 5]
    with pytest.raises(InputError, match="--stores is empty"):
        open_mixture([])


@pytest.mark.parametrize("whole", [True, False])
def test_a_fraction_takes_the_same_pairs_for_every_kind_and_is_part_of_a_larger_one(tmp_path, monkeypatch, whole):
    monkeypatch.setattr("hbt_jax.data.mixture._SCAN", 16)
    exists = parallel(101, 3)
    if not whole:
        exists[::2, 1] = False
    store = make_store(tmp_path / "store", exists)

    def rows(fraction: float, kind: str, language: int, seed: int = 0) -> set[int]:
        eligible = Mixture([store], fraction, seed).eligible(0, kind, language)
        assert eligible.pairs == len(eligible.rows)
        return set(eligible.rows.tolist())

    quarter, half = (rows(fraction, SAME, -1) for fraction in (0.25, 0.5))
    assert (len(quarter), len(half)) == (25, 50)  # of 101
    assert quarter < half
    assert quarter == rows(0.25, CROSS, -1) == rows(0.25, MONO, 0)
    assert rows(0.25, MONO, 1) == {row for row in quarter if whole or row % 2}
    assert rows(0.25, SAME, -1, seed=1) != quarter
    assert Mixture([store], 0.25).sizes.tolist() == [25]
    assert Mixture([store], 0.0001).sizes.tolist() == [1]
    assert Mixture([store], 1.0).eligible(0, SAME, -1).rows is None


def test_all_kinds_run_through_one_fraction_together(tmp_path):
    mixture = Mixture([make_store(tmp_path / "store", parallel(64, 3))], 0.25)
    plan = Plan(mixture, PlanConfig(batching="hybrid", global_batch=4, train_fraction=0.25), seed=0)
    assert len(plan.streams) == 1
    epoch = np.concatenate([plan.batch(step).pairs for step in range(4)])
    assert len(set(epoch.tolist())) == 16
    assert sorted(epoch) == mixture.eligible(0, SAME, -1).rows.tolist()


@pytest.mark.parametrize("share", [0.0, 0.01, 0.5, 0.99, 1.0])
@pytest.mark.parametrize("size", [1, 63, 64, 65, 1000])
@pytest.mark.parametrize("chunk", [8, 64, 1024])
def test_members_are_found_by_their_place(share, size, chunk):
    belongs = np.random.default_rng(size).random(size) < share
    subset = Subset([packed(belongs[first : first + chunk]) for first in range(0, size, chunk)])
    members = np.flatnonzero(belongs)
    assert len(subset) == len(members)
    assert subset.tolist() == members.tolist()
    places = np.random.default_rng(1).permutation(len(members))
    found = subset[places]
    assert found.dtype == np.int64
    np.testing.assert_array_equal(found, members[places])


def test_words_without_a_member_are_passed_over():
    belongs = np.zeros(1000, bool)
    belongs[[0, 63, 640, 999]] = True
    assert Subset([packed(belongs)])[np.array([3, 1, 2, 0, 2])].tolist() == [999, 63, 640, 0, 640]


def test_nothing_at_all():
    assert len(Subset([])) == 0
    assert Subset([]).tolist() == []

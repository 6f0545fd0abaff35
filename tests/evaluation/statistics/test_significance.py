"""Intervals and tests: by hand, against scipy where it applies, and by simulation."""

import numpy as np
import pytest
from scipy import stats

from hbt_jax.evaluation.statistics import significance
from hbt_jax.evaluation.statistics.significance import Cells, ComparedRow, compare_rows, holm

ALL = ComparedRow("overall", "all")
SAMPLES = 4000


def cells(a, b, count=None, languages=None, sizes=None):
    """Two systems' scores: lists of runs, each [I, K] of sums over the queries of an item (of its only one if None)."""
    a, b = (np.asarray(runs, np.float64).reshape(len(runs), -1, np.asarray(runs[0]).shape[-1]) for runs in (a, b))
    count = np.ones_like(a[0]) if count is None else np.asarray(count, np.float64)
    width = count.shape[1]
    return Cells(
        tuple(languages or [f"l{number}" for number in range(width)]),
        np.ones(width) if sizes is None else np.asarray(sizes, np.float64),
        count,
        a.mean(axis=0) - b.mean(axis=0),
        *(runs.sum(axis=1) / count.sum(axis=0) for runs in (a, b)),
    )


def compared(given, rows=(ALL,), samples=SAMPLES, seed=0, confidence=0.95):
    return compare_rows(given, list(rows), samples=samples, seed=seed, confidence=confidence)


def paired(items, seed, shift=0.0):
    """Scores of two systems on one query of each item, as columns [I, 1]."""
    rng = np.random.default_rng(seed)
    shared = rng.random(items)
    a, b = (np.clip(shared + 0.2 * rng.standard_normal(items), 0, 1)[:, None] for _ in range(2))
    return a + shift, b


def test_holm_by_hand():
    """Holm (1979), three hypotheses: .01 * 3, .03 * 2, and .04 * 1 lifted to the one before it."""
    np.testing.assert_allclose(holm([0.01, 0.04, 0.03]), [0.03, 0.06, 0.06])
    np.testing.assert_allclose(holm([0.6, 0.5]), [1.0, 1.0])
    np.testing.assert_allclose(holm([0.02]), [0.02])


def test_holm_never_falls_below_a_smaller_p():
    """.01 * 5, .02 * 4, .03 * 3, then .04 * 2 and .05 * 1 lifted to the one before them."""
    np.testing.assert_allclose(holm([0.01, 0.02, 0.03, 0.04, 0.05]), [0.05, 0.08, 0.09, 0.09, 0.09])


@pytest.mark.parametrize("shift", [0.0, 0.05])
def test_few_items_are_tested_exactly_as_scipy_does(shift):
    a, b = paired(10, 3, shift)
    (found,) = compared(cells([a], [b]))
    theirs = stats.permutation_test(
        ((a - b)[:, 0],), np.mean, permutation_type="samples", n_resamples=np.inf, alternative="two-sided"
    )
    assert found.p == pytest.approx(theirs.pvalue, abs=1e-12)
    assert found.p * 2**10 == pytest.approx(round(found.p * 2**10))


def test_many_items_are_tested_as_scipy_does_within_what_chance_allows():
    a, b = paired(60, 4, 0.07)
    (found,) = compared(cells([a], [b]), samples=20_000)
    theirs = stats.permutation_test(
        ((a - b)[:, 0],), lambda x, axis: x.mean(axis=axis), permutation_type="samples", n_resamples=20_000,
        vectorized=True, rng=np.random.default_rng(1),
    )  # fmt: skip
    assert 0.01 < theirs.pvalue < 0.5
    assert found.p == pytest.approx(theirs.pvalue, abs=5 * np.sqrt(2 * theirs.pvalue / 20_000))
    assert found.p == pytest.approx(stats.ttest_rel(a[:, 0], b[:, 0]).pvalue, abs=0.03)


def test_the_interval_is_scipys_stretched_to_students_t():
    """scipy's percentile interval draws I of I items: shorter by sqrt((I - 1) / I) and, again, by z / t."""
    items = 25
    a, b = paired(items, 5, 0.05)
    (found,) = compared(cells([a], [b]), samples=40_000)
    theirs = stats.bootstrap(
        ((a - b)[:, 0],), np.mean, method="percentile", n_resamples=40_000, rng=np.random.default_rng(1)
    ).confidence_interval
    stretch = np.sqrt(items / (items - 1)) * stats.t.ppf(0.975, items - 1) / stats.norm.ppf(0.975)
    wanted = [found.difference + (end - found.difference) * stretch for end in theirs]
    np.testing.assert_allclose(found.interval, wanted, atol=0.04 * (theirs.high - theirs.low))


def test_the_interval_is_students_where_differences_are_normal():
    difference = np.random.default_rng(6).standard_normal(30)[:, None]
    (found,) = compared(cells([difference], [np.zeros_like(difference)]), samples=40_000)
    wanted = stats.ttest_1samp(difference[:, 0], 0).confidence_interval()
    np.testing.assert_allclose(found.interval, wanted, atol=0.04 * (wanted.high - wanted.low))


def test_eleven_copies_of_a_question_are_one_question():
    """The same scores in eleven languages: interval and p of one language, not those of eleven times the items."""
    a, b = paired(80, 7, 0.03)
    (one,) = compared(cells([a], [b]))
    (copies,) = compared(cells([np.tile(a, 11)], [np.tile(b, 11)]))
    assert copies.items == one.items == 80
    assert (copies.difference, copies.p) == (pytest.approx(one.difference), one.p)
    np.testing.assert_allclose(copies.interval, one.interval, atol=1e-12)
    (wrong,) = compared(cells([np.tile(a, (11, 1))], [np.tile(b, (11, 1))]))
    assert wrong.interval[1] - wrong.interval[0] < 0.4 * (one.interval[1] - one.interval[0])


def test_the_macro_average_of_drawn_items():
    """Uneven queries: each language's mean over its queries, then the mean of languages; a contrast of two."""
    a = [np.array([[2.0, 1.0], [1.0, 0.0], [0.0, 3.0]])]
    b = [np.zeros((3, 2))]
    given = cells(a, b, count=[[2, 1], [2, 0], [0, 3]])
    rows = [
        ALL,
        ComparedRow("x", "first", ("l0",)),
        ComparedRow("x", "second", ("l1",)),
        ComparedRow("x", "less", ("l0",), ("l1",)),
    ]
    overall, first, second, less = compared(given, rows)
    assert [one.difference for one in (overall, first, second, less)] == pytest.approx([0.875, 0.75, 1.0, -0.25])
    assert [one.items for one in (overall, first, second, less)] == [3, 2, 2, 3]
    assert first.p == 2 / 4 and overall.p == 2 / 8


def test_all_cells_count_once_for_each_pair_they_stand_for():
    given = cells([[[1.0, 0.4]] * 2], [[[0.0, 0.0]] * 2], languages=["l0", "l1"], sizes=[3, 1])
    assert compared(given)[0].difference == pytest.approx((3 * 1.0 + 0.4) / 4)


def test_one_item_has_no_interval_and_decides_nothing():
    (found,) = compared(cells([[[0.9]]], [[[0.1]]]))
    assert (found.interval, found.p, found.p_runs, found.items) == (None, 1.0, None, 1)


def test_equal_systems_do_not_differ():
    a, _ = paired(30, 8)
    (found,) = compared(cells([a], [a]))
    assert (found.difference, found.p, found.interval) == (0.0, 1.0, (0.0, 0.0))


def test_the_same_seed_gives_the_same_and_each_family_is_corrected_alone():
    a, b = paired(40, 9, 0.04)
    given = cells([np.hstack([a, b, a * b])], [np.hstack([b, a * b, a])])
    rows = [ALL, *(ComparedRow("by_language", f"l{n}", (f"l{n}",)) for n in range(3))]
    found = compared(given, rows)
    assert found == compared(given, rows)
    assert found[0].p_holm == found[0].p
    np.testing.assert_allclose([one.p_holm for one in found[1:]], holm([one.p for one in found[1:]]))
    assert all(one.p_runs is None and one.p_runs_holm is None for one in found)


def test_runs_are_pooled_and_their_spread_widens_the_interval():
    a, b = paired(200, 10)
    apart = [a + 0.1, a - 0.1, a]
    (single,) = compared(cells([a], [b]))
    (several,) = compared(cells(apart, [b]))
    assert several.difference == pytest.approx(single.difference)
    assert (several.p, len(several.a_runs), len(several.b_runs)) == (single.p, 3, 1)
    assert several.interval[1] - several.interval[0] > 5 * (single.interval[1] - single.interval[0])
    assert several.p_runs > several.p


def test_runs_alone_give_welchs_test():
    """Items without spread leave the runs: three against four is Welch's test of their means."""
    a_runs, b_runs = [0.50, 0.53, 0.55], [0.40, 0.44, 0.43, 0.45]
    a, b = ([np.full((50, 1), value) for value in runs] for runs in (a_runs, b_runs))
    (found,) = compared(cells(a, b), samples=100_000)
    theirs = stats.ttest_ind(a_runs, b_runs, equal_var=False)
    assert found.p_runs == pytest.approx(theirs.pvalue, rel=0.05)
    assert found.p_runs_holm == found.p_runs


def simulated(rng, items, languages, runs=1, spread=0.0):
    """Two systems that differ by nothing: difficulty of an item and of its copies, and a deviation of each run."""
    shared = rng.standard_normal((items, 1))
    sides = []
    for _ in range(2):
        own = shared + 0.7 * rng.standard_normal((items, 1))
        sides.append([own + 0.5 * rng.standard_normal((items, languages)) + spread * rng.standard_normal()
                      for _ in range(runs)])  # fmt: skip
    return cells(*sides)


@pytest.mark.parametrize(("runs", "spread"), [(1, 0.0), (3, 0.3)])
def test_intervals_hold_the_truth_as_often_as_they_say_and_p_is_small_as_rarely(runs, spread):
    rng = np.random.default_rng(11)
    found = [compared(simulated(rng, 30, 4, runs, spread), samples=300, seed=seed)[0] for seed in range(300)]
    covered = np.mean([one.interval[0] <= 0 <= one.interval[1] for one in found])
    p = np.array([one.p if runs == 1 else one.p_runs for one in found])
    assert 0.92 <= covered <= 0.99  # of 0.95; 300 tries err by 0.013
    assert (p <= 0.05).mean() <= 0.09
    assert 0.4 <= p.mean() <= 0.65


def test_blocks_of_draws_are_of_bounded_size(monkeypatch):
    monkeypatch.setattr(significance, "_BLOCK_ELEMENTS", 100)
    assert list(significance._blocks(10, 30)) == [3, 3, 3, 1]
    assert list(significance._blocks(3, 1000)) == [1, 1, 1]


def test_a_stop_is_heeded_between_blocks(monkeypatch):
    class Stopped(Exception):
        pass

    def poll():
        raise Stopped

    with pytest.raises(Stopped):
        compare_rows(cells(*([side] for side in paired(5, 0))), [ALL], samples=9, seed=0, confidence=0.9, poll=poll)

"""Ranks by counting against a brute-force sort, with many ties."""

import numpy as np
import pytest

from hbt_jax.errors import InputError
from hbt_jax.evaluation.ranking import counts, rank
from hbt_jax.evaluation.ranking.layout import make_layout, top_slots
from tests.benchmarks import many_relevant_speed

LANGUAGES = ("ar", "de", "en")


@pytest.fixture(scope="module")
def case():
    """37 queries, 300 candidates with small whole-number scores, so that most scores are tied, exactly."""
    rng = np.random.default_rng(0)
    ids = [f"c{number}" for number in rng.permutation(300)]
    codes = rng.choice(LANGUAGES, 300, p=[0.1, 0.3, 0.6]).tolist()
    relevant = np.sort(rng.permuted(np.tile(np.arange(300, dtype=np.int32), (37, 1)), axis=1)[:, :5], axis=1)
    relevant[::3, 3:] = -1
    query, candidate = (rng.integers(-2, 3, (rows, 4)).astype(np.float32) for rows in (37, 300))
    return query, candidate, relevant, ids, codes


def sorted_rank(scores, ids, wanted, pool):
    """1 + the place of `wanted` in `pool` sorted by score, then id, both descending."""
    return sorted(pool, key=lambda n: (scores[n], ids[n]), reverse=True).index(wanted) + 1


def ranks(case, **options):
    query, candidate, relevant, ids, codes = case
    blocks = list(rank.rank_blocks(query, candidate, relevant, make_layout(ids, codes), **options))
    return np.concatenate([b.rank_qG for b in blocks]), np.concatenate([b.own_rank_qG for b in blocks])


def test_ranks_equal_a_sort(case):
    query, candidate, relevant, ids, codes = case
    overall, own = ranks(case)
    for q, g in np.ndindex(relevant.shape):
        wanted = relevant[q, g]
        if wanted < 0:
            assert overall[q, g] == own[q, g] == 0
            continue
        scores = candidate @ query[q]
        same_language = [n for n in range(len(ids)) if codes[n] == codes[wanted]]
        assert overall[q, g] == sorted_rank(scores, ids, wanted, range(len(ids)))
        assert own[q, g] == sorted_rank(scores, ids, wanted, same_language)


@pytest.mark.parametrize("block_queries", [1, 8, 13, 64])
def test_ranks_do_not_depend_on_the_block_size(case, block_queries):
    np.testing.assert_array_equal(ranks(case, block_queries=block_queries), ranks(case))


@pytest.mark.parametrize("queries", [1, 70, 513])
def test_close_scores_do_not_depend_on_the_other_queries(queries):
    """Random vectors close to one another: scores that differ in their last bits, which another rounding would swap."""
    rng = np.random.default_rng(5)
    candidate = (np.ones((700, 96)) + 1e-6 * rng.standard_normal((700, 96))).astype(np.float32)
    query = rng.standard_normal((600, 96)).astype(np.float32)
    relevant = rng.integers(0, 700, (600, 2)).astype(np.int32)
    layout = make_layout([f"{n}" for n in range(700)], ["de"] * 300 + ["en"] * 400)
    found = []
    for count in (600, queries):
        blocks = list(rank.rank_blocks(query[:count], candidate, relevant[:count], layout))
        found.append([np.concatenate([getattr(b, name) for b in blocks]) for name in ("score_qM", "rank_qG")])
    assert np.ptp(found[0][0][0, layout.slot_N]) < 1e-3
    for every, some in zip(*found, strict=True):
        np.testing.assert_array_equal(some, every[:queries])


def test_every_product_has_the_same_number_of_queries(case, monkeypatch):
    shapes, scores = [], rank._scores
    monkeypatch.setattr(rank, "_scores", lambda query, *rest: shapes.append(len(query)) or scores(query, *rest))
    query, candidate, relevant, ids, codes = case
    for count, options in ((1, {}), (37, {}), (37, {"block_queries": 13})):
        ranks((query[:count], candidate, relevant[:count], ids, codes), **options)
    assert shapes == [512, 512, 13, 13, 13]


def test_equal_texts_tie_wherever_they_stand():
    """Copies of one embedding get one score in every column, so only the tie rule orders them."""
    rng = np.random.default_rng(1)
    candidate = np.repeat(rng.standard_normal((1, 96)), 1000, axis=0).astype(np.float32)
    query = rng.standard_normal((5, 96)).astype(np.float32)
    ids = [f"{number:04}" for number in range(1000)]
    codes = ["de"] * 300 + ["ar"] * 700
    relevant = np.tile(np.array([[0, 999]], np.int32), (5, 1))
    (block,) = rank.rank_blocks(query, candidate, relevant, make_layout(ids, codes))
    np.testing.assert_array_equal(block.rank_qG, [[1000, 1]] * 5)
    np.testing.assert_array_equal(block.own_rank_qG, [[300, 1]] * 5)


def test_empty_slots_never_count():
    """All scores are negative, below the zeros that fill a tile."""
    layout = make_layout(["a", "b"], ["de", "en"])
    candidate = np.array([[-1.0], [-2.0]], np.float32)
    (block,) = rank.rank_blocks(np.ones((1, 1), np.float32), candidate, np.array([[0, 1]], np.int32), layout)
    np.testing.assert_array_equal(block.rank_qG, [[1, 2]])
    np.testing.assert_array_equal(block.own_rank_qG, [[1, 1]])


def test_a_broken_embedding_is_an_error(case):
    query, candidate, relevant, ids, codes = case
    broken = candidate.copy()
    broken[7, 2] = np.nan
    with pytest.raises(InputError, match="1 of 300 candidate embeddings are not finite, the first is number 7"):
        ranks((query, broken, relevant, ids, codes))


def test_wrong_shapes_are_an_error(case):
    query, candidate, relevant, ids, codes = case
    with pytest.raises(ValueError, match=r"candidates \(299, 4\): expected .* N = 300"):
        ranks((query, candidate[:-1], relevant, ids, codes))
    with pytest.raises(ValueError, match="expected 36 rows"):
        ranks((query[:-1], candidate, relevant, ids, codes))


@pytest.fixture(scope="module")
def many_relevant():
    """21 queries with 3 to 30 relevant ones of 700 candidates in 5 pools, with many ties; each leaves two out."""
    rng = np.random.default_rng(11)
    ids = [f"c{number}" for number in rng.permutation(700)]
    pools = [f"pool {number}" for number in rng.choice(5, 700, p=[0.02, 0.08, 0.2, 0.3, 0.4])]
    drawn = rng.permuted(np.tile(np.arange(700, dtype=np.int32), (21, 1)), axis=1)[:, :32]
    relevant, excluded = np.sort(drawn[:, 2:], axis=1), drawn[:, :2]
    relevant[np.arange(21) % 4 == 0, 3:] = -1
    query, candidate = (rng.integers(-2, 3, (rows, 3)).astype(np.float32) for rows in (21, 700))
    return query, candidate, relevant, excluded, ids, pools


def test_ranks_by_sorting_are_those_by_counting(many_relevant, monkeypatch):
    query, candidate, relevant, excluded, ids, pools = many_relevant
    layout, found = make_layout(ids, pools), []
    for fewest in (31, 30):
        monkeypatch.setattr(counts, "MANY_RELEVANT", fewest)
        blocks = list(rank.rank_blocks(query, candidate, relevant, layout, 8, excluded))
        found.append([np.concatenate([getattr(b, name) for b in blocks]) for name in ("rank_qG", "own_rank_qG")])
    np.testing.assert_array_equal(found[0], found[1])
    overall, own = found[1]
    for q, g in np.ndindex(relevant.shape):
        if relevant[q, g] < 0:
            assert overall[q, g] == own[q, g] == 0
            continue
        scores, searched = candidate @ query[q], set(range(700)) - set(excluded[q].tolist())
        assert overall[q, g] == sorted_rank(scores, ids, relevant[q, g], searched)
        pool = [n for n in searched if pools[n] == pools[relevant[q, g]]]
        assert own[q, g] == sorted_rank(scores, ids, relevant[q, g], pool)


def test_the_path_is_chosen_by_the_most_relevant(many_relevant, monkeypatch):
    query, candidate, relevant, excluded, ids, pools = many_relevant
    counted, by_sorting = [], counts.count_by_sorting
    monkeypatch.setattr(
        counts,
        "count_by_sorting",
        lambda *given, **named: counted.append(len(given[0])) or by_sorting(*given, **named),
    )
    layout = make_layout(ids, pools)
    for most in (counts.MANY_RELEVANT - 1, counts.MANY_RELEVANT):
        list(rank.rank_blocks(query, candidate, relevant[:, :most], layout, 16))
    assert counted == [16, 16]


@pytest.mark.parametrize(("slots", "queries"), [(2_000, 512), (14_000, 144), (262_144, 64), (3_000_000, 8)])
def test_block_sizes(slots, queries):
    assert rank._block_queries(slots) == queries


@pytest.mark.parametrize("size", [40, 128, 1_000, 5_003])
@pytest.mark.parametrize("depth", [0, 1, 7])
def test_top_slots_equal_a_sort(size, depth):
    """With many ties, slots that are not searched, and a last tile that is not whole."""
    rng = np.random.default_rng(size + depth)
    score, tie = rng.integers(-20, 20, size).astype(np.float32), rng.permutation(size).astype(np.int32)
    score[rng.random(size) < 0.3] = -np.inf
    order = [n for n in sorted(range(size), key=lambda n: (-score[n], tie[n])) if score[n] > -np.inf]
    assert top_slots(score, tie, depth).tolist() == order[: depth or None]
    assert top_slots(np.full(size, -np.inf, np.float32), tie, depth).tolist() == []


def test_the_speed_script_runs_and_finds_equal_ranks(monkeypatch, capsys):
    monkeypatch.setattr(counts, "MANY_RELEVANT", counts.MANY_RELEVANT)  # restored after the script changed it
    assert many_relevant_speed.main(queries=9, candidates=300, relevant=20, languages=3) > 0
    assert "a query among 300 candidates with 20 relevant ones" in capsys.readouterr().out

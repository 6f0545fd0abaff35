"""Numbers drawn from raw bits: those of Philox, uniform, independent, and the same whatever numpy makes of the bits."""

import ast
from pathlib import Path

import numpy as np
import pytest
from scipy import stats

from hbt_jax.data.permutation import key, sampled
from hbt_jax.draws import MOST, below, coins, fractions, stream
from tests.data.philox import philox, raw_stream

ROOT = Path(__file__).resolve().parent.parent
LEAST = 1e-4  # p-value under which a distribution counts as wrong; seeds are fixed, so tests do not flicker
ONES = 2**64 - 1
FIRST = [213000021201967259, 4455796210202625458, 2055444239878205049]  # of seed 0, purpose 0, index 0
SAMPLED = [80445, 17467815, 22658103]


@pytest.mark.parametrize(("counter", "key_", "bits"), [
    ((0, 0, 0, 0), (0, 0), (0x16554D9ECA36314C, 0xDB20FE9D672D0FDC, 0xD7E772CEE186176B, 0x7E68B68AEC7BA23B)),
    ((ONES,) * 4, (ONES,) * 2, (0x87B092C3013FE90B, 0x438C3C67BE8D0224, 0x9CC7D7C69CD777B6, 0xA09CAEBF594F0BA0)),
    ((0x243F6A8885A308D3, 0x13198A2E03707344, 0xA4093822299F31D0, 0x082EFA98EC4E6C89),
     (0x452821E638D01377, 0xBE5466CF34E90C6C),
     (0xA528F45403E61D95, 0x38C72DBD566E9788, 0xA5A1610E72FD18B5, 0x57BD43B5E52B7FE6)),
])  # fmt: skip
def test_philox_written_out_gives_the_known_answers_of_its_authors(counter, key_, bits):
    """Random123's kat_vectors, philox4x64 with 10 rounds."""
    assert philox(counter, key_) == bits


@pytest.mark.parametrize(("seed", "purpose", "index"), [(0, 0, 0), (3, 2, 70_000), (2**31 - 1, 1, 2**40), (ONES, 5, 1)])
def test_a_stream_is_philox_of_its_seed_purpose_and_index(seed, purpose, index):
    wanted = list(raw_stream(seed, purpose, index, 11))
    assert stream(seed, purpose, index).random_raw(11).tolist() == wanted
    source = stream(seed, purpose, index)
    assert [*source.random_raw(3).tolist(), *source.random_raw(8).tolist()] == wanted


def test_a_streams_first_numbers():
    assert stream(0, 0).random_raw(3).tolist() == FIRST
    assert fractions(stream(0, 0).random_raw(3)).tolist() == [bits // 2**11 / 2**53 for bits in FIRST]
    assert below(stream(0, 0).random_raw(3), 1000).tolist() == [bits * 1000 // 2**64 for bits in FIRST]
    assert coins(stream(0, 0), (2, 3)).tolist() == [[FIRST[0] >> n & 1 for n in row] for row in ((0, 1, 2), (3, 4, 5))]


def test_streams_differ_in_each_of_their_numbers():
    firsts = [stream(*one).random_raw(1)[0] for one in np.ndindex(4, 4, 50)]
    assert len(set(firsts)) == len(firsts)


def test_fractions_reach_both_ends_and_never_one():
    assert fractions(np.array([0, 2**11 - 1, 2**11, 2**63, ONES], np.uint64)).tolist() == [
        0.0, 0.0, 2.0**-53, 0.5, 1 - 2.0**-53,
    ]  # fmt: skip


def test_below_is_exact_for_every_end():
    draw = np.random.default_rng(0)
    bits = np.concatenate([draw.integers(0, ONES, 2000, np.uint64, endpoint=True), np.array([0, ONES], np.uint64)])
    ends = np.concatenate([draw.integers(1, MOST, 1996, endpoint=True), [1, 2, MOST - 1, MOST, MOST, MOST]])
    wanted = [one * end >> 64 for one, end in zip(bits.tolist(), ends.tolist(), strict=True)]
    assert below(bits, ends).tolist() == wanted
    assert below(bits, MOST).tolist() == [one >> 32 for one in bits.tolist()]
    assert below(bits[:0], ends[:0]).tolist() == []
    assert below(bits[:2].reshape(2, 1), np.array([1, 1])).tolist() == [[0, 0], [0, 0]]


@pytest.mark.parametrize("ends", [0, -1, MOST + 1, [3, 0]])
def test_an_end_that_cannot_be_drawn_below(ends):
    with pytest.raises(ValueError, match=f"expected 1 to {MOST}"):
        below(np.zeros(2, np.uint64), ends)


@pytest.mark.parametrize("end", [2, 3, 7, 36, 1296])
def test_numbers_below_an_end_are_uniform_and_independent(end):
    numbers = below(stream(1, 2, 3).random_raw(200 * end), end)
    assert stats.chisquare(np.bincount(numbers, minlength=end)).pvalue > LEAST
    few = numbers if end < 40 else numbers // 36
    size = min(end, 36)
    pairs = np.bincount(few[:-1] * size + few[1:], minlength=size * size).reshape(size, size)
    assert stats.chi2_contingency(pairs).pvalue > LEAST


def test_neighbouring_streams_are_independent():
    """Number n of stream i beside number n of stream i + 1, and of the next purpose and seed."""
    one = np.array([below(stream(0, 1, index).random_raw(40), 8) for index in range(200)])
    others = {
        "index": one[1:],
        "purpose": np.array([below(stream(0, 2, index).random_raw(40), 8) for index in range(199)]),
        "seed": np.array([below(stream(1, 1, index).random_raw(40), 8) for index in range(199)]),
    }
    for name, other in others.items():
        table = np.bincount((one[:-1] * 8 + other).ravel(), minlength=64).reshape(8, 8)
        assert stats.chi2_contingency(table).pvalue > LEAST, name


def test_fractions_and_coins_are_uniform():
    assert stats.kstest(fractions(stream(4, 0).random_raw(20_000)), "uniform").pvalue > LEAST
    flips = coins(stream(4, 1), (1000, 77))
    assert flips.shape == (1000, 77) and flips.dtype == np.uint8
    assert stats.binomtest(int(flips.sum()), flips.size).pvalue > LEAST


def test_samples_have_different_members_and_each_equally_often():
    counts = np.zeros(30, np.int64)
    for number in range(3000):
        found = sampled(30, 7, key(5, number))
        assert len(found) == 7 and (np.diff(found) > 0).all()
        counts[found] += 1
    assert stats.chisquare(counts).pvalue > LEAST
    assert sampled(5, 5, key(0)).tolist() == sampled(5, 9, key(0)).tolist() == [0, 1, 2, 3, 4]
    assert sampled(40_000_000, 3, key(0)).tolist() == SAMPLED
    assert sampled(9, 0, key(0)).tolist() == []


# Files that may use what numpy can change, and why nothing that is kept or printed depends on it.
ALLOWED = {"data_prep/overlap/shingles.py": "values of a hash: other ones find the same texts"}


def test_nothing_else_draws_numbers_that_numpy_may_change():
    """In the product only hbt_jax/draws.py knows numpy's random module, and nothing uses Python's."""
    found = set()
    for folder in ("hbt_jax", "data_prep", "launch"):
        for file in (ROOT / folder).rglob("*.py"):
            for node in ast.walk(ast.parse(file.read_text(encoding="utf-8"))):
                name = ast.unparse(node) if isinstance(node, ast.Attribute) else ""
                imported = [alias.name for alias in node.names] if isinstance(node, ast.Import | ast.ImportFrom) else []
                of = getattr(node, "module", None) or ""
                if name in ("np.random", "numpy.random") or "random" in imported or "random" in of.split("."):
                    found.add(str(file.relative_to(ROOT)))
    assert found - set(ALLOWED) == {"hbt_jax/draws.py"}

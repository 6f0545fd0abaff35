"""The plan: distributions by chi-square tests, every pair once an epoch, and no state."""

import collections
import itertools
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from scipy import stats

from hbt_jax.config.learning import PlanConfig
from hbt_jax.data.audit import Audit, describe
from hbt_jax.data.mixture import CROSS, MONO, SAME, Mixture
from hbt_jax.data.plan import Plan, different_languages
from hbt_jax.draws import stream as bit_stream
from hbt_jax.errors import InputError
from tests.data.make_stores import make_store, parallel

ROOT = Path(__file__).resolve().parent.parent.parent
STEPS = 2000
LEAST = 1e-4  # p-value under which a distribution counts as wrong; seeds are fixed, so tests do not flicker


@pytest.fixture(scope="module")
def mixture(tmp_path_factory) -> Mixture:
    """A parallel store of 60 pairs in 4 languages, one of 30 pairs with gaps, one of 20 pairs in one language."""
    folder = tmp_path_factory.mktemp("stores")
    gaps = np.random.default_rng(1).random((30, 3)) < 0.6
    gaps[:, 0] |= ~gaps.any(1)  # every item is in some language
    return Mixture([
        make_store(folder / "parallel", parallel(60, 4), name="parallel"),
        make_store(folder / "gaps", gaps, name="gaps"),
        make_store(folder / "single", parallel(20, 1), name="single", languages=("en",)),
    ])  # fmt: skip


def plan_of(mixture: Mixture, seed: int = 0, **settings) -> Plan:
    return Plan(mixture, PlanConfig(**{"global_batch": 8, **settings}), seed)


def assert_shares(counts: collections.Counter, expected: dict) -> None:
    assert set(counts) == set(expected)
    total = sum(counts.values())
    observed = [counts[name] for name in expected]
    assert stats.chisquare(observed, [share * total for share in expected.values()]).pvalue > LEAST


@pytest.mark.parametrize("alpha", [0.5, 0.2])
def test_kinds_come_with_their_probability(mixture, alpha):
    plan = plan_of(mixture, mono_probability=alpha)
    kinds = collections.Counter(plan.choice(step).kind for step in range(STEPS))
    assert_shares(kinds, {MONO: alpha, CROSS: 1 - alpha})


@pytest.mark.parametrize(("batching", "alpha", "kind"), [
    ("x-x-mono", 0.5, MONO), ("x-x", 0.5, SAME), ("x-y", 0.5, CROSS), ("hybrid", 1.0, MONO), ("hybrid", 0.0, CROSS),
])  # fmt: skip
def test_pure_batching_has_one_kind(mixture, batching, alpha, kind):
    plan = plan_of(mixture, batching=batching, mono_probability=alpha)
    assert {plan.batch(step).kind for step in range(50)} == {kind}


@pytest.mark.parametrize("exponent", [1.0, 0.5, 0.0])
def test_stores_come_by_size_among_those_that_can_serve(mixture, exponent):
    plan = plan_of(mixture, size_exponent=exponent)
    drawn = collections.defaultdict(collections.Counter)
    for step in range(STEPS):
        choice = plan.choice(step)
        drawn[choice.kind][choice.store] += 1
    weights = mixture.sizes**exponent
    assert_shares(drawn[MONO], dict(enumerate(weights / weights.sum())))
    assert_shares(drawn[CROSS], dict(enumerate(weights[:2] / weights[:2].sum())))


def test_monolingual_languages_are_uniform(mixture):
    plan = plan_of(mixture, batching="x-x-mono")
    drawn = collections.Counter()
    for step in range(STEPS):
        batch = plan.batch(step)
        language = batch.query_language[0]
        assert (batch.query_language == language).all()
        assert (batch.passage_language == language).all()
        drawn[batch.store, int(language)] += 1
    for store, languages in ((0, 4), (1, 3)):
        of_store = collections.Counter({code: n for (at, code), n in drawn.items() if at == store})
        assert_shares(of_store, dict.fromkeys(range(languages), 1 / languages))


def test_same_language_pairs_are_uniform_and_exist(mixture):
    plan = plan_of(mixture, batching="x-x")
    drawn = collections.Counter()
    for step in range(STEPS):
        batch = plan.batch(step)
        assert (batch.query_language == batch.passage_language).all()
        assert_texts_exist(mixture, batch)
        if batch.store == 0:
            drawn.update(batch.query_language.tolist())
    assert_shares(drawn, dict.fromkeys(range(4), 1 / 4))


def test_cross_language_pairs_are_uniform_over_ordered_pairs(mixture):
    plan = plan_of(mixture, batching="x-y")
    drawn = collections.Counter()
    for step in range(STEPS):
        batch = plan.batch(step)
        assert (batch.query_language != batch.passage_language).all()
        assert_texts_exist(mixture, batch)
        if batch.store == 0:
            drawn.update(zip(batch.query_language.tolist(), batch.passage_language.tolist(), strict=True))
    assert_shares(drawn, dict.fromkeys(itertools.permutations(range(4), 2), 1 / 12))


def test_cross_language_pairs_are_uniform_where_texts_are_missing():
    query, passage = np.array([1, 1, 0, 1]), np.array([0, 1, 1, 0])
    draws = 6000
    batch = (np.tile(side, (draws, 1)) for side in (query, passage))
    languages = different_languages(*batch, bit_stream(0, 0).random_raw(draws))
    drawn = collections.Counter(zip(*(side.tolist() for side in languages), strict=True))
    possible = [(a, b) for a, b in itertools.permutations(range(4), 2) if query[a] and passage[b]]
    assert len(possible) == 5
    assert_shares(drawn, dict.fromkeys(possible, 1 / 5))


def assert_texts_exist(mixture, batch) -> None:
    store = mixture.stores[batch.store]
    query, passage = mixture.available(batch.store, batch.pairs)
    assert (query >> batch.query_language.astype(np.uint64) & np.uint64(1)).all()
    assert (passage >> batch.passage_language.astype(np.uint64) & np.uint64(1)).all()
    assert batch.query_language.max() < len(store.languages)


@pytest.mark.parametrize("chunk", [1 << 16, 7])
def test_a_parallel_store_shows_every_pair_once_an_epoch_whatever_the_kind(mixture, monkeypatch, chunk):
    monkeypatch.setattr("hbt_jax.data.plan._CHUNK", chunk)  # small: epochs go on from one chunk to the next
    plan = plan_of(Mixture(mixture.stores[:1]))
    seen = np.concatenate([plan.batch(step).pairs for step in range(45)])  # 45 * 8 = six epochs of 60
    kinds = {plan.choice(step).kind for step in range(45)}
    assert kinds == {MONO, CROSS}
    epochs = seen.reshape(6, 60)
    assert (np.sort(epochs, axis=1) == np.arange(60)).all()
    assert not (epochs[0] == epochs[1]).all()


@pytest.mark.parametrize("chunk", [1 << 16, 7])
def test_every_stream_shows_its_eligible_pairs_once_an_epoch(mixture, monkeypatch, chunk):
    monkeypatch.setattr("hbt_jax.data.plan._CHUNK", chunk)
    plan = plan_of(mixture, batching="hybrid")
    seen = collections.defaultdict(list)
    for step in range(STEPS):
        choice = plan.choice(step)
        seen[choice.stream] += plan.batch(step).pairs.tolist()
    assert len(seen) == len(plan.streams)
    for stream, pairs in seen.items():
        eligible = plan.streams[stream]
        wanted = range(eligible.pairs) if eligible.rows is None else eligible.rows.tolist()
        assert sorted(pairs[: eligible.pairs]) == list(wanted)
        counts = collections.Counter(pairs)
        assert max(counts.values()) - min(counts[pair] for pair in wanted) <= 1


def assert_same(one, other) -> None:
    for field in ("step", "kind", "store", "pairs", "query_language", "passage_language", "negatives"):
        np.testing.assert_array_equal(getattr(one, field), getattr(other, field))


@pytest.mark.parametrize("chunk", [1 << 16, 64])
def test_a_batch_depends_on_seed_and_step_alone(mixture, monkeypatch, chunk):
    monkeypatch.setattr("hbt_jax.data.plan._CHUNK", chunk)
    walked = plan_of(mixture)
    batches = [walked.batch(step) for step in range(200)]
    for step in (199, 3, 130, 0, 64):
        assert_same(plan_of(mixture).batch(step), batches[step])  # a fresh plan, at once
        assert_same(walked.batch(step), batches[step])  # backwards
    other = plan_of(mixture, seed=1)
    assert any((other.batch(step).pairs != batches[step].pairs).any() for step in range(3))


def test_a_far_step_is_reached(mixture):
    assert plan_of(mixture).batch(500_000).step == 500_000


def test_explicit_negatives_are_drawn_without_replacement(tmp_path):
    lists = [[5, 6, 7, 8, 9], [5, 6], [], [6, 7, 8]]
    pairs = [(row, row, row, negatives) for row, negatives in enumerate(lists)]
    mixture = Mixture([make_store(tmp_path / "store", parallel(10, 2), pairs=pairs)])
    plan = plan_of(mixture, negatives=3, global_batch=4)
    drawn = collections.Counter()
    for step in range(STEPS):
        batch = plan.batch(step)
        for pair, negatives in zip(batch.pairs, batch.negatives, strict=True):
            present = negatives[negatives >= 0].tolist()
            assert len(present) == min(3, len(lists[pair])) == len(set(present))
            assert set(present) <= set(lists[pair])
            if pair == 0:
                drawn.update(present)
    assert_shares(drawn, dict.fromkeys(range(5, 10), 1 / 5))
    assert plan_of(mixture).batch(0).negatives.shape == (8, 0)


def test_negatives_are_drawn_from_those_that_exist_in_the_passages_language(tmp_path):
    passages = parallel(10, 2)
    passages[4:8, 0] = False
    passages[8, 1] = False
    pairs = [(row, row, row, [4, 5, 6, 7, 8, 9] if row % 2 else [4, 5]) for row in range(4)]
    mixture = Mixture([make_store(tmp_path / "store", parallel(4, 2), passages, pairs=pairs)])
    plan = plan_of(mixture, negatives=2, global_batch=4, batching="x-x")
    for step in range(50):
        batch = plan.batch(step)
        for pair, language, negatives in zip(batch.pairs, batch.passage_language, batch.negatives, strict=True):
            there = [row for row in pairs[pair][3] if passages[row, language]]
            assert sorted(negatives[negatives >= 0].tolist()) == (there if len(there) <= 2 else sorted(negatives))
            assert set(negatives.tolist()) <= {*there, -1}


def test_epochs_are_counted_over_the_pairs_of_all_stores(mixture):
    assert mixture.sizes.sum() == 110
    assert plan_of(mixture, global_batch=12).steps_of(2) == 19  # 220 / 12, rounded up
    assert plan_of(mixture, global_batch=12).steps_of(0.01) == 1
    assert plan_of(mixture, global_batch=12, batching="joint", joint_languages=3).steps_of(1) == 28


def test_negatives_that_no_store_has_are_an_error_and_each_stores_are_counted(mixture, tmp_path):
    plan = plan_of(mixture, negatives=2)
    with pytest.raises(
        InputError, match=r"--negatives=2 asks .* no store of --stores has any \(.*parallel, .*single\)"
    ):
        plan.check_negatives()
    plan_of(mixture).check_negatives()
    pairs = [(row, row, row, [0] * (row < 3)) for row in range(10)]
    some = make_store(tmp_path / "some", parallel(10, 2), pairs=pairs, name="some")
    plan = plan_of(Mixture([some, mixture.stores[0]]), negatives=2)
    plan.check_negatives()
    lines = describe(plan)
    assert "--negatives=2: 3 of the 10 pairs of some/train have explicit negatives" in lines
    assert "--negatives=2: 0 of the 60 pairs of parallel/train have explicit negatives" in lines
    assert not [line for line in describe(plan_of(Mixture([some]))) if "negatives" in line]


def test_stores_of_one_name_are_told_apart_by_their_folders(mixture, tmp_path):
    twin = make_store(tmp_path / "twin", parallel(30, 4), name="parallel")
    plan = plan_of(Mixture([mixture.stores[0], twin, mixture.stores[1]]))
    audit = Audit(plan)
    for step in range(60):
        audit.add(plan.batch(step))
    drawn = collections.Counter(plan.choice(step).store for step in range(60))
    for store in range(3):
        assert sum(n for (_, at), n in audit.stores.items() if at == store) == drawn[store] > 0
    for lines in (describe(plan), audit.lines()):
        text = "\n".join(lines)
        assert f"parallel/train ({twin.path})" in text
        assert f"parallel/train ({mixture.stores[0].path})" in text
        assert "gaps/train" in text
        assert "gaps/train (" not in text


def test_a_kind_that_no_store_can_serve_is_an_error(mixture):
    single = Mixture(mixture.stores[2:])
    with pytest.raises(InputError) as error:
        plan_of(single)
    message = str(error.value)
    assert "--batching=hybrid wants x-y batches, but no store of --stores has" in message
    assert "20 pairs in en" in message
    assert "--mono_probability (now 0.5)" in message
    plan_of(single, mono_probability=1.0)
    with pytest.raises(InputError, match="--batching=x-y wants x-y batches"):
        plan_of(single, batching="x-y")


def test_unusual_stores_and_kinds_are_reported_at_start(mixture):
    lines = "\n".join(describe(plan_of(mixture, global_batch=24)))
    assert "x-x-mono: 50.0% of batches\n  parallel/train: 54.5% of them, 4 languages, 60 of 60 pairs" in lines
    assert "single/train has one language (en) and serves monolingual batches only, 9.1% of all" in lines
    assert "single/train has fewer pairs than --global_batch=24 (en 20): a batch of them repeats pairs" in lines
    assert "parallel/train has" not in lines
    cross = "\n".join(describe(plan_of(mixture, batching="x-y")))
    assert "single/train can serve none of these kinds and is never drawn" in cross


def test_the_audit_counts_what_was_drawn(mixture):
    plan = plan_of(mixture, global_batch=24)
    audit = Audit(plan)
    for step in range(100):
        audit.add(plan.batch(step))
    assert sum(audit.kinds.values()) == 100
    assert sum(audit.language_pairs.values()) == sum(audit.query_languages.values()) == 2400
    assert audit.mono_languages.total() == audit.kinds[MONO]
    assert audit.repeated_pairs > 0  # 24 from the 20 pairs in one language
    text = "\n".join(audit.lines())
    assert "realised in 100 steps, 2,400 pairs" in text
    assert "language pairs (query-passage), the first" in text
    assert "x-y parallel/train" in text


def test_the_command_prints_realised_shares(mixture, tmp_path):
    flagfile = tmp_path / "some.flags"
    flagfile.write_text(f"--stores={','.join(str(store.path) for store in mixture.stores)}\n--global_batch=16\n")
    command = [sys.executable, "-m", "hbt_jax.data.audit", f"--flagfile={flagfile}", "--steps=20"]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert "realised in 20 steps, 320 pairs" in done.stdout
    bad = subprocess.run([*command, "--stores=nowhere"], cwd=ROOT, capture_output=True, text=True, check=False)
    assert bad.returncode == 2
    assert bad.stderr.startswith("error: store nowhere: no such folder")

"""Joint batches: each pair in several languages at once, whose passages the masks know as one."""

import collections

import numpy as np
import pytest

from hbt_jax.config.learning import PlanConfig
from hbt_jax.data.audit import describe
from hbt_jax.data.mixture import Mixture
from hbt_jax.data.pipeline import packed_batch
from hbt_jax.data.plan import Plan
from hbt_jax.errors import InputError
from hbt_jax.training.losses import masked_columns
from tests.data.make_stores import make_store, parallel
from tests.data.test_pipeline import TEXT, TOKENIZER, share_texts, wanted_texts
from tests.data.test_plan import assert_shares, assert_texts_exist


@pytest.fixture(scope="module")
def mixture(tmp_path_factory) -> Mixture:
    """A parallel store in 4 languages, one with gaps, one in one language."""
    folder = tmp_path_factory.mktemp("stores")
    gaps = np.random.default_rng(1).random((2, 30, 3)) < 0.6
    gaps[:, :, 0] |= ~gaps.any(2)
    return Mixture([
        make_store(folder / "parallel", parallel(60, 4), name="parallel"),
        make_store(folder / "gaps", *gaps, name="gaps"),
        make_store(folder / "single", parallel(20, 1), name="single", languages=("en",)),
    ])  # fmt: skip


def joint(mixture: Mixture, seed: int = 0, **settings) -> Plan:
    given = {"global_batch": 12, "joint_languages": 3, **settings}
    return Plan(mixture, PlanConfig(batching="joint", **given), seed)


def test_a_pair_stands_in_consecutive_places_in_different_languages(mixture):
    plan, drawn, kinds = joint(mixture), collections.Counter(), set()
    for step in range(600):
        batch = plan.batch(step)
        assert_texts_exist(mixture, batch)
        kinds.add((batch.kind, batch.store))
        pairs = batch.pairs.reshape(4, 3)
        assert (pairs == pairs[:, :1]).all()
        if batch.store == 0:
            sides = [language.reshape(4, 3) for language in (batch.query_language, batch.passage_language)]
            assert all(len(set(of_pair)) == 3 for side in sides for of_pair in side.tolist())
            drawn.update(zip(sides[0][:, 0].tolist(), sides[1][:, 0].tolist(), strict=True))
    assert kinds == {("joint", 0), ("joint", 1)}  # one language cannot serve it
    assert_shares(drawn, {(one, other): 1 / 16 for one in range(4) for other in range(4)})


def test_languages_are_repeated_where_a_pair_has_fewer(mixture):
    plan, few = joint(mixture), 0
    for step in range(300):
        batch = plan.batch(step)
        if batch.store == 1:
            store = mixture.stores[1]
            for pair, languages in zip(batch.pairs[::3], batch.passage_language.reshape(4, 3), strict=True):
                there = int(store.passages.available[store.pairs.passage_A[pair]]).bit_count()
                assert len(set(languages.tolist())) == min(3, there)
                few += there < 3
    assert few


def test_every_pair_comes_once_an_epoch(mixture):
    plan = joint(mixture)
    batches = (plan.batch(step) for step in range(100))
    pairs = np.concatenate([batch.pairs[::3] for batch in batches if batch.store == 0])
    assert sorted(pairs[:60].tolist()) == list(range(60))


def test_a_batch_is_a_function_of_seed_and_step(mixture):
    one, other = joint(mixture).batch(7), joint(mixture).batch(7)
    np.testing.assert_array_equal(one.passage_language, other.passage_language)
    assert (one.query_language != joint(mixture, seed=1).batch(7).query_language).any()


@pytest.mark.parametrize("shares", [1, 4])
def test_packed_texts_are_the_plans_and_translations_are_masked(mixture, shares):
    plan = joint(mixture)
    packed = packed_batch(plan, TEXT, TOKENIZER, 3, range(shares), shares)
    queries, positives, _ = wanted_texts(plan, 3)
    masked, found = [], {"query_slots": [], "passage_slots": []}
    for share in range(shares):
        for name, texts in found.items():
            texts += share_texts(packed, share, packed[name][share])
        masked.append(np.asarray(masked_columns(packed["masked"][share], 12)))
    assert (found["query_slots"], found["passage_slots"]) == (queries, positives)
    pair_B = plan.batch(3).pairs
    assert len(set(pair_B.tolist())) == 4
    np.testing.assert_array_equal(np.concatenate(masked), (pair_B[:, None] == pair_B) & ~np.eye(12, dtype=bool))


def test_what_cannot_be_split_is_refused(mixture):
    with pytest.raises(InputError, match="--global_batch=10 is no multiple of --joint_languages=3: expected one"):
        joint(mixture, global_batch=10)
    with pytest.raises(InputError, match="=12 gives each of 6 devices 2 pairs: expected a multiple of --joint_lang"):
        packed_batch(joint(mixture), TEXT, TOKENIZER, 0, range(6), 6)
    with pytest.raises(InputError, match="--batching=joint wants joint batches, but no store of --stores has a pair"):
        joint(Mixture(mixture.stores[2:]))


def test_what_a_run_prints_of_it(mixture):
    lines = describe(joint(mixture))
    assert lines[0] == "joint: 100.0% of batches"
    assert any("single/train can serve none of these kinds" in line for line in lines)

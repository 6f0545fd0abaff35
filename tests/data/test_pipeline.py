"""The pipeline: packed batches hold the plan's texts, the same for any number of hosts; errors come out as they are."""

import dataclasses
import os
import signal

import numpy as np
import pytest

from hbt_jax.config.learning import PlanConfig, TextConfig
from hbt_jax.data.mixture import Mixture
from hbt_jax.data.pipeline import NAMES, batches, packed_batch, signals_held_back
from hbt_jax.data.plan import Plan
from hbt_jax.errors import InputError
from hbt_jax.training import losses
from tests.data.make_stores import SpecialTokens, make_store, text

TEXT = TextConfig("query: ", "passage: ", query_length=9, passage_length=10, row_length=32, row_segments=6)
TOKENIZER = SpecialTokens()
DEVICES = 8


@pytest.fixture(scope="module")
def plan(tmp_path_factory) -> Plan:
    """Two stores with gaps and explicit negatives; hybrid batches of 16 pairs with 2 negatives each."""
    folder = tmp_path_factory.mktemp("stores")
    stores = []
    for seed, rows in ((0, 40), (1, 25)):
        generator = np.random.default_rng(seed)
        exists = generator.random((2, rows, 4)) < 0.7
        exists[:, :, 0] |= ~exists.any(2)
        negatives = [generator.integers(0, rows, row % 4).tolist() for row in range(rows)]
        pairs = [(row, (row * 7) % rows, row // 2, negatives[row]) for row in range(rows)]
        stores.append(make_store(folder / str(seed), *exists, pairs=pairs, name=f"store{seed}"))
    return Plan(Mixture(stores), PlanConfig(global_batch=16, negatives=2), seed=3)


def share_texts(packed: dict, share: int, slots: np.ndarray, text_config: TextConfig = TEXT) -> list[list[int]]:
    """The tokens at slots of a share, with their positions checked."""
    found = []
    for row, segment in zip(slots // text_config.segments, slots % text_config.segments + 1, strict=True):
        inside = packed["segments"][share, row] == segment
        assert packed["positions"][share, row][inside].tolist() == list(range(inside.sum()))
        found.append(packed["tokens"][share, row][inside].tolist())
    return found


def wanted_texts(plan: Plan, step: int) -> tuple[list, list, list]:
    """What the plan's texts look like when written out one by one: queries, positives, negatives (None if absent)."""
    batch = plan.batch(step)
    store = plan.mixture.stores[batch.store]
    queries, positives, negatives = [], [], []
    available = store.passages.available
    for i, pair in enumerate(batch.pairs):
        language = int(batch.passage_language[i])
        query = text("queries", int(batch.query_language[i]), int(store.pairs.query_A[pair]))
        queries.append([1, 10, *query[:6], 2])
        positives.append([1, 20, 21, *text("passages", language, int(store.pairs.passage_A[pair]))[:6], 2])
        for row in batch.negatives[i].tolist():
            there = row >= 0 and int(available[row]) >> language & 1
            negatives.append([1, 20, 21, *text("passages", language, row)[:6], 2] if there else None)
    return queries, positives, negatives


@pytest.mark.parametrize("step", range(6))
def test_a_packed_batch_holds_the_plans_texts(plan, step):
    packed = packed_batch(plan, TEXT, TOKENIZER, step, range(2), 2)
    queries, positives, negatives = wanted_texts(plan, step)
    for share, (first, last) in enumerate(((0, 8), (8, 16))):
        slots = packed["passage_slots"][share]
        assert share_texts(packed, share, packed["query_slots"][share]) == queries[first:last]
        assert share_texts(packed, share, slots[:8]) == positives[first:last]
        for k, negative in enumerate(negatives[2 * first : 2 * last]):
            if negative is None:
                assert slots[8 + k] == 0
                assert masked_columns(packed)[:, share * 24 + 8 + k].all()
            else:
                assert share_texts(packed, share, slots[8 + k : 9 + k]) == [negative]
    present = sum(negative is not None for negative in negatives)
    assert 0 < present < len(negatives)
    absent = [sum(negative is None for negative in part) for part in (negatives[:16], negatives[16:])]
    assert packed["absent_negatives"].tolist() == absent
    kept = sum(map(len, queries + positives + [negative for negative in negatives if negative]))
    assert np.count_nonzero(packed["segments"]) == kept  # and nothing else


def masked_columns(packed: dict) -> np.ndarray:
    """bool [B, C], as the loss reads the masks of all shares."""
    masked = packed["masked"].reshape(-1, packed["masked"].shape[2])
    return np.asarray(losses.masked_columns(masked, packed["passage_slots"].size))


def wanted_masks(plan: Plan, step: int) -> np.ndarray:
    """bool [B, B + B*K], by the definition, positives first; from the pair table alone."""
    batch = plan.batch(step)
    table = plan.mixture.stores[batch.store].pairs
    available = plan.mixture.stores[batch.store].passages.available
    columns = table.passage_A[batch.pairs].tolist()
    for language, rows in zip(batch.passage_language.tolist(), batch.negatives.tolist(), strict=True):
        columns += [row if row >= 0 and int(available[row]) >> language & 1 else -1 for row in rows]
    answered, groups = {}, ({}, {})
    for query, passage, group in zip(
        *(c.tolist() for c in (table.query_A, table.passage_A, table.group_A)), strict=True
    ):
        answered.setdefault(query, set()).add(passage)
        groups[0].setdefault(query, set()).add(group)
        groups[1].setdefault(passage, set()).add(group)

    def alike(query, passage):
        return passage in answered[query] or not groups[0][query].isdisjoint(groups[1].get(passage, ()))

    return np.array([
        [passage < 0 or (column != row and alike(query, passage)) for column, passage in enumerate(columns)]
        for row, query in enumerate(table.query_A[batch.pairs].tolist())
    ])  # fmt: skip


@pytest.mark.parametrize("shares", [1, 2, 8])
@pytest.mark.parametrize("step", range(4))
def test_masks_are_those_of_the_definition_on_any_number_of_devices(plan, step, shares):
    packed = packed_batch(plan, TEXT, TOKENIZER, step, range(shares), shares)
    wanted, b = wanted_masks(plan, step), 16 // shares
    order = [[*range(p * b, p * b + b), *range(16 + 2 * p * b, 16 + 2 * (p + 1) * b)] for p in range(shares)]
    wanted = wanted[:, np.concatenate(order)]
    np.testing.assert_array_equal(masked_columns(packed), wanted)
    absent = wanted.all(axis=0)
    false_negatives = (wanted & ~absent).reshape(shares, -1).sum(axis=1)
    assert packed["false_negatives"].tolist() == false_negatives.tolist()
    assert false_negatives.sum() > 5


def test_padding_is_one_segment_a_row_with_the_same_texts(plan):
    padded_text = dataclasses.replace(TEXT, row_segments=1)
    packed = packed_batch(plan, TEXT, TOKENIZER, 2, range(1), 1)
    padded = packed_batch(plan, padded_text, TOKENIZER, 2, range(1), 1)
    assert padded["segments"].max() == 1
    assert padded["tokens"].shape[1] > packed["tokens"].shape[1]
    for name in ("query_slots", "passage_slots"):
        present = slice(0, 16)
        one = share_texts(packed, 0, packed[name][0, present])
        other = share_texts(padded, 0, padded[name][0, present], padded_text)
        assert one == other
    for name in NAMES[5:]:
        np.testing.assert_array_equal(packed[name], padded[name])


def test_cut_texts_are_counted(plan):
    batch = plan.batch(1)
    store = plan.mixture.stores[batch.store]
    queries, positives, negatives = wanted_texts(plan, 1)
    whole = TextConfig("query: ", "passage: ", query_length=20, passage_length=20, row_length=32)
    assert packed_batch(plan, whole, TOKENIZER, 1, range(1), 1)["truncated"].tolist() == [0]
    cut = sum(
        len(text(side, int(language), int(row))) > 6
        for side, languages, rows in (
            ("queries", batch.query_language, store.pairs.query_A[batch.pairs]),
            ("passages", batch.passage_language, store.pairs.passage_A[batch.pairs]),
        )
        for language, row in zip(languages, rows, strict=True)
    )
    assert cut > 0
    without = dataclasses.replace(plan.config, negatives=0)
    alone = Plan(plan.mixture, without, plan.seed)
    assert packed_batch(alone, TEXT, TOKENIZER, 1, range(1), 1)["truncated"].tolist() == [cut]


@pytest.mark.parametrize("batching", ["hybrid", "x-x-mono", "x-x", "x-y"])
@pytest.mark.parametrize("hosts", [1, 2, 4, 8])
def test_any_number_of_hosts_hold_the_same_global_batch(plan, hosts, batching):
    per_host = DEVICES // hosts
    plan = Plan(plan.mixture, dataclasses.replace(plan.config, batching=batching), plan.seed)
    for step in (0, 7):
        everything = packed_batch(plan, TEXT, TOKENIZER, step, range(DEVICES), DEVICES)
        parts = [
            packed_batch(plan, TEXT, TOKENIZER, step, range(host * per_host, (host + 1) * per_host), DEVICES)
            for host in range(hosts)
        ]
        for name in NAMES:
            np.testing.assert_array_equal(np.concatenate([part[name] for part in parts]), everything[name])


def test_the_number_of_devices_does_not_change_the_global_batch(plan):
    for devices in (1, 2, 8):
        packed = packed_batch(plan, TEXT, TOKENIZER, 5, range(devices), devices)
        queries = [one for share in range(devices) for one in share_texts(packed, share, packed["query_slots"][share])]
        assert queries == wanted_texts(plan, 5)[0]


@pytest.mark.parametrize("threads", [1, 4])
def test_tf_data_gives_the_same_batches_in_order(plan, threads):
    made = list(batches(plan, TEXT, TOKENIZER, start=3, stop=11, shares=[2, 3], share_count=4,
                        threads=threads))  # fmt: skip
    assert len(made) == 8
    for step, batch in enumerate(made, start=3):
        wanted = packed_batch(plan, TEXT, TOKENIZER, step, [2, 3], 4)
        assert set(batch) == set(wanted) == set(NAMES)
        for name in NAMES:
            assert batch[name].dtype == np.int32
            np.testing.assert_array_equal(batch[name], wanted[name])


def test_batches_never_end_without_a_last_step(plan):
    endless = batches(plan, TEXT, TOKENIZER, start=0, stop=None, shares=[0], share_count=1)
    assert [next(endless)["tokens"].shape[0] for _ in range(5)] == [1] * 5


def test_an_uneven_split_names_the_flags(plan):
    with pytest.raises(InputError, match="--global_batch=16 cannot be split evenly over 3 .*--mesh_data x --mesh_fsdp"):
        batches(plan, TEXT, TOKENIZER, start=0, stop=1, shares=[0], share_count=3)


@pytest.mark.parametrize("kind", [InputError, ZeroDivisionError])
def test_an_error_in_a_worker_comes_out_as_it_is(plan, monkeypatch, kind):
    def broken(_):
        raise kind("the disk has gone")

    made = batches(plan, TEXT, TOKENIZER, start=0, stop=4, shares=[0], share_count=1)
    monkeypatch.setattr(plan, "batch", broken)
    with pytest.raises(kind, match="^the disk has gone$"):
        list(made)


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_signals_wait_for_the_end_of_an_import(number):
    came = []
    before = signal.signal(number, lambda *_: came.append("handled"))
    try:
        with signals_held_back():
            os.kill(os.getpid(), number)
            came.append("imported")
        assert came == ["imported", "handled"]
    finally:
        signal.signal(number, before)

"""Plan scheme 2, written down: an update of numpy, or of this code, that gives another batch fails here.

If a change of the plan is meant, raise PLAN_SCHEME and write the new numbers down: running this file prints them.
"""

import dataclasses

import numpy as np
import pytest

from hbt_jax.config.learning import PlanConfig
from hbt_jax.data.mixture import CROSS, MONO, Mixture
from hbt_jax.data.plan import PLAN_SCHEME, BatchPlan, Plan
from tests.data.make_stores import make_store
from tests.data.slow_plan import SlowPlan, SlowStore

_GAPS = ["ar de", "de", "ar en", "ar de en", "en de", "ar", "de en", "ar de en", "en", "ar en", "ar de", "de en"]
STORES = {  # languages; which of them each query has, and each passage; pairs
    "parallel": (("ar", "de", "en", "es"), ["ar de en es"] * 10, ["ar de en es"] * 14,
                 [(row, row, [(row + k) % 14 for k in range(1, row % 5 + 1)]) for row in range(10)]),
    "gaps": (("ar", "de", "en"), _GAPS, _GAPS[3:] + _GAPS[:3], [(row, row, [11 - row, 5, 0]) for row in range(12)]),
    "single": (("en",), ["en"] * 5, ["en"] * 5, [(row, row, []) for row in range(5)]),
}  # fmt: skip
CONFIG = PlanConfig(global_batch=5, negatives=2, mono_probability=0.5, size_exponent=1.0)
SEED = 7
SAME_LANGUAGE = dataclasses.replace(CONFIG, batching="x-x", size_exponent=0.0)
HYBRID_STEPS, SAME_STEPS = (0, 1, 2, 3, 4, 5, 40, 65_535, 65_536, 70_003), (0, 1, 2)


@pytest.fixture(scope="module")
def mixture(tmp_path_factory) -> Mixture:
    return opened(tmp_path_factory.mktemp("stores"))


def opened(folder) -> Mixture:
    """The stores on disk."""
    stores = []
    for name, (codes, queries, passages, pairs) in STORES.items():
        sides = [np.array([[code in text.split() for code in codes] for text in side]) for side in (queries, passages)]
        table = [(query, passage, row, negatives) for row, (query, passage, negatives) in enumerate(pairs)]
        stores.append(make_store(folder / name, *sides, pairs=table, languages=codes, name=name))
    return Mixture(stores)


def slow_stores() -> list[SlowStore]:
    """The same as plain lists."""
    return [
        SlowStore(
            len(codes), *([{codes.index(code) for code in text.split()} for text in side] for side in sides), pairs
        )
        for codes, *sides, pairs in STORES.values()
    ]


def plain(batch: BatchPlan) -> tuple:
    """A batch as Python's numbers."""
    arrays = (batch.pairs, batch.query_language, batch.passage_language, batch.negatives)
    return batch.kind, batch.store, *(np.asarray(array).tolist() for array in arrays)


def test_the_scheme_is_the_one_written_down_here():
    assert PLAN_SCHEME == 2


def test_batches_are_those_written_down(mixture):
    plan = Plan(mixture, CONFIG, SEED)
    assert {step: plain(plan.batch(step)) for step in HYBRID_STEPS} == HYBRID
    plan = Plan(mixture, SAME_LANGUAGE, SEED)
    assert {step: plain(plan.batch(step)) for step in SAME_STEPS} == SAME


@pytest.mark.parametrize("config", [CONFIG, SAME_LANGUAGE], ids=["hybrid", "x-x"])
@pytest.mark.parametrize("seed", [SEED, 2**31 - 1])
def test_batches_are_those_of_a_plan_in_plain_python(mixture, config, seed):
    plan, slow = Plan(mixture, config, seed), SlowPlan(slow_stores(), config, seed)
    for step in (*range(40), 3000, *([65_535, 65_540] if seed == SEED else [])):  # in the next chunk, too
        assert plain(plan.batch(step)) == plain(slow.batch(step)), step
    kinds = {plan.choice(step).kind for step in range(40)}
    assert kinds == {"x-x"} or kinds == {MONO, CROSS}


HYBRID = {
    0: ("x-y", 1, [1, 11, 0, 4, 10], [1, 1, 0, 1, 0], [2, 2, 1, 2, 1], [[5, 0], [5, 0], [0, -1], [5, 0], [1, 0]]),
    1: ("x-x-mono", 1, [7, 2, 0, 9, 9], [0, 0, 0, 0, 0], [0, 0, 0, 0, 0], [[4, 0], [9, 0], [11, 0], [2, 0], [2, 0]]),
    2: ("x-x-mono", 1, [7, 4, 10, 1, 3], [1, 1, 1, 1, 1], [1, 1, 1, 1, 1], [[4, 0], [7, 0], [1, 0], [10, 0], [8, 0]]),
    3: ("x-x-mono", 1, [4, 6, 11, 3, 8], [2, 2, 2, 2, 2], [2, 2, 2, 2, 2], [[5, 0], [5, 0], [5, 0], [8, 5], [5, 0]]),
    4: (
        "x-x-mono",
        0,
        [6, 5, 9, 1, 8],
        [0, 0, 0, 0, 0],
        [0, 0, 0, 0, 0],
        [[7, -1], [-1, -1], [10, 11], [2, -1], [9, 11]],
    ),
    5: ("x-y", 0, [2, 0, 4, 3, 7], [2, 1, 2, 3, 3], [1, 3, 1, 2, 1], [[3, 4], [-1, -1], [6, 5], [4, 6], [8, 9]]),
    40: ("x-y", 0, [5, 7, 6, 1, 3], [3, 1, 3, 0, 3], [2, 3, 1, 1, 2], [[-1, -1], [8, 9], [7, -1], [2, -1], [5, 6]]),
    65535: ("x-y", 1, [6, 1, 9, 2, 2], [1, 1, 2, 2, 2], [0, 2, 1, 0, 0], [[0, -1], [5, 0], [0, -1], [9, 0], [9, 0]]),
    65536: (
        "x-x-mono",
        1,
        [3, 6, 4, 11, 8],
        [2, 2, 2, 2, 2],
        [2, 2, 2, 2, 2],
        [[5, 8], [5, 5], [5, 0], [5, 0], [3, 0]],
    ),
    70003: (
        "x-x-mono",
        0,
        [9, 7, 8, 6, 5],
        [1, 1, 1, 1, 1],
        [1, 1, 1, 1, 1],
        [[10, 12], [8, 9], [9, 11], [7, -1], [-1, -1]],
    ),
}
SAME = {
    0: (
        "x-x",
        2,
        [4, 3, 0, 1, 2],
        [0, 0, 0, 0, 0],
        [0, 0, 0, 0, 0],
        [[-1, -1], [-1, -1], [-1, -1], [-1, -1], [-1, -1]],
    ),
    1: ("x-x", 1, [7, 10, 6, 8, 11], [1, 1, 2, 2, 2], [1, 1, 2, 2, 2], [[4, 0], [1, 0], [5, 0], [5, 0], [0, 0]]),
    2: ("x-x", 1, [2, 3, 1, 4, 9], [0, 1, 1, 1, 0], [0, 1, 1, 1, 0], [[9, 0], [8, 0], [10, 0], [7, 0], [2, 0]]),
}


if __name__ == "__main__":
    import pathlib
    import tempfile

    with tempfile.TemporaryDirectory() as temporary:
        made = opened(pathlib.Path(temporary))
        for title, config, steps in (("HYBRID", CONFIG, HYBRID_STEPS), ("SAME", SAME_LANGUAGE, SAME_STEPS)):
            plan = Plan(made, config, SEED)
            print(f"{title} = {{")
            for step in steps:
                print(f"    {step}: {plain(plan.batch(step))},")
            print("}")

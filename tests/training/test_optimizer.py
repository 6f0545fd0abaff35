"""Warm-up as a fraction of the run, and learning rates by group."""

import jax
import numpy as np
import optax
import pytest
from flax import nnx

from hbt_jax.config.learning import LearningConfig
from hbt_jax.errors import InputError
from hbt_jax.training.optimizer import learning_rate
from tests.training import toy


def changes(config: LearningConfig) -> dict[tuple, np.ndarray]:
    """What one update adds to each parameter of the toy encoder, if every gradient is 1."""
    step_config = toy.step_config(learning=config)
    parameters = step_config.initial_state().parameters
    optimizer = step_config.make_optimizer()
    gradients = jax.tree.map(np.ones_like, parameters)
    found, _ = optimizer.update(gradients, optimizer.init(parameters), parameters)
    assert jax.tree.structure(optax.apply_updates(parameters, found)) == jax.tree.structure(parameters)
    return {path: np.asarray(leaf[...]) for path, leaf in nnx.to_flat_state(found)}


def test_the_ratio_of_warm_up_is_of_the_whole_run():
    by_ratio, by_steps = (
        learning_rate(LearningConfig(learning_rate=1.0, **given), 110)
        for given in ({"warmup_ratio": 0.1}, {"warmup_steps": 11})
    )
    assert [float(by_ratio(step)) for step in range(110)] == [float(by_steps(step)) for step in range(110)]
    assert float(by_ratio(11)) == 1.0
    with pytest.raises(InputError, match="--warmup_steps=3 --warmup_ratio=0.1: both set"):
        LearningConfig(warmup_steps=3, warmup_ratio=0.1)


@pytest.mark.parametrize(
    ("given", "embeddings", "lowest"),
    [({"layer_decay": 0.5}, 0.25, 0.5), ({"layer_decay": 0.5, "embedding_learning_rate": 1e-2}, 10.0, 0.5),
     ({"embedding_learning_rate": 1e-4}, 0.1, 1.0)],
)  # fmt: skip
def test_each_group_changes_as_its_own_learning_rate_would_change_it(given, embeddings, lowest):
    alike = {"learning_rate": 1e-3, "weight_decay": 0.1, "schedule": "constant", "clip_norm": 0.0}
    plain, grouped = changes(LearningConfig(**alike)), changes(LearningConfig(**alike, **given))
    factors = {"token_table": embeddings, "embedding_norm": embeddings, "position_table": embeddings}
    for path, change in plain.items():
        factor = {0: lowest, 1: 1.0}[path[1]] if path[0] == "layers" else factors[path[0]]
        np.testing.assert_allclose(grouped[path], factor * change, rtol=1e-5)
    assert {path[0] for path in plain} == {*factors, "layers"}

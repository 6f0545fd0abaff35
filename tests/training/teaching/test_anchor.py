"""The anchor's loss by brute force, on one device and on many; its flags and messages."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from hbt_jax.config.learning import TeachingConfig
from hbt_jax.config.training import TrainConfig
from hbt_jax.errors import InputError
from hbt_jax.mesh import make_mesh, put_batch
from hbt_jax.mining.guide import AnchorModel
from hbt_jax.training import step as steps
from hbt_jax.training.teaching.anchor import anchored
from tests.data.make_stores import make_store
from tests.training import toy

PAIRS = 16


def anchors(shares: int, width: int) -> dict[str, np.ndarray]:
    """Random vectors of the toy batch's texts; query 3 and passages 0 and 5 have none."""
    rng = np.random.default_rng(0)
    query, passage = rng.standard_normal((2, PAIRS, width)).astype(np.float32)
    query[3] = passage[0] = passage[5] = 0
    return {name: array.reshape(shares, PAIRS // shares, width) for name, array in
            (("anchor_queries", query), ("anchor_passages", passage))}  # fmt: skip


def test_the_loss_is_the_mean_over_texts_with_an_anchor():
    rng = np.random.default_rng(1)
    texts, given = rng.standard_normal((2, 1, PAIRS, 8)).astype(np.float32), anchors(1, 8)
    lost = [
        1 - own @ anchor / np.linalg.norm(own) / np.linalg.norm(anchor)
        for side, name in zip(texts, given, strict=True)
        for own, anchor in zip(side[0], given[name][0], strict=True)
        if anchor.any()
    ]
    assert len(lost) == 2 * PAIRS - 3
    assert float(anchored(*map(jnp.asarray, texts), given)) == pytest.approx(np.mean(lost), rel=1e-5)
    nothing = jax.tree.map(np.zeros_like, given)
    assert float(anchored(*map(jnp.asarray, texts), nothing)) == 0


def test_the_update_adds_it_and_says_how_many_texts_have_an_anchor():
    plain, teaching = toy.step_config(), TeachingConfig(anchor_model="frozen", anchor_weight=3.0)
    config, found = toy.step_config(teaching=teaching), []
    width = config.encoder.embedding_width
    for shares in (1, 8):
        mesh, batch = make_mesh(shares, 1, jax.devices()[:shares]), toy.batch(0, shares)
        state = steps.sharded_initial_state(config, mesh)
        _, without = steps.make_train_step(plain, mesh)(
            steps.sharded_initial_state(plain, mesh), put_batch(batch, mesh)
        )
        update, given = steps.make_train_step(config, mesh), put_batch(batch | anchors(shares, width), mesh)
        state, first = update(state, given)
        for _ in range(5):
            state, last = update(state, given)
        assert "anchored" not in without and float(first["anchored"]) == pytest.approx((2 * PAIRS - 3) / (2 * PAIRS))
        assert 1.0 < float(first["loss"] - without["loss"]) < 5.0  # 3 x 1 - cosine with random vectors
        assert float(last["loss"]) < float(first["loss"])
        found.append((float(first["loss"]), float(first["gradient_norm"])))
    np.testing.assert_allclose(found[1], found[0], rtol=1e-5)


@pytest.mark.parametrize("flags", [{"anchor_weight": 1.0}, {"anchor_language": "de"}])
def test_flags_that_need_another(flags):
    with pytest.raises(InputError, match=f"--{next(iter(flags))}=.* needs --anchor_model"):
        TeachingConfig(**flags)


def test_a_store_without_the_language_is_named(tmp_path):
    store = make_store(tmp_path / "pairs", np.ones((3, 2), bool))
    config = TrainConfig(teaching=TeachingConfig(anchor_model="frozen", anchor_language="sw"))
    with pytest.raises(InputError, match=r"--anchor_language=sw: store .*pairs has no text in it: expected one of "):
        AnchorModel(config, lambda: None)([store], None, 8)

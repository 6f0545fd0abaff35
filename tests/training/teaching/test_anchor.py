"""The anchor's loss by brute force, on one device and on many; its flags and messages."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from hbt_jax.config.devices import MemoryConfig
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


def first_update(weight: float, axes: tuple[int, int], chunk: int = 0) -> dict[str, float]:
    """Metrics of the first update on a mesh; without anchors if `weight` is 0."""
    teaching = TeachingConfig(anchor_model="frozen", anchor_weight=weight) if weight else TeachingConfig()
    config = toy.step_config(teaching=teaching, memory=MemoryConfig(encode_chunk=chunk))
    shares = axes[0] * axes[1]
    mesh = make_mesh(*axes, jax.devices()[:shares])
    batch = toy.batch(0, shares) | (anchors(shares, config.encoder.embedding_width) if weight else {})
    update = steps.make_train_step(config, mesh)
    return jax.tree.map(float, update(steps.sharded_initial_state(config, mesh), put_batch(batch, mesh))[1])


def test_the_update_adds_it_with_its_weight_and_says_how_many_texts_have_an_anchor():
    plain, once, thrice = (first_update(weight, (1, 1)) for weight in (0.0, 1.0, 3.0))
    assert "anchored" not in plain and once["anchored"] == pytest.approx((2 * PAIRS - 3) / (2 * PAIRS))
    added = once["loss"] - plain["loss"]
    assert 0.5 < added < 1.5  # 1 - cosine with random vectors
    assert thrice["loss"] - plain["loss"] == pytest.approx(3 * added, rel=1e-4)
    assert once["gradient_norm"] != pytest.approx(plain["gradient_norm"], rel=1e-3)
    split = first_update(3.0, (4, 2), chunk=1)
    for name in ("loss", "gradient_norm", "anchored"):
        assert split[name] == pytest.approx(thrice[name], rel=1e-5), name


@pytest.mark.parametrize("flags", [{"anchor_weight": 1.0}, {"anchor_language": "de"}])
def test_flags_that_need_another(flags):
    with pytest.raises(InputError, match=f"--{next(iter(flags))}=.* needs --anchor_model"):
        TeachingConfig(**flags)


def test_a_store_without_the_language_is_named(tmp_path):
    store = make_store(tmp_path / "pairs", np.ones((3, 2), bool))
    config = TrainConfig(teaching=TeachingConfig(anchor_model="frozen", anchor_language="sw"))
    with pytest.raises(InputError, match=r"--anchor_language=sw: store .*pairs has no text in it: expected one of "):
        AnchorModel(config, lambda: None)([store], None, 8)

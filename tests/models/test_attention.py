"""Every form of attention gives the same, element by element; kernels for TPU run here as plain JAX."""

from types import SimpleNamespace

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from flax import nnx

from hbt_jax.errors import InputError
from hbt_jax.mesh import make_mesh, replicated
from hbt_jax.models.attention import LONG_ROW, ONE_CPU, PLAIN, Attention, attention_on, seen_of
from hbt_jax.models.encoder import Encoder, EncoderConfig, graph_on
from hbt_jax.models.rotary import RotaryConfig

ROUNDING = {"float32": 2e-6, "bfloat16": 2e-2}  # of the largest number of an array


def packed(rows: int, length: int):
    """Rows of texts of random lengths, padding at their ends; also one that is full and one that is empty."""
    rng = np.random.default_rng(0)
    segments = np.zeros((rows, length), np.int32)
    positions = np.zeros((rows, length), np.int32)
    segments[0], positions[0] = 1, np.arange(length)
    for row in range(2, rows):
        start, number = 0, 0
        while start < length - 9:
            size = min(int(rng.integers(1, length // 2)), length - 9 - start)
            number += 1
            segments[row, start : start + size], positions[row, start : start + size] = number, np.arange(size)
            start += size
    return jnp.asarray(segments), jnp.asarray(positions)


def kernel() -> Attention:
    return Attention("splash", make_mesh(1, 1, jax.devices()[:1]), interpret=True)


def drawn(*shape, dtype="float32", seed=0):
    return jnp.asarray(np.random.default_rng(seed).standard_normal(shape), dtype)


def value_and_gradients(attention, parts, seen, window):
    """Whether all is finite, what texts get, and the gradients of its inner product with random numbers."""
    is_text = (seen.segments_RL > 0)[:, :, None, None]

    def of_texts(*given):
        value = attention(*given, seen, window)
        return jnp.where(is_text, value, 0), jnp.isfinite(value).all()

    value, backward, finite = jax.vjp(of_texts, *parts, has_aux=True)
    return finite, value, *backward(drawn(*value.shape, dtype=value.dtype, seed=9))


@pytest.mark.parametrize(
    ("length", "dtype", "window"),
    [(128, "float32", 0), (100, "float32", 20), (640, "float32", 20), (256, "bfloat16", 0)],
)
def test_the_kernel_for_tpu(length, dtype, window):
    segments, positions = packed(3, length)
    parts = [drawn(3, length, 2, 32, dtype=dtype, seed=seed) for seed in range(3)]
    seen = seen_of(segments, positions)
    finite, *own = jax.jit(lambda: value_and_gradients(kernel(), parts, seen, window))()
    _, *plain = value_and_gradients(PLAIN, parts, seen, window)
    assert finite
    for one, other in zip(own, plain, strict=True):
        assert one.dtype == other.dtype == jnp.dtype(dtype)
        one, other = np.asarray(one, np.float32), np.asarray(other, np.float32)
        np.testing.assert_allclose(one, other, rtol=0, atol=ROUNDING[dtype] * np.abs(other).max())


@pytest.mark.parametrize(
    ("rotary", "scan_layers"),
    [(None, True), (RotaryConfig(theta=1e4, window=4, local_layers=(1,), pre_norm=True), False)],
)
def test_inside_an_encoder(rotary, scan_layers):
    config = EncoderConfig(300, width=16, layers=2, heads=2, feed_forward=32, max_positions=128, rotary=rotary)
    segments, positions = packed(4, 128)
    tokens = jnp.asarray(np.random.default_rng(1).integers(1, 300, (4, 128)), jnp.int32)
    found = [
        Encoder(config, attention=attention, scan_layers=scan_layers, remat="full", rngs=nnx.Rngs(0))(
            tokens, segments, positions
        )
        for attention in (PLAIN, kernel())
    ]
    is_text = np.asarray(segments) > 0
    np.testing.assert_allclose(np.asarray(found[1])[is_text], np.asarray(found[0])[is_text], atol=2e-5)
    kernels = Encoder(config, attention=kernel(), scan_layers=scan_layers, rngs=nnx.Rngs(0))
    assert "pallas_call" in str(jax.make_jaxpr(lambda: kernels(tokens, segments, positions))())


def test_a_graph_goes_to_another_mesh():
    """As where several processes share a mesh, and each embeds passages of its own."""
    config = EncoderConfig(300, width=16, layers=2, heads=2, feed_forward=32, max_positions=128)
    segments, positions = packed(4, 128)
    tokens = jnp.ones((4, 128), jnp.int32)
    everywhere = Attention("splash", make_mesh(4, 2), interpret=True)
    graph, parameters = nnx.split(Encoder(config, attention=everywhere, rngs=nnx.Rngs(0)))
    one = make_mesh(1, 1, jax.devices()[1:2])
    arrays = jax.device_put((parameters, tokens, segments, positions), replicated(one))
    own = nnx.merge(graph_on(graph, arrays[0], one), arrays[0])(*arrays[1:])
    plain = Encoder(config, rngs=nnx.Rngs(0))(tokens, segments, positions)
    is_text = np.asarray(segments) > 0
    np.testing.assert_allclose(np.asarray(own)[is_text], np.asarray(plain)[is_text], atol=2e-5)
    plain_graph = nnx.graphdef(Encoder(config, rngs=nnx.Rngs(0)))
    assert graph_on(plain_graph, parameters, one) == plain_graph


def devices(platform: str, local: int = 1):
    """A stand-in of a mesh."""
    device = SimpleNamespace(platform=platform)
    return SimpleNamespace(devices=np.array([device] * local), local_devices=[device] * local)


def test_auto_takes_the_kernel_for_long_rows_on_a_tpu():
    on_tpu = attention_on(devices("tpu"), "auto", "bfloat16")
    assert [on_tpu.on_rows_of(length) for length in (128, LONG_ROW - 1, LONG_ROW)] == ["xla", "xla", "splash"]
    assert attention_on(devices("gpu"), "auto", "bfloat16").on_rows_of(1024) == "xla"
    assert attention_on(devices("cpu"), "auto", "float32") == Attention(ONE_CPU)
    assert attention_on(devices("cpu", local=8), "auto", "float32") == PLAIN
    assert attention_on(devices("cpu"), "xla", "float32") == PLAIN
    assert attention_on(devices("tpu"), "splash", "float32").on_rows_of(8) == "splash"


@pytest.mark.parametrize(
    ("platform", "asked", "dtype", "message"),
    [
        ("cpu", "splash", "bfloat16", "--attention=splash is for a TPU, but the device is a CPU"),
        ("gpu", "splash", "bfloat16", "--attention=splash is for a TPU, but the device is a GPU"),
        ("tpu", "cudnn", "bfloat16", "--attention=cudnn is for a GPU, but the device is a TPU"),
        ("gpu", "cudnn", "float32", "--attention=cudnn needs --compute_dtype=bfloat16"),
    ],
)
def test_what_a_device_does_not_have_is_refused(platform, asked, dtype, message):
    with pytest.raises(InputError, match=message):
        attention_on(devices(platform), asked, dtype)


def test_cudnn_is_asked_of_jax_with_the_mask(monkeypatch):
    """No test runs on a GPU: this one sees what JAX is asked for."""
    asked = []

    def plain(query, key, value, *, mask, implementation):
        asked.append((implementation, mask.shape, mask.dtype))
        return query

    monkeypatch.setattr(jax.nn, "dot_product_attention", plain)
    parts = [drawn(2, 16, 2, 8, dtype="bfloat16")] * 3
    attention_on(devices("gpu"), "cudnn", "bfloat16")(*parts, seen_of(*packed(2, 16)), 3)
    assert asked == [("cudnn", (2, 1, 16, 16), jnp.dtype(bool))]


@pytest.mark.parametrize(("length", "width"), [(15, 8), (16, 12)])
def test_what_cudnn_never_takes_is_refused_before_jax_is_asked(length, width):
    """Also where a gradient is traced through a scan, in which JAX finds it later."""
    attention, part = attention_on(devices("gpu"), "cudnn", "bfloat16"), drawn(2, length, 2, width, dtype="bfloat16")

    def loss(part):
        def step(whole, _):
            return attention(whole, whole, whole, seen_of(*packed(2, length))), None

        return jax.lax.scan(step, part, None, length=2)[0].astype(jnp.float32).sum()

    said = (
        f"rows have {length} tokens .--row_length. and heads a width of {width}: change these, or use --attention=xla"
    )
    with pytest.raises(InputError, match=said):
        jax.grad(loss)(part)


@pytest.mark.parametrize("error", [NotImplementedError("requires cuDNN version >= 9.11."), RuntimeError("not found")])
def test_what_this_gpu_lacks_is_said_in_one_line(monkeypatch, error):
    def refusing(*_, **__):
        raise error

    monkeypatch.setattr(jax.nn, "dot_product_attention", refusing)
    parts = [drawn(2, 16, 2, 8, dtype="bfloat16")] * 3
    with pytest.raises(InputError, match=r"--attention=cudnn cannot be used here \(.*\): use --attention=xla"):
        attention_on(devices("gpu"), "cudnn", "bfloat16")(*parts, seen_of(*packed(2, 16)))

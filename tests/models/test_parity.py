"""The same numbers as transformers and sentence-transformers: against recorded tensors, and against PyTorch if there.

tests/models/golden/make_golden.py made the recorded ones.
"""

import json
from pathlib import Path

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from flax import nnx
from safetensors.numpy import load_file, save_file

from hbt_jax.data import packing
from hbt_jax.mesh import make_mesh
from hbt_jax.models.encoder import Encoder, EncoderConfig
from hbt_jax.models.huggingface import architectures
from hbt_jax.models.huggingface.pretrained import Pretrained, read, read_parameters
from hbt_jax.models.model import embed_slots

GOLDEN = Path(__file__).parent / "golden"
TOLERANCE = 1e-5


def filled(config: EncoderConfig, flat: dict):
    """Graph and parameters of an encoder with the given weights, all of which it must take."""
    flat = dict(flat)
    graph, shapes = nnx.split(nnx.eval_shape(lambda: Encoder(config, rngs=nnx.Rngs(0))), nnx.Param)
    leaves = [(path, like.replace(jnp.asarray(flat.pop(path)))) for path, like in nnx.to_flat_state(shapes)]
    assert not flat
    return graph, nnx.from_flat_state(leaves)


def padded_rows(lengths: np.ndarray, row_length: int):
    """One text a row: (row, segment, start) of each and how many there can be of rows and segments."""
    texts = len(lengths)
    return np.arange(texts), np.ones(texts, int), np.zeros(texts, int), texts, 1


def packed_rows(lengths: np.ndarray, row_length: int):
    """Several texts a row."""
    row, segment, start, rows = packing.pack(lengths, row_length, max_segments=4)
    assert rows < len(lengths)
    return row, segment, start, rows, 4


LAYOUTS = {"padded": padded_rows, "packed": packed_rows}


def batch_of(expected: dict, layout: str, pad_id: int):
    """The texts in rows, where each token lies [T, 2], the slot of each text, and how many segments a row can have."""
    lengths, row_length = expected["lengths"], expected["tokens"].shape[1] + 3
    row, segment, start, rows, segments = LAYOUTS[layout](lengths, row_length)
    arrays = {name: np.zeros((rows, row_length), np.int32) for name in ("tokens", "segments", "positions")}
    arrays["tokens"][:] = pad_id
    places = []
    for text, length in enumerate(lengths):
        here = row[text], slice(start[text], start[text] + length)
        arrays["tokens"][here] = expected["tokens"][text, :length]
        arrays["segments"][here] = segment[text]
        arrays["positions"][here] = np.arange(length)
        places += [(row[text], start[text] + token) for token in range(length)]
    return arrays, np.array(places), row * segments + segment - 1, segments


def check(source: Pretrained, expected: dict, layout: str) -> None:
    """Hidden states, and sentence embeddings by the poolings that `expected` has, of an encoder with its weights."""
    flat, _ = read_parameters(source)
    check_parameters(source.encoder, flat, expected, layout)


def check_parameters(config: EncoderConfig, flat: dict, expected: dict, layout: str) -> None:
    graph, parameters = filled(config, flat)
    arrays, places, slots, segments = batch_of(expected, layout, config.pad_id)
    modes = sorted({"mean", "cls"} & set(expected))

    @jax.jit
    def outputs(parameters, batch):
        vectors = [embed_slots(graph, parameters, batch, segments=segments, pooling=mode)[0] for mode in modes]
        encoder = nnx.merge(graph, parameters)
        return encoder(batch["tokens"][0], batch["segments"][0], batch["positions"][0]), vectors

    hidden, vectors = outputs(parameters, {name: jnp.asarray(array)[None] for name, array in arrays.items()})
    found = np.asarray(hidden)[places[:, 0], places[:, 1]]
    np.testing.assert_allclose(found, expected["hidden"], rtol=0, atol=TOLERANCE)
    for mode, vectors_SD in zip(modes, vectors, strict=True):
        np.testing.assert_allclose(np.asarray(vectors_SD)[slots], expected[mode], rtol=0, atol=TOLERANCE)


@pytest.mark.parametrize("layout", LAYOUTS)
@pytest.mark.parametrize("name", ["xlm_r", "bert", "labse"])
def test_recorded_numbers_of_transformers(name, layout):
    source, expected = read(str(GOLDEN / name)), load_file(GOLDEN / name / "expected.safetensors")
    assert {1, source.encoder.max_positions} <= set(expected["lengths"].tolist())
    check(source, expected, layout)


def test_the_recorded_models_are_of_three_layouts():
    xlm_r, bert, labse = (read(str(GOLDEN / name)) for name in ("xlm_r", "bert", "labse"))
    assert (xlm_r.encoder.position_offset, xlm_r.encoder.token_types, xlm_r.encoder.max_positions) == (2, 1, 39)
    assert (bert.encoder.position_offset, bert.encoder.token_types, bert.encoder.max_positions) == (0, 2, 37)
    assert (labse.encoder.dense, labse.encoder.dense_activation) == (32, "tanh")
    assert (labse.pooling, labse.normalize, labse.max_length) == ("cls", True, 25)
    assert (bert.pooling, bert.normalize, bert.query_prefix, bert.passage_prefix) == (None, None, None, None)


SHAPE = {"vocab_size": 61, "hidden_size": 24, "num_hidden_layers": 2, "num_attention_heads": 3, "intermediate_size": 40}


def checkpoint(folder: Path, kind: str, dtype: str = "float32", shard: str = "1GB", **changes) -> Path:
    """A random checkpoint that transformers saved, with the tokenizer file that `read` asks for."""
    import transformers

    torch = pytest.importorskip("torch")
    from tests.models.golden.make_golden import scramble

    model_class = getattr(transformers, kind)
    model = model_class(model_class.config_class(**SHAPE | changes))
    scramble(model, torch.Generator().manual_seed(len(kind)))
    model.to(getattr(torch, dtype)).save_pretrained(folder, max_shard_size=shard)
    (folder / "tokenizer.json").write_bytes((GOLDEN / "bert" / "tokenizer.json").read_bytes())
    return folder


def computed_by_torch(folder: Path, lengths: list[int]) -> dict:
    """Random texts and their last hidden states by PyTorch in float32."""
    import transformers

    torch = pytest.importorskip("torch")
    model = transformers.AutoModel.from_pretrained(folder, dtype=torch.float32).eval()
    generator = np.random.default_rng(0)
    tokens = generator.integers(4, SHAPE["vocab_size"], (len(lengths), max(lengths)))
    mask = np.arange(max(lengths)) < np.array(lengths)[:, None]
    tokens = np.where(mask, tokens, model.config.pad_token_id)
    with torch.no_grad():
        hidden = model(torch.tensor(tokens), attention_mask=torch.tensor(mask).long()).last_hidden_state.numpy()
    return {"tokens": tokens, "lengths": np.array(lengths), "hidden": hidden[mask]}


@pytest.mark.peer
@pytest.mark.parametrize(
    ("kind", "settings", "left_out"),
    [
        ("XLMRobertaForMaskedLM", {"type_vocab_size": 1, "layer_norm_eps": 1e-5}, ["lm_head (5 tensors)"]),
        ("XLMRobertaModel", {"pad_token_id": 0, "dtype": "float16", "shard": "20KB"}, ["pooler (2 tensors)"]),
        ("BertForMaskedLM", {"hidden_act": "relu", "dtype": "bfloat16", "shard": "20KB"}, ["cls (5 tensors)"]),
        ("BertForPreTraining", {"hidden_act": "gelu_new"}, ["cls (7 tensors)", "pooler (2 tensors)"]),
    ],
)
def test_checkpoints_of_transformers(tmp_path, kind, settings, left_out):
    folder = checkpoint(tmp_path, kind, max_position_embeddings=31, **settings)
    source = read(str(folder))
    assert len(source.weights.files) == (1 if "shard" not in settings else len(set(tmp_path.glob("model-*"))))
    assert read_parameters(source)[1] == left_out
    expected = computed_by_torch(folder, [1, 9, source.encoder.max_positions, 3, 14])
    for layout in LAYOUTS:
        check(source, expected, layout)


@pytest.mark.peer
def test_transformers_computes_the_same_from_our_names(tmp_path):
    pytest.importorskip("torch")
    preset = EncoderConfig(61, width=24, layers=2, heads=3, feed_forward=40, max_positions=31, activation="gelu_tanh")
    flat = {path: np.asarray(leaf[...]) for path, leaf in random_parameters(preset)}
    save_file(architectures.from_flat(preset, flat), tmp_path / "model.safetensors", {"format": "pt"})
    (tmp_path / "config.json").write_text(json.dumps(architectures.config_json(preset)))
    (tmp_path / "tokenizer.json").write_text("{}")
    expected = computed_by_torch(tmp_path, [1, 9, 31, 3])
    check(read(str(tmp_path)), expected, "packed")
    check_parameters(preset, flat, expected, "packed")  # without token types, unlike what was read


def random_parameters(config: EncoderConfig):
    """An encoder's parameters, biases and norms random too."""
    state = nnx.state(Encoder(config, rngs=nnx.Rngs(0)), nnx.Param)
    generator = np.random.default_rng(1)
    for path, leaf in nnx.to_flat_state(state):
        noise = jnp.asarray(generator.normal(size=leaf.shape), jnp.float32)
        yield path, leaf.replace(leaf[...] + 0.2 * noise)


TEXTS = ["a b query", "Passage: zz top", "", "xyz" * 30, "é word1 42"]


@pytest.mark.peer
@pytest.mark.parametrize("layout", ["of release 5", "of this release"])
def test_sentence_transformers_embeds_the_same(tmp_path, layout):
    library = pytest.importorskip("sentence_transformers")
    from hbt_jax.evaluation.embedding.embed import Embedder
    from hbt_jax.training.load import load_model

    folder = GOLDEN / "labse"
    theirs = library.SentenceTransformer(str(folder), device="cpu")
    if layout == "of this release":
        folder = tmp_path
        theirs.prompts = {"query": "query: ", "document": "passage: "}
        theirs.save_pretrained(str(folder), create_model_card=False)
    mesh = make_mesh(1, 1, jax.devices()[:1])
    model = load_model(str(folder), "best", mesh, "float32")
    embedder = Embedder(model, mesh, texts_per_device=len(TEXTS), poll=lambda: None, shown=False)
    for side, prompt in (("query", model.text.query_prefix), ("passage", model.text.passage_prefix)):
        assert prompt == (f"{side}: " if layout == "of this release" else "")
        np.testing.assert_allclose(embedder(TEXTS, side), theirs.encode(TEXTS, prompt=prompt), rtol=0, atol=TOLERANCE)

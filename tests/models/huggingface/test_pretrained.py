"""Pretrained folders and hub ids: what their files say, and one clear line for everything that is wrong with them."""

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from safetensors.numpy import load_file, save_file

from hbt_jax.errors import InputError
from hbt_jax.models.huggingface import hub
from hbt_jax.models.huggingface.pretrained import find, read, read_parameters

GOLDEN = Path(__file__).parents[1] / "golden"
NEW_TYPES = {
    "Transformer": "sentence_transformers.base.modules.transformer.Transformer",
    "Pooling": "sentence_transformers.sentence_transformer.modules.pooling.Pooling",
    "Dense": "sentence_transformers.base.modules.dense.Dense",
    "Normalize": "sentence_transformers.base.modules.normalize.Normalize",
}


@pytest.fixture
def labse(tmp_path) -> Path:
    """A sentence-transformers folder that a test may spoil."""
    return Path(shutil.copytree(GOLDEN / "labse", tmp_path / "labse"))


@pytest.fixture
def bert(tmp_path) -> Path:
    """A plain transformers folder that a test may spoil."""
    return Path(shutil.copytree(GOLDEN / "bert", tmp_path / "bert"))


def change(file: Path, **values) -> None:
    """Sets keys of a JSON file, or takes away those set to `...`."""
    old = json.loads(file.read_text()) if file.exists() else {}
    new = {key: value for key, value in (old | values).items() if value is not ...}
    file.write_text(json.dumps(new))


def chain(folder: Path, *modules: tuple[str, str]) -> None:
    """Writes modules.json of (path, type or kind)."""
    entries = [
        {
            "idx": n,
            "name": str(n),
            "path": path,
            "type": kind if "." in kind else f"sentence_transformers.models.{kind}",
        }
        for n, (path, kind) in enumerate(modules)
    ]
    (folder / "modules.json").write_text(json.dumps(entries))


def refused(folder: Path | str, message: str, weights: bool = False) -> None:
    with pytest.raises(InputError, match=message) as caught:
        source = read(str(folder))
        if weights:
            read_parameters(source)
    assert "\n" not in str(caught.value)


# What the files say.


def test_a_folder_in_the_layout_of_release_6(labse):
    before = read(str(GOLDEN / "labse"))
    chain(labse, ("0_Transformer", NEW_TYPES["Transformer"]), ("1_Pooling", NEW_TYPES["Pooling"]),
          ("2_Dense", NEW_TYPES["Dense"]), ("3_Normalize", NEW_TYPES["Normalize"]))  # fmt: skip
    (labse / "0_Transformer").mkdir()
    for name in ("config.json", "model.safetensors", "tokenizer.json", "tokenizer_config.json"):
        (labse / name).rename(labse / "0_Transformer" / name)
    (labse / "sentence_bert_config.json").unlink()
    settings = {
        "transformer_task": "feature-extraction",
        "module_output_name": "token_embeddings",
        "modality_config": {},
    }
    (labse / "0_Transformer" / "sentence_bert_config.json").write_text(json.dumps(settings))
    change(labse / "0_Transformer" / "tokenizer_config.json", model_max_length=19)
    (labse / "1_Pooling" / "config.json").write_text(
        json.dumps({"embedding_dimension": 32, "pooling_mode": "cls", "include_prompt": True})
    )
    change(labse / "2_Dense" / "config.json", module_input_name="sentence_embedding", module_output_name=None)
    (labse / "3_Normalize").mkdir()
    change(labse / "3_Normalize" / "config.json", module_input_name="sentence_embedding")
    after = read(str(labse))
    assert (after.encoder, after.pooling, after.normalize) == (before.encoder, before.pooling, before.normalize)
    assert (after.folder, after.max_length) == (labse / "0_Transformer", 19)
    assert after.fingerprint == before.fingerprint
    flat, again = read_parameters(before)[0], read_parameters(after)[0]
    assert flat.keys() == again.keys() and all(np.array_equal(flat[path], again[path]) for path in flat)


def test_mean_pooling_without_dense_and_normalize(labse):
    chain(labse, ("", "Transformer"), ("1_Pooling", "Pooling"))
    change(labse / "1_Pooling" / "config.json", pooling_mode_cls_token=False, pooling_mode_mean_tokens=True)
    source = read(str(labse))
    assert (source.pooling, source.normalize, source.encoder.dense, source.dense) == ("mean", True, 0, None)
    change(labse / "config_sentence_transformers.json", similarity_fn_name="dot")
    assert not read(str(labse)).normalize
    change(labse / "config_sentence_transformers.json", similarity_fn_name="euclidean")
    refused(labse, "similarity_fn_name is 'euclidean'; expected cosine or dot")
    change(labse / "config_sentence_transformers.json", similarity_fn_name="dot")
    change(labse / "1_Pooling" / "config.json", pooling_mode=["mean"])
    assert read(str(labse)).pooling == "mean"


@pytest.mark.parametrize(
    ("prompts", "default", "expected"),
    [
        ({}, None, ("", "")),
        ({}, "query", ("", "")),
        ({"query": "query: ", "passage": "passage: "}, None, ("query: ", "passage: ")),
        ({"query": "q: ", "document": "d: ", "passage": "d: "}, "query", ("q: ", "d: ")),
        ({"query": None, "document": "d: "}, None, ("", "d: ")),
        ({"query": "为这个句子生成表示：", "document": ""}, None, ("为这个句子生成表示：", "")),
    ],
)
def test_prompts(labse, prompts, default, expected):
    change(labse / "config_sentence_transformers.json", prompts=prompts, default_prompt_name=default)
    source = read(str(labse))
    assert (source.query_prefix, source.passage_prefix) == expected
    assert source.notes == ()


@pytest.mark.parametrize(
    ("prompts", "passage", "listed"),
    [
        ({"document": "", "corpus": "c: "}, "c: ", "document '', corpus 'c: '; corpus is used"),
        ({"document": None, "passage": "p: "}, "p: ", "document '', passage 'p: '; passage is used"),
        ({"passage": "p: ", "document": "d: "}, "d: ", "document 'd: ', passage 'p: '; document is used"),
    ],
)
def test_prompts_for_passages_that_differ_are_told(labse, prompts, passage, listed):
    change(labse / "config_sentence_transformers.json", prompts=prompts)
    source = read(str(labse))
    assert source.passage_prefix == passage
    (note,) = source.notes
    assert note.startswith(f"config_sentence_transformers.json states different prompts for passages: {listed}")


def test_prompts_of_neither_side_are_listed(labse):
    prompts = {"query": "q: ", "topic": "topic: ", "STS": "对：", "empty": ""}
    change(labse / "config_sentence_transformers.json", prompts=prompts, default_prompt_name="topic")
    assert read(str(labse)).notes == (
        "config_sentence_transformers.json: prompts that are for neither queries nor passages are unused: topic 'topic:"
        " ' (the default), STS '对：'; to use one, set --query_prefix and --passage_prefix",
    )


def test_what_no_file_states_is_told(labse, bert):
    settings = labse / "config_sentence_transformers.json"
    change(settings, prompts=...)
    (note,) = read(str(labse)).notes
    assert note == "config_sentence_transformers.json states no prompts: nothing is put before queries and passages"
    change(settings, prompts={}, similarity_fn_name=None)
    assert read(str(labse)).notes == ()  # its Normalize module says that lengths do not count
    chain(labse, ("", "Transformer"), ("1_Pooling", "Pooling"), ("2_Dense", "Dense"))
    for value in (None, ...):
        change(settings, similarity_fn_name=value)
        (note,) = read(str(labse)).notes
        assert "no similarity_fn_name: scores are cosines" in note and "--normalize=false" in note
    settings.unlink()
    assert len(read(str(labse)).notes) == 2
    config = json.loads((bert / "config.json").read_text())
    (bert / "config.json").write_text(
        json.dumps({key: value for key, value in config.items() if key not in ("layer_norm_eps", "pad_token_id")})
    )
    (bert / "tokenizer_config.json").unlink()
    source = read(str(bert))
    assert source.notes == (
        "config.json does not state layer_norm_eps (1e-12), pad_token_id (0): these defaults of transformers are taken",
        "no tokenizer_config.json: the tokenizer is of the class that goes with the model_type of config.json, with the"
        " special tokens of that class",
    )
    assert source.unstated == ("pooling", "normalize", "query_prefix", "passage_prefix", "max_length")
    assert "max_length" not in read(str(labse)).unstated


@pytest.mark.parametrize("name", ["multilingual-e5-small", "Multilingual-E5-base", "multilingual-e5-large"])
def test_prompts_that_e5_does_not_state_are_known(labse, bert, name):
    for folder in (labse, bert):
        renamed = folder.rename(folder.parent / name)
        source = read(f"{renamed}/")
        assert (source.query_prefix, source.passage_prefix) == ("query: ", "passage: ")
        assert source.notes == (
            f"{name.lower()}: its files state no prompts; it was trained with 'query: ' and 'passage: ', which are"
            " taken unless --query_prefix and --passage_prefix say otherwise",
        )
        change(renamed / "config_sentence_transformers.json", prompts={"query": "q "})
        if folder == labse:
            source = read(str(renamed))
            assert (source.query_prefix, source.passage_prefix, source.notes) == ("q ", "", ())
        shutil.rmtree(renamed)


def test_prompts_that_e5_does_not_state_are_known_in_the_hubs_cache(labse, tmp_path):
    cached = tmp_path / "models--intfloat--multilingual-e5-small" / "snapshots"
    cached.mkdir(parents=True)
    source = read(str(labse.rename(cached / ("0" * 40))))
    assert (source.query_prefix, source.passage_prefix) == ("query: ", "passage: ")
    assert source.notes[0].startswith("multilingual-e5-small: its files state no prompts")


@pytest.mark.parametrize(
    ("tokenizer", "sentence", "expected"),
    [
        (..., ..., 37),
        (10**30, ..., 37),
        (1e30, None, 37),
        (20, ..., 20),
        (20, 11, 11),
        (20, 99, 37),
        (64, None, 37),
        (None, ..., 37),
        (None, None, 37),
    ],
)
def test_the_longest_text(labse, tokenizer, sentence, expected):
    change(labse / "tokenizer_config.json", model_max_length=tokenizer)
    change(labse / "sentence_bert_config.json", max_seq_length=sentence)
    source = read(str(labse))
    assert source.max_length == expected
    stated = [length for length in (sentence, tokenizer) if length not in (..., None) and length < 10**20]
    assert ("max_length" in source.unstated) == (not stated)
    key = "max_position_embeddings" if not stated else "max_seq_length" if stated[0] == sentence else "model_max_length"
    assert source.said["max_length"].startswith(f"{key} in {labse}/")
    beyond = [note for note in source.notes if "the model has 37 positions, longer texts are cut" in note]
    assert len(beyond) == bool(stated and stated[0] > 37)


@pytest.mark.parametrize("length", ["512", -1, 0, 3, True, [20], float("nan")])
def test_a_longest_text_of_another_kind_names_file_and_key(labse, length):
    change(labse / "sentence_bert_config.json", max_seq_length=...)
    change(labse / "tokenizer_config.json", model_max_length=length)
    refused(labse, r"labse/tokenizer_config.json: model_max_length is .*; expected a number of tokens, at least 4")
    if isinstance(length, int):
        change(labse / "sentence_bert_config.json", max_seq_length=length)
        refused(labse, "labse/sentence_bert_config.json: max_seq_length is .*; expected a whole number of tokens, at")


def test_older_names_of_the_transformers_settings(labse):
    (labse / "sentence_bert_config.json").rename(labse / "sentence_xlm-roberta_config.json")
    assert read(str(labse)).max_length == 25


def test_a_dense_layer_without_bias_and_activation(labse):
    tensors = load_file(labse / "2_Dense" / "model.safetensors")
    save_file({"linear.weight": tensors["linear.weight"][:7]}, labse / "2_Dense" / "model.safetensors")
    change(labse / "2_Dense" / "config.json", bias=False, out_features=7,
           activation_function="torch.nn.modules.linear.Identity")  # fmt: skip
    source = read(str(labse))
    flat, _ = read_parameters(source)
    assert (source.encoder.dense, source.encoder.dense_activation) == (7, "identity")
    np.testing.assert_array_equal(flat["dense", "kernel"], tensors["linear.weight"][:7].T)
    np.testing.assert_array_equal(flat["dense", "bias"], np.zeros(7))


def test_narrow_dtypes_are_widened_exactly(bert):
    import jax.numpy as jnp

    tensors = load_file(bert / "model.safetensors")
    for dtype in (jnp.bfloat16, np.float16):
        narrow = {name: tensor.astype(dtype) for name, tensor in tensors.items()}
        save_file(narrow, bert / "model.safetensors")
        flat, _ = read_parameters(read(str(bert)))
        table = flat["token_table", "embedding"]
        assert table.dtype == np.float32
        np.testing.assert_array_equal(table[:103], narrow["embeddings.word_embeddings.weight"].astype(np.float32))


def test_tensors_are_read_in_blocks(bert, monkeypatch):
    whole, _ = read_parameters(read(str(bert)))
    monkeypatch.setattr("hbt_jax.models.huggingface.weights._BLOCK", 100)
    pieces, _ = read_parameters(read(str(bert)))
    assert all(np.array_equal(whole[path], pieces[path]) for path in whole)


def test_the_fingerprint_is_of_the_weights(labse):
    first = read(str(labse)).fingerprint
    assert first.startswith("sha256:") and len(first) == 71
    change(labse / "1_Pooling" / "config.json", pooling_mode_max_tokens=False)
    assert read(str(labse)).fingerprint == first
    for file in (labse / "2_Dense" / "model.safetensors", labse / "model.safetensors"):
        tensors = load_file(file)
        tensors[sorted(tensors)[0]] += 1
        save_file(tensors, file)
        assert read(str(labse)).fingerprint != first
        first = read(str(labse)).fingerprint


# Sentence-transformers files that are not supported.


@pytest.mark.parametrize(
    ("modules", "message"),
    [
        ([("", "Transformer")], "modules Transformer are not supported; expected Transformer, Pooling, then"),
        ([("", "Transformer"), ("1_Pooling", "Pooling"), ("2", "sentence_transformers.models.LayerNorm")],
         "modules Transformer, Pooling, sentence_transformers.models.LayerNorm are not supported"),
        ([("", "Transformer"), ("1_Pooling", "Pooling"), ("3", "Normalize"), ("2_Dense", "Dense")],
         "modules Transformer, Pooling, Normalize, Dense are not supported"),
        ([("", "own.Transformer"), ("1_Pooling", "Pooling")], "modules own.Transformer, Pooling are not supported"),
        ([("..", "Transformer"), ("1_Pooling", "Pooling")], r"path '\.\.' is not inside the folder"),
        ([("/", "Transformer"), ("1_Pooling", "Pooling")], "path '/' is not inside the folder"),
    ],
)  # fmt: skip
def test_other_modules_are_refused(labse, modules, message):
    chain(labse, *modules)
    refused(labse, f"modules.json: {message}")


@pytest.mark.parametrize(
    ("file", "values", "message"),
    [
        ("1_Pooling", {"pooling_mode_mean_tokens": True}, "pooling is cls and mean; expected one of mean, cls"),
        ("1_Pooling", {"pooling_mode_cls_token": False}, "pooling is not stated; expected one of mean, cls"),
        ("1_Pooling", {"pooling_mode": "lasttoken"}, "pooling is lasttoken; expected one of mean, cls"),
        ("1_Pooling", {"include_prompt": False}, "include_prompt is False, which is not supported; expected True"),
        ("2_Dense", {"activation_function": "torch.nn.modules.activation.GELU"},
         "activation_function is 'torch.nn.modules.activation.GELU'; expected one of .*Tanh, .*Identity"),
        ("2_Dense", {"activation_function": ["Tanh"]}, r"activation_function is \['Tanh'\]; expected one of .*Tanh"),
        ("2_Dense", {"use_residual": True}, "use_residual is True, which is not supported; expected False"),
        ("2_Dense", {"module_input_name": "token_embeddings"}, "module_input_name is 'token_embeddings'"),
        ("2_Dense", {"out_features": None}, "out_features is null; expected a whole number above 0"),
        ("2_Dense", {"out_features": "64"}, "out_features is '64'; expected a whole number above 0"),
        ("2_Dense", {"activation_function": None}, "activation_function is null; expected one of .*, or no such key"),
        ("2_Dense", {"bias": None}, "bias is null; expected true or false, or no such key for true"),
        ("2_Dense", {"bias": 0}, "bias is 0; expected true or false"),
        ("2_Dense", {"module_input_name": None}, "module_input_name is null, which is not supported"),
        ("1_Pooling", {"include_prompt": None}, "include_prompt is null, which is not supported; expected True"),
        ("1_Pooling", {"pooling_mode": None}, "pooling_mode is null; expected one of mean, cls"),
        ("1_Pooling", {"pooling_mode_cls_token": "false"}, "pooling_mode_cls_token is 'false'; expected true or false"),
        ("1_Pooling", {"embedding_dimension": None}, "embedding_dimension is null; expected a whole number above 0"),
        ("1_Pooling", {"word_embedding_dimension": ...}, "word_embedding_dimension is missing; expected a whole"),
    ],
)  # fmt: skip
def test_other_settings_of_modules_are_refused(labse, file, values, message):
    change(labse / file / "config.json", **values)
    refused(labse, f"{file}/config.json: {message}")


def test_a_normalize_of_other_vectors_is_refused(labse):
    (labse / "3_Normalize").mkdir()
    change(labse / "3_Normalize" / "config.json", module_input_name="token_embeddings")
    refused(labse, "3_Normalize/config.json: module_input_name is 'token_embeddings', .*expected 'sentence_embedding'")


@pytest.mark.parametrize(
    ("values", "message"),
    [
        ({"do_lower_case": True}, "do_lower_case is True, which is not supported; expected False"),
        ({"transformer_task": "fill-mask"}, "transformer_task is 'fill-mask', .*expected 'feature-extraction'"),
        ({"query_expansion": {"length": 32}}, "query_expansion is .*expected no such key"),
        ({"tokenizer_args": {"x": 1}}, "tokenizer_args is"),
        ({"max_seq_length": "512"}, "max_seq_length is '512'; expected a whole number of tokens, at least 4, or null"),
        ({"transformer_task": None}, "transformer_task is null, which is not supported"),
        ({"tokenizer_args": None}, "tokenizer_args is null"),
        ({"query_length": 16}, "query_length is 16, which is not supported; expected no such key"),
    ],
)
def test_other_settings_of_the_transformer_are_refused(labse, values, message):
    change(labse / "sentence_bert_config.json", **values)
    refused(labse, f"sentence_bert_config.json: {message}")


def test_prompts_of_another_kind_are_refused(labse):
    change(labse / "config_sentence_transformers.json", prompts={"query": 3})
    refused(
        labse, r"config_sentence_transformers.json: prompts is \{'query': 3\}; expected an object of names to texts"
    )
    change(labse / "config_sentence_transformers.json", prompts={"query": "q: "}, default_prompt_name=["query"])
    refused(labse, r"default_prompt_name is \['query'\]; expected the name of a prompt \(query, document\), or null")
    change(labse / "config_sentence_transformers.json", default_prompt_name="topic")
    refused(labse, "default_prompt_name is 'topic'; expected the name of a prompt")
    change(labse / "config_sentence_transformers.json", default_prompt_name=None, prompts=None)
    refused(labse, "config_sentence_transformers.json: prompts is null; expected an object of names to texts, or no")
    change(labse / "config_sentence_transformers.json", prompts={}, truncate_dim=16)
    refused(labse, "truncate_dim is 16, which is not supported; expected no such key")


def test_null_is_taken_where_the_library_takes_it(labse):
    before = read(str(labse))
    change(labse / "2_Dense" / "config.json", use_residual=None, module_output_name=None)
    change(labse / "1_Pooling" / "config.json", pooling_mode_max_tokens=None)
    change(labse / "sentence_bert_config.json", do_lower_case=None, query_expansion=None)
    change(labse / "config_sentence_transformers.json", similarity_fn_name=None, default_prompt_name=None)
    after = read(str(labse))
    assert (after.encoder, after.pooling, after.normalize) == (before.encoder, before.pooling, before.normalize)
    change(labse / "2_Dense" / "config.json", activation_function=..., bias=...)
    after = read(str(labse))
    assert (after.dense.activation, after.dense.bias) == ("tanh", True)


@pytest.mark.parametrize(
    ("file", "values", "message"),
    [
        (
            "1_Pooling",
            {"word_embedding_dimension": 16},
            "hidden_size is 32, but the Pooling module is for vectors of 16",
        ),
        ("2_Dense", {"in_features": 64}, "hidden_size is 32, but the Dense module is for vectors of 64"),
    ],
)
def test_modules_of_another_width_are_refused(labse, file, values, message):
    change(labse / file / "config.json", **values)
    refused(labse, message)


def test_modules_json_of_another_kind(labse):
    (labse / "modules.json").write_text('{"a": 1}')
    refused(labse, "modules.json: holds a dict; expected an array")
    (labse / "modules.json").write_text('[{"path": ""}]')
    refused(labse, "modules.json: expected an array of objects with type and path, two texts")
    for entry in ({"type": ["Transformer"], "path": ""}, {"type": "Transformer", "path": None}):
        (labse / "modules.json").write_text(json.dumps([entry]))
        refused(labse, "modules.json: expected an array of objects with type and path, two texts")
    (labse / "modules.json").write_text("[")
    refused(labse, r"modules.json: not JSON \(.*\); copy the file again")
    (labse / "modules.json").unlink()
    refused(labse, "has 1_Pooling but no modules.json, .* copy the whole folder, or remove it too")


def test_a_missing_file_of_a_module(labse):
    (labse / "1_Pooling" / "config.json").unlink()
    refused(labse, "1_Pooling/config.json: No such file or directory; expected a JSON file")


# Files of the encoder.


@pytest.mark.parametrize("content", [b"\xff\xfe\x00", b"{'a': 1}", b"[" * 100_000, b"1" * 5000, b'{"a": 1, "a": 1}'])
def test_a_configuration_that_is_no_json(bert, content):
    (bert / "config.json").write_bytes(content)
    refused(bert, r"bert/config.json: not JSON \(.*\); copy the file again")


def test_missing_files_of_the_encoder(bert):
    (bert / "tokenizer.json").unlink()
    refused(bert, r"bert: no tokenizer.json \(or .*\); to make it .*AutoTokenizer as T.*T.from_pretrained\('.*/bert'\)")
    (bert / "config.json").unlink()
    refused(bert, r"--model=.*: no config.json in .*; expected a preset \(tiny, small\) to train")


def test_half_an_adapter_is_refused(bert):
    (bert / "adapter_config.json").write_text("{}")
    refused(bert, "adapter_config.json: no adapter_model.safetensors beside it: copy or download the adapter again")


@pytest.mark.peer
def test_pickled_weights_are_refused_and_the_command_converts_them(bert, tmp_path, monkeypatch):
    (bert / "model.safetensors").rename(bert / "pytorch_model.bin")
    message = (
        r"bert: no model.safetensors or model.safetensors.index.json; a pytorch_model.bin is not read, because"
        r' unpickling it can run foreign code: to convert it, run: python -c "(.*)" and give --model=OUT'
    )
    refused(bert, message)
    torch = pytest.importorskip("torch")
    before = load_file(GOLDEN / "bert" / "model.safetensors")
    torch.save({name: torch.tensor(tensor) for name, tensor in before.items()}, bert / "pytorch_model.bin")
    with pytest.raises(InputError) as caught:
        read(str(bert))
    monkeypatch.chdir(tmp_path)
    exec(str(caught.value).split('"')[1])
    flat, left_out = read_parameters(read("OUT"))
    assert left_out == ["pooler (2 tensors)"]
    np.testing.assert_array_equal(flat["token_table", "embedding"][:103], before["embeddings.word_embeddings.weight"])


def test_a_pickled_dense_layer_is_refused(labse):
    (labse / "2_Dense" / "model.safetensors").rename(labse / "2_Dense" / "pytorch_model.bin")
    refused(
        labse, r"2_Dense: no model.safetensors .*SentenceTransformer as S; S\('.*/labse'\).save_pretrained\('OUT'\)"
    )


@pytest.mark.parametrize("value", [np.nan, np.inf, -np.inf])
@pytest.mark.parametrize("dtype", ["float32", "float16", "bfloat16"])
def test_weights_that_are_not_finite_are_named(labse, monkeypatch, value, dtype):
    import jax.numpy as jnp

    monkeypatch.setattr("hbt_jax.models.huggingface.weights._BLOCK", 100)
    for file, name, place in (
        ("model.safetensors", "embeddings.word_embeddings.weight", (7, 3)),
        ("2_Dense/model.safetensors", "linear.bias", (2,)),
    ):
        whole = load_file(labse / file)
        broken = {key: np.array(tensor, jnp.dtype(dtype)) for key, tensor in whole.items()}
        name = next(key for key in broken if key.endswith(name))
        broken[name][place] = value
        save_file(broken, labse / file)
        shown = ", ".join(map(str, place))
        refused(labse, rf"labse/{file}: the weights are not finite: tensor {name} holds {value} at \[{shown}\]; ", True)
        save_file(whole, labse / file)
    assert read_parameters(read(str(labse)))


def spoil(file: Path, **tensors) -> None:
    """Replaces tensors of a file, or takes away those set to `...`; double underscores stand for points."""
    changed = load_file(file) | {name.replace("__", "."): tensor for name, tensor in tensors.items()}
    save_file({name: tensor for name, tensor in changed.items() if tensor is not ...}, file)


def test_all_that_does_not_fit_is_in_one_message(labse):
    spoil(
        labse / "model.safetensors",
        encoder__layer__0__output__dense__bias=...,
        encoder__layer__1__output__dense__bias=np.zeros(31, np.float32),
        encoder__layer__1__output__LayerNorm__bias=np.zeros(32, np.int64),
        classifier__weight=np.zeros(2, np.float32),
    )
    spoil(labse / "2_Dense" / "model.safetensors", linear__bias=..., linear__more=np.zeros(2, np.float32))
    refused(
        labse,
        r"the weights are not those that .*labse/config.json describes: .*labse/model.safetensors: "
        r"1 missing: encoder.layer.0.output.dense.bias; 1 left over: classifier.weight; "
        r"1 of another shape: encoder.layer.1.output.dense.bias \(31,\) for \(32,\); "
        r"1 of another dtype than F32, F16, BF16: encoder.layer.1.output.LayerNorm.bias I64; "
        r".*2_Dense/model.safetensors: 1 missing: linear.bias; 1 left over: linear.more$",
        weights=True,
    )


def test_long_lists_are_shortened(bert):
    change(bert / "config.json", num_hidden_layers=3)
    refused(bert, r"16 missing: (encoder\.layer\.2\.[\w.]+, ){5}encoder\.layer\.2\.[\w.]+ and 10 more$", weights=True)
    change(bert / "config.json", num_hidden_layers=1)
    refused(bert, r"16 left over: (encoder\.layer\.1\.[\w.]+, ){5}encoder\.layer\.1\.[\w.]+ and 10 more$", weights=True)


def test_weights_of_another_kind_of_model(bert):
    save_file({"wte.weight": np.zeros(2, np.float32)}, bert / "model.safetensors")
    refused(bert, "model.safetensors: found wte.weight; expected exactly one token table", weights=True)


@pytest.mark.parametrize("content", [b"", b"version https://git-lfs.github.com/spec/v1\n", b"{}", None])
def test_damaged_weights(bert, content):
    file = bert / "model.safetensors"
    file.write_bytes(file.read_bytes()[:-40] if content is None else content)
    refused(bert, r"bert/model.safetensors: not a whole safetensors file \(.*\): damaged, cut short, or", weights=True)


def shard(folder: Path) -> dict[str, str]:
    """Splits a folder's weights over two files; returns the index."""
    tensors = load_file(folder / "model.safetensors")
    (folder / "model.safetensors").unlink()
    names = sorted(tensors)
    index = {}
    for number, part in enumerate((names[:20], names[20:])):
        file = f"model-0000{number + 1}-of-00002.safetensors"
        save_file({name: tensors[name] for name in part}, folder / file)
        index |= dict.fromkeys(part, file)
    change(folder / "model.safetensors.index.json", weight_map=index)
    return index


def test_several_files_with_an_index(bert):
    whole, _ = read_parameters(read(str(bert)))
    index = shard(bert)
    source = read(str(bert))
    assert [file.name for file in source.weights.files] == sorted(set(index.values()))
    parts, _ = read_parameters(source)
    assert parts.keys() == whole.keys() and all(np.array_equal(parts[path], whole[path]) for path in whole)


def test_a_tensor_in_two_files_is_refused(bert):
    index = shard(bert)
    name = "embeddings.LayerNorm.bias"
    other = bert / ({*index.values()} - {index[name]}).pop()
    spoil(other, **{name: np.ones(32, np.float32)})
    refused(bert, f"index.json: several of the files it names hold {name}: they are of diff", weights=True)


def test_damaged_indices(bert):
    index = shard(bert)
    file = bert / "model.safetensors.index.json"
    change(file, weight_map=index | {"more.weight": "model-00001-of-00002.safetensors"})
    refused(
        bert, r"index.json names tensors that their files lack: more.weight \(model-00001.*download it", weights=True
    )
    change(file, weight_map=index | {"more.weight": "model-00003-of-00002.safetensors"})
    refused(bert, "index.json names files that are not there: model-00003-of-00002.safetensors; copy or download")
    for wrong in (..., {}, {"a": "../b"}, {"a": 1}):
        change(file, weight_map=wrong)
        refused(bert, "index.json: expected weight_map, an object of tensor names to names of files beside it")


# Names.


def test_names_that_are_no_model(tmp_path):
    (tmp_path / "file").write_text("")
    refused(tmp_path / "file", r"--model=.*/file is a file; expected a preset \(tiny, small\) to train")
    for name in (str(tmp_path / "none"), "runs/of/today", "./none", "a b", "org/", ""):
        refused(name, rf"^--model={name}: no such folder, and not a hub id either; expected a preset")


def hub_error(kind: str, monkeypatch) -> None:
    """Makes huggingface_hub fail."""
    import huggingface_hub
    from huggingface_hub import errors

    def fail(*_, **__):
        error = getattr(errors, kind) if hasattr(errors, kind) else RuntimeError
        raise error.__new__(error, "what\nit said") if error is not RuntimeError else error("what\nit said")

    monkeypatch.setattr(huggingface_hub, "snapshot_download", fail)


@pytest.mark.parametrize(
    ("kind", "message"),
    [
        ("GatedRepoError", "is gated on the Hugging Face hub: ask for access on its page, then set HF_TOKEN"),
        ("RepositoryNotFoundError", "no such folder, and no such model on the Hugging Face hub .*expected a preset"),
        ("HFValidationError", "no such folder, and not a hub id either; expected a preset"),
        (
            "LocalEntryNotFoundError",
            "no such folder, not in the Hugging Face cache, and the hub is out of reach .*OFFLINE",
        ),
        ("any other", r"cannot be fetched from the Hugging Face hub \(what it said\); try again"),
    ],
)
def test_what_the_hub_says_becomes_one_line(monkeypatch, kind, message):
    hub_error(kind, monkeypatch)
    refused("some-one/some-model", f"^--model=some-one/some-model: {message}")


OFFLINE = """
import sys
from hbt_jax.errors import InputError
from hbt_jax.models.huggingface.pretrained import read
for name in sys.argv[1:]:
    try:
        source = read(name)
        print("found", source.name, source.folder.name, source.pooling, source.query_prefix)
    except InputError as error:
        print(error)
"""


def test_a_hub_id_is_found_in_the_cache_without_a_network(tmp_path):
    repository = tmp_path / "hub" / "models--some-one--multilingual-e5-small"
    shutil.copytree(GOLDEN / "labse", repository / "snapshots" / ("0" * 40))
    (repository / "refs").mkdir()
    (repository / "refs" / "main").write_text("0" * 40)
    environment = os.environ | {"HF_HUB_CACHE": str(tmp_path / "hub"), "HF_HUB_OFFLINE": "1", "JAX_PLATFORMS": "cpu"}
    done = subprocess.run(
        [sys.executable, "-c", OFFLINE, "some-one/multilingual-e5-small", "some-one/other"],
        env=environment, capture_output=True, text=True, check=True,
    )  # fmt: skip
    found, missed = done.stdout.splitlines()
    assert found == f"found some-one/multilingual-e5-small {'0' * 40} cls query: "
    assert missed.startswith(
        "--model=some-one/other: no such folder, not in the Hugging Face cache, and the hub is out"
    )


def test_only_files_that_are_needed_are_fetched(monkeypatch):
    import huggingface_hub
    from huggingface_hub.utils import filter_repo_objects

    asked = {}
    monkeypatch.setattr(
        huggingface_hub, "snapshot_download", lambda name, **given: asked.update(given, name=name) or str(GOLDEN)
    )
    assert find("some-one/some-model", "--model=some-one/some-model") == GOLDEN
    needed = {
        "config.json", "model.safetensors", "model-00001-of-00002.safetensors", "model.safetensors.index.json",
        "tokenizer.json", "tokenizer_config.json", "special_tokens_map.json", "sentencepiece.bpe.model", "vocab.txt",
        "modules.json", "1_Pooling/config.json", "2_Dense/config.json", "2_Dense/model.safetensors",
        "sentence_bert_config.json", "sentence_xlm-roberta_config.json", "config_sentence_transformers.json",
        "0_Transformer/tokenizer.json",
    }  # fmt: skip
    others = {
        "pytorch_model.bin", "onnx/model.onnx", "onnx/config.json", "openvino/openvino_model.xml", "tf_model.h5",
        "2_Dense/pytorch_model.bin", "README.md", "flax_model.msgpack", "fp16/model.safetensors", ".gitattributes",
    }  # fmt: skip
    assert set(filter_repo_objects(needed | others, allow_patterns=asked["allow_patterns"])) == needed
    assert asked["name"] == "some-one/some-model" and set(asked) == {"allow_patterns", "name"}
    assert hub.EXPECTED.startswith("expected a preset (tiny, small)")

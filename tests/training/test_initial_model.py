"""What a run starts from: options left to the model, flags that do not fit it, and the weights of step 0."""

import dataclasses
import json
import shutil
from pathlib import Path

import jax
import numpy as np
import pytest
from flax import nnx

from hbt_jax.config.learning import ModelConfig, PlanConfig, TextConfig
from hbt_jax.config.training import RunConfig, TrainConfig
from hbt_jax.errors import InputError
from hbt_jax.mesh import make_mesh
from hbt_jax.models.huggingface.pretrained import read, read_parameters
from hbt_jax.models.model import with_text
from hbt_jax.models.tokenizer import load_tokenizer
from hbt_jax.training import workdir
from hbt_jax.training.checkpoint import Record
from hbt_jax.training.initial_model import Habits, habits, open_initial_model, resolved
from hbt_jax.training.load import load_model
from hbt_jax.training.resume import check_same_run
from hbt_jax.training.train import model_lines
from tests.data_prep.small_stores import QUESTIONS, SENTENCES, make_text_store, make_tokenizer
from tests.interchange import make_models

SHORT = TextConfig(query_length=16, passage_length=make_models.LENGTH)


@pytest.fixture(scope="module")
def folders(tmp_path_factory):
    """Layout -> a folder with a tiny pretrained encoder."""
    root = tmp_path_factory.mktemp("pretrained")
    return {layout: make_models.folder_of(layout, root / layout) for layout in make_models.LAYOUTS}


def config(model, text: TextConfig = SHORT, **changes) -> TrainConfig:
    return TrainConfig(text=text, model=ModelConfig(model=str(model), **changes), run=RunConfig(workdir="w"))


def test_options_of_a_pretrained_encoder_are_those_of_its_files(folders):
    initial = open_initial_model(config(folders["labse"]))
    assert (initial.encoder.dense, initial.encoder.dropout) == (20, 0.1)
    assert (initial.config.model.pooling, initial.config.model.normalize) == ("cls", True)
    assert (initial.config.text.query_prefix, initial.config.text.passage_prefix) == ("", "")
    initial = open_initial_model(config(folders["bert"]))
    assert (initial.config.model.pooling, initial.config.model.normalize) == ("mean", False)
    initial = open_initial_model(config(folders["xlm-roberta"]))
    assert (initial.config.text.query_prefix, initial.config.text.passage_prefix) == ("query: ", "passage: ")


def test_flags_come_before_files_and_defaults_after(folders, tmp_path):
    given = TextConfig("ask: ", "", query_length=16, passage_length=16)
    initial = open_initial_model(config(folders["labse"], given, pooling="mean", normalize=False))
    assert (initial.config.model.pooling, initial.config.model.normalize) == ("mean", False)
    assert (initial.config.text.query_prefix, initial.config.text.passage_prefix) == ("ask: ", "")
    bare = shutil.copytree(folders["bert"], tmp_path / "bare")
    for name in ("modules.json", "config_sentence_transformers.json", "sentence_bert_config.json"):
        (bare / name).unlink()
    shutil.rmtree(bare / "1_Pooling")
    assert habits(read(str(bare)), SHORT, "model", None) == Habits("mean", True, "query: ", "passage: ")
    assert habits(None, SHORT, "cls", None) == Habits("cls", True, "query: ", "passage: ")


@pytest.mark.parametrize("layout", make_models.LAYOUTS)
def test_options_that_are_stated_as_the_files_have_them_are_the_same_run(folders, layout):
    left, workdir = config(folders[layout]), Path("w")
    own = resolved(left)
    assert own == open_initial_model(left).config == resolved(own)
    text = dataclasses.replace(SHORT, query_prefix=own.text.query_prefix, passage_prefix=own.text.passage_prefix)
    stated = config(folders[layout], text, pooling=own.model.pooling, normalize=own.model.normalize)
    assert open_initial_model(stated).config == own
    saved = Record(3, own.to_json(), {})
    check_same_run(saved, Record(0, open_initial_model(stated).config.to_json(), {}), workdir)
    other = "cls" if own.model.pooling == "mean" else "mean"
    with pytest.raises(InputError, match=f"other settings: --pooling={own.model.pooling} became {other}"):
        check_same_run(saved, Record(0, resolved(config(folders[layout], pooling=other)).to_json(), {}), workdir)


def settings_of(folder, **values):
    file = folder / "config_sentence_transformers.json"
    file.write_text(json.dumps(json.loads(file.read_text()) | values), encoding="utf-8")


def test_a_prompt_that_a_store_cannot_have_names_its_file_and_not_a_flag(folders, tmp_path):
    folder = shutil.copytree(folders["xlm-roberta"], tmp_path / "asked")
    settings_of(folder, prompts={"query": "检索：", "passage": "passage: "})
    with pytest.raises(
        InputError,
        match=r"^prompts.query in .*asked/config_sentence_transformers.json \('检索：'\): this tokenizer joins prefix",
    ):
        open_initial_model(config(folder))
    given = dataclasses.replace(SHORT, query_prefix="检索：")
    with pytest.raises(InputError, match="^--query_prefix='检索：': this tokenizer joins prefix and text into tokens"):
        open_initial_model(config(folder, given))
    initial = open_initial_model(config(folder, dataclasses.replace(SHORT, query_prefix="检索： ")))
    assert initial.said == {
        "passage_prefix": f"prompts.passage in {folder}/config_sentence_transformers.json",
        "pooling": f"{folder}/1_Pooling/config.json",
        "normalize": f"the modules of {folder}/modules.json and similarity_fn_name in"
        f" {folder}/config_sentence_transformers.json",
    }
    bert = shutil.copytree(folders["bert"], tmp_path / "bert")
    settings_of(bert, prompts={"query": "检索：", "document": ""})
    assert (
        open_initial_model(config(bert)).config.text.query_prefix == "检索："
    )  # BERT cuts after the colon, whatever follows


def test_what_is_assumed_of_a_folder_is_told_until_flags_say_it(folders, tmp_path):
    bare = shutil.copytree(folders["bert"], tmp_path / "bare")
    for name in ("modules.json", "config_sentence_transformers.json", "sentence_bert_config.json"):
        (bare / name).unlink()
    shutil.rmtree(bare / "1_Pooling")
    (line,) = [line for line in model_lines(open_initial_model(config(bare))) if line.startswith("note: ")]
    assert line == (
        f"note: {bare} has no modules.json, in which sentence-transformers states how a model is used; assumed: mean"
        " pooling, embeddings of unit length, 'query: ' before queries, 'passage: ' before passages; to change this,"
        " give --pooling or --normalize or --query_prefix or --passage_prefix"
    )
    text = dataclasses.replace(SHORT, query_prefix="")
    (line,) = [
        line for line in model_lines(open_initial_model(config(bare, text, pooling="cls"))) if line.startswith("note: ")
    ]
    assert (
        "assumed: embeddings of unit length, 'passage: ' before passages; to change this, give --normalize or"
        " --passage_prefix" in line
    )
    text = dataclasses.replace(text, passage_prefix="")
    whole = open_initial_model(config(bare, text, pooling="cls", normalize=False))
    assert not [line for line in model_lines(whole) if line.startswith("note: ")]
    mesh = make_mesh(1, 1, jax.devices()[:1])
    model = load_model(str(bare), "best", mesh, "float32", pooling="cls")
    (line,) = [line for line in model.lines() if line.startswith("note: ")]
    assert "assumed: embeddings of unit length, 'query: ' before queries, 'passage: ' before passages" in line
    told = with_text(model, "", "p: ", 8)
    assert [line.rpartition("assumed: ")[2] for line in told.lines() if line.startswith("note: ")] == [
        "embeddings of unit length; to change this, give --normalize"
    ]
    assert told.said == {"query_length": "--max_length", "passage_length": "--max_length"}
    for layout in ("labse", "xlm-roberta"):
        stated = load_model(str(folders[layout]), "best", mesh, "float32")
        assert not [line for line in stated.lines() if line.startswith("note: ")]


def test_the_vocabulary_of_the_two_files_must_fit(folders, tmp_path):
    folder = shutil.copytree(folders["bert"], tmp_path / "other")
    shutil.copy(folders["xlm-roberta"] / "tokenizer.json", folder)
    settings = json.loads((folder / "config.json").read_text()) | {"vocab_size": 40}
    (folder / "config.json").write_text(json.dumps(settings))
    shutil.copy(folders["xlm-roberta"] / "tokenizer_config.json", folder)
    with pytest.raises(InputError, match="tokenizer.json has ids up to .*but config.json says vocab_size 40"):
        open_initial_model(config(folder))


@pytest.mark.parametrize(
    ("changes", "text", "message"),
    [
        ({"tokenizer": "elsewhere"}, SHORT, "--tokenizer=elsewhere cannot be used with a pretrained --model="),
        ({}, TextConfig(query_length=16, passage_length=25), "--passage_length=25: expected at most 24, this model"),
        ({"lora_rank": 2, "freeze": ("embeddings",)}, SHORT, "--freeze=embeddings is not supported by --lora_rank=2"),
        ({"lora_rank": 2, "lora_layers": ("0-2",)}, SHORT, "--lora_layers=0-2: '0-2' does not fit an encoder with"),
        ({"freeze": ("pooler",)}, SHORT, "--freeze=pooler: 'pooler' matches nothing in this encoder"),
    ],
)
def test_flags_that_do_not_fit_the_model_are_named(folders, changes, text, message):
    with pytest.raises(InputError, match=message):
        open_initial_model(config(folders["xlm-roberta"], text, **changes))


def test_adapters_on_random_weights_are_refused(tmp_path):
    tokenizer = make_models.sentencepiece_file(tmp_path / "tokenizer")
    with pytest.raises(InputError, match="--lora_rank=2 needs a pretrained --model: only the adapters"):
        open_initial_model(config("tiny", tokenizer=str(tokenizer), lora_rank=2))


def test_a_run_begins_with_the_pretrained_weights_and_gives_them_back(folders, tmp_path):
    source = shutil.copytree(folders["labse"], tmp_path / "labse")
    run = make_models.run_of(tmp_path / "run", ModelConfig(model=str(source)), stores={}, text=SHORT)
    mesh = make_mesh(1, 1, jax.devices()[:1])
    wanted = read_parameters(read(str(source)))[0]
    for model in (load_model(str(run), "untrained", mesh, "float32"), load_model(str(source), "best", mesh, "float32")):
        for path, leaf in nnx.to_flat_state(model.parameters):
            np.testing.assert_array_equal(leaf[...], wanted[path], err_msg=str(path))
    trained = load_model(str(run), "last", mesh, "float32")
    assert trained.step == 5
    assert np.abs(np.asarray(trained.parameters["dense"]["bias"][...]) - wanted["dense", "bias"]).max() > 1e-3
    assert load_model(str(run), "last", mesh, "float32", pooling="mean", normalize=False).pooling == "mean"
    weights = bytearray((source / "model.safetensors").read_bytes())
    weights[-1] ^= 1
    (source / "model.safetensors").write_bytes(weights)
    with pytest.raises(InputError, match="was trained from .*labse, whose weights have changed since"):
        load_model(str(run), "untrained", mesh, "float32")


def test_a_pretrained_folder_is_loaded_as_its_files_say(folders):
    model = load_model(str(folders["xlm-roberta"]), "best", make_mesh(1, 1, jax.devices()[:1]), "float32")
    assert (model.pooling, model.normalize, model.step) == ("mean", True, 0)
    assert dataclasses.astuple(model.text)[:4] == ("query: ", "passage: ", make_models.LENGTH, make_models.LENGTH)
    with pytest.raises(InputError, match="--checkpoint=last is only for the workdir of a run, which --model=.*is not"):
        load_model(str(folders["bert"]), "last", make_mesh(1, 1, jax.devices()[:1]), "float32")


def test_files_of_another_version_are_refused(folders, tmp_path):
    run = make_models.run_of(tmp_path / "run", ModelConfig(model=str(folders["bert"])), stores={}, text=SHORT)
    (run / workdir.MODEL_FILE).write_text('{"pooling": "mean"}')
    with pytest.raises(InputError, match="model.json was not written by this version"):
        workdir.read_run(run)


def test_a_preset_takes_the_tokenizer_that_a_store_in_a_bucket_keeps(tmp_path):
    tokenizer = make_tokenizer(tmp_path / "tokenizer")
    make_text_store(tmp_path / "store", tokenizer, [{"en": QUESTIONS["en"][0]}], [{"en": SENTENCES["en"][0]}])
    given = TrainConfig(
        text=SHORT,
        plan=PlanConfig(stores=(f"file://{tmp_path}/store",)),
        run=RunConfig(workdir="w", store_cache=str(tmp_path / "cache")),
    )
    initial = open_initial_model(given)
    assert initial.tokenizer.path.is_relative_to(tmp_path / "cache")
    assert initial.tokenizer.fingerprint == load_tokenizer(tokenizer).fingerprint
    assert initial.config.plan.stores == given.plan.stores

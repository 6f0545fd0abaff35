"""What goes in comes out: bit for bit through our own reader, and through sentence-transformers to rounding."""

import dataclasses
import errno
import json
import os
import re
import signal
import subprocess
import sys
from pathlib import Path

import jax
import jax.numpy as jnp
import numpy as np
import pytest
import safetensors.numpy
from flax import nnx
from huggingface_hub import errors
from safetensors import SafetensorError

from hbt_jax.config.export import ExportConfig
from hbt_jax.config.values import OF_MODEL
from hbt_jax.errors import InputError, Interrupted
from hbt_jax.evaluation.embedding.embed import Embedder
from hbt_jax.interchange.export import export_command
from hbt_jax.mesh import make_mesh
from hbt_jax.models.huggingface import pretrained
from hbt_jax.models.model import with_text
from hbt_jax.training.load import load_model
from hbt_jax.training.preemption import StopRequest
from hbt_jax.training.workdir import read_run
from tests.interchange import make_models

ROOT = Path(__file__).resolve().parents[2]
NAMES = ("xlm-roberta", "bert", "labse", "modernbert", "preset", "lora")
QUERY, PASSAGE = "query", "passage"
TEXTS = [*make_models.TEXTS, "", " two  spaces ", "Nil " * 40]


def export(model: Path, out: Path, **changes) -> Path:
    export_command(ExportConfig(model=str(model), out=str(out), **changes), StopRequest())
    return out


def loaded(name: Path, checkpoint: str = "best"):
    return load_model(str(name), checkpoint, make_mesh(0, 1, jax.devices()[:1]), "float32")


def flat_of(folder: Path) -> dict:
    return pretrained.read_parameters(pretrained.read(str(folder)))[0]


def content(path: Path):
    return json.loads(path.read_text(encoding="utf-8"))


def snapshot(folder: Path) -> dict[str, bytes]:
    return {str(path.relative_to(folder)): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


@pytest.mark.parametrize("layout", make_models.LAYOUTS)
def test_import_export_import_gives_the_same_bits_and_settings(layout, sources, exports):
    before, after = flat_of(sources[layout]), flat_of(exports[layout])
    assert before.keys() == after.keys()
    for path, value in before.items():
        np.testing.assert_array_equal(value.view(np.uint32), after[path].view(np.uint32), err_msg=str(path))
    first, second = (pretrained.read(str(folder)) for folder in (sources[layout], exports[layout]))
    for name in ("encoder", "pooling", "normalize", "query_prefix", "passage_prefix", "max_length"):
        assert getattr(first, name) == getattr(second, name) is not None, name
    assert (sources[layout] / "tokenizer.json").read_bytes() == (exports[layout] / "tokenizer.json").read_bytes()


@pytest.mark.parametrize("name", NAMES)
def test_an_export_exported_again_has_the_same_weight_files(name, exports, tmp_path):
    again = export(exports[name], tmp_path / "again")
    for path in exports[name].rglob("*.safetensors"):
        assert path.read_bytes() == (again / path.relative_to(exports[name])).read_bytes()
    assert snapshot(again).keys() == snapshot(exports[name]).keys()


def test_the_files_are_those_that_old_versions_know(exports):
    labse, bert = exports["labse"], exports["bert"]
    kinds = ["Transformer", "Pooling", "Dense", "Normalize"]
    assert [m["type"] for m in content(labse / "modules.json")] == [f"sentence_transformers.models.{k}" for k in kinds]
    assert [m["path"] for m in content(labse / "modules.json")] == ["", "1_Pooling", "2_Dense", "3_Normalize"]
    assert [m["path"] for m in content(bert / "modules.json")] == ["", "1_Pooling"]
    assert content(labse / "1_Pooling" / "config.json")["pooling_mode_cls_token"] is True
    assert content(bert / "1_Pooling" / "config.json") == {
        "word_embedding_dimension": 16,
        "pooling_mode_cls_token": False,
        "pooling_mode_mean_tokens": True,
        "pooling_mode_max_tokens": False,
        "pooling_mode_mean_sqrt_len_tokens": False,
    }
    assert content(exports["xlm-roberta"] / "config_sentence_transformers.json") == {
        "prompts": {"query": "query: ", "passage": "passage: ", "document": "passage: "},
        "default_prompt_name": None,
        "similarity_fn_name": "cosine",
    }
    assert content(bert / "config_sentence_transformers.json")["similarity_fn_name"] == "dot"
    assert content(labse / "sentence_bert_config.json")["max_seq_length"] == make_models.LENGTH
    settings = content(bert / "tokenizer_config.json")
    assert settings["tokenizer_class"] == "PreTrainedTokenizerFast"
    assert settings["additional_special_tokens"] == ["[CLS]", "[PAD]", "[SEP]", "[UNK]"]
    assert "extra_special_tokens" not in settings
    assert settings["model_max_length"] == make_models.LENGTH
    with safetensors.safe_open(bert / "model.safetensors", framework="numpy") as file:
        assert file.metadata() == {"format": "pt"}
        assert "embeddings.word_embeddings.weight" in file.keys()  # noqa: SIM118 - not a dict


def test_the_padding_of_the_vocabulary_is_not_exported(sources, exports):
    model = loaded(sources["preset"])
    pieces = model.tokenizer.vocab_size
    table = dict(nnx.to_flat_state(model.parameters))["token_table", "embedding"].get_value()
    assert table.shape[0] > pieces
    written = safetensors.numpy.load_file(exports["preset"] / "model.safetensors")
    words = written["embeddings.word_embeddings.weight"]
    assert words.shape[0] == pieces == content(exports["preset"] / "config.json")["vocab_size"]
    np.testing.assert_array_equal(words, table[:pieces])
    assert not written["embeddings.token_type_embeddings.weight"].any()


def test_adapters_are_merged_and_the_rest_is_untouched(sources, exports):
    base, after = flat_of(sources["xlm-roberta"]), flat_of(exports["lora"])
    lora = read_run(sources["lora"]).step_config.lora
    adapted = dict(nnx.to_flat_state(loaded(sources["lora"]).parameters))
    path = ("layers", 1, "query_key_value", "kernel")
    assert [name for name in base if not np.array_equal(base[name], after[name])] == [path]
    change = {}
    for target in ("query", "value"):
        pair = (adapted["layers", 1, "adapters", target, name].get_value() for name in ("lora_a", "lora_b"))
        a, b = (np.asarray(each, np.float64) for each in pair)
        change[target] = lora.alpha / lora.rank * a @ b
    expected = base[path] + np.concatenate([change["query"], np.zeros((16, 16)), change["value"]], axis=1)
    np.testing.assert_array_equal(after[path], expected.astype(np.float32))


def test_adapters_are_written_apart_too_and_read_on_their_base(sources, exports, tmp_path):
    out = export(sources["lora"], tmp_path / "out", peft_adapter=True)
    assert sorted(path.name for path in (out / "adapter").iterdir()) == [
        "adapter_config.json", "adapter_model.safetensors",
    ]  # fmt: skip
    before, after = flat_of(exports["lora"]), flat_of(out / "adapter")
    for path, value in before.items():
        np.testing.assert_allclose(after[path], value, rtol=0, atol=1e-6, err_msg=str(path))
    assert snapshot(exports["lora"]).keys() < snapshot(out).keys()
    with pytest.raises(InputError, match="--peft_adapter: .* has no low-rank adapters .*: leave it out"):
        export(sources["preset"], tmp_path / "none", peft_adapter=True)


@pytest.mark.parametrize("name", ["preset", "lora"])
def test_a_run_and_its_export_embed_alike(name, sources, vectors):
    ours, theirs = embedded(loaded(sources[name])), vectors[name]
    for side in (QUERY, PASSAGE):
        np.testing.assert_allclose(ours[side], theirs[side], atol=2e-6)


@pytest.fixture(scope="module")
def vectors(exports) -> dict[str, dict[str, np.ndarray]]:
    """Name -> side -> our embeddings of TEXTS by the exported model."""
    return {name: embedded(loaded(folder)) for name, folder in exports.items()}


def embedded(model) -> dict[str, np.ndarray]:
    """TEXTS as both sides, cut to the export's one length, which is the longer side's."""
    mesh, model = make_mesh(0, 1, jax.devices()[:1]), with_text(model, OF_MODEL, OF_MODEL, model.text.longest)
    embedder = Embedder(model, mesh, texts_per_device=16, poll=lambda: None, shown=False)
    return {side: embedder(TEXTS, side) for side in (QUERY, PASSAGE)}


def test_which_checkpoint_is_exported(sources, tmp_path):
    tables = {}
    for checkpoint, step in (("best", 3), ("last", 5), ("untrained", 0)):
        out = export(sources["preset"], tmp_path / checkpoint, checkpoint=checkpoint)
        source = {"name": "quick run", "checkpoint": checkpoint, "step": step}
        assert content(out / "hbt_jax.json")["source"] == source
        tables[checkpoint] = flat_of(out)["token_table", "embedding"]
    assert not np.array_equal(tables["best"], tables["last"])
    assert not np.array_equal(tables["best"], tables["untrained"])


def test_a_shorter_longest_text(sources, exports, tmp_path):
    short = export(sources["preset"], tmp_path / "short", max_length=10)
    assert content(short / "sentence_bert_config.json")["max_seq_length"] == 10
    assert content(exports["preset"] / "sentence_bert_config.json")["max_seq_length"] == make_models.LENGTH
    with pytest.raises(InputError, match=r"--max_length=99: expected at most 24, this model's positions"):
        export(sources["preset"], tmp_path / "long", max_length=99)
    with pytest.raises(InputError, match="--max_length=3: expected at least 4 tokens, or 0"):
        export(sources["preset"], tmp_path / "empty", max_length=3)


@pytest.mark.peer
@pytest.mark.parametrize("name", NAMES)
def test_sentence_transformers_embeds_as_we_do(name, exports, vectors, monkeypatch):
    sentence_transformers = pytest.importorskip("sentence_transformers", exc_type=ImportError)
    monkeypatch.setenv("HF_HUB_OFFLINE", "1")
    theirs = sentence_transformers.SentenceTransformer(str(exports[name]), device="cpu")
    settings = pretrained.read(str(exports[name]))
    prefixes = (settings.query_prefix, settings.passage_prefix)
    assert any(prefixes) == (name not in ("bert", "labse"))
    for side, encode, prefix in zip((QUERY, PASSAGE), ("encode_query", "encode_document"), prefixes, strict=True):
        ours = vectors[name][side]
        for found in (
            getattr(theirs, encode)(TEXTS),
            theirs.encode(TEXTS, prompt_name=side),
            theirs.encode([prefix + text for text in TEXTS]),
        ):
            assert found.dtype == np.float32
            assert cosines(ours, found).min() >= 0.99999
            np.testing.assert_allclose(ours, found, rtol=1e-4, atol=1e-5)
    scores = theirs.similarity(theirs.encode_query(TEXTS), theirs.encode_document(TEXTS)).numpy()
    np.testing.assert_allclose(scores, vectors[name][QUERY] @ vectors[name][PASSAGE].T, rtol=1e-4, atol=1e-5)


def cosines(one: np.ndarray, other: np.ndarray) -> np.ndarray:
    one, other = (vectors / np.linalg.norm(vectors, axis=1, keepdims=True) for vectors in (one, other))
    return (one * other).sum(axis=1)


@pytest.mark.peer
def test_transformers_alone_loads_the_same_encoder(exports, vectors, monkeypatch):
    torch = pytest.importorskip("torch", exc_type=ImportError)
    transformers = pytest.importorskip("transformers", exc_type=ImportError)
    monkeypatch.setenv("HF_HUB_OFFLINE", "1")
    model, report = transformers.AutoModel.from_pretrained(exports["preset"], output_loading_info=True)
    assert {name.partition(".")[0] for name in report["missing_keys"]} <= {"pooler"}
    assert not report["unexpected_keys"]
    tokenizer = transformers.AutoTokenizer.from_pretrained(exports["preset"])
    texts = [f"query: {text}".rstrip() for text in TEXTS]
    inputs = tokenizer(texts, padding=True, truncation=True, max_length=make_models.LENGTH, return_tensors="pt")
    with torch.no_grad():
        hidden = model.eval()(input_ids=inputs["input_ids"], attention_mask=inputs["attention_mask"])[0]
    mask = inputs["attention_mask"][:, :, None].float()
    pooled = ((hidden * mask).sum(1) / mask.sum(1)).numpy()
    assert cosines(vectors["preset"][QUERY], pooled).min() >= 0.99999


def test_an_unchanged_export_is_replaced_and_anything_else_is_kept(sources, exports, tmp_path):
    out = export(sources["bert"], tmp_path / "deep" / "out")
    assert [path.name for path in (tmp_path / "deep").iterdir()] == ["out"]
    export(sources["labse"], out)
    assert snapshot(out).keys() == snapshot(exports["labse"]).keys()
    for name, text in (("notes.txt", "mine"), ("README.md", "my own words")):
        before = (out / name).read_bytes() if (out / name).exists() else None
        (out / name).write_text(text)
        kept = snapshot(out)
        with pytest.raises(InputError, match=f"{name}, which was added or changed after the export: move it away"):
            export(sources["bert"], out)
        assert snapshot(out) == kept
        (out / name).unlink() if before is None else (out / name).write_bytes(before)
    export(sources["bert"], out)


def test_folders_that_no_export_wrote(sources, tmp_path):
    (tmp_path / "empty").mkdir()
    export(sources["bert"], tmp_path / "empty")
    (tmp_path / "file").write_text("mine")
    with pytest.raises(InputError, match=r"--out=.*file is a file: expected a folder to write"):
        export(sources["bert"], tmp_path / "file")
    (tmp_path / "full").mkdir()
    (tmp_path / "full" / "thesis.tex").write_text("mine")
    with pytest.raises(InputError, match=r"--out=.*full was not written by an export: move it away or choose another"):
        export(sources["bert"], tmp_path / "full")
    for mark in ("{", "[]", '{"format": "other", "files": {}}', '{"format": "hbt_jax export", "files": 3}'):
        (tmp_path / "full" / "hbt_jax.json").write_text(mark)
        with pytest.raises(InputError, match="was not written by an export"):
            export(sources["bert"], tmp_path / "full")
    assert (tmp_path / "full" / "thesis.tex").read_text() == "mine"
    kept = snapshot(sources["bert"])
    with pytest.raises(InputError, match=r"--out=.*bert/\. is the --model itself|--out=.*bert is the --model itself"):
        export(sources["bert"], sources["bert"] / ".")
    assert snapshot(sources["bert"]) == kept


def test_an_export_is_not_replaced_by_itself(sources, tmp_path):
    out = export(sources["bert"], tmp_path / "out")
    with pytest.raises(InputError, match="is the --model itself: choose another folder"):
        export(out, out)


def test_a_folder_that_may_not_be_written(sources, tmp_path, monkeypatch):
    (tmp_path / "locked").mkdir()
    monkeypatch.setattr(os, "access", lambda path, mode: Path(path) != tmp_path / "locked")
    with pytest.raises(InputError, match=r"locked/deep: cannot write there: .*locked is not writable: change its perm"):
        export(sources["bert"], tmp_path / "locked" / "deep" / "out")


@pytest.mark.parametrize(
    "error",
    [
        OSError(errno.ENOSPC, "No space left on device"),
        SafetensorError("Error while serializing: I/O error: No space left on device (os error 28)"),
    ],
)
def test_a_full_disk_is_one_clear_error_and_leaves_what_was_there(error, sources, tmp_path, monkeypatch):
    out = export(sources["bert"], tmp_path / "out")
    kept = snapshot(out)

    def full(*_, **__):
        raise error

    monkeypatch.setattr(safetensors.numpy, "save_file", full)
    with pytest.raises(InputError, match=r"--out=.*out: cannot be written: .*No space left.*; make room or choose"):
        export(sources["labse"], out)
    assert snapshot(tmp_path) == {f"out/{name}": value for name, value in kept.items()}


def test_a_stop_leaves_nothing(sources, tmp_path, monkeypatch):
    stop, save = StopRequest(), safetensors.numpy.save_file

    def save_and_stop(*arguments, **named):
        save(*arguments, **named)
        stop.received = signal.SIGINT

    monkeypatch.setattr(safetensors.numpy, "save_file", save_and_stop)
    with pytest.raises(Interrupted, match="during the export; .*out is as it was before"):
        export_command(ExportConfig(model=str(sources["bert"]), out=str(tmp_path / "out")), stop)
    assert list(tmp_path.iterdir()) == []


def test_an_export_that_reads_back_differently_is_not_kept(sources, tmp_path, monkeypatch):
    save = safetensors.numpy.save_file

    def save_one_bit_wrong(arrays, *arguments, **named):
        bias = "embeddings.LayerNorm.bias"
        save(arrays | {bias: np.nextafter(arrays[bias], np.float32(9))}, *arguments, **named)

    monkeypatch.setattr(safetensors.numpy, "save_file", save_one_bit_wrong)
    with pytest.raises(InputError, match=r"was not kept, because embeddings\.LayerNorm\.bias differ from the model's"):
        export(sources["bert"], tmp_path / "out")
    assert list(tmp_path.iterdir()) == []


def test_models_that_are_not_there(sources, tmp_path):
    with pytest.raises(InputError, match=r"--model=.*nowhere"):
        export(tmp_path / "nowhere", tmp_path / "out")
    with pytest.raises(InputError, match=r"--checkpoint=last is only for the workdir of a run"):
        export(sources["bert"], tmp_path / "out", checkpoint="last")
    unfinished = tmp_path / "unfinished"
    unfinished.mkdir()
    for path in sources["preset"].iterdir():
        if path.name != "checkpoints":
            os.symlink(path, unfinished / path.name)
    with pytest.raises(InputError, match="holds no checkpoint yet: train first"):
        export(unfinished, tmp_path / "out")
    assert not (tmp_path / "out").exists()


def test_a_checkpoint_that_is_saved_during_the_export_is_an_error(sources, tmp_path, monkeypatch):
    from hbt_jax.interchange import export as module

    older = dataclasses.replace(loaded(sources["preset"], "last"), step=4)
    monkeypatch.setattr(module, "load_model", lambda *_: older)
    with pytest.raises(InputError, match="the run has saved step 5 since step 4 was read: try again"):
        export(sources["preset"], tmp_path / "out", checkpoint="last")


@pytest.mark.parametrize("license_id", ["Apache 2.0", "", "mit\ntags: [x]"])
def test_a_licence_is_the_hubs_name_of_one(license_id):
    with pytest.raises(InputError, match=r"--license=.*expected the hub's name of a licence, in small letters"):
        ExportConfig(license=license_id)


def test_the_command(sources, tmp_path):
    def run(*arguments: str) -> subprocess.CompletedProcess:
        return subprocess.run(
            [sys.executable, str(ROOT / "launch" / "export.py"), *arguments], capture_output=True, text=True,
            check=False, cwd=tmp_path, env={**os.environ, "XLA_FLAGS": ""},
        )  # fmt: skip

    for arguments, message in (
        (["--out=o"], "--model is needed: workdir of a run"),
        (["--model=m"], "--out is needed: folder to write"),
        (["--model=m", "--out=o", "--licence=mit"], "unknown flag --licence: did you mean --license?"),
    ):
        ended = run(*arguments)
        assert (ended.returncode, ended.stderr.count("\n"), list(tmp_path.iterdir())) == (2, 1, [])
        assert message in ended.stderr
    done = run(f"--model={sources['bert']}", "--out=o/", "--license=mit")
    assert done.returncode == 0, done.stderr
    assert done.stdout.startswith(f"exported {sources['bert']} to o: ")
    assert "read back and compared" in done.stdout
    assert [path.name for path in tmp_path.iterdir()] == ["o"]
    assert 'license: "mit"' in (tmp_path / "o" / "README.md").read_text()


def test_weights_in_bfloat16_are_half_as_large_and_read_as_rounded(exports, sources, tmp_path):
    out = export(sources["labse"], tmp_path / "half", dtype="bfloat16")
    assert content(out / "config.json")["dtype"] == "bfloat16"
    whole, half = flat_of(exports["labse"]), flat_of(out)
    assert whole.keys() == half.keys() and ("dense", "kernel") in half
    for path, value in whole.items():
        np.testing.assert_array_equal(half[path], value.astype(jnp.bfloat16).astype(np.float32), err_msg=str(path))
    for weights in ("model.safetensors", "2_Dense/model.safetensors"):
        sizes = [(folder / weights).stat().st_size for folder in (out, exports["labse"])]
        assert sizes[0] < 0.6 * sizes[1]
    again = export(out, tmp_path / "again", dtype="bfloat16")
    assert (again / "model.safetensors").read_bytes() == (out / "model.safetensors").read_bytes()


@pytest.mark.parametrize("name", NAMES)
def test_onnx_embeds_as_the_model_does(name, sources, exports, tmp_path, capsys):
    for package in ("torch", "onnx", "onnxscript"):
        pytest.importorskip(package, exc_type=ImportError)
    runtime = pytest.importorskip("onnxruntime", exc_type=ImportError)
    out = export(exports[name], tmp_path / "out", onnx=True)
    said = re.search(r"onnx/model.onnx: embeddings in ONNX Runtime differ by at most (\S+)", capsys.readouterr().out)
    assert float(said[1]) <= 1e-4
    session = runtime.InferenceSession(str(out / "onnx" / "model.onnx"), providers=["CPUExecutionProvider"])
    assert [one.name for one in session.get_outputs()] == ["last_hidden_state", "sentence_embedding"]
    ids = np.full((3, 5), 7)
    states, vectors = session.run(None, {"input_ids": ids, "attention_mask": np.ones_like(ids)})
    assert states.shape[:2] == (3, 5) and vectors.shape == (3, loaded(out).encoder.embedding_width)
    export(exports[name], out, onnx=True)  # an unmodified export is overwritten


def test_onnx_that_embeds_differently_is_not_kept(sources, tmp_path, monkeypatch):
    for package in ("torch", "onnx", "onnxscript", "onnxruntime"):
        pytest.importorskip(package, exc_type=ImportError)
    monkeypatch.setattr("hbt_jax.interchange.onnx_export._run", lambda file, given: np.ones(1, np.float32))
    with pytest.raises(InputError, match=r"differs from the model's by \S+, expected at most 1e-04"):
        export(sources["bert"], tmp_path / "out", onnx=True)
    assert not (tmp_path / "out").exists()


def test_onnx_needs_its_extra(sources, tmp_path, monkeypatch):
    monkeypatch.setattr("importlib.util.find_spec", lambda name: None)
    with pytest.raises(
        InputError, match=r"--onnx needs torch, onnx, onnxscript, onnxruntime: pip install -e '.\[onnx\]'"
    ):
        export(sources["bert"], tmp_path / "out", onnx=True)


class Hub:
    """Stands for huggingface_hub's HfApi; a failure is raised by the upload."""

    failure: Exception | None = None

    def __init__(self, calls):
        self.calls = calls

    def create_repo(self, place, private, exist_ok):
        self.calls.append(("create", place, private, exist_ok))

    def upload_folder(self, repo_id, folder_path, commit_message):
        if self.failure:
            raise self.failure
        self.calls.append(("upload", repo_id, sorted(path.name for path in folder_path.iterdir()), commit_message))
        return f"https://hub/{repo_id}"


def test_an_export_is_pushed_once_it_is_complete(sources, tmp_path, monkeypatch, capsys):
    calls = []
    monkeypatch.setattr("huggingface_hub.HfApi", lambda: Hub(calls))
    out = export(sources["bert"], tmp_path / "out", push="acme/retriever", push_private=True)
    assert calls[0] == ("create", "acme/retriever", True, True)
    assert calls[1][:2] == ("upload", "acme/retriever") and {"README.md", "model.safetensors"} <= set(calls[1][2])
    assert capsys.readouterr().out.endswith("uploaded to https://hub/acme/retriever\n")
    before = snapshot(out)
    monkeypatch.setattr(Hub, "failure", ConnectionError("no route"))
    with pytest.raises(InputError, match=r"--push=acme/retriever: the hub refused the upload: no route; the export is"):
        export(sources["bert"], out, push="acme/retriever")
    assert snapshot(out).keys() == before.keys()
    monkeypatch.setattr(Hub, "failure", errors.LocalTokenNotFoundError("no token"))
    with pytest.raises(InputError, match=r"not logged in: run `hf auth login`, or set HF_TOKEN; the export is"):
        export(sources["bert"], out, push="acme/retriever")


def test_a_dry_run_contacts_nobody(sources, tmp_path, monkeypatch, capsys):
    monkeypatch.setattr("huggingface_hub.HfApi", lambda: pytest.fail("contacted"))
    out = export(sources["bert"], tmp_path / "out", push="acme/retriever", push_dry_run=True)
    lines = capsys.readouterr().out.splitlines()
    files = [path for path in out.rglob("*") if path.is_file()]
    assert f"would upload {len(files)} files of {out} to https://huggingface.co/acme/retriever:" in lines
    size = (out / "model.safetensors").stat().st_size
    assert f"  model.safetensors  {size:,} bytes" in lines


@pytest.mark.parametrize(
    ("flags", "message"),
    [
        ({"push": "acme"}, "--push=acme: expected OWNER/NAME on the Hugging Face hub"),
        ({"push_dry_run": True}, "--push_dry_run needs --push=OWNER/NAME"),
        ({"push_private": True}, "--push_private needs --push=OWNER/NAME"),
        ({"dtype": "float8"}, "--dtype"),
        (
            {"dtype": "bfloat16", "onnx": True},
            "--onnx always writes float32 and cannot be combined with --dtype=bfloat16: run two exports",
        ),
    ],
)
def test_wrong_flags_of_an_export(flags, message):
    with pytest.raises(InputError, match=message):
        ExportConfig(model="m", out="o", **flags)

"""Tiny models to export: folders in Hugging Face's layout with random weights, and workdirs of runs."""

import io
import json
from pathlib import Path

import jax
import numpy as np
import safetensors.numpy
import sentencepiece
import tokenizers
from flax import nnx
from tokenizers import models, normalizers, pre_tokenizers, processors, trainers

from data_prep.train_sentencepiece import SETTINGS
from hbt_jax.config.learning import LearningConfig, ModelConfig, PlanConfig, TextConfig
from hbt_jax.config.training import RunConfig, TrainConfig
from hbt_jax.mesh import make_mesh
from hbt_jax.models.encoder import EncoderConfig
from hbt_jax.models.huggingface import architectures
from hbt_jax.models.rotary import RotaryConfig
from hbt_jax.training import step as steps
from hbt_jax.training import workdir
from hbt_jax.training.checkpoint import Checkpoints, Record
from hbt_jax.training.initial_model import open_initial_model

TEXTS = [
    "Which river flows through Cairo?", "Der Nil fließt durch Kairo.", "Где находится столица?", "ما هي عاصمة مصر؟",
    "日本の首都はどこですか。", "यह क्या है?", "นี่คืออะไร", "Τι είναι αυτό;", "İstanbul'un nüfusu 15.655.924",
    "emoji 👩‍👧 ok",
]  # fmt: skip
_CORPUS = [*TEXTS * 4, "query: passage: what is it in 100 x 100?"]
LENGTH = 24

LAYOUTS = {
    # XLM-R: position offset, one token type, mean, unit length; e5's prompts
    "xlm-roberta": {
        "encoder": {"position_offset": 2, "token_types": 1, "pad_id": 1},
        "pooling": "mean",
        "normalize": True,
        "prompts": {"query": "query: ", "passage": "passage: "},
    },
    # BERT: mean, inner product, no prompts
    "bert": {"encoder": {"token_types": 2}, "pooling": "mean", "normalize": False, "prompts": {}},
    # LaBSE: first token, a dense layer with tanh, unit length
    "labse": {
        "encoder": {"token_types": 2, "dense": 20, "norm_epsilon": 1e-12},
        "pooling": "cls",
        "normalize": True,
        "prompts": {},
    },
    # ModernBERT: rotary positions, a local layer, no biases
    "modernbert": {
        "encoder": {
            "rotary": RotaryConfig(
                160_000.0, local_layers=(1,), local_theta=10_000.0, window=3, pre_norm=True, norm_bias=False
            )
        },
        "pooling": "mean",
        "normalize": True,
        "prompts": {"query": "search_query: ", "passage": "search_document: "},
    },
}


def folder_of(layout: str, folder: Path) -> Path:
    """A folder with random weights in one of the layouts, as sentence-transformers wrote them before release 6."""
    told = LAYOUTS[layout]
    folder.mkdir()
    backend = _unigram() if layout == "xlm-roberta" else _wordpiece()
    names = ("<s>", "<pad>", "</s>", "<unk>") if layout == "xlm-roberta" else ("[CLS]", "[PAD]", "[SEP]", "[UNK]")
    backend.save(str(folder / "tokenizer.json"))
    special = dict(zip(("cls_token", "pad_token", "sep_token", "unk_token"), names, strict=True))
    kind = {"tokenizer_class": "TokenizersBackend", "extra_special_tokens": list(names)}  # as transformers 5 has it
    write_json(folder / "tokenizer_config.json", kind | special)
    encoder = EncoderConfig(
        backend.get_vocab_size(), width=16, layers=2, heads=2, feed_forward=32, max_positions=LENGTH, **told["encoder"]
    )
    write_json(folder / "config.json", architectures.config_json(encoder))
    rng = np.random.default_rng(len(layout))
    shapes = architectures.tensor_shapes(encoder)
    weights = {name: rng.normal(0, 0.3, shape).astype(np.float32) for name, shape in shapes.items()}
    safetensors.numpy.save_file(weights, folder / "model.safetensors")
    places = ["", "1_Pooling", *(["2_Dense"] if encoder.dense else [])]
    places += [f"{len(places)}_Normalize"] * told["normalize"]
    for place in places[1:]:
        (folder / place).mkdir()
    write_json(
        folder / "modules.json",
        [
            {"idx": i, "name": str(i), "path": place, "type": "sentence_transformers.models." + kind}
            for i, place in enumerate(places)
            for kind in [place.partition("_")[2] or "Transformer"]
        ],
    )
    mode = {"mean": "pooling_mode_mean_tokens", "cls": "pooling_mode_cls_token"}[told["pooling"]]
    write_json(folder / "1_Pooling" / "config.json", {"word_embedding_dimension": encoder.width, mode: True})
    write_json(folder / "sentence_bert_config.json", {"max_seq_length": LENGTH, "do_lower_case": False})
    similarity = "cosine" if told["normalize"] else "dot"
    write_json(
        folder / "config_sentence_transformers.json", {"prompts": told["prompts"], "similarity_fn_name": similarity}
    )
    if encoder.dense:
        activation = "torch.nn.modules.activation.Tanh"
        sizes = {"in_features": encoder.width, "out_features": encoder.dense, "bias": True}
        write_json(folder / "2_Dense" / "config.json", {**sizes, "activation_function": activation})
        weight = rng.normal(0, 0.3, (encoder.dense, encoder.width)).astype(np.float32)
        bias = rng.normal(0, 0.3, encoder.dense).astype(np.float32)
        dense = {"linear.weight": weight, "linear.bias": bias}
        safetensors.numpy.save_file(dense, folder / "2_Dense" / "model.safetensors")
    return folder


def write_json(path: Path, content: object) -> None:
    path.write_text(json.dumps(content), encoding="utf-8")


def _wordpiece() -> tokenizers.Tokenizer:
    names = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]"]
    backend = tokenizers.Tokenizer(models.WordPiece(unk_token="[UNK]"))
    backend.normalizer, backend.pre_tokenizer = normalizers.BertNormalizer(), pre_tokenizers.BertPreTokenizer()
    backend.train_from_iterator(_CORPUS, trainers.WordPieceTrainer(vocab_size=260, special_tokens=names))
    backend.post_processor = processors.BertProcessing(("[SEP]", 3), ("[CLS]", 2))
    return backend


def _unigram() -> tokenizers.Tokenizer:
    names = ["<s>", "<pad>", "</s>", "<unk>"]
    backend = tokenizers.Tokenizer(models.Unigram())
    backend.normalizer = normalizers.Replace(tokenizers.Regex(" {2,}"), " ")
    backend.pre_tokenizer = pre_tokenizers.Sequence([pre_tokenizers.WhitespaceSplit(), pre_tokenizers.Metaspace()])
    trainer = trainers.UnigramTrainer(vocab_size=260, special_tokens=names, unk_token="<unk>", show_progress=False)
    backend.train_from_iterator(_CORPUS, trainer)
    backend.post_processor = processors.TemplateProcessing(
        single="<s> $A </s>", pair="<s> $A </s> </s> $B </s>", special_tokens=[("<s>", 0), ("</s>", 2)]
    )
    return backend


def sentencepiece_file(folder: Path) -> Path:
    """A small SentencePiece model as data_prep/train_sentencepiece.py makes them."""
    model = io.BytesIO()
    sentencepiece.SentencePieceTrainer.train(
        sentence_iterator=iter(_CORPUS), model_writer=model, vocab_size=115, minloglevel=2, **SETTINGS
    )
    folder.mkdir()
    (folder / "tokenizer.model").write_bytes(model.getvalue())
    return folder / "tokenizer.model"


def run_of(folder: Path, model: ModelConfig, *, stores: dict[str, str], text: TextConfig | None = None) -> Path:
    """The workdir of a run that ended at step 5, with its best validation at step 3; every trained number has moved.

    Args:
      folder: the workdir.
      model: what it started from.
      stores: path -> fingerprint of what it was trained on.
      text: prefixes and lengths.
    """
    config = TrainConfig(
        text=text or TextConfig(query_length=16, passage_length=LENGTH),
        plan=PlanConfig(stores=tuple(stores), mono_probability=0.25, global_batch=64),
        model=model,
        learning=LearningConfig(),
        run=RunConfig(workdir=str(folder), steps=5, seed=7),
    )
    initial = open_initial_model(config)
    workdir.write(folder, initial)
    mesh, step_config = make_mesh(1, 1, jax.devices()[:1]), workdir.step_config_of(initial)
    state = steps.sharded_initial_state(step_config, mesh, initial.weights()[0])
    trained, frozen = step_config.split(state.parameters)
    data = {"stores": list(stores.values())}
    checkpoints = Checkpoints(folder)
    for step in (3, 5):
        moved = nnx.merge_state(jax.tree.map(lambda leaf, by=step: leaf + 0.01 * by * (leaf + 0.5), trained), frozen)
        record = Record(step, config.to_json(), data, best_value=1.5, best_step=3, evaluated_step=step)
        now = state._replace(parameters=moved, step=state.step + step)
        checkpoints.save_last(now, record)
        if step == 3:
            checkpoints.save_best(now, record)
    checkpoints.close()
    return folder

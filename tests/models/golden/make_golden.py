#!/usr/bin/env python3
"""Writes the golden models of tests/models/test_parity.py: tiny random encoders and what transformers computes.

    python tests/models/golden/make_golden.py

Needs torch, transformers, tokenizers and safetensors; the test then needs none of them but safetensors.  Each folder
beside this file holds a model as it is found on the Hugging Face hub and expected.safetensors:

    tokens   int32 [texts, longest], padded
    lengths  int32 [texts], from one token to the longest that the model takes
    hidden   float32 [tokens of all texts, width], last hidden states
    mean, cls  float32 [texts, embedding], unit vectors by either pooling (and the dense layer, where there is one)

Every parameter is random, biases and norms too, so that none can be mistaken for another.
"""

import json
from pathlib import Path

import tokenizers
import torch
from safetensors.torch import save_file
from transformers import BertConfig, BertModel, PreTrainedModel, XLMRobertaConfig, XLMRobertaModel

HERE = Path(__file__).resolve().parent
VOCABULARY = 103
SHAPE = {
    "vocab_size": VOCABULARY, "hidden_size": 32, "num_hidden_layers": 2, "num_attention_heads": 4,
    "intermediate_size": 44,
}  # fmt: skip
# In the order of their ids.
XLM_R_TOKENS = {"cls_token": "<s>", "pad_token": "<pad>", "sep_token": "</s>", "unk_token": "<unk>"}
BERT_TOKENS = {"pad_token": "[PAD]", "unk_token": "[UNK]", "cls_token": "[CLS]", "sep_token": "[SEP]"}
MODULES = ["Transformer", "Pooling", "Dense", "Normalize"]  # of LaBSE


def scramble(module: torch.nn.Module, generator: torch.Generator) -> None:
    """Random values for every parameter: norms around one, the rest around zero."""
    for name, parameter in module.named_parameters():
        noise = torch.randn(parameter.shape, generator=generator)
        is_scale = "LayerNorm.weight" in name
        parameter.data = 1 + 0.3 * noise if is_scale else 0.2 * noise


def write_tokenizer(folder: Path, special: dict[str, str]) -> None:
    """A word-piece tokenizer of letters and a few words, with the ids that the model's family gives its specials."""
    letters = [chr(code) for code in range(ord("a"), ord("z") + 1)]
    pieces = [*special.values(), *letters, *(f"##{letter}" for letter in letters), "query", ":", "passage"]
    pieces += [f"word{number}" for number in range(VOCABULARY - len(pieces))]
    ids = {piece: number for number, piece in enumerate(pieces)}
    backend = tokenizers.Tokenizer(tokenizers.models.WordPiece(ids, unk_token=special["unk_token"]))
    backend.normalizer = tokenizers.normalizers.BertNormalizer()
    backend.pre_tokenizer = tokenizers.pre_tokenizers.BertPreTokenizer()
    end, begin = ((special[name], ids[special[name]]) for name in ("sep_token", "cls_token"))
    backend.post_processor = tokenizers.processors.BertProcessing(end, begin)
    backend.add_special_tokens(list(special.values()))
    backend.save(str(folder / "tokenizer.json"), pretty=False)
    write_json(folder / "tokenizer_config.json", {"tokenizer_class": "PreTrainedTokenizerFast", **special})


def write_json(path: Path, values) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps(values, indent=2) + "\n", encoding="utf-8")


def write_labse(folder: Path, generator: torch.Generator) -> torch.nn.Linear:
    """The sentence-transformers files of LaBSE, in the naming of its repository; returns the dense layer."""
    width = SHAPE["hidden_size"]
    dense = torch.nn.Linear(width, width)
    scramble(dense, generator)
    paths = ["", *(f"{number}_{name}" for number, name in enumerate(MODULES) if number)]
    write_json(
        folder / "modules.json",
        [
            {"idx": number, "name": str(number), "path": path, "type": f"sentence_transformers.models.{name}"}
            for number, (path, name) in enumerate(zip(paths, MODULES, strict=True))
        ],
    )
    write_json(folder / "sentence_bert_config.json", {"max_seq_length": 25, "do_lower_case": False})
    write_json(
        folder / "1_Pooling" / "config.json",
        {
            "word_embedding_dimension": width, "pooling_mode_cls_token": True, "pooling_mode_mean_tokens": False,
            "pooling_mode_max_tokens": False, "pooling_mode_mean_sqrt_len_tokens": False,
        },
    )  # fmt: skip
    write_json(
        folder / "2_Dense" / "config.json",
        {
            "in_features": width, "out_features": width, "bias": True,
            "activation_function": "torch.nn.modules.activation.Tanh",
        },
    )  # fmt: skip
    save_file({f"linear.{n}": p.data for n, p in dense.named_parameters()}, folder / "2_Dense" / "model.safetensors")
    return dense


def write_expected(
    folder: Path, model: PreTrainedModel, dense: torch.nn.Linear | None, generator: torch.Generator
) -> None:
    """Token ids and what the model makes of them."""
    config = model.config
    longest = config.max_position_embeddings - (config.pad_token_id + 1 if config.model_type == "xlm-roberta" else 0)
    lengths = [1, 2, 5, longest, 1, 12, 7]
    tokens = torch.full((len(lengths), longest), config.pad_token_id)
    for row, length in enumerate(lengths):  # no special token but the first, above all no padding inside a text
        tokens[row, :length] = torch.randint(len(BERT_TOKENS), VOCABULARY, (length,), generator=generator)
    mask = torch.arange(longest) < torch.tensor(lengths)[:, None]
    with torch.no_grad():
        hidden = model(input_ids=tokens, attention_mask=mask.long()).last_hidden_state
        pooled = {"mean": (hidden * mask[..., None]).sum(1) / mask.sum(1, keepdim=True), "cls": hidden[:, 0]}
        if dense:
            pooled = {mode: torch.tanh(dense(vectors)) for mode, vectors in pooled.items()}
        vectors = {mode: torch.nn.functional.normalize(vectors, dim=-1) for mode, vectors in pooled.items()}
    expected = {
        "tokens": tokens.int(), "lengths": torch.tensor(lengths, dtype=torch.int32), "hidden": hidden[mask], **vectors,
    }  # fmt: skip
    save_file(expected, folder / "expected.safetensors")


def write(name: str, model: PreTrainedModel, special: dict[str, str], seed: int) -> None:
    folder, generator = HERE / name, torch.Generator().manual_seed(seed)
    folder.mkdir(exist_ok=True)
    scramble(model.eval(), generator)
    model.save_pretrained(folder)
    write_tokenizer(folder, special)
    dense = write_labse(folder, generator) if name == "labse" else None
    write_expected(folder, model, dense, generator)


if __name__ == "__main__":
    xlm_r = XLMRobertaConfig(
        **SHAPE, max_position_embeddings=41, type_vocab_size=1, layer_norm_eps=1e-5, pad_token_id=1
    )
    bert = BertConfig(**SHAPE, max_position_embeddings=37, type_vocab_size=2)
    write("xlm_r", XLMRobertaModel(xlm_r, add_pooling_layer=False), XLM_R_TOKENS, seed=1)
    write("bert", BertModel(bert, add_pooling_layer=False), BERT_TOKENS, seed=2)
    write("labse", BertModel(bert), BERT_TOKENS, seed=3)

"""A random translation model of NLLB-200's layout, a few kilobytes large, converted as its conversion command does.

    python -m tests.data_prep.translation.tiny_translation_model FOLDER

A program of its own: PyTorch and TensorFlow in one process may bring each other down.
"""

import io
import json
import random
import sys
from pathlib import Path

import sentencepiece
import tokenizers
import torch
import transformers
from ctranslate2.converters import TransformersConverter

from tests.data_prep.translation.tiny_translation import LANGUAGES, LONGEST, SENTENCES

_SIZE = 16


def _make(folder: Path) -> None:
    """Makes FOLDER/ct2, a converted model, and FOLDER/expected.json: language token -> sentence -> translation.

    The translations are the greedy ones of transformers, null without an end.  The model's end token has a fixed
    score, so that whether a translation ends depends on the text.
    """
    pieces = _pieces()
    processor = sentencepiece.SentencePieceProcessor(model_proto=pieces)
    names = [processor.id_to_piece(number) for number in range(processor.get_piece_size())]
    vocabulary = list(dict.fromkeys(["<s>", "<pad>", "</s>", "<unk>", *names, *LANGUAGES]))
    model = _model(vocabulary)
    (folder / "hf").mkdir(parents=True)
    model.save_pretrained(folder / "hf")
    _tokenizer(vocabulary).save_pretrained(folder / "hf")
    (folder / "hf" / "sentencepiece.bpe.model").write_bytes(pieces)
    converter = TransformersConverter(str(folder / "hf"), copy_files=["sentencepiece.bpe.model"])
    converter.convert(str(folder / "ct2"))
    expected = {
        token: {sentence: _translated(model, vocabulary, processor, sentence, token) for sentence in SENTENCES}
        for token in LANGUAGES
    }
    (folder / "expected.json").write_text(json.dumps(expected), encoding="utf-8")


def _translated(model, vocabulary: list[str], processor, sentence: str, target: str) -> str | None:
    """The greedy translation by transformers, None without an end; only pieces of text may be written."""
    number = {token: index for index, token in enumerate(vocabulary)}
    pieces = [number[piece] for piece in processor.encode(sentence, out_type=str)]
    written = model.generate(
        torch.tensor([[number["eng_Latn"], *pieces, 2]]), decoder_input_ids=torch.tensor([[2, number[target]]]),
        num_beams=1, do_sample=False, max_length=LONGEST + 1,
        suppress_tokens=[number[token] for token in ("<s>", "<pad>", "<unk>", *LANGUAGES)],
    )[0].tolist()  # fmt: skip
    return processor.decode([vocabulary[index] for index in written[2:-1]]) if written[-1] == 2 else None


def _pieces() -> bytes:
    drawn, words = random.Random(0), " ".join([*SENTENCES, "Lima who when answer question mountain"]).split()
    written = io.BytesIO()
    sentencepiece.SentencePieceTrainer.train(
        sentence_iterator=iter([" ".join(drawn.choices(words, k=8)) for _ in range(300)]),
        model_writer=written, vocab_size=80, model_type="bpe", minloglevel=2,
    )  # fmt: skip
    return written.getvalue()


def _model(vocabulary: list[str]) -> transformers.M2M100ForConditionalGeneration:
    torch.manual_seed(1)
    model = transformers.M2M100ForConditionalGeneration(
        transformers.M2M100Config(
            vocab_size=len(vocabulary),
            d_model=_SIZE,
            encoder_layers=1,
            decoder_layers=1,
            encoder_attention_heads=2,
            decoder_attention_heads=2,
            encoder_ffn_dim=32,
            decoder_ffn_dim=32,
            max_position_embeddings=64,
            init_std=1.0,
            bos_token_id=0,
            pad_token_id=1,
            eos_token_id=2,
            decoder_start_token_id=2,
        )  # fmt: skip
    ).eval()
    with torch.no_grad():  # the first number of the decoder's output is always 1, and only the end's row looks at it
        final = model.model.decoder.layer_norm
        final.weight[0], final.bias[0] = 0, 1
        model.model.shared.weight[:, 0] = 0
        model.model.shared.weight[2] = 0
        model.model.shared.weight[2, 0] = 8
    return model


def _tokenizer(vocabulary: list[str]) -> transformers.PreTrainedTokenizerFast:
    words = tokenizers.models.WordLevel({token: number for number, token in enumerate(vocabulary)}, unk_token="<unk>")
    return transformers.PreTrainedTokenizerFast(
        tokenizer_object=tokenizers.Tokenizer(words), bos_token="<s>", eos_token="</s>", unk_token="<unk>",
        pad_token="<pad>",
    )  # fmt: skip


if __name__ == "__main__":
    _make(Path(sys.argv[1]))

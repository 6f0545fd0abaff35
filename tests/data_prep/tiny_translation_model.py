"""A random translation model of NLLB-200's layout, a few kilobytes large, as its own conversion command makes it."""

import io
import random
from pathlib import Path

import sentencepiece
import tokenizers
import torch
import transformers
from ctranslate2.converters import TransformersConverter

LANGUAGES = ("deu_Latn", "eng_Latn", "rus_Cyrl", "zho_Hans")
SENTENCES = ["what is the capital of Peru", "Oslo is the capital of Norway", "where is the river", "Quito"]
LONGEST = 24  # tokens, with the language and the end
_SIZE = 16


def tiny_model(folder: Path) -> tuple[transformers.M2M100ForConditionalGeneration, list[str]]:
    """Makes FOLDER/hf, a model of transformers, and FOLDER/ct2, the same converted.

    Its end token has a fixed score, so that whether a translation ends depends on the text.

    Returns:
      the model, and its vocabulary.
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
    return model, vocabulary


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

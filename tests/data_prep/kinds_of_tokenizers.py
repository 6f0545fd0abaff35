"""Small tokenizers of all kinds that load_tokenizer reads: name -> a function that writes one into a folder."""

import functools
import io

import sentencepiece
import tokenizers
from tokenizers import decoders, models, pre_tokenizers, processors, trainers

from data_prep.train_sentencepiece import SETTINGS
from tests.models.huggingface import make_tokenizers
from tests.models.huggingface.make_tokenizers import corpus, write


def byte_level(folder):
    """GPT-2's kind: pieces of bytes, many of them only part of a letter."""
    backend = tokenizers.Tokenizer(models.BPE())
    backend.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=True)
    backend.decoder = decoders.ByteLevel()
    names = ["<s>", "<pad>", "</s>", "<unk>"]
    alphabet = pre_tokenizers.ByteLevel.alphabet()
    trainer = trainers.BpeTrainer(vocab_size=1500, special_tokens=names, initial_alphabet=alphabet, show_progress=False)
    backend.train_from_iterator(corpus(), trainer)
    backend.post_processor = processors.TemplateProcessing(
        single="<s> $A </s>", special_tokens=[("<s>", 0), ("</s>", 2)]
    )
    uses = ("bos_token", "pad_token", "eos_token", "unk_token")
    settings = {**dict(zip(uses, names, strict=True)), "add_prefix_space": True}  # which the class else sets to False
    return write(folder, backend, settings, "gpt2")


def sentencepiece_file(folder, **changes):
    written = io.BytesIO()
    given = {"vocab_size": 1500, "minloglevel": 2, "hard_vocab_limit": False, **SETTINGS, **changes}
    sentencepiece.SentencePieceTrainer.train(sentence_iterator=iter(corpus()), model_writer=written, **given)
    folder.mkdir()
    (folder / "tokenizer.model").write_bytes(written.getvalue())
    return folder


KINDS = {
    "XLM-R": make_tokenizers.xlm_r,
    "BERT": make_tokenizers.bert,
    "uncased BERT": functools.partial(make_tokenizers.bert, lowercase=True),
    "byte-level BPE": byte_level,
    "SentencePiece": sentencepiece_file,
    "SentencePiece with bytes": functools.partial(
        sentencepiece_file, byte_fallback=True, vocab_size=1200, character_coverage=0.98
    ),
    "SentencePiece with few signs": functools.partial(sentencepiece_file, vocab_size=900, character_coverage=0.98),
}

"""Small tokenizers in the layouts of XLM-R, BERT and data_prep, trained on names from CLDR in XM3600's languages."""

import functools
import io
import json
from pathlib import Path

import numpy as np
import sentencepiece
import tokenizers
from tokenizers import decoders, models, normalizers, pre_tokenizers, processors, trainers

from data_prep.facts.names import names
from data_prep.train_sentencepiece import SETTINGS
from hbt_jax.languages import XM3600

XLM_R_TOKENS = ("<s>", "<pad>", "</s>", "<unk>", "<mask>")
BERT_TOKENS = ("[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]")

AWKWARD = (
    "", " ", "   ", "\t", "\n", "\u00a0", "\u3000", " leading", "trailing \n", "two  spaces",
    "a\tb\nc\r\nd\x0be\x0cf\x85g", "fixed\u00a0and\u202fnarrow\u2009thin", "東京\u3000大阪", "\u3000東京",
    "line\u2028paragraph\u2029end\u1680", "zero\u200bwidth", "\u200b", "\u200bstart", "می\u200cخواهم", "\u200c",
    "\u200ca", "क\u094d\u200dष", "\u200d", "\u200da", "\ufeffmark", "\ufeff", "soft\u00adhyphen", "word\u2060joiner",
    "\u202eright\u202c", "\u200e\u200f", "👩\u200d👩\u200d👧\u200d👦", "👩\u200d👩", "🇪🇬🇯🇵🇫🇷", "🇪", "👍🏽👍🏿",
    "☎\ufe0f☎\ufe0e", "1\ufe0f\u20e3", "🏴\U000e0067\U000e007f", "\u0301acute", "\u0301", "\u0301\u0302", "\u093f",
    "\u0e34\u0e48", "\u064b", "\ufe0f", "\u20e3", "e\u0301 E\u0301", "é É", "a\u0323\u0302 â\u0323", "か\u3099",
    "\u1112\u1161\u11ab", "ｶﾞ ﾊﾟ", "ＡＢＣ　１２３", "ﬁ ² ½ ™ ㍿ ～ ﷺ", "Å Å", "ñ n\u0303", "\x00", "a\x00b",
    "\x01\x02\x1f\x7f\x80\x9f", "\x1b[31m", "\ufffd", "\ufffe", "\U0010ffff", "\ue000", "𝔘𝕟𝕚 𠀀",
    "İstanbul ISPARTA ı", "ΣΊΣΥΦΟΣ ς", "ẞ ß", "▁", "▁a ▁", "a▁b", "##s", "Ġa", "<s>", "</s>", "<pad>", "<unk>",
    "<mask>", "[CLS]", "[SEP]", "[MASK]", "[PAD]", "[UNK]", "a<s>b", "a <mask> b", "a<mask>b", "<mask>  <mask>",
    "x [SEP] y[CLS]z", "</s></s>", "< s >", "<S>", "[cls]", "<s", "query: ", "passage: query:",
    "don't stop-it (now)!?", "12.345,6 km²", "https://example.org/?q=ä&b=1#c", "C:\\Users\\", "ทดสอบภาษาไทย",
    "中文,没有空格。", "한국어 띄어쓰기", "ತಕರಾರು", "\u200f\u05e9\u05b8\u05c1לום", "مَرْحَبًا",
)  # fmt: skip

SYLLABLES = ("a", "aa", "0", "00", "i", "ii", "la", "\u0430", "\u043d\u0430", "\u0647\u0627", "\u0e01\u0e32", "\u4e2d",
             "\uac00", "\u0915\u093e", "\u3042", "\u03b1", "iii", "00iii", "aaaaaaaa", "ha", "-", "..")  # fmt: skip


@functools.cache
def texts_of(code: str) -> tuple[str, ...]:
    """Names of languages, territories, currencies, cities and weekdays, as the language writes them."""
    found = names(code)  # not babel's Locale: in one process babel keeps a locale with or without what it inherits
    kinds = ("language", "territory", "currency", "city", "weekday")
    return tuple(name for kind in kinds for name in found[kind].values())


def hostile_words(seed: int, count: int) -> list[str]:
    """Words of few syllables again and again, in several scripts: many have several best ways to be cut."""
    draw, words = np.random.default_rng(seed), {}
    for _ in range(count):
        few = draw.choice(SYLLABLES, size=draw.integers(1, 4))
        words["".join(draw.choice(few, size=draw.integers(1, 12)))[:40]] = None
    return list(words)


@functools.cache
def corpus(each: int = 120) -> tuple[str, ...]:
    """Some texts of each language, half of them with a prefix, as data_prep trains."""
    texts = []
    for code in XM3600:
        own = texts_of(code)
        texts += ["query: " * (number % 2) + text for number, text in enumerate(own[:: max(1, len(own) // each)])]
    return tuple(texts)


@functools.cache
def sentencepiece_model(**changes) -> bytes:
    """A unigram model as data_prep/train_sentencepiece.py makes them, but for `changes` in the trainer's settings."""
    written = io.BytesIO()
    settings = {"vocab_size": 3000, "minloglevel": 2, "hard_vocab_limit": False, **SETTINGS, **changes}
    sentencepiece.SentencePieceTrainer.train(sentence_iterator=iter(corpus()), model_writer=written, **settings)
    return written.getvalue()


def xlm_r(folder: Path) -> Path:
    """A unigram tokenizer with the pipeline of XLM-R's tokenizer.json, as multilingual-e5 has it too."""
    from sentencepiece import sentencepiece_model_pb2

    model = sentencepiece_model_pb2.ModelProto.FromString(sentencepiece_model())
    pieces = [(piece.piece, piece.score) for piece in model.pieces if piece.type == piece.NORMAL]
    begin, *_, mask = XLM_R_TOKENS
    vocabulary = [*((name, 0.0) for name in XLM_R_TOKENS[:4]), *pieces, (mask, 0.0)]
    backend = tokenizers.Tokenizer(models.Unigram(vocabulary, unk_id=3, byte_fallback=False))
    backend.normalizer = normalizers.Precompiled(model.normalizer_spec.precompiled_charsmap)
    words = pre_tokenizers.Metaspace()
    backend.pre_tokenizer = pre_tokenizers.Sequence([pre_tokenizers.WhitespaceSplit(), words])
    backend.decoder = decoders.Metaspace()
    backend.post_processor = processors.TemplateProcessing(
        single="<s> $A </s>", pair="<s> $A </s> </s> $B </s>", special_tokens=[(begin, 0), ("</s>", 2)]
    )
    tokens = [tokenizers.AddedToken(name, lstrip=name == mask, normalized=False, special=True) for name in XLM_R_TOKENS]
    backend.add_special_tokens(tokens)
    uses = ("bos_token", "pad_token", "eos_token", "unk_token", "mask_token")
    settings = {"tokenizer_class": "XLMRobertaTokenizerFast", **dict(zip(uses, XLM_R_TOKENS, strict=True))}
    return write(folder, backend, settings, "xlm-roberta")


@functools.cache
def _wordpiece(lowercase: bool) -> str:
    backend = tokenizers.Tokenizer(models.WordPiece(unk_token="[UNK]"))
    backend.normalizer = normalizers.BertNormalizer(lowercase=lowercase)
    backend.pre_tokenizer = pre_tokenizers.BertPreTokenizer()
    trainer = trainers.WordPieceTrainer(vocab_size=3000, special_tokens=list(BERT_TOKENS), show_progress=False)
    backend.train_from_iterator(corpus(), trainer)
    backend.post_processor = processors.TemplateProcessing(
        single="[CLS] $A [SEP]", pair="[CLS] $A [SEP] $B:1 [SEP]:1", special_tokens=[("[CLS]", 2), ("[SEP]", 3)]
    )
    return backend.to_str()


def bert(folder: Path, lowercase: bool = False) -> Path:
    """A WordPiece tokenizer as mBERT and LaBSE have it (cased), or uncased."""
    backend = tokenizers.Tokenizer.from_str(_wordpiece(lowercase))
    settings = {"tokenizer_class": "BertTokenizer", "do_lower_case": lowercase}
    return write(folder, backend, settings, "bert")


def write(folder: Path, backend: tokenizers.Tokenizer, settings: dict, model_type: str) -> Path:
    """Writes tokenizer.json, tokenizer_config.json and a config.json that names the model's type."""
    folder.mkdir(parents=True, exist_ok=True)
    backend.save(str(folder / "tokenizer.json"))
    change(folder / "tokenizer_config.json", model_max_length=512, **settings)
    change(folder / "config.json", model_type=model_type)
    return folder


def change(file: Path, **values) -> None:
    """Sets keys of a JSON file, or takes away those set to `...`."""
    old = json.loads(file.read_text(encoding="utf-8")) if file.exists() else {}
    new = {key: value for key, value in (old | values).items() if value is not ...}
    file.write_text(json.dumps(new), encoding="utf-8")

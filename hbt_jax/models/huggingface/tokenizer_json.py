"""Writes a tokenizer in Hugging Face's layout, so that transformers gives the same ids as ours.

A SentencePiece model becomes a tokenizer of the `tokenizers` package with the same pieces, scores and ids.  Both find
the best segmentation.  If two are equally good, or nearly so in a text of hundreds of words, the float32 sums of
SentencePiece and the float64 sums of `tokenizers` may choose differently.  Otherwise the ids differ only for texts in
which a character that the normaliser replaces (as Ａ, ﷲ or a no-break space) has a combining mark or a zero-width
non-joiner after it, which `tokenizers` drops.
"""

import json
import os
import re
from pathlib import Path

import numpy as np
import tokenizers
from tokenizers import Regex, decoders, models, normalizers, pre_tokenizers, processors

from hbt_jax.errors import InputError
from hbt_jax.models.tokenizer import Tokenizer
from hbt_jax.models.unigram_words import SPACE

_COMPOSING = ("nmt_nfkc", "nfkc", "nmt_nfkc_cf", "nfkc_cf")  # SentencePiece's rules that compose letters and marks
# The languages of hbt_jax/languages.py by their own names, and what tokenizers most often disagree about.
_PROBES = (
    "العربية বাংলা čeština dansk Deutsch Ελληνικά English español فارسی",
    "suomi Filipino français עברית हिन्दी hrvatski magyar Indonesia italiano",
    "日本語 한국어 te reo Māori Nederlands norsk polski português Qosqo runasimi",
    "română русский svenska Kiswahili తెలుగు ไทย Türkçe українська Tiếng Việt 中文 Èdè Yorùbá",
    "",
    " ",
    "  two  spaces  ",
    "\ttab\nline\r\nend\u3000wide\u00a0fixed",
    "zero\u200bwidth\u200c\u200d\ufeffsoft\u00ad",
    "👩\u200d👩\u200d👧 🇪🇬 👍🏽 ☎\ufe0f 1\ufe0f\u20e3",
    "ＡＢＣ１２３ ﬁ ² ½ ™ ㍿ ～",
    "e\u0302\u0301 か\u3099 \u1112\u1161\u11ab ｶﾞ \u0301",
    "<s> </s> <pad> <unk> a<s>b <0x41>",
    f"a{SPACE}b {SPACE}",
    "\x00\x01\x7f",
    "query: what is it? passage: 12,345.6 km",
    "supercalifragilisticexpialidocious" * 5,
)


def write_hugging_face(tokenizer: Tokenizer, folder: str | os.PathLike, max_length: int | None = None) -> None:
    """Writes tokenizer.json and the files beside it; transformers 4.46 and later load them, without a network.

    Args:
      tokenizer: one in Hugging Face's layout, whose files are copied, or a SentencePiece unigram model.
      folder: where to write; it is made if it is missing.
      max_length: `model_max_length` of tokenizer_config.json, for a SentencePiece model; None leaves it out.

    Raises:
      InputError: a SentencePiece model for which `tokenizers` cannot give the same ids.
    """
    if "tokenizer.json" in tokenizer.contents:
        tokenizer.save(folder)
        return
    backend, scores = _converted(tokenizer)
    _check_same(tokenizer, backend, scores)
    names = {
        use: backend.id_to_token(id_)
        for use, id_ in (
            ("bos_token", tokenizer.bos_id), ("eos_token", tokenizer.eos_id), ("unk_token", tokenizer.unk_id),
            ("pad_token", tokenizer.pad_id),
        )
    }  # fmt: skip
    settings = {
        "tokenizer_class": "PreTrainedTokenizerFast",
        **names,
        # The name of a special token in a text is plain text, as with SentencePiece.
        "split_special_tokens": True,
        "clean_up_tokenization_spaces": False,
    }
    if max_length is not None:
        settings["model_max_length"] = max_length
    folder = Path(folder)
    folder.mkdir(parents=True, exist_ok=True)
    backend.save(str(folder / "tokenizer.json"))
    for name, content in (("tokenizer_config.json", settings), ("special_tokens_map.json", names)):
        (folder / name).write_text(json.dumps(content, indent=2, ensure_ascii=False) + "\n", encoding="utf-8")


def _converted(tokenizer: Tokenizer) -> tuple[tokenizers.Tokenizer, np.ndarray]:
    """The SentencePiece model as a tokenizer of the `tokenizers` package, and the scores of its pieces."""
    from sentencepiece import sentencepiece_model_pb2

    model = sentencepiece_model_pb2.ModelProto.FromString(tokenizer.contents["tokenizer.model"])
    _check_kind(tokenizer, model)
    normal = model.SentencePiece.NORMAL
    vocabulary = [(piece.piece, piece.score if piece.type == normal else 0.0) for piece in model.pieces]
    backend = tokenizers.Tokenizer(
        models.Unigram(vocabulary, unk_id=tokenizer.unk_id, byte_fallback=model.trainer_spec.byte_fallback)
    )
    backend.normalizer = _normalizer(model.normalizer_spec)
    backend.pre_tokenizer = _pre_tokenizer(tokenizer, model)
    begin, end = (vocabulary[id_][0] for id_ in (tokenizer.bos_id, tokenizer.eos_id))
    backend.post_processor = processors.TemplateProcessing(
        single=[begin, "$A", end], pair=[begin, "$A", end, "$B", end],
        special_tokens=[(begin, tokenizer.bos_id), (end, tokenizer.eos_id)],
    )  # fmt: skip
    backend.decoder = decoders.Sequence(
        [decoders.Replace(SPACE, " "), decoders.ByteFallback(), decoders.Fuse(), decoders.Strip(" ", left=1)]
    )
    special = [piece.piece for piece in model.pieces if piece.type in (piece.CONTROL, piece.UNKNOWN)]
    backend.add_special_tokens([tokenizers.AddedToken(name, special=True, normalized=False) for name in special])
    return backend, np.array([score for _, score in vocabulary])


def _check_kind(tokenizer: Tokenizer, model) -> None:
    kind = model.trainer_spec.ModelType.Name(model.trainer_spec.model_type).lower()
    own = [piece.piece for piece in model.pieces if piece.type == piece.USER_DEFINED]
    wrong = None
    if kind != "unigram":
        wrong = f"is a SentencePiece model of type {kind}"
    elif own:
        wrong = f"has {len(own)} user-defined pieces (user_defined_symbols: {' '.join(own[:3])})"
    elif model.trainer_spec.treat_whitespace_as_suffix or not model.normalizer_spec.escape_whitespaces:
        wrong = "puts spaces after words (treat_whitespace_as_suffix) or does not mark them (escape_whitespaces)"
    if wrong:
        raise InputError(
            f"tokenizer {tokenizer.path}: {wrong}, which is not converted to tokenizer.json; expected a plain unigram"
            " model, as data_prep/train_sentencepiece.py makes them: train one, or convert it with other tools"
        )


def _normalizer(spec) -> normalizers.Normalizer:
    """The steps of SentencePiece's normaliser; it is given texts in NFC, so these begin with NFC."""
    steps = [normalizers.NFC()]
    if spec.precompiled_charsmap:
        steps.append(normalizers.Precompiled(spec.precompiled_charsmap))
        if spec.name in _COMPOSING:
            steps.append(normalizers.NFC())  # half-width kana and their marks, which Precompiled leaves apart
    if spec.remove_extra_whitespaces:
        steps.append(normalizers.Replace(Regex(rf"\A +|[ {SPACE}]+\z"), ""))
        steps.append(normalizers.Replace(Regex(" {2,}"), " "))
    if spec.add_dummy_prefix:
        steps.append(normalizers.Prepend(SPACE))
    steps.append(normalizers.Replace(" ", SPACE))
    return normalizers.Sequence(steps)


def _pre_tokenizer(tokenizer: Tokenizer, model) -> pre_tokenizers.PreTokenizer | None:
    """Cuts at words if no piece spans two; cuts the names of pieces that are no text, so that these are not found."""
    normal = [piece.piece for piece in model.pieces if piece.type == piece.NORMAL]
    steps = []
    if not any(SPACE in piece[1:] for piece in normal):
        steps.append(pre_tokenizers.Metaspace(prepend_scheme="never"))
    within = {piece[i : i + 2] for piece in normal for i in range(len(piece) - 1)}
    known = {piece for piece in normal if len(piece) == 1}
    joined = not model.trainer_spec.byte_fallback  # unknown letters side by side are one unknown token
    cuts = {}
    for piece in model.pieces:
        if piece.type == piece.NORMAL:
            continue
        head, tail = _cut(piece.piece, within, known if joined else None) or _refuse_name(tokenizer, piece.piece)
        cuts.setdefault(head, []).append(re.escape(tail))
    for head, tails in cuts.items():
        pattern = Regex(f"{re.escape(head)}(?={'|'.join(tails)})")
        steps.append(pre_tokenizers.Split(pattern, behavior="merged_with_previous"))
    return pre_tokenizers.Sequence(steps)


def _cut(name: str, within: set[str], known: set[str] | None) -> tuple[str, str] | None:
    """The name in two: no piece has both letters beside the cut; one of them is known, if `known` is given."""
    for i in range(1, len(name)):
        if name[i - 1 : i + 1] not in within and (known is None or known & {name[i - 1], name[i]}):
            return name[:i], name[i:]
    return None


def _refuse_name(tokenizer: Tokenizer, name: str) -> tuple[str, str]:
    raise InputError(
        f"tokenizer {tokenizer.path}: {name!r}, a piece name that is never text, cannot be told from the same text in"
        " tokenizer.json: other pieces span all its letters; retrain the model without that text"
    )


def _check_same(tokenizer: Tokenizer, backend: tokenizers.Tokenizer, scores: np.ndarray) -> None:
    """Raises InputError if the converted tokenizer gives a probe other ids and their segmentation is not as good."""
    backend.encode_special_tokens = True  # as tokenizer_config.json tells transformers
    values, offsets = tokenizer.encode(_PROBES)
    for i, text in enumerate(_PROBES):
        ours = [tokenizer.bos_id, *values[offsets[i] : offsets[i + 1]].tolist(), tokenizer.eos_id]
        theirs = backend.encode(text).ids
        if ours != theirs and not np.isclose(scores[ours].sum(), scores[theirs].sum(), rtol=1e-5):
            raise InputError(
                f"tokenizer {tokenizer.path}: in tokenizer.json it would give {text!r} the ids {theirs} instead of"
                f" {ours}; expected the same: train one by data_prep/train_sentencepiece.py, whose models convert"
            )

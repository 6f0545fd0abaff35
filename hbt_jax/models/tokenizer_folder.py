"""Reads the tokenizer of a Hugging Face folder as transformers' AutoTokenizer does.

tokenizer.json says nearly all of it.  Yet transformers 5 takes only the vocabulary and the special tokens from that
file when the tokenizer is of BERT's or XLM-R's class, and makes the steps before the model anew from
tokenizer_config.json (so do_lower_case there wins); and it finds in texts every special token that is named there.
"""

import dataclasses
import json
from pathlib import Path

import tokenizers
from tokenizers import normalizers, pre_tokenizers, processors

from hbt_jax.errors import InputError
from hbt_jax.models.json_files import read_json
from hbt_jax.models.word_cache import Cuts, find_cuts

FILES = (
    "tokenizer.json", "tokenizer_config.json", "special_tokens_map.json", "added_tokens.json", "vocab.txt",
    "sentencepiece.bpe.model", "tokenizer.model",
)  # fmt: skip
_BERT, _XLM_R = "BertTokenizer", "XLMRobertaTokenizer"
_CLASS_OF_MODEL = {"bert": _BERT, "xlm-roberta": _XLM_R}
_MODEL_OF_CLASS = {_BERT: "WordPiece", _XLM_R: "Unigram"}
_TOKENS_OF_CLASS = {
    _BERT: {
        "unk_token": "[UNK]", "sep_token": "[SEP]", "pad_token": "[PAD]", "cls_token": "[CLS]", "mask_token": "[MASK]",
    },
    _XLM_R: {
        "bos_token": "<s>", "eos_token": "</s>", "sep_token": "</s>", "cls_token": "<s>", "unk_token": "<unk>",
        "pad_token": "<pad>", "mask_token": "<mask>",
    },
}  # fmt: skip
_KINDS_OF_SETTINGS = {  # null, where transformers takes it for an absent key, is among the kinds
    "tokenizer_class": (str | None, "the name of a class"),
    "strip_accents": (bool | None, "true, false or null"),
    "additional_special_tokens": (list | None, "a list of tokens"),
    "extra_special_tokens": (list | dict | None, "a list of tokens, or an object of names to tokens"),
    "truncation_side": (str, '"right", or no such key'),
    "split_special_tokens": (bool, "true or false, or no such key for false"),
}
_KINDS_OF_CLASS = {
    _BERT: {
        "do_lower_case": (bool, "true or false, or no such key for true"),
        "tokenize_chinese_chars": (bool, "true or false, or no such key for true"),
    },
}
_AROUND = {_BERT: ("cls_token", "sep_token"), _XLM_R: ("bos_token", "eos_token")}


@dataclasses.dataclass(frozen=True)
class FolderTokenizer:
    """What a folder's files make together.

    Attributes:
      backend: the tokenizer, without truncation and padding.
      special: ids of the padding, begin, end and unknown tokens; -1 for one that is missing.
      vocab_size: one more than the largest id.
      words: where it cuts a text, if it tokenises each word for itself; else None.
      contents: the files that define it, by name, tokenizer.json first; where tokenizer_config.json changes what that
        says, it is as changed, and a class that only the model's config.json names is in tokenizer_config.json.
    """

    backend: tokenizers.Tokenizer
    special: dict[str, int]
    vocab_size: int
    words: Cuts | None
    contents: dict[str, bytes]


def read_folder(folder: Path) -> FolderTokenizer:
    """Reads tokenizer.json and what the files beside it change.

    Raises:
      InputError: a file is no JSON or no tokenizer, or a setting of another kind; the template does not put one token
        before and one after a text; or long texts would be cut at their beginning.
    """
    file = folder / "tokenizer.json"
    definition = read_json(file)
    if not {"model", "added_tokens"} <= set(definition) or not isinstance(definition["model"], dict):
        raise InputError(f"tokenizer {file}: not a Hugging Face tokenizer: expected the keys model and added_tokens")
    contents = {name: (folder / name).read_bytes() for name in FILES if (folder / name).is_file()}
    backend = _backend(file, contents["tokenizer.json"])
    settings = _settings(folder)
    _check_kinds(folder, settings, _KINDS_OF_SETTINGS)
    _check_cut(file, definition, settings)
    kind = _class(folder, definition, settings)
    _check_kinds(folder, settings, _KINDS_OF_CLASS.get(kind, {}))
    if kind and not settings.get("tokenizer_class"):  # known by the model's config.json, which a copy does not have
        stated = json.loads(contents.get("tokenizer_config.json", b"{}")) | {"tokenizer_class": kind}
        contents["tokenizer_config.json"] = json.dumps(stated, ensure_ascii=False).encode()
    names = _TOKENS_OF_CLASS.get(kind, {}) | _named(settings)
    backend.no_truncation()
    backend.no_padding()
    if _apply(backend, kind, settings, names):
        definition = json.loads(backend.to_str()) | {"padding": definition.get("padding")}
        contents["tokenizer.json"] = json.dumps(definition, ensure_ascii=False).encode()
    backend.encode_special_tokens = bool(settings.get("split_special_tokens"))
    special = _special_ids(file, backend, definition, names)
    return FolderTokenizer(backend, special, _vocab_size(definition), _words(backend), contents)


def _settings(folder: Path) -> dict:
    """tokenizer_config.json, and what special_tokens_map.json adds for transformers."""
    values = {}
    for name in ("tokenizer_config.json", "special_tokens_map.json"):
        if (folder / name).is_file() and "added_tokens_decoder" not in values:
            values |= read_json(folder / name)
    return values


def _check_kinds(folder: Path, settings: dict, expected: dict[str, tuple]) -> None:
    for key, (kinds, words) in expected.items():
        if key in settings and not isinstance(settings[key], kinds):
            found = "null" if settings[key] is None else repr(settings[key])
            raise InputError(
                f"tokenizer {folder}: its settings (tokenizer_config.json, special_tokens_map.json) say that {key} is"
                f" {found}; expected {words}"
            )


def _check_cut(file: Path, definition: dict, settings: dict) -> None:
    side = settings.get("truncation_side") or (definition.get("truncation") or {}).get("direction", "right")
    side = str(side).lower()
    if side != "right":
        raise InputError(
            f"tokenizer {file}: it cuts long texts on the {side}, but ours are cut on the right: if the model may read"
            ' them so, set "truncation_side": "right" in tokenizer_config.json'
        )


def _backend(file: Path, content: bytes) -> tokenizers.Tokenizer:
    try:
        return tokenizers.Tokenizer.from_str(content.decode())
    except Exception as error:  # tokenizers raises nothing narrower
        raise InputError(
            f"tokenizer {file}: tokenizers {tokenizers.__version__} cannot read it ({' '.join(str(error).split())});"
            " update the tokenizers package, or write the file anew with this one"
        ) from error


def _class(folder: Path, definition: dict, settings: dict) -> str:
    """The name of the tokenizer class, where transformers rebuilds a tokenizer of that class; else empty."""
    name = settings.get("tokenizer_class")
    if not name and (folder / "config.json").is_file():
        config = read_json(folder / "config.json")
        name = config.get("tokenizer_class") or _CLASS_OF_MODEL.get(str(config.get("model_type")))
    name = str(name or "").removesuffix("Fast")
    return name if _MODEL_OF_CLASS.get(name) == definition["model"].get("type") else ""


def _named(settings: dict) -> dict[str, str]:
    """Special tokens that the settings name, by the name of their use; further ones by numbers."""
    names = {use: _text(token) for use, token in settings.items() if use.endswith("_token") and _text(token)}
    further = settings.get("extra_special_tokens") or settings.get("additional_special_tokens") or []
    further = list(further.values() if isinstance(further, dict) else further)
    return names | {str(number): _text(token) for number, token in enumerate(further) if _text(token)}


def _text(token: object) -> str:
    """The text of a token, which is given alone or as an object with its settings."""
    content = token.get("content") if isinstance(token, dict) else token
    return content if isinstance(content, str) else ""


def _apply(backend: tokenizers.Tokenizer, kind: str, settings: dict, names: dict[str, str]) -> bool:
    """Changes what transformers changes; returns whether that was anything."""
    changed = False
    for part, wanted in _steps(backend, kind, settings).items():
        if _state(getattr(backend, part)) != _state(wanted):
            setattr(backend, part, wanted)
            changed = True
    around = [names.get(use) for use in _AROUND.get(kind, ())]
    ids = [backend.token_to_id(name) for name in around if name]
    if len(ids) == 2 and None not in ids and backend.encode("").ids != ids:
        backend.post_processor = processors.TemplateProcessing(
            single=[around[0], "$A", around[1]], special_tokens=list(zip(around, ids, strict=True))
        )
        changed = True
    known = {token.content for token in backend.get_added_tokens_decoder().values()}
    # A name that the vocabulary lacks would get an id that the model's table lacks too.
    named = [name for name in dict.fromkeys(names.values()) if backend.token_to_id(name) is not None]
    missing = [name for name in named if name not in known]
    if missing:
        backend.add_special_tokens([tokenizers.AddedToken(name, special=True, normalized=False) for name in missing])
    return changed or bool(missing)


def _steps(backend: tokenizers.Tokenizer, kind: str, settings: dict) -> dict[str, object]:
    """The steps before the model as transformers 5 makes them for a class; none for one that it does not rebuild."""
    if kind == _BERT:
        normalizer = normalizers.BertNormalizer(
            clean_text=True,
            handle_chinese_chars=bool(settings.get("tokenize_chinese_chars", True)),
            strip_accents=settings.get("strip_accents"),
            lowercase=bool(settings.get("do_lower_case", True)),
        )
        return {"normalizer": normalizer, "pre_tokenizer": pre_tokenizers.BertPreTokenizer()}
    if kind == _XLM_R:
        scheme = "always" if settings.get("add_prefix_space", True) else "never"
        words = [pre_tokenizers.WhitespaceSplit(), pre_tokenizers.Metaspace(prepend_scheme=scheme)]
        return {"normalizer": _precompiled(backend.normalizer), "pre_tokenizer": pre_tokenizers.Sequence(words)}
    return {}


def _precompiled(normalizer: normalizers.Normalizer | None) -> normalizers.Normalizer | None:
    """The first step that holds a table of SentencePiece's."""
    steps = [normalizer] if not isinstance(normalizer, normalizers.Sequence) else list(normalizer)
    return next((step for step in steps if isinstance(step, normalizers.Precompiled)), None)


def _state(step: object) -> bytes | None:
    return step.__getstate__() if step is not None else None


def _special_ids(file: Path, backend: tokenizers.Tokenizer, definition: dict, names: dict[str, str]) -> dict[str, int]:
    """Begin and end are what the template puts around an empty text."""
    around = backend.encode("").ids
    if len(around) != 2:
        raise InputError(
            f"tokenizer {file}: its template puts {len(around)} tokens around a text; expected two, as BERT's [CLS] and"
            " [SEP] or XLM-R's <s> and </s>"
        )
    model = definition["model"]
    unknown = names.get("unk_token") or model.get("unk_token")
    if unknown is None and model.get("unk_id") is not None:
        unknown = model["vocab"][model["unk_id"]][0]  # unigram: [piece, score]
    padding = names.get("pad_token") or (definition.get("padding") or {}).get("pad_token")
    found = {"padding": padding, "unknown": unknown}
    ids = {use: backend.token_to_id(name) if name else None for use, name in found.items()}
    return {"begin": around[0], "end": around[1]} | {use: -1 if id_ is None else id_ for use, id_ in ids.items()}


def _words(backend: tokenizers.Tokenizer) -> Cuts | None:
    """See FolderTokenizer: for XLM-R's steps, which put the mark of a space before every word."""
    definition = json.loads(backend.to_str())
    normalizer, cut = definition["normalizer"], definition["pre_tokenizer"] or {}
    steps = [(step["type"], step.get("prepend_scheme", "always")) for step in cut.get("pretokenizers", [])]
    alone = steps == [("WhitespaceSplit", "always"), ("Metaspace", "always")]
    if not alone or (normalizer and normalizer["type"] != "Precompiled") or definition["model"]["type"] != "Unigram":
        return None
    if backend.encode_special_tokens:  # then their names are text
        return None
    return find_cuts(definition["added_tokens"])


def _vocab_size(definition: dict) -> int:
    vocabulary = definition["model"].get("vocab", {})
    largest = len(vocabulary) - 1 if isinstance(vocabulary, list) else max(vocabulary.values(), default=-1)
    return 1 + max([largest, *(token["id"] for token in definition["added_tokens"])])

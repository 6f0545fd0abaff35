"""Reads the tokenizer of a Hugging Face folder as transformers' AutoTokenizer does.

tokenizer.json says nearly all of it.  Yet transformers 5 takes only the vocabulary and the special tokens from that
file when the tokenizer is of BERT's or XLM-R's class, and makes the steps before the model anew from
tokenizer_config.json (so do_lower_case there wins); and it finds in texts every special token that is named there.
One of these that the vocabulary lacks gets the next free id, as transformers gives it, if the model has a row for it:
config.json's vocab_size says so.  Without a row it stays text, where transformers gives an id that the model cannot
look up.

Copied by hand from transformers, release 5.23 and 5.24 alike, and compared with the installed release by
tests/models/huggingface/test_tokenizer_parity.py: _CLASS_OF_MODEL, _TOKENS_OF_CLASS, _USES, _AROUND, `_class`,
`_settings`, `_named`, `_steps` and `_add_named`.
"""

import dataclasses
import json
from pathlib import Path

import tokenizers
from tokenizers import normalizers, pre_tokenizers, processors

from hbt_jax.errors import InputError
from hbt_jax.models.huggingface.json_files import read_json
from hbt_jax.models.word_cache import Cuts, find_cuts

FILES = (
    "tokenizer.json", "tokenizer_config.json", "special_tokens_map.json", "added_tokens.json", "vocab.txt",
    "sentencepiece.bpe.model", "tokenizer.model",
)  # fmt: skip
_BERT, _XLM_R = "BertTokenizer", "XLMRobertaTokenizer"
_CLASS_OF_MODEL = {"bert": _BERT, "xlm-roberta": _XLM_R}
_USES = ("bos_token", "eos_token", "unk_token", "sep_token", "pad_token", "cls_token", "mask_token")  # get ids in order
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
        says, it is as changed, and what depends on the model's config.json, which a copy may not have, is written into
        tokenizer_config.json: the class, and null for special tokens without a row in the model's table.
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
    named = _named(kind, settings)
    backend.no_truncation()
    backend.no_padding()
    added, without_row = _add_named(backend, named, _table_rows(folder))
    changed = _apply(backend, kind, settings, named)
    _write_into_settings(contents, "" if settings.get("tokenizer_class") else kind, named, without_row)
    if changed or added:
        definition = json.loads(backend.to_str()) | {"padding": definition.get("padding")}
        contents["tokenizer.json"] = json.dumps(definition, ensure_ascii=False).encode()
    backend.encode_special_tokens = bool(settings.get("split_special_tokens"))
    special = _special_ids(file, backend, definition, named)
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


def _table_rows(folder: Path) -> int | None:
    """Rows of the model's token table; None if unknown: there is no config.json, or it does not say."""
    if not (folder / "config.json").is_file():
        return None
    rows = read_json(folder / "config.json").get("vocab_size")
    return rows if type(rows) is int else None


def _named(kind: str, settings: dict) -> dict[str, tokenizers.AddedToken]:
    """Special tokens of the class and the settings, by the name of their use, in the order in which they get ids.

    A use that the settings set to null has no token, whatever the class has.  Further tokens are named by numbers.
    """
    names = _TOKENS_OF_CLASS.get(kind, {}) | {use: token for use, token in settings.items() if use.endswith("_token")}
    further = settings.get("extra_special_tokens") or settings.get("additional_special_tokens") or []
    further = list(further.values() if isinstance(further, dict) else further)
    ordered = [use for use in _USES if use in names] + [use for use in names if use not in _USES]
    given = [(use, names[use]) for use in ordered] + [(str(number), token) for number, token in enumerate(further)]
    return {use: _token(token) for use, token in given if _text(token)}


def _text(token: object) -> str:
    """The text of a token, which is given alone or as an object with its settings."""
    content = token.get("content") if isinstance(token, dict) else token
    return content if isinstance(content, str) else ""


def _token(token: str | dict) -> tokenizers.AddedToken:
    given = token if isinstance(token, dict) else {}
    switches = {name: bool(given.get(name, False)) for name in ("lstrip", "rstrip", "single_word", "normalized")}
    return tokenizers.AddedToken(_text(token), special=True, **switches)


def _write_into_settings(
    contents: dict[str, bytes], kind: str, named: dict[str, tokenizers.AddedToken], without_row: set[str]
) -> None:
    """Writes into the copies of the settings what the model's config.json decided, so that they read the same alone.

    Args:
      contents: as of FolderTokenizer; changed.
      kind: the class that the settings do not name, empty for none.
      named: special tokens by use.
      without_row: texts of those without a row in the model's table.
    """
    if not kind and not without_row:
        return
    unset = dict.fromkeys(use for use, token in named.items() if token.content in without_row and not use.isdecimal())
    stated = {"tokenizer_config.json": unset | ({"tokenizer_class": kind} if kind else {})}
    if "special_tokens_map.json" in contents:
        stated["special_tokens_map.json"] = unset
    for name, values in stated.items():
        values = json.loads(contents.get(name, b"{}")) | values
        for key in ("extra_special_tokens", "additional_special_tokens"):
            tokens = values.get(key)
            if isinstance(tokens, dict):
                values[key] = {use: token for use, token in tokens.items() if _text(token) not in without_row}
            elif isinstance(tokens, list):
                values[key] = [token for token in tokens if _text(token) not in without_row]
        contents[name] = json.dumps(values, ensure_ascii=False).encode()


def _apply(backend: tokenizers.Tokenizer, kind: str, settings: dict, named: dict[str, tokenizers.AddedToken]) -> bool:
    """Changes the steps that transformers makes anew; returns whether that was anything."""
    changed = False
    for part, wanted in _steps(backend, kind, settings).items():
        if _state(getattr(backend, part)) != _state(wanted):
            setattr(backend, part, wanted)
            changed = True
    around = [named[use].content for use in _AROUND.get(kind, ()) if use in named]
    ids = [backend.token_to_id(name) for name in around]
    if len(ids) == 2 and None not in ids and backend.encode("").ids != ids:
        backend.post_processor = processors.TemplateProcessing(
            single=[around[0], "$A", around[1]], special_tokens=list(zip(around, ids, strict=True))
        )
        changed = True
    return changed


def _add_named(
    backend: tokenizers.Tokenizer, named: dict[str, tokenizers.AddedToken], rows: int | None
) -> tuple[bool, set[str]]:
    """Makes the named special tokens known, with the next free ids for those that the vocabulary lacks.

    Returns:
      (added, without_row): whether any was added; the texts of those that were not, because their ids would be beyond
      the `rows` of the model's table.
    """
    known = {token.content for token in backend.get_added_tokens_decoder().values()}
    missing = {token.content: token for token in named.values() if token.content not in known}
    without_row = set()
    for name, token in missing.items():
        if backend.token_to_id(name) is None and rows is not None and _next_id(backend) >= rows:
            without_row.add(name)
        else:
            backend.add_special_tokens([token])
    return len(missing) > len(without_row), without_row


def _next_id(backend: tokenizers.Tokenizer) -> int:
    """The id that the library gives to the next token that is added."""
    return max(
        [backend.get_vocab_size(with_added_tokens=False), *(id_ + 1 for id_ in backend.get_added_tokens_decoder())]
    )


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


def _special_ids(
    file: Path, backend: tokenizers.Tokenizer, definition: dict, named: dict[str, tokenizers.AddedToken]
) -> dict[str, int]:
    """Begin and end are what the template puts around an empty text."""
    around = backend.encode("").ids
    if len(around) != 2:
        raise InputError(
            f"tokenizer {file}: its template puts {len(around)} tokens around a text; expected two, as BERT's [CLS] and"
            " [SEP] or XLM-R's <s> and </s>"
        )
    model = definition["model"]
    unknown = named["unk_token"].content if "unk_token" in named else model.get("unk_token")
    if unknown is None and model.get("unk_id") is not None:
        unknown = model["vocab"][model["unk_id"]][0]  # unigram: [piece, score]
    of_file = (definition.get("padding") or {}).get("pad_token")
    padding = named["pad_token"].content if "pad_token" in named else of_file
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

"""Reads the tokenizer of a Hugging Face folder as transformers' AutoTokenizer does.

Often tokenizer.json says everything, and the library tokenizers alone reads it in less than half the time.  Not
always: if the tokenizer is of BERT's or XLM-R's class, transformers takes only the vocabulary and the special tokens
from that file and makes the steps before the model from tokenizer_config.json (so do_lower_case there wins); it finds
in texts every special token that is named there; and it reads older files.  `_is_plain` tells whether tokenizer.json is
enough.  If not, transformers reads the folder, and what it makes is kept as a new tokenizer.json, which is enough.

One difference remains: a special token that the vocabulary lacks and for which the model has no row (config.json's
vocab_size) stays text, while transformers gives it an id that the model cannot look up.
"""

import dataclasses
import json
from pathlib import Path

import tokenizers
from tokenizers import models, normalizers, pre_tokenizers

from hbt_jax.errors import InputError
from hbt_jax.models.huggingface import by_transformers
from hbt_jax.models.huggingface.by_transformers import (
    AS_IT_STANDS,
    BERT,
    FURTHER,
    OLDER_FILES,
    SETTINGS,
    TOKENIZER,
    TOKENS,
    XLM_R,
    text_of,
    unreadable,
)
from hbt_jax.models.huggingface.json_files import read_json
from hbt_jax.models.word_cache import Cuts, find_cuts

_ADDED = "added_tokens.json"
FILES = (TOKENIZER, SETTINGS, TOKENS, _ADDED, *OLDER_FILES, "tokenizer.model")
_MODELS = {  # what each class makes, for `_is_plain`
    BERT: {"type": "WordPiece", "continuing_subword_prefix": "##", "max_input_chars_per_word": 100},
    XLM_R: {"type": "Unigram", "unk_id": 3, "byte_fallback": False},
}
_AROUND = {BERT: ("cls_token", "sep_token"), XLM_R: ("bos_token", "eos_token")}
_USES = ("unk_token", "sep_token", "pad_token", "cls_token", "mask_token")  # a class has one of its own for each
_KINDS_OF_SETTINGS = {  # null, if transformers takes it for an absent key, is among the kinds
    "tokenizer_class": (str | None, "the name of a class"),
    "strip_accents": (bool | None, "true, false or null"),
    "additional_special_tokens": (list | None, "a list of tokens"),
    "extra_special_tokens": (list | dict | None, "a list of tokens, or an object of names to tokens"),
    "added_tokens_decoder": (dict | None, "an object of ids to tokens"),
    "truncation_side": (str, '"right", or no such key'),
    "split_special_tokens": (bool, "true or false, or no such key for false"),
}
_KINDS_OF_BERT = dict.fromkeys(
    ("do_lower_case", "tokenize_chinese_chars"), (bool, "true or false, or no such key for true")
)


@dataclasses.dataclass(frozen=True)
class FolderTokenizer:
    """What a folder's files make together.

    Attributes:
      backend: the tokenizer, without truncation and padding.
      special: ids of the padding, begin, end and unknown tokens; -1 for one that is missing.
      vocab_size: one more than the largest id.
      words: where it cuts a text, if it tokenises each word on its own; else None.
      contents: the files that define it, by name, tokenizer.json first. If that file did not say everything, it is
        replaced by one that does, and tokenizer_config.json says to take it as it stands; so nothing depends on the
        model's config.json, which a copy may not have.
    """

    backend: tokenizers.Tokenizer
    special: dict[str, int]
    vocab_size: int
    words: Cuts | None
    contents: dict[str, bytes]


def read_folder(folder: Path) -> FolderTokenizer:
    """Reads tokenizer.json and what the files beside it change, or the files that older releases wrote.

    Raises:
      InputError: a file is not JSON or not a tokenizer, or a setting has the wrong type; the template does not put one
        token before and one after a text; or long texts would be cut at their beginning.
    """
    contents = {name: (folder / name).read_bytes() for name in FILES if (folder / name).is_file()}
    definition = _definition(folder / TOKENIZER) if TOKENIZER in contents else None
    settings = _settings(folder)
    _check_kinds(folder, settings, _KINDS_OF_SETTINGS)
    kind = _class(folder, settings)
    _check_kinds(folder, settings, _KINDS_OF_BERT if kind == BERT else {})
    _check_cut(folder / TOKENIZER, definition or {}, settings)
    backend = _backend(folder / TOKENIZER, contents[TOKENIZER]) if definition else None
    if definition and _is_plain(folder, definition, settings, kind, backend):
        named = {use: text_of(token) for use, token in settings.items() if use.endswith("_token")}
    else:
        if _ADDED in contents:
            read_json(folder / _ADDED)  # for its errors: transformers would keep the last of a token's ids
        made = by_transformers.make(folder, definition, kind, settings)
        named = made.named
        changed = backend is None or by_transformers.differ(backend, made.backend)
        if changed:
            backend, padding = made.backend, (definition or {}).get("padding")
            definition = json.loads(backend.to_str()) | {"padding": padding, "truncation": None}
            written = {TOKENIZER: json.dumps(definition, ensure_ascii=False).encode()}
            contents = written | contents | written  # first, as the one that defines it
        if changed or made.without_row or not settings.get("tokenizer_class"):
            by_transformers.pin(contents, settings, made)
    backend.encode_special_tokens = bool(settings.get("split_special_tokens"))
    special = _special_ids(folder / TOKENIZER, backend, definition, named)
    return FolderTokenizer(backend, special, _vocab_size(definition), _words(backend, definition), contents)


def _definition(file: Path) -> dict:
    definition = read_json(file)
    if not {"model", "added_tokens"} <= set(definition) or not isinstance(definition["model"], dict):
        raise InputError(f"tokenizer {file}: not a Hugging Face tokenizer: expected the keys model and added_tokens")
    return definition


def _settings(folder: Path) -> dict:
    """tokenizer_config.json, and what special_tokens_map.json adds for transformers."""
    values = {}
    for name in (SETTINGS, TOKENS):
        if (folder / name).is_file() and "added_tokens_decoder" not in values:
            values |= read_json(folder / name)
    return values


def _check_kinds(folder: Path, settings: dict, expected: dict[str, tuple]) -> None:
    for key, (kinds, words) in expected.items():
        if key in settings and not isinstance(settings[key], kinds):
            found = "null" if settings[key] is None else repr(settings[key])
            raise InputError(
                f"tokenizer {folder}: its settings ({SETTINGS}, {TOKENS}) say that {key} is {found}; expected {words}"
            )


def _check_cut(file: Path, definition: dict, settings: dict) -> None:
    truncation = definition.get("truncation")
    stated = truncation.get("direction", "right") if isinstance(truncation, dict) else "right"
    side = str(settings.get("truncation_side") or stated).lower()
    if side != "right":
        raise InputError(
            f"tokenizer {file}: it cuts long texts on the {side}, but ours are cut on the right: if that suits the"
            f' model, set "truncation_side": "right" in {SETTINGS}'
        )


def _backend(file: Path, content: bytes) -> tokenizers.Tokenizer:
    """What tokenizer.json defines, without truncation and padding."""
    try:
        backend = tokenizers.Tokenizer.from_str(content.decode())
    except Exception as error:  # tokenizers raises nothing narrower
        raise unreadable(file, "tokenizers", tokenizers.__version__, error) from error
    backend.no_truncation()
    backend.no_padding()
    return backend


def _class(folder: Path, settings: dict) -> str | None:
    """The class of the tokenizer; empty if nothing states it, None if it depends on the model's type."""
    name = settings.get("tokenizer_class")
    if not name and (folder / "config.json").is_file():
        config = read_json(folder / "config.json")
        name = config.get("tokenizer_class")
        if not isinstance(name, str | None):
            raise InputError(f"{folder / 'config.json'}: tokenizer_class is {name!r}; expected the name of a class")
        if name is None:
            return None if isinstance(config.get("model_type"), str) else ""
    name = name or ""
    return name if name in AS_IT_STANDS else name.removesuffix("Fast")


def _is_plain(folder: Path, definition: dict, settings: dict, kind: str | None, backend: tokenizers.Tokenizer) -> bool:
    """Whether tokenizer.json alone makes what transformers makes of the folder.

    It does if every special token that the settings name is among its added tokens, and its class changes nothing:
    because it takes the file as it stands, or because the file says just what the class makes.
    """
    added = {token["content"]: token for token in definition["added_tokens"]}
    further = [settings.get(key) or [] for key in FURTHER]
    tokens = [token for use, token in settings.items() if use.endswith("_token") and text_of(token)]
    tokens += [token for one in further for token in (one.values() if isinstance(one, dict) else one)]
    tokens += list((settings.get("added_tokens_decoder") or {}).values())
    if (folder / _ADDED).is_file() or not all(_is_known(token, added) for token in tokens):
        return False
    if kind in ("", *AS_IT_STANDS):
        return True
    if kind not in _MODELS or not all(text_of(settings.get(use)) for use in (*_USES, *_AROUND[kind])):
        return False
    model, unknown = definition["model"], text_of(settings["unk_token"])
    pieces = backend.get_vocab_size(with_added_tokens=False)
    return (
        all(model.get(key, value) == value for key, value in _MODELS[kind].items())
        and model.get("unk_token") in (None, unknown)
        and all(backend.token_to_id(name) == token["id"] < pieces for name, token in added.items())
        and backend.encode("").ids == [backend.token_to_id(text_of(settings[use])) for use in _AROUND[kind]]
        and [_state(step) for step in (backend.normalizer, backend.pre_tokenizer)]
        == [_state(step) for step in _steps(backend, kind, settings)]
    )


def _is_known(token: str | dict, added: dict[str, dict]) -> bool:
    """Whether a token of the settings is one of tokenizer.json's added tokens, with the same switches."""
    known = added.get(text_of(token))
    switches = token if isinstance(token, dict) else {}
    return known is not None and all(switches.get(key, value) == value for key, value in known.items() if key != "id")


def _steps(backend: tokenizers.Tokenizer, kind: str, settings: dict) -> tuple[object, object]:
    """The normaliser and the cut into words as transformers makes them for a class."""
    if kind == BERT:
        normalizer = normalizers.BertNormalizer(
            clean_text=True,
            handle_chinese_chars=settings.get("tokenize_chinese_chars", True),
            strip_accents=settings.get("strip_accents"),
            lowercase=settings.get("do_lower_case", True),
        )
        return normalizer, pre_tokenizers.BertPreTokenizer()
    table = backend.normalizer if isinstance(backend.normalizer, normalizers.Precompiled) else None
    return table, _xlm_r_words("always" if settings.get("add_prefix_space", True) else "never")


def _xlm_r_words(prepend_scheme: str = "always") -> pre_tokenizers.PreTokenizer:
    """XLM-R's cut at white space, with the mark of a space before every word."""
    return pre_tokenizers.Sequence(
        [pre_tokenizers.WhitespaceSplit(), pre_tokenizers.Metaspace(prepend_scheme=prepend_scheme)]
    )


def _state(step: object) -> bytes | None:
    return step.__getstate__() if step is not None else None


def _special_ids(file: Path, backend: tokenizers.Tokenizer, definition: dict, named: dict[str, str]) -> dict[str, int]:
    """Begin and end are what the template puts around an empty text."""
    around = backend.encode("").ids
    if len(around) != 2:
        raise InputError(
            f"tokenizer {file}: its template puts {len(around)} tokens around a text; expected two, as BERT's [CLS] and"
            " [SEP] or XLM-R's <s> and </s>"
        )
    model = definition["model"]
    unknown = named.get("unk_token") or model.get("unk_token")
    if unknown is None and model.get("unk_id") is not None:
        unknown = model["vocab"][model["unk_id"]][0]  # unigram: [piece, score]
    padding = named.get("pad_token") or (definition.get("padding") or {}).get("pad_token")
    found = {"padding": padding, "unknown": unknown}
    ids = {use: backend.token_to_id(name) if name else None for use, name in found.items()}
    return {"begin": around[0], "end": around[1]} | {use: -1 if id_ is None else id_ for use, id_ in ids.items()}


def _words(backend: tokenizers.Tokenizer, definition: dict) -> Cuts | None:
    """See FolderTokenizer: for XLM-R's steps."""
    alone = _state(backend.pre_tokenizer) == _state(_xlm_r_words())
    table = backend.normalizer is None or isinstance(backend.normalizer, normalizers.Precompiled)
    if not alone or not table or not isinstance(backend.model, models.Unigram):
        return None
    if backend.encode_special_tokens:  # then their names are text
        return None
    return find_cuts(definition["added_tokens"])


def _vocab_size(definition: dict) -> int:
    vocabulary = definition["model"].get("vocab", {})
    largest = len(vocabulary) - 1 if isinstance(vocabulary, list) else max(vocabulary.values(), default=-1)
    return 1 + max([largest, *(token["id"] for token in definition["added_tokens"])])

"""Has transformers read a folder's tokenizer files where tokenizer.json alone is not enough."""

import dataclasses
import json
import sys
from pathlib import Path

import tokenizers

from hbt_jax.errors import InputError
from hbt_jax.models.huggingface.json_files import read_json
from hbt_jax.models.huggingface.library import transformers

TOKENIZER, SETTINGS, TOKENS = "tokenizer.json", "tokenizer_config.json", "special_tokens_map.json"
BERT, XLM_R = "BertTokenizer", "XLMRobertaTokenizer"
OLDER_FILES = {"sentencepiece.bpe.model": XLM_R, "vocab.txt": BERT}  # read without a tokenizer.json, and their class
AS_IT_STANDS = ("PreTrainedTokenizerFast", "TokenizersBackend")  # classes that change nothing in tokenizer.json
FURTHER = ("extra_special_tokens", "additional_special_tokens")  # settings that list tokens without a use


@dataclasses.dataclass(frozen=True)
class Made:
    """What transformers makes of a folder.

    Attributes:
      backend: the tokenizer, without truncation, padding and the tokens that the model has no row for.
      named: texts of the special tokens by use.
      further: texts of those without a use.
      without_row: texts of those that the model has no row for.
    """

    backend: tokenizers.Tokenizer
    named: dict[str, str]
    further: list[str]
    without_row: set[str]


def make(folder: Path, definition: dict | None, kind: str | None, settings: dict) -> Made:
    """Has transformers read a folder.

    Args:
      folder: the folder.
      definition: its tokenizer.json; None if it has only older files.
      kind: the tokenizer's class; empty if nothing states it, None if it depends on the model's type.
      settings: what the files beside it say.

    Raises:
      InputError: transformers cannot read it, or an older file is damaged.
    """
    if not definition:
        _check_pieces(folder)
    objects = {  # transformers knows them by the key __type, which not every writer sets
        use: _token(token) for use, token in settings.items() if use.endswith("_token") and isinstance(token, dict)
    }
    with transformers() as library:
        try:
            peer = _loader(library, definition, kind, folder).from_pretrained(
                str(folder), local_files_only=True, trust_remote_code=False, **objects
            )
            written = json.loads(peer.backend_tokenizer.to_str())
        except Exception as error:  # whatever a class raises at files that it does not expect
            raise unreadable(folder, "transformers", library.__version__, error) from error
    if not definition:
        _check_in_vocabulary(folder, peer.special_tokens_map, written["model"]["vocab"])
    own = {token["content"] for token in (definition or {}).get("added_tokens", ())}
    beyond = max(_table_rows(folder), peer.backend_tokenizer.get_vocab_size(with_added_tokens=False))
    added = {token["content"]: token for token in written["added_tokens"]}
    without_row = {name for name, token in added.items() if token["id"] >= beyond and name not in own}
    kept = [token for name, token in added.items() if name not in without_row]
    written |= {"added_tokens": kept, "truncation": None, "padding": None}
    return Made(
        backend=tokenizers.Tokenizer.from_str(json.dumps(written)),
        named=dict(peer.special_tokens_map),
        further=list(map(str, peer.extra_special_tokens)),
        without_row=without_row,
    )


def _loader(library, definition: dict | None, kind: str | None, folder: Path):
    """The class to read a folder with: AutoTokenizer, unless nothing there names a class or a type of model."""
    if kind != "":
        return library.AutoTokenizer
    if definition:
        return library.PreTrainedTokenizerFast
    return getattr(library, next(name for file, name in OLDER_FILES.items() if (folder / file).is_file()))


def _check_pieces(folder: Path) -> None:
    """Raises InputError for a damaged SentencePiece model, which transformers takes for a file of another kind."""
    import sentencepiece

    file = folder / next(iter(OLDER_FILES))
    if file.is_file():
        try:
            sentencepiece.SentencePieceProcessor().LoadFromSerializedProto(file.read_bytes())
        except RuntimeError as error:
            reason = " ".join(str(error).split())
            raise InputError(f"tokenizer {file}: not a SentencePiece model ({reason}); copy it again") from error


def _check_in_vocabulary(folder: Path, named: dict[str, str], vocabulary: dict[str, int] | list) -> None:
    """Raises InputError if an older file lacks a special token, to which transformers would give an id of its own."""
    pieces = vocabulary if isinstance(vocabulary, dict) else {piece for piece, _ in vocabulary}
    needed = (named.get(use, use) for use in ("pad_token", "unk_token", "cls_token", "sep_token"))
    missing = [token for token in needed if token not in pieces]
    if missing:
        files = " and ".join(name for name in OLDER_FILES if (folder / name).is_file())
        raise InputError(
            f"tokenizer {folder}: {files} lacks {', '.join(missing)}; expected them among its pieces: copy it"
            f" again, or name its special tokens in {SETTINGS}"
        )


def _table_rows(folder: Path) -> int:
    """Rows of the model's token table; infinitely many if unknown: there is no config.json, or it does not say."""
    rows = read_json(folder / "config.json").get("vocab_size") if (folder / "config.json").is_file() else None
    return rows if type(rows) is int else sys.maxsize


def differ(one: tokenizers.Tokenizer, other: tokenizers.Tokenizer) -> bool:
    """Whether two tokenizers may give a text other ids."""
    written = [json.loads(each.to_str()) for each in (one, other)]
    parts = ("model", "normalizer", "pre_tokenizer", "added_tokens")
    return one.encode("").ids != other.encode("").ids or any(written[0][p] != written[1][p] for p in parts)


def pin(contents: dict[str, bytes], settings: dict, made: Made) -> None:
    """Has the copies of the settings say that tokenizer.json is to be taken as it stands, and which tokens it has.

    Args:
      contents: as of FolderTokenizer; changed.
      settings: of the folder.
      made: what was made of it.
    """
    named = {use: None if token in made.without_row else token for use, token in made.named.items()}
    dropped = {*FURTHER, "added_tokens_decoder", "auto_map"}
    kept = {key: value for key, value in settings.items() if key not in dropped}
    further = [token for token in made.further if token not in made.without_row]
    stated = {"tokenizer_class": AS_IT_STANDS[0]} | ({"additional_special_tokens": further} if further else {})
    contents.pop("added_tokens.json", None)
    contents[SETTINGS] = json.dumps(kept | named | stated, ensure_ascii=False).encode()
    if TOKENS in contents:
        contents[TOKENS] = json.dumps(named, ensure_ascii=False).encode()


def text_of(token: object) -> str:
    """The text of a token, which is given as a text or as an object with its settings."""
    content = token.get("content") if isinstance(token, dict) else token
    return content if isinstance(content, str) else ""


def _token(token: dict) -> tokenizers.AddedToken:
    switches = {name: bool(token.get(name, False)) for name in ("lstrip", "rstrip", "single_word", "normalized")}
    return tokenizers.AddedToken(text_of(token), special=True, **switches)


def unreadable(place: Path, library: str, version: str, error: Exception) -> InputError:
    """The error for files that a library cannot read; `place` is their folder, or the file."""
    return InputError(
        f"tokenizer {place}: {library} {version} cannot read it ({' '.join(str(error).split())}); update the {library}"
        " package, or write the file again with this version"
    )

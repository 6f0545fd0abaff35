"""One interface over SentencePiece models and Hugging Face tokenizers: texts in, one flat array of token ids out.

A text is tokenised alone, without prefix and special tokens; `hbt_jax/data/packing.py` puts those around it.  A prefix
ends in a space, so prefix and text never share a piece and their ids can be joined; a tokenizer that gives a word other
ids at the start of a text than after a space is refused.
"""

import hashlib
import itertools
import json
import os
import pathlib
import shutil
from collections.abc import Callable, Iterable, Sequence

import numpy as np

from hbt_jax.errors import InputError

_HUGGING_FACE_FILES = (
    "tokenizer.json", "tokenizer_config.json", "special_tokens_map.json", "added_tokens.json", "vocab.txt",
    "sentencepiece.bpe.model", "tokenizer.model",
)  # fmt: skip


class Tokenizer:
    """Texts to token ids; `load_tokenizer` makes one.

    Attributes:
      path: the file or folder it was read from.
      vocab_size: V, one more than the largest token id.
      pad_id, unk_id: ids of padding and of what the vocabulary lacks.
      bos_id, eos_id: ids put before and after every text (XLM-R: <s> and </s>; BERT: [CLS] and [SEP]).
      fingerprint: "sha256:" and the digest of the file that defines the tokenizer.
    """

    def __init__(
        self,
        path: pathlib.Path,
        files: Sequence[pathlib.Path],
        special: dict[str, int],
        vocab_size: int,
        encode_lists: Callable[[list[str]], Iterable[list[int]]],
    ):
        for name, token in special.items():
            if not 0 <= token < vocab_size:
                raise InputError(
                    f"tokenizer {path}: no {name} token (id {token}, vocabulary {vocab_size}); expected padding, begin,"
                    " end and unknown tokens, as data_prep/train_sentencepiece.py makes them"
                )
        self.path = path
        self.vocab_size = vocab_size
        self.pad_id, self.bos_id = special["padding"], special["begin"]
        self.eos_id, self.unk_id = special["end"], special["unknown"]
        self.fingerprint = "sha256:" + hashlib.sha256(files[0].read_bytes()).hexdigest()
        self._files = tuple(files)
        self._encode_lists = encode_lists

    def encode(self, texts: Sequence[str]) -> tuple[np.ndarray, np.ndarray]:
        """Token ids of texts, without prefix and special tokens; a text of spaces alone has none.

        Args:
          texts: N texts; give thousands at a time, they are tokenised in parallel.

        Returns:
          (tokens int32 [T], offsets int64 [N + 1]): text i is `tokens[offsets[i]:offsets[i + 1]]`.
        """
        lists = list(self._encode_lists(list(texts)))
        offsets = np.zeros(len(lists) + 1, np.int64)
        np.cumsum(np.fromiter(map(len, lists), np.int64, len(lists)), out=offsets[1:])
        tokens = np.fromiter(itertools.chain.from_iterable(lists), np.int32, int(offsets[-1]))
        return tokens, offsets

    def prefix_ids(self, prefix: str) -> np.ndarray:
        """int32 ids of a prefix as they stand before a text's ids; the prefix's last space belongs to the text."""
        return self.encode([prefix.rstrip(" ")])[0]

    def save(self, folder: str | os.PathLike) -> None:
        """Copies the tokenizer's own files into `folder`, which is made if need be."""
        target = pathlib.Path(folder)
        target.mkdir(parents=True, exist_ok=True)
        for file in self._files:
            if file.resolve() != (target / file.name).resolve():
                shutil.copyfile(file, target / file.name)


def load_tokenizer(path: str | os.PathLike) -> Tokenizer:
    """Reads a tokenizer.

    Args:
      path: a SentencePiece `.model` file, or a folder with `tokenizer.json` (Hugging Face) or `tokenizer.model`
        (SentencePiece, data_prep/train_sentencepiece.py); `tokenizer.json` wins where both are there.

    Raises:
      InputError: nothing is there, the file cannot be read as a tokenizer, or a special token is missing.
    """
    path = pathlib.Path(path)
    if path.is_file():
        return _sentencepiece(path, path)
    if (path / "tokenizer.json").is_file():
        return _hugging_face(path)
    if (path / "tokenizer.model").is_file():
        return _sentencepiece(path, path / "tokenizer.model")
    found = "a folder without either" if path.is_dir() else "nothing"
    raise InputError(
        f"tokenizer {path}: found {found}; expected a SentencePiece .model file or a folder with tokenizer.model"
        " (data_prep/train_sentencepiece.py) or tokenizer.json (Hugging Face)"
    )


def _sentencepiece(path: pathlib.Path, file: pathlib.Path) -> Tokenizer:
    import sentencepiece

    threads = os.cpu_count() or 1
    try:
        model = sentencepiece.SentencePieceProcessor(model_file=str(file))
    except (OSError, RuntimeError) as error:
        raise InputError(f"tokenizer {file}: not a SentencePiece model ({' '.join(str(error).split())})") from error
    special = {"padding": model.pad_id(), "begin": model.bos_id(), "end": model.eos_id(), "unknown": model.unk_id()}

    def encode_lists(texts: list[str]) -> list[list[int]]:
        return model.encode(texts, out_type=int, num_threads=threads)

    return Tokenizer(path, [file], special, model.get_piece_size(), encode_lists)


def _hugging_face(folder: pathlib.Path) -> Tokenizer:
    """Reads `tokenizer.json`; begin and end are what its own template puts around an empty text."""
    import tokenizers

    file = folder / "tokenizer.json"
    try:
        definition = json.loads(file.read_text(encoding="utf-8"))
    except ValueError as error:
        raise InputError(f"tokenizer {file}: not JSON ({error}); copy the file again") from error
    if not isinstance(definition, dict) or not {"model", "added_tokens"} <= set(definition):
        raise InputError(f"tokenizer {file}: not a Hugging Face tokenizer: expected the keys model and added_tokens")
    backend = tokenizers.Tokenizer.from_str(json.dumps(definition))
    backend.no_truncation()
    backend.no_padding()
    around = backend.encode("").ids
    if len(around) != 2:
        raise InputError(
            f"tokenizer {file}: its template puts {len(around)} tokens around a text; expected two, as BERT's [CLS] and"
            " [SEP] or XLM-R's <s> and </s>"
        )
    vocabulary = backend.get_vocab(with_added_tokens=True)
    names = _special_names(folder, definition)
    special = {"padding": vocabulary.get(names["pad_token"], -1), "begin": around[0], "end": around[1],
               "unknown": vocabulary.get(names["unk_token"], -1)}  # fmt: skip

    def encode_lists(texts: list[str]) -> list[list[int]]:
        return [encoding.ids for encoding in backend.encode_batch(texts, add_special_tokens=False)]

    files = [folder / name for name in _HUGGING_FACE_FILES if (folder / name).is_file()]
    tokenizer = Tokenizer(folder, files, special, max(vocabulary.values()) + 1, encode_lists)
    _check_joining(tokenizer)
    return tokenizer


def _check_joining(tokenizer: Tokenizer) -> None:
    """Raises InputError when a prefix and a text give other ids together than apart, on one example."""
    prefix, text = "query: ", "a b"
    together = tokenizer.encode([prefix + text])[0].tolist()
    apart = [*tokenizer.prefix_ids(prefix).tolist(), *tokenizer.encode([text])[0].tolist()]
    if together != apart:
        raise InputError(
            f"tokenizer {tokenizer.path}: the ids of {prefix + text!r} are {together}, but those of its prefix and of"
            f" its text apart are {apart}; expected the same, as WordPiece and SentencePiece give: a byte-level BPE"
            " needs add_prefix_space set in tokenizer.json, or choose another tokenizer"
        )


def _special_names(folder: pathlib.Path, definition: dict) -> dict[str, str]:
    """The texts of the padding and unknown tokens, from the configuration beside `tokenizer.json`, else from itself."""
    names = {
        "pad_token": (definition.get("padding") or {}).get("pad_token"),
        "unk_token": definition["model"].get("unk_token"),
    }
    if names["unk_token"] is None and definition["model"].get("unk_id") is not None:
        names["unk_token"] = definition["model"]["vocab"][definition["model"]["unk_id"]][0]  # unigram: [piece, score]
    for source in ("special_tokens_map.json", "tokenizer_config.json"):
        if (folder / source).is_file():
            given = json.loads((folder / source).read_text(encoding="utf-8"))
            for name in names:
                token = given.get(name)
                names[name] = (token["content"] if isinstance(token, dict) else token) or names[name]
    return names

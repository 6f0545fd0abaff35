"""One interface over SentencePiece models and Hugging Face tokenizers: texts in, one flat array of token ids out.

A text is tokenised alone, without prefix and special tokens; `hbt_jax/data/packing.py` puts those around it.  Most
prefixes end in a space, so prefix and text never share a piece and their ids can be joined; a tokenizer is refused if
it gives a word different ids at the start of a text and after a space.  `Tokenizer.joins` says whether the ids of a
prefix can be joined with those of any text; if not, prefix and text are tokenised as one.

With a Hugging Face folder, the ids of begin, prefix, text and end are exactly those that transformers' AutoTokenizer
gives prefix + text.  In these exceptions the ids are those of the text without the prefix:

- XLM-R's: a text that begins with two or more combining characters, the first of which the normaliser replaces
  (U+200C, U+0340, U+0341, U+0343, U+0344 and some Tibetan signs); no orthography writes such texts;
- tokenizers that make pieces of the spaces themselves (byte-level BPE): an empty text, and one that begins with a space
  or with the name of a special token.

A text's ids depend on that text alone: not on the texts beside it, on earlier calls, or on the number of threads or
processes.  With XLM-R's tokenizer, words are remembered; once there are many, hbt_jax/models/unigram_words.py cuts new
ones, but only those that it is sure to cut as the library tokenizers does.

A SentencePiece model reads texts in Unicode's composed form (NFC), in training too: a letter followed by combining
marks, in any order, is the same as the letter with the marks.
"""

import functools
import hashlib
import itertools
import os
import pathlib
import unicodedata
from collections.abc import Callable, Iterable, Sequence

import numpy as np
import tokenizers
from tokenizers import normalizers, pre_tokenizers

from hbt_jax.errors import InputError
from hbt_jax.models.huggingface.by_transformers import OLDER_FILES, TOKENIZER
from hbt_jax.models.huggingface.tokenizer_folder import read_folder
from hbt_jax.models.unigram_words import UnigramWords, read_unigram_words
from hbt_jax.models.word_cache import WordCache
from hbt_jax.text_identity import Folding

# Letters and signs in two forms, of several scripts, by attribute of Folding.  A tokenizer does not tell the two forms
# apart if it gives both the same known tokens.
_TWO_FORMS = {
    "compatibility": (
        ("Ａ", "A"), ("ｅ", "e"), ("１", "1"), ("ﬁ", "fi"), ("²", "2"), ("ｱ", "ア"), ("ﻻ", "لا"), ("㎏", "kg"),
        ("…", "..."),
    ),
    "case": (("A", "a"), ("E", "e"), ("N", "n"), ("T", "t"), ("Д", "д"), ("Н", "н"), ("Σ", "σ"), ("Ա", "ա")),
    "accents": (("é", "e"), ("á", "a"), ("ö", "o"), ("ñ", "n"), ("ç", "c"), ("й", "и"), ("ό", "ο"), ("が", "か")),
}  # fmt: skip

_LINE_ENDS = ("\n", "\t", "\r")  # white space that no mark after it combines with, unlike U+3000
_PROBES = ("a b", "1", "北京 x", "été", "-x")  # texts after a prefix
_OTHER_FILES = ("spiece.model", "vocab.json")  # of tokenizers that are not read


class Tokenizer:
    """Texts to token ids; `load_tokenizer` makes one.  Not thread-safe.

    Attributes:
      path: the file or folder it was read from.
      vocab_size: V, one more than the largest token id.
      pad_id, unk_id: ids of padding and of the unknown token.
      bos_id, eos_id: ids put before and after every text (XLM-R: <s> and </s>; BERT: [CLS] and [SEP]).
      fingerprint: "sha256:" and the digest of the file that defines the tokenizer.
      contents: the tokenizer's own files by name, the one that defines it first.
    """

    def __init__(
        self,
        path: pathlib.Path,
        contents: dict[str, bytes],
        special: dict[str, int],
        vocab_size: int,
        encode_lists: Callable[[list[str]], Iterable[list[int]]],
        decode_lists: Callable[[list[list[int]]], list[str]],
        words: WordCache | None = None,
        ends_apart: Callable[[str], bool] = lambda prefix: prefix.endswith(" "),
    ):
        for name, token in special.items():
            if not 0 <= token < vocab_size:
                raise InputError(
                    f"tokenizer {path}: no {name} token (id {token}, vocabulary {vocab_size}); expected padding, begin,"
                    " end and unknown tokens, as data_prep/train_sentencepiece.py makes them or tokenizer_config.json"
                    " names them"
                )
        self.path = path
        self.vocab_size = vocab_size
        self.pad_id, self.bos_id = special["padding"], special["begin"]
        self.eos_id, self.unk_id = special["end"], special["unknown"]
        self.contents = contents
        self.fingerprint = "sha256:" + hashlib.sha256(next(iter(contents.values()))).hexdigest()
        self._encode_lists, self._decode_lists, self._words = encode_lists, decode_lists, words
        self._ends_apart, self._joined = ends_apart, {"": True}

    def encode(self, texts: Sequence[str]) -> tuple[np.ndarray, np.ndarray]:
        """Token ids of texts, without prefix and special tokens; a text of only spaces has none.

        Args:
          texts: N texts; give thousands at a time, because they are tokenised in parallel.

        Returns:
          (tokens int32 [T], offsets int64 [N + 1]): text i is `tokens[offsets[i]:offsets[i + 1]]`.

        Raises:
          InputError: a text is not Unicode: it holds half of a pair of surrogates.
        """
        texts = list(texts)
        try:
            if self._words is not None:
                return self._words.encode(texts)
            lists = list(self._encode_lists(texts))
        except (TypeError, UnicodeError):
            _check_unicode(texts)
            raise
        offsets = np.zeros(len(lists) + 1, np.int64)
        np.cumsum(np.fromiter(map(len, lists), np.int64, len(lists)), out=offsets[1:])
        tokens = np.fromiter(itertools.chain.from_iterable(lists), np.int32, int(offsets[-1]))
        return tokens, offsets

    def decode(self, tokens: np.ndarray, offsets: np.ndarray) -> list[str]:
        """The texts of token ids, as the tokenizer reads them: normalised, with its mark for unknown tokens.

        Args:
          tokens, offsets: as `encode` returns them.

        Raises:
          InputError: an id is outside the vocabulary.
        """
        used = tokens[offsets[0] : offsets[-1]]
        self.check_ids(used)
        ends = (offsets - offsets[0]).tolist()
        values = used.tolist()
        lists = [values[start:end] for start, end in itertools.pairwise(ends)]
        return self._decode_lists(lists) if lists else []

    @functools.cached_property
    def folding(self) -> Folding:
        """Which differences between texts the tokenizer ignores, found by trying some letters.

        Letters that it does not know tell nothing: everything unknown has the same token.
        """
        return Folding(**{kind: self._folds(pairs) for kind, pairs in _TWO_FORMS.items()})

    def _folds(self, pairs: Sequence[tuple[str, str]]) -> bool:
        """Whether most of the pairs that say something have the same tokens."""
        tokens, offsets = self.encode([form for pair in pairs for form in pair])
        ids = [tuple(tokens[start:end].tolist()) for start, end in itertools.pairwise(offsets.tolist())]
        same = different = 0
        for one, other in zip(ids[::2], ids[1::2], strict=True):
            same += one == other and one != () and self.unk_id not in one
            different += one != other
        return same > different

    def check_ids(self, tokens: np.ndarray) -> None:
        """Raises InputError if a token id is outside the vocabulary."""
        if len(tokens) and not (tokens.min() >= 0 and tokens.max() < self.vocab_size):
            wrong = tokens[(tokens < 0) | (tokens >= self.vocab_size)][0]
            raise InputError(
                f"tokenizer {self.path}: no text for token id {wrong}, expected 0 to {self.vocab_size - 1}: the tokens"
                " are another tokenizer's; correct --tokenizer"
            )

    def joins(self, prefix: str) -> bool:
        """Whether the ids of a prefix and of any text after it are those of the two as one text.

        They are if the prefix ends in a space, or if the tokenizer always cuts after the prefix's last character, as
        BERT's does after punctuation and Chinese characters.
        """
        if prefix not in self._joined:
            head = self.prefix_ids(prefix).tolist()
            self._joined[prefix] = self._ends_apart(prefix) and all(
                self.encode([prefix + text])[0].tolist() == [*head, *self.encode([text])[0].tolist()]
                for text in _PROBES
            )
        return self._joined[prefix]

    def prefix_ids(self, prefix: str) -> np.ndarray:
        """int32 ids of a prefix as they stand before a text's ids; the prefix's last space belongs to the text."""
        return self.encode([prefix.rstrip(" ")])[0]

    def save(self, folder: str | os.PathLike) -> None:
        """Writes the tokenizer's own files into `folder`, which is made if it is missing."""
        target = pathlib.Path(folder)
        target.mkdir(parents=True, exist_ok=True)
        for name, content in self.contents.items():
            (target / name).write_bytes(content)


def composed(text: str) -> str:
    """The text in the form that a SentencePiece model is trained on and given: NFC, with marks in canonical order."""
    return unicodedata.normalize("NFC", text)


def load_tokenizer(path: str | os.PathLike, threads: int = 0) -> Tokenizer:
    """Reads a tokenizer.

    Args:
      path: a SentencePiece `.model` file, or a folder with `tokenizer.json` (Hugging Face), `tokenizer.model`
        (SentencePiece, data_prep/train_sentencepiece.py), `sentencepiece.bpe.model` or `vocab.txt` (Hugging Face's
        older files: of XLM-R's and BERT's class unless another file of the folder names one); the first of these that
        is there is read.
      threads: used by the library sentencepiece; 0 for the number of cores.  Hugging Face's library goes by the
        environment variable TOKENIZERS_PARALLELISM.

    Raises:
      InputError: nothing is there, the file cannot be read as a tokenizer, or a special token is missing.
    """
    path = pathlib.Path(path)
    if path.is_file():
        return _sentencepiece(path, path, threads)
    if (path / TOKENIZER).is_file():
        return _hugging_face(path)
    if (path / "tokenizer.model").is_file():
        return _sentencepiece(path, path / "tokenizer.model", threads)
    if any((path / name).is_file() for name in OLDER_FILES):
        return _hugging_face(path)
    others = [name for name in _OTHER_FILES if (path / name).is_file()]
    if others:
        raise InputError(
            f"tokenizer {path}: found {' and '.join(others)} but no tokenizer.json; make it in Python with"
            f" transformers.AutoTokenizer.from_pretrained({str(path)!r}).save_pretrained({str(path)!r})"
        )
    found = "a folder without the files of a tokenizer" if path.is_dir() else "nothing"
    raise InputError(
        f"tokenizer {path}: found {found}; expected a SentencePiece .model file or a folder with tokenizer.model"
        f" (data_prep/train_sentencepiece.py), tokenizer.json, {' or '.join(OLDER_FILES)} (Hugging Face)"
    )


def _check_unicode(texts: Sequence[str]) -> None:
    for number, text in enumerate(texts):
        surrogate = next((c for c in text if "\ud800" <= c <= "\udfff"), None) if isinstance(text, str) else None
        if surrogate:
            raise InputError(
                f"text {number} of {len(texts)}, {text[:40]!r}, holds half of a surrogate pair ({surrogate!r});"
                " expected Unicode: correct the text, or read its file as UTF-8"
            )


def _threads(threads: int) -> int:
    return threads or os.cpu_count() or 1


def _sentencepiece(path: pathlib.Path, file: pathlib.Path, threads: int) -> Tokenizer:
    import sentencepiece

    threads = _threads(threads)
    try:
        content = file.read_bytes()
        model = sentencepiece.SentencePieceProcessor()
        model.LoadFromSerializedProto(content)
    except (OSError, RuntimeError) as error:
        raise InputError(f"tokenizer {file}: not a SentencePiece model ({' '.join(str(error).split())})") from error
    special = {"padding": model.pad_id(), "begin": model.bos_id(), "end": model.eos_id(), "unknown": model.unk_id()}

    def encode_lists(texts: list[str]) -> list[list[int]]:
        return model.encode([composed(text) for text in texts], out_type=int, num_threads=threads)

    tokenizer = Tokenizer(
        path, {"tokenizer.model": content}, special, model.get_piece_size(), encode_lists, model.decode
    )
    _check_joining(tokenizer)
    return tokenizer


def _hugging_face(folder: pathlib.Path) -> Tokenizer:
    read = read_folder(folder)

    def encode_lists(texts: list[str]) -> Iterable[list[int]]:
        # "fast" leaves out the places of tokens in the text, which nothing needs
        return (encoding.ids for encoding in read.backend.encode_batch_fast(texts, add_special_tokens=False))

    def decode_lists(lists: list[list[int]]) -> list[str]:
        return read.backend.decode_batch(lists, skip_special_tokens=False)

    def read_faster() -> UnigramWords | None:
        steps = read.backend.normalizer
        normalize = steps.normalize_str if steps is not None else str
        return read_unigram_words(read.contents["tokenizer.json"], read.words.special, normalize)

    words = None if read.words is None else WordCache(encode_lists, read.words, read_faster)
    ends_apart = _ends_apart(read.backend, cuts_at_spaces=words is not None)
    tokenizer = Tokenizer(
        folder, read.contents, read.special, read.vocab_size, encode_lists, decode_lists, words, ends_apart
    )
    _check_joining(tokenizer)
    return tokenizer


def _ends_apart(backend: tokenizers.Tokenizer, cuts_at_spaces: bool) -> Callable[[str], bool]:
    """Returns what tells whether any text after a prefix is cut from it; see `Tokenizer.joins`.

    Args:
      backend: the tokenizer.
      cuts_at_spaces: whether it cuts at all white space, as XLM-R's does, not only before words.
    """
    normalize = backend.normalizer.normalize_str if backend.normalizer else str
    is_bert = isinstance(backend.normalizer, normalizers.BertNormalizer) and isinstance(
        backend.pre_tokenizer, pre_tokenizers.BertPreTokenizer
    )
    added = list(backend.get_added_tokens_decoder().values())
    starts = {token.content[:length].casefold() for token in added for length in range(1, len(token.content))}
    alone = any(token.single_word for token in added)  # then what stands before a token's name counts

    def ends_apart(prefix: str) -> bool:
        if any(prefix.casefold().endswith(start) for start in starts):  # a special token might span prefix and text
            return False
        if prefix.endswith(" "):
            return True
        if cuts_at_spaces and prefix.endswith(_LINE_ENDS):
            return True
        shape = normalize(prefix)
        if not is_bert or alone or not shape:
            return False
        if shape[-1].isspace():
            return True
        (_, (start, _)) = backend.pre_tokenizer.pre_tokenize_str(f"{shape}x")[-1]  # BERT's cuts look at one character
        return start == len(shape)

    return ends_apart


def _check_joining(tokenizer: Tokenizer) -> None:
    """Raises InputError if one example of a prefix and a text gives different ids together and apart."""
    prefix, text = "query: ", "a b"
    together = tokenizer.encode([prefix + text])[0].tolist()
    apart = [*tokenizer.prefix_ids(prefix).tolist(), *tokenizer.encode([text])[0].tolist()]
    if together != apart:
        raise InputError(
            f"tokenizer {tokenizer.path}: the ids of {prefix + text!r} are {together}, but those of its prefix and of"
            f" its text apart are {apart}; expected the same, as WordPiece and SentencePiece give: a byte-level BPE"
            " needs add_prefix_space set in tokenizer_config.json, a SentencePiece model needs add_dummy_prefix set"
            " when it is trained; or choose another tokenizer"
        )

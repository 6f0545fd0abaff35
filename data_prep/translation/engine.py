"""Translation models behind one small interface: CTranslate2 running NLLB-200 or M2M-100.

Both families read `LANGUAGE pieces </s>` and write `LANGUAGE pieces </s>`, with the pieces of one SentencePiece model.
"""

import os
from collections.abc import Sequence
from pathlib import Path
from typing import Protocol

import sentencepiece

from data_prep.builders.unchanged import digest
from data_prep.translation.codes import family_of, language_token
from hbt_jax import json_text
from hbt_jax.errors import InputError

DEVICES = ("auto", "cpu", "cuda")
COMPUTE_TYPES = ("default", "int8", "int8_float16", "int8_bfloat16", "int8_float32", "float16", "bfloat16", "float32")
_WEIGHTS, _CONFIG, _PIECES = "model.bin", "config.json", "sentencepiece.bpe.model"
_VOCABULARIES = ("shared_vocabulary.json", "shared_vocabulary.txt")  # of CTranslate2 3.0 and later; of older ones
_END = "</s>"
_CORES_A_WORKER = 4  # further cores work on other batches


class Translator(Protocol):
    """Translates sentences.

    Attributes:
      settings: whatever its output depends on, such as digests of the model's files: name -> JSON value.
    """

    settings: dict[str, object]

    def check(self, code: str) -> None:
        """Raises InputError, naming the language, if it cannot translate from or to it."""

    def __call__(self, texts: Sequence[str], source: str, target: str) -> list[str | None]:
        """The translation of each text (a single sentence), in order.

        Args:
          texts: sentences in the language `source`.
          source, target: codes of hbt_jax/languages.py.

        Returns:
          None for a text that is too long, or whose translation did not end.
        """


class CTranslate2Translator:
    """A folder that `ct2-transformers-converter` made, with the model's sentencepiece.bpe.model copied into it.

    Args:
      folder: the model.
      device: one of DEVICES; `auto`: a GPU if there is one.
      compute_type: one of COMPUTE_TYPES; `default`: that of the files.
      beam_size: width of the beam search; 1: greedy.
      max_tokens: maximum pieces of a sentence, and of its translation, including language and end tokens.
      batch_tokens: pieces per batch, padding included; memory grows with it.
      threads: CPU threads; 0: one per core.

    Raises:
      InputError: CTranslate2 is not installed; no such folder; a file is missing, damaged or of another kind of model;
        the device or the compute type is not available.
    """

    def __init__(
        self,
        folder: str | os.PathLike,
        *,
        device: str = "auto",
        compute_type: str = "default",
        beam_size: int = 4,
        max_tokens: int = 512,
        batch_tokens: int = 4096,
        threads: int = 0,
    ):
        ctranslate2 = _import_ctranslate2()
        self._folder, self._max_tokens = Path(folder), max_tokens
        vocabulary_path = _vocabulary_path(self._folder)
        self._vocabulary = _vocabulary(vocabulary_path)
        self._family = family_of(self._vocabulary, folder)
        try:
            self._pieces = sentencepiece.SentencePieceProcessor(model_file=str(self._folder / _PIECES))
        except RuntimeError as error:
            raise InputError(
                f"{self._folder / _PIECES}: not a SentencePiece model: copy the one of the original model"
            ) from error
        cores = threads or os.cpu_count() or 1
        try:
            self._engine = ctranslate2.Translator(
                str(folder),
                device=device,
                compute_type=compute_type,
                inter_threads=max(1, cores // _CORES_A_WORKER),
                intra_threads=min(cores, _CORES_A_WORKER),
            )
        except (RuntimeError, ValueError) as error:  # CTranslate2's errors name the file, device or type
            raise InputError(
                f"--model={folder} --device={device} --compute_type={compute_type}: CTranslate2 cannot load it"
                f" ({_one_line(error)}): convert the model anew, or choose another device or compute type"
            ) from error
        known = {self._pieces.id_to_piece(number) for number in range(self._pieces.get_piece_size())}
        self._options = {
            "beam_size": beam_size,
            "max_batch_size": batch_tokens,
            "batch_type": "tokens",
            "max_input_length": 0,  # nothing is cut silently: `__call__` checks the lengths
            "max_decoding_length": max_tokens,
            "return_end_token": True,
            "disable_unk": True,
            # language tokens and placeholders of the vocabulary must not appear in a text
            "suppress_sequences": [[token] for token in self._vocabulary if token not in known | {_END}],
        }
        files = {name: digest(self._folder / name) for name in (_WEIGHTS, vocabulary_path.name, _PIECES)}
        self.settings = {
            "model": self._family, **files, "compute_type": compute_type, "beam_size": beam_size,
            "max_tokens": max_tokens,
        }  # fmt: skip

    def check(self, code: str) -> None:
        """Raises InputError for a language that the model lacks."""
        language_token(self._family, code, self._vocabulary)

    def __call__(self, texts: Sequence[str], source: str, target: str) -> list[str | None]:
        """See `Translator`; CTranslate2 sorts the texts by length and batches them.

        Raises:
          InputError: the model lacks a language, or the engine failed, usually because memory ran out.
        """
        first, prefix = (language_token(self._family, code, self._vocabulary) for code in (source, target))
        read = [[first, *pieces, _END] for pieces in self._pieces.encode(list(texts), out_type=str)]
        short = [index for index, pieces in enumerate(read) if len(pieces) <= self._max_tokens]
        made: list[str | None] = [None] * len(read)
        try:
            results = self._engine.translate_batch(
                [read[index] for index in short], target_prefix=[[prefix]] * len(short), **self._options
            )
        except RuntimeError as error:
            raise InputError(
                f"--model={self._folder}: CTranslate2 stopped ({_one_line(error)}): lower --batch_tokens if memory ran"
                " out, --max_tokens if texts are too long for the model"
            ) from error
        for index, result in zip(short, results, strict=True):
            written = result.hypotheses[0]
            if written and written[-1] == _END:
                made[index] = self._pieces.decode(written[1:-1]).strip()
        return made


def _import_ctranslate2():
    try:
        import ctranslate2
    except ImportError as error:
        raise InputError(f"ctranslate2 cannot be imported ({error}): pip install -e '.[translate]'") from error
    return ctranslate2


def _vocabulary_path(folder: Path) -> Path:
    how = "python data_prep/translate.py --help shows how to convert a model"
    if not folder.is_dir():
        raise InputError(f"--model={folder}: no such folder: expected one that ct2-transformers-converter made; {how}")
    for name in (_WEIGHTS, _CONFIG, _PIECES):
        if not (folder / name).is_file():
            raise InputError(f"--model={folder}: {name} is missing: expected a converted model with {_PIECES}; {how}")
    found = [folder / name for name in _VOCABULARIES if (folder / name).is_file()]
    if not found:
        raise InputError(
            f"--model={folder}: {_VOCABULARIES[0]} is missing: expected a model with a shared vocabulary; {how}"
        )
    return found[0]


def _vocabulary(path: Path) -> dict[str, None]:
    """The tokens, in order."""
    try:
        text = path.read_text(encoding="utf-8")
        tokens = json_text.parsed(text) if path.suffix == ".json" else text.split("\n")
    except ValueError as error:
        raise InputError(f"{path}: not the vocabulary of a model ({error}): convert the model anew") from error
    if not isinstance(tokens, list) or not all(isinstance(token, str) for token in tokens):
        raise InputError(f"{path}: not the vocabulary of a model (no list of texts): convert the model anew")
    return dict.fromkeys(tokens)


def _one_line(error: Exception) -> str:
    return " ".join(str(error).split())

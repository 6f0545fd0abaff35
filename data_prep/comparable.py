"""What counts as the same token when texts are compared: pieces that differ in case, spaces and punctuation only."""

import unicodedata

import numpy as np

from hbt_jax.errors import InputError
from hbt_jax.models.tokenizer import Tokenizer

NOTHING = -1
_NO_LETTERS = "PZC"  # Unicode categories: punctuation, spaces, controls
_BROKEN = "\ufffd"  # what a piece of a letter's bytes is read as


def comparable_pieces(tokenizer: Tokenizer) -> np.ndarray:
    """What each token counts as, from the text that the tokenizer reads it as.

    Pieces that are the same once Unicode's compatibility forms are composed (NFKC), case is folded, and spaces and
    punctuation are left out count as the first of them; a piece of which nothing is left counts as NOTHING.  "▁The",
    "the" and "the," are one.  Marks and symbols stay: they tell words apart.  A piece that is part of a letter's bytes
    counts as itself.

    Returns:
      int32 [V], the token ids that stand for the tokens, or NOTHING.

    Raises:
      InputError: no piece can be read as text, so nothing could be compared.
    """
    ids = np.arange(tokenizer.vocab_size, dtype=np.int32)
    first: dict[str, int] = {}
    counts_as = np.full(len(ids), NOTHING, np.int32)
    for id_, text in enumerate(tokenizer.decode(ids, np.arange(len(ids) + 1))):
        letters = _letters(text)
        if _BROKEN in letters or id_ == tokenizer.unk_id:
            counts_as[id_] = id_
        elif letters:
            counts_as[id_] = first.setdefault(letters, id_)
    if not first:
        raise InputError(
            f"tokenizer {tokenizer.path}: none of its {len(ids):,} pieces can be read as text, so a store of its tokens"
            " cannot be compared; build the store with another tokenizer"
        )
    return counts_as


def _letters(text: str) -> str:
    folded = unicodedata.normalize("NFKC", text).casefold()
    return "".join(letter for letter in folded if unicodedata.category(letter)[0] not in _NO_LETTERS)


def comparable(counts_as_V: np.ndarray, tokens: np.ndarray, offsets: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Texts with each token replaced by what it counts as, and without those that count as nothing.

    Args:
      counts_as_V: of `comparable_pieces`.
      tokens, offsets: N texts, text i being `tokens[offsets[i]:offsets[i + 1]]`.

    Returns:
      (int32 tokens, int64 offsets [N + 1]); a text of punctuation alone becomes empty.

    >>> comparable(np.array([0, 1, NOTHING, 1]), np.array([0, 2, 3, 2]), np.array([0, 3, 4]))
    (array([0, 1]), array([0, 2, 2]))
    """
    values = counts_as_V[tokens]
    kept = values != NOTHING
    ends = np.concatenate([[0], np.cumsum(kept)])
    return values[kept], ends[offsets]

"""How the texts of each language fare with the tokenizer: cut ones, unknown tokens, tokens per character."""

from collections.abc import Sequence

import numpy as np

from hbt_jax.evaluation.embed import Tokenised

TOKENS_DEFINITION = (
    "by language, of the texts as given (no prefix, no special tokens): truncated = share of texts with more tokens"
    " than fit; unknown = share of tokens that the vocabulary lacks; per_character = tokens per character (Unicode code"
    " point)"
)


class TokenCounts:
    """Adds up, language by language.

    Args:
      unknown_id: the tokenizer's id of what its vocabulary lacks.
      room: most tokens of a text that the model reads.
    """

    def __init__(self, unknown_id: int, room: int):
        self._unknown_id, self._room = unknown_id, room
        self._sums: dict[str, np.ndarray] = {}  # texts, truncated texts, characters, tokens, unknown tokens

    def add(self, codes: Sequence[str], texts: Sequence[str], tokens: np.ndarray, offsets: np.ndarray) -> None:
        """Adds some texts.

        Args:
          codes: language of each text.
          texts: the texts.
          tokens, offsets: what Tokenizer.encode made of them, before any cut.
        """
        count_N = np.diff(offsets)
        unknown_N = np.diff(np.concatenate([[0], np.cumsum(tokens == self._unknown_id)])[offsets])
        characters_N = np.fromiter(map(len, texts), np.int64, len(texts))
        columns_NC = np.stack(
            [np.ones(len(texts), np.int64), count_N > self._room, characters_N, count_N, unknown_N], axis=1
        )
        code_N = np.asarray(codes)
        for code in set(codes):
            self._sums[code] = self._sums.get(code, 0) + columns_NC[code_N == code].sum(axis=0)

    def watch(self, codes: Sequence[str], texts: Sequence[str]) -> Tokenised:
        """What an Embedder is to tell of these texts, so that they are added while it tokenises them."""

        def tokenised(some: slice, tokens: np.ndarray, offsets: np.ndarray) -> None:
            self.add(codes[some], texts[some], tokens, offsets)

        return tokenised

    def rates(self) -> dict[str, dict[str, float]]:
        """Language -> {"texts", "truncated", "unknown", "per_character"}, by code in alphabetical order."""
        return {code: _rates(*self._sums[code].tolist()) for code in sorted(self._sums)}


def _rates(texts: int, truncated: int, characters: int, tokens: int, unknown: int) -> dict[str, float]:
    return {
        "texts": texts,
        "truncated": truncated / texts,
        "unknown": unknown / max(tokens, 1),
        "per_character": tokens / max(characters, 1),
    }

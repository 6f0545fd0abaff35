"""How the tokenizer treats the texts of each language: truncated texts, unknown tokens, tokens per character."""

from collections.abc import Mapping, Sequence

import numpy as np

from hbt_jax.data.packing import text_format
from hbt_jax.evaluation.embedding.embed import Tokenised
from hbt_jax.models.model import Model


class TokenCounts:
    """Sums by language.

    Args:
      unknown_id: the tokenizer's id of the unknown token.
      room: the most tokens of a text that the model reads.

    Attributes:
      sums: language -> int64 [5]: texts, truncated texts, characters, tokens, unknown tokens.
    """

    def __init__(self, unknown_id: int, room: int):
        self._unknown_id, self._room = unknown_id, room
        self.sums: dict[str, np.ndarray] = {}

    def add(self, codes: Sequence[str], texts: Sequence[str], tokens: np.ndarray, offsets: np.ndarray) -> None:
        """Adds some texts.

        Args:
          codes: language of each text.
          texts: the texts.
          tokens, offsets: of Tokenizer.encode, before truncation.
        """
        count_N = np.diff(offsets)
        unknown_N = np.diff(np.concatenate([[0], np.cumsum(tokens == self._unknown_id)])[offsets])
        characters_N = np.fromiter(map(len, texts), np.int64, len(texts))
        columns_NC = np.stack(
            [np.ones(len(texts), np.int64), count_N > self._room, characters_N, count_N, unknown_N], axis=1
        )
        code_N = np.asarray(codes)
        for code in set(codes):
            self.sums[code] = self.sums.get(code, 0) + columns_NC[code_N == code].sum(axis=0)

    def watch(self, codes: Sequence[str], texts: Sequence[str]) -> Tokenised:
        """The `tokenised` callback of an Embedder, which adds these texts while it tokenises them."""

        def tokenised(some: slice, tokens: np.ndarray, offsets: np.ndarray) -> None:
            self.add(codes[some], texts[some], tokens, offsets)

        return tokenised

    def rates(self) -> dict[str, dict[str, float]]:
        """The rates of the sums so far, see `rates`."""
        return rates(self.sums)


def counts_for(model: Model, side: str) -> TokenCounts:
    """Empty counts for texts that a model reads as "query" or "passage".

    If a prefix shares tokens with its text, it counts with the tokens that it has alone.
    """
    form = text_format(model.text, model.tokenizer, side, model.said)
    return TokenCounts(model.tokenizer.unk_id, form.room - form.before_tokens)


def rates(sums: Mapping[str, np.ndarray]) -> dict[str, dict[str, float]]:
    """Language -> {"texts", "truncated", "unknown", "per_character"}, by code in alphabetical order.

    Args:
      sums: as TokenCounts.sums.
    """
    return {code: _rates(*sums[code].tolist()) for code in sorted(sums)}


def _rates(texts: int, truncated: int, characters: int, tokens: int, unknown: int) -> dict[str, float]:
    return {
        "texts": texts,
        "truncated": truncated / texts,
        "unknown": unknown / max(tokens, 1),
        "per_character": tokens / max(characters, 1),
    }

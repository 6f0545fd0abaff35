"""Statistics of a store's texts by side and language: counts, lengths, characters, unknown tokens, letters."""

import dataclasses
from collections.abc import Iterator

import numpy as np

from data_prep.store.letters import SCRIPTS, letter_counts
from data_prep.store.rows import gather, read_rows, sample_rows
from hbt_jax.data.manifest import SIDES
from hbt_jax.data.permutation import key, sampled
from hbt_jax.data.store import Store, TokenRows
from hbt_jax.languages import language
from hbt_jax.models.tokenizer import Tokenizer

BOUNDS = (4, 8, 16, 32, 64, 128, 256, 512)  # upper bounds of the histogram of lengths, in tokens
OWN_SCRIPT = 0.1  # a text with a smaller share of letters in its script counts as in another script
_PAIRS = 1 << 18  # read at a time


@dataclasses.dataclass
class Figures:
    """Statistics of the texts read of one side and language.

    Attributes:
      texts: number of texts.
      tokens, unknown: number of tokens, and of unknown tokens.
      longest: tokens of the longest text.
      histogram: int64 [9], texts of at most 4, 8, 16 ... 512 tokens, and longer ones.
      characters: characters of the decoded tokens, spaces included, as the tokenizer normalised them.
      with_letters, other_script: texts that have letters, and those with less than a tenth of them in the language's
        script (a Latin name in a Chinese sentence may have more letters than the rest of the sentence).
    """

    texts: int = 0
    tokens: int = 0
    unknown: int = 0
    longest: int = 0
    histogram: np.ndarray = dataclasses.field(default_factory=lambda: np.zeros(len(BOUNDS) + 1, np.int64))
    characters: int = 0
    with_letters: int = 0
    other_script: int = 0

    @property
    def mean(self) -> float:
        """Mean number of tokens per text."""
        return self.tokens / self.texts

    @property
    def unknown_share(self) -> float:
        """Share of unknown tokens."""
        return self.unknown / self.tokens


def figures(store: Store, tokenizer: Tokenizer, sample: int, seed: int) -> Iterator[tuple[str, str, Figures]]:
    """Yields (side, language, figures) for each side and language that has texts.

    Args:
      sample: texts read per side and language, drawn by `seed`; 0: all.

    Raises:
      InputError: a token is outside the tokenizer's vocabulary.
    """
    for number, side in enumerate(SIDES):
        for place, (code, texts) in enumerate(getattr(store, side).tokens.items()):
            made = _figures(texts, code, tokenizer, sample, key(seed, number, place))
            if made.texts:
                yield side, code, made


def _figures(texts: TokenRows, code: str, tokenizer: Tokenizer, sample: int, keys: np.ndarray) -> Figures:
    made, script = Figures(), language(code).script
    for rows in sample_rows(texts, sample, keys) if sample else read_rows(texts):
        lengths = np.diff(rows.offsets)
        made.texts += len(lengths)
        made.tokens += len(rows.tokens)
        made.unknown += int((rows.tokens == tokenizer.unk_id).sum())
        made.longest = max(made.longest, int(lengths.max()))
        made.histogram += np.bincount(np.searchsorted(BOUNDS, lengths), minlength=len(BOUNDS) + 1)
        read = tokenizer.decode(rows.tokens, rows.offsets)
        made.characters += sum(map(len, read))
        if script not in SCRIPTS:
            continue
        letters, own = letter_counts(read, script)
        made.with_letters += int((letters > 0).sum())
        made.other_script += int((own < OWN_SCRIPT * letters).sum())
    return made


@dataclasses.dataclass
class SameText:
    """Pairs read, pairs whose query and passage have the same tokens in a language, and the first such pair."""

    pairs: int = 0
    same: int = 0
    first: int = -1


def same_texts(store: Store, sample: int, seed: int) -> dict[str, SameText]:
    """Language -> pairs whose query and passage are the same text in it, of those that have both.

    Args:
      sample: pairs read, drawn by `seed`; 0: all.
    """
    found = {code: SameText() for code in store.languages}
    for pairs in _chosen_pairs(len(store.pairs), sample, seed):
        for code, same in found.items():
            _count_same(store, code, pairs, same)
    return {code: same for code, same in found.items() if same.pairs}


def _chosen_pairs(total: int, most: int, seed: int) -> Iterator[np.ndarray]:
    """Numbers of the pairs to read, ascending, in chunks."""
    if 0 < most < total:
        yield from np.array_split(sampled(total, most, key(seed)), -(-most // _PAIRS))
        return
    for first in range(0, total, _PAIRS):
        yield np.arange(first, min(first + _PAIRS, total))


def _count_same(store: Store, code: str, pairs: np.ndarray, same: SameText) -> None:
    sides = [
        (store.queries.tokens[code], store.pairs.query_A[pairs]),
        (store.passages.tokens[code], store.pairs.passage_A[pairs]),
    ]
    queries, passages = (texts.offsets[rows + 1] - texts.offsets[rows] for texts, rows in sides)
    same.pairs += int(((queries > 0) & (passages > 0)).sum())
    alike = np.flatnonzero((queries == passages) & (queries > 0))
    if not len(alike):
        return
    (own, ends), (other, _) = (gather(texts.values, texts.offsets, rows[alike]) for texts, rows in sides)
    equal = np.add.reduceat(own != other, ends[:-1], dtype=np.int64) == 0
    same.same += int(equal.sum())
    if same.first < 0 and equal.any():
        same.first = int(pairs[alike[equal][0]])

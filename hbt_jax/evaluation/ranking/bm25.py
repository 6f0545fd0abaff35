"""The lexical baseline: BM25 by the library bm25s, in the same pools and with the same ranking code as a model.

Terms (no stemming, no stop words, accents are kept; the same rule for every language, which looks at characters only):

    NFKC, folded case; a term is a sequence of letters, marks and digits.  Joiners and other invisible characters are
    left out, so texts that count as one text (hbt_jax/text_identity.py), whatever their case, have the same terms:
    "Straße" and "STRASSE", "IŞIK" and "ışık".
    In Chinese, Japanese, Korean, Thai, Lao, Khmer and Burmese script, every two neighbouring characters are a term, as
    in Lucene's CJKAnalyzer; a single such character is a term by itself, and a mark belongs to the character before it.

    "L'été 2024"  l été 2024        "iPhone手机壳"  iphone 手机 机壳        "ภาษา"  ภา าษ ษา

Score of a query and a candidate, a sum over the query's terms t, repeated terms included (Lucene's variant in
Kamphuis et al. 2020, "Which BM25 do you mean?", ECIR; k1 and b as in Anserini):

    sum of  log(1 + (n - df_t + 0.5) / (df_t + 0.5)) * tf_t / (tf_t + k1 * (1 - b + b * length / mean length))

The number of candidates n, the number with the term df_t and the mean length are those of the pool searched: each pool
of a language has an index of its own, as a search engine in that language would have, and so does the pool of all.

An index takes eight bytes for each distinct term of a text, twice as a text is in two pools, plus a vocabulary for each
pool: about 0.2 GiB for 261,375 captions of ten terms, the size of XM3600 (tests/benchmarks/lexical_memory.py).  Scores
are made for one block of queries at a time (rank.py), so they are never all in memory.
"""

import functools
import importlib.metadata
import importlib.util
import itertools
import logging
import sys
import unicodedata
from collections.abc import Sequence

import numpy as np

from hbt_jax.errors import InputError
from hbt_jax.evaluation.benchmarks.benchmark import Benchmark
from hbt_jax.text_identity import JUDGED, caseless_text

BM25 = "bm25"  # its results are in OUT/bm25
NAME = "BM25"
K1, B = 0.9, 0.4
TERMS = (
    "NFKC, folded case, dotted and dotless i as one letter; runs of letters, marks and digits; in Chinese, Japanese,"
    " Korean, Thai, Lao, Khmer and Burmese script every two neighbouring characters; no stemming, no stop words"
)
STATISTICS = "of the pool searched: each pool of a language by itself, and the pool of all candidates"

_WITHOUT_SPACES = frozenset(  # first words of the Unicode names of characters in scripts without spaces between words
    ("CJK", "IDEOGRAPHIC", "HIRAGANA", "KATAKANA", "KATAKANA-HIRAGANA", "HANGUL", "THAI", "LAO", "KHMER", "MYANMAR")
)


class _TermCharacters(dict):
    """Code point -> itself if it is part of terms, None if it is left out, a space if it ends a term."""

    def __missing__(self, code: int) -> int | str | None:
        kind = unicodedata.category(chr(code))
        self[code] = code if kind[0] in "LMN" else None if kind == "Cf" else " "
        return self[code]


_TERM_CHARACTERS = _TermCharacters()


def terms(text: str) -> list[str]:
    """The terms of a text, in order.

    >>> terms("L'été 2024"), terms("iPhone手机壳"), terms("ภาษา!")
    (['l', 'été', '2024'], ['iphone', '手机', '机壳'], ['ภา', 'าษ', 'ษา'])
    """
    found = []
    for word in caseless_text(text, JUDGED).translate(_TERM_CHARACTERS).split():
        for is_unspaced, part in itertools.groupby(word, _is_unspaced):
            characters = "".join(part)
            found += _pairs(characters) if is_unspaced else [characters]
    return [sys.intern(term) for term in found]


@functools.cache
def _is_unspaced(character: str) -> bool:
    return unicodedata.name(character, "").partition(" ")[0] in _WITHOUT_SPACES


def _pairs(word: str) -> list[str]:
    """Every two neighbouring characters of a word, with their marks; a single character alone."""
    characters: list[str] = []
    for character in word:
        if characters and unicodedata.category(character)[0] == "M":
            characters[-1] += character
        else:
            characters.append(character)
    return ["".join(pair) for pair in itertools.pairwise(characters)] or characters


class Bm25Index:
    """BM25 scores of some texts.

    Args:
      terms_of_texts: the terms of each text; there may be none.
    """

    def __init__(self, terms_of_texts: Sequence[list[str]]):
        import bm25s  # starts jax, so only after the processes of a job have joined

        logging.getLogger("bm25s").setLevel(logging.WARNING)  # by default it logs everything
        self._texts = len(terms_of_texts)
        self._index = None
        if any(terms_of_texts):
            self._index = bm25s.BM25(method="lucene", k1=K1, b=B, dtype="float32")
            self._index.index(terms_of_texts, create_empty_token=False, show_progress=False)

    def __contains__(self, term: str) -> bool:
        return self._index is not None and term in self._index.vocab_dict

    def scores(self, query: list[str]) -> np.ndarray:
        """float32 [texts]: 0 for a text without a term of the query."""
        if self._index is None or not query:
            return np.zeros(self._texts, np.float32)
        return self._index.get_scores(query)


class PoolScores:
    """The scores of a benchmark's queries, in the pool of all candidates and within each candidate's pool.

    Args:
      benchmark: what is ranked.

    Attributes:
      queries_without_match: queries that share no term with any candidate.
    """

    def __init__(self, benchmark: Benchmark):
        self._queries = benchmark.queries.texts
        candidates = [terms(text) for text in benchmark.candidates.texts]
        self._all = Bm25Index(candidates)
        pool_N = np.array(benchmark.candidate_pools)
        self._pools = []
        for pool in sorted(set(benchmark.candidate_pools)):
            members = np.flatnonzero(pool_N == pool)
            self._pools.append((members, Bm25Index([candidates[n] for n in members])))
        self.queries_without_match = sum(not any(term in self._all for term in terms(text)) for text in self._queries)

    def __call__(self, start: int, stop: int) -> tuple[np.ndarray, np.ndarray]:
        """Scores of the queries start, ..., stop - 1, as `rank.rank_score_blocks` takes them."""
        score_qN, own_score_qN = np.empty((2, stop - start, len(self._all.scores([]))), np.float32)
        for row, text in enumerate(self._queries[start:stop]):
            query = terms(text)
            score_qN[row] = self._all.scores(query)
            for members, index in self._pools:
                own_score_qN[row, members] = index.scores(query)
        return score_qN, own_score_qN


def check_installed() -> None:
    """Raises InputError if bm25s is not installed."""
    if importlib.util.find_spec("bm25s") is None:
        raise InputError("BM25 (--lexical_baseline, --fusion) needs the library bm25s: pip install -e '.[lexical]'")

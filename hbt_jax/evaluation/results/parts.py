"""Parts of results.json that more than one kind of evaluation has."""

from collections.abc import Mapping, Sequence

import numpy as np

from hbt_jax.evaluation.results.definitions import TOKENS_DEFINITION, TOP_DEFINITION
from hbt_jax.evaluation.results.result import ResultPart


def top_languages(codes: Sequence[str], top_JJ: np.ndarray, pool_JJ: np.ndarray) -> ResultPart:
    """The languages of the first 10 candidates.

    Args:
      codes: the J languages.
      top_JJ, pool_JJ: float64, of top_languages.TopLanguages.shares.
    """
    asked = np.flatnonzero(np.isfinite(top_JJ).all(axis=1)).tolist()
    top_J, pool_J = top_JJ[asked].mean(axis=0), pool_JJ[asked].mean(axis=0)
    content = {
        "by_candidate_language": {
            code: {"share": float(top), "pool_share": float(pool)}
            for code, top, pool in zip(codes, top_J, pool_J, strict=True)
        },
        "own_language": {
            "share": float(top_JJ[asked, asked].mean()),
            "pool_share": float(pool_JJ[asked, asked].mean()),
        },
        "by_query_language": {codes[row]: dict(zip(codes, top_JJ[row].tolist(), strict=True)) for row in asked},
    }
    return ResultPart("top_10_languages", content, TOP_DEFINITION)


def tokens(queries: Mapping[str, dict], candidates: Mapping[str, dict]) -> ResultPart:
    """How the texts of each language were cut into tokens: of both sides, what token_counts.rates says."""
    return ResultPart("tokens", {"queries": queries, "candidates": candidates}, TOKENS_DEFINITION)

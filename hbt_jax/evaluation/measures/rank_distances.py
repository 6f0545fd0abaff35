"""The distribution of rank distances: a histogram on a logarithmic scale, and quantiles by language.

The mean alone does not show whether the answers to all queries are apart, or those to a few queries very far apart.
"""

import numpy as np

RANK_DISTANCES_DEFINITION = (
    "rank_distance of each query: edges = smallest distance of each bin, five bins a decade; histogram = queries in"
    " each bin; quantiles = distances below which the shares in levels of the queries lie (linear interpolation); in"
    " all, every query counts alike, whatever its language"
)

_BINS_A_DECADE = 5
_LEVELS = (0.1, 0.25, 0.5, 0.75, 0.9)


def bin_edges(largest: float) -> np.ndarray:
    """The smallest whole number of each bin, from 1 up to the bin that holds `largest`; int64.

    >>> bin_edges(100).tolist()
    [1, 2, 3, 4, 7, 10, 16, 26, 40, 64, 100]
    """
    decades = int(np.log10(max(largest, 1))) + 1
    exact = 10.0 ** (np.arange(_BINS_A_DECADE * decades + 1) / _BINS_A_DECADE)
    edges = np.ceil(exact - 1e-9).astype(np.int64)
    return edges[edges <= max(largest, 1)]


def rank_distances(distance_Q: np.ndarray, language_Q: np.ndarray, languages: tuple[str, ...]) -> dict:
    """What results.json says about the distances; {} if no query has one.

    Args:
      distance_Q: float64, rank distance of each query, a whole number of at least 1; NaN if it does not count.
      language_Q: int, number of each query's language.
      languages: codes of the languages.

    Returns:
      {"edges", "levels", "all": spread, "by_query_language": {code: spread}}, a spread being {"queries", "histogram",
      "quantiles"}; languages without a query that counts are left out.
    """
    counts_Q = np.isfinite(distance_Q)
    if not counts_Q.any():
        return {}
    edges = bin_edges(distance_Q[counts_Q].max())
    by_language = {}
    for number, code in enumerate(languages):
        own = distance_Q[counts_Q & (language_Q == number)]
        if own.size:
            by_language[code] = _spread(own, edges)
    return {
        "edges": edges.tolist(),
        "levels": list(_LEVELS),
        "all": _spread(distance_Q[counts_Q], edges),
        "by_query_language": by_language,
    }


def _spread(distances: np.ndarray, edges: np.ndarray) -> dict:
    bins = np.searchsorted(edges, distances, side="right") - 1
    return {
        "queries": int(distances.size),
        "histogram": np.bincount(bins, minlength=edges.size).tolist(),
        "quantiles": np.quantile(distances, _LEVELS).tolist(),
    }

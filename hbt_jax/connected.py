"""Connected components: what shares something, directly or transitively, by scipy.sparse.csgraph."""

from collections.abc import Hashable, Iterable, Mapping

import numpy as np


def first_connected(edges_2E: np.ndarray, count: int) -> np.ndarray:
    """int64 [count]: for each number below `count`, the smallest number that any chain of edges connects it to.

    >>> first_connected(np.array([[4, 1], [3, 4]]), 6).tolist()
    [0, 1, 2, 1, 1, 5]
    """
    from scipy import sparse  # takes a while to import, which a wrong flag need not wait for
    from scipy.sparse import csgraph

    first_N = np.arange(count)
    nodes, ends = np.unique(edges_2E, return_inverse=True)  # most numbers may have no edge
    if len(nodes):
        one, other = ends.reshape(2, -1)
        graph = sparse.coo_array((np.ones(len(one), bool), (one, other)), shape=(len(nodes),) * 2)
        labels = csgraph.connected_components(graph, directed=False)[1]
        _, first, of_node = np.unique(labels, return_index=True, return_inverse=True)
        first_N[nodes] = nodes[first][of_node]  # nodes are ascending: the first of a label is the smallest
    return first_N


def joined(one_N: np.ndarray, other_N: np.ndarray) -> np.ndarray:
    """int64 [N]: the same number if `one` or `other` is the same, directly or transitively.

    >>> joined(np.array([0, 0, 1, 2]), np.array([5, 6, 6, 7])).tolist()
    [0, 0, 0, 2]
    """
    ones, others = one_N.max(initial=-1) + 1, other_N.max(initial=-1) + 1
    return first_connected(np.stack([one_N, ones + other_N]), ones + others)[one_N]


def groups(places_of: Mapping[str, Iterable[Hashable]]) -> dict[str, str]:
    """Groups names that share a place, directly or transitively: name -> the first name of its group.

    >>> groups({"a": ["de 1", "en 1"], "b": ["en 2"], "c": ["de 1", "en 3"], "d": ["en 3"]})
    {'a': 'a', 'b': 'b', 'c': 'a', 'd': 'a'}
    """
    names, number = list(places_of), {}
    edges = [
        (name, len(names) + number.setdefault(place, len(number)))
        for name, places in enumerate(places_of.values())
        for place in places
    ]
    edges_2E = np.array(edges, np.int64).reshape(-1, 2).T
    first_N = first_connected(edges_2E, len(names) + len(number))
    return {name: names[first] for name, first in zip(names, first_N[: len(names)].tolist(), strict=True)}

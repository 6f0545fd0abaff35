"""Small stores for tests: texts are short runs of token ids that say which item and language they are."""

import pathlib

import numpy as np

from hbt_jax.data.store import Store, open_store
from hbt_jax.data.store_writer import StoreWriter


class SpecialTokens:
    """A tokenizer's special tokens and prefixes, for tests that need no text: "query: " is 10, "passage: " 20 21."""

    pad_id, bos_id, eos_id = 0, 1, 2
    fingerprint = "sha256:test"

    def prefix_ids(self, prefix: str) -> np.ndarray:
        return np.array({"query: ": [10], "passage: ": [20, 21], "": []}[prefix], np.int32)

    def joins(self, prefix: str) -> bool:
        return True


def text(side: str, language: int, row: int) -> list[int]:
    """The tokens of one text: 1 to 9 of them, unlike those of any other text."""
    first = 1000 + 100_000 * (side == "passages") + 1000 * language + 10 * row
    return list(range(first, first + 1 + (row + language) % 9))


def make_store(
    folder: pathlib.Path,
    queries: np.ndarray,
    passages: np.ndarray | None = None,
    *,
    pairs: list[tuple[int, int, int, list[int]]] | None = None,
    languages: tuple[str, ...] | None = None,
    name: str = "made",
    same: dict[str, list[int]] | None = None,
) -> Store:
    """Writes and opens a store.

    Args:
      folder: the store's folder.
      queries, passages: bool [rows, languages], which texts exist; passages None: as queries.
      pairs: (query, passage, group, negatives); None: row i with row i in group i, no negatives.
      languages: codes; None: the first of ar de en es.
      name: the store's name.
      same: side -> the first row of each row's class; None: each row is its own.
    """
    passages = queries if passages is None else passages
    languages = languages or ("ar", "de", "en", "es")[: queries.shape[1]]
    pairs = pairs or [(row, row, row, []) for row in range(len(queries))]
    with StoreWriter(folder) as writer:
        for side, exists in (("queries", queries), ("passages", passages)):
            for index, language in enumerate(languages):
                rows = np.flatnonzero(exists[:, index])
                lists = [text(side, index, row) for row in rows]
                offsets = np.concatenate([[0], np.cumsum([len(tokens) for tokens in lists], dtype=np.int64)])
                if len(rows):
                    writer.append(side, language, rows, np.concatenate(lists), offsets)
        table = np.array([pair[:3] for pair in pairs], np.int64)
        counts = [len(pair[3]) for pair in pairs]
        negatives = np.array([row for pair in pairs for row in pair[3]], np.int64)
        writer.append_pairs(*table.T, negatives, np.concatenate([[0], np.cumsum(counts, dtype=np.int64)]))
        writer.finish(
            {"queries": len(queries), "passages": len(passages)},
            {
                "name": name,
                "split": "train",
                "source": {"builder": name},
                "tokenizer": {"path": "../tokenizer", "fingerprint": SpecialTokens.fingerprint},
                "languages": list(languages),
                "dropped": {},
            },
            same=same and {side: np.array(rows, np.int32) for side, rows in same.items()},
        )
    return open_store(folder)


def parallel(rows: int, languages: int) -> np.ndarray:
    """All texts exist."""
    return np.ones((rows, languages), bool)

"""The options of launch/mine.py."""

import dataclasses
from typing import ClassVar

from hbt_jax.config.option import option
from hbt_jax.config.shared import Embedding, SavedModel
from hbt_jax.errors import InputError


@dataclasses.dataclass(frozen=True)
class MineConfig(Embedding, SavedModel):
    """Which negatives launch/mine.py finds."""

    title: ClassVar[str] = "Mining"

    stores: tuple = option(
        (), "stores written by data_prep/build_store.py, comma-separated; each is searched for its own pairs"
    )
    out: str = option("", "folder for the stores with negatives, each under the name of its folder")
    per_pair: int = option(8, "maximum number of negatives per pair", minimum=1)
    first_rank: int = option(
        1, "first rank of a negative, counted among the items that do not answer the query", minimum=1
    )
    last_rank: int = option(50, "last rank of a negative", minimum=1)
    absolute_margin: float = option(
        0.0, "a negative's score is at least this much below that of the positive", minimum=0.0
    )
    relative_margin: float = option(
        0.05,
        "a negative scores below the positive by at least this fraction of the positive's score (arXiv 2407.15831)",
        minimum=0.0,
        maximum=1.0,
    )
    negative_languages: str = option(
        "any",
        "languages to search: same (the query's), other (all except the query's) or any",
        choices=("same", "other", "any"),
    )
    query_languages: tuple = option(
        (), "languages of the queries to search with, comma-separated; empty: all that a query exists in"
    )
    take: str = option(
        "top",
        "how negatives are chosen within the range of ranks: top (highest-scored) or random (by --seed)",
        choices=("top", "random"),
    )
    seed: int = option(0, "seed of --take=random", minimum=0, maximum=2**31 - 1)
    keep_negatives: bool = option(False, "keep the negatives that a store already has, ahead of those found")
    cross_encoder: str = option(
        "",
        "folder or hub id of a cross-encoder of sentence-transformers; the margins apply to its scores, which are also"
        " written as the teacher's; empty: the margins apply to the scores of --model",
    )
    cross_encoder_batch: int = option(32, "pairs of texts that --cross_encoder scores at a time", minimum=1)

    def __post_init__(self):
        super().__post_init__()
        if self.last_rank < self.first_rank:
            raise InputError(
                f"--last_rank={self.last_rank} is before --first_rank={self.first_rank}: expected at least the same"
            )
        if self.cross_encoder and self.keep_negatives:
            raise InputError(
                f"--keep_negatives cannot be combined with --cross_encoder={self.cross_encoder}, which has no scores"
                " for the negatives that a store has: leave one out"
            )

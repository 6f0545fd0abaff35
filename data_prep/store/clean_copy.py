"""Copies a store without the items that overlap with benchmarks."""

import collections
import os
from collections.abc import Iterator

import numpy as np

from data_prep.store.rows import gather, read_rows
from hbt_jax.data.manifest import SIDES
from hbt_jax.data.store import Store
from hbt_jax.data.store_writer import StoreWriter
from hbt_jax.errors import InputError
from hbt_jax.models.tokenizer import Tokenizer
from hbt_jax.spans import offsets_of

QUERY, PASSAGE = (
    "pairs whose query overlaps with a benchmark",
    "pairs of which only the passage overlaps with a benchmark",
)
NEGATIVE = "negatives that overlap with a benchmark"
_PAIRS = 1 << 18  # read at a time


def write_clean_copy(
    store: Store, masks: dict[str, np.ndarray], out_dir: str | os.PathLike, record: dict, tokenizer: Tokenizer
) -> dict:
    """Writes the store without the items that overlap, in any language, and without the pairs that use them.

    An item is left out in every language, because its translations say what the benchmark says.  Items that no pair
    uses any more stay: no batch draws them.  Rows are renumbered; groups keep their numbers.  Items that counted as
    one still do, and a passage still counts as an answer to a query, even if the item or pair that linked them is left
    out.

    Args:
      masks: side -> uint64 [rows], not 0 if the item overlaps (compare.Overlap.masks).
      out_dir: the copy's folder; must not exist.
      record: what the copy's manifest records of the comparison, under source.decontaminated, besides the counts by
        language.
      tokenizer: the one that made the store's tokens.

    Returns:
      The copy's manifest; `dropped` counts by reason.

    Raises:
      InputError: OUT_DIR exists, the disk is full, or nothing would be left.
    """
    kept = {side: masks[side] == 0 for side in SIDES}
    if not any((kept["queries"][query] & kept["passages"][passage]).any() for query, passage in _pairs(store)):
        raise InputError(
            f"store {store.path}: all of its {len(store.pairs):,} pairs overlap, so nothing is left to write to"
            f" --drop={out_dir}: train on other data, or name fewer --benchmarks"
        )
    counts = {side: collections.Counter() for side in SIDES}
    dropped = collections.Counter(store.manifest.get("dropped", {}))
    with StoreWriter(out_dir) as writer:
        languages = _copy_texts(writer, store, kept)
        _copy_pairs(writer, store, masks, counts, dropped)
        by_language = {side: dict(sorted(counts[side].items())) for side in SIDES}
        record = {**record, "from": store.fingerprint, "pairs_dropped_by_language": by_language}
        record["items_dropped"] = {side: int((~kept[side]).sum()) for side in SIDES}
        description = {
            "name": store.name,
            "split": store.split,
            "source": {**store.manifest.get("source", {}), "decontaminated": record},
            "tokenizer": writer.keep_tokenizer(tokenizer),
            "languages": [language for language in store.languages if language in languages],
            "dropped": dict(sorted((+dropped).items())),
            **{name: store.manifest[name] for name in ("folding",) if name in store.manifest},
        }
        identity = store.identity.of_rows(*(kept[side] for side in SIDES))
        return writer.finish({side: int(kept[side].sum()) for side in SIDES}, description, identity=identity)


def clean_copy_lines(manifest: dict) -> Iterator[str]:
    """What the copy holds and what was left out of it."""
    record = manifest["source"]["decontaminated"]
    yield f"clean copy: {manifest['pairs']['rows']:,} pairs, {len(manifest['languages'])} languages"
    for reason, count in manifest["dropped"].items():
        yield f"  dropped: {count:,} {reason}"
    for side in SIDES:
        counts = record["pairs_dropped_by_language"][side]
        listed = ", ".join(f"{language} {count:,}" for language, count in counts.items())
        yield f"  {record['items_dropped'][side]:,} {side} left out" + (f"; pairs by language: {listed}" * bool(counts))


def _pairs(store: Store) -> Iterator[tuple[np.ndarray, np.ndarray]]:
    for first in range(0, len(store.pairs), _PAIRS):
        yield store.pairs.query_A[first : first + _PAIRS], store.pairs.passage_A[first : first + _PAIRS]


def _numbers(kept: np.ndarray) -> np.ndarray:
    """The new row of each row that is kept."""
    return np.cumsum(kept) - 1


def _copy_texts(writer: StoreWriter, store: Store, kept: dict[str, np.ndarray]) -> set[str]:
    """Copies the texts of the items kept; returns the languages that have any."""
    languages = set()
    for side in SIDES:
        number = _numbers(kept[side])
        for language, texts in getattr(store, side).tokens.items():
            for rows in read_rows(texts):
                chosen = np.flatnonzero(kept[side][rows.rows])
                if len(chosen):
                    languages.add(language)
                    values, ends = gather(rows.tokens, rows.offsets, chosen)
                    writer.append(side, language, number[rows.rows[chosen]], values, ends)
    return languages


def _copy_pairs(
    writer: StoreWriter,
    store: Store,
    masks: dict[str, np.ndarray],
    counts: dict[str, collections.Counter],
    dropped: collections.Counter,
) -> None:
    pairs = store.pairs
    queries, passages = (_numbers(masks[side] == 0) for side in SIDES)
    for first in range(0, len(pairs), _PAIRS):
        rows = slice(first, min(first + _PAIRS, len(pairs)))
        query, passage = pairs.query_A[rows], pairs.passage_A[rows]
        found = {"queries": masks["queries"][query], "passages": masks["passages"][passage]}
        for side in SIDES:
            for bit, language in enumerate(store.languages):
                counts[side] += collections.Counter({language: int((found[side] >> np.uint64(bit) & 1).sum())})
        dropped[QUERY] += int((found["queries"] > 0).sum())
        dropped[PASSAGE] += int(((found["queries"] == 0) & (found["passages"] > 0)).sum())
        chosen = np.flatnonzero((found["queries"] == 0) & (found["passages"] == 0))
        negatives, ends = gather(pairs.negative_rows, pairs.negative_offsets[rows.start : rows.stop + 1], chosen)
        usable = masks["passages"][negatives] == 0
        dropped[NEGATIVE] += int((~usable).sum())
        ends = offsets_of(usable)[ends]
        group, scores = pairs.group_A[rows][chosen], {}
        if pairs.score_A is not None:
            scores["score"] = pairs.score_A[rows][chosen]
        if pairs.negative_scores is not None:
            listed = gather(pairs.negative_scores, pairs.negative_offsets[rows.start : rows.stop + 1], chosen)[0]
            scores["negative_scores"] = listed[usable]
        writer.append_pairs(
            queries[query[chosen]], passages[passage[chosen]], group, passages[negatives[usable]], ends, **scores
        )

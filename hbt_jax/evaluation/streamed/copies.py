"""Counts and reports copies of relevant passages in a corpus that is judged by docid; they are not judged.

The digests of ids and texts in the inventory are enough for this.  Memory holds 20 bytes for each passage with the text
of a relevant one, and a part of the digests of the others at a time.
"""

import dataclasses
import os
from collections.abc import Callable, Sequence

import numpy as np

from hbt_jax.evaluation.benchmarks.copies import copies_as_published
from hbt_jax.evaluation.benchmarks.streamed import Shard, StreamedBenchmark, own_id
from hbt_jax.evaluation.streamed.check import NO_TEXT, digests_of, id_digest

_TOGETHER = 2**20  # digests looked up at once: 8 MiB
_JUDGED_BY_ID = "they are judged by their docids alone, as in published results"


def with_copies(benchmark: StreamedBenchmark, folder: str, poll: Callable[[], None]) -> StreamedBenchmark:
    """The benchmark with counts of copies and notes about them.

    Args:
      benchmark: its inventory has been taken.
      folder: the folder of the inventory.
      poll: called regularly; raises to stop.
    """
    counts, notes = copies_as_published({"queries": benchmark.asked}, _JUDGED_BY_ID)
    copies, examples = 0, []
    for code in benchmark.languages:
        number, example = _of_language(benchmark, code, folder, poll)
        copies += number
        examples += [example] if number else []
    if copies:
        notes += (
            f"{copies:,} passages have the same text as a passage in their language that is relevant to a query, but"
            f" are not judged relevant to it, such as {examples[0]}: {_JUDGED_BY_ID}",
        )
    counts = {**benchmark.counts, "copies": counts | {"passages": copies}}
    return dataclasses.replace(benchmark, notes=(*benchmark.notes, *notes), counts=counts)


@dataclasses.dataclass(frozen=True)
class _Hits:
    """The passages of a language with the text of a relevant one, ordered by the digests of their texts.

    Attributes:
      text_M, id_M: uint64, digests of text and id.
      shard_M: int32, number of the shard.
    """

    text_M: np.ndarray
    id_M: np.ndarray
    shard_M: np.ndarray


def _of_language(benchmark: StreamedBenchmark, code: str, folder: str, poll: Callable[[], None]) -> tuple[int, str]:
    """The number of copies in a language, and an example if there are any."""
    shards = [shard for shard in benchmark.shards if shard.language == code]
    judged = zip(benchmark.queries.ids, benchmark.queries.languages, benchmark.grades, strict=True)
    relevant = {
        query: [id_ for id_, grade in grades.items() if grade > 0]
        for query, language, grades in judged
        if language == code
    }
    ids = sorted({id_ for own in relevant.values() for id_ in own})
    digest_R = np.frombuffer(b"".join(map(id_digest, ids)), np.uint64)
    text_R = _texts(digest_R, folder, shards)
    place = {id_: number for number, id_ in enumerate(ids)}
    hits = _hits(np.unique(text_R[text_R != NO_TEXT]), folder, shards, poll)
    is_copy_M, example = np.zeros(len(hits.text_M), bool), ""
    for query, own in relevant.items():
        own_digests = digest_R[[place[id_] for id_ in own]]
        for id_ in own:
            text = text_R[place[id_]]
            group = slice(*(int(np.searchsorted(hits.text_M, text, side)) for side in ("left", "right")))
            # Sorted: numpy 2.0's table of integers overflows on ids above 2**63.
            others = ~np.isin(hits.id_M[group], own_digests, kind="sort")
            is_copy_M[group] |= others
            if others.any() and not example:
                file = os.path.basename(shards[hits.shard_M[group][others][0]].path)
                example = f"one in {file} with the text of {id_!r}, relevant to {own_id(query)!r} in {code}"
    return int(is_copy_M.sum()), example


def _texts(digest_R: np.ndarray, folder: str, shards: Sequence[Shard]) -> np.ndarray:
    """uint64 [R]: the digest of the text of each of these passages, all of which exist."""
    text_R = np.full(len(digest_R), NO_TEXT)
    for shard in shards:
        ids, texts = digests_of(folder, shard)
        place = np.minimum(np.searchsorted(ids, digest_R), len(ids) - 1)
        here = ids[place] == digest_R
        text_R[here] = texts[place[here]]
    return text_R


def _hits(wanted: np.ndarray, folder: str, shards: Sequence[Shard], poll: Callable[[], None]) -> _Hits:
    found = [(np.empty(0, np.uint64), np.empty(0, np.uint64), np.empty(0, np.int32))]
    for number, shard in enumerate(shards):
        ids, texts = digests_of(folder, shard)
        for start in range(0, len(texts) if wanted.size else 0, _TOGETHER):
            poll()
            some = np.asarray(texts[start : start + _TOGETHER])
            place = np.minimum(np.searchsorted(wanted, some), len(wanted) - 1)
            rows = np.flatnonzero(wanted[place] == some)
            found.append((some[rows], ids[start + rows], np.full(len(rows), number, np.int32)))
    text_M, id_M, shard_M = (np.concatenate(column) for column in zip(*found, strict=True))
    order_M = np.argsort(text_M, kind="stable")
    return _Hits(text_M[order_M], id_M[order_M], shard_M[order_M])

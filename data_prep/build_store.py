#!/usr/bin/env python3
"""Builds a store from a source: tokenises each text once, as one row per item and language, and writes the pairs.

    python data_prep/build_store.py --source=facts --split=train --raw_dir=DIR --out_dir=DIR --tokenizer=PATH

RAW_DIR holds the source as TensorFlow Datasets prepared it; a missing source is prepared first, from the files in
--input_dir if it needs any.  The store is written to OUT_DIR.partial and renamed when it is complete.  Records are read
in batches, which --workers processes tokenise; the store is the same for any number of workers.  Memory holds a few
batches and recent ids: whatever grows with the source is kept in files under OUT_DIR.partial.
--out_dir=gs://BUCKET/FOLDER builds in a temporary folder (in $TMPDIR) and uploads the store, manifest last.
"""

import collections
import dataclasses
import functools
import itertools
import os
import pathlib
import signal
import sys
import time
from collections.abc import Callable, Iterable, Iterator
from typing import ClassVar

import numpy as np
from tqdm import tqdm

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent.parent))

from data_prep.scratch.id_index import IdIndex  # noqa: E402
from data_prep.store.classes import Shared, class_lines, class_warnings, classes, first_with  # noqa: E402
from data_prep.store.encoding import Columns, Encoders, encode_pairs, encode_texts  # noqa: E402
from data_prep.store.filters import DUPLICATE, EQUAL, Filters  # noqa: E402
from data_prep.store.items import Items  # noqa: E402
from data_prep.store.pairs import PairRows, shown  # noqa: E402
from data_prep.upload_store import local_output  # noqa: E402
from hbt_jax.config.option import Part, option
from hbt_jax.data.manifest import SIDES, data_release  # noqa: E402
from hbt_jax.data.store_writer import StoreWriter  # noqa: E402
from hbt_jax.errors import InputError, Interrupted  # noqa: E402
from hbt_jax.models.tokenizer import Tokenizer, load_tokenizer  # noqa: E402
from hbt_jax.spans import offsets_of  # noqa: E402

_BATCH = 8192  # records tokenised at a time, if `build_store` is given single records
_TABLES = ("queries", "passages", "pairs")
_SHOWN = 60  # characters shown of a text that many items share
_FEW = 50_000  # records that one process tokenises before other processes would have started
_KEEPS = {EQUAL: "--nodrop_equal", DUPLICATE: "--nodrop_duplicates"}  # reason -> flag that keeps such pairs


@dataclasses.dataclass(frozen=True)
class _Table:
    """The records of one table: batches of columns, and the number of records (None if unknown)."""

    batches: Iterable[Columns]
    count: int | None


def build_store(
    source: str,
    split: str,
    raw_dir: str | os.PathLike,
    out_dir: str | os.PathLike,
    tokenizer_path: str | os.PathLike,
    *,
    records: Callable[[str], Iterable[dict]] | None = None,
    filters: Filters | None = None,
    workers: int = 1,
    **settings,
) -> dict:
    """Builds one store.

    Args:
      source: name of a source in data_prep/sources/registry.py; becomes the store's name.
      split: train, validation or test.
      raw_dir: TensorFlow Datasets folder of the source; a missing source is prepared.
      out_dir: folder of the store; must not exist.
      tokenizer_path: as for `load_tokenizer`.
      records: table name -> its records, in place of `data_prep.sources.registry.records`.
      filters: which texts and pairs to leave out; None: the defaults.
      workers: processes that tokenise; 1: this process, as always for small sources and with `records`.
      **settings: passed to the source's builder.

    Returns:
      The store's manifest.

    Raises:
      InputError: OUT_DIR exists, the disk is full, or a record is wrong: a code that is not canonical,
        two texts for one id and language, or a pair that names an unknown id.
      OSError: the disk is full while a temporary file is written.
    """
    metadata, merged, dropped, filters = {}, {}, collections.Counter(), filters or Filters()
    languages: dict[str, int] = {}
    tokenizer = load_tokenizer(
        tokenizer_path
    )  # first, so that a missing tokenizer is reported before hours of preparation
    with StoreWriter(out_dir) as writer:
        if records is None:
            tables, metadata, merged, alike = _prepared(source, split, raw_dir, settings)
            dropped += collections.Counter(metadata.get("dropped", {}).get(split))
            filters = dataclasses.replace(filters, drop_equal=filters.drop_equal and not alike)
        else:
            tables = {name: _Table(_columns(records(name)), None) for name in _TABLES}
        if sum(table.count or 0 for table in tables.values()) < _FEW:
            workers = 1
        with Encoders(tokenizer, filters, workers) as encoders:
            queries, passages = (
                _write_texts(writer, Items(side, languages, writer.scratch), tables[side], encoders, dropped)
                for side in ("queries", "passages")
            )
            same, shared = {}, {}
            for items in (queries, passages):
                same[items.side], most = classes(items.identity, items.read, len(items))
                shared |= _shown_text(writer, items.side, most, tokenizer)
            _write_pairs(writer, tables["pairs"], queries, passages, encoders, filters, dropped)
        rows = {"queries": len(queries), "passages": len(passages)}
        description = {
            "name": source,
            "split": split,
            "source": {
                "builder": source,
                "records": rows,
                "metadata": metadata,  # what the builder records about its input: seeds, versions, digests
            },
            "tokenizer": writer.keep_tokenizer(tokenizer),
            "languages": sorted(languages),
            "filters": dataclasses.asdict(filters),
            "dropped": dict(sorted(dropped.items())),
            "merged": merged,  # side -> items that are the same text as an earlier one, typed differently
            "folding": dataclasses.asdict(tokenizer.folding),  # further differences that the tokenizer ignores
            "shared_texts": shared,  # side -> the text that the most items share
        }
        return writer.finish(rows, description, same=same)


def _prepared(source: str, split: str, raw_dir: str | os.PathLike, settings: dict) -> tuple[dict, dict, dict, bool]:
    """Of a split: its tables, the builder's metadata, merged items per side, and whether queries equal passages by
    design."""
    from data_prep.sources import registry

    made = {name: registry.prepared(source, name, split, raw_dir, **settings) for name in _TABLES}
    tables = {
        name: _Table(registry.columns(one, split), one.info.splits[split].num_examples) for name, one in made.items()
    }
    counts = {side: dict(made[side].info.metadata or {}).get("merged", {}).get(split) for side in SIDES}
    merged = {side: count for side, count in counts.items() if count}
    return tables, dict(made["pairs"].info.metadata), merged, getattr(made["pairs"], "ALIKE", False)


def summary(manifest: dict) -> list[str]:
    """The lines printed after a build: those of `holds`, and warnings."""
    return holds(manifest) + [f"warning: {line}" for line in class_warnings(manifest, SIDES)]


def holds(manifest: dict) -> list[str]:
    """What is in a store: languages, items, texts, tokens, pairs, items that count as one, what was dropped."""
    lines = [f"store {manifest['name']}/{manifest['split']}: {len(manifest['languages'])} languages"
             f" ({' '.join(manifest['languages'])})"]  # fmt: skip
    if release := data_release(manifest.get("source")):
        lines.append(f"  made from {release}")
    for side in ("queries", "passages"):
        files = manifest[side]["languages"].values()
        texts, tokens = sum(file["present"] for file in files), sum(file["tokens"] for file in files)
        lines.append(f"  {side}: {manifest[side]['rows']:,} items, {texts:,} texts, {tokens:,} tokens")
    pairs = manifest["pairs"]
    lines.append(f"  pairs: {pairs['rows']:,}, {pairs['with_negatives']:,} of them with explicit negatives")
    if scores := manifest.get("scores"):
        lines.append(f"  teacher scores: {scores['pairs']:,} pairs, {scores['negatives']:,} negatives")
    lines += [
        f"  {count:,} {side} differ from another only in normal form, spaces or invisible characters: merged with it"
        for side, count in manifest.get("merged", {}).items()
    ]
    lines += [f"  {line}" for line in class_lines(manifest, SIDES)]
    respelled = manifest["source"]["metadata"].get("respelled", {}).get(manifest["split"], {})
    lines += [
        f"  rows with texts in {written!r}: {entry['rows']:,}, counted as {entry['language']}, the same language"
        for written, entry in respelled.items()
    ]
    lines += [f"  dropped: {count:,} {reason}" for reason, count in manifest["dropped"].items()]
    return lines


def _shown_text(writer: StoreWriter, side: str, shared: Shared | None, tokenizer: Tokenizer) -> dict:
    """The manifest's entry on the text that the most items of a side share: {side: {"language", "items", "text"}}."""
    if shared is None:
        return {}
    tokens = writer.text(side, shared.language, shared.row)
    text = tokenizer.decode(tokens, np.array([0, len(tokens)]))[0]
    text = text if len(text) <= _SHOWN else f"{text[:_SHOWN]}..."
    return {side: {"language": shared.language, "items": shared.items, "text": text}}


def _write_texts(
    writer: StoreWriter, items: Items, table: _Table, encoders: Encoders, dropped: collections.Counter
) -> Items:
    size, start = 0, time.monotonic()
    with _bar(table, items.side, " texts") as bar:
        for columns, found in encoders.map(functools.partial(encode_texts, side=items.side), table.batches):
            row_N = items.add(found.id_N2)
            for part in found.languages:
                again = items.mark(row_N[part.place_N], part)
                if again is not None:
                    raise InputError(
                        f"{items.side}: {shown(columns['id'][part.place_N[again]])} has two texts in {part.code!r};"
                        " expected one record per id and language: give the second one an id of its own"
                    )
                offsets = offsets_of(part.count_N)
                writer.append(items.side, part.code, row_N[part.place_N], part.tokens, offsets)
            dropped += found.dropped
            size += found.size
            bar.update(len(row_N))
            bar.set_postfix_str(f"{size / 1e6 / max(time.monotonic() - start, 1e-9):,.1f} MB/s", refresh=False)
    if not len(items):
        raise InputError(f"{items.side}: the source has no records for this split; expected at least one")
    return items


def _write_pairs(
    writer: StoreWriter,
    table: _Table,
    queries: Items,
    passages: Items,
    encoders: Encoders,
    filters: Filters,
    dropped: collections.Counter,
) -> None:
    groups, earlier = (IdIndex(writer.scratch, name) for name in ("groups", "earlier"))
    twins = [first_with(items.texts()) for items in (queries, passages)] if filters.drop_duplicates else []
    kept = 0
    with _bar(table, "pairs", " pairs") as bar:
        for columns, pairs in encoders.map(encode_pairs, table.batches):
            rows = PairRows.of(pairs, queries, passages, columns)
            rows = rows.only(rows.present(queries, passages, dropped))
            if filters.drop_equal:
                rows = _kept(rows, rows.unequal(queries, passages, dropped), groups, writer)
            rows = rows.with_usable_negatives(passages, dropped)
            if filters.drop_duplicates:
                rows = _kept(rows, rows.new(earlier, *twins, dropped), groups, writer)
            offsets = offsets_of(rows.count_N)
            writer.append_pairs(
                rows.query_N, rows.passage_N, groups.add(rows.group_N2), rows.negatives, offsets,
                score=rows.score_N, negative_scores=rows.negative_scores,
            )  # fmt: skip
            kept += len(rows.query_N)
            bar.update(len(pairs.query))
    if not kept:
        left_out = "; ".join(f"{count:,} {reason}" for reason, count in (+dropped).items()) or "nothing"
        kept_by = "".join(f"; {flag} keeps some" for reason, flag in _KEEPS.items() if dropped[reason])
        limits = [f"--{name}" for name in ("shortest_text", "longest_text", "script_share") if getattr(filters, name)]
        if limits:
            kept_by += f"; a looser {', '.join(limits)} may keep some"
        raise InputError(
            f"pairs: the source has no usable pair for this split (left out: {left_out}); expected at least one"
            f"{kept_by}"
        )


def _kept(rows: PairRows, kept_N: np.ndarray, groups: IdIndex, writer: StoreWriter) -> PairRows:
    """The pairs that are kept; what the others say about which passage answers which query is noted."""
    others = rows.only(~kept_N)
    writer.relate(others.query_N, others.passage_N, groups.add(others.group_N2))
    return rows.only(kept_N)


def _bar(table: _Table, name: str, unit: str) -> tqdm:
    return tqdm(desc=name, unit=unit, total=table.count, disable=None)


def _columns(records: Iterable[dict]) -> Iterator[Columns]:
    """Records as columns, a few thousand at a time."""
    iterator = iter(records)
    while batch := list(itertools.islice(iterator, _BATCH)):
        yield {name: [record[name] for record in batch] for name in batch[0]}


@dataclasses.dataclass(frozen=True)
class BuildOptions(Part):
    """The store to build."""

    title: ClassVar[str] = "Store"

    out_dir: str = option("", "folder of the store, or gs://BUCKET/FOLDER; must not hold a store yet", remote=True)
    tokenizer: str = option("", "SentencePiece model, or folder of a SentencePiece or Hugging Face tokenizer")
    workers: int = option(0, "processes that tokenise a source of 50,000 records or more; 0: one per core", minimum=0)


def main(_: list[str]) -> None:
    """Builds the store that the flags name and prints its summary."""
    require(["source", "raw_dir", "out_dir", "tokenizer"])
    source, build, filters = values(registry.SplitOptions), values(BuildOptions), values(Filters)
    settings = registry.flag_settings()
    signal.signal(signal.SIGTERM, signal.default_int_handler)  # so that it removes the half-written folder too
    try:
        with local_output(build.out_dir) as folder:
            manifest = build_store(
                source.source, source.split, source.raw_dir, folder, build.tokenizer,
                filters=filters, workers=build.workers or os.cpu_count() or 1, **settings,
            )  # fmt: skip
            print("\n".join(summary(manifest)))
    except KeyboardInterrupt as error:
        raise Interrupted(f"{build.out_dir} is not built; run the same command again to build it") from error


if __name__ == "__main__":
    from data_prep.sources import registry
    from hbt_jax.flags import define, require, run_command, values

    define(registry.SplitOptions, BuildOptions, Filters)
    run_command(main)

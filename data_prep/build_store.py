#!/usr/bin/env python3
"""Builds a store from a source: tokenises its text records once, one row per text and language, and writes the pairs.

    python data_prep/build_store.py --source=facts --split=train --raw_dir=DIR --out_dir=DIR --tokenizer=PATH

RAW_DIR holds the source as TensorFlow Datasets prepared it; it is prepared when missing (from the files of --input_dir,
for sources that have some).  OUT_DIR is written as OUT_DIR.partial and renamed when whole.  Records stream through in
batches, which --workers processes tokenise; the store is the same for any number of them.  Memory holds some batches
and the ids that came last: what grows with the source lies in files of OUT_DIR.partial.
--out_dir=gs://BUCKET/FOLDER builds in a temporary folder (of $TMPDIR) and uploads the store, its manifest last.
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
from hbt_jax.config import Part, option  # noqa: E402
from hbt_jax.data.manifest import SIDES, data_release  # noqa: E402
from hbt_jax.data.store_writer import StoreWriter  # noqa: E402
from hbt_jax.errors import InputError, Interrupted  # noqa: E402
from hbt_jax.models.tokenizer import Tokenizer, load_tokenizer  # noqa: E402
from hbt_jax.spans import offsets_of  # noqa: E402

_BATCH = 8192  # records that are given to `build_store` one by one, tokenised at a time
_TABLES = ("queries", "passages", "pairs")
_SHOWN = 60  # characters of a text that many items share
_FEW = 50_000  # records that are tokenised before other processes would have started
_KEEPS = {EQUAL: "--nodrop_equal", DUPLICATE: "--nodrop_duplicates"}  # what keeps pairs that were left out


@dataclasses.dataclass(frozen=True)
class _Table:
    """The records of one table: batches of columns, and how many records they are, None where that is not known."""

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
      raw_dir: TensorFlow Datasets folder of the source, prepared when missing.
      out_dir: folder of the store; must not exist.
      tokenizer_path: what `load_tokenizer` reads.
      records: table name -> its records, instead of `data_prep.sources.registry.records`.
      filters: which texts and pairs are left out; None: the usual ones.
      workers: processes that tokenise; 1, for small sources and for `records`: this one.
      **settings: passed to the source's builder.

    Returns:
      The store's manifest.

    Raises:
      InputError: OUT_DIR exists, the disk is full, or a record is wrong: a language that hbt_jax/languages.py lacks,
        two texts for one id and language, a pair that names an unknown id.
      OSError: the disk is full, of a file that is needed meanwhile.
    """
    metadata, merged, dropped, filters = {}, {}, collections.Counter(), filters or Filters()
    languages: dict[str, int] = {}
    tokenizer = load_tokenizer(tokenizer_path)  # a missing one is told of before a source is prepared for hours
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
                "metadata": metadata,  # what the builder says of its input: seeds, versions, digests
            },
            "tokenizer": writer.keep_tokenizer(tokenizer),
            "languages": sorted(languages),
            "filters": dataclasses.asdict(filters),
            "dropped": dict(sorted(dropped.items())),
            "merged": merged,  # side -> items that differed from an earlier one as they were typed, not as texts
            "folding": dataclasses.asdict(tokenizer.folding),  # what else makes no other text
            "shared_texts": shared,  # side -> the text that most of its items have
        }
        return writer.finish(rows, description, same=same)


def _prepared(source: str, split: str, raw_dir: str | os.PathLike, settings: dict) -> tuple[dict, dict, dict, bool]:
    """The tables of a source's split, what its builder says of them, how many items of each side it merged, and whether
    queries are passages by design."""
    from data_prep.sources import registry

    made = {name: registry.prepared(source, name, split, raw_dir, **settings) for name in _TABLES}
    tables = {
        name: _Table(registry.columns(one, split), one.info.splits[split].num_examples) for name, one in made.items()
    }
    counts = {side: dict(made[side].info.metadata or {}).get("merged", {}).get(split) for side in SIDES}
    merged = {side: count for side, count in counts.items() if count}
    return tables, dict(made["pairs"].info.metadata), merged, getattr(made["pairs"], "ALIKE", False)


def summary(manifest: dict) -> list[str]:
    """The lines printed after a build: what `holds` gives, and warnings."""
    return holds(manifest) + [f"warning: {line}" for line in class_warnings(manifest, SIDES)]


def holds(manifest: dict) -> list[str]:
    """What is in a store: languages, items, texts, tokens, pairs, what counts as one, what was dropped."""
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
    lines += [
        f"  {count:,} {side} that differ from another in normal form, spaces or invisible signs alone are one with it"
        for side, count in manifest.get("merged", {}).items()
    ]
    lines += [f"  {line}" for line in class_lines(manifest, SIDES)]
    lines += [f"  dropped: {count:,} {reason}" for reason, count in manifest["dropped"].items()]
    return lines


def _shown_text(writer: StoreWriter, side: str, shared: Shared | None, tokenizer: Tokenizer) -> dict:
    """What a manifest says of the text that most items of a side have: {side: {"language", "items", "text"}}."""
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
                        " expected one record for each id and language: give the second an id of its own"
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
            writer.append_pairs(rows.query_N, rows.passage_N, groups.add(rows.group_N2), rows.negatives, offsets)
            kept += len(rows.query_N)
            bar.update(len(pairs.query))
    if not kept:
        left_out = "; ".join(f"{count:,} {reason}" for reason, count in (+dropped).items()) or "nothing"
        kept_by = "".join(f"; {flag} keeps some" for reason, flag in _KEEPS.items() if dropped[reason])
        limits = [f"--{name}" for name in ("shortest_text", "longest_text", "script_share") if getattr(filters, name)]
        if limits:
            kept_by += f"; another {', '.join(limits)} may keep some"
        raise InputError(
            f"pairs: the source has no usable pair for this split (left out: {left_out}); expected at least one"
            f"{kept_by}"
        )


def _kept(rows: PairRows, kept_N: np.ndarray, groups: IdIndex, writer: StoreWriter) -> PairRows:
    """The pairs that are kept; the others still say what answers what."""
    others = rows.only(~kept_N)
    writer.relate(others.query_N, others.passage_N, groups.add(others.group_N2))
    return rows.only(kept_N)


def _bar(table: _Table, name: str, unit: str) -> tqdm:
    return tqdm(desc=name, unit=unit, total=table.count, disable=None)


def _columns(records: Iterable[dict]) -> Iterator[Columns]:
    """Records some thousands at a time, as columns."""
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

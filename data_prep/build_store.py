#!/usr/bin/env python3
"""Builds a store from a source: tokenises its text records once, one row per text and language, and writes the pairs.

    python data_prep/build_store.py --source=facts --split=train --raw_dir=DIR --out_dir=DIR --tokenizer=PATH

RAW_DIR holds the source as TensorFlow Datasets prepared it; it is prepared when missing (--source=jsonl or squad: from
the files of --input_dir).  OUT_DIR is written as OUT_DIR.partial and renamed when whole.  Records stream through in
batches; only the ids are kept in memory.  --out_dir=gs://BUCKET/FOLDER builds in a temporary folder (of $TMPDIR) and
uploads the store, its manifest last.
"""

import array
import collections
import dataclasses
import itertools
import os
import pathlib
import sys
from collections.abc import Callable, Iterable, Iterator

import numpy as np
from tqdm import tqdm

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent.parent))

from data_prep.kept_tokenizer import keep_tokenizer  # noqa: E402
from data_prep.upload_store import local_output  # noqa: E402
from hbt_jax.data.store import MOST_LANGUAGES  # noqa: E402
from hbt_jax.data.store_writer import StoreWriter  # noqa: E402
from hbt_jax.errors import InputError  # noqa: E402
from hbt_jax.languages import LANGUAGES  # noqa: E402
from hbt_jax.models.tokenizer import Tokenizer, load_tokenizer  # noqa: E402

_BATCH = 8192  # records tokenised or written at a time
EMPTY_TEXT = "texts without a single token"
NO_QUERY, NO_PASSAGE = "pairs whose query is in no language", "pairs whose passage is in no language"
NO_NEGATIVE = "negatives that are in no language"


@dataclasses.dataclass
class _Items:
    """The items of one side: their rows by id, and which languages of each have been seen and hold tokens."""

    side: str
    rows: dict[str, int] = dataclasses.field(default_factory=dict)
    seen: array.array = dataclasses.field(default_factory=lambda: array.array("Q"))
    present: bytearray = dataclasses.field(default_factory=bytearray)

    def row(self, record: dict, bit: int) -> int:
        """The row of a record's item, new at its first text; raises InputError for a second text in a language."""
        row = self.rows.setdefault(record["id"], len(self.rows))
        if row == len(self.seen):
            self.seen.append(0)
            self.present.append(0)
        if self.seen[row] >> bit & 1:
            raise InputError(
                f"{self.side}: {record['id']!r} has two texts in {record['language']!r}; expected one record for each"
                " id and language: give the second an id of its own"
            )
        self.seen[row] |= 1 << bit
        return row


def build_store(
    source: str,
    split: str,
    raw_dir: str | os.PathLike,
    out_dir: str | os.PathLike,
    tokenizer_path: str | os.PathLike,
    *,
    records: Callable[[str], Iterable[dict]] | None = None,
    **settings,
) -> dict:
    """Builds one store.

    Args:
      source: name of a source in data_prep/sources.py; becomes the store's name.
      split: train, validation or test.
      raw_dir: TensorFlow Datasets folder of the source, prepared when missing.
      out_dir: folder of the store; must not exist.
      tokenizer_path: what `load_tokenizer` reads.
      records: table name -> its records, instead of `data_prep.sources.records`.
      **settings: passed to the source's builder.

    Returns:
      The store's manifest.

    Raises:
      InputError: OUT_DIR exists, the disk is full, or a record is wrong: a language that hbt_jax/languages.py lacks,
        two texts for one id and language, a pair that names an unknown id.
    """
    tokenizer = load_tokenizer(tokenizer_path)
    metadata, dropped = {}, collections.Counter()
    if records is None:
        from data_prep import sources

        metadata = dict(sources.builder(source, "pairs", raw_dir, **settings).info.metadata)
        dropped += collections.Counter(metadata.get("dropped", {}).get(split))

        def records(table: str) -> Iterable[dict]:
            return sources.records(source, table, split, raw_dir, **settings)

    languages: dict[str, int] = {}  # code -> bit, in the order of appearance; the manifest sorts them
    with StoreWriter(out_dir) as writer:
        queries = _write_texts(writer, "queries", records("queries"), tokenizer, languages, dropped)
        passages = _write_texts(writer, "passages", records("passages"), tokenizer, languages, dropped)
        _write_pairs(writer, records("pairs"), queries, passages, dropped)
        description = {
            "name": source,
            "split": split,
            "source": {
                "builder": source,
                "records": {"queries": len(queries.rows), "passages": len(passages.rows)},
                "metadata": metadata,  # what the builder says of its input: seeds, versions, digests
            },
            "tokenizer": keep_tokenizer(writer.partial, tokenizer),
            "languages": sorted(languages),
            "dropped": dict(sorted(dropped.items())),
        }
        return writer.finish({"queries": len(queries.rows), "passages": len(passages.rows)}, description)


def summary(manifest: dict) -> list[str]:
    """The lines printed after a build: languages, items, texts, tokens, pairs and whatever was dropped."""
    lines = [f"store {manifest['name']}/{manifest['split']}: {len(manifest['languages'])} languages"
             f" ({' '.join(manifest['languages'])})"]  # fmt: skip
    for side in ("queries", "passages"):
        files = manifest[side]["languages"].values()
        texts, tokens = sum(file["present"] for file in files), sum(file["tokens"] for file in files)
        lines.append(f"  {side}: {manifest[side]['rows']:,} items, {texts:,} texts, {tokens:,} tokens")
    pairs = manifest["pairs"]
    lines.append(f"  pairs: {pairs['rows']:,}, {pairs['with_negatives']:,} of them with explicit negatives")
    lines += [f"  dropped: {count:,} {reason}" for reason, count in manifest["dropped"].items()]
    return lines


def _write_texts(
    writer: StoreWriter,
    side: str,
    records: Iterable[dict],
    tokenizer: Tokenizer,
    languages: dict[str, int],
    dropped: collections.Counter,
) -> _Items:
    items = _Items(side)
    with tqdm(desc=side, unit=" texts", disable=None) as bar:
        for batch in _batches(records):
            rows = np.array([items.row(record, _bit(record, side, languages)) for record in batch], np.int64)
            tokens, offsets = tokenizer.encode([record["text"] for record in batch])
            counts = np.diff(offsets)
            dropped[EMPTY_TEXT] += int((counts == 0).sum())
            for row in rows[counts > 0].tolist():
                items.present[row] = 1
            codes = np.array([languages[record["language"]] for record in batch])
            for language, bit in languages.items():
                chosen = np.flatnonzero(codes == bit)
                if len(chosen):
                    parts = [tokens[offsets[i] : offsets[i + 1]] for i in chosen]
                    ends = np.concatenate([[0], np.cumsum(counts[chosen])])
                    writer.append(side, language, rows[chosen], np.concatenate(parts), ends)
            bar.update(len(batch))
    if not items.rows:
        raise InputError(f"{side}: the source has no records for this split; expected at least one")
    dropped += collections.Counter()  # drops the reasons that stayed at zero
    return items


def _bit(record: dict, side: str, languages: dict[str, int]) -> int:
    """The language's bit, new at its first record."""
    code = record["language"]
    if code not in LANGUAGES:
        raise InputError(
            f"{side}: record {record['id']!r} has the unknown language {code!r}; expected one of"
            f" {' '.join(LANGUAGES)}; add others to hbt_jax/languages.py"
        )
    if code not in languages and len(languages) == MOST_LANGUAGES:
        raise InputError(f"{side}: language {code!r} is one too many, a store holds {MOST_LANGUAGES}; split the source")
    return languages.setdefault(code, len(languages))


def _write_pairs(
    writer: StoreWriter, records: Iterable[dict], queries: _Items, passages: _Items, dropped: collections.Counter
) -> None:
    groups: dict[str, int] = {}
    kept = 0
    with tqdm(desc="pairs", unit=" pairs", disable=None) as bar:
        for batch in _batches(records):
            columns, negatives, counts = [], [], []
            for pair in batch:
                query, passage = _known(queries, pair["query"], pair), _known(passages, pair["passage"], pair)
                listed = [_known(passages, other, pair) for other in pair["negatives"]]
                if not (queries.present[query] and passages.present[passage]):
                    dropped[NO_PASSAGE if queries.present[query] else NO_QUERY] += 1
                    continue
                usable = [row for row in listed if passages.present[row]]
                dropped[NO_NEGATIVE] += len(listed) - len(usable)
                columns.append((query, passage, groups.setdefault(pair["group"], len(groups))))
                negatives += usable
                counts.append(len(usable))
            table = np.array(columns, np.int64).reshape(-1, 3)
            offsets = np.concatenate([[0], np.cumsum(counts, dtype=np.int64)])
            writer.append_pairs(*table.T, np.array(negatives, np.int64), offsets)
            kept += len(columns)
            bar.update(len(batch))
    if not kept:
        raise InputError("pairs: the source has no usable pair for this split; expected at least one")
    dropped += collections.Counter()


def _known(items: _Items, identifier: str, pair: dict) -> int:
    row = items.rows.get(identifier)
    if row is None:
        raise InputError(
            f"pairs: the pair of query {pair['query']!r} and passage {pair['passage']!r} names {identifier!r}, but"
            f" {items.side} have no record with this id in any language"
        )
    return row


def _batches(records: Iterable[dict]) -> Iterator[list[dict]]:
    iterator = iter(records)
    while batch := list(itertools.islice(iterator, _BATCH)):
        yield batch


def main(_: list[str]) -> None:
    """Builds the store that the flags name and prints its summary."""
    given = flags.FLAGS
    require(["source", "raw_dir", "out_dir", "tokenizer"])
    settings = sources.flag_settings()
    with local_output(given.out_dir) as folder:
        manifest = build_store(given.source, given.split, given.raw_dir, folder, given.tokenizer, **settings)
        print("\n".join(summary(manifest)))


if __name__ == "__main__":
    from absl import flags

    from data_prep import sources
    from hbt_jax.flags import require, run_command

    flags.DEFINE_string("source", "", "name of the source, a builder in data_prep")
    flags.DEFINE_enum("split", "train", ["train", "validation", "test"], "split of the source")
    sources.define_flags()
    flags.DEFINE_string("raw_dir", "", "TensorFlow Datasets folder of the source; prepared when missing")
    flags.DEFINE_string("out_dir", "", "folder of the store, or gs://BUCKET/FOLDER; no store may be there")
    flags.DEFINE_string("tokenizer", "", "SentencePiece model, or folder of a SentencePiece or Hugging Face tokenizer")
    run_command(main)

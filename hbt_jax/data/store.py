"""A store: one split of one source as token rows in memory-mapped Arrow files, and a table of pairs.

    manifest.json           what is in the store; written last, so a folder without one is incomplete
    queries/LANG.arrow      one record batch, column `tokens` large_list<int32>: row r is item r, empty if absent
    passages/LANG.arrow     the same for passages
    SIDE/identity.arrow     which items are one text, and which passages answer which queries (hbt_jax/data/identity.py)
    tokenizer/              the files of the tokenizer that made the tokens
    pairs.arrow             query int64, passage int64 (row numbers), group int64, negatives large_list<int64>
    scores.arrow            only with teacher scores: pair float32, negatives large_list<float32>, or one of the two

Row r is the same item in every language, so a batch can combine any two languages at no cost.  Opening a store reads
the manifest, the files' footers and the numbers of the pair table (0.4 s for 40 million pairs in memory); tokens are
read when a batch needs them.  StoreWriter (hbt_jax/data/store_writer.py) writes stores, data_prep/build_store.py uses
it.
"""

import dataclasses
import functools
import os
import pathlib
from collections.abc import Sequence

import numpy as np
import pyarrow as pa

from hbt_jax.data.identity import Identity, Lists
from hbt_jax.data.manifest import MANIFEST, MOST_ROWS, REBUILD, SIDES, fingerprint, read_manifest
from hbt_jax.errors import InputError

MOST_LANGUAGES = 64  # one bit per language in a row's availability mask


@dataclasses.dataclass(frozen=True)
class TokenRows:
    """The texts of one side in one language: row r is `values[offsets[r]:offsets[r + 1]]`, views of a mapped file."""

    values: np.ndarray  # int32 [tokens]
    offsets: np.ndarray  # int64 [rows + 1]


class Side:
    """Queries or passages of a store, in every language.

    Attributes:
      rows: number of items.
      tokens: language code -> TokenRows.
    """

    def __init__(self, rows: int, tokens: dict[str, TokenRows]):
        self.rows, self.tokens = rows, tokens

    @functools.cached_property
    def available(self) -> np.ndarray:
        """uint64 [rows]: bit i is set if the item has a text in the store's i-th language."""
        masks = np.zeros(self.rows, np.uint64)
        for index, texts in enumerate(self.tokens.values()):
            masks |= (texts.offsets[1:] > texts.offsets[:-1]).astype(np.uint64) << np.uint64(index)
        return masks


@dataclasses.dataclass(frozen=True)
class PairTable:
    """The pair table; pair i joins query row `query_A[i]` and passage row `passage_A[i]`.

    `group_A` numbers translation groups: texts of one group are never negatives of each other.  The explicit negatives
    of pair i are the passage rows `negative_rows[negative_offsets[i]:negative_offsets[i + 1]]`.  These are int64.

    A teacher's scores are float32 [pairs] of each query and its passage, and float32 of each query and its negatives,
    in the order of `negative_rows`; None if the store has none.  Higher is more similar; the scale is the teacher's.
    """

    query_A: np.ndarray
    passage_A: np.ndarray
    group_A: np.ndarray
    negative_rows: np.ndarray
    negative_offsets: np.ndarray
    score_A: np.ndarray | None = None
    negative_scores: np.ndarray | None = None

    def __len__(self) -> int:
        return len(self.query_A)


@dataclasses.dataclass(frozen=True)
class Store:
    """An open store; `open_store` makes one.

    Attributes:
      path: its folder.
      name, split: source and split.
      languages: codes, in the order of the availability bits.
      queries, passages: the two sides.
      pairs: the pair table.
      identity: which items are one text, and what the loss must not count as a negative.
      manifest: the parsed manifest.
      fingerprint: "sha256:" and a digest of the data (hbt_jax.data.manifest.fingerprint).
    """

    path: pathlib.Path
    name: str
    split: str
    languages: tuple[str, ...]
    queries: Side
    passages: Side
    pairs: PairTable
    identity: Identity
    manifest: dict
    fingerprint: str


def open_store(path: str | os.PathLike, tokenizer_fingerprint: str | None = None) -> Store:
    """Opens a store, checking the manifest, the size of every file, the shape of every table and every pair's rows.

    The files' digests are not checked, because that would read every token.

    Args:
      path: the store's folder.
      tokenizer_fingerprint: `Tokenizer.fingerprint` of the tokenizer in use; None: not checked.

    Raises:
      InputError: no folder, no valid manifest, another format version, a missing, truncated or unreadable file, a pair
        or list that names a row the store lacks, or tokens made by another tokenizer.
    """
    folder = pathlib.Path(path)
    manifest = read_manifest(folder)
    _check_tokenizer(folder, manifest, tokenizer_fingerprint)
    languages = tuple(manifest["languages"])
    sides = {side: _open_side(folder, manifest[side], languages) for side in SIDES}
    pairs = _open_pairs(folder, manifest["pairs"])
    _check_pairs(folder / manifest["pairs"]["file"], pairs, *(sides[side].rows for side in SIDES))
    if "scores" in manifest:
        pairs = _with_scores(folder, manifest["scores"], pairs)
    return Store(
        path=folder,
        name=manifest["name"],
        split=manifest["split"],
        languages=languages,
        pairs=pairs,
        identity=_open_identity(folder, manifest),
        manifest=manifest,
        fingerprint=fingerprint(manifest),
        **sides,
    )


def store_tokenizer(path: str | os.PathLike) -> pathlib.Path:
    """The path of the tokenizer that made a store's tokens, which the manifest gives relative to the store's folder.

    Raises:
      InputError: the store's manifest cannot be read, or the tokenizer is missing.
    """
    folder = pathlib.Path(path)
    manifest = read_manifest(folder)
    tokenizer = _tokenizer_place(folder, manifest)
    if not tokenizer.exists():
        raise InputError(f"store {folder}: its tokenizer is not at {tokenizer}; give its path by --tokenizer")
    return tokenizer


def _tokenizer_place(folder: pathlib.Path, manifest: dict) -> pathlib.Path:
    """In the store; or, for stores without their own copy, where it was when the store was built."""
    return pathlib.Path(os.path.normpath(folder / manifest["tokenizer"]["path"]))


def _check_tokenizer(folder: pathlib.Path, manifest: dict, fingerprint: str | None) -> None:
    written = manifest["tokenizer"]["fingerprint"]
    if fingerprint is not None and fingerprint != written:
        raise InputError(
            f"store {folder}: its tokens were made by tokenizer {written} ({_tokenizer_place(folder, manifest)}), but"
            f" the tokenizer in use is {fingerprint}; correct --tokenizer or {REBUILD}"
        )


def _open_side(folder: pathlib.Path, entry: dict, languages: Sequence[str]) -> Side:
    tokens = {}
    for language in languages:
        file = entry["languages"].get(language)
        if file is None:  # a language that only the other side has
            tokens[language] = TokenRows(np.zeros(0, np.int32), np.zeros(entry["rows"] + 1, np.int64))
            continue
        path = folder / file["file"]
        column = _open_table(path, file["bytes"], {"tokens": pa.large_list(pa.int32())}, entry["rows"]).column(0)
        tokens[language] = TokenRows(_mapped(column.values), _mapped(column.offsets))
    return Side(entry["rows"], tokens)


def _open_pairs(folder: pathlib.Path, entry: dict) -> PairTable:
    integer = pa.int64()
    schema = {"query": integer, "passage": integer, "group": integer, "negatives": pa.large_list(integer)}
    table = _open_table(folder / entry["file"], entry["bytes"], schema, entry["rows"])
    columns = [_mapped(table.column(index)) for index in range(3)]
    negatives = table.column(3)
    return PairTable(*columns, _mapped(negatives.values), _mapped(negatives.offsets))


def _with_scores(folder: pathlib.Path, entry: dict, pairs: PairTable) -> PairTable:
    """The pair table with its teacher scores, which are finite and belong to every pair, or to every negative."""
    path, score = folder / entry["file"], pa.float32()
    wanted = {"pairs": len(pairs), "negatives": len(pairs.negative_rows)}
    for name, count in wanted.items():
        if entry[name] not in (0, count):
            raise InputError(f"{path}: scores of {entry[name]:,} of {count:,} {name}, expected all or none; {REBUILD}")
    columns = {"pair": score} if entry["pairs"] else {}
    columns |= {"negatives": pa.large_list(score)} if entry["negatives"] else {}
    table = _open_table(path, entry["bytes"], columns, len(pairs))
    found = {}
    if entry["pairs"]:
        found["score_A"] = _mapped(table.column("pair"))
    if entry["negatives"]:
        listed = table.column("negatives")
        found["negative_scores"] = _mapped(listed.values)
        if not np.array_equal(_mapped(listed.offsets), pairs.negative_offsets):
            raise InputError(f"{path}: expected one score for each negative of a pair; {REBUILD}")
    if not all(np.isfinite(values).all() for values in found.values()):
        raise InputError(f"{path}: a score is not a finite number; {REBUILD}")
    return dataclasses.replace(pairs, **found)


def _open_identity(folder: pathlib.Path, manifest: dict) -> Identity:
    columns, lists = {}, pa.large_list(pa.int32())
    limits = {"answers": manifest["passages"]["rows"], "asked": manifest["queries"]["rows"], "groups": MOST_ROWS + 1}
    for side, names in zip(SIDES, (("answers", "groups"), ("asked", "groups")), strict=True):
        entry, rows = manifest[side]["identity"], manifest[side]["rows"]
        path, schema = folder / entry["file"], {"same": pa.int32(), **dict.fromkeys(names, lists)}
        table = _open_table(path, entry["bytes"], schema, rows)
        columns[side, "same"] = same = _mapped(table.column(0))
        if not (np.array_equal(np.minimum(same, np.arange(rows, dtype=np.int32)), same) and (same >= 0).all()):
            raise InputError(f"{path}: `same` names a later or invalid row, expected an earlier one; {REBUILD}")
        for index, name in enumerate(names, start=1):
            column = table.column(index)
            columns[side, name] = found = Lists(_mapped(column.values), _mapped(column.offsets))
            _check_numbers(path, name, found.values, limits[name])
    return Identity(
        columns["queries", "same"],
        columns["passages", "same"],
        columns["queries", "answers"],
        columns["passages", "asked"],
        columns["queries", "groups"],
        columns["passages", "groups"],
    )


def _mapped(column: pa.Array) -> np.ndarray:
    """A numpy view of a column of numbers without nulls.

    `to_numpy` does the same, but imports pandas if it is installed, which takes over a second.
    """
    name = str(column.type)
    dtype, data = np.dtype({"float": "float32"}.get(name, name)), column.buffers()[1]
    if data is None:  # an empty column
        return np.zeros(0, dtype)
    return np.frombuffer(data, dtype, len(column), column.offset * dtype.itemsize)


def _check_pairs(path: pathlib.Path, pairs: PairTable, queries: int, passages: int) -> None:
    """Checks that every number of the pair table is a row of the store and fits the int32 of a batch."""
    for name, values, limit in (
        ("query", pairs.query_A, queries),
        ("passage", pairs.passage_A, passages),
        ("negatives", pairs.negative_rows, passages),
        ("group", pairs.group_A, MOST_ROWS + 1),
    ):
        _check_numbers(path, name, values, limit)


def _check_numbers(path: pathlib.Path, name: str, values: np.ndarray, limit: int) -> None:
    if len(values) and not (values.min() >= 0 and values.max() < limit):
        wrong = values[np.flatnonzero((values < 0) | (values >= limit))[0]]
        remedy = "split the source into several stores" if name == "group" and wrong > 0 else REBUILD
        raise InputError(f"{path}: {name} {wrong}, expected 0 to {limit - 1}; {remedy}")


def _open_table(path: pathlib.Path, size: int, schema: dict[str, pa.DataType], rows: int) -> pa.RecordBatch:
    """Maps the only record batch of an Arrow file, after checking its size, columns and number of rows."""
    if not path.is_file():
        raise InputError(f"{path}: missing, though the store's {MANIFEST} lists it; {REBUILD}")
    found = path.stat().st_size
    if found != size:
        raise InputError(
            f"{path}: {found} bytes, expected {size} by the store's {MANIFEST}: it is not the file that was written;"
            f" {REBUILD}"
        )
    try:
        reader = pa.ipc.open_file(pa.memory_map(os.fsencode(path)))
        batch = reader.get_batch(0)
    except (pa.ArrowInvalid, OSError, IndexError) as error:
        raise InputError(f"{path}: not a readable Arrow file ({' '.join(str(error).split())}); {REBUILD}") from error
    if batch.schema != pa.schema(schema) or batch.num_rows != rows:
        raise InputError(
            f"{path}: {batch.num_rows} rows of {batch.schema.names}, expected {rows} of {list(schema)}; {REBUILD}"
        )
    lists = [column for column in batch.columns if isinstance(column, pa.LargeListArray)]
    if any(column.null_count for column in [*batch.columns, *(column.values for column in lists)]):
        raise InputError(f"{path}: null values, expected none; {REBUILD}")
    return batch

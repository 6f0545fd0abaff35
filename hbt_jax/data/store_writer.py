"""Writes a store (hbt_jax/data/store.py) in bounded memory: token rows go to disk as they come, in any order.

The folder is written as OUT.partial and renamed to OUT when everything is on disk, so OUT is complete or absent.
Meanwhile OUT is held (hbt_jax/holding.py).
"""

import contextlib
import dataclasses
import hashlib
import json
import os
import pathlib
import shutil

import numpy as np
import pyarrow as pa

from hbt_jax.data.identity import Classes, Identity, Lists, identity_of
from hbt_jax.data.manifest import FORMAT, MANIFEST, SIDES, VERSION
from hbt_jax.errors import InputError
from hbt_jax.files import disk_errors, synced_file, utf8
from hbt_jax.holding import held
from hbt_jax.models.tokenizer import Tokenizer
from hbt_jax.spans import offsets_of, spread

TOKENIZER = "tokenizer"  # folder of its files in a store
_COPY_TOKENS = 1 << 22  # tokens moved at a time if rows came out of order
_PAIRS = 1 << 20  # read at a time


class StoreWriter:
    """Writes one store; a context manager, which removes an unfinished folder.

    Sides are named "queries" and "passages".  Call `append` and `append_pairs` as often as needed, then `finish`.

    Attributes:
      scratch: a folder for temporary files, which `finish` removes.
    """

    def __init__(self, out_dir: str | os.PathLike, flag: str = "--out_dir"):
        """Starts OUT.partial; `flag` is the option that names OUT, for messages.

        Raises:
          InputError: OUT exists, cannot be written, or another process is writing it.
        """
        self.out, self._flag = pathlib.Path(out_dir), flag
        self._check_absent()
        self.partial = self.out.with_name(self.out.name + ".partial")
        self.scratch = self.partial / "raw"
        self._files: dict[str, object] = {}
        self._pairs = self._with_negatives = 0
        with contextlib.ExitStack() as stack:
            stack.enter_context(held(self.out, self._flag, beside=True, again=False))
            self._check_absent()  # again: another process may have finished it meanwhile
            stack.callback(shutil.rmtree, self.partial, ignore_errors=True)
            with disk_errors(self.partial, self._flag):
                if self.partial.exists():  # left by a killed process
                    shutil.rmtree(self.partial)
                for folder in ("raw", *SIDES):
                    (self.partial / folder).mkdir(parents=True)
            self._held = stack.pop_all()

    def _check_absent(self) -> None:
        if self.out.exists():
            raise InputError(f"{self.out} already exists: remove it to build it again, or name another {self._flag}")

    def __enter__(self) -> "StoreWriter":
        return self

    def __exit__(self, *_):
        with contextlib.suppress(OSError):  # the disk may still be full, but these files are no longer needed
            self._close()
        self._held.close()  # which removes OUT.partial unless it was renamed

    def append(self, side: str, language: str, rows: np.ndarray, tokens: np.ndarray, offsets: np.ndarray) -> None:
        """Adds texts of one side and language: row `rows[i]` is `tokens[offsets[i]:offsets[i + 1]]`.

        Args:
          rows: int64 [n]; each row at most once per language, over all calls.
          tokens: int32; offsets: int64 [n + 1].
        """
        name = f"{side}-{language}"
        with disk_errors(self.partial, self._flag):
            self._write(f"{name}.values", tokens[offsets[0] : offsets[-1]].astype(np.int32))
            self._write(f"{name}.rows", np.stack([rows, np.diff(offsets)], axis=1).astype(np.int64))

    def append_pairs(
        self,
        query: np.ndarray,
        passage: np.ndarray,
        group: np.ndarray,
        negatives: np.ndarray,
        offsets: np.ndarray,
        *,
        score: np.ndarray | None = None,
        negative_scores: np.ndarray | None = None,
    ) -> None:
        """Adds pairs: int64 [n] each; the negatives of pair i are `negatives[offsets[i]:offsets[i + 1]]`.

        A teacher's scores are float32 [n] and float32, one for each negative; every call has them, or none does.
        """
        counts = np.diff(offsets)
        columns = {"query": query, "passage": passage, "group": group, "negatives": negatives, "counts": counts}
        with disk_errors(self.partial, self._flag):
            for name, values in columns.items():
                self._write(f"pairs-{name}", np.asarray(values, np.int64))
            for name, scores in (("pairs", score), ("negatives", negative_scores)):
                if scores is not None:
                    self._write(f"scores-{name}", np.asarray(scores, np.float32))
        self._pairs += len(query)
        self._with_negatives += int((counts > 0).sum())

    def relate(self, query: np.ndarray, passage: np.ndarray, group: np.ndarray) -> None:
        """Notes pairs, int64 [n] each, that are left out of the table although their passages answer their queries."""
        with disk_errors(self.partial, self._flag):
            for name, values in (("query", query), ("passage", passage), ("group", group)):
                self._write(f"related-{name}", np.asarray(values, np.int64))

    def keep_tokenizer(self, tokenizer: Tokenizer) -> dict:
        """Writes the files of the tokenizer that made the tokens into the store, so that it can be read without others.

        Returns:
          What the manifest says of it: path in the store, fingerprint, and its files with sizes and digests.
        """
        (self.partial / TOKENIZER).mkdir()
        files = []
        for name, content in sorted(tokenizer.contents.items()):
            with synced_file(self.partial / TOKENIZER / name) as file:
                file.write(content)
            digest = hashlib.sha256(content).hexdigest()
            files.append({"file": f"{TOKENIZER}/{name}", "bytes": len(content), "sha256": digest})
        return {"path": TOKENIZER, "fingerprint": tokenizer.fingerprint, "files": files}

    def text(self, side: str, language: str, row: int) -> np.ndarray:
        """int32: the tokens of a text that has been appended."""
        name = f"{side}-{language}"
        for kind in ("rows", "values"):
            self._files[f"{name}.{kind}"].flush()
        index = self._raw(f"{name}.rows", np.int64).reshape(-1, 2)
        place = int(np.flatnonzero(index[:, 0] == row)[0])
        start = int(index[:place, 1].sum())
        return np.array(self._raw(f"{name}.values", np.int32)[start : start + int(index[place, 1])])

    def finish(
        self,
        rows: dict[str, int],
        description: dict,
        *,
        same: dict[str, np.ndarray] | None = None,
        identity: Identity | None = None,
    ) -> dict:
        """Writes the Arrow files and the manifest, and renames the folder.

        Args:
          rows: number of items of each side.
          description: name, split, source, tokenizer, languages and dropped, as in the manifest.
          same: side -> int32 [rows], the first row of each item's class; None: each item is its own class.
          identity: the identity tables; None: made from `same` and the pairs.

        Returns:
          The manifest.
        """
        manifest = {"format": FORMAT, "version": VERSION, **description}
        with disk_errors(self.partial, self._flag):
            self._close()
            for side in SIDES:
                files = {language: self._side_file(side, language, rows[side]) for language in description["languages"]}
                present = {language: entry for language, entry in files.items() if entry is not None}
                manifest[side] = {"rows": rows[side], "languages": present}
            manifest["pairs"] = self._pairs_file()
            manifest |= self._scores_file()
            if identity is None:
                same = same or {side: np.arange(rows[side], dtype=np.int32) for side in SIDES}
                identity = identity_of([self._related("pairs"), self._related("related")], *(same[s] for s in SIDES))
            for side, entry in self._identity_files(identity).items():
                manifest[side]["identity"] = entry
            manifest["pairs"]["answering_negatives"] = self._answering_negatives(identity)
            shutil.rmtree(self.partial / "raw")
            with synced_file(self.partial / MANIFEST) as file:
                file.write(utf8(json.dumps(manifest, indent=1, ensure_ascii=False) + "\n"))
            self.partial.replace(self.out)
        self._held.close()
        return manifest

    def _write(self, name: str, values: np.ndarray) -> None:
        if name not in self._files:
            self._files[name] = (self.partial / "raw" / name).open("wb")
        self._files[name].write(np.ascontiguousarray(values).data)

    def _close(self) -> None:
        with contextlib.ExitStack() as stack:  # closes every file even if one fails
            for file in self._files.values():
                stack.callback(file.close)
            self._files = {}

    def _raw(self, name: str, dtype: type) -> np.ndarray:
        """What was appended under a name, memory-mapped; empty if nothing was."""
        file = self.partial / "raw" / name
        if not file.is_file() or not file.stat().st_size:
            return np.zeros(0, dtype)
        return np.memmap(file, dtype, mode="r")

    def _side_file(self, side: str, language: str, rows: int) -> dict | None:
        name = f"{side}-{language}"
        index = self._raw(f"{name}.rows", np.int64).reshape(-1, 2)
        if not len(index):
            return None
        lengths = np.zeros(rows, np.int64)
        lengths[index[:, 0]] = index[:, 1]
        offsets = offsets_of(lengths)
        values = self._raw(f"{name}.values", np.int32)
        if (np.diff(index[:, 0]) < 0).any():
            values = self._in_row_order(name, index, values)
        column = pa.LargeListArray.from_arrays(pa.array(offsets), _arrow(values))
        entry = _write_table(self.partial, f"{side}/{language}.arrow", {"tokens": column})
        return {**entry, "present": int((lengths > 0).sum()), "tokens": int(offsets[-1])}

    def _in_row_order(self, name: str, index: np.ndarray, values: np.ndarray) -> np.ndarray:
        """Copies texts into the order of their rows, a few million tokens at a time."""
        order = np.argsort(index[:, 0], kind="stable")
        lengths = index[order, 1]
        starts = (np.cumsum(index[:, 1]) - index[:, 1])[order]
        ends = np.cumsum(lengths)
        first = 0
        with (self.partial / "raw" / f"{name}.sorted").open("wb") as file:
            while first < len(order):
                done = ends[first - 1] if first else 0
                last = max(first + 1, int(np.searchsorted(ends, done + _COPY_TOKENS, side="right")))
                file.write(values[spread(starts[first:last], lengths[first:last])].data)
                first = last
        return self._raw(f"{name}.sorted", np.int32)

    def _pairs_file(self) -> dict:
        columns = {name: _arrow(self._raw(f"pairs-{name}", np.int64)) for name in ("query", "passage", "group")}
        offsets = offsets_of(self._raw("pairs-counts", np.int64))
        negatives = _arrow(self._raw("pairs-negatives", np.int64))
        columns["negatives"] = pa.LargeListArray.from_arrays(pa.array(offsets), negatives)
        entry = _write_table(self.partial, "pairs.arrow", columns)
        return {**entry, "rows": self._pairs, "with_negatives": self._with_negatives}

    def _scores_file(self) -> dict[str, dict]:
        """The manifest's entry `scores`, after writing the file; empty if there are no scores."""
        pair, negatives = (self._raw(f"scores-{name}", np.float32) for name in ("pairs", "negatives"))
        offsets = offsets_of(self._raw("pairs-counts", np.int64))
        for name, found, count in (("pairs", pair, self._pairs), ("negatives", negatives, int(offsets[-1]))):
            if len(found) not in (0, count):
                raise InputError(
                    f"teacher scores for {len(found):,} of {count:,} {name}: expected all of them, or none"
                )
        columns = {"pair": _arrow(pair)} if len(pair) else {}
        if len(negatives):
            columns["negatives"] = pa.LargeListArray.from_arrays(pa.array(offsets), _arrow(negatives))
        if not columns:
            return {}
        entry = _write_table(self.partial, "scores.arrow", columns)
        return {"scores": {**entry, "pairs": len(pair), "negatives": len(negatives)}}

    def _related(self, name: str) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        return tuple(self._raw(f"{name}-{column}", np.int64) for column in ("query", "passage", "group"))

    def _identity_files(self, identity: Identity) -> dict[str, dict]:
        tables = {
            "queries": (identity.query_Q, {"answers": identity.answers, "groups": identity.query_groups}),
            "passages": (identity.passage_N, {"asked": identity.asked, "groups": identity.passage_groups}),
        }
        return {
            side: {
                **_write_table(self.partial, f"{side}/identity.arrow", {"same": _arrow(same), **_list_columns(lists)}),
                **dataclasses.asdict(Classes.of(same)),
            }
            for side, (same, lists) in tables.items()
        }

    def _answering_negatives(self, identity: Identity) -> int:
        """How many explicit negatives the loss must mask for their own query."""
        query, passage, _ = self._related("pairs")
        counts, negatives = self._raw("pairs-counts", np.int64), self._raw("pairs-negatives", np.int64)
        found = done = 0
        for first in range(0, len(counts) if len(negatives) else 0, _PAIRS):
            pairs = slice(first, first + _PAIRS)
            own = negatives[done : done + int(counts[pairs].sum())]
            done += len(own)
            queries, passages = (np.repeat(rows[pairs], counts[pairs]) for rows in (query, passage))
            found += int(identity.answering(queries, passages, own).sum())
        return found


def _list_columns(lists: dict[str, Lists]) -> dict[str, pa.Array]:
    return {
        name: pa.LargeListArray.from_arrays(pa.array(one.offsets), _arrow(one.values)) for name, one in lists.items()
    }


def _arrow(values: np.ndarray) -> pa.Array:
    """An Arrow array that shares the memory of a numpy array, which may be a mapped file."""
    return pa.Array.from_buffers(pa.from_numpy_dtype(values.dtype), len(values), [None, pa.py_buffer(values)])


def _write_table(folder: pathlib.Path, name: str, columns: dict[str, pa.Array]) -> dict:
    batch = pa.record_batch(list(columns.values()), names=list(columns))
    with synced_file(folder / name) as file, pa.ipc.new_file(file, batch.schema) as writer:
        writer.write_batch(batch)
    with (folder / name).open("rb") as file:  # read back in pieces, mostly from the system's cache
        digest = hashlib.file_digest(file, "sha256").hexdigest()
    return {"file": name, "bytes": (folder / name).stat().st_size, "sha256": digest}

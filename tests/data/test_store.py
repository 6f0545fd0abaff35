"""Stores: what is written is read back, and every kind of damage is an error that says what to do."""

import errno
import hashlib
import json
import math
import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pyarrow as pa
import pytest

from hbt_jax.data.manifest import files
from hbt_jax.data.store import open_store, store_tokenizer
from hbt_jax.data.store_writer import StoreWriter
from hbt_jax.errors import InputError
from tests.data.make_stores import SpecialTokens, make_store, parallel, text

ROOT = Path(__file__).resolve().parent.parent.parent


def test_texts_pairs_and_absent_translations_are_read_back(tmp_path):
    exists = np.array([[1, 1], [0, 1], [1, 0]], bool)
    store = make_store(tmp_path / "store", exists, pairs=[(0, 1, 7, [2]), (2, 0, 8, []), (1, 1, 7, [0, 2])])
    for side in ("queries", "passages"):
        opened = getattr(store, side)
        assert opened.rows == 3
        assert opened.available.tolist() == [0b11, 0b10, 0b01]
        for index, language in enumerate(store.languages):
            texts = opened.tokens[language]
            for row in range(3):
                wanted = text(side, index, row) if exists[row, index] else []
                assert texts.values[texts.offsets[row] : texts.offsets[row + 1]].tolist() == wanted
    assert store.pairs.query_A.tolist() == [0, 2, 1]
    assert store.pairs.passage_A.tolist() == [1, 0, 1]
    assert store.pairs.group_A.tolist() == [7, 8, 7]
    assert store.pairs.negative_rows.tolist() == [2, 0, 2]
    assert store.pairs.negative_offsets.tolist() == [0, 1, 1, 3]
    entry = store.manifest["queries"]["languages"]["ar"]
    assert (entry["present"], entry["tokens"]) == (2, len(text("queries", 0, 0)) + len(text("queries", 0, 2)))


def test_a_store_is_mapped_not_copied(tmp_path):
    store = make_store(tmp_path / "store", parallel(5, 2))
    values = store.queries.tokens["de"].values
    assert not values.flags.owndata
    assert not values.flags.writeable


def test_rows_may_come_in_any_order(tmp_path, monkeypatch):
    monkeypatch.setattr("hbt_jax.data.store_writer._COPY_TOKENS", 4)  # so that the copy takes several pieces
    description = {"name": "n", "split": "train", "languages": ["de"], "tokenizer": {"path": "", "fingerprint": ""}}
    lists = {row: list(range(row * 10, row * 10 + row + 1)) for row in range(6)}
    with StoreWriter(tmp_path / "store") as writer:
        for rows in ([5, 2], [0], [4, 3]):  # row 1 is absent
            tokens = np.concatenate([lists[row] for row in rows])
            offsets = np.concatenate([[0], np.cumsum([len(lists[row]) for row in rows])])
            writer.append("queries", "de", np.array(rows), tokens, offsets)
        writer.append_pairs(*np.zeros((3, 0), np.int64), np.zeros(0, np.int64), np.zeros(1, np.int64))
        writer.finish({"queries": 6, "passages": 2}, description)
    store = open_store(tmp_path / "store")
    texts = store.queries.tokens["de"]
    found = {row: texts.values[texts.offsets[row] : texts.offsets[row + 1]].tolist() for row in range(6)}
    assert found == {**lists, 1: []}
    assert store.passages.available.tolist() == [0, 0]  # the side has no file for the language


def test_an_unfinished_store_leaves_nothing(tmp_path):
    with pytest.raises(KeyboardInterrupt), StoreWriter(tmp_path / "store") as writer:
        writer.append("queries", "de", np.array([0]), np.array([5]), np.array([0, 1]))
        raise KeyboardInterrupt
    assert list(tmp_path.iterdir()) == []


def test_a_killed_build_is_started_afresh(tmp_path):
    left_over = tmp_path / "store.partial" / "queries" / "xx.arrow"
    left_over.parent.mkdir(parents=True)
    left_over.write_bytes(b"half")
    make_store(tmp_path / "store", parallel(2, 2))
    assert not (tmp_path / "store.partial").exists()
    assert not (tmp_path / "store" / "queries" / "xx.arrow").exists()


def test_an_existing_folder_is_not_overwritten(tmp_path):
    (tmp_path / "store").mkdir()
    with pytest.raises(InputError, match="already exists: remove it .* or name another --out_dir"):
        StoreWriter(tmp_path / "store")


def test_a_full_disk_is_one_clear_line(tmp_path, monkeypatch):
    def full(*_):
        raise OSError(errno.ENOSPC, "No space left on device")

    with StoreWriter(tmp_path / "store") as writer:
        monkeypatch.setattr(writer, "_write", full)
        with pytest.raises(
            InputError,
            match=r"store\.partial: the disk is full; make room, or name a folder on another disk by --out_dir",
        ):
            writer.append("queries", "de", np.array([0]), np.array([5]), np.array([0, 1]))


@pytest.mark.parametrize("tokens", [7, 10_000])  # that stay in a buffer until the files are closed, or do not
def test_a_really_full_disk_leaves_nothing_behind(tmp_path, tokens):
    message = r"store\.partial: the disk is full; make room"
    with pytest.raises(InputError, match=message), StoreWriter(tmp_path / "store") as writer:
        (writer.scratch / "queries-de.values").symlink_to("/dev/full")
        writer.append("queries", "de", np.array([0]), np.zeros(tokens, np.int32), np.array([0, tokens]))
        writer.finish({"queries": 1, "passages": 0}, {"languages": ["de"]})
    assert not list(tmp_path.iterdir())
    with StoreWriter(tmp_path / "store"):  # nobody holds its lock
        pass


def test_two_builds_of_one_store_do_not_mix(tmp_path):
    with StoreWriter(tmp_path / "store") as first:
        first.append("queries", "en", np.arange(1), np.full(1, 7, np.int32), np.arange(2))
        with pytest.raises(InputError, match=rf"store is in use by process {os.getpid()} on host .*: wait until"):
            StoreWriter(tmp_path / "store")
        assert (first.scratch / "queries-en.values").is_file()
    assert list(tmp_path.iterdir()) == []
    with StoreWriter(tmp_path / "store"):
        pass


def test_missing_and_half_written_folders(tmp_path):
    with pytest.raises(InputError, match="no such folder; build it again .* or correct --stores"):
        open_store(tmp_path / "nowhere")
    with pytest.raises(InputError, match=r"no manifest\.json, so it is incomplete or not a store; build it again"):
        open_store(tmp_path)


def test_bad_manifests(tmp_path):
    store = make_store(tmp_path / "store", parallel(2, 2))
    file = store.path / "manifest.json"
    for content, message in (
        ("{", r"not JSON .*; build it again with data_prep/build_store\.py"),
        ("[" * 100_000, r"not JSON \(brackets are nested 100,000 deep.*; build it again"),
        ('{"version": ' + "1" * 5000 + "}", r"not JSON \(a whole number has 5,000 digits.*; build it again"),
        (json.dumps(store.manifest)[:-1] + ', "version": 2}', r'not JSON \(the name "version" occurs twice.*; b'),
        ('{"format": "other"}', "not the manifest of a store"),
        (json.dumps({**store.manifest, "version": 9}), "format version 9, expected 2; build it again"),
        (
            json.dumps({**store.manifest, "version": 1}),
            r"format version 1 \(which does not say which items share a text\), expected 2; build it again",
        ),
        (json.dumps({**store.manifest, "version": [1]}), r"format version \[1\], expected 2"),
    ):
        file.write_text(content)
        with pytest.raises(InputError, match=message):
            open_store(store.path)


def _without(manifest: dict, *path: str) -> dict:
    changed = json.loads(json.dumps(manifest))
    inner = changed
    for name in path[:-1]:
        inner = inner[name]
    del inner[path[-1]]
    return changed


@pytest.mark.parametrize(("change", "message"), [
    (lambda m: _without(m, "tokenizer"), "tokenizer is missing"),
    (lambda m: _without(m, "tokenizer", "fingerprint"), "tokenizer.fingerprint is missing"),
    (lambda m: _without(m, "pairs", "sha256"), "pairs.sha256 is missing"),
    (lambda m: _without(m, "queries", "languages", "de", "sha256"), "queries.languages.de.sha256 is missing"),
    (lambda m: _without(m, "passages", "identity"), "passages.identity is missing"),
    (lambda m: _without(m, "queries", "identity", "largest"), "queries.identity.largest is missing"),
    (lambda m: {**m, "scores": {**m["pairs"], "pairs": 2}}, "scores.negatives is missing"),
    (lambda m: {**m, "languages": "de"}, 'languages is "de", expected a list'),
    (lambda m: {**m, "languages": ["de", 3]}, r"languages\[1\] is 3, expected a text"),
    (lambda m: {**m, "pairs": []}, r"pairs is \[\], expected an object"),
    (lambda m: {**m, "passages": {**m["passages"], "rows": "2"}},
     'passages.rows is "2", expected a whole number of at least 0'),
    (lambda m: {**m, "passages": {**m["passages"], "rows": -1}}, "passages.rows is -1, expected a whole number"),
    (lambda m: {**m, "passages": {**m["passages"], "rows": True}}, "passages.rows is true, expected a whole number"),
    (lambda m: {**m, "queries": {**m["queries"], "rows": 2**31}},
     "2,147,483,648 queries, expected at most 2,147,483,647: .* in 32 bits; split the source into several stores"),
])  # fmt: skip
def test_a_manifest_that_lacks_something_says_what(tmp_path, change, message):
    store = make_store(tmp_path / "store", parallel(2, 2))
    (store.path / "manifest.json").write_text(json.dumps(change(store.manifest)))
    with pytest.raises(InputError, match=rf"manifest\.json: {message}"):
        open_store(store.path)


@pytest.mark.parametrize(("pair", "message"), [
    ((3, 0, 0, []), "query 3, expected 0 to 2; build it again"),
    ((-1, 0, 0, []), "query -1, expected 0 to 2; build it again"),
    ((0, 4, 0, []), "passage 4, expected 0 to 3; build it again"),
    ((0, 0, 0, [1, 4]), "negatives 4, expected 0 to 3; build it again"),
    ((0, 0, -1, []), "group -1, expected 0 to 2147483647; build it again"),
    ((0, 0, 2**31, []), "group 2147483648, expected 0 to 2147483647; split the source into several stores"),
])  # fmt: skip
def test_pairs_that_point_outside_the_store_are_refused(tmp_path, pair, message):
    store = make_store(tmp_path / "store", parallel(3, 2), parallel(4, 2), pairs=[(2, 3, 2**31 - 1, [3])])
    pairs = [(2, 3, 2**31 - 1, [3]), pair]
    columns = {
        name: pa.array([one[place] for one in pairs]) for place, name in enumerate(("query", "passage", "group"))
    }
    columns["negatives"] = pa.array([one[3] for one in pairs], pa.large_list(pa.int64()))
    replace(store, columns, "pairs.arrow", store.manifest["pairs"])
    store.manifest["pairs"]["rows"] = 2
    (store.path / "manifest.json").write_text(json.dumps(store.manifest))
    with pytest.raises(InputError, match=rf"pairs\.arrow: {message}"):
        open_store(store.path)


def replace(store, columns, name, entry):
    """Writes another table in the place of one of a store's."""
    batch = pa.record_batch(list(columns.values()), names=list(columns))
    with pa.OSFile(str(store.path / name), "wb") as sink, pa.ipc.new_file(sink, batch.schema) as writer:
        writer.write_batch(batch)
    entry["bytes"] = (store.path / name).stat().st_size
    (store.path / "manifest.json").write_text(json.dumps(store.manifest))


@pytest.mark.parametrize(("same", "answers", "groups", "message"), [
    ([0, 1, 3], [], [], "`same` names a later or invalid row, expected an earlier one"),
    ([0, -1, 2], [], [], "`same` names a later or invalid row"),
    ([0, 0, 2], [0, 4], [], "answers 4, expected 0 to 3"),
    ([0, 0, 2], [], [-1], "groups -1, expected 0 to 2147483647"),
])  # fmt: skip
def test_identities_that_point_outside_the_store_are_refused(tmp_path, same, answers, groups, message):
    store = make_store(tmp_path / "store", parallel(3, 2), parallel(4, 2))
    lists = {"answers": [answers, [], []], "groups": [[], groups, []]}
    columns = {"same": pa.array(same, pa.int32())}
    columns |= {name: pa.array(listed, pa.large_list(pa.int32())) for name, listed in lists.items()}
    replace(store, columns, "queries/identity.arrow", store.manifest["queries"]["identity"])
    with pytest.raises(InputError, match=rf"queries/identity\.arrow: {message}"):
        open_store(store.path)


def test_the_fingerprint_depends_on_all_data_and_on_nothing_else(tmp_path):
    pairs = [(row, row, row, []) for row in range(4)]
    store = make_store(tmp_path / "store", parallel(4, 2), pairs=pairs)
    file = store.path / "pairs.arrow"
    assert store.manifest["pairs"]["sha256"] == hashlib.sha256(file.read_bytes()).hexdigest()
    assert make_store(tmp_path / "again", parallel(4, 2), pairs=pairs, name="other").fingerprint == store.fingerprint
    permuted = make_store(tmp_path / "permuted", parallel(4, 2), pairs=pairs[::-1])
    assert permuted.path.joinpath("pairs.arrow").stat().st_size == file.stat().st_size
    languages = make_store(tmp_path / "languages", parallel(4, 2), pairs=pairs, languages=("ar", "en"))
    exists = parallel(4, 2)
    exists[3, 1] = False
    texts = make_store(tmp_path / "texts", exists, pairs=pairs)
    same = make_store(
        tmp_path / "same", parallel(4, 2), pairs=pairs, same={"queries": [0, 1, 1, 3], "passages": range(4)}
    )
    assert len({opened.fingerprint for opened in (store, permuted, languages, texts, same)}) == 5


@pytest.mark.parametrize(("changes", "same"), [({"path": "/elsewhere"}, True), ({"fingerprint": "sha256:b"}, False)])
def test_the_fingerprint_depends_on_the_tokenizer_but_not_on_its_path(tmp_path, changes, same):
    store = make_store(tmp_path / "store", parallel(2, 2))
    manifest = {**store.manifest, "tokenizer": {**store.manifest["tokenizer"], **changes}}
    (store.path / "manifest.json").write_text(json.dumps(manifest))
    assert (open_store(store.path).fingerprint == store.fingerprint) == same


def test_another_tokenizer_is_refused(tmp_path):
    store = make_store(tmp_path / "store", parallel(2, 2))
    open_store(store.path, SpecialTokens.fingerprint)
    with pytest.raises(InputError, match="by tokenizer sha256:test .* in use is sha256:other; correct --tokenizer"):
        open_store(store.path, "sha256:other")


@pytest.mark.parametrize("name", ["queries/de.arrow", "passages/ar.arrow", "passages/identity.arrow", "pairs.arrow"])
def test_damaged_files(tmp_path, name):
    store = make_store(tmp_path / "store", parallel(50, 2))
    file = store.path / name
    whole = file.read_bytes()
    file.write_bytes(whole[:-8])
    with pytest.raises(
        InputError, match=rf"{name}: {len(whole) - 8} bytes, expected {len(whole)} .* not the file that was written"
    ):
        open_store(store.path)
    file.write_bytes(bytes(len(whole)))
    with pytest.raises(InputError, match=f"{name}: not a readable Arrow file"):
        open_store(store.path)
    file.unlink()
    with pytest.raises(InputError, match=f"{name}: missing, though the store's manifest.json lists it"):
        open_store(store.path)


def test_nulls_are_refused(tmp_path):
    store = make_store(tmp_path / "store", parallel(2, 2))
    file = store.path / "queries" / "de.arrow"
    batch = pa.record_batch([pa.array([[1, None], [3]], pa.large_list(pa.int32()))], names=["tokens"])
    with pa.OSFile(str(file), "wb") as sink, pa.ipc.new_file(sink, batch.schema) as writer:
        writer.write_batch(batch)
    store.manifest["queries"]["languages"]["de"]["bytes"] = file.stat().st_size
    (store.path / "manifest.json").write_text(json.dumps(store.manifest))
    with pytest.raises(InputError, match=r"de\.arrow: null values, expected none; build it again"):
        open_store(store.path)


def test_opening_does_not_load_pandas(tmp_path):
    store = make_store(tmp_path / "store", parallel(2, 2))  # pyarrow would import it, for over a second
    code = f"import sys; from hbt_jax.data.store import open_store; open_store({str(store.path)!r})"
    command = [sys.executable, "-c", f"{code}; sys.exit('pandas' in sys.modules)"]
    assert subprocess.run(command, cwd=ROOT, check=False).returncode == 0


def test_a_file_of_another_store_is_refused(tmp_path):
    store = make_store(tmp_path / "store", parallel(2, 2))
    manifest = store.manifest
    manifest["queries"]["rows"] = 3
    (store.path / "manifest.json").write_text(json.dumps(manifest))
    with pytest.raises(InputError, match=r"ar\.arrow: 2 rows of \['tokens'\], expected 3 of \['tokens'\]"):
        open_store(store.path)


def test_the_tokenizer_is_found_from_the_store(tmp_path):
    store = make_store(tmp_path / "data" / "store", parallel(2, 2))
    with pytest.raises(InputError, match="its tokenizer is not at .*; give its path by --tokenizer"):
        store_tokenizer(store.path)
    (tmp_path / "data" / "tokenizer").mkdir()
    assert store_tokenizer(store.path) == tmp_path / "data" / "tokenizer"


def scored(path, score=None, negative_scores=None):
    """A store of three pairs, of which the first has two negatives and the last has one."""
    description = {"name": "n", "split": "train", "languages": ["de"], "tokenizer": {"path": "", "fingerprint": ""}}
    rows = np.arange(3)
    with StoreWriter(path) as writer:
        for side in ("queries", "passages"):
            writer.append(side, "de", rows, np.arange(10, 13, dtype=np.int32), np.arange(4))
        writer.append_pairs(
            rows, rows, rows, np.array([1, 2, 0]), np.array([0, 2, 2, 3]), score=score, negative_scores=negative_scores
        )
        writer.finish({"queries": 3, "passages": 3}, description)
    return open_store(path)


PAIR_SCORES, NEGATIVE_SCORES = np.array([0.5, -1, 20], np.float32), np.array([0.25, 0.125, 3], np.float32)


@pytest.mark.parametrize(
    ("score", "negatives"), [(PAIR_SCORES, NEGATIVE_SCORES), (PAIR_SCORES, None), (None, NEGATIVE_SCORES)]
)
def test_teacher_scores_are_read_back_and_are_part_of_the_data(tmp_path, score, negatives):
    plain, store = scored(tmp_path / "plain"), scored(tmp_path / "store", score, negatives)
    assert plain.pairs.score_A is None and plain.pairs.negative_scores is None and "scores" not in plain.manifest
    for found, wanted in ((store.pairs.score_A, score), (store.pairs.negative_scores, negatives)):
        assert (found is None) == (wanted is None)
        if wanted is not None:
            assert found.dtype == np.float32 and found.tolist() == wanted.tolist()
    entry = store.manifest["scores"]
    assert (entry["pairs"], entry["negatives"]) == (3 * (score is not None), 3 * (negatives is not None))
    assert entry in files(store.manifest)  # so that copies of a store have it
    assert store.manifest["pairs"] == plain.manifest["pairs"] and store.fingerprint != plain.fingerprint
    open_store(plain.path)


def test_scores_of_some_pairs_alone_are_refused(tmp_path):
    with pytest.raises(InputError, match="teacher scores for 2 of 3 pairs: expected all of them, or none"):
        scored(tmp_path / "store", PAIR_SCORES[:2])
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize(("columns", "changes", "message"), [
    ({"pair": [0.5, math.nan, 1]}, {}, "a score is not a finite number"),
    ({"pair": [0.5, 1]}, {}, r"2 rows of \['pair'\], expected 3 of \['pair'\]"),
    ({"negatives": [[1.0], [], [2.0, 3.0]]}, {"pairs": 0, "negatives": 3},
     "expected one score for each negative of a pair"),
    ({"pair": [0.5, 1, 2]}, {"pairs": 2}, "scores of 2 of 3 pairs, expected all or none"),
])  # fmt: skip
def test_wrong_scores_are_refused(tmp_path, columns, changes, message):
    store = scored(tmp_path / "store", PAIR_SCORES)
    kinds = {"pair": pa.float32(), "negatives": pa.large_list(pa.float32())}
    store.manifest["scores"] |= changes
    replace(store, {name: pa.array(values, kinds[name]) for name, values in columns.items()}, "scores.arrow",
            store.manifest["scores"])  # fmt: skip
    with pytest.raises(InputError, match=rf"scores\.arrow: {message}; build it again"):
        open_store(store.path)

"""The first reading of a corpus: what it finds, keeps and refuses."""

import gzip
import json
import os

import numpy as np
import pytest

from hbt_jax.errors import InputError, Interrupted
from hbt_jax.evaluation.benchmarks import miracl
from hbt_jax.evaluation.streamed import check
from tests.evaluation import make_miracl
from tests.evaluation.several_processes import ALONE, run_together


@pytest.fixture
def folder(tmp_path):
    return make_miracl.write(tmp_path / "miracl")


@pytest.fixture
def take(folder, tmp_path):
    """A function that takes the inventory of `folder`, in full or of some languages."""

    def take(*chosen, processes=ALONE, poll=lambda: None):
        benchmark = miracl.read(str(folder), "miracl", chosen)
        return check.take_inventory(benchmark, str(tmp_path / "kept"), processes, poll, shown=False)

    return take


@pytest.fixture
def written(monkeypatch):
    """Names of the shards that were read, as they are."""
    names, write = [], check._write

    def counted(folder, benchmark, shard, poll):
        names.append(shard.name)
        write(folder, benchmark, shard, poll)

    monkeypatch.setattr(check, "_write", counted)
    return names


def append(folder, code, number, *rows):
    """Writes rows at the end of a shard."""
    path = make_miracl.shard_path(folder, code, number)
    old = gzip.decompress(path.read_bytes()).decode()
    with gzip.open(path, "wt", encoding="utf-8") as file:
        file.write(old + "".join(json.dumps(row) + "\n" for row in rows))


def test_counts_and_digests(take, folder):
    found = take()
    assert [found[f"en-docs-{number}"].passages for number in range(3)] == list(make_miracl.SHARDS["en"])
    assert sum(one.empty for one in found.values()) == 3
    assert len({one.digest for one in found.values()}) == len(found) == 6
    before = found["yo-docs-0"]
    path = make_miracl.shard_path(folder, "yo", 0)
    path.write_bytes(gzip.compress(gzip.decompress(path.read_bytes()), compresslevel=1))
    assert take()["yo-docs-0"] == before  # packed otherwise, the same lines
    append(folder, "yo", 0, {"docid": "99#0", "title": "", "text": "88"})
    assert take()["yo-docs-0"].digest != before.digest


def test_a_shard_is_read_again_only_if_it_changed(take, folder, written):
    take()
    assert len(written) == 6
    take()
    assert len(written) == 6
    append(folder, "sw", 1, {"docid": "99#0", "title": "", "text": "88"})
    assert take()["sw-docs-1"].passages == make_miracl.SHARDS["sw"][1] + 1
    assert written[6:] == ["sw-docs-1"]


def test_processes_read_each_shard_once_and_find_the_same(take, written):
    first, *others = run_together(3, lambda processes: take(processes=processes))
    assert sorted(written) == sorted(first) and len(written) == 6
    assert others == [first, first]
    assert take() == first and len(written) == 6


def test_a_duplicate_within_a_shard_and_between_shards_is_an_error(take, folder):
    again = {"docid": "5#0", "title": "", "text": "30 31"}
    append(folder, "sw", 1, again)
    take("en", "yo")  # which have a passage of this id each
    with pytest.raises(InputError, match=r"docs-1.jsonl.gz:21: duplicate docid '5#0', first at .*docs-0.jsonl.gz:1: "):
        take()
    append(folder, "yo", 0, again)
    with pytest.raises(InputError, match=r"docs-0.jsonl.gz:10: duplicate docid '5#0', first at .*docs-0.jsonl.gz:1: "):
        take("yo")


def test_duplicates_are_found_a_part_at_a_time(take, folder, monkeypatch):
    monkeypatch.setattr(check, "_IDS_TOGETHER", 4)
    take()
    append(folder, "en", 2, {"docid": "20#1", "title": "", "text": "30 31"})
    with pytest.raises(InputError, match=r"docs-2.jsonl.gz:14: duplicate docid '20#1', first at .*docs-1.jsonl.gz:7:"):
        take()


def test_two_ids_of_one_digest_are_no_duplicates(take, monkeypatch):
    monkeypatch.setattr(check, "id_digest", lambda id_: id_.encode()[:8].ljust(8)[:1] * 8)
    assert len(take()) == 6


def test_a_judged_passage_that_is_nowhere_is_an_error(take, folder):
    with open(make_miracl.qrels_path(folder, "sw"), "a", encoding="utf-8") as file:
        file.write("3 Q0 404#4 0\n3 Q0 405#5 1\n")
    with pytest.raises(
        InputError,
        match="miracl: 2 of 32 judgements in 'sw' name a passage that is not in .*miracl-corpus-v1.0-sw, the first is"
        " '404#4' of query '3': fetch topics, qrels and corpus of one version",
    ):
        take()
    take("en", "yo")


def test_findings_that_are_damaged_are_an_error(take, tmp_path):
    take("yo")
    path = tmp_path / "kept" / "yo-docs-0.json"
    path.write_text("{")
    with pytest.raises(InputError, match="yo-docs-0.json: not what an evaluation writes .*: delete it to rebuild"):
        take("yo")


def test_a_folder_that_is_not_shared_is_an_error(take, tmp_path, monkeypatch):
    monkeypatch.setattr(check, "_write", lambda *_: None)
    with pytest.raises(InputError, match="inventory of yo-docs-0 is missing, although a process wrote it: --out must"):
        take("yo")


def test_a_poll_that_raises_stops_and_keeps_whole_findings_only(take, tmp_path, written):
    def poll():
        if len(written) == 2:
            raise Interrupted("enough")

    with pytest.raises(Interrupted):
        take(poll=poll)
    assert sorted(path.suffix for path in (tmp_path / "kept").iterdir()) == [".json", ".npy", ".npy"]
    take()
    assert len(written) == 2 + 5


def test_a_signal_while_ids_are_compared_stops_all_processes(take):
    take()  # all is read, so that nothing but the comparison of ids is left

    def poll():
        raise Interrupted("a signal came")

    def on(processes):
        return take(processes=processes, poll=poll if processes.index else lambda: None)

    other, signalled = run_together(2, on)
    assert str(signalled) == "a signal came"
    assert isinstance(other, Interrupted)
    assert str(other) == "another process was stopped; run the same command again for the rest"


def test_what_is_kept_of_a_passage_is_twice_eight_bytes(take, tmp_path):
    found = take()
    for name, shard in found.items():
        ids, texts = (np.load(tmp_path / "kept" / f"{name}.{end}") for end in ("npy", "texts.npy"))
        assert ids.dtype == texts.dtype == np.uint64 and len(ids) == len(texts) == shard.passages
        assert (ids[1:] > ids[:-1]).all() and (texts == check.NO_TEXT).sum() == shard.empty
    assert len(os.listdir(tmp_path / "kept")) == 18


def test_findings_without_digests_of_texts_are_made_again(take, tmp_path, written):
    """As an earlier version kept them."""
    before = take("yo")
    (tmp_path / "kept" / "yo-docs-0.texts.npy").unlink()
    assert take("yo") == before and written == ["yo-docs-0"] * 2


def test_texts_are_digested_a_part_at_a_time(take, tmp_path, monkeypatch):
    take("en")
    whole = [np.load(path) for path in sorted((tmp_path / "kept").glob("*.npy"))]
    for path in (tmp_path / "kept").iterdir():
        path.unlink()
    monkeypatch.setattr(check, "_LINES_A_POLL", 4)
    take("en")
    for path, before in zip(sorted((tmp_path / "kept").glob("*.npy")), whole, strict=True):
        np.testing.assert_array_equal(np.load(path), before)

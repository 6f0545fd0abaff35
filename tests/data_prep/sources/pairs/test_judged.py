"""Folders of texts and judgements: BEIR and MS MARCO."""

import gzip

import pytest

from data_prep.builders.row import Row, item_id
from data_prep.sources.pairs.examples import OWN
from data_prep.sources.pairs.judged import AGAIN, NOT_RELEVANT
from hbt_jax.errors import InputError
from tests.data_prep.sources.pairs.small_files import read, write_beir

CORPUS = [
    {"_id": "d1", "title": "Harbour", "text": "It froze."},
    {"_id": "d2", "title": None, "text": "Bread."},
    {"_id": "d3", "title": "Glaze", "text": ""},
    {"_id": "d4", "title": "", "text": "Nobody asks for it."},
]
QUERIES = [{"_id": "q1", "text": "one?"}, {"_id": "q2", "text": "two?"}, {"_id": "q3", "text": "three?"}]


def row(query, passage, *negatives):
    texts = {"en": query}
    return Row(texts, {"en": passage}, tuple({"en": one} for one in negatives), f"query {item_id(texts)}")


def beir(folder, corpus=CORPUS, queries=QUERIES, **qrels):
    return write_beir(folder, list(corpus), list(queries), qrels or {"train": "q1\td1\t1\n"})


@pytest.mark.parametrize("batch", [1, 1024])
def test_beir_grades_above_zero_are_rows_and_others_are_negatives(tmp_path, monkeypatch, batch):
    monkeypatch.setattr("data_prep.sources.pairs.judged._BATCH", batch)
    lines = "q2\td2\t2\nq1\td1\t1\nq1\td3\t0\nq2\td3\t1\nq3\td1\t0\nq1\td1\t0\n"
    folder = beir(tmp_path / "b", train=lines, dev="q3\td3\t1\n")
    rows, dropped, notes = read(tmp_path / "s", folder)
    assert rows == [row("one?", "Harbour\n\nIt froze.", "Glaze"), row("two?", "Bread."), row("two?", "Glaze")]
    assert sorted(dropped) == [f"1 {AGAIN}", f"1 {NOT_RELEVANT}"]
    assert notes[0] == f"train: beir folder {folder}, from corpus.jsonl, queries.jsonl, train.tsv"
    assert read(tmp_path / "t", folder, split="validation")[0] == [row("three?", "Glaze")]


def test_cells_of_judgements_are_between_tabs_and_blank_lines_are_none(tmp_path):
    corpus = [*CORPUS, {"_id": "d 1", "title": "", "text": "Frost."}, {"_id": "1", "title": "", "text": "Never."}]
    rows, wrong, _ = read(tmp_path / "s", beir(tmp_path / "b", corpus, train="q1\td 1\t1\t\n\nq2 d2 2\nq2 0 d3 0\n \n"))
    assert rows == [row("one?", "Frost."), row("two?", "Bread.", "Glaze")] and not wrong


@pytest.mark.parametrize("layout", ["beir", "msmarco"])
def test_a_negative_with_the_text_of_its_positive_is_counted(tmp_path, layout):
    if layout == "beir":
        corpus = [*CORPUS, {"_id": "d5", "title": "", "text": "Bread. "}]
        folder = beir(tmp_path / "b", corpus, train="q2\td2\t1\nq2\td5\t0\nq2\td3\t0\n")
    else:
        folder = tmp_path / "m"
        folder.mkdir()
        (folder / "collection.tsv").write_text("2\tBread.\n3\tGlaze\n")
        (folder / "queries.train.tsv").write_text("7\ttwo?\n")
        (folder / "qidpidtriples.train.tsv").write_text("7\t2\t3\n7\t2\t2\n")
    rows, wrong, _ = read(tmp_path / "s", folder)
    assert rows == [row("two?", "Bread.", "Glaze"), row("two?", "Bread.")][: len(rows)] and wrong == [f"1 {OWN}"]
    assert len(rows) == (1 if layout == "beir" else 2)


def test_each_text_of_beir_may_name_its_language(tmp_path):
    corpus = [{**one, "lang": "de"} for one in CORPUS]
    folder = beir(tmp_path / "b", corpus, [{**one, "lang": "sw"} for one in QUERIES])
    [found], _, _ = read(tmp_path / "s", folder, language="", renamed={"lang": "language"})
    assert (*found.query, *found.passage) == ("sw", "de")


def test_texts_of_beir_without_a_language_need_the_flag(tmp_path):
    rows, wrong, _ = read(tmp_path / "s", beir(tmp_path / "b"), language="")
    assert not rows and "queries.jsonl:1: no 'language': give the language of all texts by --language" in str(wrong[0])


@pytest.mark.parametrize(("changes", "message"), [
    ({"corpus": [*CORPUS, {"_id": "d1", "text": "Else."}]}, r"corpus.jsonl:5: id 'd1' has another text than in \S+:1"),
    ({"corpus": [*CORPUS, {"_id": "d5", "title": "", "text": " "}]}, "corpus.jsonl:5: row is empty"),
    ({"corpus": [*CORPUS, {"_id": "d5", "title": 0, "text": "t"}]}, "corpus.jsonl:5: row.title is 0: expected"),
    ({"corpus": [*CORPUS, {"_id": "d5", "title": "t", "text": None}]}, "corpus.jsonl:5: row.text is null: expected"),
    ({"corpus": [*CORPUS, {"_id": "d5", "title": "t"}]}, "corpus.jsonl:5: row.text is null: expected a string"),
    ({"corpus": [*CORPUS, {"text": "x"}]}, "corpus.jsonl:5: _id is null: expected a string"),
    ({"queries": [*QUERIES, {"_id": "q1", "text": "other?"}]}, "queries.jsonl:4: id 'q1' has another text"),
    ({"train": "q1\td1\t1\nq1\td9\t1\n"}, "train.tsv:3: no id 'd9' in corpus.jsonl: expected the id of a text there"),
    ({"train": "q9\td1\t1\nq1\td1\t1\n"}, "train.tsv:2: no id 'q9' in queries.jsonl"),
    ({"train": "q1\td1\t1\nq1\td2\tnan\n"}, "train.tsv:3: the grade is 'nan': expected a finite number"),
    ({"train": "q1\td1\t1\nq1 d2\n"}, "train.tsv:3: 2 columns: expected 3, query-id, corpus-id, score"),
])  # fmt: skip
def test_what_cannot_be_used_is_named_and_the_others_are_read(tmp_path, changes, message):
    rows, wrong, _ = read(tmp_path / "s", beir(tmp_path / "b", **changes))
    assert rows == [row("one?", "Harbour\n\nIt froze.")]
    with pytest.raises(AssertionError, match=message):
        raise AssertionError(*wrong)


@pytest.mark.parametrize(("remove", "message"), [
    ("queries.jsonl", "no queries for train.tsv: expected queries.jsonl"),
    ("qrels/train.tsv", r"no judgements: expected qrels/train.tsv \(BEIR\)"),
])  # fmt: skip
def test_a_folder_that_lacks_a_part(tmp_path, remove, message):
    folder = beir(tmp_path / "b")
    (folder / remove).unlink()
    with pytest.raises(InputError, match=message):
        read(tmp_path / "s", folder)


def msmarco(folder, **files):
    folder.mkdir()
    (folder / "collection.tsv.gz").write_bytes(gzip.compress(b"0\tzero\n1\tone\n2\ttwo\n"))
    (folder / "queries.train.tsv").write_text("10\tten?\n11\televen?\n")
    (folder / "queries.dev.small.tsv").write_text("12\ttwelve?\n")
    for name, lines in files.items():
        (folder / f"{name.replace('_', '.')}.tsv").write_text(lines)
    return folder


def test_ms_marcos_qrels_and_triples_of_ids(tmp_path):
    qrels = {"qrels_train": "10\t0\t1\t1\n11\t0\t2\t1\n", "qrels_dev_small": "12\t0\t0\t1\n"}
    folder = msmarco(tmp_path / "m", **qrels)
    assert read(tmp_path / "s", folder)[0] == [row("ten?", "one"), row("eleven?", "two")]
    assert read(tmp_path / "t", folder, split="validation")[0] == [row("twelve?", "zero")]
    (folder / "qidpidtriples.train.full.2.tsv").write_text("11\t2\t0\n10\t1\t0\n10\t7\t0\n10\t1\n")
    rows, wrong, notes = read(tmp_path / "u", folder)
    assert rows == [row("eleven?", "two", "zero"), row("ten?", "one", "zero")]
    assert [one.partition("tsv:")[2][:12] for one in wrong] == ["3: no id '7'", "4: 2 columns"]
    assert f"not read: {folder / 'qrels.train.tsv'}" in notes

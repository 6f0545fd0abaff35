"""The source `mmarco`."""

import gzip
import random
import shutil

import pytest

from data_prep.builders.base import BAD_ROWS
from data_prep.sources import mmarco, registry
from data_prep.sources.mmarco import IdSet
from hbt_jax.errors import InputError
from tests.data_prep.source_rows import FIXTURES, dropped, rows


def copy(tmp_path):
    return shutil.copytree(FIXTURES / "mmarco", tmp_path / "in")


def test_a_triple_is_a_pair_with_a_hard_negative_in_every_language(tmp_path):
    found = rows("mmarco", tmp_path)
    first = next(row for row in found if row[3] == "10" and row[2][0].get("ru"))
    assert first[0] == {"de": "hauptstadt von peru", "en": "capital of peru", "ru": "столица перу"}
    assert first[1] == {
        "de": "Lima ist die Hauptstadt von Peru.", "en": "Lima is the capital of Peru.", "ru": "Лима — столица Перу.",
    }  # fmt: skip
    assert first[2][0]["en"] == "The Rhine flows into the North Sea."
    bread = {"de": "Brot wird im Ofen gebacken.", "en": "Bread is baked in an oven."}
    assert (first[0], first[1], [bread], "10") in found  # an empty text is a language that the item lacks
    assert len(found) == 3 and sorted(row[3] for row in found) == ["10", "10", "11"]
    assert dropped("mmarco", tmp_path) == {
        mmarco.EMPTY: 1, mmarco.NOT_NAMED["queries"]: 1, mmarco.NOT_NAMED["passages"]: 2,
    }  # fmt: skip


def test_texts_are_written_once_a_language_and_only_those_that_a_triple_names(tmp_path):
    given = {"input_dir": FIXTURES / "mmarco"}
    passages = list(registry.records("mmarco", "passages", "train", tmp_path, **given))
    assert sorted((record["id"], record["language"]) for record in passages) == [
        (name, code) for name in "012" for code in ("de", "en", "ru") if (name, code) != ("2", "ru")
    ]  # fmt: skip
    queries = list(registry.records("mmarco", "queries", "train", tmp_path, **given))
    assert {record["id"] for record in queries} == {"10", "11"}


def test_judgements_of_the_development_questions_are_the_validation_split(tmp_path):
    [row] = rows("mmarco", tmp_path, "validation")
    assert row[0]["en"] == "what is black tea made of" and row[1]["de"].startswith("Schwarzer Tee") and row[2] == []
    assert dropped("mmarco", tmp_path, "validation")[mmarco.NOT_NAMED["passages"]] == 4


def test_files_may_be_packed_and_stand_in_one_folder(tmp_path):
    folder = tmp_path / "in"
    folder.mkdir()
    for path in (FIXTURES / "mmarco").rglob("*.tsv"):
        (folder / f"{path.name}.gz").write_bytes(gzip.compress(path.read_bytes()))
    assert rows("mmarco", tmp_path / "flat", input_dir=folder) == rows("mmarco", tmp_path / "raw")
    for language in ("german", "russian"):
        (folder / "runs" / language).mkdir(parents=True)
        (folder / "runs" / language / "bm25.tsv").touch()  # not a file of texts or pairs
    (folder / "triples.train.ids.small.tsv.gz").unlink()
    assert list(registry.builder("mmarco", "pairs", tmp_path / "dev", input_dir=folder).info.splits) == ["validation"]


def test_all_development_questions_serve_when_there_is_no_small_file(tmp_path):
    folder = copy(tmp_path)
    for path in (folder / "queries" / "dev").iterdir():
        with path.open("a", encoding="utf-8") as file:
            file.write("21\tunjudged\n")
        path.rename(path.with_name(path.name.replace(".small", "")))
    (folder / "qrels.dev.small.tsv").rename(folder / "qrels.dev.tsv")
    (folder / "qrels.dev.tsv").write_text("20 0 5 1\n20 0 3 0\n")
    assert len(rows("mmarco", tmp_path, "validation", input_dir=folder)) == 1
    left_out = dropped("mmarco", tmp_path, "validation", input_dir=folder)
    assert left_out[mmarco.NOT_NAMED["queries"]] == left_out[mmarco.NOT_RELEVANT] == 1


@pytest.mark.parametrize(("name", "old", "new", "message", "left"), [
    ("triples.train.ids.small.tsv", "10\t0\t1", "10\t0", "small.tsv:1: 2 columns: expected 3 separated by tabs", 2),
    ("triples.train.ids.small.tsv", "10\t0\t1", "10\t0\t-1", "small.tsv:1: negative pid is '-1': expected a whole", 2),
    ("triples.train.ids.small.tsv", "11\t", "13\t", "tsv:3: no query 13 in any language: expected a qid of the", 2),
    ("triples.train.ids.small.tsv", "11\t1", "11\t4", "tsv:3: no passage 4 in any language: expected a pid of", 2),
    ("triples.train.ids.small.tsv", "11\t1\t0", "11\t1\t1", "tsv:3: passage 1 is both positive and negative", 2),
    ("collections/german_collection.tsv", "3\t", "1\t", "n_collection.tsv:4: pid 1 is on an earlier line too", 3),
    ("collections/german_collection.tsv", "3\t", "x\t", "n_collection.tsv:4: pid is 'x': expected a whole number", 3),
    ("collections/german_collection.tsv", "3\t", "3 ", "n_collection.tsv:4: 1 columns: expected 2 .*, pid, text", 3),
    ("queries/train/russian_queries.train.tsv", "11\t", "10\t", "n_queries.train.tsv:2: qid 10 is on an ear", 3),
    ("qrels.dev.small.tsv", "5", "9", "qrels.dev.small.tsv:1: no passage 9 in any language", 0),
])  # fmt: skip
def test_a_line_that_cannot_be_used_stops_the_build_or_is_set_aside_in_every_table(
    tmp_path, name, old, new, message, left
):
    folder = copy(tmp_path)
    path = folder / name
    content = path.read_text(encoding="utf-8")
    assert old in content
    path.write_text(content.replace(old, new, 1), encoding="utf-8")
    for table in registry.TABLES:
        with pytest.raises(InputError, match=f"^{folder}.*{message}"):
            registry.builder("mmarco", table, tmp_path / "stop", input_dir=folder)
    settings = {"input_dir": folder, "on_bad_row": "skip"}
    if not left:
        with pytest.raises(InputError, match=rf"validation has no usable row \(left out: .*1 {BAD_ROWS}"):
            registry.builder("mmarco", "pairs", tmp_path / "skip", **settings)
        return
    assert len(rows("mmarco", tmp_path / "skip", **settings)) == left
    assert dropped("mmarco", tmp_path / "skip", **settings)[f"{BAD_ROWS}, listed in rejects-train.jsonl"] == 1


@pytest.mark.parametrize(("change", "message"), [
    (lambda folder: (folder / "collections" / "german_collection.tsv").unlink(),
     "holds german_queries.train.tsv but not german_collection.tsv: expected both for each language of train"),
    (lambda folder: (folder / "queries" / "train" / "german_queries.train.tsv").unlink(),
     "holds german_collection.tsv but not german_queries.train.tsv: expected both for each language of train"),
    (lambda folder: (folder / "queries" / "dev" / "german_queries.dev.small.tsv").unlink(),
     "but not german_queries.dev.small.tsv: expected both for each language of validation"),
    (lambda folder: (folder / "collections" / "german_collection.tsv").rename(folder / "klingon_collection.tsv"),
     "klingon_collection.tsv: unknown language 'klingon': expected one of arabic .* chinese"),
    (lambda folder: (folder / "collections" / "german_collection.tsv").rename(folder / "deu_collection.tsv"),
     "deu_collection.tsv: unknown language 'deu': write german, its code here$"),
    (lambda folder: (folder / "german_collection.tsv.gz").touch(),
     "german_collection.tsv.gz and .*german_collection.tsv exist: expected one"),
    (lambda folder: [shutil.rmtree(folder / name) for name in ("collections", "queries")],
     "holds pairs of train but no texts: expected {language}_collection.tsv and {language}_queries.train.tsv"),
    (lambda folder: [path.unlink() for path in folder.glob("*.tsv")], "holds no data: expected triples.*https://"),
])  # fmt: skip
def test_a_wrong_folder_is_named(tmp_path, change, message):
    folder = copy(tmp_path)
    change(folder)
    with pytest.raises(InputError, match=message):
        registry.builder("mmarco", "pairs", tmp_path / "raw", input_dir=folder)


def test_a_damaged_archive_is_named(tmp_path):
    folder = copy(tmp_path)
    plain = folder / "triples.train.ids.small.tsv"
    plain.with_name(f"{plain.name}.gz").write_bytes(gzip.compress(plain.read_bytes())[:-6])
    plain.unlink()
    with pytest.raises(
        InputError, match=r"small\.tsv\.gz: damaged .*: expected a complete gzip file; download it again"
    ):
        registry.builder("mmarco", "passages", tmp_path / "raw", input_dir=folder)


def test_beam_that_is_not_installed_is_named(tmp_path, monkeypatch):
    monkeypatch.setattr("importlib.util.find_spec", lambda name: None)
    message = r"--beam_options needs Apache Beam: install .*pip install -e '\.\[beam\]'\) in an environment of its own"
    with pytest.raises(InputError, match=message):
        registry.builder(
            "mmarco", "pairs", tmp_path, input_dir=FIXTURES / "mmarco", beam_options="--runner=DirectRunner"
        )


def test_an_id_set_is_a_set():
    draw = random.Random(0)
    numbers = [draw.choice((draw.randrange(200_000), draw.randrange(10**15))) for _ in range(3000)]
    ids, other, expected = IdSet(), IdSet(), set()
    for number in numbers:
        assert ids.add(number) == (number not in expected)
        expected.add(number)
    for number in (5, 10**15, *numbers[:3]):
        other.add(number)
    ids |= other
    expected |= {5, 10**15}
    assert len(ids) == len(expected) and all(number in ids for number in expected)
    assert not any(number in ids for number in range(10_000) if number not in expected)
    assert len(other) == len({5, 10**15, *numbers[:3]})

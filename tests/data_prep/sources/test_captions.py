"""The sources `coco35l` and `cc3m35l`, and the sorting on disk that brings the lines of a picture together."""

import bz2
import gzip
import json
import random
import shutil

import pytest

from data_prep.builders.base import BAD_ROWS
from data_prep.scratch.sorted_groups import sorted_groups
from data_prep.sources import captions, registry
from hbt_jax.errors import InputError
from tests.data_prep.source_rows import FIXTURES, dropped, rows


def test_captions_of_a_picture_are_pairs_in_a_ring(tmp_path):
    found = rows("coco35l", tmp_path)
    sofa, nap, couch, boats, harbour = [
        next(row for row in found if row[0]["en"].startswith(start))
        for start in ("A dog sleeps", "A brown", "Someone", "Two", "Small")
    ]
    assert len(found) == 5
    assert [row[1] for row in (sofa, nap, couch)] == [nap[0], couch[0], sofa[0]]
    assert boats[1] == harbour[0] and harbour[1] == boats[0]
    assert sofa[0] == {
        "de": "Ein Hund schläft auf einem roten Sofa .", "en": "A dog sleeps on a red sofa .",
        "sw": "Mbwa amelala kwenye kochi jekundu .",
    }  # fmt: skip
    assert couch[0] == {"de": "Ein Hund auf der Couch .", "en": "Someone 's dog on the couch ."}
    assert {row[3] for row in (sofa, nap, couch)} == {"31"} and {boats[3], harbour[3]} == {"77"}
    assert all(row[2] == [] for row in found)
    assert dropped("coco35l", tmp_path) == {captions.EMPTY: 2, captions.UNTRANSLATED: 1}


def test_a_caption_that_is_alone_is_query_and_passage(tmp_path):
    farmer, bridge = sorted(rows("cc3m35l", tmp_path), key=lambda row: row[3])
    assert farmer[0] == farmer[1] == {
        "en": "portrait of a farmer", "mi": "he pikitia o te kaipāmu", "th": "ภาพเหมือนของชาวนา",
    }  # fmt: skip
    assert farmer[3] == "0000000001" and bridge[3] == "0000000002"
    assert len(rows("cc3m35l", tmp_path, "validation")) == 1


def test_other_names_of_languages_become_ours(tmp_path):
    assert {code for row in rows("coco35l", tmp_path, "validation") for code in row[0]} == {"en", "he"}


def test_captions_of_one_image_id_are_told_apart_by_their_text(tmp_path):
    lines = [
        {"rec_num": 5, "src_lang": "en", "trg_lang": "de", "caption_tokenized": text, "translation_tokenized": text}
        for text in ("b", "a", "c")
    ]
    (tmp_path / "in").mkdir()
    (tmp_path / "in" / "cc3m_mt_train.jsonl").write_text("".join(json.dumps(line) + "\n" for line in lines))
    given = {"input_dir": tmp_path / "in"}
    pairs = list(registry.records("cc3m35l", "pairs", "train", tmp_path / "raw", **given))
    assert [(pair["query"], pair["passage"]) for pair in pairs] == [("5", "5/1"), ("5/1", "5/2"), ("5/2", "5")]


@pytest.mark.parametrize("pack", [bz2, gzip], ids=["bz2", "gz"])
def test_files_may_be_packed_and_a_damaged_one_is_named(tmp_path, pack):
    folder, ending = tmp_path / "in", {bz2: "bz2", gzip: "gz"}[pack]
    folder.mkdir()
    packed = folder / f"coco_mt_train.jsonl.{ending}"
    packed.write_bytes(pack.compress((FIXTURES / "coco35l" / "coco_mt_train.jsonl").read_bytes()))
    assert rows("coco35l", tmp_path / "packed", input_dir=folder) == rows("coco35l", tmp_path / "raw")
    message = rf"jsonl\.{ending}: damaged .*: expected a complete (gzip|bzip2) file; download it again"
    for damaged in (packed.read_bytes()[:-6], b"no archive"):
        packed.write_bytes(damaged)
        with pytest.raises(InputError, match=message):
            registry.builder("coco35l", "pairs", tmp_path / "damaged", input_dir=folder)


@pytest.mark.parametrize(("old", "new", "message", "left"), [
    ('"trg_lang": "sw"', '"trg_lang": "xx"', "l:6: trg_lang has the unknown language 'xx': expected a BCP-47 or", 5),
    ('"trg_lang": "sw"', '"trg_lang": "en"', "l:6: trg_lang is 'en': expected a language other than that", 5),
    ('"src_lang": "en"', '"src_lang": "de"', "l:1: src_lang is 'de': expected 'en', the language of the captions", 5),
    ('"image_id": "31_0"', '"image_id": ""', "l:1: image_id is empty: expected a text", 5),
    ('"image_id": "31_0", ', "", "l:1: missing field 'image_id': expected a string", 5),
    ('"Ein Hund schläft', '3, "Ein Hund schläft', "l:1: not JSON", 5),
    ('"Two boats lie at a pier ."', "null", "l:2: caption_tokenized is null: expected a string", 5),
    ('"31_0", "src_lang": "en", "trg_lang": "sw"', '"31_0", "src_lang": "en", "trg_lang": "de"',
     "l:6: a second translation of the caption of 31_0 into 'de': expected only one per", 5),
])  # fmt: skip
def test_a_line_that_cannot_be_used_stops_the_build_or_is_set_aside(tmp_path, old, new, message, left):
    folder = shutil.copytree(FIXTURES / "coco35l", tmp_path / "in")
    path = folder / "coco_mt_train.jsonl"
    content = path.read_text(encoding="utf-8")
    assert old in content
    path.write_text(content.replace(old, new, 1), encoding="utf-8")
    with pytest.raises(InputError, match=f"coco_mt_train.json{message}"):
        registry.builder("coco35l", "pairs", tmp_path / "stop", input_dir=folder)
    settings = {"input_dir": folder, "on_bad_row": "skip"}
    assert len(rows("coco35l", tmp_path / "skip", **settings)) == left
    assert dropped("coco35l", tmp_path / "skip", **settings)[f"{BAD_ROWS}, listed in rejects-train.jsonl"] == 1


def test_groups_are_the_same_however_little_is_held_in_memory(tmp_path):
    draw = random.Random(0)
    values = [(draw.randrange(300), number) for number in range(2000)]
    expected = {}
    for key, value in values:
        expected.setdefault(key, set()).add(value)
    for run in (3, 64, 10_000):
        found = list(sorted_groups(values, tmp_path, run))
        assert [key for key, _ in found] == sorted(expected)
        assert {key: set(group) for key, group in found} == expected
        assert sum(len(group) for _, group in found) == len(values)
        assert not list(tmp_path.iterdir())

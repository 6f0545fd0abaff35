"""The source `squad`: files in SQuAD's layout joined over languages, through to a store and a benchmark."""

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from data_prep.build_store import build_store, summary
from data_prep.builders.unchanged import digest
from data_prep.sources import registry, squad
from data_prep.train_sentencepiece import train_sentencepiece
from data_prep.write_benchmark import write_benchmark
from hbt_jax.data.store import open_store
from hbt_jax.errors import InputError
from hbt_jax.evaluation.benchmarks.registry import load_benchmark
from hbt_jax.models.tokenizer import load_tokenizer

ROOT = Path(__file__).resolve().parents[3]
FILES = ROOT / "tests" / "evaluation" / "reading" / "squad"
REAL = os.environ.get("HBT_JAX_DATA", "")
NO_ANSWER = "questions without an answer, counted per language"


def languages(folder):
    return {code: Path(folder) / f"{code}.json" for code in ("ar", "en", "zh")}


def change(path, edit):
    """Edits the first paragraph of a file."""
    content = json.loads(path.read_text(encoding="utf-8"))
    edit(content["data"][0]["paragraphs"][0])
    path.write_text(json.dumps(content), encoding="utf-8")


def joined_of(files, passage):
    """The files joined, where none of their questions is to be left out."""
    left_out = []
    joined = squad.join(files, passage, left_out.append)
    assert not left_out
    return joined


@pytest.fixture
def folder(tmp_path):
    """A copy of the three small files."""
    return shutil.copytree(FILES, tmp_path / "in")


@pytest.fixture(scope="module")
def prepared(tmp_path_factory):
    """(input_dir, raw_dir) of splits train, with two questions without an answer, and test; prepared once."""
    made = tmp_path_factory.mktemp("squad")
    for split in ("train", "test"):
        shutil.copytree(FILES, made / "in" / split)
    change(made / "in" / "train" / "en.json", lambda paragraph: paragraph["qas"][2].update(is_impossible=True))
    change(made / "in" / "train" / "zh.json", lambda paragraph: paragraph["qas"].append(
        {"id": "palm-when", "question": "果实何时成熟？", "answers": []}))  # fmt: skip
    registry.builder("squad", "pairs", made / "raw", input_dir=made / "in")
    return made / "in", made / "raw"


def test_languages_join_by_the_question_id():
    joined = joined_of(languages(FILES), "sentence")
    texts = {
        (record["id"], record["language"]): record["text"] for record in squad.queries(languages(FILES), "sentence")
    }
    assert len(texts) == 11 and texts["palm-where", "zh"] == "海枣生长在哪里？"
    records = list(squad.passages(languages(FILES), "sentence", joined))
    texts = {(record["id"], record["language"]): record["text"] for record in records}
    assert len(records) == len(texts) == 9
    assert texts["light-year", "en"] == "The lighthouse 🗼 was built in 1871."
    assert (
        texts["palm-where", "ar"] == "ينمو نخيل التمر في الواحات." and texts["palm-where", "zh"] == "海枣生长在绿洲中。"
    )
    assert ("palm-when", "zh") not in texts


def test_questions_with_a_passage_in_common_share_item_or_group():
    pairs = {pair["query"]: pair for pair in squad.pairs(joined_of(languages(FILES), "sentence"))}
    assert {question: pair["passage"] for question, pair in pairs.items()} == {
        "light-year": "light-year", "light-what": "light-year",  # the same sentence in every language
        "light-height": "light-height",  # the same Arabic sentence, but another English one
        "palm-when": "palm-when", "palm-where": "palm-where",
    }  # fmt: skip
    assert pairs["light-height"]["group"] == pairs["light-year"]["group"] == pairs["light-what"]["group"]
    assert len({pair["group"] for pair in pairs.values()}) == 3


def test_paragraphs_as_passages():
    joined = joined_of(languages(FILES), "paragraph")
    assert joined.passage["palm-when"] == "palm-when" and joined.passage["palm-where"] == "palm-where"
    assert joined.group["palm-when"] == joined.group["palm-where"] != joined.group["light-year"]
    assert len(set(joined.passage.values())) == 3
    texts = [record["text"] for record in squad.passages(languages(FILES), "paragraph", joined)]
    assert "海枣生长在绿洲中。果实在秋天成熟。" in texts and len(texts) == 7


def test_from_files_to_a_store(prepared, tmp_path):
    input_dir, raw_dir = prepared
    report = train_sentencepiece("squad", raw_dir, tmp_path / "tokenizer", 95, input_dir=input_dir)
    assert report["texts_by_language"] == {"ar": 9, "en": 7, "zh": 2}
    manifest = build_store("squad", "train", raw_dir, tmp_path / "train", tmp_path / "tokenizer", input_dir=input_dir)
    assert manifest["dropped"] == {NO_ANSWER: 2} and manifest["source"]["metadata"]["passage"] == "sentence"
    assert manifest["source"]["metadata"]["files"]["test/en.json"] == digest(FILES / "en.json")
    assert f"  dropped: 2 {NO_ANSWER}" in summary(manifest)
    assert registry.dropped_lines("squad", raw_dir, input_dir=input_dir) == [f"  dropped from train: 2 {NO_ANSWER}"]
    tokenizer = load_tokenizer(tmp_path / "tokenizer")
    store = open_store(tmp_path / "train", tokenizer.fingerprint)
    assert store.languages == ("ar", "en", "zh") and store.queries.rows == 5 and store.passages.rows == 4
    assert store.pairs.query_A.tolist() == [0, 1, 2, 3, 4] and store.pairs.passage_A.tolist() == [0, 0, 1, 2, 3]
    assert store.pairs.group_A.tolist() == [0, 0, 0, 1, 2]
    assert store.queries.available.tolist() == [0b011, 0b011, 0b001, 0b011, 0b111]
    chinese = store.passages.tokens["zh"]
    np.testing.assert_array_equal(chinese.values, tokenizer.encode(["海枣生长在绿洲中。"])[0])


def test_a_split_becomes_a_benchmark(prepared, tmp_path):
    counts = write_benchmark("squad", prepared[1], tmp_path / "mine", "test", input_dir=prepared[0])
    assert counts == {"queries": 11, "candidates": 8, "judgements": 25}  # one sentence in Arabic is two in English
    assert load_benchmark(str(tmp_path / "mine"), "").queries.count_by_language() == {"ar": 5, "en": 5, "zh": 1}


def test_the_same_files_are_taken_again_and_others_refused(folder, tmp_path):
    def made(**settings):
        return registry.builder("squad", "pairs", tmp_path / "raw", input_dir=folder, **settings)

    made()
    assert len(list(registry.records("squad", "pairs", "train", tmp_path / "raw", input_dir=folder))) == 5
    made(passage="sentence")
    message = "other files than those in --input_dir, or with other flags: --passage is changed from sentence to para"
    with pytest.raises(InputError, match=message):
        made(passage="paragraph")
    change(folder / "en.json", lambda paragraph: paragraph["qas"].pop())
    with pytest.raises(InputError, match=r": en\.json is changed; remove .*raw/squad or choose another --raw_dir"):
        made()


def test_a_wrong_folder_is_named(folder, tmp_path):
    def made(input_dir, **settings):
        return registry.builder("squad", "pairs", tmp_path / "raw", input_dir=input_dir, **settings)

    with pytest.raises(
        InputError, match=r"--input_dir=.*gone: no such folder: expected one that holds LANG\.json files"
    ):
        made(tmp_path / "gone")
    (tmp_path / "empty" / "test").mkdir(parents=True)
    with pytest.raises(
        InputError, match=r"empty holds no data: expected LANG\.json files, .* named train, validation, "
    ):
        made(tmp_path / "empty")
    with pytest.raises(InputError, match="--passage=page: expected one of sentence, paragraph"):
        made(folder, passage="page")
    shutil.copytree(FILES, folder / "test")
    with pytest.raises(InputError, match=r"in holds both ar\.json and the folder test: expected .*, not both"):
        made(folder)
    (folder / "ar.json").rename(folder / "xx.json")
    with pytest.raises(InputError, match=r"in/xx\.json: unknown language 'xx'"):
        made(folder)


def test_files_that_do_not_join_are_named(folder):
    change(folder / "zh.json", lambda paragraph: paragraph["qas"][0].update(id="other"))
    message = r"zh\.json: no question id in common with the other languages \(ar en\): translations of a question have"
    with pytest.raises(InputError, match=message):
        joined_of(languages(folder), "sentence")
    assert joined_of({"zh": folder / "zh.json"}, "sentence").passage == {"other": "other"}
    change(folder / "zh.json", lambda paragraph: paragraph["qas"].clear())
    message = r"zh\.json: no usable question with an answer \(left out: nothing\): expected at least one; cor"
    with pytest.raises(InputError, match=message):
        joined_of(languages(folder), "sentence")


def test_a_file_without_a_question_that_can_be_used_says_what_was_left_out(folder):
    def wrong(paragraph):
        first, *others = paragraph["qas"]
        first["answers"][0]["answer_start"] += 1
        for question in others:
            question["answers"] = []

    change(folder / "en.json", wrong)
    content = json.loads((folder / "en.json").read_text(encoding="utf-8"))
    content["data"] = content["data"][:1]
    content["data"][0]["paragraphs"] = content["data"][0]["paragraphs"][:1]
    (folder / "en.json").write_text(json.dumps(content), encoding="utf-8")
    set_aside = []
    with pytest.raises(
        InputError, match=r"en\.json: no usable question .* \(left out: 1 malformed, 2 without an answer\): exp"
    ):
        squad.join({"en": folder / "en.json"}, "sentence", set_aside.append)
    assert len(set_aside) == 3


def test_sentences_are_needed_for_sentences_alone(folder):
    change(folder / "en.json", lambda paragraph: (paragraph.pop("sentences"), paragraph.pop("sentence_breaks")))
    message = (
        r"en\.json: paragraph 1: no sentence_breaks and sentences, which --passage=sentence needs; set --passage=p"
    )
    with pytest.raises(InputError, match=message):
        joined_of(languages(folder), "sentence")
    assert len(joined_of(languages(folder), "paragraph").passage) == 5


def test_a_wrong_file_ends_the_preparation_and_leaves_no_table(folder, tmp_path):
    kept = (folder / "zh.json").read_bytes()
    (folder / "zh.json").write_bytes(kept[:-2])
    with pytest.raises(InputError, match=r"zh\.json:\d+: not JSON"):
        registry.builder("squad", "queries", tmp_path / "raw", input_dir=folder)
    (folder / "zh.json").write_bytes(kept)
    assert len(list(registry.records("squad", "queries", "train", tmp_path / "raw", input_dir=folder))) == 11


def test_what_cannot_be_used_is_set_aside_in_every_table(folder, tmp_path):
    def wrong(paragraph):
        paragraph["qas"][0]["answers"][0]["answer_start"] += 1
        paragraph["qas"][1]["answers"] = []

    change(folder / "en.json", wrong)
    change(folder / "ar.json", lambda paragraph: paragraph.update(context=7))
    with pytest.raises(InputError, match=r"ar\.json: paragraph 1: context is 7: expected a string"):
        registry.builder("squad", "pairs", tmp_path / "raw", input_dir=folder)
    settings = {"input_dir": folder, "on_bad_row": "skip"}
    tables = {
        table: list(registry.records("squad", table, "train", tmp_path / "raw", **settings))
        for table in registry.TABLES
    }
    whole = list(squad.queries(languages(FILES), "sentence"))
    gone = {("ar", question) for question in ("light-year", "light-what", "light-height")}
    gone |= {("en", "light-year"), ("en", "light-what")}
    assert tables["queries"] == [record for record in whole if (record["language"], record["id"]) not in gone]
    assert {(record["language"], record["id"]) for record in tables["passages"]}.isdisjoint(gone)
    assert [pair["query"] for pair in tables["pairs"]] == ["palm-when", "palm-where", "light-height"]
    rejects = "rows that cannot be used, listed in rejects-train.jsonl"
    for table in registry.TABLES:
        made = registry.builder("squad", table, tmp_path / "raw", **settings)
        assert made.info.metadata["dropped"] == {"train": {rejects: 2, NO_ANSWER: 1}}
        listed = [json.loads(line)["row"] for line in (Path(made.data_dir) / "rejects-train.jsonl").open()]
        assert "paragraph 1: context is 7" in listed[0] and "question 'light-year': the context has" in listed[1]


def test_flags_are_those_that_the_source_supports():
    assert registry.settings("squad", input_dir="x", passage=None) == {"input_dir": "x"}
    assert registry.settings("squad", input_dir="x", passage="paragraph") == {"input_dir": "x", "passage": "paragraph"}
    with pytest.raises(InputError, match="--passage=sentence is not supported by --source=jsonl: leave it out"):
        registry.settings("jsonl", input_dir="x", passage="sentence")
    with pytest.raises(InputError, match=r"--input_dir is needed for --source=squad: the folder with its files$"):
        registry.settings("squad", input_dir="")


def test_a_command_prints_what_was_left_out(prepared, tmp_path):
    input_dir, raw_dir = prepared
    flags = ["--source=squad", f"--input_dir={input_dir}", "--passage=sentence", "--split=train"]
    command = [sys.executable, str(ROOT / "data_prep" / "write_benchmark.py"), *flags, f"--raw_dir={raw_dir}"]
    done = subprocess.run([*command, f"--out_dir={tmp_path / 'mine'}"], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    first, copies, groups, dropped = done.stdout.splitlines()
    assert first.endswith("mine: 10 queries, 8 candidates, 23 judgements")
    assert copies.startswith("  1 candidates have the same text as another one in their language, such as light-height")
    assert groups.startswith("  1 groups of candidates share a text, such as that of light-year:ar, but do not count")
    assert dropped == f"  dropped from train: 2 {NO_ANSWER}"


@pytest.mark.skipif(not REAL, reason="HBT_JAX_DATA names no folder with the official xquad-r/ and mlqa-r/")
@pytest.mark.parametrize(("name", "questions", "passages", "groups"), [
    ("xquad-r", 1190, 914, 489), ("mlqa-r", 1148, 1148, 1140),
])  # fmt: skip
def test_the_official_files_are_read_whole(name, questions, passages, groups):
    files = {path.stem: path for path in sorted(Path(REAL, name).glob("*.json"))}
    joined = joined_of(files, "sentence")
    assert len(joined.passage) == questions and len(set(joined.passage.values())) == passages
    assert len(set(joined.group.values())) == groups

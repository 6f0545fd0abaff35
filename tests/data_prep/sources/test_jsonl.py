"""The source `jsonl`: one's own rows, read whole or refused by file and line, through to a store and a benchmark."""

import hashlib
import json
import re
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from data_prep.build_store import build_store, summary
from data_prep.builders.row import BadRow, Respelled, item_id
from data_prep.sources import registry
from data_prep.sources.jsonl import rows
from data_prep.train_sentencepiece import train_sentencepiece
from data_prep.write_benchmark import write_benchmark
from hbt_jax.data.store import open_store
from hbt_jax.errors import InputError
from hbt_jax.evaluation.benchmarks.registry import load_benchmark
from hbt_jax.models.tokenizer import load_tokenizer
from tests.data_prep import small_stores

ROOT = Path(__file__).resolve().parents[3]
PERU = {"en": "capital of Peru?", "de": "Hauptstadt von Peru?"}
LIMA = {"en": "Lima is the capital of Peru.", "fr": "Lima est la capitale du Pérou."}
CITY = {"de": "In Lima sitzt die Regierung von Peru."}
QUITO = {"en": "Quito is the capital of Ecuador."}
OSLO = {"en": "Oslo is in Norway."}
TRAIN = [
    {"id": "a", "query": PERU, "passage": LIMA, "negatives": [QUITO, OSLO, QUITO]},
    {"query": dict(reversed(PERU.items())), "passage": CITY, "group": "a"},
    {"query": {"en": "capital of Ecuador?"}, "passage": QUITO},
]
TEST = [{"query": PERU, "passage": LIMA}, {"query": PERU, "passage": LIMA}]
VALIDATION = [{"query": PERU, "passage": CITY}, {"query": {"fr": "Lima ?"}, "passage": LIMA}]
SPLITS = {"train": TRAIN, "validation": VALIDATION, "test": TEST}


def write(folder, **splits):
    folder.mkdir(exist_ok=True)
    for split, lines in splits.items():
        text = "".join(json.dumps(line, ensure_ascii=False) + "\n" for line in lines)
        (folder / f"{split}.jsonl").write_text(text, encoding="utf-8")
    return folder


@pytest.fixture(scope="module")
def mine(tmp_path_factory):
    """(input_dir, raw_dir) of rows in three splits, prepared once."""
    folder = tmp_path_factory.mktemp("mine")
    write(folder / "in", **SPLITS)
    for table in registry.TABLES:
        registry.builder("jsonl", table, folder / "raw", input_dir=folder / "in")
    return folder / "in", folder / "raw"


def records(table, split, mine):
    return list(registry.records("jsonl", table, split, mine[1], input_dir=mine[0]))


def test_each_different_query_and_passage_is_one_item(mine):
    def texts(*items):
        every = [(item_id(item), code, text) for item in items for code, text in sorted(item.items())]
        return [{"id": name, "language": code, "text": text} for name, code, text in every]

    assert records("queries", "train", mine) == texts(PERU, {"en": "capital of Ecuador?"})
    assert records("passages", "train", mine) == texts(LIMA, QUITO, OSLO, CITY)


def test_pairs_are_the_rows_and_name_shared_items_alike(mine):
    first, second, third = records("pairs", "train", mine)
    assert first == {
        "query": item_id(PERU), "passage": item_id(LIMA), "group": "row a",
        "negatives": [item_id(QUITO), item_id(OSLO)],
    }  # fmt: skip
    assert second == {"query": first["query"], "passage": item_id(CITY), "group": "group a", "negatives": []}
    assert third["passage"] == first["negatives"][0] and third["group"] == "line train.jsonl:3"
    assert records("pairs", "test", mine)[0]["passage"] == first["passage"]
    assert len({item_id(item) for item in (PERU, LIMA, CITY, {"en": PERU["en"]}, {"de": PERU["en"]})}) == 5


def line(**changes):
    return json.dumps({"query": {"en": "q"}, "passage": {"en": "p"}, **changes})


@pytest.mark.parametrize(("bad", "message"), [
    ('{"query": ', r"not JSON \(Expecting value at column 10\): expected one object per line"),
    ('["q", "p"]', r'found \["q", "p"\]: expected a JSON object with query and passage'),
    ('{"query": {"en": "q"}}', "missing field 'passage': expected the fields query, passage and optionally id, neg"),
    (line(negative=[]), "unknown field 'negative': .*negatives, group, language; remove or rename it"),
    ('{"query": {"en": "q", "en": "r"}, "passage": {"en": "p"}}', "'en' occurs twice in one object"),
    (line(query="q"), 'query is "q": expected an object such as {"en": "text"}'),
    (line(passage={}), "passage has no language: expected at least one"),
    (line(query={"xx": "q"}), "query has the unknown language 'xx': expected a BCP-47 or ISO 639-3 code such as de, "),
    (line(query={"zh-CN": "q", "zho": "r"}), "query has 'zh-CN' and 'zho', which are one language, 'zh': expected one"),
    (line(query={"chs": "q"}), "query has the unknown language 'chs': write zh, its code here$"),
    (line(passage={"sh": "p"}), "passage has the unknown language 'sh': write bs or hr or sr, whichever it is$"),
    (line(query="q", passage="p", language="jp"), "language has the unknown language 'jp': write ja, its code here$"),
    (line(negatives=None), "negatives is null: expected a list of objects like passage"),
    (line(query="q", passage="p", language="en", negatives=None), "negatives is null: expected a list"),
    (line(group=None), "group is null: expected a string"),
    (line(id=None), "id is null: expected a string"),
    (line(query="q", passage="p", language=None), "language has the unknown language None: expected a BCP-47 or"),
    (line(query={"en": 3}), "query.en is 3: expected a string"),
    (line(passage={"en": "p", "de": " "}), "passage.de is empty: fill it in, or leave out 'de'"),
    (line(passage={"en": "\ud800"}), r"passage.en holds '\\ud800': expected whole characters"),
    (line(negatives={"en": "n"}), 'negatives is {"en": "n"}: expected a list of objects like passage'),
    (line(negatives=[{"en": "n"}, "n"]), r'negatives\[1\] is "n": expected an object'),
    (line(negatives=[{}]), r"negatives\[0\] has no language"),
    (line(negatives=[{"de": "n", "en": "p"}]), r"negatives\[0\] equals the row's own passage in 'en': .* remove it"),
    (line(id="one"), r"duplicate id 'one', first in line 1: ids must be unique in a file; rename"),
    (line(id=7), "id is 7: expected a string"),
    (line(group=""), "group is empty: fill it in, or leave out 'group'"),
    (line(query="q" * 99), 'query is "q{59}...: expected an object'),
    (line(language="en"), 'query is {"en": "q"}: expected a string'),
    (line(query="q", passage="p", language="xx"), "language has the unknown language 'xx': expected a BCP-47 or"),
    (line(query="q", passage="p", language=["en"]), r"language has the unknown language \['en'\]: expected a BCP"),
    (line(query="q", passage=" ", language="en"), "passage is empty: fill it in, or leave out 'passage'"),
    (line(query="q", passage="p", language="en", negatives=["p"]), r"negatives\[0\] equals the row's own passage"),
    (line(query="q", passage="p", language="en", negatives=[{"en": "n"}]), r"negatives\[0\] is .*: expected a string"),
])  # fmt: skip
def test_a_wrong_line_is_named_by_file_and_line(tmp_path, bad, message):
    path = tmp_path / "train.jsonl"
    path.write_text(line(id="one") + "\n\n" + bad + "\n" + line(id="two") + "\n", encoding="utf-8")
    before, wrong, after = rows(path)
    assert isinstance(wrong, BadRow) and not isinstance(before, BadRow) and not isinstance(after, BadRow)
    assert re.search(rf"train\.jsonl:3: {message}", str(wrong))


def test_rows_of_one_language_are_joined_by_their_group(tmp_path):
    def written(code, group, number, **more):
        texts = {"query": f"q{number} {code}", "passage": f"p{number} {code}"}
        return json.dumps(texts | {"language": code} | ({"group": group} if group else {}) | more)

    path = tmp_path / "train.jsonl"
    path.write_text("\n".join([
        written("de", "g1", 1, negatives=["n de"]), written("fr", "", 3), written("de", "g2", 2), line(group="g0"),
        written("en", "g1", 1, negatives=["n en", "m en"]), written("de", "g1", 9),
    ]) + "\n", encoding="utf-8")  # fmt: skip
    alone, spread, wrong, first, second = rows(path)
    assert alone.query == {"fr": "q3 fr"} and alone.group == "line train.jsonl:2" and spread.group == "group g0"
    assert first.query == {"de": "q1 de", "en": "q1 en"} and first.passage == {"de": "p1 de", "en": "p1 en"}
    assert first.negatives == ({"de": "n de"}, {"en": "n en"}, {"en": "m en"}) and first.group == "group g1"
    assert second.query == {"de": "q2 de"} and second.group == "group g2"
    message = r"train\.jsonl:6: group g1 already has a row in 'de': rows of one group are translations of each other"
    assert isinstance(wrong, BadRow) and re.search(message, str(wrong))


def test_bytes_that_are_no_text_and_files_without_rows_are_named(tmp_path):
    path = tmp_path / "train.jsonl"
    path.write_bytes(line().encode() + b'\n{"query": {"en": "\xff"}}\n')
    wrong = list(rows(path))[1]
    assert re.search(r"train\.jsonl:2: not UTF-8 text .* save the file as UTF-8", str(wrong))
    path.write_bytes(b"\n \n")
    with pytest.raises(InputError, match=r"train\.jsonl: the file has no row"):
        list(rows(path))
    path.write_bytes(b"\xef\xbb\xbf" + line().encode() + b"\r\n\r\n")
    assert [row.passage for row in rows(path)] == [{"en": "p"}]


def test_a_wrong_line_ends_the_preparation_and_leaves_no_table(tmp_path):
    folder = write(tmp_path / "in", train=[*TRAIN, {"query": PERU}])
    with pytest.raises(InputError, match=r"train\.jsonl:4: missing field 'passage'"):
        registry.builder("jsonl", "queries", tmp_path / "raw", input_dir=folder)
    write(folder, train=TRAIN)
    assert len(list(registry.records("jsonl", "pairs", "train", tmp_path / "raw", input_dir=folder))) == len(TRAIN)


def test_wrong_lines_can_be_set_aside_counted_and_listed(tmp_path):
    folder = write(tmp_path / "in", train=[TRAIN[0], {"query": PERU}, *TRAIN[1:], {"query": 1}], test=TEST)
    settings = {"input_dir": folder, "on_bad_row": "skip"}
    for table, records in (("queries", 3), ("passages", 5), ("pairs", 3)):
        assert len(list(registry.records("jsonl", table, "train", tmp_path / "raw", **settings))) == records
    said = "rows that cannot be used, listed in rejects-train.jsonl"
    again = "1 negatives that their row has already"
    lines = registry.dropped_lines("jsonl", tmp_path / "raw", **settings)
    assert lines == [f"  dropped from train: {one}" for one in (again, f"2 {said}")]
    made = registry.builder("jsonl", "pairs", tmp_path / "raw", **settings)
    listed = [json.loads(row)["row"] for row in (Path(made.data_dir) / "rejects-train.jsonl").read_text().splitlines()]
    assert [row[row.index("train.jsonl") :][:14] for row in listed] == ["train.jsonl:2:", "train.jsonl:5:"]
    assert not (Path(made.data_dir) / "rejects-test.jsonl").exists()
    train_sentencepiece("jsonl", tmp_path / "raw", tmp_path / "tokenizer", 50, **settings)
    built = build_store("jsonl", "train", tmp_path / "raw", tmp_path / "store", tmp_path / "tokenizer", **settings)
    assert built["dropped"] == {again[2:]: 1, said: 2}
    with pytest.raises(InputError, match="or with other flags: --on_bad_row is changed from skip to stop"):
        registry.builder("jsonl", "pairs", tmp_path / "raw", input_dir=folder)
    with pytest.raises(InputError, match="--on_bad_row=drop: expected one of stop, skip"):
        registry.builder("jsonl", "pairs", tmp_path / "raw", input_dir=folder, on_bad_row="drop")


def test_a_wrong_folder_is_named(tmp_path):
    def made(folder):
        return registry.builder("jsonl", "pairs", tmp_path / "raw", input_dir=folder)

    with pytest.raises(InputError, match="--input_dir=.*gone: no such folder: expected one that holds train.jsonl"):
        made(tmp_path / "gone")
    with pytest.raises(InputError, match="holds no data: expected train.jsonl, validation.jsonl, test.jsonl or some"):
        made(write(tmp_path / "in"))
    with pytest.raises(InputError, match="dev.jsonl: unexpected file: .* rename or move it"):
        made(write(tmp_path / "in", train=TRAIN, dev=TRAIN))
    with pytest.raises(InputError, match="source jsonl has no split 'test': it has train"):
        registry.records("jsonl", "pairs", "test", tmp_path / "raw", input_dir=write(tmp_path / "one", train=TRAIN))


@pytest.mark.parametrize(("change", "message"), [
    ({"train": TRAIN[:2]}, "train.jsonl is changed;"),
    ({"train": TRAIN[:2], "test": TEST}, "train.jsonl is changed, test.jsonl is new;"),
])  # fmt: skip
def test_changed_files_are_refused(tmp_path, change, message):
    folder = write(tmp_path / "in", train=TRAIN)
    registry.builder("jsonl", "pairs", tmp_path / "raw", input_dir=folder)
    folder = folder.rename(tmp_path / "moved")
    registry.builder("jsonl", "pairs", tmp_path / "raw", input_dir=folder)  # the same contents elsewhere are the same
    write(folder, **change)
    with pytest.raises(InputError, match=f"was prepared from other files .*: {message} remove .*raw/jsonl or choose"):
        registry.records("jsonl", "pairs", "train", tmp_path / "raw", input_dir=folder)


def test_from_lines_to_a_store(mine, tmp_path):
    report = train_sentencepiece("jsonl", mine[1], tmp_path / "tokenizer", 50, input_dir=mine[0])
    assert report["texts_by_language"] == {"de": 2, "en": 5, "fr": 1}
    manifest = build_store("jsonl", "train", mine[1], tmp_path / "train", tmp_path / "tokenizer", input_dir=mine[0])
    assert "pairs: 3, 1 of them with explicit negatives" in "\n".join(summary(manifest))
    assert manifest["dropped"] == {"negatives that their row has already": 1}
    digests = {
        f"{split}.jsonl": hashlib.sha256((mine[0] / f"{split}.jsonl").read_bytes()).hexdigest() for split in SPLITS
    }
    assert manifest["source"]["metadata"] == {
        "files": digests,
        "on_bad_row": "stop",
        "dropped": {"train": manifest["dropped"]},
    }
    tokenizer = load_tokenizer(tmp_path / "tokenizer")
    store = open_store(tmp_path / "train", tokenizer.fingerprint)
    assert store.languages == ("de", "en", "fr")
    assert store.pairs.query_A.tolist() == [0, 0, 1] and store.pairs.passage_A.tolist() == [0, 3, 1]
    assert store.pairs.negative_rows.tolist() == [1, 2]
    assert len(set(store.pairs.group_A.tolist())) == 3
    french = store.passages.tokens["fr"]
    np.testing.assert_array_equal(french.values, tokenizer.encode([LIMA["fr"]])[0])


def test_benchmark_judges_every_passage_that_held_out_rows_give(mine, tmp_path):
    counts = write_benchmark("jsonl", mine[1], tmp_path / "mine", "test", input_dir=mine[0])
    read = load_benchmark(str(tmp_path / "mine"), "")
    assert counts == {"queries": 2, "candidates": 3, "judgements": 6}
    assert sorted(read.queries.languages) == ["de", "en"]
    assert sorted(read.candidates.texts) == sorted([*LIMA.values(), *CITY.values()])
    counts = write_benchmark("jsonl", mine[1], tmp_path / "mine", "train", input_dir=mine[0])
    assert counts == {"queries": 3, "candidates": 5, "judgements": 7}


@pytest.mark.parametrize("name", ["build_store", "train_sentencepiece", "write_benchmark"])
def test_commands_need_the_folder_for_jsonl_and_refuse_it_for_facts(name, tmp_path):
    def ended(*flags):
        flags = [*flags, f"--raw_dir={tmp_path}", f"--out_dir={tmp_path / 'out'}"]
        flags += ["--tokenizer=none"] if name == "build_store" else []
        command = [sys.executable, str(ROOT / "data_prep" / f"{name}.py"), *flags]
        done = subprocess.run(command, capture_output=True, text=True, check=False)
        return done.returncode, done.stderr.strip()

    assert ended("--source=jsonl") == (
        2, "error: --input_dir is needed for --source=jsonl: the folder with its files")  # fmt: skip
    assert ended("--source=facts", "--input_dir=x") == (
        2, "error: --input_dir=x is not supported by --source=facts: leave it out")  # fmt: skip


def test_two_spellings_of_a_language_are_one_language_and_it_is_said(tmp_path):
    """pt-BR and pt, zh-TW and zh-Hant: one store has one language each, and its summary names the other code."""
    lines = [
        {"query": {"pt": "uma"}, "passage": {"zh-TW": "一"}},
        {"query": {"pt-BR": "duas"}, "passage": {"zh-Hant": "二"}},
        {"query": "três", "passage": "quatro", "language": "por", "group": "g"},
        {"query": "three", "passage": "four", "language": "eng-Latn", "group": "g"},
    ]
    write(tmp_path / "in", train=lines)
    found = list(rows(tmp_path / "in" / "train.jsonl"))
    assert found[-4:] == [
        Respelled("eng-Latn", "en", 1), Respelled("por", "pt", 1), Respelled("pt-BR", "pt", 1),
        Respelled("zh-TW", "zh-Hant", 1),
    ]  # fmt: skip
    assert [row.query for row in found[:-4]] == [{"pt": "uma"}, {"pt": "duas"}, {"en": "three", "pt": "três"}]
    tokenizer = small_stores.make_tokenizer(tmp_path / "tokenizer")
    manifest = build_store("jsonl", "train", tmp_path / "raw", tmp_path / "store", tokenizer, input_dir=tmp_path / "in")
    assert manifest["languages"] == ["en", "pt", "zh-Hant"]
    said = [line for line in summary(manifest) if "counted as" in line]
    assert said[0] == "  rows with texts in 'eng-Latn': 1, counted as en, the same language" and len(said) == 4

"""What all sources of rows share: where to get the files, rows that cannot be used, builds that were killed."""

import importlib
import json
import shutil
import subprocess
import sys
import time
from pathlib import Path

import pytest

from data_prep.build_store import build_store, summary
from data_prep.builders import rows as rows_builder
from data_prep.builders.base import BAD_ROWS
from data_prep.builders.row import Row
from data_prep.sources import registry
from data_prep.train_sentencepiece import train_sentencepiece
from hbt_jax.data.store import open_store
from hbt_jax.errors import InputError
from tests.data_prep.source_rows import FIXTURES, dropped, rows

ROOT = Path(__file__).resolve().parents[3]
OFFICIAL = [
    "cc3m35l", "coco35l", "duorc", "entityquestions", "mfaq", "mmarco", "mrtydi", "newsqa", "nq",
    "squadshifts", "wikiqa", "yahoo",
]  # fmt: skip


def change(path, old, new):
    content = path.read_text(encoding="utf-8")
    assert old in content
    path.write_text(content.replace(old, new, 1), encoding="utf-8", newline="")


# source, split, file, its text, what it becomes, the message, rows that are left
BAD = [
    ("wikiqa", "train", "WikiQA-train.tsv", "D1-3\t", "D1-3 ", r"tsv:5: 6 columns: expected 7 separated by tabs", 1),
    ("wikiqa", "train", "WikiQA-train.tsv", "abdomen.\t1", "abdomen.\tx", r"tsv:3: Label is 'x': expected 0 or 1", 1),
    ("duorc", "train", "SelfRC_train.json", '"no_answer": false', '"no_answer": 0',
     r"SelfRC_train.json:2: qa\[0\]: no_answer is 0: expected true or false", 2),
    ("duorc", "train", "ParaphraseRC_train.json", '"plot"', '"story"', r"RC_train.json:1: missing field 'plot'", 2),
    ("yahoo", "train", "nfL6.json", '"answer": "You don\'t."', '"answer": 4', "json:1: answer is 4: expected a str", 1),
    ("mfaq", "train", "cs/train.jsonl", "Jak", "\\ud800", r"l:1: qa_pairs\[0\]: question holds '\\ud800': expected", 2),
    ("mfaq", "train", "en/train.jsonl", '"en"', '"xx"', "l:1: language has the unknown language 'xx': expected a", 2),
    ("nq", "train", "biencoder-nq-train.json", '"text": "Rembrandt painted it in 1642."', '"text": ""',
     r"train.json:2: positive_ctxs\[1\]: text is empty: expected a text", 0),
    ("entityquestions", "train", "train/P19.train.json", "Where was Bo", "When was Bo",
     r"P19.train.json:1: question is \"When was Bo Tarn born\?\": expected the wording 'Where was \[E\] born\?'", 2),
    ("entityquestions", "train", "psgs_w100.tsv", "old.\"\t", "old.\" ", "w100.tsv:7: 2 columns: expected 3 separ", 3),
    ("mrtydi", "train", "swahili/qrels.train.txt", "5#1", "5#9", "train.txt:1: no passage '5#9' in docs.jsonl", 2),
    ("mrtydi", "train", "swahili/qrels.train.txt", "0\tQ0", "4\tQ0", "txt:1: no question '4' in topic.train.tsv", 2),
    ("mrtydi", "train", "mrtydi-v1.1-finnish/collection/docs.jsonl", '"10#1"', "10",
     "jsonl:2: id is 10: exp", 3),
    ("newsqa", "train", "combined-newsqa-data-v1.csv", "0.33,0.0,", "0.33,", "v1.csv:11: 6 columns: expected 7", 1),
    ("squadshifts", "validation", "nyt_v1.0.json", '"question": "Who cut it?"', '"question": ""',
     r"nyt_v1.0.json: paragraph 1, question 'n2': question is empty: expected a text", 1),
    ("parallel", "train", "de.txt", "Guten Morgen.", "\udcff", "de.txt:1: not UTF-8 text .*: save the file as", 1),
    ("wordpairs", "train", "en-sw.tsv", "water\tmaji", "water", "en-sw.tsv:2: 1 columns: expected 2 .*, en, sw", 4),
]  # fmt: skip


@pytest.mark.parametrize(
    ("source", "split", "name", "old", "new", "message", "left"),
    BAD,
    ids=lambda value: value if isinstance(value, str) and value in registry.SOURCES else "",
)
def test_a_row_that_cannot_be_used_stops_the_build_or_is_set_aside(
    tmp_path, source, split, name, old, new, message, left
):
    folder = shutil.copytree(FIXTURES / source, tmp_path / "in")
    if new == "\udcff":  # bytes that are no text
        path = folder / name
        path.write_bytes(path.read_bytes().replace(old.encode(), b"\xff", 1))
    else:
        change(folder / name, old, new)
    with pytest.raises(InputError, match=message):
        registry.builder(source, "pairs", tmp_path / "stop", input_dir=folder)
    settings = {"input_dir": folder, "on_bad_row": "skip"}
    if not left:
        with pytest.raises(InputError, match=rf"{split} has no usable row \(left out: .*1 {BAD_ROWS}"):
            registry.builder(source, "pairs", tmp_path / "skip", **settings)
        return
    assert len(rows(source, tmp_path / "skip", split, **settings)) == left
    assert dropped(source, tmp_path / "skip", split, **settings)[f"{BAD_ROWS}, listed in rejects-{split}.jsonl"] == 1
    data_dir = registry.builder(source, "pairs", tmp_path / "skip", **settings).data_path
    [listed] = (data_dir / f"rejects-{split}.jsonl").read_text().splitlines()
    assert str(folder) in json.loads(listed)["row"]


@pytest.mark.parametrize("source", OFFICIAL)
def test_an_official_source_says_whose_it_is_and_where_to_get_it(tmp_path, source):
    module, _, name = registry.SOURCES[source].partition(":")
    made = getattr(importlib.import_module(module), name)
    assert made.CITATION.startswith("@") and made.LICENSE and made.HOMEPAGE.startswith("https://")
    (tmp_path / "in").mkdir()
    with pytest.raises(InputError, match=r"in holds no data: expected .*https://"):
        registry.builder(source, "pairs", tmp_path / "raw", input_dir=tmp_path / "in")


def test_a_source_becomes_a_store_that_says_what_was_left_out(tmp_path):
    given = {"input_dir": FIXTURES / "mrtydi"}
    train_sentencepiece("mrtydi", tmp_path / "raw", tmp_path / "tokenizer", 45, **given)
    manifest = build_store("mrtydi", "train", tmp_path / "raw", tmp_path / "store", tmp_path / "tokenizer", **given)
    assert "  dropped: 1 questions without a passage judged relevant" in summary(manifest)
    store = open_store(tmp_path / "store")
    assert store.languages == ("fi", "sw") and store.pairs.query_A.tolist() == [0, 0, 1]


STOPPED_HALFWAY = """
import sys, time
from pathlib import Path
from data_prep.sources import registry, yahoo
read = yahoo.Yahoo.read

def slow(self, files):
    yield next(read(self, files))
    Path(sys.argv[1]).touch()
    time.sleep(600)

yahoo.Yahoo.read = slow
registry.builder("yahoo", "pairs", sys.argv[2], input_dir=sys.argv[3])
"""


def test_reading_a_table_has_no_tuning_thread_that_could_hold_its_end(tmp_path):
    made = registry.prepared("wikiqa", "queries", "train", tmp_path / "raw", input_dir=FIXTURES / "wikiqa")
    assert registry._batches(made, "train").options().autotune.enabled is False
    read = [id_ for columns in registry.columns(made, "train") for id_ in columns["id"]]
    assert len(read) == made.info.splits["train"].num_examples > 0


def test_what_a_killed_build_left_is_removed_and_a_running_one_is_not_disturbed(tmp_path):
    started, raw, given = tmp_path / "started", tmp_path / "raw", FIXTURES / "yahoo"
    running = subprocess.Popen([sys.executable, "-c", STOPPED_HALFWAY, started, raw, given], cwd=ROOT)
    try:
        while not started.exists():
            assert running.poll() is None
            time.sleep(0.1)
        with pytest.raises(
            InputError, match=f"raw/yahoo is in use by process {running.pid} on host .* or choose another --raw_dir"
        ):
            registry.builder("yahoo", "pairs", raw, input_dir=given)
    finally:
        running.kill()
        running.wait()
    left = [path.name for path in (raw / "yahoo" / "pairs").iterdir()]
    assert left and all(name.startswith("incomplete.") for name in left)
    assert len(rows("yahoo", raw)) == 2
    assert [path.name for path in (raw / "yahoo" / "pairs").iterdir()] == ["1.1.0"]


def test_counts_of_the_sources_own_rules_do_not_depend_on_bad_rows(tmp_path):
    assert len(rows("yahoo", tmp_path)) == 2
    registry.builder("yahoo", "pairs", tmp_path, input_dir=FIXTURES / "yahoo", on_bad_row="skip")


def test_an_item_is_written_once_however_many_rows_name_it(tmp_path, monkeypatch):
    monkeypatch.setattr(rows_builder, "_BATCH", 3)
    numbers = [4, 1, 4, 2, 1, 0, 0, 7, 2, 4]
    rows = [
        Row({"en": "q"}, {"en": f"p{number}", "de": f"d{number}"}, ({"en": f"n{number % 2}"},), "g")
        for number in numbers
    ]

    def written(table):
        return [record["text"] for record in rows_builder.DistinctItems(table, tmp_path).records(rows)]

    found = written("passages")
    assert found == ["d4", "p4", "n0", "d1", "p1", "n1", "d2", "p2", "d0", "p0", "d7", "p7"]
    assert written("queries") == ["q"]


@pytest.mark.parametrize("batch", [1, 2, 100])
def test_items_that_differ_only_in_how_they_were_typed_are_merged_and_counted(tmp_path, monkeypatch, batch):
    monkeypatch.setattr(rows_builder, "_BATCH", batch)
    first, *typed = [
        "Málaga está aquí",
        "Ma\u0301laga está aquí",
        " Málaga  está\u00a0aquí\n",
        "Málaga\u200b está aquí",
    ]
    rows = [Row({"es": "q"}, {"es": text}, (), "g") for text in [first, *typed, first, "MÁLAGA ESTÁ AQUÍ", typed[0]]]
    items = rows_builder.DistinctItems("passages", tmp_path)
    assert [record["text"] for record in items.records(rows)] == [first, "MÁLAGA ESTÁ AQUÍ"]
    assert items.merged == 3
    assert len({pair["passage"] for pair in rows_builder.pairs(rows)}) == 2

"""The source `pairs`: from files to tables and stores, and what is said on the way."""

import json

import pytest

from data_prep.build_store import build_store, summary
from data_prep.builders.base import BAD_ROWS
from data_prep.sources import registry
from data_prep.train_sentencepiece import train_sentencepiece
from hbt_jax.data.store import open_store
from hbt_jax.errors import InputError
from tests.data_prep.small_stores import QUESTIONS, SENTENCES, make_tokenizer
from tests.data_prep.sources.pairs.small_files import FLAGEMBEDDING, TRIPLETS, write, write_beir

ROWS = [
    {"query": query, "pos": [passage], "neg": [other], "pos_scores": [score], "neg_scores": [-score]}
    for query, passage, other, score in zip(
        QUESTIONS["de"], SENTENCES["de"], SENTENCES["de"][1:] + SENTENCES["de"][:1], (1, 2, 3, 4), strict=True
    )
]


@pytest.fixture(scope="module")
def tokenizer(tmp_path_factory):
    return make_tokenizer(tmp_path_factory.mktemp("made") / "tokenizer")


def test_scores_of_a_file_are_in_the_store(tmp_path, tokenizer, capsys):
    wrong = {**ROWS[0], "neg_scores": None}
    path = write(tmp_path / "in" / "train.jsonl", [*ROWS, wrong])
    given = {"input": [str(path)], "language": "de"}
    with pytest.raises(InputError, match=rf"{path}:5: no scores of the negatives, but {path}:1 has some"):
        build_store("pairs", "train", tmp_path / "raw", tmp_path / "store", tokenizer, **given)
    assert f"train: train.jsonl: flagembedding, from the columns {', '.join(ROWS[0])}\n" in capsys.readouterr().out
    given["on_bad_row"] = "skip"
    manifest = build_store("pairs", "train", tmp_path / "raw", tmp_path / "store", tokenizer, **given)
    store = open_store(tmp_path / "store")
    assert store.languages == ("de",) and store.pairs.score_A.tolist() == [1, 2, 3, 4]
    assert store.pairs.negative_scores.tolist() == [-1, -2, -3, -4]
    lines = summary(manifest)
    assert "  teacher scores: 4 pairs, 4 negatives" in lines
    assert f"  dropped: 1 {BAD_ROWS}, listed in rejects-train.jsonl" in lines
    assert manifest["source"]["metadata"]["read"][0].startswith("train: train.jsonl: flagembedding")
    [rejected] = (tmp_path / "raw/pairs/pairs/1.0.0/rejects-train.jsonl").read_text().splitlines()
    assert f"{path}:5: no scores" in json.loads(rejected)["row"]


def test_spellings_of_a_language_and_repeated_negatives_are_said(tmp_path, tokenizer):
    rows = [
        {**row, "language": code, "neg": row["neg"] * 2, "neg_scores": row["neg_scores"] * 2}
        for row, code in zip(ROWS, ("de", "deu", "de-DE", "deu"), strict=True)
    ]
    path = write(tmp_path / "in" / "train.jsonl", rows)
    given = {"input": [str(path)]}
    manifest = build_store("pairs", "train", tmp_path / "raw", tmp_path / "store", tokenizer, **given)
    assert open_store(tmp_path / "store").languages == ("de",)
    assert manifest["source"]["metadata"]["respelled"]["train"] == {
        "de-DE": {"language": "de", "rows": 1},
        "deu": {"language": "de", "rows": 2},
    }
    assert any("deu" in line for line in summary(manifest))
    assert manifest["dropped"] == {"negatives that their row has already": 4}
    rows[2]["neg_scores"] = [1, 2]
    write(path, rows)
    with pytest.raises(
        InputError, match=rf"{path}:3: the negative '.*' is there twice, with the scores 1 and 2: expec"
    ):
        build_store("pairs", "train", tmp_path / "raw2", tmp_path / "store2", tokenizer, **given)


@pytest.mark.parametrize("code", ["tl", "fil", "tgl_Latn"])
def test_a_language_given_by_the_flag_has_its_one_code(tmp_path, tokenizer, capsys, code):
    """tl stays in the results of published benchmarks alone; a column `language` makes it fil too."""
    path = write(tmp_path / "in" / "train.jsonl", ROWS)
    build_store("pairs", "train", tmp_path / "raw", tmp_path / "store", tokenizer, input=[str(path)], language=code)
    assert open_store(tmp_path / "store").languages == ("fil",)
    said = f"--language={code}: counted as fil, the same language"
    assert (said in capsys.readouterr().out) == (code != "fil")


def test_several_inputs_are_one_source_and_other_settings_another(tmp_path, tokenizer):
    beir = write_beir(
        tmp_path / "beir",
        [{"_id": "d", "title": "", "text": "p1"}],
        [{"_id": "q", "text": "q3"}],
        {"train": "q\td\t1\n"},
    )
    given = {"input": [str(write(tmp_path / "a" / "x.jsonl", TRIPLETS)), str(beir)], "language": "en"}
    pairs = list(registry.records("pairs", "pairs", "train", tmp_path / "raw", **given))
    assert len(pairs) == 3 and pairs[0]["passage"] == pairs[2]["passage"] and pairs[0]["score"] == []
    digests = registry.builder("pairs", "pairs", tmp_path / "raw", **given).info.metadata["files"]
    assert sorted(digests) == ["a/x.jsonl", "beir/corpus.jsonl", "beir/qrels/train.tsv", "beir/queries.jsonl"]
    with pytest.raises(InputError, match=r"other files than those in --input, .*: --language is changed from en to de"):
        registry.builder("pairs", "pairs", tmp_path / "raw", **{**given, "language": "de"})
    with pytest.raises(InputError, match="source pairs has no split 'test': it has train .*; correct --split"):
        list(registry.records("pairs", "pairs", "test", tmp_path / "raw", **given))
    train_sentencepiece("pairs", tmp_path / "raw", tmp_path / "tokenizer", 20, **given)


@pytest.mark.parametrize(("settings", "message"), [
    ({"language": "de", "columns": ["positive"]}, "--columns=positive: expected EXPECTED=YOURS,"),
    ({"language": "de", "columns": ["positive=a", "query=a"]}, "--columns=positive=a,query=a: expected EXPECTED=YOURS"),
    ({"language": "xxx-nope"}, "--language=xxx-nope: unknown language 'xxx-nope'"),
    ({"language": "de", "format": "arrow"}, "--format=arrow: expected one of auto, tevatron, "),
    ({"language": "de", "format": "beir"}, "expected a folder with corpus.jsonl, queries.jsonl and qrels"),
])  # fmt: skip
def test_wrong_settings_are_one_clear_line(tmp_path, settings, message):
    path = write(tmp_path / "a.jsonl", FLAGEMBEDDING)
    with pytest.raises(InputError, match=message):
        registry.builder("pairs", "pairs", tmp_path / "raw", input=[str(path)], **settings)


def test_flags_of_pairs_are_refused_for_other_sources_and_its_own_is_needed():
    assert registry.settings("pairs", input=["x"], columns=[], language="de") == {"input": ["x"], "language": "de"}
    with pytest.raises(InputError, match="--input is needed for --source=pairs: files or folders"):
        registry.settings("pairs", language="de")
    with pytest.raises(InputError, match="--columns=a=b,c=d is not supported by --source=jsonl: leave it out"):
        registry.settings("jsonl", input_dir="x", columns=["a=b", "c=d"])
    with pytest.raises(InputError, match="--input_dir=x is not supported by --source=pairs"):
        registry.settings("pairs", input_dir="x")


def test_a_data_set_of_the_hub_is_read_from_the_librarys_cache(tmp_path, monkeypatch):
    datasets = pytest.importorskip("datasets")
    monkeypatch.setattr(datasets.config, "HF_DATASETS_CACHE", tmp_path / "cache")
    write(tmp_path / "hub" / "data" / "validation-00000-of-00001.parquet", TRIPLETS)
    given = {
        "input": [str(tmp_path / "hub")],
        "hub_split": "validation",
        "language": "en",
    }  # a folder as if from the hub
    assert len(list(registry.records("pairs", "pairs", "train", tmp_path / "raw", **given))) == 2
    with pytest.raises(
        InputError, match=r"--hub_split=validation\[:1\]: expected the name of a split, .* without a slic"
    ):
        registry.builder("pairs", "pairs", tmp_path / "raw", **{**given, "hub_split": "validation[:1]"})
    with pytest.raises(InputError, match=r"hub --hub_split=dev: ValueError: Unknown split \"dev\""):
        registry.builder("pairs", "pairs", tmp_path / "raw", **{**given, "hub_split": "dev"})


def test_without_the_library_the_extra_is_named(tmp_path, monkeypatch):
    monkeypatch.setattr("data_prep.sources.pairs.hub.importlib.util.find_spec", lambda name: None)
    with pytest.raises(InputError, match=r"--hub_split needs the package `datasets`: .*'\.\[datasets\]'"):
        registry.builder("pairs", "pairs", tmp_path, input=["some/where"], hub_split="train")

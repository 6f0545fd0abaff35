"""MLDR in its official layout."""

import gzip
import json

import pytest

from hbt_jax.errors import InputError
from hbt_jax.evaluation.benchmarks.registry import load_benchmark

QUERY = {"query_id": "q-1", "query": "where?", "positive_passages": [{"docid": "doc-ar-0", "text": "here"}],
         "negative_passages": []}  # fmt: skip


def write(root, code="ar", rows=(QUERY,)):
    folder = root / "mldr" / f"mldr-v1.0-{code}"
    folder.mkdir(parents=True)
    for name, lines in (("test", rows), ("corpus", [{"docid": "doc-ar-0", "text": "here"}])):
        (folder / f"{name}.jsonl.gz").write_bytes(gzip.compress("".join(f"{json.dumps(r)}\n" for r in lines).encode()))
    return folder


def test_queries_judgements_and_corpora(tmp_path):
    write(tmp_path)
    write(tmp_path, "zh")
    benchmark = load_benchmark("mldr", str(tmp_path))
    assert benchmark.is_streamed and benchmark.languages == ("ar", "zh")
    assert benchmark.queries.ids == ["ar:q-1", "zh:q-1"] and benchmark.grades == [{"doc-ar-0": 1}] * 2
    assert [shard.language for shard in benchmark.shards] == ["ar", "zh"]
    assert benchmark.passage({"docid": "d", "text": "t"}) == ("d", "t")
    for wrong, message in (
        ({"docid": "d"}, "no field 'text': expected a text"),
        ({"docid": "d", "text": None}, "field 'text' is null: expected a text"),
        ({"docid": "a b", "text": "t"}, "white space"),
    ):
        with pytest.raises(ValueError, match=message):
            benchmark.passage(wrong)


@pytest.mark.parametrize(("codes", "known"), [(("zh", "zh-CN"), "zh"), (("fil", "tl"), "fil")])
def test_two_folders_of_one_language_are_refused(tmp_path, codes, known):
    for code in codes:
        write(tmp_path, code)
    with pytest.raises(InputError, match=f"v1.0-{codes[0]} and .*v1.0-{codes[1]} are both in '{known}': expected one"):
        load_benchmark("mldr", str(tmp_path))


@pytest.mark.parametrize(
    ("rows", "message"),
    [
        ([QUERY, QUERY], "test.jsonl.gz:2: query_id 'q-1' occurs twice"),
        ([{**QUERY, "positive_passages": []}], "test.jsonl.gz:1: positive_passages is []: expected documents"),
        ([{**QUERY, "query": " "}], "test.jsonl.gz:1: query is empty"),
        ([{"query": "x"}], "test.jsonl.gz:1: missing field 'query_id'"),
    ],
)
def test_what_is_wrong_is_named(rows, message, tmp_path):
    write(tmp_path, rows=rows)
    with pytest.raises(InputError) as caught:
        load_benchmark("mldr", str(tmp_path))
    assert message in str(caught.value)


def test_missing_files_are_named(tmp_path):
    (tmp_path / "mldr").mkdir()
    with pytest.raises(InputError, match=r"no mldr-v1.0-LANG in it: an mldr folder holds"):
        load_benchmark("mldr", str(tmp_path))
    (write(tmp_path) / "corpus.jsonl.gz").unlink()
    with pytest.raises(InputError, match=r"mldr-v1.0-ar: no corpus.jsonl.gz in it"):
        load_benchmark("mldr", str(tmp_path))

"""MIRACL's layout: what is read, and the text of every error."""

import gzip
import os

import pytest

from hbt_jax.errors import InputError
from hbt_jax.evaluation.benchmarks.benchmark import Benchmark
from hbt_jax.evaluation.benchmarks.registry import load_benchmark
from hbt_jax.evaluation.streamed import read as corpus
from tests.evaluation import make_miracl


@pytest.fixture
def folder(tmp_path):
    return make_miracl.write(tmp_path / "miracl")


def load(folder, *chosen):
    return load_benchmark("miracl", str(folder.parent), miracl_languages=chosen)


def test_reads_topics_qrels_and_the_list_of_shards(folder):
    benchmark = load(folder)
    assert not isinstance(benchmark, Benchmark)
    assert benchmark.languages == ("en", "sw", "yo")
    assert benchmark.queries.count_by_language() == make_miracl.QUERIES
    assert benchmark.queries.ids[:2] == ["en:0", "en:1"] and benchmark.queries.ids[-1] == "yo:2"
    assert [shard.name for shard in benchmark.shards] == [
        *("en-docs-0", "en-docs-1", "en-docs-2"),
        *("sw-docs-0", "sw-docs-1"),
        "yo-docs-0",
    ]
    wanted = {docid: grade for query, docid, grade in make_miracl.judgements("sw") if query == "1"}
    assert benchmark.grades[benchmark.queries.ids.index("sw:1")] == wanted
    assert sorted(wanted.values()) == [0, 0, 0, 1, 1, 2]
    assert benchmark.settings["languages"] == ["en", "sw", "yo"]


def test_a_passage_is_title_and_text(folder):
    benchmark = load(folder)
    (shard, *_) = benchmark.shards
    read = [(id_, text) for _, _, id_, text in corpus.passages(shard, benchmark.passage)]
    rows = make_miracl.passages("en")[:40]
    assert [id_ for id_, _ in read] == [row["docid"] for row in rows]
    assert read[1][1] == f"{rows[1]['title']} {rows[1]['text']}"
    assert read[2][1] == rows[2]["text"] and rows[2]["title"] == ""


def test_some_languages_are_chosen(folder):
    benchmark = load(folder, "yo", "en")
    assert benchmark.languages == ("en", "yo")
    assert {shard.language for shard in benchmark.shards} == {"en", "yo"}


def test_ten_shards_and_more_are_in_the_order_of_their_numbers(folder):
    make_miracl.write_shards(folder, "en", (8,) * 11)
    names = [shard.name for shard in load(folder, "en").shards]
    assert names == [f"en-docs-{number}" for number in range(11)]


def remove(path):
    path.unlink()


def rewrite(path, change):
    path.write_text(change(path.read_text(encoding="utf-8")), encoding="utf-8")


@pytest.mark.parametrize(
    ("spoil", "message"),
    [
        (
            lambda f: remove(make_miracl.shard_path(f, "en", 1)),
            r"miracl-corpus-v1.0-en: docs-1.jsonl.gz is missing, though docs-2.jsonl.gz is there \(1 missing in all\)",
        ),
        (
            lambda f: remove(make_miracl.shard_path(f, "yo", 0)),
            r"miracl-corpus-v1.0-yo: no docs-0.jsonl.gz in it: fetch the corpus; hbt_jax/evaluation/benchmarks/miracl",
        ),
        (
            lambda f: os.rename(f / "miracl-corpus-v1.0-sw", f / "elsewhere"),
            r"miracl: no corpus of sw: expected miracl-corpus-v1.0-sw: fetch it; --miracl_languages=en,yo takes those",
        ),
        (
            lambda f: os.rename(f / "miracl-v1.0-sw", f / "elsewhere"),
            r"miracl: no topics of sw: expected miracl-v1.0-sw: fetch it; --miracl_languages=en,yo takes those that",
        ),
        (
            lambda f: (f / "miracl-v1.0-xx").mkdir(),
            r"miracl: unknown language 'xx': MIRACL has ar bn de en es fa fi fr hi id ja ko ru sw te th yo zh",
        ),
        (lambda f: remove(make_miracl.topics_path(f, "sw")), r"topics.miracl-v1.0-sw-dev.tsv: no such file"),
        (lambda f: remove(make_miracl.qrels_path(f, "sw")), r"qrels.miracl-v1.0-sw-dev.tsv: no such file"),
        (
            lambda f: make_miracl.topics_path(f, "sw").write_text("\n"),
            r"topics.miracl-v1.0-sw-dev.tsv: the file is empty",
        ),
        (
            lambda f: make_miracl.topics_path(f, "sw").write_bytes(b"0\tcaf\xe9\n"),
            r"topics.miracl-v1.0-sw-dev.tsv:1: not UTF-8 text",
        ),
        (
            lambda f: rewrite(make_miracl.topics_path(f, "sw"), lambda text: text + "9 no tab\n"),
            r"sw-dev.tsv:6: '9 no tab': expected an id without white space, a tab, a query",
        ),
        (
            lambda f: rewrite(make_miracl.topics_path(f, "sw"), lambda text: text + "9\t \n"),
            r"sw-dev.tsv:6: '9': expected an id without white space, a tab, a query",
        ),
        (
            lambda f: rewrite(make_miracl.topics_path(f, "sw"), lambda text: text + "0\tagain?\n"),
            r"sw-dev.tsv:6: query id '0' occurs twice: ids must be unique in a file",
        ),
        (
            lambda f: rewrite(make_miracl.topics_path(f, "sw"), lambda text: text + "9\tnew?\n"),
            r"topics.*sw-dev.tsv: 1 of 6 queries have no judgement in .*qrels.*sw-dev.tsv, the first is '9'",
        ),
        (
            lambda f: rewrite(make_miracl.qrels_path(f, "sw"), lambda text: text + "7 Q0 5#0 1\n"),
            r"qrels.*:31: unknown query id '7': it is not in .*topics.miracl-v1.0-sw-dev.tsv",
        ),
        (
            lambda f: rewrite(make_miracl.qrels_path(f, "sw"), lambda text: text + text.splitlines()[0] + "\n"),
            r"qrels.*:31: query '0' and candidate '.*' are judged twice: keep one line",
        ),
        (
            lambda f: rewrite(make_miracl.qrels_path(f, "sw"), lambda text: text + "0 Q0 5#0\n"),
            r"qrels.*:31: 3 fields: expected 4, QUERY_ID 0 CANDIDATE_ID GRADE",
        ),
        (
            lambda f: rewrite(make_miracl.qrels_path(f, "sw"), lambda text: "0 Q0 5#0 yes\n" + text),
            r"qrels.*:1: grade 'yes': expected a whole number, above 0 if relevant",
        ),
    ],
)
def test_wrong_files_are_one_clear_error(folder, spoil, message):
    spoil(folder)
    with pytest.raises(InputError, match=message) as raised:
        load(folder)
    assert "\n" not in str(raised.value)


def test_wrong_choices_are_one_clear_error(folder, tmp_path):
    with pytest.raises(InputError, match="--miracl_languages: unknown language 'xx': MIRACL has ar bn"):
        load(folder, "sw", "xx")
    for other, code in (("zh-CN", "zh"), ("cmn", "zh"), ("in", "id"), ("jp", "ja"), ("en_US", "en")):
        with pytest.raises(
            InputError, match=f"^--miracl_languages: unknown language '{other}': write {code}, its code h"
        ):
            load(folder, "sw", other)
    with pytest.raises(InputError, match="miracl: no corpus of de: expected miracl-corpus-v1.0-de: fetch it; --miracl"):
        load(folder, "sw", "de")
    (tmp_path / "empty" / "miracl").mkdir(parents=True)
    with pytest.raises(InputError, match="no folder miracl-v1.0-LANG or miracl-corpus-v1.0-LANG in it: hbt_jax/"):
        load_benchmark("miracl", str(tmp_path / "empty"))


ROW = '{"docid": "7#7", "title": "t", "text": "x"}\n'


@pytest.mark.parametrize(
    ("line", "message"),
    [
        ('{"docid": "1#1"\n', r"docs-0.jsonl.gz:2: not JSON \(.*\): expected one object per line"),
        ("[1]\n", r"docs-0.jsonl.gz:2: expected a JSON object with the fields of a passage, got list"),
        ('{"docid": "1#1", "title": "t"}\n', r"docs-0.jsonl.gz:2: missing field 'text': a line has docid, title, text"),
        (
            '{"docid": "1#1", "title": null, "text": "t"}\n',
            r":2: field 'title' is null: expected a text; a line has docid",
        ),
        ('{"docid": 1, "title": "t", "text": "x"}\n', r":2: field 'docid' is 1: expected a text; a line has docid"),
        ('{"docid": "1 1", "title": "t", "text": "x"}\n', r":2: docid '1 1' is empty or holds white space, which TREC"),
        ('{"docid": "1#1", "title": "t", "text": "\\ud800"}\n', r":2: 'utf-8' codec can't encode character"),
    ],
)
def test_a_wrong_passage_is_an_error_that_names_the_line(folder, line, message):
    path = make_miracl.shard_path(folder, "yo", 0)
    with gzip.open(path, "wt", encoding="utf-8") as file:
        file.write(ROW + line)
    benchmark = load(folder, "yo")
    with pytest.raises(InputError, match=message):
        list(corpus.blocks(benchmark.shards[0], benchmark.passage, 10))


def test_a_shard_that_is_cut_off_or_damaged_or_empty_is_an_error(folder):
    path = make_miracl.shard_path(folder, "yo", 0)
    benchmark, content = load(folder, "yo"), path.read_bytes()

    def read():
        return [part for part in corpus.blocks(benchmark.shards[0], benchmark.passage, 4)]

    assert [len(part.texts) for part in read()] == [4, 4, 1]
    path.write_bytes(content[:-20])
    with pytest.raises(InputError, match=r"docs-0.jsonl.gz: damaged or cut off after line \d+ \(.*\): download"):
        read()
    path.write_bytes(b"plain text\n")
    with pytest.raises(InputError, match=r"damaged or cut off after line 0 \(Not a gzipped file"):
        read()
    path.write_bytes(gzip.compress(b"\n"))
    with pytest.raises(InputError, match=r"docs-0.jsonl.gz: the file is empty"):
        read()


def test_a_reader_holds_two_blocks_however_long_the_file_is(folder):
    """The third block is not read before the first is given back."""
    benchmark = load(folder, "en")
    lines = []

    def passage(fields):
        lines.append(fields["docid"])
        return benchmark.passage(fields)

    read = corpus.blocks(benchmark.shards[0], passage, 5)
    for taken in range(1, 6):
        part = next(read)
        assert len(part.texts) == 5
        assert 5 * taken <= len(lines) <= 5 * (taken + 1)
    read.close()

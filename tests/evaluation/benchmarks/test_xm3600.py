"""XM3600's captions.jsonl: relevance by picture, never oneself, and the text of every error."""

import gzip
import json
import os

import numpy as np
import pytest

from hbt_jax.errors import InputError
from hbt_jax.evaluation.benchmarks import xm3600
from hbt_jax.evaluation.benchmarks.registry import load_benchmark
from hbt_jax.evaluation.measures.metrics import METRICS, SETTINGS
from hbt_jax.evaluation.results.table import format_table
from hbt_jax.languages import XM3600
from tests.evaluation.ranked_small import evaluate
from tests.evaluation.test_ranked import by_trec_eval, macro

REAL = os.environ.get("HBT_JAX_DATA", "")
TWO = {
    "A": {"en": ["a red bus", "a bus at a stop"], "de": ["ein roter Bus"]},
    "B": {"en": ["two boats"], "de": ["zwei Boote"]},
}


def line(key, captions, **more):
    """One line as published: captions, and tokenised copies of them."""
    content = {"image/key": key, "image/locale": "en"}
    for code, texts in captions.items():
        tokenised = [text.split() for text in texts]
        content[code] = {"caption": texts, "caption/tokenized": tokenised, "caption/tokenized/lowercase": tokenised}
    return json.dumps(content | more) + "\n"


def lines(pictures):
    return "".join(line(key, captions) for key, captions in pictures.items())


@pytest.fixture
def read(tmp_path):
    """A function that writes captions.jsonl and reads it as the benchmark."""

    def write_and_read(content):
        folder = tmp_path / "xm3600"
        folder.mkdir(exist_ok=True)
        (folder / "captions.jsonl").write_text(content, encoding="utf-8")
        return load_benchmark("xm3600", str(tmp_path))

    return write_and_read


def test_every_caption_is_a_query_and_a_candidate(read):
    benchmark = read(lines(TWO))
    assert benchmark.queries.ids == ["A:en:0", "A:en:1", "A:de:0", "B:en:0", "B:de:0"]
    assert benchmark.queries == benchmark.candidates
    assert benchmark.queries.items == ["A", "A", "A", "B", "B"]
    assert benchmark.queries.texts[1:4] == ["a bus at a stop", "ein roter Bus", "two boats"]
    assert benchmark.relevant_QG.tolist() == [[1, 2], [0, 2], [0, 1], [4, -1], [3, -1]]
    assert benchmark.excluded_QX.tolist() == [[0], [1], [2], [3], [4]]


def test_by_hand(read, tmp_path):
    """Scores of two pictures, with ties that the ids decide; each row leaves out the caption itself.

    query    its ranking over all (score)                          relevant at   AP
    A:en:0   B:de:0 (6)  A:de:0 (6)  A:en:1 (3)  B:en:0 (0)        2, 3          7/12
    A:en:1   B:en:0 (6)  B:de:0 (6)  A:de:0 (4)  A:en:0 (3)        3, 4          5/12
    A:de:0   B:de:0 (6)  A:en:0 (6)  A:en:1 (4)  B:en:0 (3)        2, 3          7/12
    B:en:0   B:de:0 (6)  A:en:1 (6)  A:de:0 (3)  A:en:0 (0)        1             1
    B:de:0   B:en:0 (6)  A:en:1 (6)  A:en:0 (6)  A:de:0 (6)        1             1
    """
    vectors = np.array([[3, 0], [1, 2], [2, 1], [0, 3], [2, 2]], np.float32)
    found = evaluate(
        read(lines(TWO)), vectors, vectors, out_dir=str(tmp_path / "out"), model_name="m", settings={}, counts={}
    )
    of_language = {
        code: {setting: block[setting].get("map") for setting in SETTINGS}
        for code, block in found["by_query_language"].items()
    }
    assert of_language["en"] == pytest.approx(
        {"monolingual": (1 + 1 / 2) / 2, "cross_lingual": (1 / 2 + 1 / 2 + 1) / 3, "multilingual": 2 / 3}
    )
    assert of_language["de"] == pytest.approx({"monolingual": None, "cross_lingual": 1, "multilingual": 19 / 24})
    assert found["metrics"]["monolingual"]["map"] == pytest.approx(3 / 4)
    assert found["metrics"]["multilingual"]["rank_distance"] == 1  # of the first two
    assert found["counts"]["counted_queries"]["monolingual"] == {"de": 0, "en": 2}
    assert found["counts"]["queries_without_monolingual"] == {"de": 2, "en": 1}
    assert "nothing else in their language is relevant): all of de, 1 of 3 in en" in format_table(found)
    run = (tmp_path / "out" / "xm3600" / "runs" / "multilingual.trec").read_text().splitlines()
    assert [row.split()[2] for row in run if row.startswith("A:en:0 ")] == ["B:de:0", "A:de:0", "A:en:1", "B:en:0"]


@pytest.fixture(scope="module")
def evaluated(tmp_path_factory):
    """(benchmark, folder of results, results) of 9 pictures in four languages, one to three captions, with ties."""
    rng = np.random.default_rng(7)
    pictures = {
        f"{key:04x}": {code: [f"{code} {key} {n}" for n in range(1 + (key + len(code)) % 3)] for code in codes}
        for key, codes in enumerate([["en", "de", "fil", "sw"], ["en", "de", "fil"], ["en", "sw"]] * 3)
    }
    base = tmp_path_factory.mktemp("xm3600")
    (base / "xm3600").mkdir()
    (base / "xm3600" / "captions.jsonl").write_text(lines(pictures), encoding="utf-8")
    benchmark = load_benchmark("xm3600", str(base))
    sides = [rng.integers(-2, 3, (len(benchmark.queries), 3)).astype(np.float32) for _ in range(2)]
    options = {"model_name": "m", "settings": {}, "counts": {}, "run_depth": 0, "run_settings": SETTINGS}
    return benchmark, base / "out" / "xm3600", evaluate(benchmark, *sides, out_dir=str(base / "out"), **options)


@pytest.mark.parametrize("setting", ["monolingual", "multilingual"])
def test_trec_eval_agrees(evaluated, setting):
    benchmark, folder, found = evaluated
    qrels = folder / ("qrels.trec" if setting == "multilingual" else "runs/monolingual.qrels")
    language = dict(zip(benchmark.queries.ids, benchmark.queries.languages, strict=True))
    theirs = macro(by_trec_eval(folder / "runs" / f"{setting}.trec", qrels), language)
    for metric in METRICS:
        assert found["metrics"][setting][metric] == pytest.approx(theirs[metric], abs=1e-6)


def test_trec_eval_agrees_on_every_pair(evaluated):
    benchmark, folder, found = evaluated
    language = dict(zip(benchmark.queries.ids, benchmark.queries.languages, strict=True))
    for code in benchmark.languages:
        run = folder / "runs" / f"cross_lingual-{code}.trec"
        values = by_trec_eval(run, run.with_suffix(".qrels"))
        for other in {language[query] for query in values}:
            theirs = macro({query: value for query, value in values.items() if language[query] == other}, language)
            for metric in METRICS:
                assert found["by_pair"][f"{other}-{code}"][metric] == pytest.approx(theirs[metric], abs=1e-6)
    assert len(found["by_pair"]) == 12


def test_no_run_lists_the_query_itself(evaluated):
    benchmark, folder, _ = evaluated
    run = [row.split() for row in (folder / "runs" / "multilingual.trec").read_text().splitlines()]
    assert len(run) == len(benchmark.queries) * (len(benchmark.candidates) - 1)
    for path in (folder / "runs").glob("*.trec"):
        assert all(row.split()[0] != row.split()[2] for row in path.read_text().splitlines())
    assert all(row.split()[0] != row.split()[2] for row in (folder / "qrels.trec").read_text().splitlines())


def test_a_caption_of_two_pictures_is_counted_and_judged_by_its_picture(read):
    copies = {"C": {"en": ["two  boats", "a red\u200b bus"], "de": ["two boats"]}, "D": {"en": ["x", "x "]}}
    benchmark = read(lines(TWO | copies))
    assert benchmark.relevant_QG[5:].tolist() == [[6, 7], [5, 7], [5, 6], [9, -1], [8, -1]]
    assert benchmark.counts["copies"] == {"captions": 2}
    assert benchmark.notes[-1] == (
        "2 captions have the same text as another one in their language, such as C:en:0 (a copy of B:en:0): they are"
        " not merged, as a caption is judged by its picture"
    )


def test_a_caption_alone_is_a_candidate_only(read):
    benchmark = read(lines(TWO | {"C": {"te": ["ఒక పిల్లి"]}}))
    assert benchmark.candidates.ids[-1] == "C:te:0" and "C:te:0" not in benchmark.queries.ids
    assert benchmark.relevant_QG.shape == (5, 2) and benchmark.excluded_QX.tolist() == [[0], [1], [2], [3], [4]]
    assert benchmark.counts["captions_without_another"] == 1
    assert "1 captions are the only one of their picture: they are candidates but not queries" in benchmark.notes


def test_another_file_than_the_published_one_says_so(read, tmp_path):
    benchmark = read(lines(TWO | {"C": {"en": ["a cat"], "sw": ["paka", "paka mmoja"], "de": []}}))
    assert benchmark.notes[0] == (
        "not the published XM3600 (3,600 pictures with 261,375 captions in 36 languages) but 3 pictures with 8"
        " captions in 3 languages"
    )
    assert benchmark.notes[1] == f"no captions in {' '.join(code for code in XM3600 if code not in ('de', 'en', 'sw'))}"
    assert benchmark.notes[2] == "pictures of 3 without a caption in a language: de 1, sw 2"
    assert benchmark.counts["pictures_without"]["sw"] == 2
    vectors = np.eye(8, dtype=np.float32)
    found = evaluate(benchmark, vectors, vectors, out_dir=str(tmp_path), model_name="m", settings={}, counts={})
    assert found["notes"] == list(benchmark.notes) and all(note in format_table(found) for note in found["notes"])
    assert found["counts"]["pictures"] == 3


def test_a_file_of_the_published_size_must_have_the_published_numbers(read, monkeypatch):
    monkeypatch.setattr(xm3600, "PUBLISHED", {"pictures": 2, "languages": 2, "captions": 5})
    assert not [note for note in read(lines(TWO)).notes if "not the published" in note]
    monkeypatch.setattr(xm3600, "PUBLISHED", {"pictures": 2, "languages": 2, "captions": 6})
    message = (
        r"captions\.jsonl: 2 pictures with 5 captions in 2 languages, expected 2 pictures with 6 captions in 2"
        r" languages, the published numbers: the file is not the whole official one; the official file is that of http"
    )
    with pytest.raises(InputError, match=message):
        read(lines(TWO))


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (lines(TWO) + '{"image/key": \n', r"captions.jsonl:3: not JSON \(.*\): expected one object per line"),
        (lines(TWO) + "[]\n", r"captions.jsonl:3: expected a JSON object with image/key and the captions of each lan"),
        ('{"en": {"caption": ["x"]}}\n', r"captions.jsonl:1: missing field 'image/key': expected the name"),
        ('{"image/key": null, "en": {"caption": ["x"]}}\n', r"captions.jsonl:1: image/key is null: expected a string"),
        (line(3, {"en": ["x"]}), r"captions.jsonl:1: image/key is 3: expected a string, the name of the picture"),
        (line("a b", {"en": ["x"]}), r"captions.jsonl:1: image/key 'a b' is empty or holds white space"),
        (
            line("A", {"en": ["x"]}) + line("A", {"de": ["x"]}),
            r"captions.jsonl:2: duplicate picture 'A', first at .*captions.jsonl:1: one line per picture",
        ),
        (line("A", {"xx": ["x"]}), r"captions.jsonl:1: unknown language 'xx': XM3600 has ar bn .* vi zh"),
        (line("A", {"tl": ["x"]}), r"captions.jsonl:1: unknown language 'tl': write fil, its code here$"),
        (line("A", {"iw": ["x"]}), r"captions.jsonl:1: unknown language 'iw': write he, its code here$"),
        (line("A", {"zh-Hans": ["x"]}), r"captions.jsonl:1: unknown language 'zh-Hans': write zh, its code here$"),
        (line("A", {"yo": ["x"]}), r"captions.jsonl:1: unknown language 'yo': XM3600 has"),
        (line("A", {}, en=["x"]), r'captions.jsonl:1: en is \["x"\]: expected {"caption": \[texts\], ...}'),
        (line("A", {}, en={"caption": "x"}), r'captions.jsonl:1: en is {"caption": "x"}: expected {"caption": \[te'),
        (line("A", {}, en={"caption": [3]}), r'captions.jsonl:1: en is {"caption": \[3\]}: expected {"caption"'),
        (line("A", {"en": ["x", " \n"]}), r"captions.jsonl:1: caption 1 in en is empty: drop it or give the text"),
        (line("A", {"en": ["x", "\ud83d"]}), r"captions.jsonl:1: caption 1 in en holds '\\ud83d': expected whole char"),
        (line("A", {"en": []}), r"captions.jsonl:1: picture 'A' has no caption in any language: drop the line"),
        (line("A", {}), r"captions.jsonl:1: picture 'A' has no caption in any language"),
        ('{"image/key": "A", "en": {"caption": ["x"]}, "en": {"caption": []}}\n', r"captions.jsonl:1: field 'en' occ"),
        (line("A", {"en": ["x"]}) + line("B", {"en": ["y"]}), r"captions.jsonl: no picture has two captions: expected"),
        ("\n\n", r"captions.jsonl: the file is empty: expected at least one line"),
    ],
)
def test_a_wrong_line_is_an_error_that_names_it(read, content, message):
    with pytest.raises(InputError, match=message):
        read(content)


def test_a_file_in_another_encoding_is_an_error(read, tmp_path):
    read(lines(TWO))
    path = tmp_path / "xm3600" / "captions.jsonl"
    path.write_bytes(path.read_bytes() + b'{"image/key": "caf\xe9"}\n')
    with pytest.raises(InputError, match=r"captions\.jsonl:3: not UTF-8 text \(.*\): save the file as UTF-8"):
        load_benchmark("xm3600", str(tmp_path))


def test_gzip_byte_order_mark_and_windows_line_ends_read_the_same(read, tmp_path):
    plain = read(lines(TWO))
    path = tmp_path / "xm3600" / "captions.jsonl"
    content = b"\xef\xbb\xbf" + path.read_bytes().replace(b"\n", b"\r\n")
    path.unlink()
    packed = path.with_name("captions.jsonl.gz")
    packed.write_bytes(gzip.compress(content))
    assert load_benchmark("xm3600", str(tmp_path)).candidates == plain.candidates
    packed.write_bytes(packed.read_bytes()[:-9])
    with pytest.raises(
        InputError, match=r"captions\.jsonl\.gz: damaged or cut off after line \d \(.*\): download or wr"
    ):
        load_benchmark("xm3600", str(tmp_path))


def test_a_missing_file_is_an_error(tmp_path):
    (tmp_path / "xm3600").mkdir()
    with pytest.raises(InputError, match=r"xm3600/captions\.jsonl: no such file: the official file is that of https"):
        load_benchmark("xm3600", str(tmp_path))


@pytest.mark.parametrize("folder", ["xm3600", "ntrex-xm3600"])  # the official file; 487 other texts in its layout
def test_a_real_file_is_read_whole(folder):
    path = os.path.join(REAL, folder)
    if not REAL or not os.path.isdir(path):
        pytest.skip(f"HBT_JAX_DATA names no folder with {folder}/captions.jsonl")
    benchmark = xm3600.read(path, "xm3600")
    with open(os.path.join(path, "captions.jsonl"), encoding="utf-8") as file:
        pictures = [json.loads(row) for row in file]
    captions = {code: sum(len(p[code]["caption"]) for p in pictures if code in p) for code in XM3600}
    assert benchmark.candidates.count_by_language() == {code: number for code, number in captions.items() if number}
    assert benchmark.counts["pictures"] == len(pictures)
    item = np.array(benchmark.candidates.items)
    relevant_QG, asked = benchmark.relevant_QG, np.array(benchmark.queries.items)
    there = relevant_QG >= 0
    assert (item[relevant_QG] == asked[:, None])[there].all()
    size = dict(zip(*np.unique(item, return_counts=True), strict=True))
    assert there.sum(axis=1).tolist() == [size[key] - 1 for key in asked]
    assert not (relevant_QG == benchmark.excluded_QX).any()

"""BM25: terms of many scripts, scores by hand and as the library gives them, pools, and a whole evaluation."""

import dataclasses
import doctest
import importlib.util
import json
import math
import os

import bm25s
import numpy as np
import pytest

from hbt_jax.errors import InputError, Interrupted
from hbt_jax.evaluation.benchmarks.benchmark import Benchmark, BenchmarkTexts, pad_relevant
from hbt_jax.evaluation.benchmarks.registry import load_benchmark
from hbt_jax.evaluation.evaluator import ResultFiles
from hbt_jax.evaluation.lexical import evaluate_bm25
from hbt_jax.evaluation.measures.metrics import SETTINGS
from hbt_jax.evaluation.ranking import bm25, rank
from hbt_jax.evaluation.ranking.layout import make_layout, top_slots
from hbt_jax.evaluation.results.table import format_table

REAL = os.environ.get("HBT_JAX_DATA", "")


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("The cat's CAT; cat_2!", ["the", "cat", "s", "cat", "cat", "2"]),
        ("Ｆｕｌｌ ｗｉｄｔｈ ﬁne", ["full", "width", "fine"]),  # NFKC
        ("हिन्दी में ভাষা తెలుగు", ["हिन्दी", "में", "ভাষা", "తెలుగు"]),  # marks stay in their words
        ("e\u0301te\u0301 ÉTÉ", ["été", "été"]),
        ("IŞIK ışık İZMİR izmir", ["işik", "işik", "izmir", "izmir"]),  # the case of a text may follow either rule
        ("Straße STRASSE ΟΔΟΣ, οδος Ϊ\u0301 ΐ", ["strasse", "strasse", "οδοσ", "οδοσ", "ΐ", "ΐ"]),
        ("ქართული ᲥᲐᲠᲗᲣᲚᲘ ᏣᎳᎩ ꮳꮃꭹ", ["ქართული", "ქართული", "ᏣᎳᎩ", "ᏣᎳᎩ"]),
        ("می\u200cخواهم کتاب", ["میخواهم", "کتاب"]),  # a joiner is left out
        ("我爱北京。天", ["我爱", "爱北", "北京", "天"]),
        ("ﾃﾞｰﾀ、東京2024年", ["デー", "ータ", "東京", "2024", "年"]),  # half width; numbers are words
        ("한국어", ["한국", "국어"]),
        ("ที่นี่", ["ที่นี่"]),  # two characters, their vowels and tones with them
        ("iPhone手机壳", ["iphone", "手机", "机壳"]),
        ("?! …", []),
    ],
)
def test_terms(text, expected):
    assert bm25.terms(text) == expected


@pytest.mark.parametrize("sign", ["\u200b", "\u00ad", "\ufe0f", "\u034f", "\u3164", "\x00", "\u2060"])
def test_signs_that_cannot_be_seen_are_no_part_of_a_term(sign):
    assert bm25.terms(f"été{sign} d{sign}it") == ["été", "dit"]


def by_hand(query, texts):
    """Scores of one pool by the formula of the module's docstring, in float64."""
    documents = [bm25.terms(text) for text in texts]
    mean = np.mean([len(document) for document in documents])
    scores = []
    for document in documents:
        score = 0.0
        for term in bm25.terms(query):
            holders = sum(term in other for other in documents)
            idf = math.log(1 + (len(documents) - holders + 0.5) / (holders + 0.5))
            count = document.count(term)
            score += idf * count / (count + bm25.K1 * (1 - bm25.B + bm25.B * len(document) / mean))
        scores.append(score)
    return scores


@pytest.fixture(scope="module")
def benchmark():
    """Two languages; "bank" is in every German text and in one English one, so its weight differs by pool."""
    texts = [
        ("en", "the river bank"), ("en", "a cat sat on the mat"), ("en", "cat cat and dog"), ("en", "..."),
        ("de", "die bank am see"), ("de", "bank und geld"), ("de", "eine katze auf der bank"),
    ]  # fmt: skip
    queries = [("en", "bank the cat"), ("de", "bank geld bank"), ("en", "zebra"), ("de", "?")]
    return Benchmark("banks", texts_of("q", queries), texts_of("c", texts), pad_relevant([[0, 5], [5, 0], [1, 4], [4]]))


def texts_of(letter, rows):
    ids = [f"{letter}{number}" for number in range(len(rows))]
    return BenchmarkTexts(ids, ids, *(list(column) for column in zip(*rows, strict=True)))


def test_scores_equal_the_formula_in_each_pool(benchmark):
    scores = bm25.PoolScores(benchmark)
    everything, own = scores(0, 4)
    assert everything.dtype == own.dtype == np.float32
    texts = benchmark.candidates.texts
    for row, query in enumerate(benchmark.queries.texts):
        np.testing.assert_allclose(everything[row], by_hand(query, texts), rtol=1e-6)
        np.testing.assert_allclose(own[row], by_hand(query, texts[:4]) + by_hand(query, texts[4:]), rtol=1e-6)
    assert everything[1, 4] > own[1, 4] > 0  # "bank", in all three German texts, weighs little among them
    assert scores.queries_without_match == 2
    np.testing.assert_array_equal(scores(1, 3)[1], own[1:3])


@pytest.mark.peer
def test_scores_equal_the_library(benchmark):
    documents = [bm25.terms(text) for text in benchmark.candidates.texts]
    model = bm25s.BM25(method="lucene", k1=0.9, b=0.4)
    model.index(documents, show_progress=False)
    everything, _ = bm25.PoolScores(benchmark)(0, 2)
    for row in range(2):
        query = [bm25.terms(benchmark.queries.texts[row])]
        found, scores = model.retrieve(query, k=7, show_progress=False, backend_selection="numpy")
        np.testing.assert_array_equal(everything[row][found[0]], scores[0])


def test_a_pool_without_any_term_scores_zero():
    index = bm25.Bm25Index([[], []])
    np.testing.assert_array_equal(index.scores(["a"]), [0, 0])
    assert "a" not in index
    np.testing.assert_array_equal(bm25.Bm25Index([["a"], []]).scores([]), [0, 0])


def test_ranks_by_hand(benchmark):
    """Query 0 ("bank the cat") by all: c0 has two of its terms; ties at zero go by id, descending."""
    layout = make_layout(benchmark.candidates.ids, benchmark.candidate_pools)
    (block,) = rank.rank_score_blocks(bm25.PoolScores(benchmark), benchmark.relevant_QG, layout)
    slots = top_slots(block.score_qM[0], layout.tie_M, 0)
    order = [benchmark.candidates.ids[n] for n in layout.candidate_M[slots]]
    expected = sorted(range(7), key=lambda n: (by_hand("bank the cat", benchmark.candidates.texts)[n], n), reverse=True)
    assert order == [f"c{n}" for n in expected]
    assert block.rank_qG[0].tolist() == [1 + order.index("c0"), 1 + order.index("c5")]
    assert block.rank_qG[2].tolist() == [6, 3] and block.own_rank_qG[2].tolist() == [3, 3]  # all scores are zero
    assert block.own_rank_qG[1].tolist() == [1, 1]  # c0 alone has "bank" among the English, c5 "geld" too


def test_hidden_candidates_and_blocks(benchmark):
    layout = make_layout(benchmark.candidates.ids, benchmark.candidate_pools)
    scores = bm25.PoolScores(benchmark)
    excluded = np.array([[1, 2], [4, -1], [-1, -1], [-1, -1]], np.int32)
    found = []
    for size in (None, 1, 3):
        blocks = list(rank.rank_score_blocks(scores, benchmark.relevant_QG, layout, size, excluded))
        names = ("rank_qG", "own_rank_qG")
        found.append([np.concatenate([getattr(block, name) for block in blocks]) for name in names])
    for other in found[1:]:
        np.testing.assert_array_equal(other, found[0])
    assert np.isneginf(blocks[0].own_score_qM[0, layout.slot_N[[1, 2]]]).all()


def test_wrong_shapes_are_an_error(benchmark):
    layout = make_layout(benchmark.candidates.ids, benchmark.candidate_pools)
    short = np.zeros((4, 6), np.float32)
    with pytest.raises(ValueError, match=r"scores \(4, 6\) of queries 0 to 3: expected \(4, 7\)"):
        list(rank.rank_score_blocks(lambda start, stop: (short, short), benchmark.relevant_QG, layout))
    with pytest.raises(ValueError, match="indexes below 7"):
        rank.rank_score_blocks(lambda start, stop: (short, short), benchmark.relevant_QG + 7, layout)


def evaluated(benchmark, out, **options):
    poll = options.pop("poll", lambda: None)
    files = {"run_depth": 0, "run_settings": SETTINGS} | options
    return evaluate_bm25(benchmark, ResultFiles(out, **files), poll).json()


def test_results_runs_and_settings(benchmark, tmp_path):
    found = evaluated(dataclasses.replace(benchmark, settings={"candidate_text": "sentence"}), tmp_path)
    assert found == json.loads((tmp_path / "banks" / "results.json").read_text(encoding="utf-8"))
    assert (found["model"], found["settings"]["k1"], found["settings"]["b"]) == ("BM25", 0.9, 0.4)
    assert found["settings"]["similarity"].startswith("BM25, Lucene's variant, by bm25s ")
    assert found["settings"]["candidate_text"] == "sentence"
    assert found["counts"]["queries_without_match"] == 2
    assert "similarity_gap" not in found["metrics"]["multilingual"]
    german = found["by_query_language"]["de"]["monolingual"]["map"]
    assert german == pytest.approx((1 + 1 / 3) / 2)  # c5 is first; c4 last, by its id
    assert "BM25" not in format_table(found)
    lines = (tmp_path / "banks" / "runs" / "monolingual.trec").read_text().splitlines()
    mine = [line.split() for line in lines if line.startswith("q1 ")]
    assert [line[2] for line in mine] == ["c5", "c4", "c6"]
    scores = by_hand("bank geld bank", benchmark.candidates.texts[4:])
    assert float(mine[0][4]) == pytest.approx(scores[1], rel=1e-6)  # of the German pool
    multilingual = (tmp_path / "banks" / "runs" / "multilingual.trec").read_text().splitlines()
    (best,) = [line.split() for line in multilingual if line.startswith("q1 Q0 c5 ")]
    assert float(best[4]) == pytest.approx(by_hand("bank geld bank", benchmark.candidates.texts)[5], rel=1e-6)


def test_it_can_be_stopped(benchmark, tmp_path):
    def stop():
        raise Interrupted("stopped")

    with pytest.raises(Interrupted):
        evaluated(benchmark, tmp_path, poll=stop)
    assert not (tmp_path / "banks" / "results.json").exists()


def test_a_missing_library_is_named(monkeypatch):
    bm25.check_installed()
    find = importlib.util.find_spec
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: None if name == "bm25s" else find(name))
    with pytest.raises(InputError, match=r"needs the library bm25s: pip install -e '\.\[lexical\]'"):
        bm25.check_installed()


def test_the_examples_of_the_docstrings():
    assert doctest.testmod(bm25).failed == 0


@pytest.mark.skipif(not REAL, reason="HBT_JAX_DATA names no folder with the official xquad-r/ and mlqa-r/")
def test_bm25_finds_sentences_in_every_script(tmp_path):
    found = evaluated(load_benchmark("xquad-r", REAL), tmp_path, run_depth=10, run_settings=("monolingual",))
    mean = {code: blocks["monolingual"]["map"] for code, blocks in found["by_query_language"].items()}
    assert min(mean.values()) > 0.6  # scripts without spaces are not left behind
    assert found["metrics"]["cross_lingual"]["map"] < 0.2 < 0.7 < found["metrics"]["monolingual"]["map"]
    assert found["counts"]["queries_without_match"] == 3

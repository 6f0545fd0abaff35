"""The worst queries: a hand-worked choice, independence of the blocks, what stands above, and how texts are cut."""

import dataclasses
import unicodedata

import numpy as np
import pytest

from hbt_jax.evaluation.benchmarks.benchmark import Benchmark, BenchmarkTexts, pad_relevant
from hbt_jax.evaluation.measures.metrics import average_precision
from hbt_jax.evaluation.measures.worst_queries import MOST_OF_ITEM, MOST_QUERIES, WorstQueries, shortened
from hbt_jax.evaluation.ranking import rank
from hbt_jax.evaluation.ranking.layout import make_layout


def collected(benchmark, query_QD, candidate_ND, block_queries=None):
    layout = make_layout(benchmark.candidates.ids, benchmark.candidate_pools)
    worst = WorstQueries(benchmark, layout)
    excluded_QX = benchmark.excluded_QX
    for block in rank.rank_blocks(query_QD, candidate_ND, benchmark.relevant_QG, layout, block_queries, excluded_QX):
        worst.add(block)
    return worst.found()


@pytest.fixture
def line():
    """Candidates at 9, 8, ... 0 on a line, so that they rank a, b, c, ... for every query; `a` is English, `b` not."""
    ids = list("abcdefghij")
    languages = ["en", "de"] * 5
    candidates = BenchmarkTexts(ids, ids, languages, [f"text {one}" for one in ids])
    #           id, item, language, relevant candidates
    queries = [
        ("q0", "x", "de", "a"),  # AP 1: never among the worst
        ("q1", "x", "de", "j"),  # 1/10
        ("q2", "x", "en", "i"),  # 1/9
        ("q3", "x", "sw", "h"),  # 1/8: the third of item x, left out
        ("q4", "y", "en", "gj"),  # (1/7 + 2/10) / 2
        ("q5", "y", "de", "b"),  # 1/2
    ]
    names, items, codes, answers = zip(*queries, strict=True)
    texts = BenchmarkTexts(names, items, codes, [f"query {name}" for name in names])
    return Benchmark("line", texts, candidates, pad_relevant([[ids.index(one) for one in each] for each in answers]))


ON_LINE = np.ones((6, 1), np.float32), np.arange(9, -1, -1, dtype=np.float32)[:, None]


def test_the_choice_by_hand(line):
    worst = collected(line, *ON_LINE)
    assert [one["id"] for one in worst] == ["q1", "q2", "q4", "q5"]
    assert [one["average_precision"] for one in worst] == pytest.approx([1 / 10, 1 / 9, (1 / 7 + 2 / 10) / 2, 1 / 2])


def test_what_stands_above_by_hand(line):
    worst = {one["id"]: one for one in collected(line, *ON_LINE)}
    assert worst["q4"]["relevant"] == [
        {"id": "g", "language": "en", "rank": 7, "text": "text g"},  # the first, and of the query's language
        {"id": "j", "language": "de", "rank": 10},
    ]
    assert [(one["id"], one["rank"]) for one in worst["q4"]["above"]] == list(zip("abcde", range(1, 6), strict=True))
    assert worst["q5"]["above"] == [{"id": "a", "language": "en", "rank": 1, "text": "text a"}]
    assert worst["q5"]["text"] == "query q5" and worst["q5"]["language"] == "de" and worst["q5"]["item"] == "y"


def test_what_a_query_does_not_search_is_not_above_it(line):
    hidden = np.full((6, 1), -1, np.int32)
    hidden[5] = 0  # q5 does not search a
    worst = collected(dataclasses.replace(line, excluded_QX=hidden), *ON_LINE)
    assert "q5" not in {one["id"] for one in worst}  # its answer is now the first


def test_the_best_of_a_language_stands_for_it(line):
    worst = collected(
        dataclasses.replace(line, relevant_QG=pad_relevant([[9], [9], [9], [9], [4, 6, 8], [9]])), *ON_LINE
    )
    (one,) = [one for one in worst if one["id"] == "q4"]
    assert [(each["id"], each["rank"]) for each in one["relevant"]] == [("e", 5)]
    assert [each["id"] for each in one["above"]] == list("abcd")


@pytest.fixture(scope="module")
def many():
    """300 queries about 60 items, many of equal average precision."""
    rng = np.random.default_rng(1)
    ids = [f"c{number}" for number in range(80)]
    candidates = BenchmarkTexts(ids, ids, [("de", "en", "sw")[number % 3] for number in range(80)], ids)
    names = [f"q{number}" for number in range(300)]
    queries = BenchmarkTexts(names, [str(number // 5) for number in range(300)], ["de"] * 300, names)
    relevant = [sorted(rng.choice(80, rng.integers(1, 4), replace=False).tolist()) for _ in names]
    sides = (rng.integers(-1, 2, (size, 2)).astype(np.float32) for size in (300, 80))
    return Benchmark("many", queries, candidates, pad_relevant(relevant)), *sides


def test_the_choice_is_that_of_sorting_all_queries(many):
    benchmark, query_QD, candidate_ND = many
    layout = make_layout(benchmark.candidates.ids, benchmark.candidate_pools)
    blocks = rank.rank_blocks(query_QD, candidate_ND, benchmark.relevant_QG, layout)
    precision = average_precision(np.concatenate([block.rank_qG for block in blocks]))
    expected, taken = [], {}
    for query in np.argsort(precision, kind="stable").tolist():
        item = benchmark.queries.items[query]
        if taken.setdefault(item, 0) < MOST_OF_ITEM and len(expected) < MOST_QUERIES:
            taken[item] += 1
            expected.append(benchmark.queries.ids[query])
    assert len(expected) == MOST_QUERIES
    assert [one["id"] for one in collected(*many)] == expected


@pytest.mark.parametrize("block_queries", [8, 40, 300])
def test_blocks_do_not_matter(many, block_queries):
    assert collected(*many, block_queries) == collected(*many)


def test_short_texts_are_kept_and_put_on_one_line():
    assert shortened("  one\n two\tthree ", 20) == "one two three"


@pytest.mark.parametrize(
    "text",
    [
        "क्षत्रिय" * 40,  # Devanagari: vowel signs, and consonants joined by a virama
        "ที่นี่" * 60,  # Thai: marks above letters
        "e\u0301" * 200,  # a letter and an accent
        "\U0001f469\u200d\U0001f4bb" * 60,  # an emoji of two, joined
        "الحَمْدُ" * 60,  # Arabic with vowels
    ],
)
@pytest.mark.parametrize("most", range(20, 30))
def test_a_cut_does_not_split_a_letter_from_its_marks(text, most):
    cut = shortened(text, most)
    kept = cut.removesuffix("…")
    assert cut.endswith("…") and text.startswith(kept) and most - 8 <= len(cut) <= most
    following = text[len(kept)]
    assert not unicodedata.category(following).startswith("M") and following != "\u200d"
    assert kept[-1] != "\u200d" and unicodedata.combining(kept[-1]) != 9


def test_a_cut_prefers_the_end_of_a_word():
    assert shortened("one two three four", 16) == "one two three…"
    assert shortened("a " + "b" * 30, 16) == "a " + "b" * 13 + "…"  # the only space is too far in front

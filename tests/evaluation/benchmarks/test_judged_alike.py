"""What is judged of a text holds for its copies: by hand, for candidates, for queries, and against judgements."""

import pytest

from hbt_jax.evaluation.benchmarks.copies import MOST_COPIES
from hbt_jax.evaluation.benchmarks.judged_alike import judge_alike
from tests.evaluation.benchmarks.test_copies import TEXT, VARIANTS, texts

ONE_QUERY = texts(("q", "en", "?"))
A_B = (("a", "en", "one"), ("a", "de", "eins"), ("b", "en", "one "), ("b", "fr", "un"), ("c", "de", "one"))


def relevant(queries, candidates, judged, rejected=None):
    return [sorted(one) for one in judge_alike(queries, candidates, judged, rejected or {}).relevant]


@pytest.mark.parametrize("variant", VARIANTS)
def test_a_copy_of_a_relevant_candidate_is_relevant(variant):
    candidates = texts(("a", "pt", TEXT), ("b", "pt", variant), ("c", "pt", "outra"), ("d", "es", variant))
    for judged in (0, 1):
        found = judge_alike(ONE_QUERY, candidates, [{judged}], {})
        assert found.relevant == [{0, 1}] and found.added == 1


@pytest.mark.parametrize(
    ("judged", "expected"),
    [
        ({0, 1}, [0, 1, 2, 3]),  # all of a: what only b has is relevant
        ({2, 3}, [0, 1, 2, 3]),
        ({0}, [0, 2]),  # a in English alone: the same text alone
        ({1}, [1]),
        ({3}, [3]),
        ({1, 2}, [0, 1, 2]),  # a is whole with the copy of its English text; b is judged in part
        ({1, 2, 3}, [0, 1, 2, 3]),
        ({4}, [4]),  # the same letters in another language
        ({0, 1, 4}, [0, 1, 2, 3, 4]),
    ],
)
def test_translations_of_a_copy(judged, expected):
    assert relevant(ONE_QUERY, texts(*A_B), [judged]) == [expected]


def test_a_chain_of_copies():
    candidates = texts(
        ("a", "en", "one"), ("b", "en", "one"), ("b", "de", "eins"), ("c", "de", "eins "), ("c", "fr", "un"),
        ("d", "fr", "deux"),
    )  # fmt: skip
    for judged in ({0}, {1, 2}, {3, 4}):
        assert relevant(ONE_QUERY, candidates, [judged]) == [[0, 1, 2, 3, 4]]
    assert relevant(ONE_QUERY, candidates, [{2}]) == [[2, 3]]


@pytest.mark.parametrize(
    ("judged", "against", "expected", "kept"),
    [
        ({0, 1}, {2}, [0, 1, 3], [2]),  # a copy judged not relevant stays so
        ({0, 1}, {3}, [0, 1, 2], [3]),
        ({0}, {1}, [0, 2], []),
        ({2, 3}, {0, 1}, [2, 3], [0, 1]),
        ({4}, {0, 1, 2, 3}, [4], []),
    ],
)
def test_judgements_that_say_not_relevant_are_kept(judged, against, expected, kept):
    found = judge_alike(ONE_QUERY, texts(*A_B), [judged], {0: against})
    assert [sorted(one) for one in found.relevant] == [expected]
    assert found.kept == tuple((0, n) for n in kept) and found.added == len(expected) - len(judged)


CANDIDATES = texts(*((f"{n}", code, f"{code} {n}") for n in range(3) for code in ("en", "de")))


def test_a_query_asked_twice_has_the_answers_of_both():
    queries = texts(("q", "en", "who?"), ("r", "en", "who? "), ("s", "de", "who?"))
    assert relevant(queries, CANDIDATES, [{0, 1}, {2, 3}, {4}]) == [[0, 1, 2, 3], [0, 1, 2, 3], [4]]


def test_queries_judged_alike_in_all_languages_are_one_item():
    queries = texts(("q", "en", "who?"), ("q", "de", "wer?"), ("r", "en", "who?"), ("r", "fr", "qui?"))
    whole = [0, 1, 2, 3]
    assert relevant(queries, CANDIDATES, [{0, 1}, {0, 1}, {2, 3}, {2, 3}]) == [whole] * 4
    # judged in the query's own language: nothing is carried over to others
    assert relevant(queries, CANDIDATES, [{0}, {1}, {2}, {4}]) == [[0, 2], [1], [0, 2], [4]]


def test_queries_judged_by_copies_of_one_candidate_are_judged_alike():
    candidates = texts(("a", "en", "one"), ("b", "en", "one "), ("c", "en", "two"))
    queries = texts(("q", "en", "who?"), ("q", "de", "wer?"), ("r", "en", "who?"))
    assert relevant(queries, candidates, [{0}, {1}, {2}]) == [[0, 1, 2]] * 3


def test_one_of_two_equal_queries_keeps_what_it_rejects():
    queries = texts(("q", "en", "who?"), ("r", "en", "who?"))
    found = judge_alike(queries, CANDIDATES, [{0}, {2}], {1: {0}})
    assert found.relevant == [{0, 2}, {2}] and found.kept == ((1, 0),) and found.added == 1


def test_nothing_changes_without_copies():
    found = judge_alike(ONE_QUERY, CANDIDATES, [{0, 3}], {0: {1}})
    assert found.relevant == [{0, 3}] and found.added == 0 and found.kept == ()


def test_a_filler_is_judged_by_itself():
    """Otherwise a filler in N items would add N judgements to each of N queries."""
    many = 50 * MOST_COPIES
    candidates = texts(*(row for n in range(many) for row in ((f"{n}", "en", f"{n}"), (f"{n}", "de", "-"))))
    queries = texts(*((f"{n}", "en", "?") for n in range(many)))
    judged = [{2 * n, 2 * n + 1} for n in range(many)]
    found = judge_alike(queries, candidates, judged, {})
    assert list(found.relevant) == judged and found.added == 0
    assert len(found.queries.not_joined) == len(found.candidates.not_joined) == 1

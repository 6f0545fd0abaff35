"""Exact and near texts are those that comparing every run of every two texts finds."""

import doctest

import numpy as np
import pytest

from data_prep import shingles, store_rows
from data_prep.shingles import Index, Rule, rules


def flat(texts):
    tokens = np.array([token for text in texts for token in text], np.int32)
    return tokens, np.concatenate([[0], np.cumsum([len(text) for text in texts], dtype=np.int64)])


def share(text, other, rule: Rule) -> float:
    """What a rule says of two texts, run by run."""
    shorter, longer = sorted((len(text), len(other)))
    if shorter < rule.shingle or (rule.under is not None and longer >= rule.under):
        return 0.0
    theirs = {tuple(other[i : i + rule.shingle]) for i in range(len(other) - rule.shingle + 1)}
    covered = set()
    for i in range(len(text) - rule.shingle + 1):
        if tuple(text[i : i + rule.shingle]) in theirs:
            covered |= set(range(i, i + rule.shingle))
    return min(1.0, len(covered) / (shorter if rule.under is None else longer))


def mixture(rng, letters):
    """20 texts, and 30 of which most are made of them: copied, put among others, changed in one place."""
    indexed = [rng.integers(0, letters, rng.integers(0, 60)).tolist() for _ in range(20)]
    texts = []
    for _ in range(30):
        text, kind = list(indexed[rng.integers(20)]), rng.integers(4)
        if kind == 1:
            text = rng.integers(0, 50, 5).tolist() + text + rng.integers(0, 50, 30).tolist()
        elif kind == 2 and text:
            text[rng.integers(len(text))] = 3
        elif kind == 3:
            text = rng.integers(0, 6, rng.integers(0, 60)).tolist()
        texts.append(text)
    return indexed, texts


@pytest.mark.parametrize("most_pairs", [3, 1 << 22])
@pytest.mark.parametrize("letters", [6, 50])
def test_what_is_found_is_what_comparing_each_two_finds(monkeypatch, letters, most_pairs):
    monkeypatch.setattr(shingles, "_MOST_PAIRS", most_pairs)
    rng = np.random.default_rng(letters)
    for _ in range(6):
        near = rules(int(rng.integers(4, 14)), float(rng.choice([0.3, 0.5, 0.8])))
        indexed, texts = mixture(rng, letters)
        index = Index(*flat(indexed), near, 50)
        found = index.find(*flat(texts))
        for text, number in zip(texts, found.exact.tolist(), strict=True):
            assert {int(of) for of, other in zip(index.of, indexed, strict=True) if other and other == text} == (
                {number} - {-1}
            )
        best, wanted = {}, {}
        for row, number, value in zip(found.row, found.text, found.share, strict=True):
            best[row, number] = max(value, best.get((row, number), 0))
        for row, text in enumerate(texts):
            for other, number in zip(indexed, index.of, strict=True):
                value = max([value for rule in near if (value := share(text, other, rule)) >= rule.near], default=0)
                if value:
                    wanted[row, number] = value
        assert wanted and best == pytest.approx(wanted)


def test_a_sentence_in_a_paragraph_and_a_changed_question_are_near():
    sentence, question = list(range(100, 130)), list(range(200, 210))
    index = Index(*flat([sentence, question]), rules(13, 0.8), 1000)
    paragraph = [*range(500, 600), *sentence, *range(600, 700)]
    changed = [*question[:5], 999, *question[6:]]
    found = index.find(*flat([paragraph, changed, question[:6], sentence]))
    assert found.exact.tolist() == [-1, -1, -1, index.of[0]]
    pairs = dict(zip(found.row.tolist(), zip(found.text.tolist(), found.share.tolist(), strict=True), strict=True))
    assert pairs == {0: (index.of[0], 1.0), 1: (index.of[1], 0.9), 3: (index.of[0], 1.0)}


@pytest.mark.parametrize("module", [shingles, store_rows])
def test_examples_in_docstrings(module):
    assert doctest.testmod(module, extraglobs={"np": np, "_covered": shingles._covered}).failed == 0

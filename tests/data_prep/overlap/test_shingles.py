"""Exact and near texts are those that comparing every run of every two texts finds."""

import collections
import doctest

import numpy as np
import pytest

from data_prep.overlap import shingles
from data_prep.overlap.comparable import UNKNOWN, mixed, without_holes
from data_prep.overlap.shingles import Index, Rule, rules, unsure
from data_prep.store import rows

HOLES = ord(UNKNOWN)


def values(tokens):
    return mixed(np.array(tokens, np.uint32))


def flat(texts):
    """Letters of texts of numbers; HOLES stands for an unknown mark."""
    offsets = np.concatenate([[0], np.cumsum([len(text) for text in texts], dtype=np.int64)])
    return without_holes(values([number for text in texts for number in text]), offsets)


def index_of(texts, near):
    letters = flat(texts)
    return Index(letters.values, letters.offsets, near)


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
    return min(1.0, len(covered) / {"shorter": shorter, "longer": longer, "own": len(text)}[rule.of])


def mixture(rng, letters):
    """20 texts, and 30 of which most are made of them: copied, put among others, changed or torn in one place."""
    indexed = [rng.integers(0, letters, rng.integers(0, 60)).tolist() for _ in range(20)]
    texts = []
    for _ in range(30):
        text, kind = list(indexed[rng.integers(20)]), rng.integers(5)
        if kind == 1:
            text = rng.integers(0, 50, 5).tolist() + text + rng.integers(0, 50, 30).tolist()
        elif kind == 2 and text:
            text[rng.integers(len(text))] = 3
        elif kind == 3:
            text = rng.integers(0, 6, rng.integers(0, 60)).tolist()
        elif kind == 4:
            text.insert(rng.integers(len(text) + 1), HOLES)
        texts.append(text)
    return indexed, texts


@pytest.mark.parametrize(("most_pairs", "at_a_time"), [(3, 1 << 20), (1 << 22, 30)])
@pytest.mark.parametrize("letters", [6, 50])
def test_what_is_found_is_what_comparing_all_runs_finds(letters, most_pairs, at_a_time, monkeypatch):
    monkeypatch.setattr(shingles, "_MOST_PAIRS", most_pairs)
    monkeypatch.setattr(shingles, "_AT_A_TIME", at_a_time)
    rng = np.random.default_rng(letters)
    torn_alone = 0
    for _ in range(12):
        near = rules(int(rng.integers(4, 20)), float(rng.choice([0.3, 0.5, 0.8])))
        indexed, texts = mixture(rng, letters)
        index = index_of(indexed, near)
        found = index.find(flat(texts))
        torn = [HOLES in text for text in texts]
        texts = [[number for number in text if number != HOLES] for text in texts]
        for text, number in zip(texts, found.exact.tolist(), strict=True):
            assert {int(of) for of, other in zip(index.of, indexed, strict=True) if other and other == text} == (
                {number} - {-1}
            )
        best, wanted = {}, {}
        for row, number, value in zip(found.row, found.text, found.share, strict=True):
            best[row, number] = max(value, best.get((row, number), 0))
        for row, text in enumerate(texts):
            own = (near.long, near.short, near.torn)[: 2 + torn[row]]
            for other, number in zip(indexed, index.of, strict=True):
                shares = [value if (value := share(text, other, rule)) >= rule.near else 0 for rule in own]
                torn_alone += shares[-1] > 0 and not any(shares[:2])
                if max(shares):
                    wanted[row, number] = max(shares)
        assert wanted and best == pytest.approx(wanted)
    assert torn_alone


def test_a_sentence_in_a_paragraph_and_a_changed_question_are_near():
    sentence, question = list(range(1000, 1090)), list(range(2000, 2050))
    index = index_of([sentence, question], rules(40, 0.8))
    paragraph = [*range(5000, 5300), *sentence, *range(6000, 6300)]
    changed = [*question[:22], 999, 998, *question[24:]]
    found = index.find(flat([paragraph, changed, question[:30], sentence]))
    assert found.exact.tolist() == [-1, -1, -1, index.of[0]]
    pairs = dict(zip(found.row.tolist(), zip(found.text.tolist(), found.share.tolist(), strict=True), strict=True))
    assert pairs == {0: (index.of[0], 1.0), 1: (index.of[1], 0.96), 3: (index.of[0], 1.0)}


def test_a_torn_copy_is_found_or_unsure():
    """However the marks lie: a text of which parts are unknown is never passed over."""
    rng, near = np.random.default_rng(0), rules(40, 0.8)
    text = rng.integers(0, 1000, 300).tolist()
    index = index_of([text], near)
    seen = collections.Counter()
    for _ in range(400):
        torn = list(text)
        for _ in range(rng.integers(1, 12)):
            start = int(rng.integers(len(torn)))
            torn[start : start + int(rng.integers(1, 60))] = [HOLES]
        letters = flat([torn])
        found, missed = bool(len(index.find(letters).row)), bool(unsure(letters, near.torn)[0])
        assert found or missed
        seen[found] += 1
    assert min(seen.values()) > 20


def test_what_is_unsure():
    near = rules(40, 0.8)
    texts = [
        [HOLES], [*range(25), HOLES], [*range(26), HOLES], [*range(13), HOLES, *range(13)],
        [*range(14), HOLES, *range(12)], [*range(12), HOLES, *range(50), HOLES, *range(12)], [*range(5)], [],
        [HOLES, *range(90), HOLES, HOLES],
    ]  # fmt: skip
    assert unsure(flat(texts), near.torn).tolist() == [True, True, False, False, True, True, False, False, False]


def test_a_run_has_one_hash_wherever_it_stands():
    run = list(range(30))
    index = index_of([[9] * 70_000 + run], rules(16, 0.8))
    assert index.find(flat([[7] * 123, run])).share.max() == 1.0


@pytest.mark.parametrize("module", [shingles, rows])
def test_examples_in_docstrings(module):
    names = {name: getattr(shingles, name) for name in ("_covered", "_covered_in")}
    assert doctest.testmod(module, extraglobs={"np": np, **names}).failed == 0

"""Truncation, unknown tokens and tokens per character: by hand, and through an evaluation that tokenises once."""

import dataclasses
import json
from types import SimpleNamespace

import numpy as np
import pytest

from hbt_jax.config.evaluation import EvalConfig
from hbt_jax.evaluation import evaluate, evaluators
from hbt_jax.evaluation.embedding import embed
from hbt_jax.evaluation.embedding.token_counts import TokenCounts
from tests.evaluation.word_model import embedder, random_texts, word_model

UNKNOWN = 3


@pytest.fixture(scope="module")
def model():
    return word_model()


def encoded(*lists):
    offsets = np.cumsum([0, *map(len, lists)]).astype(np.int64)
    return np.concatenate([np.array(tokens, np.int32) for tokens in lists]), offsets


def test_rates_by_hand():
    counts = TokenCounts(UNKNOWN, room=3)
    counts.add(["de", "sw", "de"], ["abcd", "", "ab"], *encoded([5, 3, 6, 7], [], [3]))
    counts.add(["de"], ["äöüß"], *encoded([8, 9, 10]))
    assert counts.rates() == {
        "de": {"texts": 3, "truncated": 1 / 3, "unknown": 2 / 8, "per_character": 8 / 10},
        "sw": {"texts": 1, "truncated": 0.0, "unknown": 0.0, "per_character": 0.0},
    }


def test_a_code_point_is_a_character_and_a_text_of_exactly_the_room_is_not_cut():
    counts = TokenCounts(UNKNOWN, room=2)
    counts.add(["ne"], ["की"], *encoded([8, 9]))
    assert counts.rates()["ne"] == {"texts": 1, "truncated": 0.0, "unknown": 0.0, "per_character": 1.0}


def test_an_embedder_tells_every_text_once_and_before_the_cut(model, monkeypatch):
    monkeypatch.setattr(embed, "_TEXTS_A_PART", 32)
    monkeypatch.setattr(embed, "_TEXTS_TOKENISED", 5)
    texts = random_texts(70)
    codes = [("de", "sw", "zh")[number % 3] for number in range(70)]
    embedding, counts = embedder(model), TokenCounts(model.tokenizer.unk_id, room=29)
    embedding(texts, "query", tokenised=counts.watch(codes, texts))
    rates, words = counts.rates(), [text.split() for text in texts]
    assert list(rates) == ["de", "sw", "zh"]
    for number, code in enumerate(rates):
        own = words[number::3]
        tokens = sum(map(len, own))
        assert rates[code] == {
            "texts": len(own),
            "truncated": sum(len(each) > 29 for each in own) / len(own),
            "unknown": sum(each.count(str(model.tokenizer.unk_id)) for each in own) / tokens,
            "per_character": tokens / sum(map(len, texts[number::3])),
        }
    assert sum(one["truncated"] * one["texts"] for one in rates.values()) == pytest.approx(embedding.truncated)


def test_an_evaluation_writes_them_and_tokenises_no_text_twice(model, small_benchmark, tmp_path, monkeypatch):
    texts, tokenizer = [], model.tokenizer
    counted = SimpleNamespace(
        pad_id=0, unk_id=6, bos_id=1, eos_id=2, prefix_ids=tokenizer.prefix_ids, joins=tokenizer.joins,
        encode=lambda some: texts.extend(some) or tokenizer.encode([str(len(text)) for text in some]),
    )  # fmt: skip
    monkeypatch.setattr(
        evaluate, "load_as_asked", lambda *args, **options: dataclasses.replace(model, tokenizer=counted)
    )
    monkeypatch.setattr(evaluators, "load_benchmark", lambda *args, **given: small_benchmark)
    config = EvalConfig(model="m", benchmarks=("small",), out=str(tmp_path))
    evaluate.evaluate_model(config, embedder(model).mesh, SimpleNamespace(requested=False))
    assert texts == [*small_benchmark.queries.texts, *small_benchmark.candidates.texts]
    written = json.loads((tmp_path / "small" / "results.json").read_text(encoding="utf-8"))
    assert set(written["tokens"]) == {"queries", "candidates"}
    for side in ("queries", "candidates"):
        counts = {code: block["texts"] for code, block in written["tokens"][side].items()}
        assert counts == written["counts"][side]
    assert written["tokens"]["queries"]["de"]["per_character"] == 1.0
    assert "tokens per character" in written["settings"]["definitions"]["tokens"]

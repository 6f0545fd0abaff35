"""Content of results.json by hand: a full one, and one as a benchmark of passages has it, without most parts."""

import pytest


@pytest.fixture
def full():
    """Four languages of three scripts, two of them under-resourced; every part that a card shows."""
    codes = ("de", "en", "sw", "te")
    own = dict(zip(codes, (0.8, 0.9, 0.2, 0.4), strict=True))

    def block(value):
        return {"map": value, "recall@1": value / 2, "recall@10": value / 4, "ndcg@10": value / 5}

    by_language = {
        code: {
            "monolingual": block(value),
            "cross_lingual": block(value / 2),
            "multilingual": block(value / 4) | {"rank_distance": 1000 * value},
        }
        for code, value in own.items()
    }
    pairs = {f"{a}-{b}": block((own[a] + 2 * own[b]) / 4) for a in codes for b in codes if a != b}
    del pairs["te-sw"]
    spread = {
        **{"worst": 0.2, "mean": 0.575, "worst_quarter": 0.2, "standard_deviation": 0.3},
        **{"under_resourced": 0.3, "others": 0.85, "gap": 0.55},
    }
    return {
        "benchmark": "hand",
        "model": "m",
        "settings": {"query_prefix": "query: ", "definitions": {"map": "mean of <precisions>"}},
        "counts": {"queries": dict.fromkeys(codes, 10), "candidates": dict.fromkeys(codes, 20), "truncated_texts": 0},
        "notes": ["One picture is <missing>."],
        "metrics": {
            "monolingual": block(0.575),
            "cross_lingual": block(0.3),
            "multilingual": block(0.15) | {"rank_distance": 575.0, "strong_alignment": 0.125, "similarity_gap": 0.0625},
        },
        "by_query_language": by_language,
        "by_pair": pairs,
        "by_script": {"Latn": by_language["de"], "Telu": by_language["te"]},
        "robustness": {
            "monolingual": {
                "metric": "map",
                **spread,
                "worst_quarter_languages": ["sw"],
                "scripts": {**spread, "worst_quarter_scripts": ["Telu"]},
            }
        },
        "intervals": {
            "confidence": 0.95,
            "samples": 10000,
            "items": 10,
            "metrics": {"multilingual": {"map": [0.1, 0.2111], "rank_distance": [500.0, 1612.3]}},
        },
        "top_10_languages": {
            "by_candidate_language": {code: {"share": 0.25, "pool_share": 0.25} for code in codes},
            "own_language": {"share": 0.625, "pool_share": 0.25},
            "by_query_language": {code: {other: 0.25 for other in codes} for code in codes},
        },
        "tokens": {
            side: {
                code: {"texts": 10, "truncated": 0.125, "unknown": 0.0025, "per_character": 0.4567} for code in codes
            }
            for side in ("queries", "candidates")
        },
        "rank_distances": {
            "edges": [1, 2, 3, 4, 7, 10, 16],
            "levels": [0.1, 0.25, 0.5, 0.75, 0.9],
            "all": {"queries": 40, "histogram": [0, 0, 10, 20, 0, 5, 5], "quantiles": [3.0, 4.0, 5.0, 6.0, 16.0]},
            "by_query_language": {
                code: {"queries": 10, "histogram": [0, 0, 2, 5, 0, 1, 2], "quantiles": [3.0, 4.0, 5.0, 6.0, 16.0]}
                for code in codes
            },
        },
        "worst_queries": [
            {
                "id": "q<1>",
                "item": "1",
                "language": "ar",
                "text": 'ما هو "<script>"؟',
                "average_precision": 0.0123,
                "relevant": [
                    {"id": "c9", "language": "en", "rank": 812, "text": "the <answer>"},
                    {"id": "c7", "language": "ar", "rank": 1999, "text": "الجواب"},
                    {"id": "c8", "language": "de", "rank": 2345},
                ],
                "above": [{"id": "c1", "language": "ar", "rank": 1, "text": "شيء & آخر"}],
            }
        ],
    }


@pytest.fixture
def lean():
    """One setting, without mAP, pairs or any part beside."""
    block = {"ndcg@10": 0.4321, "recall@100": 0.8765}
    return {
        "benchmark": "lean",
        "model": "m",
        "settings": {},
        "counts": {"queries": {"ar": 5, "sw": 5}, "candidates": {"ar": 9, "sw": 9}},
        "metrics": {"monolingual": block},
        "by_query_language": {"ar": {"monolingual": block}, "sw": {"monolingual": block}},
        "by_script": {"Arab": {"monolingual": block}, "Latn": {"monolingual": block}},
    }

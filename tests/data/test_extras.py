"""Vectors and scores of a batch are those of its texts and pairs."""

import numpy as np
import pytest

from hbt_jax.config.learning import PlanConfig
from hbt_jax.data import pipeline
from hbt_jax.data.extras import AnchorVectors, GuideVectors, TeacherScores
from hbt_jax.data.mixture import Mixture
from hbt_jax.data.plan import Plan
from hbt_jax.data.store import open_store
from hbt_jax.data.store_writer import StoreWriter
from hbt_jax.data.text_vectors import Vectors
from hbt_jax.errors import InputError
from tests.data.make_stores import SpecialTokens, make_store, text
from tests.data.test_pipeline import TEXT, TOKENIZER

ROWS = 24


@pytest.fixture(scope="module")
def store(tmp_path_factory):
    """Gaps in the second of two languages; three negatives a pair, scored by a teacher."""
    folder = tmp_path_factory.mktemp("taught") / "store"
    exists = np.ones((ROWS, 2), bool)
    exists[::3, 1] = False
    with StoreWriter(folder) as writer:
        for side in ("queries", "passages"):
            for language, code in enumerate(("de", "en")):
                rows = np.flatnonzero(exists[:, language])
                lists = [text(side, language, row) for row in rows]
                offsets = np.append(0, np.cumsum([len(tokens) for tokens in lists]))
                writer.append(side, code, rows, np.concatenate(lists), offsets)
        own = np.arange(ROWS)
        negatives = (own[:, None] + [1, 2, 3]) % ROWS
        scores = {"score": own + 0.5, "negative_scores": (own[:, None] * 100 + negatives).ravel()}
        writer.append_pairs(own, own, own, negatives.ravel(), np.arange(ROWS + 1) * 3, **scores)
        writer.finish(
            {"queries": ROWS, "passages": ROWS},
            {"name": "taught", "split": "train", "source": {}, "languages": ["de", "en"], "dropped": {},
             "tokenizer": {"path": "../tokenizer", "fingerprint": SpecialTokens.fingerprint}},
        )  # fmt: skip
    return open_store(folder)


def test_extras_are_those_of_the_batch(store):
    vectors = {}
    for side in ("queries", "passages"):
        for number, texts in enumerate(getattr(store, side).tokens.values()):
            rows = np.flatnonzero(np.diff(texts.offsets)).astype(np.int32)
            told = np.stack([rows, np.full(len(rows), number + 10 * (side == "passages"))], axis=1)
            vectors[side, number] = Vectors(rows, told.astype(np.float32) + 1)
    plan = Plan(Mixture([store]), PlanConfig(global_batch=8, negatives=2), seed=1)
    english = {side: vectors[side, 1] for side in ("queries", "passages")}
    extras = [GuideVectors([vectors]), AnchorVectors([english]), TeacherScores([store], "--distillation=kl")]
    gaps = 0
    for shares in ([0, 1], [1]):
        made = pipeline.batches(plan, TEXT, TOKENIZER, start=0, stop=6, shares=shares, share_count=2, extras=extras)
        for step, packed in enumerate(made):
            batch = plan.batch(step)
            pairs, language = batch.pairs.reshape(2, 4)[shares], batch.passage_language.reshape(2, 4)[shares]
            negatives = batch.negatives.reshape(2, 4, 2)[shares]
            query = np.stack([pairs + 1, batch.query_language.reshape(2, 4)[shares] + 1], axis=2)
            assert np.array_equal(packed["guide_queries"], query)
            rows = np.concatenate([pairs, negatives.reshape(len(shares), -1)], axis=1)
            codes = np.concatenate([language, np.repeat(language, 2, axis=1)], axis=1) + 11
            wanted = np.where((rows >= 0)[:, :, None], np.stack([rows + 1, codes], axis=2), 0)
            assert np.array_equal(packed["guide_passages"], wanted)
            for name, numbers, code in (("anchor_queries", pairs, 2), ("anchor_passages", rows, 12)):
                has_english = (numbers >= 0) & (numbers % 3 != 0)
                english = np.stack([numbers + 1, np.full_like(numbers, code)], axis=2)
                assert np.array_equal(packed[name], np.where(has_english[:, :, None], english, 0))
                gaps += np.count_nonzero(~has_english)
            scores = np.where(negatives >= 0, pairs[:, :, None] * 100 + negatives, np.nan)
            wanted = np.concatenate([pairs[:, :, None] + 0.5, scores], axis=2).astype(np.float32)
            assert np.array_equal(packed["teacher_scores"], wanted, equal_nan=True)
    assert gaps  # some texts have no translation


def test_a_store_without_scores_is_named(store, tmp_path):
    plain = make_store(tmp_path / "plain", np.ones((3, 2), bool))
    with pytest.raises(InputError, match="--distillation=kl needs a teacher's scores .* store .*plain lacks"):
        TeacherScores([store, plain], "--distillation=kl")

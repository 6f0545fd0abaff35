"""Building a store: every text and pair of the records is in it, and a wrong record is named."""

import io

import numpy as np
import pytest
import sentencepiece

from data_prep import build_store as module
from data_prep.build_store import build_store, summary
from data_prep.store.filters import EMPTY
from data_prep.store.pairs import NO_NEGATIVE, NO_PASSAGE, NO_QUERY
from hbt_jax.data.store import open_store, store_tokenizer
from hbt_jax.errors import InputError
from hbt_jax.models.tokenizer import load_tokenizer

QUERIES = [
    {"id": "q1", "language": "fr", "text": "monnaie de la France"},
    {"id": "q2", "language": "de", "text": "Hauptstadt von Peru"},
    {"id": "q1", "language": "de", "text": "Währung von Frankreich"},
    {"id": "q3", "language": "de", "text": "  "},
]
PASSAGES = [
    {"id": "p2", "language": "en", "text": "Lima is the capital of Peru"},
    {"id": "p1", "language": "en", "text": "France pays in euro"},
    {"id": "p1", "language": "de", "text": "Frankreich zahlt in Euro"},
    {"id": "p9", "language": "de", "text": ""},
]
PAIRS = [
    {"query": "q2", "passage": "p2", "group": "capital/PE", "negatives": ["p1", "p9"]},
    {"query": "q1", "passage": "p1", "group": "currency/FR", "negatives": []},
    {"query": "q3", "passage": "p1", "group": "none", "negatives": []},
    {"query": "q1", "passage": "p9", "group": "none", "negatives": ["p2"]},
]


@pytest.fixture(scope="module")
def tokenizer_folder(tmp_path_factory):
    folder = tmp_path_factory.mktemp("tokenizer")
    model = io.BytesIO()
    sentencepiece.SentencePieceTrainer.train(
        sentence_iterator=(record["text"] for record in (QUERIES + PASSAGES) * 3), model_writer=model, vocab_size=80,
        pad_id=0, bos_id=1, eos_id=2, unk_id=3, hard_vocab_limit=False, minloglevel=2,
    )  # fmt: skip
    (folder / "tokenizer.model").write_bytes(model.getvalue())
    return folder


def build(out, tokenizer, workers=1, **tables):
    given = {"queries": QUERIES, "passages": PASSAGES, "pairs": PAIRS, **tables}
    return build_store("made", "train", "raw", out, tokenizer, records=given.__getitem__, workers=workers)


@pytest.mark.parametrize("batch", [8192, 2])
def test_every_text_and_pair_is_in_the_store(tmp_path, tokenizer_folder, monkeypatch, batch):
    monkeypatch.setattr(module, "_BATCH", batch)
    manifest = build(tmp_path / "store", tokenizer_folder)
    tokenizer = load_tokenizer(tokenizer_folder)
    store = open_store(tmp_path / "store", tokenizer.fingerprint)
    assert store.languages == ("de", "en", "fr")
    assert (store.name, store.split) == ("made", "train")
    rows = {"queries": ["q1", "q2", "q3"], "passages": ["p2", "p1", "p9"]}
    for side, records in (("queries", QUERIES), ("passages", PASSAGES)):
        found = getattr(store, side)
        wanted = {(rows[side].index(record["id"]), record["language"]): record["text"] for record in records}
        for language in store.languages:
            texts = found.tokens[language]
            for row in range(3):
                tokens = texts.values[texts.offsets[row] : texts.offsets[row + 1]]
                np.testing.assert_array_equal(tokens, tokenizer.encode([wanted.get((row, language), "")])[0])
    assert store.pairs.query_A.tolist() == [1, 0]
    assert store.pairs.passage_A.tolist() == [0, 1]
    assert len(set(store.pairs.group_A.tolist())) == 2
    assert store.pairs.negative_rows.tolist() == [1]
    assert store.pairs.negative_offsets.tolist() == [0, 1, 1]
    assert manifest["dropped"] == {
        EMPTY: 2, NO_QUERY: 1, NO_PASSAGE: 1, NO_NEGATIVE: 1}  # fmt: skip
    assert store_tokenizer(store.path) == store.path / "tokenizer"
    assert load_tokenizer(store_tokenizer(store.path)).fingerprint == tokenizer.fingerprint
    text = "\n".join(summary(manifest))
    assert "store made/train: 3 languages (de en fr)" in text
    assert "queries: 3 items, 3 texts" in text
    assert "pairs: 2, 1 of them with explicit negatives" in text
    assert f"dropped: 2 {EMPTY}" in text


@pytest.mark.parametrize(("tables", "message"), [
    ({"queries": [*QUERIES, {"id": "q1", "language": "de", "text": "noch einmal"}]},
     "queries: 'q1' has two texts in 'de'; expected one record per id and language"),
    ({"passages": [{"id": "p1", "language": "xx", "text": "?"}]},
     "passages: record 'p1' has the unknown language 'xx': expected a BCP-47 or ISO 639-3 code such as de, "),
    ({"pairs": [{"query": "q7", "passage": "p1", "group": "g", "negatives": []}]},
     "the pair of query 'q7' and passage 'p1' names 'q7', but queries have no record with this id"),
    ({"pairs": [{"query": "q1", "passage": "p1", "group": "g", "negatives": ["p8"]}]},
     "names 'p8', but passages have no record"),
    ({"pairs": []}, "pairs: the source has no usable pair"),
    ({"passages": []}, "passages: the source has no records"),
])  # fmt: skip
def test_a_wrong_record_is_named_and_nothing_is_left(tmp_path, tokenizer_folder, tables, message):
    with pytest.raises(InputError, match=message):
        build(tmp_path / "store", tokenizer_folder, **tables)
    assert list(tmp_path.iterdir()) == []


def test_teacher_scores_stay_with_their_pairs_and_negatives(tmp_path, tokenizer_folder):
    scores = [([2.5], [0.5, 0.25]), ([1.5], []), ([9], []), ([8], [7])]
    pairs = [{**pair, "score": one, "negative_scores": many} for pair, (one, many) in zip(PAIRS, scores, strict=True)]
    manifest = build(tmp_path / "store", tokenizer_folder, pairs=[*pairs, pairs[0]])
    store = open_store(tmp_path / "store")
    assert store.pairs.negative_rows.tolist() == [1] and store.pairs.negative_scores.tolist() == [0.5]
    assert store.pairs.score_A.tolist() == [2.5, 1.5]
    assert "  teacher scores: 2 pairs, 1 negatives" in summary(manifest)
    with pytest.raises(InputError, match="pairs: 3 values of score: expected 4, or none"):
        build(tmp_path / "some", tokenizer_folder, pairs=[{**pairs[0], "score": []}, *pairs[1:]])


def test_a_missing_tokenizer_is_told_of_before_the_source_is_prepared(tmp_path):
    with pytest.raises(InputError, match="tokenizer .*nothing; expected"):
        build_store("jsonl", "train", tmp_path / "raw", tmp_path / "store", tmp_path / "none", input_dir=tmp_path)
    assert list(tmp_path.iterdir()) == []


def test_building_twice_gives_the_same_bytes(tmp_path, tokenizer_folder):
    for name in ("one", "two"):
        build(tmp_path / name, tokenizer_folder)
    files = sorted(path.relative_to(tmp_path / "one") for path in (tmp_path / "one").rglob("*") if path.is_file())
    assert len(files) == 3 + 2 + 2 + 2  # manifest, pairs, tokenizer; two languages and the identity a side
    for file in files:
        assert (tmp_path / "one" / file).read_bytes() == (tmp_path / "two" / file).read_bytes()


def test_a_finished_store_is_kept(tmp_path, tokenizer_folder):
    build(tmp_path / "store", tokenizer_folder)
    with pytest.raises(InputError, match="already exists: remove it"):
        build(tmp_path / "store", tokenizer_folder)

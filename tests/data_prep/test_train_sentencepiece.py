"""The vocabulary: trained on the training split only, the same every time, with the ids that the store expects."""

import hashlib
import json
import unicodedata

import pytest
import sentencepiece

from data_prep.sources import registry
from data_prep.train_sentencepiece import train_sentencepiece
from hbt_jax.errors import InputError
from hbt_jax.models.tokenizer import load_tokenizer
from tests.data_prep.few_facts import few, raw_dir  # noqa: F401


def test_pieces_fingerprint_and_report(raw_dir, tmp_path):  # noqa: F811
    report = train_sentencepiece("facts", raw_dir, tmp_path / "tokenizer", 400)
    path = tmp_path / "tokenizer" / "tokenizer.model"
    model = sentencepiece.SentencePieceProcessor(model_file=str(path))
    assert [model.id_to_piece(number) for number in range(4)] == ["<pad>", "<s>", "</s>", "<unk>"]
    assert (model.pad_id(), model.bos_id(), model.eos_id(), model.unk_id()) == (0, 1, 2, 3)
    assert model.vocab_size() == report["vocabulary"] == 400
    assert report == json.loads((path.parent / "training.json").read_text(encoding="utf-8"))
    assert report["fingerprint"] == "sha256:" + hashlib.sha256(path.read_bytes()).hexdigest()
    texts = {code: 2 * sum(code in group.texts for group in few(0)["train"]) for code in ("en", "de", "el", "sw")}
    assert report["texts_by_language"] == texts and report["texts"] == sum(texts.values())
    again = train_sentencepiece("facts", raw_dir, tmp_path / "again", 400)
    assert again["fingerprint"] == report["fingerprint"]


def test_only_the_training_split_is_read(raw_dir, tmp_path, monkeypatch):  # noqa: F811
    asked, records = [], registry.records

    def noted(source, table, split, folder):
        asked.append((table, split))
        return records(source, table, split, folder)

    monkeypatch.setattr(registry, "records", noted)
    train_sentencepiece("facts", raw_dir, tmp_path / "tokenizer", 400)
    assert asked == [("queries", "train"), ("passages", "train")]


@pytest.mark.parametrize("marked", ["Vie\u0302\u0323t", "e\u0301\u0323ko\u0301\u0323"])
def test_texts_are_trained_in_the_form_in_which_they_are_encoded(tmp_path, monkeypatch, marked):
    composed = unicodedata.normalize("NFC", marked)
    assert composed != marked
    fingerprints = []
    for name, word in (("typed", marked), ("composed", composed)):
        texts = [f"{word} {other}" for other in ("the currency of France", "what is the capital", "a town in Ghana")]
        monkeypatch.setattr(
            registry, "records", lambda *_, t=texts: ({"language": "en", "text": text} for text in t * 3)
        )
        fingerprints.append(train_sentencepiece("facts", "unused", tmp_path / name, 33)["fingerprint"])
    assert fingerprints[0] == fingerprints[1]
    tokenizer = load_tokenizer(tmp_path / "typed")
    assert tokenizer.unk_id not in tokenizer.encode([marked, composed])[0]


@pytest.mark.parametrize("vocabulary", [20, 100_000])
def test_a_vocabulary_that_does_not_suit_the_text_is_an_input_error(raw_dir, tmp_path, vocabulary):  # noqa: F811
    with pytest.raises(InputError, match=f"--vocabulary={vocabulary} does not suit the .* choose another --vocabulary"):
        train_sentencepiece("facts", raw_dir, tmp_path / "tokenizer", vocabulary)
    assert not (tmp_path / "tokenizer").exists()

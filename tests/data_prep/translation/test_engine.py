"""CTranslate2 behind our interface: a converted model writes what the model in transformers writes."""

import json
import shutil
import sys

import pytest

from data_prep.translation.engine import CTranslate2Translator
from hbt_jax.errors import InputError
from tests.data_prep.translation.tiny_translation import LANGUAGES, LONGEST, SENTENCES, tiny_model


@pytest.fixture(scope="module")
def tiny(tmp_path_factory):
    """(folder of CTranslate2, language token -> sentence -> translation by transformers)."""
    folder = tmp_path_factory.mktemp("tiny")
    tiny_model(folder)
    return folder / "ct2", json.loads((folder / "expected.json").read_text(encoding="utf-8"))


def translator(folder, **options):
    return CTranslate2Translator(folder, **{"beam_size": 1, "max_tokens": LONGEST, "threads": 1} | options)


@pytest.mark.peer
def test_translations_are_those_of_transformers(tiny):
    engine = translator(tiny[0])
    found = []
    for code, token in (("de", "deu_Latn"), ("ru", "rus_Cyrl"), ("zh", "zho_Hans")):
        made = engine(SENTENCES, "en", code)
        assert made == [tiny[1][token][sentence] for sentence in SENTENCES]
        found += made
    assert None in found and any(found)  # some end, some do not
    assert not any(token in text for text in found if text for token in LANGUAGES)


def test_batches_change_nothing(tiny):
    many = SENTENCES * 5
    assert translator(tiny[0], batch_tokens=16)(many, "en", "ru") == translator(tiny[0])(SENTENCES, "en", "ru") * 5
    assert translator(tiny[0])([], "en", "ru") == []


def test_a_text_that_is_too_long_is_not_cut(tiny):
    engine = translator(tiny[0])
    ended = [text for text in SENTENCES if engine([text], "en", "ru") != [None]][0]
    longest = max(len(pieces) for pieces in engine._pieces.encode([ended], out_type=str)) + 2
    assert translator(tiny[0], max_tokens=longest)([ended], "en", "ru") == engine([ended], "en", "ru")
    assert translator(tiny[0], max_tokens=longest - 1)([ended], "en", "ru") == [None]
    with pytest.raises(
        InputError, match="CTranslate2 stopped .*position.*: lower --batch_tokens if memory ran out, --"
    ):
        translator(tiny[0], max_tokens=200)(["what " * 100], "en", "de")


def test_settings_tell_models_and_options_apart(tiny, tmp_path):
    settings = translator(tiny[0]).settings
    assert settings["model"] == "NLLB-200" and len(settings["model.bin"]) == 64
    assert translator(tiny[0], batch_tokens=9, threads=2).settings == settings
    for options in ({"beam_size": 2}, {"max_tokens": 9}, {"compute_type": "int8"}):
        assert translator(tiny[0], **options).settings != settings


def test_languages_of_the_model_alone(tiny):
    engine = translator(tiny[0])
    engine.check("de")
    with pytest.raises(InputError, match="does not translate 'fr' .*: it has de en ru zh; leave out 'fr'"):
        engine.check("fr")


def test_a_wrong_folder_or_device_is_named(tiny, tmp_path):
    with pytest.raises(
        InputError, match="--model=.*gone: no such folder: expected .*ct2-transformers-converter made; p"
    ):
        translator(tmp_path / "gone")
    for name, message in (
        ("sentencepiece.bpe.model", "sentencepiece.bpe.model is missing: expected a converted model with"),
        ("model.bin", "model.bin is missing"),
        ("shared_vocabulary.json", "shared_vocabulary.json is missing: expected a model with a shared vocabulary"),
    ):
        folder = shutil.copytree(tiny[0], tmp_path / name)
        (folder / name).unlink()
        with pytest.raises(InputError, match=message):
            translator(folder)
    folder = shutil.copytree(tiny[0], tmp_path / "broken")
    (folder / "model.bin").write_bytes(b"no model")
    with pytest.raises(
        InputError, match="CTranslate2 cannot load it .*: convert the model anew, or choose another dev"
    ):
        translator(folder)
    (folder / "shared_vocabulary.json").write_text("[", encoding="utf-8")
    with pytest.raises(InputError, match="shared_vocabulary.json: not the vocabulary of a model .*: convert"):
        translator(folder)
    (folder / "shared_vocabulary.json").write_text('["a"]', encoding="utf-8")
    with pytest.raises(
        InputError, match="no language token such as deu_Latn .* convert it again with transformers before rel"
    ):
        translator(folder)
    folder = shutil.copytree(tiny[0], tmp_path / "pieces")
    (folder / "sentencepiece.bpe.model").write_bytes(b"no pieces")
    with pytest.raises(InputError, match="sentencepiece.bpe.model: not a SentencePiece model: copy the one of"):
        translator(folder)


def test_the_missing_extra_is_named(tiny, monkeypatch):
    monkeypatch.setitem(sys.modules, "ctranslate2", None)
    with pytest.raises(InputError, match=r"ctranslate2 cannot be imported .*: pip install -e '\.\[translate\]'"):
        translator(tiny[0])

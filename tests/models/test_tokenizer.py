"""Tokenizers: one interface over SentencePiece and Hugging Face, and prefixes that can be joined to texts."""

import hashlib
import io
import json
from pathlib import Path

import numpy as np
import pytest
import sentencepiece
import tokenizers

from hbt_jax.errors import InputError
from hbt_jax.models.tokenizer import load_tokenizer
from hbt_jax.text_identity import Folding
from tests.models.huggingface import make_tokenizers

TEXTS = ["the currency of France", "die Währung von Frankreich", "", "  ", "フランスの通貨は何ですか", "عملة فرنسا 12"]


@pytest.fixture(scope="module")
def sentencepiece_folder(tmp_path_factory) -> Path:
    folder = tmp_path_factory.mktemp("sentencepiece")
    model = io.BytesIO()
    sentencepiece.SentencePieceTrainer.train(
        sentence_iterator=iter(TEXTS * 5 + ["query: passage: what is it"]), model_writer=model, vocab_size=90,
        character_coverage=1.0, pad_id=0, bos_id=1, eos_id=2, unk_id=3, hard_vocab_limit=False, minloglevel=2,
    )  # fmt: skip
    (folder / "tokenizer.model").write_bytes(model.getvalue())
    return folder


@pytest.fixture(scope="module")
def hugging_face_folder(tmp_path_factory) -> Path:
    """A small WordPiece tokenizer in BERT's layout."""
    folder = tmp_path_factory.mktemp("hugging_face")
    pieces = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "the", "currency", "of", "france", "##s", "query", "passage", ":"]
    vocabulary = {piece: number for number, piece in enumerate(pieces)}
    backend = tokenizers.Tokenizer(tokenizers.models.WordPiece(vocabulary, unk_token="[UNK]"))
    backend.normalizer = tokenizers.normalizers.BertNormalizer()
    backend.pre_tokenizer = tokenizers.pre_tokenizers.BertPreTokenizer()
    backend.post_processor = tokenizers.processors.BertProcessing(("[SEP]", 3), ("[CLS]", 2))
    backend.decoder = tokenizers.decoders.WordPiece()
    backend.enable_truncation(4)  # a setting of the file that must not reach our ids
    backend.enable_padding(length=9)
    backend.save(str(folder / "tokenizer.json"))
    (folder / "tokenizer_config.json").write_text(json.dumps({"pad_token": {"content": "[PAD]"}, "unk_token": "[UNK]"}))
    return folder


def lists(tokenizer, texts) -> list[list[int]]:
    tokens, offsets = tokenizer.encode(texts)
    assert (tokens.dtype, offsets.dtype) == (np.int32, np.int64)
    assert len(offsets) == len(texts) + 1
    return [tokens[offsets[i] : offsets[i + 1]].tolist() for i in range(len(texts))]


def test_sentencepiece_ids_are_the_models_own(sentencepiece_folder):
    tokenizer = load_tokenizer(sentencepiece_folder)
    file = sentencepiece_folder / "tokenizer.model"
    model = sentencepiece.SentencePieceProcessor(model_file=str(file))
    found = lists(tokenizer, TEXTS)
    assert found == [model.encode(text) for text in TEXTS]
    assert found[2] == found[3] == []
    assert (tokenizer.pad_id, tokenizer.bos_id, tokenizer.eos_id, tokenizer.unk_id) == (0, 1, 2, 3)
    assert tokenizer.vocab_size == model.get_piece_size()
    assert tokenizer.fingerprint == "sha256:" + hashlib.sha256(file.read_bytes()).hexdigest()
    assert load_tokenizer(file).fingerprint == tokenizer.fingerprint


@pytest.mark.parametrize("prefix", ["query: ", "passage: ", ""])
def test_prefix_and_text_are_tokenised_apart(sentencepiece_folder, hugging_face_folder, prefix):
    for folder in (sentencepiece_folder, hugging_face_folder):
        tokenizer = load_tokenizer(folder)
        texts = [text for text in TEXTS if text.strip()]
        head = tokenizer.prefix_ids(prefix).tolist()
        joined = lists(tokenizer, [prefix + text for text in texts])
        assert joined == [head + own for own in lists(tokenizer, texts)]
        assert bool(head) == bool(prefix)


@pytest.mark.peer
def test_hugging_face_ids_are_transformers_without_special_tokens(hugging_face_folder):
    import transformers

    peer = transformers.PreTrainedTokenizerFast(tokenizer_file=str(hugging_face_folder / "tokenizer.json"))
    tokenizer = load_tokenizer(hugging_face_folder)
    texts = ["The currency of Frances: unknown word", "", "France " * 9]
    assert lists(tokenizer, texts) == peer(texts, add_special_tokens=False, truncation=False)["input_ids"]
    assert (tokenizer.pad_id, tokenizer.bos_id, tokenizer.eos_id, tokenizer.unk_id) == (0, 2, 3, 1)
    assert tokenizer.vocab_size == 12


def test_ids_are_read_back_as_the_texts_that_the_tokenizer_made_of_them(sentencepiece_folder, hugging_face_folder):
    for folder, texts, read in (
        (sentencepiece_folder, ["the  currency of France", "", "عملة"], ["the currency of France", "", "عملة"]),
        (hugging_face_folder, ["The Currency, of Frances", ""], ["the currency [UNK] of frances", ""]),
    ):
        tokenizer = load_tokenizer(folder)
        tokens, offsets = tokenizer.encode(texts)
        assert tokenizer.decode(tokens, offsets) == read
        assert tokenizer.decode(np.append([5], tokens), offsets + 1) == read
        assert tokenizer.decode(tokens, offsets[:1]) == []


@pytest.mark.parametrize("wrong", [-1, 12])
def test_an_id_outside_the_vocabulary_is_not_read(hugging_face_folder, wrong):
    tokenizer = load_tokenizer(hugging_face_folder)
    with pytest.raises(InputError, match=f"no text for token id {wrong}, expected 0 to 11: the tokens are another"):
        tokenizer.decode(np.array([4, wrong]), np.array([0, 2]))


def test_saved_tokenizers_are_the_same(sentencepiece_folder, hugging_face_folder, tmp_path):
    for number, folder in enumerate((sentencepiece_folder, hugging_face_folder)):
        tokenizer = load_tokenizer(folder)
        tokenizer.save(tmp_path / str(number))
        again = load_tokenizer(tmp_path / str(number))
        again.save(tmp_path / str(number))  # onto itself
        assert again.fingerprint == tokenizer.fingerprint
        assert (again.pad_id, again.unk_id, again.vocab_size) == (
            tokenizer.pad_id, tokenizer.unk_id, tokenizer.vocab_size)  # fmt: skip


def test_what_is_no_tokenizer_is_an_error(tmp_path, hugging_face_folder):
    with pytest.raises(InputError, match=r"found nothing; expected a SentencePiece \.model file or a folder"):
        load_tokenizer(tmp_path / "nowhere")
    with pytest.raises(InputError, match="found a folder without the files of a tokenizer"):
        load_tokenizer(tmp_path)
    (tmp_path / "bad.model").write_bytes(b"not a model")
    with pytest.raises(InputError, match=r"bad\.model: not a SentencePiece model"):
        load_tokenizer(tmp_path / "bad.model")
    definition = json.loads((hugging_face_folder / "tokenizer.json").read_text())
    for content, message in (
        ("{", "not JSON"),
        ("{}", "expected the keys model and added_tokens"),
        (json.dumps({**definition, "post_processor": None}), "puts 0 tokens around a text; expected two"),
        ("[]", "holds a list; expected an object"),
        (
            json.dumps({**definition, "model": {"type": "Telepathy", "vocab": {}}}),
            "cannot read it .*update the tok",
        ),
        (json.dumps({**definition, "truncation": "left"}), "cannot read it .*update the tok"),
        (json.dumps({**definition, "padding": None}), "no padding token"),
        (json.dumps(definition)[:-1] + ', "model": {}}', 'tokenizer.json: not JSON .the name "model" occurs twice'),
    ):
        (tmp_path / "tokenizer.json").write_text(content)
        with pytest.raises(InputError, match=message):
            load_tokenizer(tmp_path)


def test_broken_files_beside_it_are_errors(tmp_path, hugging_face_folder):
    (tmp_path / "tokenizer.json").write_text((hugging_face_folder / "tokenizer.json").read_text())
    for name in ("tokenizer_config.json", "special_tokens_map.json", "added_tokens.json"):
        for content in ("{", '{"<a>": 5, "<a>": 6}'):
            (tmp_path / name).write_text(content)
            with pytest.raises(InputError, match=f"{name}: not JSON .*; copy the file again"):
                load_tokenizer(tmp_path)
        (tmp_path / name).unlink()


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        (
            {"tokenizer_class": ["BertTokenizer"]},
            r"tokenizer_class is \['BertTokenizer'\]; expected the name of a class",
        ),
        ({"tokenizer_class": "BertTokenizer", "strip_accents": "no"}, "strip_accents is 'no'; expected true, false or"),
        ({"additional_special_tokens": 3}, "additional_special_tokens is 3; expected a list of tokens"),
        ({"extra_special_tokens": "<x>"}, "extra_special_tokens is '<x>'; expected a list of tokens, or an object"),
        ({"added_tokens_decoder": ["<x>"]}, r"added_tokens_decoder is \['<x>'\]; expected an object of ids to tokens"),
        ({"truncation_side": None}, 'truncation_side is null; expected "right", or no such key'),
        ({"split_special_tokens": None}, "split_special_tokens is null; expected true or false, or no such key"),
        ({"split_special_tokens": "no"}, "split_special_tokens is 'no'; expected true or false"),
    ],
)
def test_settings_of_another_kind_are_errors(tmp_path, hugging_face_folder, settings, message):
    (tmp_path / "tokenizer.json").write_text((hugging_face_folder / "tokenizer.json").read_text())
    (tmp_path / "tokenizer_config.json").write_text(json.dumps(settings))
    with pytest.raises(InputError, match=rf"^tokenizer {tmp_path}: its settings \(.*\) say that {message}"):
        load_tokenizer(tmp_path)


@pytest.mark.parametrize("value", [None, "false", 1])
@pytest.mark.parametrize("key", ["do_lower_case", "tokenize_chinese_chars"])
def test_settings_of_berts_class_are_true_false_or_absent(tmp_path, key, value):
    from tests.models.huggingface import make_tokenizers

    folder = make_tokenizers.bert(tmp_path)
    make_tokenizers.change(folder / "tokenizer_config.json", **{"tokenizer_class": "BertTokenizer", key: ...})
    assert load_tokenizer(folder).encode(["a"])[0].size
    make_tokenizers.change(folder / "tokenizer_config.json", **{key: value})
    with pytest.raises(InputError, match=f"say that {key} is .*; expected true or false, or no such key for true$"):
        load_tokenizer(folder)


def test_a_model_type_of_another_kind_makes_no_class(tmp_path, hugging_face_folder):
    for file in hugging_face_folder.iterdir():
        (tmp_path / file.name).write_bytes(file.read_bytes())
    (tmp_path / "config.json").write_text('{"model_type": ["bert"]}')
    tokenizer, before = load_tokenizer(tmp_path), load_tokenizer(hugging_face_folder)
    assert lists(tokenizer, TEXTS) == lists(before, TEXTS)
    (tmp_path / "config.json").write_text('{"tokenizer_class": 3}')
    with pytest.raises(InputError, match="config.json: tokenizer_class is 3; expected the name of a class"):
        load_tokenizer(tmp_path)


@pytest.mark.parametrize(
    ("name", "message"),
    [
        (
            "vocab.txt",
            r"vocab\.txt lacks \[PAD\], \[UNK\], \[CLS\], \[SEP\]; expected them among its pieces",
        ),
        ("sentencepiece.bpe.model", r"sentencepiece\.bpe\.model: not a SentencePiece model \(.*\); copy it again"),
    ],
)
def test_damaged_files_of_older_tokenizers_are_errors(tmp_path, name, message):
    (tmp_path / name).write_text("")
    with pytest.raises(InputError, match=message):
        load_tokenizer(tmp_path)


@pytest.mark.parametrize("name", ["vocab.json", "spiece.model"])
def test_files_of_other_tokenizers_are_named_with_the_way_out(tmp_path, name):
    (tmp_path / name).write_text("")
    message = (
        rf"found {name} but no tokenizer\.json; make it .*AutoTokenizer\.from_pretrained\('{tmp_path}'\)\.save_pret"
    )
    with pytest.raises(InputError, match=message):
        load_tokenizer(tmp_path)


def test_an_empty_model_file_is_an_error(tmp_path):
    (tmp_path / "empty.model").write_bytes(b"")
    with pytest.raises(InputError, match=r"empty\.model: not a SentencePiece model"):
        load_tokenizer(tmp_path / "empty.model")


def test_half_a_surrogate_pair_is_an_error(sentencepiece_folder, hugging_face_folder):
    for folder in (sentencepiece_folder, hugging_face_folder):
        with pytest.raises(
            InputError, match=r"text 1 of 2, 'a\\ud800', holds half of a surrogate pair .*correct the text"
        ):
            load_tokenizer(folder).encode(["a", "a\ud800"])
        with pytest.raises(TypeError):
            load_tokenizer(folder).encode(["a", None])


def test_a_model_file_is_saved_under_the_name_that_a_folder_is_read_by(sentencepiece_folder, tmp_path):
    other = tmp_path / "other.model"
    other.write_bytes((sentencepiece_folder / "tokenizer.model").read_bytes())
    load_tokenizer(other).save(tmp_path / "saved")
    assert load_tokenizer(tmp_path / "saved").fingerprint == load_tokenizer(other).fingerprint


def byte_level(folder: Path, prefix_space: bool) -> Path:
    """A byte-level BPE whose merges know " a" as a piece of its own, as those of trained ones do."""
    alphabet = sorted(tokenizers.pre_tokenizers.ByteLevel.alphabet())
    pieces = ["<pad>", "<unk>", "<s>", "</s>", *alphabet, "Ġa", "Ġb"]
    vocabulary = {piece: number for number, piece in enumerate(pieces)}
    backend = tokenizers.Tokenizer(tokenizers.models.BPE(vocabulary, [("Ġ", "a"), ("Ġ", "b")], unk_token="<unk>"))
    backend.pre_tokenizer = tokenizers.pre_tokenizers.ByteLevel(add_prefix_space=prefix_space)
    backend.post_processor = tokenizers.processors.BertProcessing(("</s>", 3), ("<s>", 2))
    backend.enable_padding(pad_token="<pad>")
    backend.save(str(folder / "tokenizer.json"))
    return folder


def test_a_tokenizer_whose_prefix_cannot_be_joined_is_refused(tmp_path):
    tokenizer = load_tokenizer(byte_level(tmp_path, prefix_space=True))
    joined = tokenizer.encode(["query: a b"])[0].tolist()
    assert joined == [*tokenizer.prefix_ids("query: ").tolist(), *tokenizer.encode(["a b"])[0].tolist()]
    byte_level(tmp_path, prefix_space=False)
    with pytest.raises(InputError, match=f"tokenizer {tmp_path}: the ids of 'query: a b' are .* expected the same"):
        load_tokenizer(tmp_path)


def test_a_sentencepiece_model_without_a_space_at_the_start_is_refused(tmp_path):
    model = io.BytesIO()
    sentencepiece.SentencePieceTrainer.train(
        sentence_iterator=iter([*TEXTS, "a b"]), model_writer=model, vocab_size=60, hard_vocab_limit=False,
        minloglevel=2, pad_id=3, add_dummy_prefix=False,
    )  # fmt: skip
    (tmp_path / "tokenizer.model").write_bytes(model.getvalue())
    with pytest.raises(InputError, match="ids of 'query: a b' are .* a SentencePiece model needs add_dummy_prefix"):
        load_tokenizer(tmp_path)


def test_a_model_without_padding_is_refused(tmp_path):
    model = io.BytesIO()
    sentencepiece.SentencePieceTrainer.train(
        sentence_iterator=iter(TEXTS), model_writer=model, vocab_size=60, hard_vocab_limit=False, minloglevel=2
    )
    (tmp_path / "tokenizer.model").write_bytes(model.getvalue())
    with pytest.raises(InputError, match=r"no padding token \(id -1, .*data_prep/train_sentencepiece\.py"):
        load_tokenizer(tmp_path)


@pytest.mark.parametrize(("make", "folding"), [
    (make_tokenizers.xlm_r, Folding(compatibility=True)),
    (make_tokenizers.bert, Folding()),
    (lambda folder: make_tokenizers.bert(folder, lowercase=True), Folding(case=True, accents=True)),
    (lambda folder: of_rule(folder, "nmt_nfkc"), Folding(compatibility=True)),
    (lambda folder: of_rule(folder, "identity"), Folding()),
    (lambda folder: of_rule(folder, "nmt_nfkc_cf"),
     Folding(compatibility=True, case=True)),
])  # fmt: skip
def test_what_a_tokenizer_does_not_tell_apart_is_found_out(tmp_path, make, folding):
    assert load_tokenizer(make(tmp_path / "tokenizer")).folding == folding


def of_rule(folder, rule):
    folder.mkdir()
    model = make_tokenizers.sentencepiece_model(normalization_rule_name=rule)
    (folder / "tokenizer.model").write_bytes(model)
    return folder


def test_letters_that_a_tokenizer_does_not_know_say_nothing(tmp_path):
    model = io.BytesIO()
    sentencepiece.SentencePieceTrainer.train(
        sentence_iterator=iter(["กขค งจฉ"] * 9), model_writer=model, vocab_size=20, pad_id=0, bos_id=1, eos_id=2,
        unk_id=3, hard_vocab_limit=False, minloglevel=2,
    )  # fmt: skip
    (tmp_path / "tokenizer.model").write_bytes(model.getvalue())
    tokenizer = load_tokenizer(tmp_path)
    assert tokenizer.encode(["A"])[0].tolist() == tokenizer.encode(["b"])[0].tolist()
    assert tokenizer.folding == Folding()

"""Begin, prefix, text and end are id for id what transformers' AutoTokenizer makes of prefix + text."""

import json
import os
import unicodedata
from collections.abc import Iterator
from pathlib import Path

import pytest
import transformers
from hypothesis import given, settings
from hypothesis import strategies as st

from hbt_jax.config.learning import TextConfig
from hbt_jax.data.packing import text_format
from hbt_jax.errors import InputError
from hbt_jax.languages import XM3600
from hbt_jax.models import word_cache
from hbt_jax.models.huggingface import by_transformers
from hbt_jax.models.tokenizer import Tokenizer, load_tokenizer
from tests.models.huggingface import make_tokenizers
from tests.models.huggingface.make_tokenizers import AWKWARD, change, texts_of

PRETRAINED = os.environ.get("HBT_JAX_PRETRAINED", "")


def stated(folder: Path) -> Path:
    """A folder whose settings name all special tokens, so that tokenizer.json says everything."""
    peer = transformers.AutoTokenizer.from_pretrained(str(folder), local_files_only=True)
    change(folder / "tokenizer_config.json", **peer.special_tokens_map)
    return folder


KINDS = {
    "xlm-r": make_tokenizers.xlm_r,
    "xlm-r stated": lambda folder: stated(make_tokenizers.xlm_r(folder)),
    "bert stated": lambda folder: stated(make_tokenizers.bert(folder)),
    "bert cased": make_tokenizers.bert,
    "bert uncased": lambda folder: make_tokenizers.bert(folder, lowercase=True),
    "pretrained": lambda folder: Path(PRETRAINED),
}
NEW = "zero\u200b"  # a special token that is in some of the texts and in no vocabulary
FASTER = "with many words"  # the words that are new go to hbt_jax/models/unigram_words.py from the first on
PREFIXES = ("query: ", "", "Represent this sentence (ā 中) for retrieval:  ")


class Pair:
    """Our tokenizer and transformers' own for one folder."""

    def __init__(self, folder: Path):
        self.ours: Tokenizer = load_tokenizer(folder)
        self.peer = transformers.AutoTokenizer.from_pretrained(str(folder), local_files_only=True)

    def differing(self, texts, prefix: str, longest: int) -> list[str]:
        """Texts that the two give other ids."""
        form = text_format(TextConfig(query_prefix=prefix, query_length=longest), self.ours, "query")
        values, offsets = self.ours.encode(texts)
        theirs = self.peer([prefix + text for text in texts], truncation=True, max_length=longest)["input_ids"]
        own = (values[start:end][: form.room] for start, end in zip(offsets[:-1], offsets[1:], strict=True))
        ids = [[*form.head.tolist(), *kept.tolist(), form.end] for kept in own]
        return [text for text, one, other in zip(texts, ids, theirs, strict=True) if one != other]


@pytest.fixture(scope="module", params=[*KINDS, f"xlm-r {FASTER}", f"pretrained {FASTER}"])
def pair(request, tmp_path_factory) -> Iterator[Pair]:
    kind = request.param.removesuffix(f" {FASTER}")
    if kind == "pretrained" and not PRETRAINED:
        pytest.skip("set HBT_JAX_PRETRAINED to the folder of a real model to test with its tokenizer")
    with pytest.MonkeyPatch.context() as patch:
        if kind != request.param:
            patch.setattr(word_cache, "_MANY", 1)
            patch.setattr(word_cache, "_AT_ONCE", 1)
        made = Pair(KINDS[kind](tmp_path_factory.mktemp("tokenizer")))
        assert kind == request.param or made.ours._words._faster is not None
        yield made


@pytest.mark.peer
@pytest.mark.parametrize("prefix", PREFIXES)
def test_all_languages_and_awkward_texts(pair, prefix):
    texts = [*AWKWARD, *(text for code in XM3600 for text in texts_of(code)[::5])]
    assert len(texts) > 6000
    for longest in (512, 48):
        assert pair.differing(texts, prefix, longest) == []


@pytest.mark.peer
def test_special_tokens_and_sizes_are_transformers(pair):
    begin, end = pair.peer("")["input_ids"]
    ours, peer = pair.ours, pair.peer
    assert (ours.bos_id, ours.eos_id, ours.pad_id, ours.unk_id) == (begin, end, peer.pad_token_id, peer.unk_token_id)
    assert ours.vocab_size == len(peer)


@pytest.mark.peer
def test_very_long_texts(pair):
    words = " ".join(text for code in XM3600 for text in texts_of(code)[:300]).split()[:10_000]
    assert len(words) == 10_000
    texts = [" ".join(words), "ab" * 10_000, "я" * 20_000, "中" * 20_000, "\u0301" * 20_000, " " * 20_000, "<s>" * 2000]
    for longest in (512, 10**5):
        assert pair.differing(texts, "query: ", longest) == []


def begins_with_replaced_mark(text: str) -> bool:
    """A combining character that XLM-R's normaliser replaces; see hbt_jax/models/tokenizer.py."""
    mark = text[:1] or "a"
    replaced = unicodedata.normalize("NFKC", mark) != mark
    return mark == "\u200c" or (unicodedata.category(mark)[0] == "M" and replaced)


NAMES = [texts_of(code)[number] for code in XM3600 for number in (0, 7)]
PARTS = st.sampled_from([*AWKWARD, *NAMES, "a", "e", "中", "か", " ", "\u0301", "\u0323"]) | st.text(max_size=4)
TEXTS = st.lists(PARTS, max_size=6).map("".join).filter(lambda text: not begins_with_replaced_mark(text))


@pytest.mark.peer
@settings(max_examples=25, derandomize=True, deadline=None, database=None)
@given(texts=st.lists(TEXTS, min_size=20, max_size=40), prefix=st.sampled_from(PREFIXES), longest=st.integers(40, 70))
def test_any_text(pair, texts, prefix, longest):
    assert pair.differing(texts, prefix, longest) == []


@pytest.mark.peer
def test_marks_that_the_normaliser_replaces_differ_only_after_a_prefix(tmp_path):
    pair = Pair(make_tokenizers.xlm_r(tmp_path))
    texts = ["\u200c\u0301a"]
    assert all(map(begins_with_replaced_mark, texts))
    assert pair.differing(texts, "", 30) == []
    assert pair.differing(texts, "query: ", 30) == texts
    assert pair.differing([" " + text for text in texts] + [text[0] + "a" for text in texts], "query: ", 30) == []


def edit(folder: Path, change_definition) -> None:
    """Changes tokenizer.json."""
    file = folder / "tokenizer.json"
    definition = json.loads(file.read_text(encoding="utf-8"))
    change_definition(definition)
    file.write_text(json.dumps(definition), encoding="utf-8")


def without_added(*names: str):
    """tokenizer.json without some of its special tokens, which stay in the vocabulary."""

    def change_definition(definition: dict) -> None:
        definition["added_tokens"] = [token for token in definition["added_tokens"] if token["content"] not in names]

    return change_definition


def pieces_of_spaces(definition: dict) -> None:
    """XLM-R's pipeline as later models have it, among them bge-m3."""
    steps = [
        {"type": "Strip", "strip_left": False, "strip_right": True},
        {"type": "Replace", "pattern": {"Regex": " {2,}"}, "content": "▁"},
    ]
    definition["normalizer"] = {"type": "Sequence", "normalizers": [definition["normalizer"], *steps]}
    definition["pre_tokenizer"] = definition["pre_tokenizer"]["pretokenizers"][1]


VARIANTS = {  # what is changed: maker, tokenizer.json, tokenizer_config.json
    "lowered by the settings": ("bert cased", None, {"do_lower_case": True}),
    "lowered by the class's own habit": ("bert cased", None, {"do_lower_case": ..., "tokenizer_class": ...}),
    "not lowered by the settings": ("bert uncased", None, {"do_lower_case": False}),
    "accents kept": ("bert uncased", None, {"strip_accents": False}),
    "words of Chinese letters": ("bert cased", None, {"tokenize_chinese_chars": False}),
    "another class": (
        "bert cased", None, {"tokenizer_class": "PreTrainedTokenizerFast", "pad_token": "[PAD]", "do_lower_case": True},
    ),
    "class by the model's type": ("xlm-r", pieces_of_spaces, {"tokenizer_class": ...}),
    "steps that the class makes anew": ("xlm-r", pieces_of_spaces, {"add_prefix_space": True}),
    "steps that stay": ("xlm-r", pieces_of_spaces, {"tokenizer_class": "PreTrainedTokenizerFast"}),
    "steps without a table": ("xlm-r", lambda d: d.update(normalizer={"type": "Lowercase"}), {}),
    "no template": ("xlm-r", lambda d: d.update(post_processor=None), {}),
    "tokens of the class": ("bert cased", without_added("[MASK]", "[PAD]"), {}),
    "tokens of the settings": (
        "xlm-r", without_added("<mask>", "<pad>"), {"tokenizer_class": "PreTrainedTokenizerFast", "pad_token": "<pad>"},
    ),
    "further tokens": ("bert cased", None, {"additional_special_tokens": ["a", "e"]}),
    "further tokens that the vocabulary lacks": ("bert cased", None, {"extra_special_tokens": [NEW, "a", "query"]}),
    "further tokens of a unigram": ("xlm-r", None, {"extra_special_tokens": ["query", NEW, "a"]}),
    "further tokens by name": (
        "bert cased", None, {"extra_special_tokens": {"image_token": NEW}, "own_token": "query"},
    ),
    "tokens of two uses": ("bert cased", None, {"extra_special_tokens": [NEW, "[CLS]", NEW], "bos_token": "[CLS]"}),
    "ids in the order of the uses": (
        "bert cased", None, {"extra_special_tokens": ["query"], "eos_token": NEW, "bos_token": "zero"},
    ),
    "a token with the spaces around it": (
        "bert cased", without_added("[MASK]"),
        {"mask_token": {"__type": "AddedToken", "content": NEW, "lstrip": True, "rstrip": True, "normalized": False,
                        "single_word": False, "special": True}},
    ),
    "a token of the class that is set to null": ("bert cased", without_added("[MASK]"), {"mask_token": None}),
    "names of tokens are text": ("xlm-r", None, {"split_special_tokens": True}),
}  # fmt: skip


@pytest.fixture(params=VARIANTS)
def variant(request, tmp_path) -> Path:
    """The folder of a tokenizer whose settings change it."""
    kind, change_definition, values = VARIANTS[request.param]
    folder = KINDS[kind](tmp_path / "folder")
    if change_definition:
        edit(folder, change_definition)
    change(folder / "tokenizer_config.json", **values)
    return folder


@pytest.mark.peer
def test_what_the_settings_change(variant):
    pair = Pair(variant)
    for prefix in ("query: ", ""):
        assert pair.differing(AWKWARD, prefix, 64) == []
    assert pair.ours.vocab_size == len(pair.peer)


def older_bert(folder: Path) -> Path:
    """vocab.txt in place of tokenizer.json."""
    file = make_tokenizers.bert(folder) / "tokenizer.json"
    vocabulary = json.loads(file.read_text(encoding="utf-8"))["model"]["vocab"]
    file.unlink()
    (folder / "vocab.txt").write_text("\n".join(sorted(vocabulary, key=vocabulary.get)) + "\n", encoding="utf-8")
    return folder


def older_xlm_r(folder: Path) -> Path:
    """sentencepiece.bpe.model in place of tokenizer.json, with XLM-R's first pieces."""
    (make_tokenizers.xlm_r(folder) / "tokenizer.json").unlink()
    model = make_tokenizers.sentencepiece_model(pad_id=-1, unk_id=0, bos_id=1, eos_id=2)
    (folder / "sentencepiece.bpe.model").write_bytes(model)
    return folder


OLDER = {"vocab.txt": older_bert, "sentencepiece.bpe.model": older_xlm_r}


@pytest.mark.peer
@pytest.mark.parametrize("others", ["with its settings", "with config.json", "alone"])
@pytest.mark.parametrize("name", OLDER)
def test_older_files_without_a_tokenizer_json(name, others, tmp_path):
    folder = OLDER[name](tmp_path / "folder")
    pair = Pair(folder)
    assert pair.ours.vocab_size == len(pair.peer) and len(pair.ours.encode(["Montag"])[0]) < 5
    if others == "with its settings":
        assert pair.differing([*AWKWARD, *texts_of("fi")], "query: ", 64) == []
    else:
        (folder / "tokenizer_config.json").unlink()
        if others == "alone":
            (folder / "config.json").unlink()
        by_class = {"vocab.txt": "BertTokenizer", "sentencepiece.bpe.model": "XLMRobertaTokenizer"}[name]
        pair.peer = getattr(transformers, by_class).from_pretrained(str(folder))
        pair.ours = load_tokenizer(folder)
        assert pair.differing([*AWKWARD, *texts_of("fi")], "query: ", 64) == []
    check_saved_alike(pair.ours, tmp_path / "saved")


@pytest.mark.parametrize("kind", ["bert stated", "xlm-r stated"])
def test_a_tokenizer_json_that_says_everything_is_read_without_transformers(kind, tmp_path, monkeypatch):
    folder = KINDS[kind](tmp_path / "folder")
    file = (folder / "tokenizer.json").read_bytes()

    def refused(*_):
        raise AssertionError("transformers is not needed")

    monkeypatch.setattr(by_transformers, "make", refused)
    assert load_tokenizer(folder).contents["tokenizer.json"] == file
    before = json.loads((folder / "tokenizer_config.json").read_text(encoding="utf-8"))
    change(folder / "tokenizer_config.json", tokenizer_class="PreTrainedTokenizerFast", do_lower_case=True)
    assert load_tokenizer(folder).contents["tokenizer.json"] == file
    changes = {"bert stated": {"do_lower_case": True}, "xlm-r stated": {"extra_special_tokens": [NEW]}}
    change(folder / "tokenizer_config.json", **before | changes[kind])
    with pytest.raises(AssertionError):
        load_tokenizer(folder)


def check_saved_alike(tokenizer: Tokenizer, folder: Path) -> None:
    """A copy, which has no config.json, is the same tokenizer."""
    tokenizer.save(folder)
    again = load_tokenizer(folder)
    ids, expected = again.encode(AWKWARD), tokenizer.encode(AWKWARD)
    assert [array.tolist() for array in ids] == [array.tolist() for array in expected]
    assert (again.pad_id, again.unk_id, again.vocab_size) == (tokenizer.pad_id, tokenizer.unk_id, tokenizer.vocab_size)
    assert again.fingerprint == tokenizer.fingerprint


def test_what_the_settings_change_is_saved(variant, tmp_path):
    check_saved_alike(load_tokenizer(variant), tmp_path / "saved")


@pytest.mark.parametrize("kind", ["bert cased", "xlm-r"])
@pytest.mark.parametrize("named_in", ["tokenizer_config.json", "special_tokens_map.json"])
@pytest.mark.parametrize("spare", [0, 1, 2, None])
def test_a_further_token_has_an_id_if_the_model_has_a_row_for_it(kind, named_in, spare, tmp_path):
    """Rows of the model's table beyond the vocabulary: `spare`, None: unknown, as of a folder without a model."""
    folder = KINDS[kind](tmp_path / "folder")
    before = load_tokenizer(folder)
    size = before.vocab_size
    if spare is not None:
        change(folder / "config.json", vocab_size=size + spare)
    change(folder / named_in, extra_special_tokens=["<first>", "<second>"])
    ours = load_tokenizer(folder)
    added = 2 if spare is None else spare
    assert ours.vocab_size == size + added
    for number, name in enumerate(("<first>", "<second>")):
        ids = ours.encode([f"a{name}"])[0].tolist()
        if number < added:
            assert ids == [*before.encode(["a"])[0].tolist(), size + number]
        else:
            assert ids == before.encode([f"a{name}"])[0].tolist() and max(ids) < size
    assert (ours.fingerprint == before.fingerprint) == (added == 0)
    check_saved_alike(ours, tmp_path / "saved")


def test_a_token_of_the_class_without_a_row_is_text_and_set_to_null_in_copies(tmp_path):
    folder = KINDS["xlm-r"](tmp_path / "folder")
    size = load_tokenizer(folder).vocab_size
    rows = size - 1  # <mask> is the last

    def without_mask(definition: dict) -> None:
        without_added("<mask>")(definition)
        assert definition["model"]["vocab"].pop()[0] == "<mask>"

    edit(folder, without_mask)
    change(folder / "config.json", vocab_size=rows)
    change(folder / "special_tokens_map.json", mask_token={"content": "<mask>", "lstrip": True})
    ours = load_tokenizer(folder)
    assert ours.vocab_size == rows and len(ours.encode(["<mask>"])[0]) > 1
    check_saved_alike(ours, tmp_path / "saved")
    for name in ("tokenizer_config.json", "special_tokens_map.json"):
        assert json.loads((tmp_path / "saved" / name).read_text(encoding="utf-8"))["mask_token"] is None
    change(folder / "config.json", vocab_size=size)
    assert load_tokenizer(folder).encode(["<mask>"])[0].tolist() == [rows]


def test_settings_that_change_ids_change_the_fingerprint(tmp_path):
    folder = make_tokenizers.bert(tmp_path)
    before = load_tokenizer(folder).fingerprint
    change(folder / "tokenizer_config.json", do_lower_case=True)
    assert load_tokenizer(folder).fingerprint != before
    change(folder / "tokenizer_config.json", do_lower_case=False)
    assert load_tokenizer(folder).fingerprint == before


def test_texts_cut_at_their_beginning_are_refused(tmp_path):
    folder = make_tokenizers.xlm_r(tmp_path)
    change(folder / "tokenizer_config.json", truncation_side="left")
    with pytest.raises(InputError, match='cuts long texts on the left, .* set "truncation_side": "right"'):
        load_tokenizer(folder)
    change(folder / "tokenizer_config.json", truncation_side=...)
    truncation = {"direction": "Left", "max_length": 9, "strategy": "LongestFirst", "stride": 0}
    edit(folder, lambda definition: definition.update(truncation=truncation))
    with pytest.raises(InputError, match="cuts long texts on the left"):
        load_tokenizer(folder)
    change(folder / "tokenizer_config.json", truncation_side="right")
    assert load_tokenizer(folder).bos_id == 0

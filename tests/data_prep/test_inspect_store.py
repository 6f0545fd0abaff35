"""What is printed of a store is what it holds, and what is wrong with it is warned of."""

import doctest
import shutil
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from data_prep.inspect_store import inspect_store
from data_prep.store import figures as store_figures
from data_prep.store import letters, rows
from data_prep.store.figures import BOUNDS, figures, same_texts
from hbt_jax.errors import InputError
from hbt_jax.languages import LISTED, language
from hbt_jax.models.tokenizer import load_tokenizer
from tests.data_prep.small_stores import QUESTIONS, SENTENCES, make_text_store, make_tokenizer

ROOT = Path(__file__).resolve().parents[2]
QUERIES = [{code: QUESTIONS[code][number] for code in ("de", "en")} for number in range(4)]
PASSAGES = [{code: SENTENCES[code][number] for code in ("de", "en")} for number in range(4)]


@pytest.fixture(scope="module")
def tokenizer(tmp_path_factory):
    return make_tokenizer(tmp_path_factory.mktemp("made") / "tokenizer")


def make(tmp_path, tokenizer, queries=QUERIES, passages=PASSAGES) -> str:
    make_text_store(tmp_path / "store", tokenizer, queries, passages)
    return str(tmp_path / "store")


def warnings(path, **options):
    return [line.removeprefix("warning: ") for line in inspect_store(path, **options) if line.startswith("warning: ")]


@pytest.mark.parametrize("most_tokens", [5, 1 << 21])
def test_figures_are_those_of_the_texts(tmp_path, tokenizer, monkeypatch, most_tokens):
    monkeypatch.setattr(rows, "_MOST_TOKENS", most_tokens)
    path = make(tmp_path, tokenizer, [{"en": "boat"}, *QUERIES[1:]])
    store, read = rows.open_with_tokenizer(path)
    table = {(side, code): made for side, code, made in figures(store, read, 0, 0)}
    assert list(table) == [("queries", "de"), ("queries", "en"), ("passages", "de"), ("passages", "en")]
    texts = ["boat", *QUESTIONS["en"][1:]]
    lengths = [len(read.encode([text])[0]) for text in texts]
    made = table["queries", "en"]
    assert (made.texts, made.tokens, made.longest, made.mean) == (4, sum(lengths), max(lengths), sum(lengths) / 4)
    histogram = [0] * (len(BOUNDS) + 1)
    for length in lengths:
        histogram[next(i for i, bound in enumerate([*BOUNDS, 10**9]) if length <= bound)] += 1
    assert made.histogram.tolist() == histogram
    assert made.characters == sum(map(len, texts)) and made.unknown == 0
    assert (made.with_letters, made.other_script) == (4, 0)
    assert table["queries", "de"].texts == 3


def test_the_lines_name_counts_lengths_and_pairs_in_two_languages(tmp_path, tokenizer):
    lines = list(inspect_store(make(tmp_path, tokenizer)))
    assert lines[0] == "store made/train: 2 languages (de en)"
    assert any(line.startswith("  queries: 4 items, 8 texts") for line in lines)
    row = next(line for line in lines if line.startswith("  en"))
    counts = [len(load_tokenizer(tokenizer).encode([text])[0]) for text in QUESTIONS["en"]]
    characters = sum(map(len, QUESTIONS["en"]))
    assert row.split()[:7] == [
        "en", "4", f"{sum(counts)}", f"{sum(counts) / 4:.1f}", f"{max(counts)}", f"{sum(counts) / characters:.3f}",
        "0.000%",
    ]  # fmt: skip
    shown = [line.strip() for line in lines if line.startswith(("  query ", "  passage "))]
    assert len(shown) == 6
    for query, passage in zip(shown[::2], shown[1::2], strict=True):
        codes = query.split()[1].rstrip(":"), passage.split()[1].rstrip(":")
        assert set(codes) == {"de", "en"}
        assert query.partition(": ")[2] in QUESTIONS[codes[0]] and passage.partition(": ")[2] in SENTENCES[codes[1]]
    assert lines[-1] == "no warnings"
    assert list(inspect_store(make(tmp_path / "again", tokenizer))) == [
        line.replace(str(tmp_path / "store"), str(tmp_path / "again" / "store")) for line in lines
    ]
    other = [list(inspect_store(str(tmp_path / "store"), seed=seed, pairs=1)) for seed in range(6)]
    assert len({tuple(lines) for lines in other}) > 1


def test_a_sample_is_named_and_bounded(tmp_path, tokenizer):
    path = make(tmp_path, tokenizer)
    lines = list(inspect_store(path, sample=2))
    assert "--sample=2: from here on, at most 2 texts per side and language, and as many pairs" in lines
    assert [line.split()[1] for line in lines if line.startswith(("  de ", "  en "))] == ["2"] * 4
    store, read = rows.open_with_tokenizer(path)
    seen = [made.tokens for _, _, made in figures(store, read, 100, 0)]
    assert seen == [made.tokens for _, _, made in figures(store, read, 0, 0)]


def test_queries_that_are_their_passages_are_warned_of(tmp_path, tokenizer):
    passages = [*PASSAGES[:2], {"en": QUESTIONS["en"][2], "de": QUESTIONS["de"][1]}, {"en": QUESTIONS["en"][3]}]
    path = make(tmp_path, tokenizer, passages=passages)
    assert [line for line in warnings(path) if "same text" in line] == [
        "2 of 4 pairs have the same text as query and passage in en (the first: pair 2): a model learns nothing from"
        " them"
    ]
    store, _ = rows.open_with_tokenizer(path)
    assert [same_texts(store, 2, seed)["en"].pairs for seed in range(3)] == [2] * 3


def test_a_language_whose_texts_are_far_longer_is_warned_of(tmp_path, tokenizer):
    passages = [{"de": " ".join([item["de"]] * 3), "en": item["en"]} for item in PASSAGES]
    found = warnings(make(tmp_path, tokenizer, passages=passages))
    assert len(found) == 1
    assert found[0].startswith("passages in de have ") and "those in the other languages" in found[0]


def test_another_script_and_unknown_tokens_are_warned_of(tmp_path, tokenizer):
    queries = [{"ru": item["en"], "en": item["en"] + "ψ" * (number == 0)} for number, item in enumerate(QUERIES)]
    found = warnings(make(tmp_path, tokenizer, queries=queries, passages=[{"en": item["en"]} for item in PASSAGES]))
    assert found[0] == "ru has no passages: no pair has both texts in this language"
    assert found[1].endswith("% of the tokens of queries in en are unknown: choose another tokenizer")
    assert found[2:] == [
        "4 of the 4 queries in ru with letters have hardly any letter of its script (Cyrl): are they in another"
        " language?"
    ]


def test_every_language_has_a_script_whose_letters_are_known():
    samples = {
        "Arab": "نص", "Beng": "লেখা", "Cyrl": "текст", "Deva": "पाठ", "Grek": "κείμενο", "Hans": "文本", "Hebr": "טקסט",
        "Jpan": "テキスト文", "Kore": "본문", "Latn": "văn", "Telu": "వచనం", "Thai": "ข้อความ", "Armn": "տեքստ",
        "Ethi": "ጽሑፍ", "Geor": "ტექსტი", "Hant": "文字", "Khmr": "អត្ថបទ", "Mlym": "വാചകം", "Taml": "உரை",
        "Gujr": "લખાણ", "Guru": "ਪਾਠ", "Knda": "ಪಠ್ಯ", "Laoo": "ຂໍ້ຄວາມ", "Mymr": "စာသား", "Orya": "ପାଠ୍ୟ", "Sinh": "පෙළ",
        "Tibt": "ཡིག",
    }  # fmt: skip
    assert {language(code).script for code in LISTED} == set(samples)
    han = ("Hans", "Hant")
    for script, text in samples.items():
        for other in samples:
            count, own = letters.letter_counts([text, "12!"], other)
            assert count[0] > 0 and count[1] == 0
            within = script == other or (script in han and other in (*han, "Jpan", "Kore"))
            assert (own[0] == count[0]) == within
    with pytest.raises(InputError, match="unknown script 'Runr': expected one of Arab"):
        letters.letter_counts(["ᚠ"], "Runr")


def test_examples_in_docstrings():
    assert doctest.testmod(letters).failed == 0


@pytest.mark.parametrize(("change", "message"), [
    ({"path": "nowhere"}, "store nowhere: no such folder"),
    ({"tokenizer_path": "nowhere"}, "tokenizer nowhere: found nothing"),
])  # fmt: skip
def test_wrong_input_is_named(tmp_path, tokenizer, change, message):
    with pytest.raises(InputError, match=message):
        list(inspect_store(**({"path": make(tmp_path, tokenizer)} | change)))


def test_a_lost_tokenizer_is_named(tmp_path):
    own = make_tokenizer(tmp_path / "tokenizer")
    path = make(tmp_path, own)
    own.rename(tmp_path / "elsewhere")
    assert list(inspect_store(path))[-1] == "no warnings"  # the store has its own
    shutil.rmtree(tmp_path / "store" / "tokenizer")
    with pytest.raises(InputError, match="its tokenizer is not at .* give its path by --tokenizer"):
        list(inspect_store(path))
    assert list(inspect_store(path, tokenizer_path=str(tmp_path / "elsewhere")))[-1] == "no warnings"


def test_the_command_takes_the_store_among_its_flags(tmp_path, tokenizer):
    path = make(tmp_path, tokenizer)

    def run(*arguments):
        command = [sys.executable, str(ROOT / "data_prep" / "inspect_store.py"), *arguments]
        return subprocess.run(command, capture_output=True, text=True, check=False)

    ended = run("--pairs=1", path, "--sample=3")
    assert ended.returncode == 0 and ended.stdout.splitlines() == list(inspect_store(path, sample=3, pairs=1))
    ended = run("--pairs=1")
    assert ended.returncode == 2
    assert ended.stderr.splitlines()[-1] == (
        "error: STORE is needed: folder of a store, as data_prep/build_store.py writes it, or gs://BUCKET/FOLDER"
    )


def test_same_texts_are_compared_token_by_token(tmp_path, tokenizer, monkeypatch):
    monkeypatch.setattr(store_figures, "_PAIRS", 1)
    passages = [{"en": "a b"}, {"en": "b a"}, {"en": "a b a"}]
    queries = [{"en": "a b"}, {"en": "a b"}, {"en": "a b"}]
    store, _ = rows.open_with_tokenizer(make(tmp_path, tokenizer, queries, passages))
    same = same_texts(store, 0, 0)["en"]
    assert (same.pairs, same.same, same.first) == (3, 1, 0)
    assert np.diff(store.passages.tokens["en"].offsets)[0] == np.diff(store.passages.tokens["en"].offsets)[1]

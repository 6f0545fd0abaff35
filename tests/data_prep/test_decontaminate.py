"""What overlaps is found, counted and left out; what was not compared is never called clean."""

import json
import os
import re
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from data_prep.decontaminate import NEAR, SHINGLE, decontaminate
from data_prep.overlap import compare as overlap
from data_prep.overlap.compare import Comparison
from data_prep.overlap.report import lines
from data_prep.store import clean_copy
from data_prep.store import rows as store_rows
from data_prep.store.rows import open_with_tokenizer
from hbt_jax.config.learning import PlanConfig, TextConfig
from hbt_jax.data.mixture import Mixture
from hbt_jax.data.pipeline import packed_batch
from hbt_jax.data.plan import Plan
from hbt_jax.data.store import open_store
from hbt_jax.errors import InputError
from hbt_jax.evaluation.benchmarks.benchmark import Benchmark, BenchmarkTexts, pad_relevant
from hbt_jax.evaluation.benchmarks.registry import load_benchmark
from hbt_jax.models.tokenizer import Tokenizer, load_tokenizer
from tests.data_prep.kinds_of_tokenizers import KINDS
from tests.data_prep.small_stores import QUESTIONS, SENTENCES, make_benchmark, make_text_store, make_tokenizer
from tests.data_prep.ways_of_typing import WAYS

REAL, PRETRAINED = (os.environ.get(name, "") for name in ("HBT_JAX_DATA", "HBT_JAX_PRETRAINED"))
ROOT = Path(__file__).resolve().parents[2]
BOTH = ("de", "en")
QUERIES = [{code: QUESTIONS[code][number] for code in BOTH} for number in range(4)]
PASSAGES = [{code: SENTENCES[code][number] for code in BOTH} for number in range(4)]
OTHER = "nothing of this kind stands anywhere in what was built here before"


@pytest.fixture(scope="module")
def tokenizer(tmp_path_factory):
    return make_tokenizer(tmp_path_factory.mktemp("made") / "tokenizer")


@pytest.fixture
def store(tmp_path, tokenizer):
    make_text_store(tmp_path / "store", tokenizer, QUERIES, PASSAGES, [[1, 2], [], [0, 3], []])
    return tmp_path / "store"


def compare(store, tmp_path, queries, candidates, **options):
    make_benchmark(tmp_path / "mine", queries, candidates)
    return decontaminate(store, [str(tmp_path / "mine")], "", **options)["benchmarks"]["mine"]


def found(result, whose):
    return {
        (side, code): (count["exact"], count["near"])
        for side, counts in result[whose].items()
        for code, count in counts.items()
        if count["exact"] or count["near"]
    }


def test_the_same_texts_are_found_whatever_their_case_punctuation_and_language(tokenizer, tmp_path, capsys):
    queries = [{code: text.lower().rstrip("?") for code, text in item.items()} for item in QUERIES]
    make_text_store(tmp_path / "store", tokenizer, queries, PASSAGES)
    result = compare(
        tmp_path / "store", tmp_path, [("en", f", {QUESTIONS['en'][0]}??"), ("de", OTHER)],
        [("en", SENTENCES["de"][1]), ("de", OTHER)],
    )  # fmt: skip
    assert result["verdict"] == "overlaps"
    assert found(result, "store") == {("queries", "en"): (1, 0), ("passages", "de"): (1, 0)}
    assert found(result, "benchmark") == {("queries", "en"): (1, 0), ("candidates", "en"): (1, 0)}
    assert [(e["row"], e["kind"], e["benchmark_id"]) for e in result["examples"]] == [
        (0, "exact", "q0"), (1, "exact", "c0")]  # fmt: skip
    printed = capsys.readouterr().out
    assert "OVERLAPS: 2 of the store's 16 texts and 2 texts of mine are the same or nearly so" in printed
    text = (tmp_path / "store-overlap" / "overlap.txt").read_text(encoding="utf-8")
    assert text in printed
    assert json.loads((tmp_path / "store-overlap" / "overlap.json").read_bytes())["benchmarks"]["mine"] == result


def test_a_changed_word_and_a_copy_inside_another_text_are_near(store, tmp_path):
    changed = SENTENCES["en"][2].replace("goats", "sheep")
    within = f"Before that there was peace. {SENTENCES['de'][0]} Danach kam der Frühling."
    result = compare(store, tmp_path, [("en", OTHER), ("de", OTHER)], [("en", changed), ("de", within)])
    assert found(result, "store") == {("passages", "en"): (0, 1), ("passages", "de"): (0, 1)}
    assert found(result, "benchmark") == {("candidates", "en"): (0, 1), ("candidates", "de"): (0, 1)}
    assert all(0.8 <= example["share"] <= 1 for example in result["examples"])


TYPED = [  # Lao, Khmer and Burmese are under another code: what a text's language is said to be does not matter
    ("en", "Is the Córdoba river found in the old town, ½ km from here?"),
    ("de", "Straßen, Flüsse und größere Brücken in Österreich"),
    ("tr", "Işık hızı ile ilgili İstanbul'daki ısı ölçümü"),
    ("el", "Άνθρωπος και Σίσυφος στον ίδιο δρόμο"),
    ("ru", "Ёлка и чай у реки Волги"),
    ("uk", "З’їзд лікарів у Києві"),
    ("ar", "مَرْحَبًا بكم في مدينة القاهرة القديمة"),
    ("fa", "می‌خواهم به خانه‌ی تو بروم"),
    ("he", "שָׁלוֹם לכל תושבי ירושלים"),
    ("hi", "दिल्ली भारत की राजधानी है और बड़ा नगर है"),
    ("th", "กรุงเทพมหานครเป็นเมืองหลวงและนครที่มีประชากรมากที่สุด"),
    ("th", "ນະຄອນຫຼວງວຽງຈັນແມ່ນເມືອງຫຼວງຂອງລາວ"),
    ("th", "ភ្នំពេញជារាជធានីនៃប្រទេសកម្ពុជា"),
    ("th", "နေပြည်တော်သည်မြန်မာနိုင်ငံ၏မြို့တော်ဖြစ်သည်"),
    ("ja", "東京は日本の首都でありガギグゲゴと書く"),
    ("zh", "北京是中华人民共和国的首都，人口众多。"),
    ("ko", "서울은 대한민국의 수도이며 가장 큰 도시이다"),
    ("vi", "Hà Nội là thủ đô của nước Việt Nam"),
]
EVERY_WAY = [(code, way(text)) for code, text in TYPED for way in WAYS.values()]


@pytest.mark.parametrize("kind", ["byte-level BPE", "SentencePiece with bytes"])
def test_texts_typed_in_other_ways_are_exact_on_either_side(tmp_path, kind):
    tokenizer = KINDS[kind](tmp_path / "tokenizer")
    for name, stored, asked in (("other-store", EVERY_WAY, TYPED), ("other-benchmark", TYPED, EVERY_WAY)):
        folder, queries = tmp_path / name, [{"en": f"Q{number}"} for number in range(len(stored))]
        make_text_store(folder / "store", tokenizer, queries, [{code: text} for code, text in stored])
        result = compare(folder / "store", folder, [(code, OTHER) for code, _ in asked], asked)
        for whose, side in (("store", "passages"), ("benchmark", "candidates")):
            for count in result[whose][side].values():
                assert count["exact"] == count["texts"] > 0


@pytest.mark.parametrize("way", WAYS)
def test_a_near_copy_that_is_typed_in_another_way_is_near(tmp_path, way):
    changed = WAYS[way](SENTENCES["en"][2].replace("goats", "sheep"))
    tokenizer = KINDS["SentencePiece with bytes"](tmp_path / "tokenizer")
    make_text_store(tmp_path / "store", tokenizer, QUERIES, PASSAGES)
    result = compare(tmp_path / "store", tmp_path, [("en", OTHER), ("de", OTHER)], [("en", changed), ("de", OTHER)])
    assert found(result, "store") == {("passages", "en"): (0, 1)}


@pytest.mark.parametrize(("kind", "text", "stored"), [
    ("uncased BERT", "दिल्ली भारत की राजधानी है", "दिल्ली , भारत की राजधानी है !"), ("uncased BERT", "é à ü", "E A U"),
    ("uncased BERT", "Ein größerer Fluss", "EIN GRÖßERER FLUSS"), ("XLM-R", "한국어를 씁니다", "한 국 어 를 씁니다"),
    ("uncased BERT", "ガーナ", "『ガーナ』。"), ("BERT", "Peru, Bolivia y Chile", "Peru Bolivia (Y) chile"),
])  # fmt: skip
def test_what_a_tokenizer_drops_is_dropped_on_both_sides(tmp_path, kind, text, stored):
    tokenizer = KINDS[kind](tmp_path / "tokenizer")
    make_text_store(tmp_path / "store", tokenizer, [{"en": "what"}], [{"en": stored}])
    result = compare(tmp_path / "store", tmp_path, [("en", OTHER)], [("en", text)])
    assert result["store"]["passages"]["en"]["exact"] == 1


def test_short_texts_with_the_same_letters_are_the_same_in_any_language(store, tmp_path):
    result = compare(store, tmp_path, [("de", QUESTIONS["en"][3]), ("en", "war")], [("en", OTHER), ("de", "bridge")])
    assert found(result, "store") == {("queries", "en"): (1, 0)}


def test_a_higher_near_finds_less(store, tmp_path):
    changed = SENTENCES["en"][2].replace("goats", "sheep")
    result = compare(store, tmp_path, [("en", OTHER), ("de", OTHER)], [("en", changed), ("de", OTHER)], near=1.0)
    assert result["verdict"] == "clean"


def test_reading_a_few_tokens_at_a_time_finds_the_same(store, tmp_path, monkeypatch):
    texts = [("de", QUESTIONS["de"][3]), ("en", SENTENCES["en"][3])]
    whole = compare(store, tmp_path, texts, texts)
    monkeypatch.setattr(overlap, "TOKENS", 5)
    assert decontaminate(store, [str(tmp_path / "mine")], "")["benchmarks"]["mine"] == whole
    assert found(whole, "store") == {("queries", "de"): (1, 0), ("passages", "en"): (1, 0)}


def test_clean_is_said_when_every_language_was_compared(store, tmp_path, capsys):
    result = compare(store, tmp_path, [("en", OTHER), ("de", "??")], [("en", OTHER), ("de", "!?")])
    assert result["verdict"] == "clean" and not result["not_compared"]
    printed = capsys.readouterr().out
    assert "CLEAN: none of the store's 16 texts is, or nearly is, a text of mine" in printed


def test_a_text_with_nothing_visible_is_counted(store):
    texts = BenchmarkTexts(["1:de", "2:en"], ["1", "2"], ["de", "en"], ["\ufeff\u200b", OTHER])
    benchmark = Benchmark("mine", texts, texts, pad_relevant([[0], [1]]))
    opened, tokenizer = open_with_tokenizer(store)
    overlap = Comparison(tokenizer, SHINGLE, NEAR).compare(opened, benchmark)
    assert [overlap.of_benchmark["queries", code].bare for code in ("de", "en")] == [1, 0]
    assert "    1 of them have nothing visible to compare" in list(lines(opened, overlap))


@pytest.mark.parametrize(("language", "text", "reason"), [
    ("fr", "une autre phrase", "the store has no text in this language"),
    ("de", "совсем другие буквы " * 9, r"\d\d% of the benchmark's tokens are unknown to the tokenizer"),
])  # fmt: skip
def test_what_was_not_compared_is_not_called_clean(store, tmp_path, capsys, language, text, reason):
    result = compare(store, tmp_path, [("en", OTHER), (language, text)], [("en", OTHER), (language, text)])
    assert result["verdict"] == "not known"
    assert list(result["not_compared"]) == [language]
    printed = capsys.readouterr().out
    assert "NOT KNOWN: none of the 16 texts compared" in printed and "CLEAN" not in printed
    assert re.search(f"not compared: {language}: {reason}", printed)


def test_a_language_that_a_benchmark_names_by_another_code_is_compared(tokenizer, tmp_path):
    queries = [{"fil": text["en"]} for text in QUERIES]
    make_text_store(tmp_path / "store", tokenizer, queries, PASSAGES)
    for code, missing in (("tl", False), ("fil", False), ("fr", True)):  # Belebele's and Tatoeba's code is tl
        texts = BenchmarkTexts(["1"], ["1"], [code], [OTHER])
        opened, used = open_with_tokenizer(tmp_path / "store")
        overlap = Comparison(used, SHINGLE, NEAR).compare(opened, Benchmark("mine", texts, texts, pad_relevant([[0]])))
        assert ("the store has no text in this language" in overlap.not_compared.get(code, "")) is missing


@pytest.mark.parametrize(("text", "verdict"), [
    ("совсем другие буквы", "not known"), ("WHEN ΔΙΔ THE ΗΑΡΒΟΥΡ FREEZE?", "not known"), ("日", "not known"),
    ("👍", "not known"), ("the harbour 日", "not known"), (f"{OTHER} 日 {OTHER}", "clean"), (OTHER, "clean"),
    ("??", "clean"),
])  # fmt: skip
@pytest.mark.parametrize("side", ["queries", "passages"])
def test_clean_is_never_said_where_unknown_marks_may_hide_a_copy(tokenizer, tmp_path, capsys, side, text, verdict):
    items = {"queries": QUERIES, "passages": PASSAGES} | {side: [*QUERIES[:3], {"fr": text, "en": OTHER}]}
    make_text_store(tmp_path / "store", tokenizer, items["queries"], items["passages"])
    result = compare(tmp_path / "store", tmp_path, [("en", "When was peace made?")], [("en", "In the year 1234.")])
    assert result["verdict"] == verdict
    assert result["not_compared"] == ({} if verdict == "clean" else {
        "fr": f"1 of the store's 1 texts (such as {side} row 3) have so many unknown tokens that a copy could be missed"
    })  # fmt: skip
    assert ("CLEAN" in capsys.readouterr().out) == (verdict == "clean")


def test_a_torn_copy_is_near(tokenizer, tmp_path):
    torn = SENTENCES["en"][0].replace("winter", "冬").replace("eleven", "十一")
    make_text_store(tmp_path / "store", tokenizer, QUERIES, [{"en": torn}, *PASSAGES[1:]])
    whole = f"{OTHER}. {SENTENCES['en'][0]} {OTHER * 3}"
    result = compare(tmp_path / "store", tmp_path, [("en", OTHER)], [("en", whole)])
    assert found(result, "store") == {("passages", "en"): (0, 1)}


def test_texts_without_letters_are_compared_by_their_signs(tmp_path):
    tokenizer = KINDS["SentencePiece with bytes"](tmp_path / "tokenizer")
    make_text_store(tmp_path / "store", tokenizer, [{"en": "👍🏽 !"}, {"en": "👎"}], [{"en": "a 👎"}, {"en": "b"}])
    result = compare(tmp_path / "store", tmp_path, [("en", "👍🏽\ufe0f！"), ("en", "?")], [("en", "c"), ("en", "d")])
    assert found(result, "store") == {("queries", "en"): (1, 0)}


def test_a_tokenizer_that_reads_other_letters_is_not_trusted(store, tmp_path, monkeypatch):
    whole = Tokenizer.encode
    monkeypatch.setattr(
        Tokenizer, "encode", lambda self, texts: whole(self, [text.replace("e", "an") for text in texts])
    )
    result = compare(store, tmp_path, [("en", "When was peace made?")], [("en", "In the year 1234.")])
    assert result["not_compared"] == {"en": "the tokenizer reads other letters in 100% of the benchmark's texts"}


def test_a_tokenizer_that_leaves_out_letters_is_not_trusted(store, tmp_path, monkeypatch):
    whole = Tokenizer.encode
    monkeypatch.setattr(
        Tokenizer, "encode", lambda self, texts: whole(self, [text[:: 3 if text[-1] in ".?" else 1] for text in texts])
    )
    result = compare(store, tmp_path, [("en", "When was peace made?")], [("en", "In the year 1234.")])
    assert list(result["not_compared"]) == ["en"]
    assert re.fullmatch(r"the tokenizer keeps only [34]\d% of the benchmark's letters", result["not_compared"]["en"])


def test_a_benchmark_whose_candidates_are_not_in_memory_is_not_called_clean(store, tokenizer, tmp_path):
    from data_prep.overlap.compare import Comparison
    from hbt_jax.evaluation.benchmarks.benchmark import BenchmarkTexts

    class Streamed:
        name, languages = "large", ("de", "en")
        queries = BenchmarkTexts(["1", "2"], ["1", "2"], ["de", "en"], [OTHER, OTHER])

    opened, read = store_rows.open_with_tokenizer(store)
    overlap = Comparison(read, 40, 0.8).compare(opened, Streamed)
    assert overlap.verdict == "not known"
    assert overlap.not_compared == {"candidates": "they are streamed from shards, too many to hold in memory"}


def test_the_copy_has_no_item_that_overlaps_in_any_language(store, tokenizer, tmp_path, capsys):
    texts = [("de", QUESTIONS["de"][3]), ("en", SENTENCES["en"][0])]
    compare(store, tmp_path, texts, texts, drop=str(tmp_path / "copies" / "clean"))
    copy = open_store(tmp_path / "copies" / "clean", load_tokenizer(tokenizer).fingerprint)
    whole = open_store(store)
    kept = {"queries": [0, 1, 2], "passages": [1, 2, 3]}
    for side, rows in kept.items():
        assert getattr(copy, side).rows == 3
        for code in BOTH:
            old, new = getattr(whole, side).tokens[code], getattr(copy, side).tokens[code]
            for number, row in enumerate(rows):
                np.testing.assert_array_equal(
                    new.values[new.offsets[number] : new.offsets[number + 1]],
                    old.values[old.offsets[row] : old.offsets[row + 1]],
                )
    # pairs 1 and 2 are left, with negatives [] and [0, 3]: passage 0 overlaps, passages 1 2 3 are now 0 1 2
    assert copy.pairs.query_A.tolist() == [1, 2] and copy.pairs.passage_A.tolist() == [0, 1]
    assert copy.pairs.group_A.tolist() == whole.pairs.group_A[[1, 2]].tolist()
    assert copy.pairs.negative_offsets.tolist() == [0, 0, 1] and copy.pairs.negative_rows.tolist() == [2]
    assert copy.manifest["dropped"] == {clean_copy.QUERY: 1, clean_copy.PASSAGE: 1, clean_copy.NEGATIVE: 1}
    record = copy.manifest["source"]["decontaminated"]
    assert record["pairs_dropped_by_language"] == {"queries": {"de": 1}, "passages": {"en": 1}}
    assert record["items_dropped"] == {"queries": 1, "passages": 1} and record["from"] == whole.fingerprint
    assert "clean copy: 2 pairs, 2 languages" in capsys.readouterr().out
    again = decontaminate(copy.path, [str(tmp_path / "mine")], "")
    assert again["benchmarks"]["mine"]["verdict"] == "clean"


def test_the_copy_has_the_scores_of_what_is_left(tokenizer, tmp_path):
    scores = [[1, 10, 11], [2], [3, 30, 33], [4]]
    make_text_store(tmp_path / "store", tokenizer, QUERIES, PASSAGES, [[1, 2], [], [0, 3], []], scores)
    opened, read = store_rows.open_with_tokenizer(tmp_path / "store")
    masks = {"queries": np.array([0, 0, 0, 1], np.uint64), "passages": np.array([1, 0, 0, 0], np.uint64)}
    clean_copy.write_clean_copy(opened, masks, tmp_path / "copy", {}, read)
    copy = open_store(tmp_path / "copy").pairs
    assert copy.score_A.tolist() == [2, 3] and copy.negative_rows.tolist() == [2]
    assert copy.negative_scores.tolist() == [33]


def test_batches_are_drawn_from_the_copy(store, tokenizer, tmp_path):
    texts = [("de", QUESTIONS["de"][3]), ("en", SENTENCES["en"][0])]
    compare(store, tmp_path, texts, texts, drop=str(tmp_path / "clean"))
    read = load_tokenizer(tokenizer)
    plan = Plan(Mixture([open_store(tmp_path / "clean", read.fingerprint)]), PlanConfig(global_batch=2), seed=0)
    text = TextConfig("", "", query_length=24, passage_length=72, row_length=96, row_segments=6)
    packed = packed_batch(plan, text, read, 0, [0], 1)
    assert len({*packed["query_slots"][0].tolist(), *packed["passage_slots"][0].tolist()}) == 4
    assert packed["false_negatives"].tolist() == [0]


def test_a_store_of_which_nothing_would_be_left_is_reported_and_not_copied(store, tmp_path):
    texts = [("de", text) for text in QUESTIONS["de"]] + [("en", text) for text in SENTENCES["en"]]
    with pytest.raises(InputError, match="all of its 4 pairs overlap, so nothing is left to write to --drop="):
        compare(store, tmp_path, texts, texts, drop=str(tmp_path / "clean"))
    assert sorted(path.name for path in tmp_path.iterdir()) == ["mine", "store", "store-overlap"]


@pytest.mark.skipif(
    not (REAL and PRETRAINED),
    reason="HBT_JAX_DATA names no folder with the official xquad-r/ and mlqa-r/, or HBT_JAX_PRETRAINED no model",
)
def test_mlqa_r_is_found_in_itself_and_hardly_in_xquad_r(tmp_path):
    benchmark = load_benchmark("mlqa-r", REAL)
    queries, passages = [], []
    for text, code, relevant in zip(
        benchmark.queries.texts, benchmark.queries.languages, benchmark.relevant_QG, strict=True
    ):
        gold = next(row for row in relevant if benchmark.candidates.languages[row] == code)
        queries.append({code: text})
        passages.append({code: benchmark.candidates.texts[gold]})
    make_text_store(tmp_path / "store", Path(PRETRAINED), queries, passages)
    found = decontaminate(tmp_path / "store", ["mlqa-r", "xquad-r"], REAL)["benchmarks"]
    for whose, side in (("store", "queries"), ("store", "passages"), ("benchmark", "queries")):
        for count in found["mlqa-r"][whose][side].values():
            assert count["exact"] == count["texts"] > 0
    near = {
        (side, code, count["exact"], count["near"])
        for side, counts in found["xquad-r"]["store"].items()
        for code, count in counts.items()
        if count["exact"] + count["near"]
    }
    assert near == {("passages", "en", 0, 1), ("passages", "zh", 0, 1)}  # that no prime number is composite
    # one short text each of hi and zh has a sign that XLM-R's tokenizer does not know
    assert set(found["xquad-r"]["not_compared"]) == {"el", "hi", "ru", "th", "tr", "zh"}


def command(script, *arguments):
    return subprocess.run(
        [sys.executable, str(ROOT / "data_prep" / script), *arguments], capture_output=True, text=True, check=False
    )


@pytest.mark.parametrize(("arguments", "message"), [
    (["--benchmarks=mlqa-r", "--data_dir=d"], "STORE is needed: folder of a store"),
    (["{store}"], "--benchmarks is needed: benchmarks, comma-separated: names"),
    (["{store}", "other", "--benchmarks=./mine"], "unexpected argument 'other'"),
    (["{store}", "--benchmarks=mlqa-r"], "--benchmarks=mlqa-r needs --data_dir"),
    (["{store}", "--benchmarks=./mine", "--shingle=13"], "--shingle=13: expected at least 16"),  # once: tokens
])  # fmt: skip
def test_a_wrong_command_is_one_clear_line(store, arguments, message):
    ended = command("decontaminate.py", *(argument.format(store=store) for argument in arguments))
    assert ended.returncode == 2
    assert ended.stderr.splitlines()[-1].startswith(f"error: {message}")


@pytest.mark.parametrize(("change", "message"), [
    ({"store_path": "nowhere"}, "store nowhere: no such folder"),
    ({"benchmarks": ["mlqa"]}, "--benchmarks=mlqa: unknown benchmark: the known ones are"),
    ({"benchmarks": ["./none"]}, "--benchmarks=./none: no such folder"),
    ({"benchmarks": ["{tmp}/mine", "{tmp}/other/mine"]}, "two are called 'mine': name each benchmark once"),
    ({"drop": "{tmp}/store"}, "--drop=.*store already exists: remove it, or name another folder"),
    ({"drop": "{tmp}/new", "out_dir": "{tmp}/new"}, "--drop=.*new is the folder of the report: name another"),
    ({"out_dir": "{tmp}/store"}, "--out_dir=.*store holds 'manifest.json' and would be replaced"),
    ({"tokenizer_path": "{tmp}/none"}, "tokenizer .*none: found nothing"),
    ({"tokenizer_path": "{tmp}/another"}, "but the tokenizer in use is sha256.*; correct --tokenizer"),
])  # fmt: skip
def test_wrong_input_is_named_and_nothing_is_written(store, tmp_path, change, message):
    for folder in (tmp_path / "mine", tmp_path / "other" / "mine"):
        make_benchmark(folder, [("en", OTHER)], [("en", OTHER)])
    make_tokenizer(tmp_path / "another", pieces=120)

    def placed(value):
        return [placed(part) for part in value] if isinstance(value, list) else str(value).format(tmp=tmp_path)

    given = {"store_path": store, "benchmarks": ["{tmp}/mine"], **change}
    given = {name: placed(value) for name, value in given.items()}
    before = sorted(tmp_path.rglob("*"))
    with pytest.raises(InputError, match=message):
        decontaminate(data_dir="", **given)
    assert sorted(tmp_path.rglob("*")) == before

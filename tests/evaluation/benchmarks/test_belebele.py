"""Belebele as retrieval: queries, passages, what is relevant, the three settings, and the text of every error."""

import gzip
import json
from pathlib import Path

import numpy as np
import pytest

from hbt_jax.errors import InputError
from hbt_jax.evaluation.benchmarks import belebele
from hbt_jax.evaluation.benchmarks.registry import load_benchmark
from hbt_jax.languages import BELEBELE
from tests.evaluation.ranked_small import evaluate

BOOK, NEWS = "https://b.org/wiki/A:B", "https://n.org/c"


def row(link, number, dialect, **changes):
    answers = {f"mc_answer{n}": f"answer {n}" for n in range(1, 5)}
    fields = {"link": link, "question_number": number, "dialect": dialect, "ds": "2023-05-03"}
    fields |= {"flores_passage": f"{dialect} of {link}", "question": f"{dialect}: {number} on {link}?"}
    return fields | answers | {"correct_answer_num": "2"} | changes


def rows(dialect):
    """Two questions about one passage and one about another, which Arabic (romanised) does not have."""
    asked = [(BOOK, 1), (BOOK, 2), (NEWS, 1)][: 2 if dialect == "arb_Latn" else 3]
    return [row(link, number, dialect) for link, number in asked]


@pytest.fixture
def folder(tmp_path):
    """A function that writes the files of some languages and returns DATA_DIR."""

    def write(**files):
        data = tmp_path / "belebele" / "data"
        data.mkdir(parents=True, exist_ok=True)
        for name, lines in files.items():
            text = "".join((line if isinstance(line, str) else json.dumps(line)) + "\n" for line in lines)
            (data / f"{name}.jsonl").write_text(text, encoding="utf-8")
        return str(tmp_path)

    return write


def three(folder):
    return folder(**{name: rows(name) for name in ("eng_Latn", "arb_Arab", "arb_Latn")})


def test_a_new_benchmark_is_one_short_file():
    assert len(Path(belebele.__file__).read_text(encoding="utf-8").splitlines()) <= 80


def test_a_question_searches_passages_and_translations_answer_it(folder):
    read = load_benchmark("belebele", three(folder))
    assert read.name == "belebele" and read.languages == ("ar", "ar-Latn", "en")
    assert read.candidates.count_by_language() == {"ar": 2, "ar-Latn": 1, "en": 2}
    assert read.queries.count_by_language() == {"ar": 3, "ar-Latn": 2, "en": 3}
    assert read.candidates.ids == [f"{BOOK}:ar", f"{NEWS}:ar", f"{BOOK}:ar-Latn", f"{BOOK}:en", f"{NEWS}:en"]
    assert read.candidates.items == [BOOK, NEWS, BOOK, BOOK, NEWS]
    assert read.candidates.texts[3] == f"eng_Latn of {BOOK}"
    assert read.queries.ids[-3:] == [f"{BOOK}#1:en", f"{BOOK}#2:en", f"{NEWS}#1:en"]
    assert read.queries.items[-3:] == [f"{BOOK}#1", f"{BOOK}#2", f"{NEWS}#1"]
    assert read.queries.texts[1] == f"arb_Arab: 2 on {BOOK}?"
    assert read.relevant_QG.tolist() == [[0, 2, 3]] * 2 + [[1, 4, -1]] + [[0, 2, 3]] * 4 + [[1, 4, -1]]
    assert read.notes[1] == "not the published Belebele: ar-Latn has 2 of 900 questions and 1 of 488 passages"
    assert read.counts == {"copies": {"queries": 0, "candidates": 0}}


def test_the_three_settings_by_hand(folder, tmp_path):
    """Every query scores the candidates 5, 4, 3, 2, 1, in their order."""
    read = load_benchmark("belebele", three(folder))
    scores = np.tile(np.float32([5, 4, 3, 2, 1]), (len(read.queries), 1))
    found = evaluate(read, scores, np.eye(5, dtype=np.float32), out_dir=str(tmp_path / "out"))
    metrics, by_pair = found["metrics"], found["by_pair"]
    own = {code: blocks["monolingual"]["map"] for code, blocks in found["by_query_language"].items()}
    assert own == pytest.approx({"ar": (1 + 1 + 1 / 2) / 3, "ar-Latn": 1, "en": (1 + 1 + 1 / 2) / 3})
    assert by_pair["ar-en"]["map"] == pytest.approx((1 + 1 + 1 / 2) / 3)
    assert by_pair["en-ar-Latn"]["map"] == 1 and by_pair["ar-Latn-en"]["recall@1"] == 1
    assert found["counts"]["counted_queries"]["cross_lingual"]["en-ar-Latn"] == 2  # the news has no such passage
    book, news = (1 + 2 / 3 + 3 / 4) / 3, (1 / 2 + 2 / 5) / 2  # relevant at ranks 1, 3, 4 and at 2, 5
    assert metrics["multilingual"]["map"] == pytest.approx(((2 * book + news) / 3 * 2 + book) / 3)
    assert metrics["multilingual"]["rank_distance"] == pytest.approx(3)


def test_a_gzipped_file_and_blank_lines_are_read_alike(folder, tmp_path):
    plain = load_benchmark("belebele", folder(eng_Latn=["", *rows("eng_Latn"), " "]))
    path = tmp_path / "belebele" / "data" / "eng_Latn.jsonl"
    (path.parent / "eng_Latn.jsonl.gz").write_bytes(gzip.compress(path.read_bytes()))
    with pytest.raises(InputError, match="the folder holds eng_Latn.jsonl and eng_Latn.jsonl.gz: keep one of them"):
        load_benchmark("belebele", str(tmp_path))
    path.unlink()
    assert load_benchmark("belebele", str(tmp_path)).candidates == plain.candidates


def test_the_whole_of_a_language_has_no_note(folder):
    asked = [(f"l{n}", 1) for n in range(488)] + [(f"l{n}", 2) for n in range(412)]
    read = load_benchmark("belebele", folder(zho_Hant=[row(link, number, "zho_Hant") for link, number in asked]))
    assert (len(read.queries), len(read.candidates), read.notes) == (900, 488, ())
    assert read.languages == ("zh-Hant",)


def test_every_published_name_is_read(folder):
    read = load_benchmark("belebele", folder(**{name: [row(BOOK, 1, name)] for name in BELEBELE}))
    assert len(read.languages) == len(read.queries) == len(read.candidates) == 122
    assert read.relevant_QG.shape == (122, 122)


def test_a_copy_under_another_link_is_counted(folder):
    same = [row(NEWS, 1, "eng_Latn", flores_passage=f"eng_Latn  of {BOOK}")]
    read = load_benchmark("belebele", folder(eng_Latn=rows("eng_Latn")[:1] + same))
    assert read.counts == {"copies": {"queries": 0, "candidates": 1}}
    assert read.notes[-1].endswith("they are not merged, as a question is judged by its passage's link")


GOOD = row(BOOK, 1, "eng_Latn")


@pytest.mark.parametrize(
    ("line", "message"),
    [
        ("nonsense", r"not JSON \(.*\): expected one object per line"),
        ("[1]", "expected a JSON object with a question and its passage, got list"),
        *(
            ({key: value for key, value in GOOD.items() if key != name}, f"missing field '{name}': expected a string")
            for name in ("link", "question", "flores_passage", "dialect")
        ),
        ({key: value for key, value in GOOD.items() if key != "question_number"}, "question_number is null: expected"),
        (GOOD | {"question_number": "1"}, 'question_number is "1": expected a whole number'),
        (GOOD | {"question_number": True}, "question_number is true: expected a whole number"),
        (GOOD | {"question": 3}, "field 'question' is 3: expected a string"),
        (GOOD | {"flores_passage": None}, "field 'flores_passage' is null: expected a string"),
        (GOOD | {"flores_passage": " \u200b"}, "flores_passage is empty: drop it or give the text"),
        (GOOD | {"question": "\ud83d"}, r"question holds '\\ud83d': expected whole characters"),
        (GOOD | {"link": "a b"}, "link 'a b' is empty or holds white space, which TREC files cannot carry"),
        (GOOD | {"dialect": "arb_Arab"}, "dialect 'arb_Arab' in a file of eng_Latn: expected one language in each"),
        (GOOD, f"question 1 of '{BOOK}' occurs twice: keep one line"),
        (GOOD | {"question_number": 3, "flores_passage": "x"}, f"the passage of '{BOOK}' differs from an earlier line"),
    ],
)
def test_a_wrong_line_is_named(folder, line, message):
    with pytest.raises(InputError, match=rf"eng_Latn\.jsonl:4: {message}"):
        load_benchmark("belebele", folder(eng_Latn=[*rows("eng_Latn"), line]))


def test_a_wrong_file_is_named(folder, tmp_path):
    with pytest.raises(InputError, match="belebele/data: no LANG.jsonl in it: a belebele folder holds data/LANG.jsonl"):
        load_benchmark("belebele", folder())
    with pytest.raises(InputError, match="eng_Latn.jsonl: the file is empty"):
        load_benchmark("belebele", folder(eng_Latn=[]))
    (tmp_path / "belebele" / "data" / "eng_Latn.jsonl").unlink()
    with pytest.raises(InputError, match=r"data/en.jsonl: unknown language 'en': write eng_Latn, its code here"):
        load_benchmark("belebele", folder(en=rows("eng_Latn")))
    (tmp_path / "belebele" / "data" / "en.jsonl").unlink()
    with pytest.raises(InputError, match="xxx_Latn.jsonl: unknown language 'xxx_Latn': Belebele has acm_Arab afr_Latn"):
        load_benchmark("belebele", folder(xxx_Latn=rows("xxx_Latn")))

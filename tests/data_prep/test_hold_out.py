"""A folder in SQuAD's layout is divided by whole paragraphs, whose questions stay together over languages."""

import json
import subprocess
import sys
from pathlib import Path

import pytest

from data_prep.hold_out import hold_out
from hbt_jax.errors import InputError
from hbt_jax.evaluation.benchmarks.registry import load_benchmark
from hbt_jax.evaluation.reading import squad_layout

ROOT = Path(__file__).resolve().parents[2]


def write(folder, paragraphs_of):
    """Files LANG.json of {code: [questions of a paragraph]}, two paragraphs an article."""
    folder.mkdir()
    for code, paragraphs in paragraphs_of.items():
        rows = [_paragraph(f"{code} {number}.", ids, code) for number, ids in enumerate(paragraphs)]
        articles = [{"title": str(n), "paragraphs": rows[n : n + 2]} for n in range(0, len(rows), 2)]
        (folder / f"{code}.json").write_text(json.dumps({"version": 1, "data": articles}), encoding="utf-8")
    return folder


def _paragraph(first, ids, answer):
    answers = [{"text": answer, "answer_start": 0}]
    return {
        "context": f"{first} Yes.",
        "sentence_breaks": [[0, len(first)], [len(first) + 1, len(first) + 5]],
        "sentences": [first, "Yes."],
        "qas": [{"id": id_, "question": f"{id_}?", "answers": answers} for id_ in ids],
    }


@pytest.fixture
def folder(tmp_path):
    # German asks in one paragraph what English asks in two.
    english = [[f"q{2 * n}", f"q{2 * n + 1}"] for n in range(40)]
    german = [[f"q{4 * n + 1}", f"q{4 * n + 2}"] for n in range(20)]
    return write(tmp_path / "all", {"en": english, "de": german})


def asked(folder):
    """split -> code -> the ids of each paragraph, by its context."""
    return {
        split: {
            path.stem: {one.context: [question.id for question in one.questions] for one in squad_layout.read(path)}
            for path in sorted((folder / split).glob("*.json"))
        }
        for split in ("train", "validation")
    }


def test_every_paragraph_is_in_one_split_with_those_that_share_a_question(folder, tmp_path):
    counts = hold_out(folder, tmp_path / "out", 0.4)
    found = asked(tmp_path / "out")
    for code in ("en", "de"):
        whole = {one.context: [q.id for q in one.questions] for one in squad_layout.read(folder / f"{code}.json")}
        assert found["train"][code] | found["validation"][code] == whole
        assert len(found["train"][code]) + len(found["validation"][code]) == len(whole)
    ids = {split: {id_ for of in found[split].values() for each in of.values() for id_ in each} for split in found}
    assert not ids["train"] & ids["validation"]
    assert counts == {split: len(ids[split]) for split in ids} and sum(counts.values()) == 80
    assert 16 <= counts["validation"] <= 48
    assert json.loads((tmp_path / "out" / "train" / "en.json").read_text(encoding="utf-8"))["version"] == 1


def test_what_is_added_moves_nothing_and_another_seed_does(folder, tmp_path):
    hold_out(folder, tmp_path / "out", 0.4)
    more = [[f"q{2 * n}", f"q{2 * n + 1}"] for n in range(40)] + [["later"]]
    german = [[f"q{4 * n + 1}", f"q{4 * n + 2}"] for n in range(20)]
    hold_out(write(tmp_path / "more", {"en": more, "de": german}), tmp_path / "again", 0.4)
    before, after = asked(tmp_path / "out"), asked(tmp_path / "again")
    for split in before:
        assert before[split]["en"].items() <= after[split]["en"].items() and before[split]["de"] == after[split]["de"]
    hold_out(folder, tmp_path / "out", 0.4, seed=1)
    assert asked(tmp_path / "out") != before


def one_file(folder, code, rows):
    """A file LANG.json with a paragraph for each (id, question, context)."""
    paragraphs = [
        {"context": context, "qas": [{"id": id_, "question": asked_, "answers": []}]} for id_, asked_, context in rows
    ]
    folder.mkdir(exist_ok=True)
    (folder / f"{code}.json").write_text(json.dumps({"data": [{"paragraphs": paragraphs}]}), encoding="utf-8")


def ids_of(folder):
    """split -> code -> the ids of its questions."""
    return {
        split: {
            path.stem: {question.id for one in squad_layout.read(path) for question in one.questions}
            for path in (folder / split).glob("*.json")
        }
        for split in ("train", "validation")
    }


@pytest.mark.parametrize(("one", "other"), [
    ("Où est Líma ?", "Où est Li\u0301ma ?"),
    ("Où est Líma ?", " Où  est Líma\u00a0? "), ("Lima", "Ｌｉｍａ"), ("東京", "東\u200b京"),
])  # fmt: skip
@pytest.mark.parametrize("codes", [("fr", "fr"), ("fr", "de")])
@pytest.mark.parametrize("field", ["question", "context"])
def test_paragraphs_of_one_text_are_in_one_split_whatever_their_ids_and_languages(field, codes, one, other, tmp_path):
    # Each of 30 texts occurs in two paragraphs, typed differently, under two ids and with two other texts.
    rows = {code: [] for code in codes}
    for number in range(30):
        for code, copy, text in zip(codes, "ab", (one, other), strict=True):
            same, own = f"{number} {text}", f"{number} {copy}"
            rows[code].append((f"{copy}{number}", same, own) if field == "question" else (f"{copy}{number}", own, same))
    for code, its in rows.items():
        one_file(tmp_path / "in", code, its)
    counts = hold_out(tmp_path / "in", tmp_path / "out", 0.5)
    ids = {split: of.get("fr", set()) | of.get("de", set()) for split, of in ids_of(tmp_path / "out").items()}
    assert all(counts.values()) and sum(counts.values()) == 60
    for of in ids.values():
        assert {id_[1:] for id_ in of if id_[0] == "a"} == {id_[1:] for id_ in of if id_[0] == "b"}


def test_paragraphs_are_connected_transitively_by_ids_questions_and_contexts(tmp_path):
    # a-b by a question, b-c by a context, c-d by an id in another language.
    english = [row for n in range(40) for row in (
        (f"a{n}", f"asked {n}", f"a {n}"), (f"b{n}", f"asked {n}", f"told {n}"), (f"c{n}", f"c {n}", f"told {n}"),
    )]  # fmt: skip
    one_file(tmp_path / "in", "en", english)
    one_file(tmp_path / "in", "de", [(f"c{n}", f"d {n}", f"d {n}") for n in range(40)])
    hold_out(tmp_path / "in", tmp_path / "out", 0.5)
    for of in ids_of(tmp_path / "out").values():
        numbers = {id_[1:] for id_ in of["en"]}
        assert 0 < len(numbers) < 40
        assert of == {"en": {f"{sign}{n}" for sign in "abc" for n in numbers}, "de": {f"c{n}" for n in numbers}}


def test_a_question_that_is_another_paragraphs_context_connects_nothing(tmp_path):
    one_file(tmp_path / "in", "en", [(f"q{n}", f"text {n}", f"text {n + 1}") for n in range(40)])
    assert all(hold_out(tmp_path / "in", tmp_path / "out", 0.5).values())


def test_a_split_is_a_benchmark_by_its_path(folder, tmp_path):
    counts = hold_out(folder, tmp_path / "out", 0.4)
    read = load_benchmark(str(tmp_path / "out" / "validation"), "")
    assert read.name == "validation" and read.languages == ("de", "en")
    assert read.queries.count_by_language()["en"] == counts["validation"]
    assert "Yes." in read.candidates.texts


def test_nothing_is_written_where_a_split_would_be_empty(folder, tmp_path):
    two = write(tmp_path / "two", {"en": [["a"], ["b"]]})
    with pytest.raises(
        InputError, match=r"--part=0.001: no question of \S+two goes to validation: give another part or"
    ):
        hold_out(two, tmp_path / "out", 0.001)
    one = write(tmp_path / "one", {"en": [["a"], ["b"]], "de": [["a", "b"]]})
    with pytest.raises(
        InputError, match=r"one: all paragraphs share ids, questions or texts with each other, directly"
    ):
        hold_out(one, tmp_path / "out", 0.5)
    assert not (tmp_path / "out").exists()
    with pytest.raises(InputError, match=r"--input_dir=\S+: no file such as en.json"):
        hold_out(tmp_path, tmp_path / "out", 0.5)
    (tmp_path / "a_file").touch()
    for given in ("gone", "a_file"):
        with pytest.raises(
            InputError, match=rf"--input_dir=\S+{given}: no such folder: expected a folder with one file"
        ):
            hold_out(tmp_path / given, tmp_path / "out", 0.5)


def test_the_command(folder, tmp_path):
    script = [sys.executable, ROOT / "data_prep" / "hold_out.py", f"--input_dir={folder}", f"--out_dir={tmp_path}/out"]
    ran = subprocess.run([*script, "--part=0.4"], capture_output=True, text=True)
    assert ran.returncode == 0, ran.stderr
    assert " questions in train, " in ran.stdout and ran.stdout.startswith(f"{tmp_path}/out: ")
    ran = subprocess.run([*script, "--part=1"], capture_output=True, text=True)
    assert ran.returncode == 2 and ran.stderr == "error: --part=1.0: expected at most 0.9\n"


def test_a_share_far_from_the_wanted_one_is_said(tmp_path, capsys):
    chained = (
        [[f"q{2 * n}", f"q{2 * n + 1}"] for n in range(30)],
        [[f"q{2 * n + 1}", f"q{2 * n + 2}"] for n in range(29)],
    )
    others = [[f"r{n}"] for n in range(10)]
    hold_out(write(tmp_path / "all", {"en": chained[0] + others, "de": chained[1]}), tmp_path / "out", 0.5)
    assert "of the questions are held out, not 50%: up to 60 of them stay together" in capsys.readouterr().out
    hold_out(write(tmp_path / "apart", {"en": [[f"q{n}"] for n in range(200)]}), tmp_path / "other", 0.5)
    assert "note" not in capsys.readouterr().out

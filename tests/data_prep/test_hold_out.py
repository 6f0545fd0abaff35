"""A folder in SQuAD's layout is divided by whole paragraphs, whose questions stay together over languages."""

import json
import subprocess
import sys
from pathlib import Path

import pytest

from data_prep.hold_out import hold_out
from hbt_jax.errors import InputError
from hbt_jax.evaluation.benchmarks import squad_layout
from hbt_jax.evaluation.benchmarks.registry import load_benchmark

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


def test_a_split_is_a_benchmark_by_its_path(folder, tmp_path):
    counts = hold_out(folder, tmp_path / "out", 0.4)
    read = load_benchmark(str(tmp_path / "out" / "validation"), "")
    assert read.name == "validation" and read.languages == ("de", "en")
    assert read.queries.count_by_language()["en"] == counts["validation"]
    assert "Yes." in read.candidates.texts


def test_nothing_is_written_where_a_split_would_be_empty(folder, tmp_path):
    one = write(tmp_path / "one", {"en": [["a"]]})
    with pytest.raises(InputError, match=r"--part=0.5: no question of \S+one goes to (train|validation): give another"):
        hold_out(one, tmp_path / "out", 0.5)
    assert not (tmp_path / "out").exists()
    with pytest.raises(InputError, match=r"--input_dir=\S+: no file such as en.json"):
        hold_out(tmp_path, tmp_path / "out", 0.5)


def test_the_command(folder, tmp_path):
    script = [sys.executable, ROOT / "data_prep" / "hold_out.py", f"--input_dir={folder}", f"--out_dir={tmp_path}/out"]
    ran = subprocess.run([*script, "--part=0.4"], capture_output=True, text=True)
    assert ran.returncode == 0, ran.stderr
    assert " questions in train, " in ran.stdout and ran.stdout.startswith(f"{tmp_path}/out: ")
    ran = subprocess.run([*script, "--part=1"], capture_output=True, text=True)
    assert ran.returncode == 2 and ran.stderr == "error: --part=1.0: expected at most 0.9\n"

"""Comparing more than two systems: every pair, corrected over the pairs; text, LaTeX and files."""

import json

import pytest

from hbt_jax.config.compare import CompareConfig
from hbt_jax.errors import InputError
from hbt_jax.evaluation.compare import compare
from hbt_jax.evaluation.compare_many import compare_many, compare_many_command, format_matrices
from hbt_jax.evaluation.report.latex import escaped, latex_table, write_latex
from hbt_jax.evaluation.statistics.significance import holm
from tests.evaluation.make_outcomes import evaluated

QUICK = {"samples": 300}


@pytest.fixture(scope="module")
def folders(tmp_path_factory):
    """Two runs of a good system, one of a similar and one of a bad one."""
    root = tmp_path_factory.mktemp("systems")
    noises = {"good_0": (0.4, 0), "good_1": (0.4, 1), "alike": (0.4, 2), "bad": (3.0, 3)}
    return {name: evaluated(root / name, *noise) for name, noise in noises.items()}


@pytest.fixture(scope="module")
def config(folders):
    names = {"good_0": "good", "good_1": "good", "alike": "alike_1", "bad": "bad"}
    return CompareConfig(systems=tuple(f"{names[key]}:{path}" for key, path in folders.items()), **QUICK)


@pytest.fixture(scope="module")
def compared(config):
    return compare_many(config)


def test_pairs_are_as_compared_alone_but_for_holm(folders, compared):
    block = compared["benchmarks"]["made"]
    assert (block["queries"], block["items"]) == (58, 16)
    for setting, one in block["comparisons"].items():
        pairs = {(pair["a"], pair["b"]): pair for pair in one["pairs"]}
        assert list(pairs) == [("good", "alike_1"), ("good", "bad"), ("alike_1", "bad")]
        alone = compare(CompareConfig((folders["alike"],), (folders["bad"],), **QUICK))
        row = alone["benchmarks"]["made"]["comparisons"][setting]["overall"]["all"]
        pair = pairs["alike_1", "bad"]
        assert [pair[key] for key in ("difference", "low", "high", "p")] == [
            row[key] for key in ("difference", "low", "high", "p")
        ]
        assert one["values"]["alike_1"] == row["a"] and one["values"]["bad"] == row["b"]
        corrected = holm([each["p"] for each in one["pairs"]])
        assert [each["p_holm"] for each in one["pairs"]] == pytest.approx(corrected)
        assert pair["better"] == "a" and pair["p_runs"] is None
        assert pairs["good", "bad"]["p_runs"] is not None
    assert "over the pairs" in compared["definitions"]["holm"]


def test_the_matrix_is_antisymmetric(compared):
    text = format_matrices(compared)
    pair = compared["benchmarks"]["made"]["comparisons"]["multilingual"]["pairs"][2]
    assert f"{pair['difference']:+.4f}*" in text and f"{-pair['difference']:+.4f}*" in text
    assert "rank distance" in text and "58 queries about 16 items; map, 300 draws" in text


def test_the_latex_table_marks_the_best_and_the_beaten(compared):
    table = latex_table(compared)
    rows = [line for line in table.splitlines() if line.startswith(("1 & ", "2 & ", "3 & "))]
    assert [row.split(" & ")[1] for row in rows] == ["good", r"alike\_1", "bad"]
    assert r"\textsuperscript" not in rows[2] and r"\textbf" not in rows[2]
    assert r"\textsuperscript{3}" in rows[1]
    assert table.count(r"\textbf") == 4
    assert rows[0].endswith(r" \\") and r"\begin{tabular}{rlrrrr}" in table
    assert escaped("50 % ~ {a}^b\\") == r"50 \% \textasciitilde{} \{a\}\textasciicircum{}b\textbackslash{}"


def test_two_systems_have_a_latex_table_too(folders, tmp_path):
    write_latex(str(tmp_path / "t.tex"), compare(CompareConfig((folders["alike"],), (folders["bad"],), **QUICK)))
    assert "1 & A & \\textbf{" in (tmp_path / "t.tex").read_text()


def test_the_files(config, tmp_path, capsys):
    compare_many_command(CompareConfig(systems=config.systems, out=str(tmp_path / "out"), **QUICK), lambda: None)
    assert "comparison: " in capsys.readouterr().out
    assert sorted(path.name for path in (tmp_path / "out").iterdir()) == ["compare.json", "compare.tex", "compare.tsv"]
    rows = (tmp_path / "out" / "compare.tsv").read_text().splitlines()
    content = json.loads((tmp_path / "out" / "compare.json").read_text())
    assert len(rows) == 1 + 3 * 4 and len(content["systems"]["good"]["runs"]) == 2


def test_what_is_wrong_is_named(folders):
    one = folders["bad"]
    for systems, message in (
        ((f"a:{one}", one), "expected NAME:FOLDER"),
        ((f"a:{one}",), "one system: expected two names or more"),
        ((f"a:{one}", f"a:{one}", f"b:{one}"), "is given twice: expected each run once"),
        ((f"a:{one}", "b:nowhere"), "nowhere: no such folder: expected an output folder of launch/eval.py"),
    ):
        with pytest.raises(InputError) as caught:
            compare_many(CompareConfig(systems=systems, **QUICK))
        assert message in str(caught.value)
    with pytest.raises(InputError, match="replaces --a and --b: leave them out"):
        CompareConfig(a=("a",), systems=("b:c",))
    with pytest.raises(InputError, match="--metric=mapp: made is left out: not all of its results have mapp"):
        compare_many(CompareConfig(systems=(f"a:{one}", f"b:{folders['alike']}"), metric="mapp", **QUICK))

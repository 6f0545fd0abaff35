"""A model that sentence-transformers embeds with scores as the same folder embedded by this package."""

import sys

import pytest

from hbt_jax.errors import InputError
from tests.interchange import make_models

pytest.importorskip("sentence_transformers")


def scores(run) -> dict[tuple[str, str], float]:
    """The scores of a TREC run by query and candidate."""
    rows = [line.split() for line in run.read_text().splitlines()]
    return {(row[0], row[2]): float(row[4]) for row in rows}


@pytest.mark.peer
@pytest.mark.parametrize("layout", ["xlm-roberta", "bert"])
def test_it_scores_as_our_reading_of_the_folder(evaluate, layout, tmp_path):
    folder = make_models.folder_of(layout, tmp_path / "model")
    theirs, ours = (evaluate(tmp_path / (name or "ours"), model=f"{name}{folder}", run_depth=0) for name in ("st:", ""))
    found, expected = (
        scores(tmp_path / (name or "ours") / "small" / "runs" / "multilingual.trec") for name in ("st:", "")
    )
    assert len(expected) == 24 * 57
    assert found == pytest.approx(expected, abs=1e-5)  # scores nearly tie, so rounding orders some of the candidates
    for key in ("query_prefix", "passage_prefix"):
        assert theirs["settings"][key] == {"xlm-roberta": ours["settings"][key], "bert": ""}[layout]
    assert theirs["settings"]["similarity"] == {"xlm-roberta": "cosine", "bert": "dot"}[layout]
    assert theirs["counts"]["truncated_texts"] == 0
    cut = evaluate(tmp_path / "cut", model=f"st:{folder}", max_length=4, query_prefix="q: ")
    assert cut["counts"]["truncated_texts"] > 0 and cut["settings"]["query_prefix"] == "q: "


def test_what_it_cannot_read(evaluate, tmp_path, monkeypatch):
    with pytest.raises(InputError, match=r"--model=st:.*nowhere: sentence-transformers cannot read it: "):
        evaluate(tmp_path / "out", model=f"st:{tmp_path / 'nowhere'}")
    monkeypatch.setitem(sys.modules, "sentence_transformers", None)
    monkeypatch.setattr("importlib.util.find_spec", lambda _: None)
    with pytest.raises(InputError, match=r"needs sentence-transformers: pip install -e '.\[sentence\]'"):
        evaluate(tmp_path / "out", model="st:anything")

"""A model that sentence-transformers embeds with scores as the same folder embedded by this package."""

import sys

import pytest

from hbt_jax.errors import InputError
from tests.interchange import make_models

pytest.importorskip("sentence_transformers")


@pytest.mark.peer
@pytest.mark.parametrize("layout", ["xlm-roberta", "bert"])
def test_it_scores_as_our_reading_of_the_folder(evaluate, layout, tmp_path):
    folder = make_models.folder_of(layout, tmp_path / "model")
    theirs, ours = (evaluate(tmp_path / name, model=f"{name}{folder}") for name in ("st:", ""))
    gaps = [one["metrics"]["multilingual"]["similarity_gap"] for one in (theirs, ours)]
    assert gaps[0] == pytest.approx(gaps[1], abs=1e-5)
    for setting, block in ours["metrics"].items():  # whose scores nearly tie, so that rounding orders some
        assert theirs["metrics"][setting]["map"] == pytest.approx(block["map"], abs=0.02)
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

"""The source `mrtydi`."""

import gzip
import shutil

import pytest

from data_prep.sources import mrtydi, registry
from hbt_jax.errors import InputError
from tests.data_prep.source_rows import FIXTURES, dropped, rows


def test_each_relevant_passage_is_a_row_of_its_language(tmp_path):
    near, shore, river = rows("mrtydi", tmp_path)
    other = [{"fi": "Pyhäjärvi\n\nPyhäjärvi on toinen järvi."}]
    assert near == (
        {"fi": "Missä Näsijärvi on?"}, {"fi": "Näsijärvi\n\nNäsijärvi on järvi Pirkanmaalla."}, other, "question fi 0",
    )  # fmt: skip
    assert shore[1] == {"fi": "Näsijärvi\n\nSen rannalla on Tampere."} and shore[2:] == near[2:]
    assert river == ({"sw": "Mto Tana uko wapi?"}, {"sw": "Tana\n\nMto Tana uko Kenya."}, [], "question sw 0")
    assert dropped("mrtydi", tmp_path) == {mrtydi.NOT_JUDGED: 1}
    assert len(rows("mrtydi", tmp_path, "validation")) == 1


def test_a_packed_collection_is_read(tmp_path):
    folder = shutil.copytree(FIXTURES / "mrtydi" / "swahili", tmp_path / "in" / "mrtydi-v1.1-swahili")
    plain = folder / "collection" / "docs.jsonl"
    plain.with_name("docs.jsonl.gz").write_bytes(gzip.compress(plain.read_bytes()))
    plain.unlink()
    assert len(rows("mrtydi", tmp_path, input_dir=tmp_path / "in")) == 1


def test_only_judged_passages_are_kept(tmp_path):
    folder = shutil.copytree(FIXTURES / "mrtydi" / "swahili", tmp_path / "swahili")
    collection = folder / "collection" / "docs.jsonl"
    kept, wrong = mrtydi._judged_passages(folder, collection, 0)
    assert list(kept) == ["5#0", "5#1"] and wrong == []  # judged in two splits, which share one reading
    with collection.open("a", encoding="utf-8") as file:
        file.writelines(f'{{"id": "9#{number}", "contents": "x"}}\n' for number in range(1000))
    assert mrtydi._judged_passages(folder, collection, 1)[0] == kept


@pytest.mark.parametrize(("change", "message"), [
    (lambda folder: folder.rename(folder.with_name("klingon")), "unknown language 'klingon': .* arabic bengali .*thai"),
    (lambda folder: folder.rename(folder.with_name("sw")), "unknown language 'sw': write swahili, its code here$"),
    (lambda folder: (folder / "qrels.dev.txt").unlink(), "qrels.dev.txt: no such file: expected the judgements of"),
    (lambda folder: shutil.rmtree(folder / "collection"), "docs.jsonl.gz: no such file: expected the passages of"),
])  # fmt: skip
def test_a_wrong_folder_is_named(tmp_path, change, message):
    folder = shutil.copytree(FIXTURES / "mrtydi", tmp_path / "in")
    change(folder / "swahili")
    with pytest.raises(InputError, match=message):
        registry.builder("mrtydi", "pairs", tmp_path / "raw", input_dir=folder)

"""The sources `parallel` and `wordpairs`: translations, which are query and passage alike."""

import os
import shutil
from pathlib import Path

import pytest

from data_prep.sources import parallel, registry, wordpairs
from hbt_jax.errors import InputError
from tests.data_prep.source_rows import FIXTURES, dropped, rows

REAL = os.environ.get("HBT_JAX_DATA", "")


def test_a_line_in_all_its_languages_is_query_and_passage(tmp_path):
    morning, boat = rows("parallel", tmp_path)
    assert morning[0] == morning[1] == {"de": "Guten Morgen.", "en": "Good morning.", "fi": "Huomenta."}
    assert boat[0] == boat[1] == {"de": "Das Boot ist zu spät.", "en": "The boat is late."}
    assert morning[2] == [] and morning[3] != boat[3]
    assert dropped("parallel", tmp_path) == {parallel.BLANK: 6, parallel.ALONE: 1}
    [pair, _] = registry.records("parallel", "pairs", "train", tmp_path, input_dir=FIXTURES / "parallel")
    assert pair["query"] == pair["passage"]


def test_files_of_different_length_are_both_named(tmp_path):
    folder = shutil.copytree(FIXTURES / "parallel", tmp_path / "in")
    with (folder / "en.txt").open("a", encoding="utf-8") as file:
        file.write("One more.\n")
    message = r"de.txt has 4 lines and .*en.txt has 5: expected equally many, because line n of one is the"
    with pytest.raises(InputError, match=message):
        registry.builder("parallel", "pairs", tmp_path / "raw", input_dir=folder)


def test_wrong_folders_are_named(tmp_path):
    folder = shutil.copytree(FIXTURES / "parallel", tmp_path / "in")

    def made():
        return registry.builder("parallel", "pairs", tmp_path / "raw", input_dir=folder)

    shutil.copytree(FIXTURES / "parallel", folder / "test")
    with pytest.raises(InputError, match="in holds both de.txt and the folder test: expected LANG.txt .*, not both"):
        made()
    shutil.rmtree(folder / "test")
    (folder / "fi.txt").rename(folder / "xx.txt")
    with pytest.raises(InputError, match="xx.txt: unknown language 'xx': files are named after the language"):
        made()
    (folder / "xx.txt").rename(folder / "jp.txt")
    with pytest.raises(InputError, match="jp.txt: unknown language 'jp': write ja, its code here$"):
        made()
    (folder / "jp.txt").rename(folder / "deu.txt")
    with pytest.raises(InputError, match="de.txt and .*deu.txt are both in 'de': expected one; join or remove one$"):
        made()
    for one, other in (("fil", "tl"), ("dtp", "kzj")):
        (folder / "de.txt").rename(folder / f"{one}.txt")
        (folder / "deu.txt").rename(folder / f"{other}.txt")
        with pytest.raises(InputError, match=f"/{one}.txt and .*/{other}.txt are both in '{one}': expected one; join"):
            made()
        (folder / f"{one}.txt").rename(folder / "de.txt")
        (folder / f"{other}.txt").rename(folder / "deu.txt")
    (folder / "deu.txt").unlink()
    (folder / "de.txt").unlink()
    with pytest.raises(InputError, match="en.txt: no other language in train: expected at least two LANG.txt files"):
        made()
    (folder / "en.txt").unlink()
    with pytest.raises(InputError, match="in holds no data: expected LANG.txt files, such as en.txt and de.txt, or fo"):
        made()


def test_files_and_columns_by_any_code_of_their_language_are_in_that_language(tmp_path):
    folder = tmp_path / "in"
    folder.mkdir()
    for code, text in (("eng_Latn", "one"), ("zh_CN", "一")):
        (folder / f"{code}.txt").write_text(f"{text}\n", encoding="utf-8")
    assert [row[0] for row in rows("parallel", tmp_path / "raw", input_dir=folder)] == [{"en": "one", "zh": "一"}]
    metadata = registry.builder("parallel", "pairs", tmp_path / "raw", input_dir=folder).info.metadata
    assert metadata["respelled"] == {
        "train": {"eng_Latn": {"language": "en", "rows": 1}, "zh_CN": {"language": "zh", "rows": 1}}
    }
    words = tmp_path / "words"
    words.mkdir()
    (words / "a.tsv").write_text("en\ttl\nwater\ttubig\n")
    assert [row[0] for row in rows("wordpairs", tmp_path / "raw", input_dir=words)] == [{"en": "water", "fil": "tubig"}]


@pytest.mark.skipif(not (Path(REAL) / "ntrex-parallel").is_dir() or not REAL, reason="HBT_JAX_DATA: no ntrex-parallel")
def test_real_parallel_text_is_read_whole(tmp_path):
    folder = tmp_path / "in"
    folder.mkdir()
    for code in ("en", "sw", "th"):
        shutil.copy(Path(REAL) / "ntrex-parallel" / f"{code}.txt", folder)
    made = rows("parallel", tmp_path / "raw", input_dir=folder)
    assert len(made) == 1510 and all(set(row[0]) == {"en", "sw", "th"} for row in made)


def test_words_that_share_a_translation_share_a_group(tmp_path):
    made = rows("wordpairs", tmp_path)
    assert [row[0] for row in made] == [row[1] for row in made] == [
        {"en": "water", "sw": "maji"}, {"en": "bank", "sw": "benki"}, {"en": "bank", "sw": "ukingo"},
        {"en": "shore", "sw": "ukingo"},
    ]  # fmt: skip
    water, bank, edge, shore = (row[3] for row in made)
    assert water != bank == edge == shore
    assert dropped("wordpairs", tmp_path) == {wordpairs.TWICE: 1}


@pytest.mark.parametrize("first", ["water\tmaji", "en", "en\ten", "en\txx", "pt-BR\tpt", "en\txx\tde"])
def test_the_first_line_of_word_pairs_names_two_languages(tmp_path, first):
    (tmp_path / "words.tsv").write_text(f"{first}\nwater\tmaji\n", encoding="utf-8")
    with pytest.raises(InputError, match="words.tsv:1: the first line is .*: expected two different codes of lang"):
        registry.builder("wordpairs", "pairs", tmp_path / "raw", input_dir=tmp_path)

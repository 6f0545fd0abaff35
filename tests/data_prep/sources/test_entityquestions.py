"""The source `entityquestions`: which passage of Wikipedia a question gets."""

import doctest
import shutil
import tracemalloc

import pytest

from data_prep.sources import entityquestions, registry
from hbt_jax.errors import InputError
from tests.data_prep.source_rows import FIXTURES, dropped, rows

ADA = {"en": 'Ada Quill\n\nAda Quill was born in York. Her son "Ben Quill" is a poet.'}


def test_a_question_gets_the_first_passage_of_its_article_that_holds_an_answer(tmp_path):
    ada, bo, child = rows("entityquestions", tmp_path)
    assert ada[:3] == ({"en": "Where was Ada Quill born?"}, ADA, [])  # not the film's, and York, not Yorkshire
    assert bo[1] == {"en": "Bo Tarn (singer)\n\nBo Tarn, born in lund, is a singer."}
    assert child[:2] == ({"en": "Who is Ada Quill's child?"}, ADA) and child[3] == ada[3] != bo[3]
    assert dropped("entityquestions", tmp_path) == {entityquestions.NO_PASSAGE: 1}
    [elbonia] = rows("entityquestions", tmp_path, "validation")
    assert elbonia[1] == {"en": "Elbonia\n\nThe capital of Elbonia is Mudtown."}


def test_missing_passages_and_other_columns_are_named(tmp_path):
    folder = shutil.copytree(FIXTURES / "entityquestions", tmp_path / "in")
    corpus = folder / "psgs_w100.tsv"
    corpus.write_text("id\ttitle\ttext\n", encoding="utf-8")
    with pytest.raises(InputError, match="w100.tsv:1: the first line is 'id title text': expected the columns id text"):
        registry.builder("entityquestions", "pairs", tmp_path / "raw", input_dir=folder)
    corpus.unlink()
    with pytest.raises(InputError, match=r"in lacks psgs_w100.tsv: expected .*dpr/wikipedia_split/psgs_w100.tsv.gz"):
        registry.builder("entityquestions", "pairs", tmp_path / "raw", input_dir=folder)


def test_memory_does_not_grow_with_the_passages(tmp_path):
    corpus, questions = tmp_path / "psgs_w100.tsv", FIXTURES / "entityquestions" / "train" / "P19.train.json"

    def peak(articles):
        other = (f'{number}\t"{"text " * 40}"\tArticle {number}\n' for number in range(articles))
        wanted = '0\t"Ada Quill was born in York."\tAda Quill\n'
        corpus.write_text("id\ttext\ttitle\n" + "".join(other) + wanted, encoding="utf-8")
        tracemalloc.start()
        chosen, wrong = entityquestions.passages(corpus, (questions,), articles)
        found = tracemalloc.get_traced_memory()[1]
        tracemalloc.stop()
        assert list(chosen) == [("ada quill", "York")] and wrong == ()
        return found

    assert peak(5000) < 1.2 * peak(500)


def test_every_relation_has_a_wording_with_one_entity():
    assert len(entityquestions.WORDINGS) == 24
    assert all(wording.count("[E]") == 1 for wording in entityquestions.WORDINGS.values())


def test_examples_in_docstrings():
    assert doctest.testmod(entityquestions).failed == 0

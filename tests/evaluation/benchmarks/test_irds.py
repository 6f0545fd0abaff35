"""Ids of ir_datasets, by a stand-in of the package."""

import collections
import sys
import types

import pytest

from hbt_jax.errors import InputError
from hbt_jax.evaluation.benchmarks import irds
from hbt_jax.evaluation.benchmarks.registry import benchmark_folder, load_benchmark

Judgement = collections.namedtuple("Judgement", "query_id doc_id relevance iteration")


class Text:
    def __init__(self, key, id_, text):
        setattr(self, key, id_)
        self.default_text = lambda: text


class DataSet:
    """Two documents, a query and judgements, one of which is of another document."""

    def __init__(self, lang="en", has_qrels=True):
        self.docs_lang = self.queries_lang = lambda: lang
        self.has_docs = self.has_queries = lambda: True
        self.has_qrels = lambda: has_qrels

    def docs_iter(self):
        return iter([Text("doc_id", "d1", "Lima "), Text("doc_id", "d2", "bread")])

    def queries_iter(self):
        return iter([Text("query_id", "q1", "capital of Peru?")])

    def qrels_iter(self):
        return iter([Judgement("q1", "d1", 2, "0"), Judgement("q1", "d9", 1, "0"), Judgement("q1", "d1", 0, "0")])


@pytest.fixture
def library(monkeypatch):
    known = {"some/test": DataSet(), "no-lang": DataSet(lang=None), "no-qrels": DataSet(has_qrels=False)}
    monkeypatch.setitem(sys.modules, "ir_datasets", types.SimpleNamespace(load=known.__getitem__, __spec__=1))


def test_a_data_set_is_read(library):
    assert benchmark_folder("irds:some/test", "") == "some/test"
    benchmark = load_benchmark("irds:some/test", "", candidate_text="sentence", language="")
    assert benchmark.name == "some-test"
    assert benchmark.candidates.texts == ["Lima", "bread"] and benchmark.judged == [{0: 2}]
    assert benchmark.notes == (
        "ir_datasets' some/test",
        "1 judgements are of queries or documents that the data set does not have",
        "1 judgements repeat an earlier one of their query and document; the first counts",
    )
    assert load_benchmark("irds:no-lang", "", language="de").queries.languages == ["de"]


def test_queries_in_another_language_than_the_documents_are_cross_lingual(library):
    """As of neuclir and hc4 there: the package says the language of the documents, and queries are in English."""
    data = sys.modules["ir_datasets"].load("some/test")
    data.docs_lang, data.queries_lang = lambda: "fa", lambda: None
    benchmark = load_benchmark("irds:some/test", "", language="en")
    assert benchmark.queries.languages == ["en"] and benchmark.candidates.languages == ["fa", "fa"]
    with pytest.raises(InputError, match="ir_datasets does not state its language: give it as --language"):
        load_benchmark("irds:some/test", "", language="")


def test_a_language_that_the_package_does_not_need_is_said(library):
    benchmark = load_benchmark("irds:some/test", "", language="de")
    assert benchmark.queries.languages == ["en"]
    assert benchmark.notes[2] == "--language=de is not used: the package says that the texts are in en"
    assert not any("not used" in note for note in load_benchmark("irds:some/test", "", language="eng").notes)


def test_copies_are_reported_and_judged_as_published(library, monkeypatch):
    documents = [Text("doc_id", f"d{n}", text) for n, text in enumerate(("ﬁn", "fin", "Lima", "f in", "fi\u00adn"))]
    queries = [Text("query_id", f"q{n}", text) for n, text in enumerate(("x y", "x\u00a0y"))]
    judged = [Judgement("q0", "d1", 2, "0"), Judgement("q1", "d2", 1, "0")]
    for name, rows in (("docs_iter", documents), ("queries_iter", queries), ("qrels_iter", judged)):
        monkeypatch.setattr(DataSet, name, lambda _, rows=rows: iter(rows))
    benchmark = load_benchmark("irds:some/test", "", language="")
    assert benchmark.relevant_QG.tolist() == [[1], [2]]
    assert benchmark.counts["copies"] == {"queries": 1, "candidates": 2}
    assert [note.partition(":")[0] for note in benchmark.notes[1:]] == [
        "1 queries have the same text as another one in their language, such as q1 (a copy of q0)",
        "2 candidates have the same text as another one in their language, such as d1 (a copy of d0)",
    ]


@pytest.mark.parametrize(
    ("id_", "message"),
    [
        ("some/dev", "--benchmarks=irds:some/dev: ir_datasets has no data set of this id"),
        ("no-lang", "--benchmarks=irds:no-lang: ir_datasets does not state its language: give it as --language"),
        ("no-qrels", "--benchmarks=irds:no-qrels: it has no qrels: expected an id with all three"),
    ],
)
def test_what_is_wrong_is_named(library, id_, message):
    with pytest.raises(InputError) as caught:
        load_benchmark(f"irds:{id_}", "", language="")
    assert message in str(caught.value)


def test_without_the_library(monkeypatch):
    monkeypatch.setattr("importlib.util.find_spec", lambda _: None)
    with pytest.raises(InputError, match=r"needs the library ir-datasets: pip install -e '.\[irds\]'"):
        irds.read("x", "x")

"""Query expansion: the file and its errors, both combinations by hand, and what the expansions changed."""

import doctest
import html.parser
import json

import numpy as np
import pytest

from hbt_jax.errors import InputError
from hbt_jax.evaluation.benchmarks.benchmark import Benchmark, BenchmarkTexts, pad_relevant
from hbt_jax.evaluation.embedding import query_expansion
from hbt_jax.evaluation.evaluator import ResultFiles
from hbt_jax.evaluation.expanded import ExpandedEvaluator
from hbt_jax.evaluation.in_memory import InMemoryEvaluator
from hbt_jax.evaluation.ranked import ByEmbedding, evaluate
from hbt_jax.evaluation.report.cards.expansion import expansion_card
from hbt_jax.evaluation.results.result import Described
from hbt_jax.evaluation.results.table import expansion_lines
from hbt_jax.evaluation.statistics import expansion_effect
from tests.evaluation.embedding import test_embed


def small(name="mine", ids=("a", "b", "c")):
    queries = BenchmarkTexts(list(ids), list(ids), ["de"] * len(ids), ["30 31"] * len(ids))
    return Benchmark(name, queries, BenchmarkTexts(["x"], ["x"], ["de"], ["t"]), np.zeros((len(ids), 1), np.int32))


def written(tmp_path, *lines):
    path = tmp_path / "texts.jsonl"
    path.write_text("".join(line + "\n" for line in lines), encoding="utf-8")
    return str(path)


def line(id_, *texts):
    return json.dumps({"id": id_, "texts": list(texts), "prompt": "ignored"})


def test_the_file_is_shared_by_the_benchmarks(tmp_path):
    path = written(tmp_path, line("b", "one", "two"), "", line("y", "three"), line("a", "four"))
    read = query_expansion.read_expansions(path, [small(), small("other", ("x", "y", "a"))])
    assert read == {"mine": {0: ["four"], 1: ["one", "two"]}, "other": {1: ["three"], 2: ["four"]}}
    assert list(read["mine"]) == [0, 1]


@pytest.mark.parametrize(
    ("lines", "message"),
    [
        ([line("a", "t"), "nonsense"], r"texts\.jsonl:2: not JSON \(.* at column 1\): expected one object per line"),
        (["", "[1]"], r"texts\.jsonl:2: expected a JSON object with id and texts, got list"),
        (['{"id": "a"}'], r"texts\.jsonl:1: missing field 'texts': expected one"),
        (['{"texts": ["t"]}'], r"texts\.jsonl:1: missing field 'id': expected one"),
        (['{"id": 3, "texts": ["t"]}'], r"texts\.jsonl:1: id is 3: expected a string, the id of a query"),
        (['{"id": "a", "texts": "t"}'], r"texts\.jsonl:1: texts of 'a' are \"t\": expected a list of strings"),
        (['{"id": "a", "texts": ["t", 1]}'], r"texts of 'a' are \[\"t\", 1\]: expected a list of strings"),
        ([line("a")], r"texts\.jsonl:1: texts of 'a' are an empty list: give a text, or leave the line out"),
        ([line("a", "t", " ")], r"texts\.jsonl:1: text 2 of 'a' is empty: drop it or give the text"),
        ([line("a", "t"), line("b", "t"), line("a", "u")], r":3: duplicate id 'a', first at .*:1: expected one line"),
        ([line("a", "t"), line("z", "t")], r"texts\.jsonl:2: unknown id 'z': no query of mine has it"),
        ([" "], r"texts\.jsonl: the file is empty: expected at least one line"),
    ],
)
def test_a_wrong_file_is_one_clear_line(tmp_path, lines, message):
    with pytest.raises(InputError, match=message):
        query_expansion.read_expansions(written(tmp_path, *lines), [small()])


def test_a_missing_file_another_encoding_and_an_idle_benchmark_are_named(tmp_path):
    with pytest.raises(
        InputError, match=r"nowhere\.jsonl: no such file: --query_expansions is a file of JSON lines, exp"
    ):
        query_expansion.read_expansions("nowhere.jsonl", [small()])
    (tmp_path / "latin").write_bytes('{"id": "a", "texts": ["é"]}'.encode("latin-1"))
    with pytest.raises(InputError, match=r"latin:1: not UTF-8 text \(.*\): save the file as UTF-8"):
        query_expansion.read_expansions(str(tmp_path / "latin"), [small()])
    with pytest.raises(InputError, match=r"texts\.jsonl: it has no query of other: leave other out of --benchmarks"):
        query_expansion.read_expansions(written(tmp_path, line("a", "t")), [small(), small("other", ("x",))])


model = test_embed.model  # a fixture


@pytest.fixture
def embedder(model):
    return test_embed.embedder(model)


QUERIES = ["30 31", "40", "50 51 52"]
EXPANSIONS = {0: ["60 61", "70"], 2: [" ".join(["80"] * 40)]}


def test_concat_is_one_text_with_the_query_prefix(embedder):
    """The third text is longer than a query may be (32 tokens), not longer than a passage."""
    query_QD = embedder(QUERIES, "query")
    expanded_QD = query_expansion.embed_expanded(embedder, QUERIES, query_QD, EXPANSIONS, "concat")
    assert embedder.truncated == 0
    text = embedder.model.text
    whole = embedder(["30 31 60 61 70", "50 51 52 " + EXPANSIONS[2][0]], "query", longest=text.passage_length)
    np.testing.assert_array_equal(expanded_QD, np.stack([whole[0], query_QD[1], whole[1]]))
    cut = embedder(["50 51 52 " + EXPANSIONS[2][0]], "query")
    assert embedder.truncated == 1
    assert np.abs(expanded_QD[2] - cut[0]).max() > 1e-4 and np.abs(expanded_QD[0] - query_QD[0]).max() > 1e-4


def test_mean_embedding_by_hand(embedder):
    query_QD = embedder(QUERIES, "query")
    expanded_QD = query_expansion.embed_expanded(embedder, QUERIES, query_QD, EXPANSIONS, "mean-embedding")
    texts_ED = embedder(["60 61", "70", EXPANSIONS[2][0]], "passage")
    means = [(query_QD[0] + texts_ED[0] + texts_ED[1]) / 3, query_QD[1], (query_QD[2] + texts_ED[2]) / 2]
    for found, mean in zip(expanded_QD, means, strict=True):
        np.testing.assert_allclose(found, mean / np.linalg.norm(mean), atol=1e-6)
    np.testing.assert_array_equal(expanded_QD[1], query_QD[1])


def test_an_unknown_combination_is_an_error(embedder):
    with pytest.raises(ValueError, match="combination 'sum': expected one of concat, mean-embedding"):
        query_expansion.embed_expanded(embedder, QUERIES, np.zeros((3, 16), np.float32), EXPANSIONS, "sum")


def test_the_examples_of_the_docstrings():
    for module in (query_expansion, expansion_effect):
        assert doctest.testmod(module).failed == 0


def evaluated(benchmark, ranks_first, out):
    """Results of an evaluation in which each query's scores are the numbers of `ranks_first` [Q, N]."""
    embeddings = np.asarray(ranks_first, np.float32), np.eye(len(benchmark.candidates), dtype=np.float32)
    counts = {"expanded_queries": 4, "queries_without_expansion": 1, "expansion_texts": 7}
    described = Described("m", {"expansion_combination": "concat"}, counts)
    return evaluate(ByEmbedding(benchmark, *embeddings), described, ResultFiles(out))


@pytest.fixture(scope="module")
def effect(tmp_path_factory):
    """(results with expansions, their effect): four of five queries expanded; two Latin languages and one not."""
    texts = [("de", "ab"), ("de", "a b c d e"), ("de", "abcd ef"), ("el", "αβ"), ("en", "abc")]
    ids = [f"q{n}" for n in range(5)]
    codes = ["de", "de", "el", "en"]
    benchmark = Benchmark(
        "hand",
        BenchmarkTexts(ids, ids, [code for code, _ in texts], [text for _, text in texts]),
        BenchmarkTexts(list("wxyz"), list("wxyz"), codes, ["."] * 4),
        pad_relevant([[0, 2, 3]] * 3 + [[1, 2]] + [[0, 3]]),
    )
    out = tmp_path_factory.mktemp("out")
    plain = [[1, 2, 0, 0], [2, 1, 0, 0], [1, 2, 0, 0], [2, 1, 0, 0], [1, 2, 0, 0]]
    changed = [[2, 1, 0, 0], [1, 2, 0, 0], [1, 2, 0, 0], [1, 2, 0, 0], [1, 2, 0, 0]]
    without, expanded = evaluated(benchmark, plain, out), evaluated(benchmark, changed, out / "expanded")
    expansions = {0: ["t"], 1: ["t"], 2: ["t"], 3: ["t", "t", "t", "t"]}
    both = ExpandedEvaluator(InMemoryEvaluator(benchmark), expansions)._compared(without, expanded, out)
    assert both.json() == without.json()
    return json.loads(json.dumps(both.expanded.json())), out


def test_the_effect_by_setting_length_and_script(effect):
    expanded, out = effect
    found = expanded["query_expansion"]
    assert expanded == json.loads((out / "expanded" / "hand" / "results.json").read_text())
    assert (found["metric"], found["queries"]) == ("map", 4)
    # monolingual: de alone (el and en have one candidate, found first); q0 and q2 at 1/2, q1 at 1, then q0 at 1
    mono = found["by_setting"]["monolingual"]
    assert mono["queries"] == 4
    assert mono["without"] == pytest.approx(((0.5 + 1 + 0.5) / 3 + 1) / 2)
    assert mono["with"] == pytest.approx(((1 + 0.5 + 0.5) / 3 + 1) / 2)
    # lengths without spaces: de 2, 5, 6; el 2
    lengths = found["by_query_length"]
    assert {name: block["queries"] for name, block in lengths.items()} == {"shortest": 2, "second": 1, "longest": 1}
    assert lengths["shortest"]["mean_characters"] == 2
    assert lengths["shortest"]["monolingual"] == pytest.approx({"queries": 2, "without": 0.75, "with": 1.0})
    assert lengths["longest"]["monolingual"] == pytest.approx({"queries": 1, "without": 0.5, "with": 0.5})
    # same script: de-en (one candidate, always first); cross: de-el likewise, el-de from 1/2 to 1
    assert found["by_script"]["same"] == pytest.approx({"queries": 3, "without": 1.0, "with": 1.0})
    assert found["by_script"]["cross"] == pytest.approx({"queries": 4, "without": (1 + 0.5) / 2, "with": 1.0})
    assert "characters" in expanded["settings"]["definitions"]["query_expansion"]


def test_the_effect_is_printed(effect):
    lines = list(expansion_lines(effect[0]))
    assert lines[1].split() == ["all", "monolingual", "4", "0.8333", "0.8333"]
    assert lines[-1].split() == ["cross", "script", "cross-lingual", "4", "0.7500", "1.0000"]


def test_the_card_of_the_report(effect):
    expanded = effect[0]
    body = expansion_card(expanded)
    assert "Combined by concat: 4 queries with 7 texts; 1 have none and are not counted here" in body
    words = []
    parser = html.parser.HTMLParser()
    parser.handle_data = words.append
    parser.feed(body)
    assert "cross-lingual, cross script: 0.7500 without, 1.0000 with" in words
    assert {"0.7500", "1.0000", "+0.2500", "shortest quarter (mean 2)"} <= set(words)
    rows = 4 + 6 + 4  # all and three quarters of each setting, and two rows of scripts
    assert body.count("<g>") == body.count("<tr><th") - 1 == rows
    assert body.count('class="expansion with"') == body.count('class="expansion without"') == rows + 1  # and the key

"""launch/eval.py with a lexical baseline and query expansions: files, tables, report, comparisons, wrong input."""

import json
import shutil

import pytest

from tests.evaluation import make_miracl
from tests.interchange import make_models
from tests.launch.test_pretrained import run

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def encoder(tmp_path_factory):
    """Folder of a tiny encoder that reads 24 tokens."""
    return make_models.folder_of("xlm-roberta", tmp_path_factory.mktemp("encoder") / "tiny")


@pytest.fixture(scope="module")
def flags(encoder, few_facts):
    return [f"--model={encoder}", "--benchmarks=facts", f"--data_dir={few_facts / 'benchmarks'}", "--max_length=24"]


@pytest.fixture(scope="module")
def expansions(few_facts, tmp_path_factory):
    """Two texts for every query but two: the answer, and a long text."""
    folder = few_facts / "benchmarks" / "facts"
    queries, candidates = (
        [json.loads(line) for line in (folder / f"{side}.jsonl").read_text(encoding="utf-8").splitlines()]
        for side in ("queries", "candidates")
    )
    answer = {(one["item"], one["language"]): one["text"] for one in candidates}
    lines = [
        json.dumps({"id": one["id"], "texts": [answer[one["item"], one["language"]], "word " * 40]})
        for one in queries[:-2]
    ]
    path = tmp_path_factory.mktemp("expansions") / "texts.jsonl"
    path.write_text("\n".join(lines), encoding="utf-8")
    return path


def results(folder):
    return json.loads((folder / "results.json").read_text(encoding="utf-8"))


@pytest.mark.parametrize("combination", ["concat", "mean-embedding"])
def test_both_beside_the_model(flags, expansions, combination, tmp_path):
    out = tmp_path / "out"
    more = ["--lexical_baseline", f"--query_expansions={expansions}", f"--expansion_combination={combination}"]
    ended = run("eval.py", *flags, *more, f"--out={out}")
    assert ended.returncode == 0, ended.stderr
    assert "DEBUG" not in ended.stderr and "Building index" not in ended.stderr
    model, expanded, bm25 = (results(out / folder / "facts") for folder in (".", "expanded", "bm25"))
    queries = sum(model["counts"]["queries"].values())
    assert f"query expansions ({combination}): {queries - 2} queries with {2 * (queries - 2)} texts, 2 without any" in (
        ended.stdout
    )
    assert "BM25, facts: " in ended.stdout and "with expansions, facts: " in ended.stdout
    assert expanded["counts"]["queries_without_expansion"] == 2
    cut = (queries - 2) * {"concat": 1, "mean-embedding": 2}[combination]  # one long text each, or both texts
    assert expanded["counts"]["truncated_expansions"] == cut
    assert expanded["settings"]["expansion_combination"] == combination
    assert ("expanded_query_length" in expanded["settings"]) == (combination == "concat")
    assert bm25["metrics"]["monolingual"]["map"] > 0.9 > model["metrics"]["monolingual"]["map"]
    assert model["metrics"] != expanded["metrics"]
    assert expanded["query_expansion"]["queries"] == queries - 2
    page = (out / "report.html").read_text(encoding="utf-8")
    assert "BM25" in page and "Query expansion" in page
    assert f"{bm25['metrics']['cross_lingual']['map']:.4f}" in page
    for other in ("expanded", "bm25"):
        compared = run("compare.py", f"--a={out / other}", f"--b={out}", f"--out={tmp_path / other}", "--samples=100")
        assert compared.returncode == 0, compared.stderr
        assert (tmp_path / other / "compare.json").exists()


def test_without_the_flags_there_is_neither(flags, tmp_path):
    ended = run("eval.py", *flags, f"--out={tmp_path / 'out'}")
    assert ended.returncode == 0, ended.stderr
    assert sorted(path.name for path in (tmp_path / "out").iterdir()) == ["facts", "report.html"]
    page = (tmp_path / "out" / "report.html").read_text(encoding="utf-8")
    assert "BM25" not in page and "Query expansion" not in page


@pytest.mark.parametrize("name", ["untrained", "bm25", "expanded"])
def test_a_benchmark_named_like_other_results_is_refused(encoder, few_facts, name, tmp_path):
    shutil.copytree(few_facts / "benchmarks" / "facts", tmp_path / name)
    ended = run("eval.py", f"--model={encoder}", f"--benchmarks={tmp_path / name}", f"--out={tmp_path / 'out'}")
    assert ended.returncode == 2
    assert f"--benchmarks: {tmp_path / 'out'}/{name} is reserved for other results: rename the folder" in ended.stderr


def test_wrong_expansions_end_in_one_line(flags, tmp_path):
    path = tmp_path / "texts.jsonl"
    path.write_text('{"id": "nothing:de", "texts": ["x"]}\n')
    for given, message in (
        (f"--query_expansions={path}", f"{path}:1: unknown id 'nothing:de': no query of facts has it"),
        ("--query_expansions=nowhere.jsonl", "nowhere.jsonl: no such file: --query_expansions is a file of JSON lines"),
        ("--expansion_combination=sum", "--expansion_combination=sum: value should be one of <concat|mean-embedding>"),
    ):
        ended = run("eval.py", *flags, given, f"--out={tmp_path / 'out'}")
        assert ended.returncode == 2
        (line,) = [line for line in ended.stderr.splitlines() if line.startswith("error: ")]
        assert message in line
        assert not (tmp_path / "out").exists()


@pytest.mark.parametrize("flag", ["lexical_baseline", "query_expansions"])
def test_a_streamed_benchmark_takes_neither(encoder, flag, tmp_path):
    make_miracl.write(tmp_path / "data" / "miracl")
    given = {"lexical_baseline": "--lexical_baseline", "query_expansions": "--query_expansions=texts.jsonl"}[flag]
    data = ["--benchmarks=miracl", f"--data_dir={tmp_path / 'data'}", f"--out={tmp_path / 'out'}"]
    ended = run("eval.py", f"--model={encoder}", *data, given)
    assert ended.returncode == 2
    assert (
        f"--{flag} is not supported by miracl, whose passages are read as a stream: leave out --{flag} or miracl"
        in ended.stderr
    )

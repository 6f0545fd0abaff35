"""NeuCLIR in its official layout, from reading to a result."""

import gzip
import json
import math

import jax
import numpy as np
import pytest

from hbt_jax.config.evaluation import EvalConfig
from hbt_jax.errors import InputError
from hbt_jax.evaluation.benchmarks import neuclir
from hbt_jax.evaluation.benchmarks.registry import load_benchmark
from hbt_jax.evaluation.evaluator import EvaluatedModel, EvaluationContext
from hbt_jax.evaluation.report import page
from hbt_jax.evaluation.results.read import read_outcome, read_scores
from hbt_jax.evaluation.results.table import format_table
from hbt_jax.evaluation.streamed.evaluate import StreamedEvaluator
from hbt_jax.mesh import make_mesh
from tests.evaluation.several_processes import ALONE
from tests.evaluation.word_model import word_model

TOP = ("ndcg@10", "recall@100")


def version(lang, source, text):
    return {"lang": lang, "source": source, "topic_title": text, "topic_description": "77"}


TOPICS = [
    {"topic_id": "0", "topics": [version("eng", "original", "what"), version("fas", "google translation", "41"),
                                 version("fas", "human translation", "40"), version("zho", "machine", "50")]},
    {"topic_id": "1", "topics": [version("fas", "machine", "60")]},
]  # fmt: skip
QRELS = ["0 fas f-1 3", "0 fas f-2 0", "0 zho z-1 1", "1 rus r-1 3"]


def write(root, topics=TOPICS, qrels=QRELS):
    data = root / "neuclir" / "data"
    data.mkdir(parents=True)
    for code in ("fas", "zho"):
        lines = [{"id": f"{code[0]}-{n}", "title": f"{40 + n}", "text": "80 81", "url": ""} for n in range(4)]
        text = "".join(f"{json.dumps(line)}\n" for line in lines)
        (data / f"{code}-00000-of-00001.jsonl.gz").write_bytes(gzip.compress(text.encode()))
    (data.parent / "topics.0720.utf8.jsonl").write_text("".join(f"{json.dumps(topic)}\n" for topic in topics))
    (data.parent / "2022-qrels.all").write_text("\n".join(qrels) + "\n")
    return data.parent


def test_topics_are_asked_in_the_language_of_the_documents(tmp_path):
    write(tmp_path)
    benchmark = load_benchmark("neuclir", str(tmp_path))
    assert benchmark.queries.ids == ["fa:0", "zh:0"] and benchmark.queries.texts == ["40 77", "50 77"]
    assert benchmark.grades == [{"f-1": 3, "f-2": 0}, {"z-1": 1}]
    assert benchmark.notes[1] == "1 queries are machine translations"
    found = evaluated(benchmark, tmp_path / "out")
    assert found["counts"]["candidates"] == {"fa": 4, "zh": 4}
    assert found["metrics"]["monolingual"]["recall@100"] == 1.0


def evaluated(benchmark, out):
    context = EvaluationContext(
        EvalConfig(benchmarks=("neuclir",)), make_mesh(1, 1, jax.devices()[:1]), ALONE, out, lambda: None, lambda: None
    )
    evaluator = StreamedEvaluator(benchmark)
    evaluator.prepare(context)
    return evaluator.run(EvaluatedModel(word_model(), "best", out)).json()


def test_english_topics_search_the_documents_of_each_language_and_all_together(tmp_path):
    """Topic 0 finds its documents, of grade 3 in Persian and 1 in Chinese, first; topic 1 has no relevant document."""
    topics = [{"topic_id": str(n), "topics": [version("fas", "machine", "50"), version("eng", "original", text)]}
              for n, text in enumerate(("41 80 81", "42"))]  # fmt: skip
    topics[0]["topics"][1]["topic_description"] = "41 80 81"  # the same mean as "41 80 81", the text of two documents
    write(tmp_path, topics, ["0 fas f-1 3", "0 fas f-2 0", "0 zho z-1 1", "1 fas f-0 0"])
    benchmark = load_benchmark("neuclir", str(tmp_path), neuclir_queries="en")
    assert benchmark.asked.ids == ["en:0", "en:1"] and benchmark.asked.languages == ["en", "en"]
    assert benchmark.asked.texts[0] == "41 80 81 41 80 81" and benchmark.notes == (neuclir._NOTE_ACROSS,)
    assert benchmark.joint_grades == [{"fa:f-1": 3, "fa:f-2": 0, "zh:z-1": 1}, {"fa:f-0": 0}]

    found = evaluated(benchmark, tmp_path / "out")
    both = (1 + 3 / math.log2(3)) / (3 + 1 / math.log2(3))  # z-1 and f-1 tie, and are ordered by descending id
    assert found["counts"]["queries"] == {"en": 2} and found["counts"]["candidates"] == {"fa": 4, "zh": 4}
    assert found["by_pair"] == {"en-fa": {"ndcg@10": 0.5, "recall@100": 0.5}, "en-zh": dict.fromkeys(TOP, 1.0)}
    assert found["metrics"]["monolingual"] == {} and found["metrics"]["cross_lingual"] == dict.fromkeys(TOP, 0.75)
    assert found["metrics"]["multilingual"] == pytest.approx({"ndcg@10": both / 2, "recall@100": 0.5})
    assert found["tokens"]["queries"]["en"]["texts"] == 2 and found["settings"]["query_language"] == "en"
    assert found["top_10_languages"]["by_query_language"]["en"] == {"en": 0.0, "fa": 0.5, "zh": 0.5}

    folder = tmp_path / "out" / "neuclir"
    scores = read_scores(read_outcome(folder), "ndcg@10")
    assert scores.ids == ["en:0", "en:1"]
    np.testing.assert_array_equal(scores.values["cross_lingual"], [[1.0, 1.0], [0.0, np.nan]])
    assert (folder / "qrels.trec").read_text().splitlines()[2:] == ["en:0 0 zh:z-1 1", "en:1 0 fa:f-0 0"]
    runs = {path.name: path.read_text().splitlines() for path in (folder / "runs").iterdir()}
    assert sorted(runs) == ["cross_lingual-fa.qrels", "cross_lingual-fa.trec", "cross_lingual-zh.qrels",
                            "cross_lingual-zh.trec", "multilingual.trec"]  # fmt: skip
    assert runs["cross_lingual-zh.trec"][0].startswith("0 Q0 z-1 1 ") and len(runs["multilingual.trec"]) == 2 * 8
    assert [line.split()[:3] for line in runs["multilingual.trec"][:2]] == [
        ["en:0", "Q0", "zh:z-1"], ["en:0", "Q0", "fa:f-1"],
    ]  # fmt: skip
    table = format_table(found)
    assert "  cross-lingual " in table and "monolingual" not in table and "  en-zh " in table
    page.write_report(str(tmp_path / "report.html"), [found])
    assert "cross-lingual" in (tmp_path / "report.html").read_text()


def test_a_topic_without_english_is_named(tmp_path):
    write(tmp_path, [{"topic_id": "0", "topics": [version("fas", "original", "41")]}])
    with pytest.raises(InputError, match="jsonl:1: topic '0' is judged but has no version in English"):
        load_benchmark("neuclir", str(tmp_path), neuclir_queries="en")
    with pytest.raises(InputError, match="--neuclir_queries=en needs --benchmarks=neuclir: leave it out"):
        EvalConfig(benchmarks=("mldr",), neuclir_queries="en")


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        (
            {"qrels": ["0 0 f-1 3"]},
            "2022-qrels.all:1: '0 0 f-1 3': expected TOPIC LANG DOCID GRADE, LANG of fas rus zho",
        ),
        ({"qrels": ["9 fas f-1 3"]}, "no topic is judged in a language of data/: fetch topics and qrels of one year"),
        (
            {"qrels": [*QRELS, "0 fas f-1 0"]},
            "2022-qrels.all:5: topic '0' and document 'f-1' are judged twice: keep one",
        ),
        ({"topics": [{"topics": []}]}, "topics.0720.utf8.jsonl:1: missing field 'topic_id': expected an id"),
        ({"topics": [{"topic_id": None}]}, "topics.0720.utf8.jsonl:1: field 'topic_id' is null: expected an id"),
        ({"topics": [{"topic_id": "0", "topics": ["fas"]}]}, 'jsonl:1: topics is ["fas"]: expected a list of versions'),
        (
            {"topics": [{"topic_id": "0", "topics": [{"lang": ["fas"]}]}]},
            "jsonl:1: field 'lang' is [\"fas\"]: expected",
        ),
        ({"qrels": ["0 fas f-1 " + "1" * 5000]}, "2022-qrels.all:1: '0 fas f-1 1111"),
        ({"topics": [{"topic_id": "0"}]}, "topics.0720.utf8.jsonl:1: topics is null: expected a list"),
        ({"topics": [{"topic_id": "0", "topics": []}]}, "topic '0' is judged in 'fa' but has no version in it"),
    ],
)
def test_what_is_wrong_is_named(changes, message, tmp_path):
    write(tmp_path, **changes)
    with pytest.raises(InputError) as caught:
        load_benchmark("neuclir", str(tmp_path))
    assert message in str(caught.value)


def test_files_are_there_once(tmp_path):
    folder = write(tmp_path)
    (folder / "2023-qrels.all").write_text("0 fas f-1 3\n")
    with pytest.raises(InputError, match=r"2 files \*qrels\*: expected one, of one year"):
        load_benchmark("neuclir", str(tmp_path))

"""NeuCLIR in its official layout, from reading to a result."""

import gzip
import json

import jax
import pytest

from hbt_jax.config import EvalConfig
from hbt_jax.errors import InputError
from hbt_jax.evaluation.benchmarks.registry import load_benchmark
from hbt_jax.evaluation.evaluator import EvaluatedModel, EvaluationContext
from hbt_jax.evaluation.streamed.evaluate import StreamedEvaluator
from hbt_jax.mesh import make_mesh
from tests.evaluation.several_processes import ALONE
from tests.evaluation.word_model import word_model


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
    context = EvaluationContext(
        EvalConfig(benchmarks=("neuclir",)), make_mesh(1, 1, jax.devices()[:1]), ALONE, tmp_path / "out",
        lambda: None, lambda: None,
    )  # fmt: skip
    evaluator = StreamedEvaluator(benchmark)
    evaluator.prepare(context)
    found = evaluator.run(EvaluatedModel(word_model(), "best", tmp_path / "out")).json()
    assert found["counts"]["candidates"] == {"fa": 4, "zh": 4}
    assert found["metrics"]["monolingual"]["recall@100"] == 1.0


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

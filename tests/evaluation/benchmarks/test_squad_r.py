"""XQuAD-R and MLQA-R: candidates by place, relevance by question id, published counts, and the text of every error."""

import json
import os
import shutil
from pathlib import Path

import numpy as np
import pytest

from hbt_jax.config.values import CANDIDATE_TEXTS
from hbt_jax.errors import InputError
from hbt_jax.evaluation.benchmarks import squad_r
from hbt_jax.evaluation.benchmarks.registry import WITH_CONTEXT, load_benchmark
from hbt_jax.languages import MLQA_R, XQUAD_R
from tests.evaluation.ranked_small import evaluate

FILES = Path(__file__).parents[1] / "reading" / "squad"
COUNTS = {"ar": (5, 4), "en": (5, 6), "zh": (1, 2)}
REAL = os.environ.get("HBT_JAX_DATA", "")


@pytest.fixture
def data_dir(tmp_path, monkeypatch):
    """A data folder whose mlqa-r is the three small files, with their counts as the published ones."""
    monkeypatch.setitem(squad_r.PUBLISHED, "mlqa-r", COUNTS)
    shutil.copytree(FILES, tmp_path / "mlqa-r")
    return tmp_path


def change(data_dir, code, edit):
    """Edits the first paragraph of a language's file."""
    path = data_dir / "mlqa-r" / f"{code}.json"
    content = json.loads(path.read_text(encoding="utf-8"))
    edit(content["data"][0]["paragraphs"][0])
    path.write_text(json.dumps(content), encoding="utf-8")


def relevant(benchmark):
    """Query id -> ids of its relevant candidates."""
    ids = benchmark.candidates.ids
    rows = zip(benchmark.queries.ids, benchmark.relevant_QG.tolist(), strict=True)
    return {query: [ids[n] for n in row if n >= 0] for query, row in rows}


def test_a_folder_of_ones_own_may_have_any_languages_and_counts(data_dir):
    (data_dir / "mlqa-r").rename(data_dir / "mine")
    (data_dir / "mine" / "zh.json").unlink()
    read = load_benchmark(str(data_dir / "mine"), "", candidate_text="sentence+context")
    assert read.name == "mine" and read.queries.count_by_language() == {"ar": 5, "en": 5}
    assert read.candidates.texts[6].startswith("Nobody lives there today. ")
    (data_dir / "mine" / "queries.jsonl").write_text("")
    with pytest.raises(InputError, match="queries.jsonl: the file is empty"):
        load_benchmark(str(data_dir / "mine"), "")


def test_every_sentence_of_every_language_is_a_candidate(data_dir):
    (data_dir / "mlqa-r" / "LICENSE").write_text("")
    read = load_benchmark("mlqa-r", str(data_dir))
    assert read.name == "mlqa-r" and read.languages == ("ar", "en", "zh")
    assert read.candidates.ids == [
        "ar:p1:s0", "ar:p1:s1", "ar:p2:s0", "ar:p2:s1",
        "en:p1:s0", "en:p1:s1", "en:p1:s2", "en:p2:s0", "en:p2:s1", "en:p2:s2",
        "zh:p1:s0", "zh:p1:s1",
    ]  # fmt: skip
    assert read.candidates.texts[6] == read.candidates.texts[9] == "Nobody lives there today."  # two candidates
    assert read.candidates.texts[10] == "海枣生长在绿洲中。"
    assert read.queries.count_by_language() == {"ar": 5, "en": 5, "zh": 1}
    assert read.queries.ids[5:8] == ["light-year:en", "light-what:en", "light-height:en"]
    assert read.queries.items[5:8] == ["light-year", "light-what", "light-height"]


def test_copies_are_counted_and_stay_apart(data_dir):
    read = load_benchmark("mlqa-r", str(data_dir))
    assert read.counts == {"copies": {"queries": 0, "candidates": 1}}
    assert read.notes == (
        "1 candidates have the same text as another one in their language, such as en:p2:s2 (a copy of en:p1:s2): they"
        " are not merged and are judged as the files say, as in LAReQA",
    )
    assert len(read.candidates) == 12


def test_gold_sentences_of_every_language_are_relevant(data_dir):
    pairs = relevant(load_benchmark("mlqa-r", str(data_dir)))
    assert pairs["light-year:ar"] == pairs["light-what:en"] == ["ar:p1:s0", "en:p1:s0"]
    assert pairs["light-height:en"] == ["ar:p1:s0", "en:p1:s1"]
    assert pairs["palm-where:ar"] == pairs["palm-where:zh"] == ["ar:p2:s0", "en:p2:s0", "zh:p1:s0"]
    assert pairs["palm-when:en"] == ["ar:p2:s1", "en:p2:s1"]


def test_sentences_that_answer_one_question_share_an_item(data_dir):
    candidates = load_benchmark("mlqa-r", str(data_dir)).candidates
    items = dict(zip(candidates.ids, candidates.items, strict=True))
    assert items["ar:p1:s0"] == items["en:p1:s0"] == items["en:p1:s1"] == "light-year"
    assert items["ar:p2:s0"] == items["en:p2:s0"] == items["zh:p1:s0"] == "palm-where"
    assert items["en:p1:s2"] == "en:p1:s2" and items["en:p2:s2"] == "en:p2:s2"


def test_queries_count_where_their_id_has_a_sentence(data_dir, tmp_path):
    read = load_benchmark("mlqa-r", str(data_dir))
    names = sorted(set(read.candidates.items))
    one_hot = np.eye(len(names), dtype=np.float32)
    leader = dict(zip(read.candidates.ids, read.candidates.items, strict=True))
    query_QD = np.stack([one_hot[names.index(leader[ids[0]])] for ids in relevant(read).values()])
    candidate_ND = np.stack([one_hot[names.index(item)] for item in read.candidates.items])
    found = evaluate(
        read, query_QD, candidate_ND, out_dir=str(tmp_path / "out"), model_name="m", settings={}, counts={}
    )
    counted = found["counts"]["counted_queries"]
    assert counted["monolingual"] == counted["multilingual"] == {"ar": 5, "en": 5, "zh": 1}
    assert counted["cross_lingual"] == {"ar-en": 5, "ar-zh": 1, "en-ar": 5, "en-zh": 1, "zh-ar": 1, "zh-en": 1}
    # en:p1:s1 wins the tie with en:p1:s0 by its id: two of the five English questions find their sentence second
    assert found["by_query_language"]["en"]["monolingual"]["map"] == pytest.approx((2 * 1 / 2 + 3) / 5)


def test_the_context_follows_the_sentence_where_asked_for(data_dir):
    plain = load_benchmark("mlqa-r", str(data_dir), candidate_text="sentence")
    read = load_benchmark("mlqa-r", str(data_dir), candidate_text="sentence+context")
    assert read.candidates.texts[11] == "果实在秋天成熟。 海枣生长在绿洲中。果实在秋天成熟。"
    assert read.candidates.ids == plain.candidates.ids and read.queries == plain.queries
    np.testing.assert_array_equal(read.relevant_QG, plain.relevant_QG)


def test_only_benchmarks_with_contexts_take_them(tmp_path):
    assert CANDIDATE_TEXTS == ("sentence", "sentence+context") and WITH_CONTEXT == ("xquad-r", "mlqa-r")
    for name in ("facts", "./mine"):
        message = (
            rf"--candidate_text=sentence\+context: the candidates of {name} have no context, only those of xquad-r"
        )
        with pytest.raises(InputError, match=message):
            load_benchmark(name, str(tmp_path), candidate_text="sentence+context")
    with pytest.raises(ValueError, match="candidate text 'paragraph': expected one of sentence, sentence"):
        squad_r.read(str(tmp_path), "xquad-r", "paragraph")


def test_a_missing_language_is_named(data_dir):
    (data_dir / "mlqa-r" / "en.json").unlink()
    with pytest.raises(
        InputError, match=r"mlqa-r/en\.json: no such file: mlqa-r has one file for each of ar en zh; the"
    ):
        load_benchmark("mlqa-r", str(data_dir))


def test_a_language_too_many_is_named(data_dir):
    shutil.copy(FILES / "en.json", data_dir / "mlqa-r" / "fr.json")
    with pytest.raises(InputError, match=r"fr\.json: unexpected file: mlqa-r has the languages ar en zh only; move it"):
        load_benchmark("mlqa-r", str(data_dir))


def test_counts_that_are_not_the_published_ones_are_named(data_dir, monkeypatch):
    change(data_dir, "ar", lambda paragraph: paragraph["qas"].pop())
    with pytest.raises(InputError, match=r"ar\.json: mlqa-r in 'ar' has 4 questions, expected 5, the published number"):
        load_benchmark("mlqa-r", str(data_dir))
    shutil.copy(FILES / "ar.json", data_dir / "mlqa-r" / "ar.json")
    monkeypatch.setitem(squad_r.PUBLISHED, "mlqa-r", COUNTS | {"en": (5, 7)})
    with pytest.raises(InputError, match=r"en\.json: mlqa-r in 'en' has 6 candidates, expected 7, .* not the official"):
        load_benchmark("mlqa-r", str(data_dir))


def test_files_without_sentences_or_answers_are_named(data_dir):
    change(data_dir, "en", lambda paragraph: paragraph["qas"][1]["answers"].clear())
    with pytest.raises(
        InputError, match=r"en\.json: paragraph 1, question 'light-what': no answer, so nothing relevant"
    ):
        load_benchmark("mlqa-r", str(data_dir))
    change(data_dir, "ar", lambda paragraph: (paragraph.pop("sentences"), paragraph.pop("sentence_breaks")))
    with pytest.raises(
        InputError, match=r"ar\.json: paragraph 1: no sentence_breaks and sentences, so no candidates; "
    ):
        load_benchmark("mlqa-r", str(data_dir))


def test_malformed_json_is_named(data_dir):
    (data_dir / "mlqa-r" / "zh.json").write_text('{"data":\n [}', encoding="utf-8")
    with pytest.raises(InputError, match=r"zh\.json:2: not JSON"):
        load_benchmark("mlqa-r", str(data_dir))


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"", r"zh\.json:1: not JSON \(Expecting value at column 1\): expected one object in SQuAD's layout"),
        (b'{"data": []}', r"zh\.json: no paragraph in the file: expected at least one"),
        (
            b'{"data": [{"paragraphs": [{"context": "\xff"}]}]}',
            r"zh\.json: not UTF-8 text \(.*\): save the file as UTF-8",
        ),
        (
            b'{"data": [{"paragraphs": [{"qas": []}]}]}',
            r"zh\.json: paragraph 1: missing field 'context': expected a str",
        ),
    ],
)
def test_a_broken_file_is_named(data_dir, content, message):
    (data_dir / "mlqa-r" / "zh.json").write_bytes(content)
    with pytest.raises(InputError, match=message):
        load_benchmark("mlqa-r", str(data_dir))


def test_a_language_without_questions_or_candidates_is_named(data_dir):
    change(data_dir, "zh", lambda paragraph: paragraph["qas"].clear())
    with pytest.raises(InputError, match=r"zh\.json: mlqa-r in 'zh' has 0 questions, expected 1, the published number"):
        load_benchmark("mlqa-r", str(data_dir))
    change(data_dir, "zh", lambda paragraph: paragraph.update(sentences=[], sentence_breaks=[]))
    with pytest.raises(InputError, match=r"zh\.json: mlqa-r in 'zh' has 0 questions, expected 1"):
        load_benchmark("mlqa-r", str(data_dir))


def test_an_id_that_occurs_twice_is_named(data_dir):
    change(data_dir, "en", lambda paragraph: paragraph["qas"].append(paragraph["qas"][0]))
    with pytest.raises(
        InputError, match=r"en\.json: paragraph 1: duplicate id 'light-year', first in paragraph 1: ids"
    ):
        load_benchmark("mlqa-r", str(data_dir))


def test_marks_of_other_systems_are_no_part_of_a_text(data_dir):
    """A byte order mark and Windows line ends between the fields."""
    plain = load_benchmark("mlqa-r", str(data_dir))
    for file in (data_dir / "mlqa-r").glob("*.json"):
        content = json.dumps(json.loads(file.read_text(encoding="utf-8")), indent=1, ensure_ascii=False)
        file.write_bytes(b"\xef\xbb\xbf" + content.replace("\n", "\r\n").encode())
    marked = load_benchmark("mlqa-r", str(data_dir))
    assert marked.queries == plain.queries and marked.candidates == plain.candidates


def test_published_counts_cover_the_languages():
    assert tuple(squad_r.PUBLISHED["xquad-r"]) == XQUAD_R and tuple(squad_r.PUBLISHED["mlqa-r"]) == MLQA_R
    totals = {name: np.sum(list(counts.values()), axis=0).tolist() for name, counts in squad_r.PUBLISHED.items()}
    assert totals == {"xquad-r": [13090, 13014], "mlqa-r": [4199, 20534]}


@pytest.mark.skipif(not REAL, reason="HBT_JAX_DATA names no folder with the official xquad-r/ and mlqa-r/")
@pytest.mark.parametrize(("name", "languages_of_a_question"), [
    ("xquad-r", {11: 1190}), ("mlqa-r", {2: 65, 3: 263, 4: 820}),
])  # fmt: skip
def test_the_official_files_are_read_whole(name, languages_of_a_question):
    read = load_benchmark(name, REAL)
    questions = dict(zip(read.queries.items, (read.relevant_QG >= 0).sum(axis=1).tolist(), strict=True))
    several, counts = np.unique(list(questions.values()), return_counts=True)
    assert dict(zip(several.tolist(), counts.tolist(), strict=True)) == languages_of_a_question
    assert len(set(read.candidates.ids)) == len(read.candidates) and len(set(read.queries.ids)) == len(read.queries)

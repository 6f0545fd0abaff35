"""SQuAD's layout: offsets in code points, gold sentences, questions that share a place, and the text of every error."""

import copy
import json
from pathlib import Path

import pytest

from hbt_jax import connected
from hbt_jax.errors import InputError
from hbt_jax.evaluation.reading import squad_layout

FILES = Path(__file__).parent / "squad"
ENGLISH = json.loads((FILES / "en.json").read_text(encoding="utf-8"))


def gold(code):
    """Question id -> (paragraph, sentence) of one of the files."""
    return {
        question.id: (paragraph.number, squad_layout.gold_sentence(paragraph, question))
        for paragraph in squad_layout.read(FILES / f"{code}.json")
        for question in paragraph.questions
    }


def test_gold_sentences_are_found_by_offsets_in_code_points():
    assert gold("en") == {
        "light-year": (1, 0), "light-what": (1, 0), "light-height": (1, 1), "palm-where": (2, 0), "palm-when": (2, 1),
    }  # fmt: skip
    assert gold("ar") == {
        "light-year": (1, 0), "light-what": (1, 0), "light-height": (1, 0), "palm-when": (2, 1), "palm-where": (2, 0),
    }  # fmt: skip
    assert gold("zh") == {"palm-where": (1, 0)}


def test_paragraphs_hold_what_the_file_says():
    first, second = squad_layout.read(FILES / "en.json")
    assert first.number == 1 and first.place.endswith("en.json: paragraph 1") and second.number == 2
    assert first.sentences == (
        "The lighthouse 🗼 was built in 1871.",
        "It is 40 metres tall.",
        "Nobody lives there today.",
    )
    assert [first.context[start:end] for start, end in first.breaks] == list(first.sentences)
    assert first.questions[0] == squad_layout.Question("light-year", "When was the lighthouse built?", (30, "1871"))


def test_plain_squad_files_have_no_sentences_and_may_have_questions_without_an_answer(tmp_path):
    content = copy.deepcopy(ENGLISH)
    first, second = (article["paragraphs"][0] for article in content["data"])
    for name in ("sentences", "sentence_breaks"):
        del first[name]
    first["qas"][0]["answers"] = []
    first["qas"][1]["is_impossible"] = True
    first["qas"][2] |= {"is_impossible": False, "plausible_answers": []}
    second["qas"][0]["answers"].append({"text": "palms", "answer_start": 5})
    (tmp_path / "en.json").write_text("\ufeff" + json.dumps(content), encoding="utf-8")
    first, second = squad_layout.read(tmp_path / "en.json")
    assert first.sentences is None and first.breaks is None
    assert [question.answer for question in first.questions] == [None, None, (42, "40 metres")]
    assert second.questions[0].answer == (19, "oases")  # the first of two


def test_the_text_of_a_sentence_is_that_of_sentences(tmp_path):
    content = copy.deepcopy(ENGLISH)
    content["data"][0]["paragraphs"][0]["sentences"][0] = "The lighthouse was built in 1871."
    (tmp_path / "en.json").write_text(json.dumps(content), encoding="utf-8")
    assert squad_layout.read(tmp_path / "en.json")[0].sentences[0] == "The lighthouse was built in 1871."


def test_questions_that_share_a_place_are_connected_over_others():
    places = {"a": [("en", 1)], "b": [("en", 2), ("de", 2)], "c": [("en", 3)], "d": [("de", 2), ("fr", 1)], "e": []}
    assert connected.groups(places) == {"a": "a", "b": "b", "c": "c", "d": "b", "e": "e"}
    late = {"a": ["x"], "b": ["y"], "c": ["z"], "d": ["z", "y"], "e": ["x", "z"]}
    assert set(connected.groups(late).values()) == {"a"}


QA, PARAGRAPH = ("data", 1, "paragraphs", 0, "qas", 0), ("data", 1, "paragraphs", 0)


@pytest.mark.parametrize(("place", "value", "message"), [
    (("data",), None, r"en\.json: missing field 'data': expected a list"),
    (("data",), [], r"en\.json: no paragraph in the file: expected at least one"),
    (("data", 1), "x", r'en\.json: data\[1\] is "x": expected an object'),
    (("data", 1, "paragraphs"), {}, r"en\.json: data\[1\]: paragraphs is {}: expected a list"),
    ((*PARAGRAPH, "context"), None, "paragraph 2: missing field 'context': expected a string"),
    ((*PARAGRAPH, "context"), " ", "paragraph 2: context is empty: expected a text"),
    ((*PARAGRAPH, "context"), "\ud800", r"paragraph 2: context holds '\\ud800': expected whole characters"),
    ((*PARAGRAPH, "qas"), None, "paragraph 2: missing field 'qas': expected a list"),
    ((*PARAGRAPH, "sentences"), None, "paragraph 2: missing field 'sentences': expected a list"),
    ((*PARAGRAPH, "sentences"), [], "paragraph 2: 3 sentence_breaks and 0 sentences: expected the same number of each"),
    ((*PARAGRAPH, "sentences", 1), 7, r"paragraph 2: sentences\[1\] is 7: expected a string"),
    ((*PARAGRAPH, "sentence_breaks", 1), [24, 55], r"sentence_breaks\[1\] is \[24, 55\]: expected \[start, end\) with "
                                                   r"25 <= start < end <= 81, after the sentence before it"),
    ((*PARAGRAPH, "sentence_breaks", 2), [56, 82], r"sentence_breaks\[2\] is \[56, 82\]: expected"),
    ((*PARAGRAPH, "sentence_breaks", 0), [0, 25, 1], r"sentence_breaks\[0\] is \[0, 25, 1\]: expected"),
    ((*PARAGRAPH, "sentence_breaks", 0), [0, 25.0], r"sentence_breaks\[0\] is \[0, 25.0\]: expected"),
    ((*QA, "id"), None, "paragraph 2: missing field 'id': expected a string"),
    ((*QA, "id"), "a b", "paragraph 2: id 'a b' holds white space, which TREC files cannot carry: rename it"),
    ((*QA, "id"), "light-year", r"paragraph 2: duplicate id 'light-year', first in paragraph 1: ids are unique"),
    ((*QA, "question"), None, "paragraph 2, question 'palm-where': missing field 'question': expected a string"),
    ((*QA, "is_impossible"), "no", 'question \'palm-where\': is_impossible is "no": expected true or false'),
    ((*QA, "answers"), {"text": "oases"}, r'question \'palm-where\': answers is {"text": "oases"}: expected a list'),
    ((*QA, "answers", 0), "oases", r'question \'palm-where\': answers\[0\] is "oases": expected an object'),
    ((*QA, "answers", 0, "text"), None, "question 'palm-where': missing field 'text': expected a string"),
    ((*QA, "answers", 0, "answer_start"), None, "missing field 'answer_start': expected a whole number"),
    ((*QA, "answers", 0, "answer_start"), "19", 'answer_start is "19": expected a whole number'),
    ((*QA, "answers", 0, "answer_start"), True, "answer_start is true: expected a whole number"),
])  # fmt: skip
def test_a_wrong_file_is_named_with_the_place(tmp_path, place, value, message):
    content = copy.deepcopy(ENGLISH)
    *way, last = place
    holder = content
    for key in way:
        holder = holder[key]
    if value is None:
        del holder[last]
    else:
        holder[last] = value
    (tmp_path / "en.json").write_text(json.dumps(content), encoding="utf-8")
    with pytest.raises(InputError, match=message):
        squad_layout.read(tmp_path / "en.json")


@pytest.mark.parametrize(("start", "message"), [
    (20, r'paragraph 2, question \'palm-where\': the context has "ases." at answer_start 20, expected the answer '
         r'"oases": offsets count Unicode code points from 0; correct answer_start'),
    (-62, 'at answer_start -62, expected the answer "oases"'),
    (1000, 'the context has "" at answer_start 1000, expected the answer "oases"'),
])  # fmt: skip
def test_an_answer_that_is_not_where_it_should_be_is_named(tmp_path, start, message):
    content = copy.deepcopy(ENGLISH)
    content["data"][1]["paragraphs"][0]["qas"][0]["answers"][0]["answer_start"] = start
    (tmp_path / "en.json").write_text(json.dumps(content), encoding="utf-8")
    paragraph = squad_layout.read(tmp_path / "en.json")[1]
    with pytest.raises(InputError, match=message):
        squad_layout.gold_sentence(paragraph, paragraph.questions[0])


def test_an_answer_in_no_sentence_is_named(tmp_path):
    content = copy.deepcopy(ENGLISH)
    content["data"][1]["paragraphs"][0]["sentence_breaks"][0] = [0, 19]
    (tmp_path / "en.json").write_text(json.dumps(content), encoding="utf-8")
    paragraph = squad_layout.read(tmp_path / "en.json")[1]
    message = (
        "en.json: paragraph 2, question 'palm-where': answer_start 19 is in no sentence: expected one of sentence_"
    )
    with pytest.raises(InputError, match=message):
        squad_layout.gold_sentence(paragraph, paragraph.questions[0])


@pytest.mark.parametrize(("content", "message"), [
    (b'{"data": [\n}', r"en\.json:2: not JSON \(.* at column 1\): expected one object in SQuAD's layout; download"),
    (b'{"data":\n' + b"[" * 100_000, r"en\.json:2: not JSON \(brackets are nested 100,001 deep.*: expected one object"),
    (b'{"version": ' + b"1" * 5000 + b"}", r"en\.json:1: not JSON \(a whole number has 5,000 digits.* at column 13\)"),
    (b'{"data": [], "data": []}', r"en\.json: 'data' occurs twice in the object .*: keep one of them"),
    (b"[1, 2]", r"en\.json: found \[1, 2\]: expected an object with the field data"),
    (b'{"data": "\xff"}', r"en\.json: not UTF-8 text .* save the file as UTF-8, or download it again"),
    (None, r"en\.json: no such file: expected questions and paragraphs in SQuAD's layout"),
])  # fmt: skip
def test_a_file_that_is_no_json_object_is_named(tmp_path, content, message):
    if content is not None:
        (tmp_path / "en.json").write_bytes(content)
    with pytest.raises(InputError, match=message):
        squad_layout.read(tmp_path / "en.json")


def test_files_are_named_by_their_language(tmp_path):
    assert list(squad_layout.language_files(FILES)) == ["ar", "en", "zh"]
    (tmp_path / "LICENSE").write_text("")
    assert squad_layout.language_files(tmp_path) == {}
    (tmp_path / "dev-v1.1.json").write_text("")
    message = (
        r"dev-v1.1.json: unknown language 'dev-v1.1': a file is named by the language .*; expected a BCP-47 or ISO"
    )
    with pytest.raises(InputError, match=message):
        squad_layout.language_files(tmp_path)
    (tmp_path / "dev-v1.1.json").unlink()
    for other in ("zh-CN", "eng", "iw"):
        (tmp_path / f"{other}.json").write_text("")
    assert list(squad_layout.language_files(tmp_path)) == ["en", "he", "zh"]
    for code, other, known in (("en", "eng", "en"), ("fil", "tl", "fil"), ("jv", "map-bms", "jv")):
        (tmp_path / f"{code}.json").write_text("")
        (tmp_path / f"{other}.json").write_text("")
        with pytest.raises(
            InputError, match=f"/{code}.json and .*/{other}.json are both in '{known}': expected one; join"
        ):
            squad_layout.language_files(tmp_path)
        (tmp_path / f"{code}.json").unlink()
    assert list(squad_layout.language_files(tmp_path)) == ["en", "he", "jv", "fil", "zh"]

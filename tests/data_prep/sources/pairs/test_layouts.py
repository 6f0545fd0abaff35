"""Rows in the layouts of tevatron, FlagEmbedding and sentence-transformers, and rows that cannot be used."""

import math

import pytest

from data_prep.builders.row import Row, item_id
from data_prep.reading.fields import shown
from data_prep.sources.pairs.examples import NULLS, OWN
from hbt_jax.errors import InputError
from tests.data_prep.sources.pairs.small_files import FLAGEMBEDDING, TEVATRON, read, write


def row(query, passage, negatives=(), group="", **scores):
    texts = {"en": query}
    return Row(
        texts, {"en": passage}, tuple({"en": one} for one in negatives), group or f"query {item_id(texts)}", **scores
    )


def test_tevatrons_passages_have_their_titles_and_queries_their_groups(tmp_path):
    rows, wrong, notes = read(tmp_path / "s", write(tmp_path / "a.jsonl", TEVATRON))
    assert rows == [
        row("When did the harbour freeze?", "Harbour\n\nIt froze in 1709.", ["Bread is baked."], "query en 7"),
        row("What is baked?", "Bread is baked.", [], "query en 8"),
    ]
    assert wrong == []
    columns = "query_id, query, positive_passages, negative_passages"
    assert notes == [f"train: a.jsonl: tevatron, from the columns {columns}"]


def test_a_title_that_is_null_or_left_out_is_none(tmp_path):
    for number, more in enumerate(({}, {"title": None}, {"title": ""})):
        given = {**TEVATRON[1], "positive_passages": [{"docid": "b", "text": "Bread is baked.", **more}]}
        rows, wrong, _ = read(tmp_path / str(number), write(tmp_path / f"{number}.jsonl", [given]))
        assert rows == [row("What is baked?", "Bread is baked.", [], "query en 8")] and wrong == []


def test_each_positive_is_a_row_with_its_score_and_those_of_the_negatives(tmp_path):
    rows, wrong, notes = read(tmp_path / "s", write(tmp_path / "a.jsonl", FLAGEMBEDDING))
    scores = {"negative_scores": (0.5, -1.0)}
    assert rows == [
        row("q1", "p1", ["n1", "n2"], score=4.0, **scores),
        row("q1", "p2", ["n1", "n2"], score=3.5, **scores),
        row("q2", "p3", score=2.0),
    ]
    assert wrong == [] and "flagembedding" in notes[0]


@pytest.mark.parametrize(("more", "negatives", "scores"), [
    ({}, [], {}),
    ({"negative": "n"}, ["n"], {}),
    ({"negative_10": "n10", "negative_2": "n2", "negative_3": None}, ["n2", "n10"], {}),
    ({"negatives": ["n1", "n2"]}, ["n1", "n2"], {}),
    ({"score": 0.75}, [], {"score": 0.75}),
    ({"score": "0.75"}, [], {"score": 0.75}),
    ({"negative": "n", "score": 3}, ["n"], {"score": 3.0, "negative_scores": (0.0,)}),  # a margin
    ({"negative_1": "n", "negative_2": "m", "scores": [3, 2, 1]}, ["n", "m"],
     {"score": 3.0, "negative_scores": (2.0, 1.0)}),
])  # fmt: skip
def test_columns_of_sentence_transformers(tmp_path, more, negatives, scores):
    given = write(tmp_path / "a.jsonl", [{"anchor": "q", "positive": "p", **more}])
    left_out = [f"1 {NULLS}"] if None in more.values() else []
    assert read(tmp_path / "s", given)[:2] == ([row("q", "p", negatives, **scores)], left_out)


@pytest.mark.parametrize("asked", ["anchor", "query", "question"])
@pytest.mark.parametrize("answer", ["positive", "answer", "passage", "document"])
def test_names_of_the_two_sides(tmp_path, asked, answer):
    assert read(tmp_path / "s", write(tmp_path / "a.jsonl", [{answer: "p", asked: "q"}]))[0] == [row("q", "p")]


def test_other_names_of_columns_are_mapped_and_what_is_not_read_is_said(tmp_path):
    given = write(tmp_path / "a.jsonl", [{"title": "q", "body": "p", "query": 5, "year": 1709}])
    rows, _, notes = read(tmp_path / "s", given, renamed={"title": "query", "body": "positive"})
    assert rows == [row("q", "p")]
    assert notes == ["train: a.jsonl: sentence-transformers, from the columns query, positive; not read: query, year"]
    with pytest.raises(InputError, match=r"--columns=positive=text: no file has a column 'text': .* 'year'"):
        read(tmp_path / "s", given, renamed={"title": "query", "body": "answer", "text": "positive"})


def test_languages_of_rows_and_of_their_sides(tmp_path):
    pair = {"anchor": "q", "positive": "p", "negative": "n"}
    one = write(tmp_path / "one.jsonl", [{**pair, "language": "de"}, {**pair, "language": "sw"}])
    sides = write(tmp_path / "sides.jsonl", [{**pair, "query_language": "de", "passage_language": "en"}])
    found = read(tmp_path / "s", one, sides, language="")[0]
    assert [(*row.query, *row.passage, *row.negatives[0]) for row in found] == [
        ("de", "de", "de"), ("sw", "sw", "sw"), ("de", "en", "en"),
    ]  # fmt: skip
    rows, _, notes = read(tmp_path / "t", one, language="fi")
    assert {*rows[0].query, *rows[1].query} == {"fi"} and "not read: language" in notes[0]


def test_a_negative_that_is_a_positive_of_its_row_is_counted_and_its_score_goes_too(tmp_path):
    given = {"query": "q", "pos": ["p1", "p2"], "neg": ["n", " p2 "], "pos_scores": [1, 2], "neg_scores": [3, 4]}
    rows, wrong, _ = read(tmp_path / "s", write(tmp_path / "a.jsonl", [given]))
    assert [(row.negatives, row.negative_scores) for row in rows] == [(({"en": "n"},), (3.0,))] * 2
    assert wrong == [f"1 {OWN}"]


PAIR = {"anchor": "q", "positive": "p"}
BAD_ROWS = [
    ([TEVATRON[0], {**TEVATRON[1], "positive_passages": []}], "positive_passages is empty: expected at least one"),
    ([TEVATRON[0], {**TEVATRON[1], "query": "?\u200b", "query_id": 5.5}], "query_id is 5.5: expected a string or a"),
    ([TEVATRON[0], {**TEVATRON[1], "query_id": "7"}],
     "query id '7' has another text than in FILE:1: an id stands for one text: correct the text, or give it an id"),
    ([TEVATRON[0], {**TEVATRON[1], "positive_passages": [{"docid": "a", "title": "", "text": "Else."}]}],
     "passage id 'a' has another text than in FILE:1"),
    ([TEVATRON[0], {**TEVATRON[1], "negative_passages": ["text"]}],
     'negative_passages[0] is "text": expected an object with docid, title and text'),
    *(([TEVATRON[0], {**TEVATRON[1], "positive_passages": [{"title": wrong, "text": "t"}]}],
       f"positive_passages[0].title is {shown(wrong)}: expected a string") for wrong in (0, 7, False, [], {})),
    *(([TEVATRON[0], {**TEVATRON[1], "positive_passages": [{"title": "t", "text": wrong}]}],
       f"positive_passages[0].text is {shown(wrong)}: expected a string") for wrong in (None, 0, 7, False, [], {})),
    *(([TEVATRON[0], {**TEVATRON[1], "positive_passages": wrong}],
       f"positive_passages is {shown(wrong)}: expected a list, or an object of lists of one length")
      for wrong in ({"text": 1}, {"text": "t", "title": "t"}, {"text": ["t", "u"], "title": ["t"]})),
    ([FLAGEMBEDDING[1], {**FLAGEMBEDDING[0], "pos_scores": [10**400, 1]}],
     "pos_scores has 1000"),
    ([FLAGEMBEDDING[1], {**FLAGEMBEDDING[0], "pos": []}], "pos is empty: expected at least one text"),
    ([FLAGEMBEDDING[1], {**FLAGEMBEDDING[0], "neg": [""] * 2}], "neg[0] is empty: expected a text"),
    ([FLAGEMBEDDING[1], {**FLAGEMBEDDING[0], "pos_scores": [1]}],
     "pos_scores has 1 numbers: expected 2, one for each of pos"),
    ([FLAGEMBEDDING[1], {**FLAGEMBEDDING[0], "neg_scores": [math.nan, 1]}],
     "neg_scores has NaN as number 1: expected a finite number"),
    ([FLAGEMBEDDING[1], {**FLAGEMBEDDING[0], "pos_scores": None}],
     "no scores of the positives, but FILE:1 has some: expected a teacher's scores in every row, or in none"),
    ([PAIR, {**PAIR, "score": 1}], "scores of the positives, but FILE:1 has none: expected a teacher's scores in"),
    ([PAIR, {**PAIR, "positive": " "}], "positive is empty: expected a text"),
    ([PAIR, {**PAIR, "positive": 4}], "positive is 4: expected a string"),
    ([PAIR, {**PAIR, "negative": 4}], "negative is 4: expected a text, or a list of texts"),
    ([PAIR, {"anchor": "q", "negative": "p"}],
     "the columns are 'anchor', 'negative': expected one of anchor, query, question and one of positive, answer,"),
    ([PAIR, {**PAIR, "negative_1": "n", "negative_2": "m", "score": 3}],
     "score is 3 beside 2 negatives: expected a list of numbers"),
    ([PAIR, {**PAIR, "negative_1": "n", "score": [3]}],
     "score has 1 numbers: expected 2, of the positive and of each negative"),
    ([PAIR, ["q", "p"]], 'found ["q", "p"]: expected an object, column -> value'),
]  # fmt: skip


@pytest.mark.parametrize(("rows", "message"), BAD_ROWS, ids=lambda value: value[:40] if isinstance(value, str) else "")
def test_a_row_that_cannot_be_used_is_named_and_the_others_are_read(tmp_path, rows, message):
    path = write(tmp_path / "a.jsonl", [*rows, rows[0]])
    found, wrong, _ = read(tmp_path / "s", path)
    assert found and found[0] == found[-1]
    [said] = wrong
    assert said.startswith(f"{path}:2: ") and message.replace("FILE", str(path)) in said


def test_an_unknown_language_is_named(tmp_path):
    path = write(tmp_path / "a.jsonl", [{**PAIR, "lang": "xxx-nope"}])
    assert f"{path}:1: lang has the unknown language 'xxx-nope'" in read(tmp_path / "s", path, language="")[1][0]


@pytest.mark.parametrize(("rows", "options", "message"), [
    ([{"sentence1": "q", "sentence2": "p"}], {},
     r"the columns are 'sentence1', 'sentence2': expected query_id, query and positive_passages \(tevatron\); query and"
     r" pos \(flagembedding\); one of anchor, .*: name yours by --columns=EXPECTED=YOURS"),
    ([PAIR], {"form": "flagembedding"}, r"the columns are 'anchor', 'positive': expected query and pos \(flag"),
    ([{**PAIR, "query": "q"}], {}, "anchor and query could each be meant: rename those that are not, or name the"),
    ([{**PAIR, "label": 0}], {}, "label may mark rows that are no pairs: leave .*, or write --columns=score=label if"),
    ([PAIR], {"language": ""}, "none of them says the language: give --language=CODE, or a column `language`, or"),
    ([{**PAIR, "lang": "de", "query_language": "en"}], {"language": ""}, "the language is not clear: give --language"),
    ([], {}, "the file has no row: expected at least one"),
])  # fmt: skip
def test_columns_that_fit_no_layout_are_listed(tmp_path, rows, options, message):
    with pytest.raises(InputError, match=rf"a\.jsonl: .*{message}" if rows else message):
        read(tmp_path / "s", write(tmp_path / "a.jsonl", rows), **options)


def test_many_rows_are_checked_a_few_at_a_time(tmp_path, monkeypatch):
    monkeypatch.setattr("data_prep.sources.pairs.examples._BATCH", 2)
    rows = [{**PAIR, "id": number % 3, "anchor": f"q{number % 3}"} for number in range(9)]
    rows[7]["anchor"] = "another"
    found, wrong, _ = read(tmp_path / "s", write(tmp_path / "a.jsonl", rows))
    assert len(found) == 8 and found[0].group == "query en 0"
    assert [one for one in wrong if "query id '1' has another text than in" in one and "a.jsonl:2:" in one] == wrong

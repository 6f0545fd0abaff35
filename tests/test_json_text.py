"""JSON that others wrote: each text that cannot be read is one error with its place."""

import json

import pytest

from hbt_jax import json_text
from hbt_jax.json_text import NotJson

DIGITS, DEEP = "1" * 5000, "[" * 100_000


@pytest.mark.parametrize(
    ("text", "message", "line"),
    [
        ("", "Expecting value at column 1", 1),
        ('{"a": 1,\n "b": }', "Expecting value at line 2, column 7", 2),
        ("\0\0", "Expecting value at column 1", 1),
        (f'{{"a": "{DIGITS}",\n"b": {DIGITS}}}', "a whole number has 5,000 digits, .* read, at line 2, column 6", 2),
        (f"[0.{DIGITS}, -{DIGITS}]", "5,000 digits, more than 4,300, .* at column 5007", 1),
        (f'["[[[",\n{DEEP}', "brackets are nested 100,001 deep, .* at line 2, column 100000", 2),
        ('{"a": ' * 20_000, "brackets are nested 20,000 deep", 1),
        (b'"a\xff"', r"not UTF-8 text \(invalid start byte\) at column 3", 1),
        ('{"a": 1, "b": [{"a": 1}, "a"], "a": 1}', 'the name "a" occurs twice in one object at column 32', 1),
        ('[{"a": {}},\n {"é": "}\\"", "\\u00e9" : 2}]', "occurs twice in one object at line 2, column 15", 2),
        (b'{"c": {"d": 1, "d": {"e": 1, "e": 2}}}', 'the name "d" occurs twice in one object at column 16', 1),
        (b"\n[\x80", r"not UTF-8 text \(invalid start byte\) at line 2, column 2", 2),
    ],
    ids=str,
)
def test_what_cannot_be_read_is_one_error(text, message, line):
    with pytest.raises(NotJson, match=message) as found:
        json_text.parsed(text)
    assert found.value.line == line and "\n" not in str(found.value)


def test_right_values_are_read_as_by_python(tmp_path):
    value = {"a": [1, 2.5, None, True, "é\n[{"], "b": int("9" * 4300), "c": {"d": {}}}
    text = json.dumps(value, ensure_ascii=False)
    deep = json.loads("[" * 500 + "]" * 500)
    assert json_text.parsed(text) == json_text.parsed(text.encode()) == value
    assert json_text.parsed(b"\xef\xbb\xbf" + text.encode()) == value
    assert json_text.parsed(json.dumps(deep)) == deep
    assert json_text.first(f"x{text}y", 1) == (value, len(text) + 1)
    (tmp_path / "a.json").write_text(text, encoding="utf-8")
    assert json_text.read(tmp_path / "a.json") == value


@pytest.mark.parametrize(
    "text", ['{"a": {"a": {"a": 1}}}', '[{"a": 1}, {"a": 1}]', '{"a": 1, "A": 2, "á": 3, "a\u0301": 4, "": 5}']
)
def test_a_name_may_be_in_other_objects_and_in_other_letters(text):
    assert json_text.parsed(text) == json.loads(text)


def test_names_that_occur_twice_are_for_those_who_ask():
    assert json_text.parsed('{"a": 1, "a": 2}', list) == [("a", 1), ("a", 2)]
    with pytest.raises(NotJson, match='the name "a" occurs twice in one object at column 11'):
        json_text.first('  {"a": 1,"a": 1}', 2)


def test_the_first_name_that_is_there_twice():
    assert json_text.repeated([("a", 1), ("b", 2)]) is None
    assert json_text.repeated([("a", 1), ("b", 2), ("b", 3), ("a", 4)]) == "b"


def test_numbers_are_those_that_float64_holds():
    assert all(map(json_text.is_number, (0, -1.5, 10**300)))
    assert not any(map(json_text.is_number, (True, None, "1", float("nan"), float("inf"), 10**400)))


def test_shown_values_are_short_whatever_they_hold():
    assert json_text.shown({"a": "é"}, 60) == '{"a": "\\u00e9"}'
    assert json_text.shown("a" * 100, 10) == '"aaaaaaaaa...'
    nested = []
    for _ in range(5000):
        nested = [nested]
    assert json_text.shown(nested, 60) == "a value with hundreds of nested brackets"

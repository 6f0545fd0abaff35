"""Files of one row a line: what is no text, no table or a damaged archive is named."""

import gzip

import pytest

from data_prep.builders.row import BadRow
from data_prep.reading.fields import field, text_field
from data_prep.reading.line_files import check_header, columns, csv_rows, decoded, json_value, lines
from hbt_jax.errors import InputError


def test_lines_are_numbered_and_end_only_where_the_file_says_so(tmp_path):
    path = tmp_path / "a.tsv"
    path.write_bytes("\ufeffone\r\ntwo\u2028three\n\nfour".encode())
    found = [(place.rpartition(":")[2], line.decode()) for place, line in lines(path)]
    assert found == [("1", "one"), ("2", "two\u2028three"), ("3", ""), ("4", "four")]
    packed = tmp_path / "a.tsv.gz"
    packed.write_bytes(gzip.compress(path.read_bytes()))
    assert [line for _, line in lines(packed)] == [line for _, line in lines(path)]
    packed.write_bytes(packed.read_bytes()[:-4])
    with pytest.raises(InputError, match=r"a\.tsv\.gz: damaged .*: expected a complete gzip file; download it again"):
        list(lines(packed))


@pytest.mark.parametrize(("read", "message"), [
    (lambda: decoded("f:3", b"\xff"), r"f:3: not UTF-8 text .*: save the file as UTF-8, or download it again"),
    (lambda: columns("f:3", b"a\tb", ("x",)), "f:3: 2 columns: expected 1 separated by tabs, x"),
    (lambda: columns("f:3", b"a", ("x", "y"), None), "f:3: 1 columns: expected 2 separated by white space, x, y"),
    (lambda: json_value("f:3", b"{'a'}"), r"f:3: not JSON \(Expecting .* at column 2\): expected one object per line"),
    (lambda: field("f:3", [], "a", str), r"f:3: found \[\]: expected an object with the field 'a'"),
    (lambda: field("f:3", {}, "a", str), "f:3: missing field 'a': expected a string"),
    (lambda: field("f:3", {"a": True}, "a", int), "f:3: a is true: expected a whole number"),
    (lambda: text_field("f:3", {"a": " "}, "a"), "f:3: a is empty: expected a text"),
])  # fmt: skip
def test_a_wrong_line_or_field_is_a_bad_row(read, message):
    with pytest.raises(BadRow, match=f"^{message}"):
        read()


def test_rows_of_quoted_columns_are_named_by_their_first_line(tmp_path):
    path = tmp_path / "a.csv"
    path.write_text('a,b\n1,"two\nlines"\n3\n"4","5 ""six"""\n', encoding="utf-8")
    assert [(place[-2:], row) for place, row in csv_rows(path, lambda place, names: None)] == [
        (":2", {"a": "1", "b": "two\nlines"}), (":4", None), (":5", {"a": "4", "b": '5 "six"'}),
    ]  # fmt: skip
    with pytest.raises(InputError, match="a.csv:1: the first line is 'a b': expected the columns x y"):
        list(csv_rows(path, lambda place, names: check_header(place, names, ["x", "y"])))


@pytest.mark.parametrize("content", [b"a,b\n\xff,2\n", b'a,b\n"1"x,2\n', b'a,b\n"1,2\n'])
def test_a_damaged_csv_file_is_named(tmp_path, content):
    path = tmp_path / "a.csv"
    path.write_bytes(content)
    with pytest.raises(InputError, match=r"a\.csv: not a CSV file of UTF-8 text .*: download or write it again"):
        list(csv_rows(path, lambda place, names: None))

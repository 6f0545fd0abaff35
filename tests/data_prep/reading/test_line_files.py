"""Files of one row per line: what is no text, no table or a damaged archive is named."""

import bz2
import gzip

import pytest

from data_prep.builders.row import BadRow
from data_prep.reading.fields import Repeated, field, text_field
from data_prep.reading.json_list import elements
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


CONTENT = "".join(f'{{"a": "{number}"}}\n' for number in range(2000)).encode()
READERS = {
    ".jsonl": lines,
    ".csv": lambda path: csv_rows(path, lambda place, names: None),
    ".json": elements,
}


@pytest.mark.parametrize("ending", READERS)
@pytest.mark.parametrize(("pack", "form"), [(gzip, "gzip"), (bz2, "bzip2")], ids=["gz", "bz2"])
def test_a_packed_file_that_is_damaged_cut_off_or_plain_is_named(tmp_path, ending, pack, form):
    path = tmp_path / f"a{ending}.{'gz' if pack is gzip else 'bz2'}"
    content = b"[" + CONTENT.strip().replace(b"\n", b",\n") + b"]" if ending == ".json" else CONTENT
    whole = pack.compress(content)
    path.write_bytes(whole)
    assert len(list(READERS[ending](path))) == (1999 if ending == ".csv" else 2000)
    half = len(whole) // 2
    for damaged in (whole[:-4], whole[:half], whole[:half] + b"\xff" * 40 + whole[half + 40 :], content):
        path.write_bytes(damaged)
        with pytest.raises(InputError, match=rf"{path.name}: damaged .*: expected a complete {form} file; download it"):
            list(READERS[ending](path))


def test_endings_of_packed_files_may_be_upper_case_and_a_missing_file_is_no_damage(tmp_path):
    (tmp_path / "A.TSV.GZ").write_bytes(gzip.compress(b"one\n"))
    assert [line for _, line in lines(tmp_path / "A.TSV.GZ")] == [b"one"]
    with pytest.raises(FileNotFoundError):
        list(lines(tmp_path / "b.tsv.gz"))


@pytest.mark.parametrize("piece", [1, 7, 1 << 20])
def test_elements_of_a_list_that_repeat_a_name_do_not_end_the_file(tmp_path, piece):
    path = tmp_path / "a.json"
    path.write_text('[{"a": 1},\n{"a": 2, "b": [{"c": 1, "c": 2}]},\n{"a": 3}]')
    found = list(elements(path, piece))
    assert found == [(f"{path}:1", {"a": 1}), (f"{path}:2", Repeated("c")), (f"{path}:3", {"a": 3})]
    with pytest.raises(BadRow, match="f:3: 'c' occurs twice in one object: keep one of them"):
        field("f:3", found[1][1], "a", int)


@pytest.mark.parametrize(("content", "message"), [
    ('[1,\n{"a": ' + "1" * 5000 + "}]", r"a\.json:2: not a JSON list \(a whole number has 5,000 digits.*; download"),
    ("[1,\n" + "[" * 100_000, r"a\.json:2: not a JSON list \(brackets are nested 1\d\d,\d\d\d deep.*; download"),
])  # fmt: skip
def test_elements_that_python_cannot_read_are_named(tmp_path, content, message):
    path = tmp_path / "a.json"
    path.write_text(content)
    with pytest.raises(InputError, match=message):
        list(elements(path))


@pytest.mark.parametrize(("read", "message"), [
    (lambda: decoded("f:3", b"\xff"), r"f:3: not UTF-8 text .*: save the file as UTF-8, or download it again"),
    (lambda: columns("f:3", b"a\tb", ("x",)), "f:3: 2 columns: expected 1 separated by tabs, x"),
    (lambda: columns("f:3", b"a", ("x", "y"), None), "f:3: 1 columns: expected 2 separated by white space, x, y"),
    (lambda: json_value("f:3", b"{'a'}"), r"f:3: not JSON \(Expecting .* at column 2\): expected one object per line"),
    (lambda: json_value("f:3", b"1" * 5000), r"f:3: not JSON \(a whole number has 5,000 digits.*: expected one object"),
    (lambda: json_value("f:3", b"[" * 100_000), r"f:3: not JSON \(brackets are nested 100,000 deep.*: expected one"),
    (lambda: json_value("f:3", b'[{"a": 1, "b": 2, "a": 1}]'), "f:3: 'a' occurs twice in one object: keep one of them"),
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
    path.write_bytes(b'a,b\n1,"two\nlines"\n3\n"4","5 ""six"""\n\xe9,7\n8,\xc3\xa9\n')
    found = [str(row) if isinstance(row, BadRow) else row for row in csv_rows(path, lambda place, names: None)]
    assert found == [
        (f"{path}:2", {"a": "1", "b": "two\nlines"}),
        f"{path}:4: 1 columns: expected 2, a, b",
        (f"{path}:5", {"a": "4", "b": '5 "six"'}),
        f"{path}:6: not UTF-8 text ('utf-8' codec can't decode byte 0xe9 in position 0: unexpected end of data): save"
        " the file as UTF-8, or download it again",
        (f"{path}:7", {"a": "8", "b": "é"}),
    ]
    with pytest.raises(InputError, match="a.csv:1: the first line is 'a b': expected the columns x y"):
        list(csv_rows(path, lambda place, names: check_header(place, names, ["x", "y"])))


@pytest.mark.parametrize("row", ['"1"x,2\n', '"1,2\n3,4\n'])
def test_damaged_quotes_of_a_csv_file_are_named_by_the_row_that_they_begin_in(tmp_path, row):
    path = tmp_path / "a.csv"
    path.write_text(f'a,b\n"1\n2",3\n{row}', encoding="utf-8")
    with pytest.raises(InputError, match=r"a\.csv:4: the quotes of this row are damaged .*: write the file again"):
        list(csv_rows(path, lambda place, names: None))


def test_column_names_that_are_not_utf8_are_named(tmp_path):
    path = tmp_path / "a.csv"
    path.write_bytes(b"a,\xff\n1,2\n")
    with pytest.raises(InputError, match=r"a\.csv:1: not UTF-8 text"):
        list(csv_rows(path, lambda place, names: None))

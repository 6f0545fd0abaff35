"""The source `nq`, and JSON lists read element by element."""

import gzip
import json
import shutil
import tracemalloc

import pytest

from data_prep.reading.json_list import elements
from data_prep.sources import nq, registry
from hbt_jax.errors import InputError
from tests.data_prep.source_rows import FIXTURES, dropped, rows

WATCH = {"en": "The Night Watch\n\nThe Night Watch is a painting by Rembrandt."}


def test_the_first_positive_passage_is_the_row_and_no_positive_is_a_negative(tmp_path):
    [(query, passage, negatives, _)] = rows("nq", tmp_path)
    assert query == {"en": "who painted the night watch"} and passage == WATCH
    assert negatives == [{"en": "Night watchman\n\nA night watchman guards a building at night."}]
    assert dropped("nq", tmp_path) == {nq.NO_PASSAGE: 1}


def test_packed_files_are_read_and_both_forms_of_one_are_refused(tmp_path):
    folder = shutil.copytree(FIXTURES / "nq", tmp_path / "in")
    (folder / "biencoder-nq-train.json").unlink()
    packed = folder / "biencoder-nq-dev.json.gz"
    packed.write_bytes(gzip.compress((folder / "biencoder-nq-dev.json").read_bytes()))
    with pytest.raises(InputError, match="dev.json.gz and biencoder-nq-dev.json exist: expected one of them"):
        registry.builder("nq", "pairs", tmp_path / "raw", input_dir=folder)
    (folder / "biencoder-nq-dev.json").unlink()
    [(query, *_)] = rows("nq", tmp_path / "raw", "validation", input_dir=folder)
    assert query == {"en": "where does the danube end"}
    packed.write_bytes(packed.read_bytes()[:-9])
    with pytest.raises(InputError, match="dev.json.gz: damaged .*: expected a complete gzip file; download it again"):
        list(elements(packed))


@pytest.mark.parametrize("piece", [1, 2, 7, 1 << 20])
@pytest.mark.parametrize("indent", [None, 4])
def test_elements_are_those_of_the_whole_list_wherever_a_piece_ends(tmp_path, piece, indent):
    path = tmp_path / "list.json"
    listed = [{"a": ["\\", '"]', "é🗼", -1.5e3]}, 12345678901234567890, "x" * 40, None, True, [], {"b": {}}, 7]
    for value in (listed, [], [3]):
        path.write_text(json.dumps(value, indent=indent) + "\n", encoding="utf-8")
        found = list(elements(path, piece))
        assert [element for _, element in found] == value
        if indent and value == listed:
            lines = path.read_text(encoding="utf-8").splitlines()
            starts = [number for number, line in enumerate(lines, 1) if line[:4] == "    " and line[4] not in " ]}"]
            assert [int(place.rpartition(":")[2]) for place, _ in found] == starts


@pytest.mark.parametrize("piece", [1, 1 << 20])
@pytest.mark.parametrize(("text", "message"), [
    ('{"a": 1}', r"list.json:1: not a JSON list \(found '\{'\): expected a list"),
    ("", r"list.json:1: not a JSON list \(the file ends\): expected a list"),
    ('[1,\n2', r"list.json:2: not a JSON list \(the file ends\): expected a comma or the end of the list"),
    ('[1,\n{"a": 2 3}]', r"list.json:2: not a JSON list \(Expecting ',' delimiter\): expected an element"),
    ('[1,\n"a\nb"]', r"list.json:2: not a JSON list \(Invalid control character at\)"),
    ('[1\n2]', r"list.json:2: not a JSON list \(found '2'\): expected a comma"),
    ("[1]\n\n[2]", r"list.json:3: not a JSON list \(text after the list\): expected one JSON list in the file"),
    ('[{"a":\n', r"not a JSON list \(Expecting value\)"),
])  # fmt: skip
def test_a_damaged_list_is_named_by_file_and_line(tmp_path, text, message, piece):
    path = tmp_path / "list.json"
    path.write_text(text, encoding="utf-8")
    with pytest.raises(InputError, match=message):
        list(elements(path, piece))


@pytest.mark.parametrize("piece", [1, 1 << 20])
def test_a_list_under_a_name_is_read(tmp_path, piece):
    path = tmp_path / "object.json"
    path.write_text('{"version": "1", "more": {"data": [0]},\n"data": [1, [2]], "rest": ', encoding="utf-8")
    assert list(elements(path, piece, under="data")) == [(f"{path}:2", 1), (f"{path}:2", [2])]
    path.write_text('{"version": "1",\n"dat": []}', encoding="utf-8")
    message = r"object.json:2: not a JSON list \(the object ends without it\): expected a list under 'data'"
    with pytest.raises(InputError, match=message):
        list(elements(path, piece, under="data"))


def test_memory_does_not_grow_with_the_list(tmp_path):
    path = tmp_path / "list.json"

    def peak(count):
        path.write_text("[" + ",".join(['"' + "x" * 1000 + '"'] * count) + "]")
        tracemalloc.start()
        assert sum(1 for _ in elements(path, 1 << 14)) == count
        found = tracemalloc.get_traced_memory()[1]
        tracemalloc.stop()
        return found

    assert peak(4000) < 1.5 * peak(400) < 400_000

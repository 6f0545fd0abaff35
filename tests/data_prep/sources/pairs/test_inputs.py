"""Kinds of files and folders, and the split that each is of."""

import gzip
import json

import pytest

from data_prep.sources.pairs.examples import NULLS
from hbt_jax.errors import InputError
from tests.data_prep.sources.pairs.small_files import TEVATRON, TRIPLETS, read, write


@pytest.mark.parametrize("name", ["a.jsonl", "a.jsonl.gz", "a.json", "a.parquet", "a.arrow"])
def test_nested_rows_are_the_same_from_any_kind_of_file(tmp_path, name):
    wanted = read(tmp_path / "s", write(tmp_path / "wanted.jsonl", TEVATRON))[0]
    assert read(tmp_path / "t", write(tmp_path / name, TEVATRON))[:2] == (wanted, [])


@pytest.mark.parametrize("name", ["a.tsv", "a.csv", "a.parquet"])
def test_flat_rows_are_the_same_from_any_kind_of_file(tmp_path, name):
    rows = [{**row, "score": 1.5} for row in TRIPLETS]
    wanted = read(tmp_path / "s", write(tmp_path / "wanted.jsonl", rows))[0]
    assert wanted[0].score == 1.5
    assert read(tmp_path / "t", write(tmp_path / name, rows))[:2] == (wanted, [])


@pytest.mark.parametrize("name", ["a.jsonl", "a.json", "a.tsv", "a.csv", "a.csv.gz", "a.parquet", "a.arrow"])
def test_a_negative_that_is_null_or_an_empty_cell_is_none_and_counted(tmp_path, name):
    given = [{**TRIPLETS[0], "negative_2": None}, {**TRIPLETS[1], "negative": None, "negative_2": None}]
    path = write(tmp_path / name.removesuffix(".gz"), given)
    if name.endswith(".gz"):
        (tmp_path / name).write_bytes(gzip.compress(path.read_bytes()))
    rows, wrong, _ = read(tmp_path / "s", tmp_path / name)
    assert [row.negatives for row in rows] == [({"en": "n1"},), ()]
    assert wrong == [f"1 {NULLS}", f"2 {NULLS}"]


@pytest.mark.parametrize(("content", "message"), [
    ("anchor,positive,negative\nq,p,n\n,p,n\n", "a.csv:3: anchor is empty: expected a text"),
    ("anchor,positive,negative\nq,p,n\nq,,n\n", "a.csv:3: positive is empty: expected a text"),
    ('anchor,positive,negative\nq,p,n\nq,p," "\n', "a.csv:3: negative[0] is empty: expected a text, or null for no"),
    ("anchor,positive,score\nq,p,1\nq,p,\n", "a.csv:3: no scores of the positives, but FOLDER/a.csv:2 has some"),
    ("anchor,positive,score\nq,p,1\nq,p,nan\n", 'a.csv:3: score has "nan" as number 1: expected a finite number'),
    ("anchor,positive,lang\nq,p,de\nq,p,\n", "a.csv:3: lang has the unknown language ''"),
])  # fmt: skip
def test_other_empty_cells_are_named(tmp_path, content, message):
    (tmp_path / "a.csv").write_text(content)
    rows, wrong, _ = read(tmp_path / "s", tmp_path / "a.csv", language="" if "lang" in content else "en")
    assert len(rows) == 1 and len(wrong) == 1 and message.replace("FOLDER", str(tmp_path)) in wrong[0]


@pytest.mark.parametrize("name", ["a.csv", "a.tsv", "a.jsonl"])
def test_blank_lines_are_passed_over_and_keep_their_numbers(tmp_path, name):
    path = write(tmp_path / name, TRIPLETS)
    path.write_text(path.read_text() + "\n{]\n\n")
    rows, wrong, _ = read(tmp_path / "s", path)
    assert len(rows) == 2 and [one.startswith(f"{path}:{len(rows) + 3 - name.endswith('l')}: ") for one in wrong] == [
        True
    ]


def test_a_triple_without_a_negative_is_a_pair(tmp_path):
    (tmp_path / "triples.tsv").write_text("what froze?\tthe harbour\tthe bread\nwhat is baked?\tbread\t\n")
    rows, wrong, _ = read(tmp_path / "s", tmp_path / "triples.tsv")
    assert [row.negatives for row in rows] == [({"en": "the bread"},), ()] and wrong == [f"1 {NULLS}"]


@pytest.mark.parametrize(("name", "content", "message"), [
    ("a.jsonl", b'{"anchor": "q", "positive": "p"}\n{"anchor"\n', "a.jsonl:2: not JSON"),
    ("a.jsonl", b'{"anchor": "q", "positive": "p"}\n{"anchor": "q", "anchor": "r", "positive": "p"}\n',
     "a.jsonl:2: 'anchor' occurs twice in one object: keep one of them"),
    ("a.json", b'[{"anchor": "q", "positive": "p"},\n{"anchor": "q", "anchor": "r", "positive": "p"}]',
     "a.json:2: 'anchor' occurs twice in one object: keep one of them"),
    ("a.jsonl", b'{"anchor": "q", "positive": "p"}\n{"anchor": ' + b"1" * 5000 + b"}\n", "a.jsonl:2: not JSON (a"),
    ("a.jsonl", b'{"anchor": "q", "positive": "p"}\n' + b"[" * 100_000, "a.jsonl:2: not JSON (brackets are nested"),
    ("a.tsv", b"anchor\tpositive\nq\tp\nq\tp\tn\n", "a.tsv:3: 3 columns: expected 2 separated by tabs, anchor, "),
    ("a.csv", b'anchor,positive\nq,p\n"q\nr"\n', "a.csv:3: 1 columns: expected 2, anchor, positive"),
    ("a.csv", b"anchor,positive\nq,p\ncaf\xe9,p\n", "a.csv:3: not UTF-8 text"),
    ("a.tsv", b"anchor\tpositive\nq\tp\n\xff\tp\n", "a.tsv:3: not UTF-8 text"),
])  # fmt: skip
def test_a_malformed_row_is_named(tmp_path, name, content, message):
    (tmp_path / name).write_bytes(content)
    rows, wrong, _ = read(tmp_path / "s", tmp_path / name)
    assert len(rows) == 1 and message in wrong[0]


@pytest.mark.parametrize("ending", ["jsonl", "json", "tsv", "csv"])
@pytest.mark.parametrize("pack", ["gz", "bz2"])
def test_a_file_that_is_not_packed_as_it_says_is_refused(tmp_path, ending, pack):
    path = write(tmp_path / f"a.{ending}", TRIPLETS)
    path = path.rename(tmp_path / f"a.{ending}.{pack}")
    with pytest.raises(
        InputError, match=rf"a\.{ending}\.{pack}: damaged .*: expected a complete \w+ file; download it"
    ):
        read(tmp_path / "s", path)


@pytest.mark.parametrize("name", ["a.parquet", "a.arrow"])
def test_rows_of_tables_are_named_by_number_and_damaged_files_are_refused(tmp_path, name):
    path = write(tmp_path / name, [TRIPLETS[0], {**TRIPLETS[1], "positive": None}])
    rows, wrong, _ = read(tmp_path / "s", path)
    assert len(rows) == 1 and wrong == [f"{path}: row 2: positive is null: expected a string"]
    whole = path.read_bytes()
    half = len(whole) // 2
    for number, damaged in enumerate(
        (b"PAR1 this is nothing of the kind", whole[:half] + b"\xff" * 99 + whole[half + 99 :])
    ):
        path.write_bytes(damaged)
        with pytest.raises(InputError, match=rf"{name}: not a readable \w+ file \(.*: download or write it again"):
            read(tmp_path / str(number), path)


@pytest.mark.parametrize(("content", "columns"), [
    ("what froze?\tthe harbour\n", "query, positive"),
    ("what froze?\tthe harbour\tthe bread\nq2\tp2\tn2\n", "query, positive, negative"),
])  # fmt: skip
def test_a_tsv_without_a_header_is_ms_marcos(tmp_path, content, columns):
    (tmp_path / "triples.tsv").write_text(content)
    rows, wrong, notes = read(tmp_path / "s", tmp_path / "triples.tsv")
    assert len(rows) == content.count("\n") and not wrong
    first = repr(" | ".join(content.partition("\n")[0].split("\t")))
    said = f"train: triples.tsv: msmarco, without a header, as the columns {columns}, the first row {first}"
    assert notes == [said]


@pytest.mark.parametrize("name", ["a.tsv", "a.csv"])
def test_columns_of_one_name_are_refused(tmp_path, name):
    separator = "\t" if name.endswith(".tsv") else ","
    (tmp_path / name).write_text(separator.join(["anchor", "positive", "positive"]) + "\n")
    with pytest.raises(InputError, match=rf"{name}(:1)?: two columns are called 'positive': give each column a name"):
        read(tmp_path / "s", tmp_path / name)


def test_a_tsv_whose_first_line_could_be_a_header_needs_the_format(tmp_path):
    (tmp_path / "a.tsv").write_text("frost\tharbour\nq\tp\n")
    with pytest.raises(InputError, match="a.tsv: the columns are 'frost', 'harbour': expected"):
        read(tmp_path / "s", tmp_path / "a.tsv")
    assert len(read(tmp_path / "s", tmp_path / "a.tsv", form="msmarco")[0]) == 2


def test_splits_are_words_in_the_names_of_files_and_folders(tmp_path):
    one, two = TRIPLETS
    write(tmp_path / "in" / "data" / "train-00000-of-00002.parquet", [one])
    write(tmp_path / "in" / "data" / "train-00001-of-00002.parquet", [two])
    write(tmp_path / "in" / "data" / "dev-00000-of-00001.parquet", [one])
    write(tmp_path / "in" / "test" / "rows.jsonl", [two])
    write(tmp_path / "in" / "trained.csv", [two])
    (tmp_path / "in" / "README.md").write_text("nothing to read")
    for split, queries in (("train", ["q1", "q2", "q2"]), ("validation", ["q1"]), ("test", ["q2"])):
        rows, _, notes = read(tmp_path / split, tmp_path / "in", split=split)
        assert [row.query["en"] for row in rows] == queries
    assert any("train-00000-of-00002.parquet and 2 more: sentence-transformers" in note for note in notes)
    assert notes[-1] == f"not read: 1 other files in {tmp_path / 'in'}, such as README.md"


def test_only_the_listed_files_of_a_saved_datasets_folder_are_read(tmp_path):
    for split, row in zip(("train", "test"), TRIPLETS, strict=True):
        folder = tmp_path / "saved" / split
        write(folder / "data-00000-of-00001.arrow", [row])
        write(folder / "cache-1f0.arrow", [row, row])
        (folder / "state.json").write_text(json.dumps({"_data_files": [{"filename": "data-00000-of-00001.arrow"}]}))
    (tmp_path / "saved" / "dataset_dict.json").write_text('{"splits": ["train", "test"]}')
    for split in ("train", "test"):
        rows, _, notes = read(tmp_path / split, tmp_path / "saved", split=split)
        assert len(rows) == 1
    assert notes[-1].startswith("not read: 2 other files")
    (tmp_path / "saved" / "test" / "state.json").write_text("{}")
    with pytest.raises(InputError, match=r"state\.json: not the state of a folder that `datasets` saved"):
        read(tmp_path / "s", tmp_path / "saved")


def test_a_folder_saved_by_the_library_datasets_is_read(tmp_path):
    datasets = pytest.importorskip("datasets")
    datasets.Dataset.from_list(TEVATRON).save_to_disk(str(tmp_path / "saved"))
    assert read(tmp_path / "s", tmp_path / "saved")[0] == read(tmp_path / "t", write(tmp_path / "a.jsonl", TEVATRON))[0]


@pytest.mark.parametrize(("name", "message"), [
    ("none", "--input=.*none: no such file or folder"),
    ("a.txt", r"--input=.*a\.txt: expected a folder, or a file that ends in \.jsonl, "),
    ("empty", r"--input=.*empty: no file that ends in \.jsonl, .*, and not a BEIR folder"),
])  # fmt: skip
def test_nothing_to_read(tmp_path, name, message):
    (tmp_path / "a.txt").write_text("text")
    (tmp_path / "empty").mkdir()
    with pytest.raises(InputError, match=message):
        read(tmp_path / "s", tmp_path / name)

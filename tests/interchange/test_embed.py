"""launch/embed.py: texts in, embeddings out whole or not at all, nearest texts, and one clear line for each mistake."""

import contextlib
import errno
import io
import json
import os
import signal
import subprocess
import sys
from pathlib import Path
from types import SimpleNamespace

import jax
import numpy as np
import pyarrow.parquet as pq
import pytest

from hbt_jax.config.embed import EmbedConfig
from hbt_jax.errors import InputError, Interrupted
from hbt_jax.evaluation.embedding.embed import Embedder
from hbt_jax.interchange import embed_files, embed_job
from hbt_jax.interchange.embed_files import TextInput, check_output
from hbt_jax.interchange.embed_job import embed_command
from hbt_jax.interchange.nearest import nearest
from hbt_jax.mesh import make_mesh
from hbt_jax.training.load import load_as_asked, load_model
from tests.interchange import make_models

ROOT = Path(__file__).resolve().parents[2]
TEXTS = [*make_models.TEXTS, "", "Which river flows through Cairo? " * 9]
GOES_ON = SimpleNamespace(requested=False)


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """A tiny encoder with e5's prompts, in Hugging Face's layout."""
    return make_models.folder_of("xlm-roberta", tmp_path_factory.mktemp("model") / "tiny")


@pytest.fixture(scope="module")
def wanted(folder):
    """Side -> the vectors of TEXTS."""
    mesh = make_mesh(1, 1, jax.devices()[:1])
    model = load_model(str(folder), "best", mesh, "float32")
    embedder = Embedder(model, mesh, texts_per_device=256, poll=lambda: None, shown=False)
    return {side: embedder(TEXTS, side) for side in ("query", "passage")}


@pytest.fixture
def lines(tmp_path):
    """TEXTS as a .txt file."""
    path = tmp_path / "texts.txt"
    path.write_text("\n".join(TEXTS) + "\n", encoding="utf-8")
    return path


def run(folder, *, stop=GOES_ON, **flags):
    paths = {name: str(value) if isinstance(value, Path) else value for name, value in flags.items()}
    embed_command(EmbedConfig(**{"model": str(folder), "mesh_data": 1} | paths), stop)


def command(*arguments: str, **options) -> subprocess.CompletedProcess:
    return subprocess.run(
        [sys.executable, str(ROOT / "launch" / "embed.py"), *map(str, arguments)],
        env={**os.environ, "XLA_FLAGS": ""}, capture_output=True, check=False, **options,
    )  # fmt: skip


def test_lines_become_rows_of_an_npy_file(folder, wanted, lines, tmp_path, capsys):
    run(folder, input=lines, output=tmp_path / "new" / "out.npy", side="passage")
    found = np.load(tmp_path / "new" / "out.npy")
    assert found.dtype == np.float32
    np.testing.assert_allclose(found, wanted["passage"], atol=2e-6)
    printed = capsys.readouterr().out
    assert "12 texts as passages (prefix 'passage: '), cosine; " in printed
    assert "cut at 24 tokens" in printed
    assert "1 of them empty: embedded as prefix and special tokens alone" in printed
    assert "out.npy: float32 [12, 16], one row per text" in printed
    assert [path.name for path in (tmp_path / "new").iterdir()] == ["out.npy"]


def test_many_parts_are_one_file(folder, wanted, lines, tmp_path, monkeypatch):
    monkeypatch.setattr(embed_job, "_TEXTS_A_PART", 5)
    for name in ("out.npy", "out.parquet"):
        run(folder, input=lines, output=tmp_path / name)
    np.testing.assert_allclose(np.load(tmp_path / "out.npy"), wanted["query"], atol=2e-6)
    file = pq.ParquetFile(tmp_path / "out.parquet")
    assert [file.metadata.row_group(group).num_rows for group in range(file.num_row_groups)] == [5, 5, 2]
    table = file.read()
    assert table.column_names == ["text", "embedding"]
    assert str(table.schema.field("embedding").type) == "fixed_size_list<element: float>[16]"
    assert table["text"].to_pylist() == TEXTS
    np.testing.assert_allclose(np.stack(table["embedding"].to_numpy()), wanted["query"], atol=2e-6)


def test_json_lines_bring_their_ids_to_parquet(folder, wanted, tmp_path):
    rows = [{"id": f"n{number}", "body": text, "more": 1} for number, text in enumerate(TEXTS)]
    rows[3]["id"] = 3
    path = tmp_path / "rows.jsonl"
    path.write_text("\n\n".join(map(json.dumps, rows)), encoding="utf-8")  # blank lines are no rows
    run(folder, input=path, output=tmp_path / "out.parquet", field="body")
    table = pq.read_table(tmp_path / "out.parquet")
    assert table.column_names == ["id", "text", "embedding"]
    assert table["id"].to_pylist()[2:5] == ["n2", "3", "n4"]
    assert table["text"].to_pylist() == TEXTS
    np.testing.assert_allclose(np.stack(table["embedding"].to_numpy()), wanted["query"], atol=2e-6)


def test_the_options_of_an_evaluation_apply(folder, lines, tmp_path, capsys):
    run(folder, input=lines, output=tmp_path / "out.npy", query_prefix="", normalize=False, max_length=8)
    printed = capsys.readouterr().out
    assert "as queries (prefix ''), dot product; " in printed
    assert "cut at 8 tokens" in printed
    norms = np.linalg.norm(np.load(tmp_path / "out.npy"), axis=1)
    assert abs(norms - 1).max() > 1e-3
    with pytest.raises(InputError, match="--mesh_data=99: there are only 8 devices; 0 takes all"):
        run(folder, input=lines, nearest=1, mesh_data=99)


def test_nearest_is_brute_force_without_the_text_itself(monkeypatch):
    monkeypatch.setattr("hbt_jax.interchange.nearest._QUERIES", 7)
    monkeypatch.setattr("hbt_jax.interchange.nearest._CANDIDATES", 11)
    vectors_ND = np.random.default_rng(0).integers(-3, 4, (40, 3)).astype(np.float32)  # many equal scores
    scores = vectors_ND @ vectors_ND.T
    for count in (1, 5, 39, 50):
        for row, (rows, found) in enumerate(nearest(vectors_ND, count, lambda: None)):
            assert row not in rows
            assert len(set(rows.tolist())) == min(count, 39)
            np.testing.assert_array_equal(found, scores[row, rows])
            np.testing.assert_array_equal(found, np.sort(np.delete(scores[row], row))[::-1][:count])
            order = list(zip(-found, rows, strict=True))
            assert order == sorted(order)


def test_nearest_prints_each_text_with_the_others_most_like_it(folder, wanted, lines, capsys):
    run(folder, input=lines, nearest=2)
    printed = capsys.readouterr().out.splitlines()
    assert "1 of them empty: embedded as prefix and special tokens alone; left out of --nearest" in printed
    listed = printed[printed.index(" 1  Which river flows through Cairo?") :]
    assert len(listed) == 11 * 3
    scores = np.delete(wanted["query"], 10, axis=0) @ np.delete(wanted["query"], 10, axis=0).T
    np.fill_diagonal(scores, -1)
    best = int(scores[0].argmax())
    score, label, text = listed[1].split(maxsplit=2)
    assert float(score) == pytest.approx(scores[0].max(), abs=1e-4)
    assert (int(label), text[:60]) == ([*range(1, 11), 12][best], [*TEXTS[:10], TEXTS[11]][best][:60])
    assert listed[-3].startswith("12  Which river flows through Cairo? Which river")
    assert listed[-3].endswith("...")


@pytest.mark.parametrize(
    ("name", "content", "message"),
    [
        ("a.txt", b"", r"a.txt: no text in it: expected one text per line"),
        ("a.txt", b"\n \n", r"a.txt: no text in it"),
        ("a.txt", b"one\ntwo\xff\n", r"a.txt:2: not UTF-8 text \(invalid start byte at byte 4 of the line\): save the"),
        ("a.csv", b"x", r"--input=.*a.csv: expected a .txt file .* a .jsonl file .* or - for standard input; rename"),
        (
            "a.jsonl",
            b'{"text": "a"}\n{"text": }\n',
            r"a.jsonl:2: not JSON \(Expecting value at column 10\): expected one",
        ),
        ("a.jsonl", b"[" * 200_000, r"a.jsonl:1: not JSON \(brackets are nested 200,000 deep"),
        ("a.jsonl", b'{"id": ' + b"1" * 5000 + b"}", r"a.jsonl:1: not JSON \(a whole number has 5,000 digits"),
        ("a.jsonl", b'["a"]\n', r"a.jsonl:1: found \[\"a\"\]: expected a JSON object with the field 'text'"),
        (
            "a.jsonl",
            b'{"body": "a"}\n',
            r"a.jsonl:1: no field 'text'; it has body: give the one with the text as --field",
        ),
        ("a.jsonl", b'{"text": "a", "text": "b"}\n', r"a.jsonl:1: field 'text' occurs twice in one object: keep one"),
        ("a.jsonl", b'{"text": 5}\n', r"a.jsonl:1: field 'text' is 5: expected a string"),
        ("a.jsonl", b'{"text": "a", "id": [1]}\n', r"a.jsonl:1: id is \[1\]: expected a string or a whole number"),
        ("a.jsonl", b'{"text": "a\\ud800"}\n', r"a.jsonl:1: holds half a surrogate pair"),
        (
            "a.jsonl",
            b'{"id": 1, "text": "a"}\n{"text": "b"}\n',
            r"a.jsonl:2: no id, but the first row has one: give an",
        ),
        ("a.jsonl", b'{"text": "b"}\n{"id": 1, "text": "a"}\n', r"a.jsonl:2: an id, but the first row has none: give"),
    ],
)
def test_a_wrong_input_is_one_clear_line(tmp_path, name, content, message):
    (tmp_path / name).write_bytes(content)
    with pytest.raises(InputError, match=message):
        list(TextInput(str(tmp_path / name), "").parts(10, lambda: None))


def test_an_input_that_is_not_there_or_has_no_fields(tmp_path):
    with pytest.raises(InputError, match=r"--input=.*gone.txt: no such file"):
        TextInput(str(tmp_path / "gone.txt"), "")
    (tmp_path / "folder.txt").mkdir()
    with pytest.raises(InputError, match=r"--input=.*folder.txt: cannot be read: Is a directory"):
        list(TextInput(str(tmp_path / "folder.txt"), "").parts(10, lambda: None))
    (tmp_path / "a.txt").write_text("a")
    with pytest.raises(InputError, match="--field=body: lines of text have no fields: leave it out, or give a .jsonl"):
        TextInput(str(tmp_path / "a.txt"), "body")


def test_only_a_line_feed_ends_a_line(tmp_path):
    path = tmp_path / "a.txt"
    path.write_bytes("\ufeffone\r\ntwo\u2028still two\x85\n\nfour".encode())
    (part,) = TextInput(str(path), "").parts(10, lambda: None)
    assert part.texts == ["one", "two\u2028still two\x85", "", "four"]
    assert (part.lines, part.ids, part.empty) == ([1, 2, 3, 4], None, 1)


def test_an_output_that_cannot_be_written(folder, lines, tmp_path):
    with pytest.raises(InputError, match=r"--output=out.csv: expected a name that ends in .npy or .parquet"):
        check_output("out.csv")
    with pytest.raises(InputError, match=r"texts.txt/out.npy: cannot be written: .*texts.txt is not a folder; name"):
        run("nowhere", input=lines, output=lines / "out.npy")  # before the model is looked for
    (tmp_path / "taken.npy").mkdir()
    with pytest.raises(InputError, match=r"taken.npy: cannot be written: it is a folder; name another file"):
        check_output(str(tmp_path / "taken.npy"))


@pytest.mark.parametrize("name", ["out.npy", "out.parquet"])
@pytest.mark.parametrize("number", [errno.ENOSPC, errno.EFBIG])
def test_a_disk_that_takes_no_more_is_one_clear_line(folder, lines, tmp_path, monkeypatch, name, number):
    @contextlib.contextmanager
    def full(path):
        class Full(io.BytesIO):
            def write(self, data):
                raise OSError(number, os.strerror(number))

        yield Full()

    monkeypatch.setattr(embed_files, "atomic_file", full)
    message = f"{name}: cannot be written: {os.strerror(number)}; make room or name another file"
    with pytest.raises(InputError, match=message):
        run(folder, input=lines, output=tmp_path / name)


@pytest.mark.parametrize(("content", "count"), [(b"", 0), (b"a", 1), (b"a\n", 1), (b"a\n\nb", 3)])
def test_a_last_line_without_its_end_counts(tmp_path, content, count):
    (tmp_path / "a.txt").write_bytes(content)
    assert TextInput(str(tmp_path / "a.txt"), "").count() == count


def test_it_says_when_ids_are_not_written(folder, tmp_path, capsys):
    path = tmp_path / "rows.jsonl"
    path.write_text('{"id": "a", "text": "Nil"}\n{"id": "b", "text": "nil"}\n')
    run(folder, input=path, output=tmp_path / "out.npy")
    assert (
        "out.npy: float32 [2, 16], one row per text; it holds no ids; rows follow the input; write .parquet to keep ids"
        in capsys.readouterr().out
    )
    run(folder, input=path, output=tmp_path / "out.parquet")
    assert "it holds no ids" not in capsys.readouterr().out


def test_vectors_that_are_not_finite_are_not_written(folder, lines, tmp_path, monkeypatch):
    found = np.zeros((len(TEXTS), 16), np.float32)
    found[4, 3] = np.nan
    monkeypatch.setattr(Embedder, "__call__", lambda *_: found)
    message = (
        r"texts.txt:5: the vector of this text is not finite: all parameters of .*tiny are finite, so numbers over"
    )
    with pytest.raises(InputError, match=message):
        run(folder, input=lines, output=tmp_path / "out.npy")
    assert os.listdir(tmp_path) == ["texts.txt"]


def test_the_parameter_that_makes_vectors_not_finite_is_named(folder, lines, tmp_path, monkeypatch):
    def broken(*arguments, **options):
        model = load_as_asked(*arguments, **options)
        kernel = model.parameters["layers"][1]["expand"]["bias"]
        kernel.set_value(kernel.get_value().at[3].set(np.inf))
        return model

    monkeypatch.setattr(embed_job, "load_as_asked", broken)
    message = (
        r"texts.txt:1: the vector of this text is not finite: parameter layers.1.expand.bias of .*tiny is not finite"
    )
    with pytest.raises(InputError, match=message):
        run(folder, input=lines, output=tmp_path / "out.npy")


def test_an_id_that_is_null_is_told(folder, tmp_path):
    path = tmp_path / "rows.jsonl"
    path.write_text('{"id": null, "text": "Nil"}\n')
    with pytest.raises(InputError, match=r"rows.jsonl:1: id is null: expected a string or a whole number, or no id at"):
        run(folder, input=path, output=tmp_path / "out.npy")


def test_what_goes_wrong_late_leaves_no_file(folder, tmp_path, monkeypatch):
    monkeypatch.setattr(embed_job, "_TEXTS_A_PART", 2)
    path, out = tmp_path / "rows.jsonl", tmp_path / "out.npy"
    path.write_text('{"text": "a"}\n' * 5 + "{\n", encoding="utf-8")
    with pytest.raises(InputError, match=r"rows.jsonl:6: not JSON"):
        run(folder, input=path, output=out)
    asked = []

    class Stop:
        @property
        def requested(self):
            asked.append(os.listdir(tmp_path))
            return len(asked) > 12

    path.write_text('{"text": "a"}\n' * 500, encoding="utf-8")
    with pytest.raises(Interrupted, match="nothing is written; repeat the command"):
        run(folder, input=path, output=out, stop=Stop())
    assert "out.npy.partial" in asked[-1]  # it had begun
    assert os.listdir(tmp_path) == ["rows.jsonl"]
    path.write_text('{"text": "a"}\n{"text": " "}\n', encoding="utf-8")
    with pytest.raises(InputError, match="--nearest=3: expected two texts or more that are not empty, got 1"):
        run(folder, input=path, output=out, nearest=3)
    assert os.listdir(tmp_path) == ["rows.jsonl"]


def test_the_command_needs_something_to_do(tmp_path):
    for arguments, message in (
        (
            ["--model=m"],
            "--output is needed: the .npy or .parquet file to write; or --nearest=K to print nearest texts",
        ),
        (["--output=x.npy"], "--model is needed: workdir of a run"),
        (["--model=m", "--nearest=-1"], "--nearest=-1: expected at least 0"),
    ):
        ended = command(*arguments, cwd=tmp_path)
        assert ended.returncode == 2
        assert message in ended.stderr.decode()


def test_the_command_reads_a_pipe_and_stops_reading_for_a_signal(folder, tmp_path):
    ended = command(f"--model={folder}", "--nearest=2", input=b"Nil\nnil\n")
    assert ended.returncode == 0, ended.stderr
    assert ended.stdout.decode().splitlines()[1] == "1  Nil"
    assert b"embedding" not in ended.stderr  # a bar is for terminals
    waiting = subprocess.Popen(
        [sys.executable, str(ROOT / "launch" / "embed.py"), f"--model={folder}", f"--output={tmp_path}/out.npy"],
        stdin=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
    )  # fmt: skip
    waiting.stdin.write("a" * 1_000_000)  # more than a pipe holds: it is reading when this returns
    waiting.stdin.flush()
    waiting.send_signal(signal.SIGINT)
    waiting.wait(timeout=60)
    assert (waiting.returncode, list(tmp_path.iterdir())) == (3, [])
    told = waiting.stderr.read()
    assert "SIGINT: stopping; a second signal stops at once" in told
    assert "stopped: nothing is written; repeat the command" in told

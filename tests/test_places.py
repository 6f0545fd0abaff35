"""A place with a scheme is refused, in one line and before any work, wherever only a local path works."""

import dataclasses
import importlib
import pkgutil
import subprocess
import sys
from pathlib import Path

import pytest

from hbt_jax import config
from hbt_jax.errors import InputError
from hbt_jax.places import check_ends, check_local, check_scheme, is_remote

pytestmark = pytest.mark.slow

ROOT = Path(__file__).resolve().parents[1]
COMMANDS = {  # command -> flags and arguments that name paths, those that take a scheme
    "launch/train.py": (
        [
            "model",
            "tokenizer",
            "prepared_dir",
            "store_cache",
            "data_dir",
            "benchmarks",
            "dev_benchmarks",
            "guide_model",
            "anchor_model",
        ],
        ["workdir", "stores", "validation_stores"],
    ),
    "launch/sweep.py": (["workdir", "model", "store_cache"], ["stores", "validation_stores"]),
    "launch/eval.py": (
        ["data_dir", "benchmarks", "query_expansions", "language_texts", "compilation_cache_dir", "run", "embeddings"],
        ["model", "out"],
    ),
    "launch/compare.py": (["a", "b", "out"], []),
    "launch/mine.py": (["stores", "out", "cross_encoder"], ["model"]),
    "launch/export.py": (["out", "language_texts"], ["model"]),
    "launch/compile_check.py": (["json", "report", "program_cache"], []),
    "launch/embed.py": (["input", "output"], ["model"]),
    "data_prep/build_store.py": (["input_dir", "raw_dir", "tokenizer"], ["out_dir"]),
    "data_prep/inspect_store.py": (["tokenizer", "store_cache"], ["STORE"]),
    "data_prep/decontaminate.py": (
        ["benchmarks", "data_dir", "out_dir", "tokenizer", "store_cache"],
        ["STORE", "drop"],
    ),
    "data_prep/upload_store.py": (["STORE"], ["PLACE"]),
    "data_prep/hold_out.py": (["input_dir", "out_dir"], []),
    "data_prep/prepare_facts.py": (["out_dir"], []),
    "data_prep/train_sentencepiece.py": (["input_dir", "raw_dir", "out_dir"], []),
    "data_prep/translate.py": (["input_dir", "raw_dir", "out_dir", "model"], []),
    "data_prep/write_benchmark.py": (["input_dir", "raw_dir", "out_dir"], []),
}
ARGUMENTS = {
    "data_prep/inspect_store.py": ["STORE"],
    "data_prep/decontaminate.py": ["STORE"],
    "data_prep/upload_store.py": ["STORE", "PLACE"],
}


@pytest.mark.parametrize(
    ("value", "words"),
    [
        ("gs://b/r", "not gs:// (nothing in this command can be remote): give a local path and copy the files"),
        ("S3://b/r", "not S3:// "),
        ("hdfs://host:9000/r", "not hdfs:// "),
        ("https://huggingface.co/a/b", "not https:// "),
        ("abfs+x.y-z://b", "not abfs+x.y-z:// "),
        (" gs://b/r", "not gs:// "),
        ("file:///mnt/r", ": write /mnt/r"),
        ("file:/mnt/r", ": write /mnt/r"),
        ("gs:/b/r", "a local folder named gs: is written ./gs:/b/r"),
        (Path("gs://b/r"), "not gs:// "),
    ],
)
def test_a_scheme_is_refused(value, words):
    with pytest.raises(InputError) as caught:
        check_local("--out", value)
    assert str(caught.value).startswith(f"--out={value}: expected a local path, ")
    assert words in str(caught.value) and "\n" not in str(caught.value)


@pytest.mark.parametrize(
    "value", ["", "-", "a", "/a/b", "./gs:/b", "a:b", "C:/a", "1:/2", "x=gs://b", "a b://c", "../x"]
)
def test_paths_of_this_machine_pass(value):
    check_local("--out", value)
    check_scheme("--out", value)


def test_the_message_says_what_takes_a_scheme():
    with pytest.raises(InputError, match=r"\(only --stores and STORE can be remote\)"):
        check_local("--out", "gs://b", ("--stores", "STORE"))


@pytest.mark.parametrize("value", ["gs://", "gs:///", "gs:///b/r", " s3:// "])
def test_a_scheme_without_a_bucket_is_refused(value):
    with pytest.raises(InputError, match=rf"--workdir={value}: it names no bucket: expected (gs|s3)://BUCKET/FOLDER"):
        check_scheme("--workdir", value)


@pytest.mark.parametrize(
    "value", [" gs://b/r", "gs://b/r ", "\tgs://b/r", "\ngs://b/r\n", " runs/x", "runs/x ", "\u3000x"]
)
def test_white_space_at_the_ends_of_a_place_is_refused(value):
    with pytest.raises(InputError) as caught:
        check_ends("--workdir", value)
    assert str(caught.value) == f"--workdir={value!r}: white space at its start or end: write {value.strip()!r}"
    assert "\n" not in str(caught.value)
    for right in (value.strip(), "", "a b", Path("a b/c d")):
        check_ends("--workdir", right)


@pytest.mark.parametrize(("command", "argument", "shown"), [
    ("launch/train.py", "--workdir= gs://b/r", "--workdir=' gs://b/r'"),
    ("launch/train.py", "--workdir=runs/x ", "--workdir='runs/x '"),
    ("launch/train.py", "--dev_benchmarks=name: runs/x", "--dev_benchmarks=' runs/x'"),
    ("launch/eval.py", "--out= runs/x", "--out=' runs/x'"),
    ("data_prep/inspect_store.py", " gs://b/s", "STORE=' gs://b/s'"),
])  # fmt: skip
def test_commands_refuse_white_space_at_the_ends_of_places_in_one_line(command, argument, shown, tmp_path):
    process = subprocess.run(
        [sys.executable, str(ROOT / command), argument], cwd=tmp_path, capture_output=True, text=True, check=False
    )
    assert process.returncode == 2 and process.stderr.startswith(f"error: {shown}: white space"), process.stderr
    assert process.stderr.count("\n") == 1 and list(tmp_path.iterdir()) == []


def test_space_around_the_parts_of_a_grid_is_no_place(tmp_path):
    grid = "\n batching=x-y,hybrid;\n momentum=1 \n"
    process = subprocess.run(
        [sys.executable, str(ROOT / "launch/sweep.py"), f"--grid={grid}", "--workdir=runs/x", "--benchmarks=facts"],
        cwd=tmp_path, capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert process.returncode == 2 and process.stderr.startswith("error: --grid: unknown option momentum")


def test_the_value_of_a_flag_file_is_refused_alike(tmp_path):
    (tmp_path / "some.flags").write_text("--workdir= gs://b/r\n")
    process = subprocess.run(
        [sys.executable, str(ROOT / "launch/train.py"), "--flagfile=some.flags"],
        cwd=tmp_path, capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert process.returncode == 2
    assert process.stderr == "error: --workdir=' gs://b/r': white space at its start or end: write 'gs://b/r'\n"


def test_one_slash_is_a_slip_where_a_scheme_is_taken():
    for value in ("gs://b/r", "file:///a", "a/b"):
        check_scheme("--stores", value)
    with pytest.raises(InputError, match="--stores=gs:/b/r: expected two slashes after the scheme: write gs://b/r"):
        check_scheme("--stores", "gs:/b/r")


def test_a_place_of_checkpoints_has_one_scheme(monkeypatch):
    monkeypatch.setenv("EPATH_USE_TF", "")
    for value in ("gs://b/r", "a/b"):
        check_scheme("--workdir", value, "gs")
    with pytest.raises(InputError, match="--workdir=s3://b/r: expected a local path or gs://BUCKET/FOLDER: no other"):
        check_scheme("--workdir", "s3://b/r", "gs")


def test_is_remote():
    assert is_remote("gs://b") and not is_remote(Path("gs://b")) and not is_remote("/a")


def called(command: str, name: str, value: str) -> list[str]:
    """The command with one path given, and nothing else."""
    arguments = ARGUMENTS.get(command, [])
    places = [value if argument == name else "x" for argument in arguments]
    return [command, *places, *([] if name in arguments else [f"--{name}={value}"])]


@pytest.mark.parametrize("command", COMMANDS)
def test_every_command_refuses_it_of_every_path_at_once(command, tmp_path):
    local, remote = COMMANDS[command]
    ended = [
        (name, subprocess.run(
            [sys.executable, str(ROOT / command), *called(command, name, value)[1:]],
            cwd=tmp_path, capture_output=True, text=True, check=False,
        ))
        for name, value in [*((name, "gs://b/r") for name in local), *((name, "gs:/b/r") for name in remote)]
    ]  # fmt: skip
    for name, process in ended:
        given = name if name in ARGUMENTS.get(command, ()) else f"--{name}"
        expected = "a local path, not gs:// " if name in local else "two slashes after the scheme"
        assert process.returncode == 2, (name, process.stderr)
        assert process.stderr.startswith(f"error: {given}="), process.stderr
        assert f": expected {expected}" in process.stderr and process.stderr.count("\n") == 1
    assert list(tmp_path.iterdir()) == []
    for name in remote:
        given = name if name in ARGUMENTS.get(command, ()) else f"--{name}"
        assert all(given in process.stderr for other, process in ended if other in local)


def test_no_flag_that_names_a_path_is_left_out_above():
    """By their helps: a flag whose help has `folder`, `file` or `stores` names a path, with exceptions."""
    no_paths = {"query_prefix", "passage_prefix", "field", "pooling", "normalize", "miracl_languages", "prepare"}
    no_paths |= {"profile_steps", "language", "distillation", "push"}
    tested = {name for local, remote in COMMANDS.values() for name in (*local, *remote)}
    found = set()
    modules = [importlib.import_module(f"hbt_jax.config.{one.name}") for one in pkgutil.iter_modules(config.__path__)]
    parts = {name: value for module in modules for name, value in vars(module).items() if name.endswith("Config")}
    del parts["TrainConfig"]
    for part in parts.values():
        for field in dataclasses.fields(part):
            words = field.metadata["help"]
            if isinstance(field.default, str | tuple) and any(w in words for w in ("folder", "file", "stores")):
                found.add(field.name)
    assert len(found) > 10
    assert found - no_paths <= tested


@pytest.mark.parametrize(
    ("command", "arguments", "said"),
    [
        (
            "embed.py",
            ["--field=http://schema.org/text", "--model=m", "--output=a.txt"],
            "--output=a.txt: expected a name",
        ),
        (
            "export.py",
            ["--license=https://example.org/l", "--model=m", "--out=o"],
            "--license='https://example.org/l': expected the hub's name",
        ),
        (
            "train.py",
            ["--coordinator=dns:///host:1", "--workdir=w", "--stores=nowhere"],
            "--coordinator=dns:///host:1 --processes=0",
        ),
    ],
)
def test_what_is_no_path_may_look_like_a_scheme(tmp_path, command, arguments, said):
    ended = subprocess.run(
        [sys.executable, str(ROOT / "launch" / command), *arguments],
        cwd=tmp_path, capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert said in ended.stderr and "expected a local path" not in ended.stderr

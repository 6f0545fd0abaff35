"""Commands print on any output encoding: letters where it has them, escapes where it does not, never a traceback."""

import ast
import json
import os
import shlex
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from hbt_jax.errors import InputError
from hbt_jax.files import check_name, utf8
from hbt_jax.interchange.overwrite_guard import check_out
from hbt_jax.training.load import load_model
from tests.data.make_stores import make_store

ROOT = Path(__file__).resolve().parents[1]


def printed(encoding: dict[str, str], *script: str, given: bytes = b"") -> subprocess.CompletedProcess:
    left_out = ("PYTHONIOENCODING", "PYTHONUTF8", "LC_ALL", "LC_CTYPE", "LANG")
    environment = {name: value for name, value in os.environ.items() if name not in left_out}
    return subprocess.run(
        [sys.executable, *script], input=given, capture_output=True, check=False, cwd=ROOT,
        env=environment | encoding,
    )  # fmt: skip


ENCODINGS = [
    ({"PYTHONIOENCODING": "ascii"}, rb"Z\xfcrich", rb"\u5317\u4eac"),
    ({"PYTHONIOENCODING": "latin-1"}, "Zürich".encode("latin-1"), rb"\u5317\u4eac"),
    ({"PYTHONIOENCODING": "cp1252"}, "Zürich".encode("cp1252"), rb"\u5317\u4eac"),
    ({"PYTHONIOENCODING": "ascii:strict"}, rb"Z\xfcrich", rb"\u5317\u4eac"),
    ({"LC_ALL": "C", "PYTHONUTF8": "0", "PYTHONCOERCECLOCALE": "0"}, rb"Z\xfcrich", rb"\u5317\u4eac"),
    ({"PYTHONIOENCODING": "utf-8"}, "Zürich".encode(), "北京".encode()),
    ({"LC_ALL": "C"}, "Zürich".encode(), "北京".encode()),
]


@pytest.mark.parametrize(("environment", "zurich", "beijing"), ENCODINGS)
def test_letters_and_names_that_are_not_utf_8_on_both_outputs(environment, zurich, beijing, tmp_path):
    script = """
import os, sys
sys.path.insert(0, os.getcwd())
from hbt_jax.errors import InputError
from hbt_jax.flags import run_command

def main(_):
    print("Zürich 北京", "\\udcff.txt")
    raise InputError("北京 \\udcff.txt Zürich")

run_command(main)
"""
    (tmp_path / "some.py").write_text(script, encoding="utf-8")
    done = printed(environment, str(tmp_path / "some.py"))
    assert done.returncode == 2
    assert done.stdout == zurich + b" " + beijing + rb" \udcff.txt" + b"\n"
    assert done.stderr == b"error: " + beijing + rb" \udcff.txt " + zurich + b"\n"


WRITES = """
import sys
from hbt_jax.flags import run_command

def main(_):
    for number in range({}):
        print("line", number)

run_command(main)
"""


INTERRUPTED = """
import os, signal, sys
from hbt_jax.flags import run_command

def main(_):
    signal.signal(signal.SIGINT, signal.default_int_handler)  # a background job may have been started without it
    os.kill(os.getpid(), signal.SIGINT)
    print("not reached")

run_command(main)
"""


def test_ctrl_c_ends_a_command_in_one_line():
    done = printed({}, "-c", INTERRUPTED)
    assert done.returncode == 3
    assert done.stdout == b""
    assert done.stderr == b"stopped: interrupted; run the same command again to start over\n"


@pytest.mark.parametrize("lines", [2, 100_000])
@pytest.mark.parametrize(
    ("output", "code", "said"),
    [
        ("> /dev/full", 2, "error: no space left on the disk of "),
        ("> /dev/null", 0, ""),
    ],
)
def test_an_output_that_takes_no_more_is_one_line(lines, output, code, said):
    program = f"{shlex.quote(sys.executable)} -c {shlex.quote(WRITES.format(lines))}"
    ended = subprocess.run(
        ["bash", "-c", f"{program} {output}; exit ${{PIPESTATUS[0]}}"], cwd=ROOT, capture_output=True, text=True,
        check=False,
    )  # fmt: skip
    assert ended.returncode == code and ended.stderr.startswith(said) and ended.stderr.count("\n") == bool(said)


@pytest.mark.parametrize("lines", [2, 100_000])
@pytest.mark.parametrize("both", [False, True])
def test_a_reader_that_has_ended_is_one_line(lines, both):
    """As with `| head`, and with `2>&1 | head`, where no message can be shown."""
    reads, writes = os.pipe()
    os.close(reads)
    ended = subprocess.run(
        [sys.executable, "-c", WRITES.format(lines)], cwd=ROOT, stdout=writes,
        stderr=subprocess.STDOUT if both else subprocess.PIPE, text=True, check=False,
    )  # fmt: skip
    os.close(writes)
    said = None if both else "stopped: the program that read the output has ended\n"
    assert (ended.returncode, ended.stderr) == (3, said)


def test_a_command_whose_output_is_closed_is_done():
    program = f"{shlex.quote(sys.executable)} -c {shlex.quote(WRITES.format(2))}"
    ended = subprocess.run(["bash", "-c", f"{program} >&-"], cwd=ROOT, capture_output=True, text=True, check=False)
    assert (ended.returncode, ended.stdout, ended.stderr) == (0, "", "")


def test_every_entry_point_goes_through_it():
    """Each file that can be run either runs its command by run_command or asks for escapes itself."""
    runnable = [
        path
        for folder in ("launch", "data_prep", "hbt_jax", "tests/benchmarks", ".ci")
        for path in sorted((ROOT / folder).rglob("*.py"))
        if "__main__" in path.read_text(encoding="utf-8")
        or (folder == ".ci" and path.name not in ("site_files.py", "one_of_each.py"))  # of mkdocs and of pytest
    ]
    assert len(runnable) > 25
    wrong = [
        str(path.relative_to(ROOT))
        for path in runnable
        if "run_command(" not in path.read_text(encoding="utf-8")
        and "escape_what_cannot_be_shown()" not in path.read_text(encoding="utf-8")
        and 'sys.stdout.reconfigure(errors="backslashreplace")' not in path.read_text(encoding="utf-8")
    ]
    assert not wrong


def test_every_text_file_is_opened_with_its_encoding_stated():
    wrong = []
    for folder in ("launch", "data_prep", "hbt_jax", "tests/benchmarks", ".ci"):
        for path in sorted((ROOT / folder).rglob("*.py")):
            for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
                if isinstance(node, ast.Call) and _is_text_without_encoding(node):
                    wrong.append(f"{path.relative_to(ROOT)}:{node.lineno}")
    assert not wrong


def _is_text_without_encoding(call) -> bool:
    name = call.func.attr if isinstance(call.func, ast.Attribute) else getattr(call.func, "id", "")
    keywords = {keyword.arg: keyword.value for keyword in call.keywords}
    if "encoding" in keywords:
        return False
    if name in ("read_text", "write_text"):
        return True
    if name in ("run", "Popen", "check_output"):
        return any(key in keywords for key in ("text", "universal_newlines"))
    if name != "open" or getattr(getattr(call.func, "value", None), "id", "") in ("os", "gzip", "bz2"):
        return False
    modes = [value for value in [*call.args, *keywords.values()] if isinstance(value, ast.Constant)]
    return not any(isinstance(value.value, str) and "b" in value.value and len(value.value) <= 3 for value in modes)


def test_names_that_are_not_utf_8_come_back_from_json_and_are_refused_where_a_library_cannot_write():
    name = os.fsdecode(b"m\xff/\xe5\x8c\x97")
    assert json.loads(utf8(json.dumps({"model": name}, ensure_ascii=False))) == {"model": name}
    assert utf8("北 \udcff") == "北 ".encode() + rb"\udcff"
    check_name("北京", "workdir", "checkpoints")
    with pytest.raises(
        InputError, match="^--workdir=m\udcff/北: its name is not UTF-8, which checkpoints need: choose"
    ):
        check_name(name, "workdir", "checkpoints")


def test_runs_and_exports_in_folders_whose_names_are_not_utf_8_are_refused(tmp_path):
    run, out = (tmp_path / os.fsdecode(name) for name in (b"run\xff", b"out\xff"))
    run.mkdir()
    (run / "model.json").touch()
    with pytest.raises(InputError, match="^--model=.*run\udcff: its name is not UTF-8, which the libraries that read"):
        load_model(str(run), "best", None, "float32")
    with pytest.raises(InputError, match="^--out=.*out\udcff: its name is not UTF-8, which the libraries that write"):
        check_out(out, str(run))


def test_a_store_in_a_folder_whose_name_is_not_utf_8(tmp_path):
    folder = tmp_path / os.fsdecode(b"store\xff")
    store = make_store(folder, np.ones((2, 3), bool), name="m\udcff")
    assert (store.languages, store.name) == (("ar", "de", "en"), "m\udcff")

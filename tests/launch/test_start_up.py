"""What a command imports before it knows that its flags are good, and that comparing needs no JAX at all."""

import resource
import subprocess
import sys

import pytest

from tests.evaluation.make_outcomes import evaluated
from tests.launch.test_commands import ROOT

HEAVY = {  # packages that take seconds to import
    "jax", "jaxlib", "flax", "optax", "orbax", "tensorflow", "tensorflow_datasets", "apache_beam", "scipy", "torch",
    "transformers", "sentence_transformers", "mteb", "datasets", "ctranslate2",
}  # fmt: skip
CODE = (
    "import atexit, os, runpy, sys\n"
    "sys.argv = sys.argv[1:]\n"
    "sys.path[0] = os.path.dirname(sys.argv[0])\n"  # as python does for a script
    "show = lambda: print('MODULES', *sorted({name.split('.')[0] for name in sys.modules}), file=sys.stderr)\n"
    "atexit.register(show)\n"
    "runpy.run_path(sys.argv[0], run_name='__main__')\n"
)
COMMANDS = sorted(
    str(path.relative_to(ROOT))
    for folder in ("launch", "data_prep")
    for path in (ROOT / folder).glob("*.py")
    if 'if __name__ == "__main__":' in path.read_text(encoding="utf-8")
)


def modules_of(command: str, *arguments: str, cwd) -> tuple[set[str], subprocess.CompletedProcess]:
    """The packages that a command had imported when it ended."""
    ended = subprocess.run(
        [sys.executable, "-c", CODE, str(ROOT / command), *arguments],
        capture_output=True, text=True, check=False, cwd=cwd,
    )  # fmt: skip
    (line,) = [line for line in ended.stderr.splitlines() if line.startswith("MODULES ")]
    found = set(line.split()[1:])
    assert "absl" in found
    return found, ended


def test_every_command_is_looked_at():
    assert {"launch/train.py", "launch/sweep.py", "launch/eval.py", "launch/compare.py"} <= set(COMMANDS)
    assert {"data_prep/build_store.py", "data_prep/decontaminate.py", "data_prep/prepare_facts.py"} <= set(COMMANDS)


@pytest.mark.parametrize("command", COMMANDS)
@pytest.mark.parametrize(("argument", "said"), [("--help", "Try --helpfull"), ("--no_such_flag=3", "unknown flag")])
def test_help_and_an_unknown_flag_import_nothing_heavy(command, argument, said, tmp_path):
    found, ended = modules_of(command, argument, cwd=tmp_path)
    assert not found & HEAVY
    assert said in ended.stdout + ended.stderr


@pytest.mark.parametrize("command", [name for name in COMMANDS if name.startswith("launch/")])
def test_help_takes_less_than_a_second_of_work(command):
    def worked() -> float:
        used = resource.getrusage(resource.RUSAGE_CHILDREN)
        return used.ru_utime + used.ru_stime

    before = worked()
    subprocess.run([sys.executable, str(ROOT / command), "--help"], capture_output=True, check=True)
    assert worked() - before < 1.0


@pytest.mark.parametrize(
    ("command", "arguments", "message"),
    [
        ("launch/train.py", ["--workdir=w", "--stores=nowhere"], "store nowhere: no such folder"),
        ("launch/train.py", ["--workdir=w", "--stores=s", "--benchmarks=fact", "--data_dir=d"], "unknown benchmark"),
        ("launch/eval.py", ["--model=m", "--benchmarks=fact", "--data_dir=d", "--out=o"], "unknown benchmark"),
        ("launch/eval.py", ["--model=m", "--benchmarks=facts", "--data_dir=d", "--out=o"], "d/facts: no such folder"),
        ("launch/eval.py", ["--model=m", "--benchmarks=./b", "--out=o"], "--benchmarks=./b: no such folder"),
        ("launch/export.py", ["--model=m", f"--out={ROOT}/setup.cfg"], "setup.cfg is a file: expected a folder"),
        ("launch/sweep.py", ["--workdir=w", "--benchmarks=fact", "--data_dir=d"], "unknown benchmark"),
        ("data_prep/build_store.py", ["--source=no", "--raw_dir=r", "--out_dir=o", "--tokenizer=t"], "unknown source"),
    ],
)
def test_a_wrong_value_is_told_before_anything_heavy_is_imported(command, arguments, message, tmp_path):
    found, ended = modules_of(command, *arguments, cwd=tmp_path)
    assert ended.returncode == 2
    assert message in ended.stderr
    assert not found & HEAVY
    assert list(tmp_path.iterdir()) == []


def test_compare_needs_no_jax_from_start_to_end(tmp_path):
    a, b = (evaluated(tmp_path / name, noise, 0) for name, noise in (("a", 0.5), ("b", 1.5)))
    arguments = [f"--a={a}", f"--b={b}", f"--out={tmp_path}/compared", "--samples=100"]
    found, ended = modules_of("launch/compare.py", *arguments, cwd=tmp_path)
    assert ended.returncode == 0, ended.stderr
    assert (tmp_path / "compared" / "compare.html").is_file()
    assert not found & (HEAVY - {"scipy"})
    assert "scipy" in found

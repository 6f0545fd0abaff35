"""Imports run one way: launch -> training, evaluation -> data, models -> configuration; heavy packages stay put."""

import ast
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
BASE = {
    "hbt_jax.errors",
    "hbt_jax.files",
    "hbt_jax.holding",
    "hbt_jax.languages",
    "hbt_jax.config",
    "hbt_jax.draws",
    "hbt_jax.places",
    "hbt_jax.spans",
    "hbt_jax.text_identity",
    "hbt_jax.flagfile",
}
MAY_IMPORT = {  # room -> rooms of hbt_jax it may import, beside BASE
    "models": {"models"},
    "data": {"data", "models", "flags"},
    "training": {"training", "data", "models", "mesh"},
    "evaluation": {"evaluation", "data", "models", "mesh"},
    "interchange": {"interchange", "evaluation", "training", "data", "models", "mesh"},
}
FORBIDDEN = {  # room -> packages that must not be imported there
    "models": {"tensorflow", "absl", "optax", "orbax", "torch", "transformers", "sentence_transformers"},
    "data": {"jax", "flax", "absl", "tensorflow_datasets"},
    "training": {"tensorflow", "absl", "tensorflow_datasets"},
    "evaluation": {"tensorflow", "absl", "tensorflow_datasets"},
    "interchange": {"tensorflow", "absl", "tensorflow_datasets", "torch", "transformers", "sentence_transformers"},
}
TENSORFLOW = "hbt_jax/data/pipeline.py"
JOB = "hbt_jax/evaluation/job.py"  # reads runs that training wrote
ABSL = {"hbt_jax/data/plan.py"}  # its command, `python -m hbt_jax.data.plan`


def imported(path: Path) -> set[str]:
    """Names of the modules that a file imports, anywhere in it."""
    names = set()
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            names |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{path}: imports are absolute"
            names |= {node.module, *(f"{node.module}.{alias.name}" for alias in node.names)}
    return names


def files() -> list[Path]:
    found = sorted((ROOT / "hbt_jax").rglob("*.py"))
    assert len(found) > 30
    return found


def test_rooms_import_in_one_direction():
    wrong = []
    for path in files():
        room = path.relative_to(ROOT / "hbt_jax").parts[0]
        if room not in MAY_IMPORT:
            continue
        for name in imported(path):
            parts = name.split(".")
            inside = parts[0] == "hbt_jax" and len(parts) > 1 and ".".join(parts[:2]) not in BASE
            if inside and parts[1] not in MAY_IMPORT[room] | ({"training"} if path == ROOT / JOB else set()):
                wrong.append(f"{path.relative_to(ROOT)} imports {name}")
            if parts[0] in FORBIDDEN[room] and str(path.relative_to(ROOT)) not in {TENSORFLOW, *ABSL}:
                wrong.append(f"{path.relative_to(ROOT)} imports {name}")
    assert not wrong


def test_only_the_pipeline_imports_tensorflow():
    users = [str(path.relative_to(ROOT)) for path in files() if "tensorflow" in imported(path)]
    assert users == [TENSORFLOW]


def test_nothing_imports_data_prep_or_launch():
    for path in [*files(), *sorted((ROOT / "launch").glob("*.py"))]:
        assert not {name.split(".")[0] for name in imported(path)} & {"data_prep", "launch"}, path


def test_no_private_module_of_jax_flax_or_orbax():
    for path in files():
        private = [name for name in imported(path) if name.startswith(("jax", "flax", "orbax")) and "._" in name]
        assert not private, path

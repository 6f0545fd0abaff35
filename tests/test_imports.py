"""Imports run one way, from the commands down; heavy packages stay where they are needed; no folder grows too long."""

import ast
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[1]
BASE = {
    "hbt_jax.connected",
    "hbt_jax.ending",
    "hbt_jax.errors",
    "hbt_jax.files",
    "hbt_jax.holding",
    "hbt_jax.json_text",
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
    "bucket": {"bucket", "data"},
    "training": {"training", "bucket", "data", "models", "mesh"},
    "evaluation": {"evaluation", "bucket", "data", "models", "mesh"},
    "interchange": {"interchange", "evaluation", "bucket", "training", "data", "models", "mesh"},
    "mining": {"mining", "evaluation", "bucket", "training", "data", "models", "mesh"},
    "study": {"study", "evaluation", "training"},
    "compile_check": {"compile_check", "evaluation", "training", "data", "models", "mesh"},
}
FORBIDDEN = {  # room -> packages that must not be imported there
    "models": {"tensorflow", "absl", "optax", "orbax", "torch", "transformers", "sentence_transformers"},
    "data": {"jax", "flax", "absl", "tensorflow_datasets"},
    "bucket": {"jax", "flax", "tensorflow", "absl", "tensorflow_datasets"},
    "training": {"tensorflow", "absl", "tensorflow_datasets"},
    "evaluation": {"tensorflow", "absl", "tensorflow_datasets"},
    "interchange": {"tensorflow", "absl", "tensorflow_datasets", "torch", "transformers", "sentence_transformers"},
    "mining": {"tensorflow", "absl", "tensorflow_datasets", "torch", "transformers"},
    "study": {"tensorflow", "absl", "tensorflow_datasets", "torch", "transformers", "sentence_transformers"},
    "compile_check": {"tensorflow", "absl", "tensorflow_datasets", "torch", "transformers", "sentence_transformers"},
}
LAYERS = {  # folder -> its folders and modules, lowest first: each imports only those before it, and its own
    "data_prep": (
        {"scratch", "upload_store"},
        {"builders", "store"},
        {"reading", "translation", "overlap"},
        {"sources", "facts"},
        {"build_store", "decontaminate", "hold_out", "train_sentencepiece", "translate", "write_benchmark"},
        {"inspect_store", "prepare_facts"},
    ),
    "hbt_jax.evaluation": (
        {"reading"},
        {"benchmarks", "processes", "search"},
        {"embedding", "ranking"},
        {"measures"},
        {"results"},
        {"statistics"},
        {"report", "evaluator"},
        {"ranked"},
        {"fused"},
        {"in_memory", "lexical", "others", "streamed", "compare"},
        {"compare_many", "probed", "expanded", "banked", "during_training"},
        {"evaluators"},
        {"evaluate"},
    ),
}
TRANSFORMERS = "hbt_jax/models/huggingface/library.py"  # which keeps it quiet
TENSORFLOW = "hbt_jax/data/pipeline.py"
EVALUATE = "hbt_jax/evaluation/evaluate.py"  # reads runs that training wrote
ONNX = "hbt_jax/interchange/onnx_export.py"  # by PyTorch's exporter
ABSL = {"hbt_jax/data/audit.py"}  # its command, `python -m hbt_jax.data.audit`
APART = {TENSORFLOW, TRANSFORMERS, ONNX, *ABSL}  # may import what their rooms do not
MOST_FILES = 20  # in a folder


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


def modules() -> dict[str, Path]:
    """{dotted name: file} of every module outside the tests."""
    found = {}
    for top in ("hbt_jax", "data_prep", "launch"):
        for path in sorted((ROOT / top).rglob("*.py")):
            parts = path.relative_to(ROOT).with_suffix("").parts
            found[".".join(parts[:-1] if parts[-1] == "__init__" else parts)] = path
    return found


def imports() -> dict[str, set[str]]:
    """{module: modules of ours that it imports}; a package stands for itself, not for what its folder holds."""
    known = modules()
    found = {}
    for name, path in known.items():
        ours = imported(path) & known.keys()
        modules_of = {other for other in ours if not any(one.startswith(f"{other}.") for one in ours)}
        found[name] = modules_of - {name}
    return found


def circles(graph: dict[str, set[str]]) -> Iterator[list[str]]:
    """Yields a path from a module back to itself for each module that has one."""
    for start in graph:
        came_from, open_ends = {}, [start]
        while open_ends:
            at = open_ends.pop()
            for other in graph.get(at, ()):
                if other == start:
                    path = [at]
                    while path[-1] != start:
                        path.append(came_from[path[-1]])
                    yield [*path[::-1], start]
                    open_ends = []
                    break
                if other not in came_from:
                    came_from[other] = at
                    open_ends.append(other)


def test_rooms_import_in_one_direction():
    wrong = []
    for path in files():
        room = path.relative_to(ROOT / "hbt_jax").parts[0]
        if room not in MAY_IMPORT:
            continue
        for name in imported(path):
            parts = name.split(".")
            inside = parts[0] == "hbt_jax" and len(parts) > 1 and ".".join(parts[:2]) not in BASE
            if inside and parts[1] not in MAY_IMPORT[room] | ({"training"} if path == ROOT / EVALUATE else set()):
                wrong.append(f"{path.relative_to(ROOT)} imports {name}")
            if parts[0] in FORBIDDEN[room] and str(path.relative_to(ROOT)) not in APART:
                wrong.append(f"{path.relative_to(ROOT)} imports {name}")
    assert not wrong


@pytest.mark.parametrize("folder", LAYERS)
def test_layers_inside_a_room(folder):
    height = {part: number for number, parts in enumerate(LAYERS[folder]) for part in parts}
    graph = {name: found for name, found in imports().items() if name.startswith(f"{folder}.")}
    start = len(folder.split("."))
    present = {name.split(".")[start] for name in graph}
    assert present == set(height), "every part has its layer"
    wrong = []
    for name, found in graph.items():
        mine = name.split(".")[start]
        for other in found:
            theirs = other.split(".")[start] if other.startswith(f"{folder}.") else mine
            if theirs != mine and height[theirs] >= height[mine]:
                wrong.append(f"{name} imports {other}")
    assert not wrong


def test_no_import_circle():
    assert list(circles({"a": {"b"}, "b": {"c"}, "c": {"b"}}))[0] == ["b", "c", "b"]
    assert not list(circles(imports()))


def test_no_folder_holds_too_many_files():
    for path in [ROOT / "hbt_jax", ROOT / "data_prep", ROOT / "launch", ROOT / "tests"]:
        for folder in [path, *(found for found in path.rglob("*") if found.is_dir())]:
            names = list(folder.glob("*.py"))
            assert len(names) <= MOST_FILES, f"{folder.relative_to(ROOT)} holds {len(names)} Python files"


def test_only_the_pipeline_imports_tensorflow():
    users = [str(path.relative_to(ROOT)) for path in files() if "tensorflow" in imported(path)]
    assert users == [TENSORFLOW]


def test_only_one_module_imports_transformers():
    found = [*files(), *sorted((ROOT / "launch").glob("*.py")), *sorted((ROOT / "data_prep").rglob("*.py"))]
    users = [str(path.relative_to(ROOT)) for path in found if "transformers" in imported(path)]
    assert users == [TRANSFORMERS]


def test_nothing_imports_data_prep_or_launch():
    for path in [*files(), *sorted((ROOT / "launch").glob("*.py"))]:
        assert not {name.split(".")[0] for name in imported(path)} & {"data_prep", "launch"}, path


def test_no_private_module_of_jax_flax_or_orbax():
    for path in files():
        private = [name for name in imported(path) if name.startswith(("jax", "flax", "orbax")) and "._" in name]
        assert not private, path

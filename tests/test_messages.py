"""Every flag that a message names exists."""

import ast
import re
from pathlib import Path

from data_prep.store.filters import Filters
from hbt_jax import config

ROOT = Path(__file__).resolve().parents[1]
ABSL = {"help", "helpshort", "helpfull", "flagfile"}
OF_OTHER_COMMANDS = {  # file -> flags of the commands of others that it shows how to call
    "data_prep/builders/beam_flow.py": {"runner", "direct_running_mode", "direct_num_workers"},
    "data_prep/translate.py": {"from", "with", "quantization", "copy_files", "output_dir"},
}


def known_flags() -> set[str]:
    names = set(ABSL)
    parts = [value for name, value in vars(config).items() if name.endswith("Config") and name != "TrainConfig"]
    assert len(parts) > 8
    for part in [*parts, Filters]:
        fields = part.__dataclass_fields__
        names |= {*fields, *(f"no{name}" for name, field in fields.items() if isinstance(field.default, bool | None))}
    for folder in ("data_prep", "launch", "hbt_jax"):
        names |= defined_in(ROOT / folder)
    return names


def defined_in(folder: Path) -> set[str]:
    found = set()
    for path in folder.rglob("*.py"):
        found |= set(re.findall(r'flags\.DEFINE_\w+\(\s*"(\w+)"', path.read_text(encoding="utf-8")))
    return found


def test_flags_named_in_strings_exist():
    known, found, wrong = known_flags(), set(), []
    for folder in ("hbt_jax", "launch", "data_prep"):
        for path in sorted((ROOT / folder).rglob("*.py")):
            for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
                if isinstance(node, ast.Constant) and isinstance(node.value, str):
                    for name in re.findall(r"(?<![\w(-])--([a-z]\w+)", node.value):
                        found.add(name)
                        if name not in known | OF_OTHER_COMMANDS.get(str(path.relative_to(ROOT)), set()):
                            wrong.append(f"{path.relative_to(ROOT)}:{node.lineno}: --{name}")
    assert {"global_batch", "workdir", "stores"} <= found
    assert not wrong


def test_flags_in_the_readme_and_flagfiles_exist():
    known = known_flags() | defined_in(ROOT / "tests" / "benchmarks")
    texts = [ROOT / "README.md", *(ROOT / "launch" / "flagfiles").glob("*.flags")]
    for path in texts:
        own = re.sub(r"(?m)^hf .*$|-m pytest.*$", "", path.read_text(encoding="utf-8"))  # without others' command lines
        named = re.findall(r"(?<![\w-])--([a-z]\w+)", own)
        assert named, path
        assert not [name for name in named if name not in known], path

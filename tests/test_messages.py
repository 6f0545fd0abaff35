"""Every flag and every file that a message names exists."""

import ast
import re
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
ABSL = {"help", "helpshort", "helpfull", "flagfile"}
OF_OTHER_COMMANDS = {  # file -> flags of other programs that it shows how to call
    "data_prep/builders/beam_flow.py": {"runner", "direct_running_mode", "direct_num_workers"},
    "data_prep/translate.py": {"from", "with", "quantization", "copy_files", "output_dir"},
}


def known_flags() -> set[str]:
    names = set(ABSL)
    for folder in ("data_prep", "launch", "hbt_jax"):
        names |= defined_in(ROOT / folder)
    assert len(names) > 150
    return names


def defined_in(folder: Path) -> set[str]:
    """Flags that are defined one by one, and the fields of configuration parts."""
    found = set()
    for path in folder.rglob("*.py"):
        text = path.read_text(encoding="utf-8")
        found |= set(re.findall(r'flags\.DEFINE_\w+\(\s*"(\w+)"', text))
        for name, kind in re.findall(r"^    (\w+): ([^=\n]+) = ", text, re.MULTILINE):
            found |= {name, f"no{name}"} if "bool" in kind else {name}
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


def test_files_named_in_the_code_exist():
    place = re.compile(r"(?<![\w/.~-])(?:hbt_jax|data_prep|launch|tests|docs|\.ci)/[\w./-]+\.(?:py|md)\b")
    named = {
        (str(path.relative_to(ROOT)), file)
        for folder in ("hbt_jax", "launch", "data_prep", "tests")
        for path in sorted((ROOT / folder).rglob("*.py"))
        for file in place.findall(path.read_text(encoding="utf-8"))
    }
    assert len(named) > 50
    assert [(path, file) for path, file in sorted(named) if not (ROOT / file).exists()] == []

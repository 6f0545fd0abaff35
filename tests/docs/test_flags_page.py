"""docs/flags.md says what the commands take."""

import subprocess
import sys

from tests.docs.pages import ROOT


def test_the_page_is_what_the_commands_define():
    made = subprocess.run(
        [sys.executable, ".ci/flags_page.py"], capture_output=True, text=True, encoding="utf-8", check=False, cwd=ROOT
    )
    assert made.returncode == 0, made.stderr
    written = (ROOT / "docs" / "flags.md").read_text(encoding="utf-8")
    assert made.stdout == written, "run: python .ci/flags_page.py --write"
    for line in ("## launch/train.py", "| `--global_batch` | whole number | `128` |", "- argument `STORE`: folder of"):
        assert line in written
    scripts = [path for folder in ("launch", "data_prep") for path in (ROOT / folder).glob("[a-z]*.py")]
    assert len(scripts) > 12
    assert all(f"\n## {path.parent.name}/{path.name}\n" in written for path in scripts)

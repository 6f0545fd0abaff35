"""Prints a command of README.md exactly as it stands there.

    python .ci/readme_command.py "launch/train.py"
    python .ci/readme_command.py "python -m pytest"

It is the block of one line that installs the project and then runs what is named; fails unless there is exactly one.
"""

import re
import sys
from pathlib import Path

sys.stdout.reconfigure(errors="backslashreplace")  # on any output encoding

runs = sys.argv[1]
text = (Path(__file__).resolve().parents[1] / "README.md").read_text(encoding="utf-8")
blocks = [block.strip() for block in re.findall(r"^```\w*\n(.*?)^```$", text, re.MULTILINE | re.DOTALL)]
wanted = re.compile(rf"pip install -c constraints\.txt -e \S+ && .*{re.escape(runs)}.*")
found = [block for block in blocks if wanted.fullmatch(block)]
if len(found) != 1:
    sys.exit(
        f"README.md has {len(found)} blocks of one line 'pip install -c constraints.txt -e ... && ... {runs} ...';"
        " expected 1, which .ci/run runs as it stands"
    )
print(found[0])

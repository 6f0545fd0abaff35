"""Runs docs/quickstart.ipynb in this environment, without the cell that installs, and prints what its cells show.

    QUICKSTART_FLAGS="--steps=140 --validate_every=70" python .ci/run_notebook.py

Fails as soon as a cell does.  The notebook file is not written.
"""

import sys
from pathlib import Path

import nbformat
from nbclient import NotebookClient

sys.stdout.reconfigure(errors="backslashreplace")  # on any output encoding

PAGE = Path(__file__).resolve().parents[1] / "docs" / "quickstart.ipynb"
TIMEOUT = 1800  # seconds for a cell

notebook = nbformat.read(PAGE, as_version=4)
notebook.cells = [cell for cell in notebook.cells if "install" not in cell.metadata.get("tags", [])]
NotebookClient(notebook, timeout=TIMEOUT, resources={"metadata": {"path": str(PAGE.parent)}}).execute()
for cell in notebook.cells:
    for output in cell.get("outputs", []):
        data = output.get("data", {})
        print(output.get("text") or data.get("text/markdown") or f"[{', '.join(data)}]")

"""What the tiny translation model knows, and how a test gets it."""

import importlib.util
import subprocess
import sys
from pathlib import Path

import pytest

LANGUAGES = ("deu_Latn", "eng_Latn", "rus_Cyrl", "zho_Hans")
SENTENCES = ["what is the capital of Peru", "Oslo is the capital of Norway", "where is the river", "Quito"]
LONGEST = 24  # tokens, with the language and the end
_ROOT = Path(__file__).resolve().parents[3]


def tiny_model(folder: Path) -> None:
    """Makes the model, see tiny_translation_model.py; skips the test where a package that makes it is missing."""
    for name in ("ctranslate2", "torch", "transformers"):
        if importlib.util.find_spec(name) is None:
            pytest.skip(f"{name} is not installed")
    command = [sys.executable, "-m", "tests.data_prep.translation.tiny_translation_model", str(folder)]
    subprocess.run(command, cwd=_ROOT, check=True, capture_output=True)

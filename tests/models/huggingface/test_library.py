"""transformers prints nothing to users, and its settings stay as they were for other code."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from hbt_jax.models.huggingface.library import transformers
from tests.models.huggingface import make_tokenizers

ROOT = Path(__file__).resolve().parents[3]
CODE = """
import importlib.util, os, sys
found = importlib.util.find_spec
importlib.util.find_spec = lambda name, *rest: None if name == "torch" else found(name, *rest)  # as without PyTorch
import importlib.metadata
version = importlib.metadata.version
def without_torch(name):
    if name == "torch":
        raise importlib.metadata.PackageNotFoundError(name)
    return version(name)
importlib.metadata.version = without_torch
from hbt_jax.models.tokenizer import load_tokenizer
assert "transformers" not in sys.modules
tokenizer = load_tokenizer(sys.argv[1])
assert "transformers" in sys.modules and "torch" not in sys.modules
import transformers
assert not transformers.is_torch_available()
assert "TRANSFORMERS_NO_ADVISORY_WARNINGS" not in os.environ
"""


def test_reading_a_folder_without_pytorch_prints_nothing(tmp_path):
    folder = make_tokenizers.bert(tmp_path)  # its settings do not name all tokens: transformers has to read it
    environment = {name: value for name, value in os.environ.items() if not name.startswith("TRANSFORMERS_")}
    done = subprocess.run(
        [sys.executable, "-c", CODE, str(folder)],
        cwd=ROOT, env=environment, capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")


@pytest.mark.parametrize("fails", [False, True])
def test_verbosity_is_as_before_afterwards(fails):
    with transformers() as library:
        assert library.logging.get_verbosity() == library.logging.ERROR
    library.logging.set_verbosity_info()
    try:
        with transformers():
            if fails:
                raise KeyError
    except KeyError:
        assert fails
    assert library.logging.get_verbosity() == library.logging.INFO
    library.logging.set_verbosity_warning()

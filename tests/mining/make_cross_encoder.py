"""A tiny cross-encoder with random weights, in the layout that sentence-transformers reads."""

import shutil
from pathlib import Path

import pytest

from tests.interchange import make_models


def cross_encoder_of(folder: Path, labels: int = 1) -> Path:
    """Makes the folder; skips the test if transformers cannot (no PyTorch)."""
    pytest.importorskip("torch", reason="cross-encoders need PyTorch: the extra `parity`")
    transformers = pytest.importorskip("transformers")
    words = make_models.folder_of("bert", folder.with_name(f"{folder.name}-words"))
    config = transformers.BertConfig(
        vocab_size=260, hidden_size=8, num_hidden_layers=1, num_attention_heads=1, intermediate_size=8,
        max_position_embeddings=32, num_labels=labels, initializer_range=1.0,  # so that scores differ
    )  # fmt: skip
    transformers.set_seed(0)
    shutil.copytree(words, folder, ignore=shutil.ignore_patterns("[mc1]*", "sentence*"))
    transformers.BertForSequenceClassification(config).save_pretrained(folder)
    return folder

"""A tiny cross-encoder with random weights, in the layout that sentence-transformers reads."""

import shutil
from pathlib import Path

import numpy as np
import pytest

from tests.interchange import make_models


def cross_encoder_of(folder: Path, labels: int = 1) -> Path:
    """Makes the folder; skips the test if transformers cannot (no PyTorch)."""
    torch = pytest.importorskip("torch", reason="cross-encoders need PyTorch: the extra `parity`")
    transformers = pytest.importorskip("transformers")
    words = make_models.folder_of("bert", folder.with_name(f"{folder.name}-words"))
    config = transformers.BertConfig(
        vocab_size=260, hidden_size=8, num_hidden_layers=1, num_attention_heads=1, intermediate_size=8,
        max_position_embeddings=32, num_labels=labels,
    )  # fmt: skip
    shutil.copytree(words, folder, ignore=shutil.ignore_patterns("[mc1]*", "sentence*"))
    model, rng = transformers.BertForSequenceClassification(config), np.random.default_rng(0)
    for name, parameter in model.named_parameters():
        if parameter.ndim == 2:  # weights, such that all tokens are looked at and scores differ
            scale = 0.1 if any(part in name for part in ("query", "key")) else 1.0
            parameter.data = torch.tensor(rng.normal(scale=scale, size=tuple(parameter.shape)), dtype=torch.float32)
    model.save_pretrained(folder)
    return folder

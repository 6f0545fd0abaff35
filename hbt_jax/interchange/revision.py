"""A digest of everything that an embedding depends on, by which results of mteb belong to a model."""

import hashlib

import jax
import numpy as np

from hbt_jax.models.model import Model

FOLDER = "mteb"  # OUT/mteb/REVISION/TASK.json


def revision(model: Model, compute_dtype: str) -> str:
    """Hexadecimal; of the weights, of how texts are prepared, and of the dtype of matrix products."""
    how = (model.encoder, model.pooling, model.normalize, model.text, model.tokenizer.fingerprint, compute_dtype)
    digest = hashlib.sha256(repr(how).encode())
    for leaf in jax.tree.leaves(model.parameters):
        digest.update(np.ascontiguousarray(leaf).data)
    return digest.hexdigest()[:16]

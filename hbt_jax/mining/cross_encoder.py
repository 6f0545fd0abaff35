"""Scores of pairs of texts by a cross-encoder of sentence-transformers, which reads both texts at once."""

from collections.abc import Sequence

import numpy as np

from hbt_jax.errors import InputError


class CrossEncoder:
    """A cross-encoder, whose scores are used as they are: from 0 to 1 with one label, unless its files say otherwise.

    Args:
      name: folder or hub id.
      batch: pairs of texts scored at a time.

    Raises:
      InputError: sentence-transformers is not installed, there is no such model, or it has several labels.
    """

    def __init__(self, name: str, batch: int):
        try:
            import sentence_transformers
        except ImportError as error:
            raise InputError(
                f"--cross_encoder={name} needs sentence-transformers ({error}): pip install -e '.[sentence]', or leave"
                " the flag out"
            ) from error
        try:
            self._model = sentence_transformers.CrossEncoder(name)
        except (OSError, ValueError) as error:
            raise InputError(f"--cross_encoder={name}: cannot be read: {' '.join(str(error).split())}") from error
        labels = self._model.config.num_labels
        if labels != 1:
            raise InputError(f"--cross_encoder={name} has {labels} labels: expected 1, a score of how well texts match")
        self._name, self._batch = name, batch

    def __call__(self, texts: Sequence[tuple[str, str]]) -> np.ndarray:
        """float32 [n]: the score of each query and passage; equal pairs of texts are scored once."""
        if not texts:
            return np.zeros(0, np.float32)
        places = {pair: place for place, pair in enumerate(dict.fromkeys(texts))}
        scores = np.asarray(
            self._model.predict(list(places), batch_size=self._batch, show_progress_bar=False), np.float32
        )
        if not np.isfinite(scores).all():
            raise InputError(f"--cross_encoder={self._name}: a score is not finite: take another model")
        return scores[[places[pair] for pair in texts]]

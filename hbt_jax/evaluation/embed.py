"""Texts to unit vectors: tokenised and packed on the host, encoded under jit on the mesh."""

import functools
from collections.abc import Callable, Sequence

import jax
import jax.numpy as jnp
import numpy as np
from jax.experimental import multihost_utils
from jax.sharding import Mesh
from tqdm import tqdm

from hbt_jax import mesh as meshes
from hbt_jax.data import packing
from hbt_jax.models.model import Model, embed_slots


class Embedder:
    """Embeds texts with one model on one mesh; every process of a job is given the same texts.

    Args:
      model: the model.
      mesh: its devices each take a share of the texts.
      texts_per_device: texts a device gets at a time.
      poll: called between two blocks of texts; raises to stop.
      shown: whether to show a progress bar.
    """

    def __init__(self, model: Model, mesh: Mesh, *, texts_per_device: int, poll: Callable[[], None], shown: bool):
        self.model, self.mesh, self._poll, self._shown = model, mesh, poll, shown
        self._per_device = texts_per_device
        self._shares = meshes.host_shares(mesh, jax.process_index())
        self._rows = 0
        self.truncated = 0

        @functools.partial(jax.jit, out_shardings=meshes.batch_sharding(mesh))
        def encode(parameters, batch: dict):
            vectors = embed_slots(model.graph, parameters, batch, segments=model.text.segments, pooling=model.pooling)
            return jnp.take_along_axis(vectors, batch["slots"][:, :, None], axis=1)

        self._encode = encode

    def __call__(self, texts: Sequence[str], side: str) -> np.ndarray:
        """The vectors of `texts`.

        Args:
          texts: one text or more.
          side: "query" or "passage": whose prefix and longest length apply.

        Returns:
          float32 [len(texts), D], unit vectors.  `truncated` grows by the number of texts that were cut.
        """
        block = self._per_device * self.mesh.size
        blocks = []
        starts = range(0, len(texts), block)
        for start in tqdm(starts, desc=f"embedding {side} texts", unit="block", disable=not self._shown, leave=False):
            self._poll()
            blocks.append(self._block(texts[start : start + block], side))
        return np.concatenate(blocks)

    def _block(self, texts: Sequence[str], side: str) -> np.ndarray:
        missing = self._per_device * self.mesh.size - len(texts)  # empty texts keep the last block's shape
        values, offsets = self.model.tokenizer.encode([*texts, *[""] * missing])
        packed = packing.pack_texts(
            values, offsets, self.model.text, self.model.tokenizer, side, shares=self.mesh.size, least_rows=self._rows
        )
        self._rows = packed["tokens"].shape[1]
        self.truncated += int(packed["truncated"].sum())
        own = {name: array[self._shares] for name, array in packed.items()}
        vectors_PbD = self._encode(self.model.parameters, meshes.put_batch(own, self.mesh))
        if jax.process_count() > 1:
            vectors_PbD = multihost_utils.process_allgather(vectors_PbD, tiled=True)
        vectors = np.asarray(vectors_PbD)
        return vectors.reshape(-1, vectors.shape[-1])[: len(texts)]

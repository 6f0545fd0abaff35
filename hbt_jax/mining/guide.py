"""Embeds the training stores by a guide model, once, before training: WORKDIR/guide holds the vectors."""

import hashlib
from collections.abc import Callable, Sequence

import jax
import numpy as np
from jax.sharding import Mesh

from hbt_jax.bucket.mirror import files_of
from hbt_jax.config.training import TrainConfig
from hbt_jax.data.extras import GuideVectors
from hbt_jax.data.store import Store, store_tokenizer
from hbt_jax.errors import InputError
from hbt_jax.evaluation.embedding.embed import Embedder
from hbt_jax.mining.embedded import embedded
from hbt_jax.models.model import Model
from hbt_jax.models.tokenizer import load_tokenizer
from hbt_jax.training.load import load_model

_TEXTS_PER_DEVICE = 256


class GuideModel:
    """Embeds the texts of stores by --guide_model, with its own prefixes; a `train.Guide`.

    Args:
      config: of the run.
      poll: called between blocks of texts; raises to stop, after which the same command resumes.
    """

    def __init__(self, config: TrainConfig, poll: Callable[[], None]):
        self._config, self._poll = config, poll

    def __call__(self, stores: Sequence[Store], mesh: Mesh) -> tuple[GuideVectors, str]:
        """The vectors of every text, and a digest of the guide.

        Raises:
          InputError: the guide cannot be read, or there are several processes.
        """
        name = self._config.teaching.guide_model
        if jax.process_count() > 1:
            raise InputError(f"--guide_model={name} supports one process only: it embeds the stores into local files")
        model = load_model(name, "best", mesh, self._config.mesh.compute_dtype, flag="guide_model")
        digest = digest_of(model)
        embedder = Embedder(model, mesh, texts_per_device=_TEXTS_PER_DEVICE, poll=self._poll, shown=True)
        found = []
        for store in stores:
            key = hashlib.sha256(f"{store.fingerprint} {digest}".encode()).hexdigest()[:16]
            folder = files_of(self._config.run.workdir) / "guide" / key
            folder.mkdir(parents=True, exist_ok=True)
            print(f"guide: embedding store {store.path} by {model.name} into {folder}", flush=True)
            tokenizer = load_tokenizer(store_tokenizer(store.path))
            sides = {"queries": "query", "passages": "passage"}
            found.append(
                {
                    (side, number): embedded(
                        embedder, getattr(store, side).tokens[code], form, tokenizer, folder / f"{side}-{code}.f32"
                    )
                    for side, form in sides.items()
                    for number, code in enumerate(store.languages)
                }
            )
        return GuideVectors(found), digest


def digest_of(model: Model) -> str:
    """A digest of what a model makes of texts: its parameters, prefixes, lengths and pooling."""
    digest = hashlib.blake2b(digest_size=16)
    for leaf in jax.tree.leaves(model.parameters):
        digest.update(np.ascontiguousarray(jax.device_get(leaf)).data)
    digest.update(repr((model.text, model.pooling, model.normalize)).encode())
    return digest.hexdigest()

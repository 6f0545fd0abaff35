"""Embeds the training stores by a guide or an anchor model, once, before training: WORKDIR/guide holds the vectors."""

import hashlib
from collections.abc import Callable, Mapping, Sequence
from typing import ClassVar

import jax
import numpy as np
from jax.sharding import Mesh

from hbt_jax.bucket.mirror import files_of
from hbt_jax.config.training import TrainConfig
from hbt_jax.data.extras import AnchorVectors, GuideVectors
from hbt_jax.data.store import Store, store_tokenizer
from hbt_jax.data.text_vectors import Vectors
from hbt_jax.errors import InputError
from hbt_jax.evaluation.embedding.embed import Embedder
from hbt_jax.mining.embedded import embedded
from hbt_jax.models.model import Model
from hbt_jax.models.tokenizer import load_tokenizer
from hbt_jax.training.load import load_model

_TEXTS_PER_DEVICE = 256
_SIDES: Mapping[str, str] = {"queries": "query", "passages": "passage"}  # of a store -> form of a text


class _FrozenModel:
    """A model that embeds texts of stores with its own prefixes; a `train.Embedding`.

    Args:
      config: of the run.
      poll: called between blocks of texts; raises to stop, after which the same command resumes.
    """

    flag: ClassVar[str]

    def __init__(self, config: TrainConfig, poll: Callable[[], None]):
        self._config, self._poll = config, poll

    def _embedded(
        self, stores: Sequence[Store], mesh: Mesh, languages_of: Callable[[Store], Sequence[str]], width: int = 0
    ) -> tuple[list[dict[tuple[str, int], Vectors]], str]:
        """For each store, (side, language) -> the vectors of its texts; and a digest of the model.

        `width` is what the vectors must have, 0 for any.
        """
        name, what = getattr(self._config.teaching, self.flag), self.flag.partition("_")[0]
        if jax.process_count() > 1:
            raise InputError(f"--{self.flag}={name} supports one process only: it embeds the stores into local files")
        model = load_model(name, "best", mesh, self._config.mesh.compute_dtype, flag=self.flag)
        if width and model.encoder.embedding_width != width:
            raise InputError(
                f"--{self.flag}={name}: its embeddings have {model.encoder.embedding_width} numbers, those of --model"
                f" {width}: expected as many"
            )
        digest = digest_of(model)
        embedder = Embedder(model, mesh, texts_per_device=_TEXTS_PER_DEVICE, poll=self._poll, shown=True)
        found = []
        for store in stores:
            codes = languages_of(store)
            key = hashlib.sha256(f"{store.fingerprint} {digest}".encode()).hexdigest()[:16]
            folder = files_of(self._config.run.workdir) / "guide" / key
            folder.mkdir(parents=True, exist_ok=True)
            print(f"{what}: embedding store {store.path} by {model.name} into {folder}", flush=True)
            tokenizer = load_tokenizer(store_tokenizer(store.path))
            found.append(
                {
                    (side, store.languages.index(code)): embedded(
                        embedder, getattr(store, side).tokens[code], form, tokenizer, folder / f"{side}-{code}.f32"
                    )
                    for side, form in _SIDES.items()
                    for code in codes
                }
            )
        return found, digest


class GuideModel(_FrozenModel):
    """--guide_model, which embeds every text."""

    flag = "guide_model"

    def __call__(self, stores: Sequence[Store], mesh: Mesh, width: int = 0) -> tuple[GuideVectors, str]:
        """The vectors of every text, of any width, and a digest of the guide.

        Raises:
          InputError: the guide cannot be read, or there are several processes.
        """
        del width
        found, digest = self._embedded(stores, mesh, lambda store: store.languages)
        return GuideVectors(found), digest


class AnchorModel(_FrozenModel):
    """--anchor_model, which embeds the texts of one language."""

    flag = "anchor_model"

    def __call__(self, stores: Sequence[Store], mesh: Mesh, width: int) -> tuple[AnchorVectors, str]:
        """The vectors of every text in --anchor_language, and a digest of the model.

        Raises:
          InputError: the model cannot be read, its vectors have another width than the trained embeddings, a store has
            no text in the language, or there are several processes.
        """
        language = self._config.teaching.anchor_language
        for store in stores:
            if language not in store.languages:
                raise InputError(
                    f"--anchor_language={language}: store {store.path} has no text in it: expected one of"
                    f" {' '.join(store.languages)}"
                )
        found, digest = self._embedded(stores, mesh, lambda store: [language], width)
        return AnchorVectors([{side: vectors for (side, _), vectors in one.items()} for one in found]), digest


def digest_of(model: Model) -> str:
    """A digest of what a model makes of texts: its parameters, prefixes, lengths and pooling."""
    digest = hashlib.blake2b(digest_size=16)
    for leaf in jax.tree.leaves(model.parameters):
        digest.update(np.ascontiguousarray(jax.device_get(leaf)).data)
    digest.update(repr((model.text, model.pooling, model.normalize)).encode())
    return digest.hexdigest()

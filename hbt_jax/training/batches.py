"""The packed host batches of a mixture of stores, for this process and its mesh."""

import dataclasses
from collections.abc import Iterator, Sequence

import jax
import numpy as np
from jax.sharding import Mesh

from hbt_jax import mesh as meshes
from hbt_jax.config.learning import PlanConfig
from hbt_jax.config.training import TrainConfig
from hbt_jax.config.values import JOINT
from hbt_jax.data import pipeline
from hbt_jax.data.extras import Extra
from hbt_jax.data.manifest import data_release
from hbt_jax.data.mixture import CROSS, MONO, Mixture, open_mixture
from hbt_jax.data.plan import Plan
from hbt_jax.models.tokenizer import Tokenizer

_INPUT_THREADS = 1  # short numpy calls share the interpreter's lock: a second thread makes them slower


class HostBatches:
    """Packed host batches of one mixture, as this process and mesh need them.

    Attributes:
      mesh: the devices.
      extras: add arrays to each batch.
    """

    def __init__(self, config: TrainConfig, stores: Sequence[str], tokenizer: Tokenizer, mesh: Mesh):
        self.mixture: Mixture = open_mixture(
            stores, tokenizer.fingerprint, config.run.store_cache, config.plan.train_fraction, config.run.seed
        )
        self.plan = Plan(self.mixture, config.plan, config.run.seed)
        self.global_batch = config.plan.global_batch
        self._text, self._tokenizer = config.text, tokenizer
        self.mesh, self.extras = mesh, list[Extra]()
        self._shares, self._share_count = meshes.host_shares(mesh, jax.process_index()), mesh.size

    @property
    def fingerprints(self) -> list[str]:
        """What the stores hold, in order."""
        return [store.fingerprint for store in self.mixture.stores]

    @property
    def releases(self) -> list[str]:
        """The release of public data that each store was made from, in order; empty where it is not known."""
        return [data_release(store.manifest.get("source")) for store in self.mixture.stores]

    def __call__(self, start: int, stop: int | None = None) -> Iterator[dict]:
        """Batches of the steps from `start` to `stop`, without end if that is None."""
        return pipeline.batches(
            self.plan,
            self._text,
            self._tokenizer,
            start=start,
            stop=stop,
            shares=self._shares,
            share_count=self._share_count,
            threads=_INPUT_THREADS,
            extras=self.extras,
        )

    def describe(self, step: int) -> str:
        """Kind, store and languages of a step's batch in words."""
        batch = self.plan.batch(step)
        store = self.mixture.stores[batch.store]
        used = np.union1d(batch.query_language, batch.passage_language)
        return f"batch kind {batch.kind}, store {store.name}, languages {' '.join(store.languages[i] for i in used)}"


def _kinds(plan: PlanConfig) -> list[str]:
    """The kinds of batches that training draws; x-y in place of joint, so that losses compare across runs."""
    if plan.batching == JOINT:
        return [CROSS]
    if plan.batching != "hybrid":
        return [plan.batching]
    alpha = plan.mono_probability
    return [kind for kind, share in ((MONO, alpha), (CROSS, 1.0 - alpha)) if share > 0]


def validation_lines(config: TrainConfig, validation: Sequence[HostBatches]) -> list[str]:
    """A note if the validation stores cannot serve every kind of batch that training draws."""
    wanted, found = _kinds(config.plan), [batches.plan.config.batching for batches in validation]
    missing = [kind for kind in wanted if validation and kind not in found]
    if not missing:
        return []
    return [
        f"note: no validation store can serve {' or '.join(missing)}: validating with {' and '.join(found)} batches"
    ]


def validation_batches(config: TrainConfig, tokenizer: Tokenizer, mesh: Mesh) -> list[HostBatches]:
    """The validation stores, once for each kind of batch that training draws: each kind counts the same.

    Kinds that no validation store can serve are left out; if none is left, x-x-mono is used, as in the paper,
    which validates on English only.
    """
    stores, training = config.validation.validation_stores, config.plan
    if not stores:
        return []
    mixture = open_mixture(stores, tokenizer.fingerprint, config.run.store_cache)
    numbers = range(len(mixture.stores))
    kinds = [kind for kind in _kinds(training) if any(mixture.serves(store, kind) for store in numbers)] or [MONO]
    plans = [dataclasses.replace(training, batching=kind, negatives=0, train_fraction=1.0) for kind in kinds]
    return [HostBatches(dataclasses.replace(config, plan=plan), stores, tokenizer, mesh) for plan in plans]

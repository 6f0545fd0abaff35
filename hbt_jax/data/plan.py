"""Which texts and languages make up batch t: a pure numpy function of (seed, t).

First the kind of the batch is drawn, then a store that can serve it, then for x-x-mono the language (arXiv 2408.10536,
section 2; LAReQA, arXiv 2004.05484, names the kinds).  Batches drawn from the same set of eligible pairs form a stream.
A stream runs through a seeded permutation of its pairs, a new one for each epoch, so every pair comes once per epoch,
whatever the kind or language of its batch.  A stream's position at step t is the number of earlier steps that drew it,
a prefix sum.  Nothing here has state: a resumed run asks for step t.

A joint batch shows each of its pairs in several consecutive places, with queries in different languages and passages in
different languages, each drawn without replacement; what exists in fewer languages is repeated.

Everything is drawn from raw bits (hbt_jax/draws.py), so an update of numpy changes no batch.  The plan's scheme is how
a seed and a step determine a batch; checkpoints record its number, and a run is resumed only under the same scheme.

`python -m hbt_jax.data.audit` prints what a plan draws.
"""

import dataclasses
import math
import threading

import numpy as np

from hbt_jax import draws
from hbt_jax.config.learning import PlanConfig
from hbt_jax.config.values import JOINT
from hbt_jax.data.mixture import CROSS, MONO, SAME, Eligible, Mixture
from hbt_jax.data.permutation import key, permute
from hbt_jax.errors import InputError
from hbt_jax.spans import spread

PLAN_SCHEME = 2  # increase with every change that gives another batch for some seed and step
_CHUNK = 1 << 16  # steps whose kind, store and language are drawn together; part of the scheme
_CHOICE, _LANGUAGES, _NEGATIVES, _JOINT = range(4)  # purposes of random numbers, each with streams of its own
_NEEDS = {
    MONO: "a pair whose query and passage exist in one language",
    SAME: "a pair whose query and passage exist in one language",
    CROSS: "a pair whose query and passage exist in two different languages",
    JOINT: "a pair whose query and passage exist in two different languages",
}


@dataclasses.dataclass(frozen=True)
class BatchPlan:
    """What one batch holds.

    Attributes:
      step: the step it is for.
      kind: x-x-mono, x-x, x-y or joint.
      store: index of the store in the mixture.
      pairs: int64 [B], rows of the store's pair table.
      query_language, passage_language: int16 [B], indices into the store's languages.
      negatives: int64 [B, K], passage rows of explicit negatives that exist in the passage's language, -1 where the
        pair has too few of them.
    """

    step: int
    kind: str
    store: int
    pairs: np.ndarray
    query_language: np.ndarray
    passage_language: np.ndarray
    negatives: np.ndarray


@dataclasses.dataclass(frozen=True)
class Choice:
    """One thing a step can draw: a kind, a store and for x-x-mono a language (index in the store, else -1).

    `probability` is that of the choice within its kind; `stream` numbers the set of pairs it takes from.
    """

    kind: str
    store: int
    language: int
    stream: int
    probability: float


class Plan:
    """The batches of a run; see the module's text.

    Attributes:
      mixture: the stores.
      kinds: kind -> its probability, without kinds of probability 0.
      choices: everything that a step can draw.
      streams: the sets of pairs that batches run through.
    """

    def __init__(self, mixture: Mixture, config: PlanConfig, seed: int):
        """Determines what each store can serve.

        Raises:
          InputError: no store can serve a kind that the batching wants.
        """
        self.mixture, self.config, self.seed = mixture, config, seed
        alpha = config.mono_probability
        wanted = {MONO: alpha, CROSS: 1.0 - alpha} if config.batching == "hybrid" else {config.batching: 1.0}
        self.kinds = {kind: share for kind, share in wanted.items() if share > 0}
        self.streams: list[Eligible] = []
        self._shared: dict[tuple, int] = {}  # store and set of pairs -> their stream
        self.choices = [choice for kind in self.kinds for choice in self._choices_of(kind)]
        self._stream_of = np.array([choice.stream for choice in self.choices])
        self._before = [np.zeros(len(self.streams), np.int64)]  # batches of each stream before each chunk of steps
        self._latest: tuple[int, np.ndarray, np.ndarray] = (-1, np.zeros(0), np.zeros(0))
        self._lock = threading.Lock()

    def choice(self, step: int) -> Choice:
        """What a step draws, without its pairs."""
        return self.choices[self._drawn(step)[0]]

    def batch(self, step: int) -> BatchPlan:
        """The batch of a step (updates already applied); the same for every process and number of hosts."""
        number, earlier = self._drawn(step)
        choice = self.choices[number]
        pairs = self._pairs(choice.stream, earlier)
        query_language, passage_language = self._languages(step, choice, pairs)
        negatives = self._negatives(step, choice.store, pairs, passage_language)
        return BatchPlan(step, choice.kind, choice.store, pairs, query_language, passage_language, negatives)

    def check_negatives(self) -> None:
        """Raises InputError if explicit negatives are requested and no store has any.

        Not checked when a plan is made, because the validation stores of a run with negatives may have none.
        """
        stores = self.mixture.stores
        if self.config.negatives and not any(len(store.pairs.negative_rows) for store in stores):
            raise InputError(
                f"--negatives={self.config.negatives} asks for explicit negatives, but no store of --stores has any"
                f" ({', '.join(str(store.path) for store in stores)}): set --negatives=0, or build a store from a"
                " source with negatives"
            )

    def steps_of(self, epochs: float) -> int:
        """The number of steps, at least 1, that draw as many pairs as `epochs` passes over all stores."""
        different = self.config.global_batch // self.config.rows_per_pair
        return max(1, math.ceil(epochs * int(self.mixture.sizes.sum()) / different))

    def _choices_of(self, kind: str) -> list[Choice]:
        mixture = self.mixture
        serving = [store for store in range(len(mixture.stores)) if mixture.serves(store, kind)]
        if not serving:
            raise InputError(self._unserved(kind))
        weights = mixture.sizes[serving].astype(np.float64) ** self.config.size_exponent
        choices = []
        for store, share in zip(serving, weights / weights.sum(), strict=True):
            languages = mixture.mono_languages(store) if kind == MONO else [-1]
            for language in languages:
                stream = self._stream(mixture.eligible(store, kind, language))
                choices.append(Choice(kind, store, language, stream, float(share) / len(languages)))
        return choices

    def _stream(self, eligible: Eligible) -> int:
        """The number of the stream over a set of pairs; choices that take all pairs of a store share one."""
        pairs = (eligible.store, id(eligible.rows))  # the mixture keeps the rows, so an id is not used again
        if pairs not in self._shared:
            self.streams.append(eligible)
            self._shared[pairs] = len(self.streams) - 1
        return self._shared[pairs]

    def _unserved(self, kind: str) -> str:
        stores = "; ".join(
            f"{store.path} has {len(store.pairs):,} pairs in {' '.join(store.languages)}"
            for store in self.mixture.stores
        )
        remedy = "add a store with more languages or choose another --batching"
        if self.config.batching == "hybrid":
            remedy += f" or --mono_probability (now {self.config.mono_probability})"
        return (
            f"--batching={self.config.batching} wants {kind} batches, but no store of --stores has {_NEEDS[kind]}"
            f" ({stores}); {remedy}"
        )

    def _drawn(self, step: int) -> tuple[int, int]:
        """(number of the choice of a step, earlier steps that drew the same stream)."""
        if step < 0:
            raise ValueError(f"step {step}: expected 0 or more")
        chunk, place = divmod(step, _CHUNK)
        with self._lock:  # the pipeline asks from several threads
            while len(self._before) <= chunk:
                drawn = self._stream_of[self._draw_chunk(len(self._before) - 1)]
                self._before.append(self._before[-1] + np.bincount(drawn, minlength=len(self.streams)))
            if self._latest[0] != chunk:
                numbers = self._draw_chunk(chunk)
                self._latest = (chunk, numbers, _occurrence(self._stream_of[numbers]))
            _, numbers, occurrence = self._latest
        number = int(numbers[place])
        return number, int(self._before[chunk][self._stream_of[number]] + occurrence[place])

    def _draw_chunk(self, chunk: int) -> np.ndarray:
        """int32 [_CHUNK], numbers of the choices of a chunk of steps."""
        bits = draws.stream(self.seed, _CHOICE, chunk).random_raw(2 * _CHUNK)
        kind_draw, choice_draw = draws.fractions(bits).reshape(2, _CHUNK)
        kinds = list(self.kinds)
        kind_of = _pick(list(self.kinds.values()), kind_draw)
        numbers = np.zeros(_CHUNK, np.int32)
        for index, kind in enumerate(kinds):
            of_kind = np.array([number for number, choice in enumerate(self.choices) if choice.kind == kind])
            steps = kind_of == index
            picked = _pick([self.choices[number].probability for number in of_kind], choice_draw[steps])
            numbers[steps] = of_kind[picked]
        return numbers

    def _pairs(self, stream: int, earlier: int) -> np.ndarray:
        """int64 [B]: the stream's next pairs after `earlier` batches; a batch may straddle two epochs."""
        eligible, repeats = self.streams[stream], self.config.rows_per_pair
        different = self.config.global_batch // repeats
        place = earlier * different + np.arange(different, dtype=np.int64)
        epoch, within = np.divmod(place, eligible.pairs)
        shuffled = permute(within, eligible.pairs, key(self.seed, stream, epoch))
        return np.repeat(shuffled if eligible.rows is None else eligible.rows[shuffled].astype(np.int64), repeats)

    def _languages(self, step: int, choice: Choice, pairs: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """int16 [B] each: languages of the queries and of the passages."""
        if choice.kind == MONO:
            language = np.full(len(pairs), choice.language, np.int16)
            return language, language
        bits_B = draws.stream(self.seed, _LANGUAGES, step).random_raw(len(pairs))
        masks = self.mixture.available(choice.store, pairs)
        query_BJ, passage_BJ = (_bits(mask, len(self.mixture.stores[choice.store].languages)) for mask in masks)
        if choice.kind == JOINT:
            return self._joint_languages(step, query_BJ), self._joint_languages(step, passage_BJ, passages=True)
        if choice.kind == SAME:
            both_BJ = query_BJ * passage_BJ
            language = _nth(both_BJ, draws.below(bits_B, both_BJ.sum(1)))
            return language, language
        return different_languages(query_BJ, passage_BJ, bits_B)

    def _joint_languages(self, step: int, exists_BJ: np.ndarray, passages: bool = False) -> np.ndarray:
        """int16 [B]: languages of one side; the places of a pair get different ones while there are enough."""
        repeats = self.config.rows_per_pair
        exists_GJ = exists_BJ[::repeats].astype(bool)
        pairs, languages = exists_GJ.shape
        bits = draws.stream(self.seed, _JOINT, step).random_raw((1 + passages) * exists_GJ.size)
        key_GJ = bits[-exists_GJ.size :].reshape(pairs, languages) >> np.uint64(1)
        order_GJ = np.argsort(np.where(exists_GJ, key_GJ, ~np.uint64(0)), axis=1, kind="stable")
        place_GE = np.arange(repeats) % exists_GJ.sum(axis=1, keepdims=True)
        return np.take_along_axis(order_GJ, place_GE, axis=1).astype(np.int16).reshape(-1)

    def _negatives(self, step: int, store: int, pairs: np.ndarray, language: np.ndarray) -> np.ndarray:
        """int64 [B, K]: explicit negatives, drawn without replacement from those of each pair's list that exist in the
        passage's language; -1 where there are no more."""
        table, wanted = self.mixture.stores[store].pairs, self.config.negatives
        chosen = np.full((len(pairs), wanted), -1, np.int64)
        if not wanted or not len(table.negative_rows):
            return chosen
        bits_KB = draws.stream(self.seed, _NEGATIVES, step).random_raw(wanted * len(pairs)).reshape(wanted, -1)
        rows, listed = self._listed_negatives(store, pairs, language)
        taken = np.minimum(listed, wanted)
        for k in range(wanted):  # Floyd's sampling: Bentley and Floyd 1987, "A sample of brilliance"
            last = np.maximum(listed - taken + k, 0)
            drawn = draws.below(bits_KB[k], last + 1)
            again = (chosen[:, :k] == drawn[:, None]).any(1)
            chosen[:, k] = np.where(k < taken, np.where(again, last, drawn), -1)
        first = np.cumsum(listed) - listed
        place = np.where(chosen >= 0, first[:, None] + chosen, len(rows))
        return np.append(rows, -1)[place]

    def _listed_negatives(self, store: int, pairs: np.ndarray, language: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Rows of the negatives of all pairs that exist in the language asked of each, and how many each pair has."""
        table, available = self.mixture.stores[store].pairs, self.mixture.stores[store].passages.available
        first = table.negative_offsets[pairs]
        counts = table.negative_offsets[pairs + 1] - first
        rows, owner = table.negative_rows[spread(first, counts)], np.repeat(np.arange(len(pairs)), counts)
        exists = (available[rows] >> language[owner].astype(np.uint64) & np.uint64(1)).astype(bool)
        return rows[exists], np.bincount(owner[exists], minlength=len(pairs))


def different_languages(
    query_BJ: np.ndarray, passage_BJ: np.ndarray, bits_B: np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
    """One ordered pair of different languages for each example, uniform over all that exist.

    Args:
      query_BJ, passage_BJ: int64, 1 where the text exists in the language; each example has at least one such pair.
      bits_B: random uint64.

    Returns:
      int16 [B] each: the query's and the passage's language.

    Query in {0, 1}, passage in {1, 2}: the pairs are (0, 1), (0, 2), (1, 2); query language 0 owns two of them.
    """
    partners_BJ = query_BJ * (passage_BJ.sum(1, keepdims=True) - passage_BJ)
    ends_BJ = np.cumsum(partners_BJ, axis=1)
    drawn = draws.below(bits_B, ends_BJ[:, -1])
    query_language = (ends_BJ <= drawn[:, None]).sum(1)
    row = np.arange(len(drawn))
    rest = drawn - (ends_BJ - partners_BJ)[row, query_language]
    others_BJ = passage_BJ.copy()
    others_BJ[row, query_language] = 0
    return query_language.astype(np.int16), _nth(others_BJ, rest)


def _nth(bits_BJ: np.ndarray, nth: np.ndarray) -> np.ndarray:
    """int16 [B], the place of the nth (from 0) 1 of each row."""
    return (np.cumsum(bits_BJ, axis=1) <= nth[:, None]).sum(1).astype(np.int16)


def _bits(masks: np.ndarray, count: int) -> np.ndarray:
    """int64 [B, count], the lowest bits of each mask."""
    return (masks[:, None] >> np.arange(count, dtype=np.uint64) & np.uint64(1)).astype(np.int64)


def _pick(probabilities: list[float], drawn: np.ndarray) -> np.ndarray:
    """Which of the probabilities each number in [0, 1) falls on."""
    ends = np.cumsum(probabilities)
    return np.searchsorted(ends[:-1] / ends[-1], drawn, side="right")


def _occurrence(values: np.ndarray) -> np.ndarray:
    """int64: how often each value came before in the array.  [5, 7, 5, 5] -> [0, 0, 1, 2]."""
    order = np.argsort(values, kind="stable")
    first = np.searchsorted(values[order], values[order])
    result = np.empty(len(values), np.int64)
    result[order] = np.arange(len(values)) - first
    return result

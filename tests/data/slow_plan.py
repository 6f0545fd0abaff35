"""The plan in plain Python, one batch at a time: no numpy decides a number here."""

import bisect
import dataclasses
import itertools

from hbt_jax.config.learning import PlanConfig
from hbt_jax.data.mixture import CROSS, MONO, SAME
from hbt_jax.data.plan import BatchPlan
from tests.data.philox import raw_stream

_CHUNK = 1 << 16
_GOLDEN, _MASK = 0x9E3779B97F4A7C15, 2**64 - 1


@dataclasses.dataclass(frozen=True)
class SlowStore:
    """Texts: lists of the languages that each query and passage has; pairs: (query, passage, negatives)."""

    languages: int
    queries: list[set[int]]
    passages: list[set[int]]
    pairs: list[tuple[int, int, list[int]]]

    def eligible(self, kind: str, language: int) -> list[int]:
        """The pairs that can serve a kind of batch."""
        return [number for number, (query, passage, _) in enumerate(self.pairs)
                if self.choices(kind, language, query, passage)]  # fmt: skip

    def choices(self, kind: str, language: int, query: int, passage: int) -> list[tuple[int, int]]:
        """The languages that a pair can be shown in."""
        both = [(one, other) for one in sorted(self.queries[query]) for other in sorted(self.passages[passage])]
        if kind == CROSS:
            return [(one, other) for one, other in both if one != other]
        return [(one, other) for one, other in both if one == other and (kind == SAME or one == language)]


class SlowPlan:
    """The batches of `hbt_jax.data.plan.Plan`, computed from the stores' contents alone."""

    def __init__(self, stores: list[SlowStore], config: PlanConfig, seed: int):
        self._stores, self._config, self._seed = stores, config, seed
        alpha = config.mono_probability
        wanted = {MONO: alpha, CROSS: 1.0 - alpha} if config.batching == "hybrid" else {config.batching: 1.0}
        self._kinds = {kind: share for kind, share in wanted.items() if share > 0}
        self._options, self._streams, whole = {}, [], {}
        for kind in self._kinds:
            self._options[kind] = []
            serving = [
                n for n, store in enumerate(stores) if any(self._pairs_of(n, kind, one) for one in self._of(n, kind))
            ]
            weights = [len(stores[n].pairs) ** config.size_exponent for n in serving]
            for n, weight in zip(serving, weights, strict=True):
                languages = [one for one in self._of(n, kind) if self._pairs_of(n, kind, one)]
                for one in languages:
                    pairs = self._pairs_of(n, kind, one)
                    stream = whole.get(n) if len(pairs) == len(stores[n].pairs) else None
                    if stream is None:
                        self._streams.append(pairs)
                        stream = len(self._streams) - 1
                    if len(pairs) == len(stores[n].pairs):
                        whole[n] = stream
                    self._options[kind].append((n, one, stream, weight / sum(weights) / len(languages)))
        self._drawn: list[tuple[str, int, int, int]] = []

    def batch(self, step: int) -> BatchPlan:
        while len(self._drawn) <= step:
            self._draw_chunk(len(self._drawn) // _CHUNK)
        kind, number, language, stream = self._drawn[step]
        earlier = sum(one[3] == stream for one in self._drawn[:step])
        store, size, pairs = self._stores[number], self._config.global_batch, self._streams[stream]
        rows, chosen, negatives = [], [], []
        bits = raw_stream(self._seed, 1, step, size)
        for place in range(size):
            epoch, within = divmod(earlier * size + place, len(pairs))
            rows.append(pairs[permuted(within, len(pairs), mixed_key(self._seed, stream, epoch))])
            options = store.choices(kind, language, *store.pairs[rows[-1]][:2])
            chosen.append(options[bits[place] * len(options) >> 64])
        wanted = self._config.negatives
        bits = raw_stream(self._seed, 2, step, wanted * size)
        for place, row in enumerate(rows):
            there = [one for one in store.pairs[row][2] if chosen[place][1] in store.passages[one]]
            taken, found = min(len(there), wanted), []
            for k in range(taken):
                last = len(there) - taken + k
                drawn = bits[k * size + place] * (last + 1) >> 64
                found.append(last if drawn in found else drawn)
            negatives.append([there[one] for one in found] + [-1] * (wanted - taken))
        return BatchPlan(step, kind, number, rows, *([one[side] for one in chosen] for side in (0, 1)), negatives)

    def _of(self, number: int, kind: str) -> range | list[int]:
        return range(self._stores[number].languages) if kind == MONO else [-1]

    def _pairs_of(self, number: int, kind: str, language: int) -> list[int]:
        return self._stores[number].eligible(kind, language)

    def _draw_chunk(self, chunk: int) -> None:
        bits = raw_stream(self._seed, 0, chunk, 2 * _CHUNK)
        for one, other in zip(bits[:_CHUNK], bits[_CHUNK:], strict=True):
            kind = list(self._kinds)[fallen_on(one, list(self._kinds.values()))]
            number, language, stream, _ = self._options[kind][fallen_on(other, [o[3] for o in self._options[kind]])]
            self._drawn.append((kind, number, language, stream))


def fallen_on(bits: int, shares: list[float]) -> int:
    """Which of the shares, side by side from 0 to 1, holds the upper 53 bits as a fraction."""
    ends = list(itertools.accumulate(shares))
    return bisect.bisect_right([end / ends[-1] for end in ends[:-1]], (bits >> 11) / 2**53)


def mixed(value: int) -> int:
    """splitmix64's finaliser."""
    value = ((value ^ value >> 30) * 0xBF58476D1CE4E5B9) & _MASK
    value = ((value ^ value >> 27) * 0x94D049BB133111EB) & _MASK
    return value ^ value >> 31


def mixed_key(*parts: int) -> int:
    """The key of a permutation."""
    key = 0
    for part in parts:
        key = mixed((key + _GOLDEN + part) & _MASK)
    return key


def permuted(index: int, size: int, key: int) -> int:
    """Where a Feistel network of six rounds, walked until it is below the size, sends an index."""
    bits = (size - 1).bit_length()
    low_bits, high_bits = bits // 2, bits - bits // 2
    while bits:
        low, high, now = index % 2**low_bits, index >> low_bits, key
        for _ in range(3):
            high ^= mixed((low + now) & _MASK) % 2**high_bits
            low ^= mixed((high + now + _GOLDEN) & _MASK) % 2**low_bits
            now = (now + 2 * _GOLDEN) & _MASK
        index = high << low_bits | low
        if index < size:
            return index
    return index

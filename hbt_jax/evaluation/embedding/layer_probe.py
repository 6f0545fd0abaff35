"""How similar translations are after each layer of an encoder, compared with random pairs (after arXiv 2506.15415).

The parallel texts are the queries of a benchmark: the queries of one item in several languages.
"""

import dataclasses
import functools
from collections.abc import Callable, Iterator

import jax
import jax.numpy as jnp
import numpy as np
from flax import nnx
from jax.experimental import multihost_utils
from jax.sharding import Mesh
from tqdm import tqdm

from hbt_jax import mesh as meshes
from hbt_jax.config.learning import TextConfig
from hbt_jax.data import packing
from hbt_jax.errors import InputError
from hbt_jax.evaluation.benchmarks.benchmark import Benchmark
from hbt_jax.models.model import Model, why_not_finite
from hbt_jax.models.pooling import normalize, pool

_FEWEST = 2  # items that two languages must share: with one there is no random pair
_ROW_MULTIPLE = 32  # tokens
_DECIMALS = 8  # a cosine of float32 vectors has no more


@dataclasses.dataclass(frozen=True)
class ParallelTexts:
    """The probed texts, item by item.

    Attributes:
      items: number of items.
      languages: codes of the J languages that count.
      texts: the texts.
      item: int64, number of each text's item, ascending from 0.
      language: int64, place of each text's language in `languages`.
      left_out: codes of languages that share too few of these items with any other.
    """

    items: int
    languages: tuple[str, ...]
    texts: tuple[str, ...]
    item: np.ndarray
    language: np.ndarray
    left_out: tuple[str, ...]


def parallel_texts(benchmark: Benchmark, most_items: int) -> ParallelTexts:
    """Chooses at most `most_items` items with queries in several languages, spread evenly over the benchmark.

    Raises:
      InputError: no two languages share two of the chosen items.
    """
    by_item: dict[str, dict[str, str]] = {}
    queries = benchmark.queries
    for item, code, text in zip(queries.items, queries.languages, queries.texts, strict=True):
        by_item.setdefault(item, {}).setdefault(code, text)
    several = [texts for texts in by_item.values() if len(texts) > 1]
    count = min(most_items, len(several))
    chosen = [several[number * len(several) // count] for number in range(count)]
    codes = sorted({code for texts in chosen for code in texts})
    has_JI = np.array([[code in texts for texts in chosen] for code in codes], np.int64).reshape(len(codes), count)
    counted = _counted(has_JI @ has_JI.T).any(axis=1)
    if not counted.any():
        raise InputError(
            f"--layer_probe={most_items}: benchmark {benchmark.name!r} has no two languages with queries for the same"
            f" {_FEWEST} items ({len(several):,} items have queries in several languages, {count:,} were chosen): the"
            " probe compares translations, joined by their item; choose more items, or leave the flag out here"
        )
    languages = tuple(code for code, counts in zip(codes, counted, strict=True) if counts)
    rows = [
        (number, languages.index(code), texts[code])
        for number, texts in enumerate(chosen)
        for code in sorted(texts)
        if code in languages
    ]
    item, language, texts = zip(*rows, strict=True)
    left_out = tuple(code for code in codes if code not in languages)
    return ParallelTexts(count, languages, texts, np.array(item), np.array(language), left_out)


def _counted(shared_JJ: np.ndarray) -> np.ndarray:
    """bool [J, J]: pairs of different languages that share enough items."""
    return (shared_JJ >= _FEWEST) & ~np.eye(len(shared_JJ), dtype=bool)


class PairSums:
    """Sums over items that give the mean cosines of every two languages; they hold E * J * J * D numbers.

    For two languages that share n items, with unit vectors u_i and v_i, the mean over all pairs of different items
    needs no loop over the pairs:

        random = ((u_1 + ... + u_n) . (v_1 + ... + v_n) - (u_1 . v_1 + ... + u_n . v_n)) / (n * (n - 1))

    Args:
      states: E.
      languages: J.
      width: D.
    """

    def __init__(self, states: int, languages: int, width: int):
        self._shared_JJ = np.zeros((languages, languages), np.int64)
        self._sum_EJJD = np.zeros((states, languages, languages, width))  # the first one's, over shared items
        self._parallel_EJJ = np.zeros((states, languages, languages))

    def add(self, unit_qED: np.ndarray, item: np.ndarray, language: np.ndarray) -> None:
        """Adds whole items.

        Args:
          unit_qED: unit vectors of the queries after each layer.
          item, language: int [q], of each query; an item has at most one text of a language.
        """
        if not len(item):
            return
        items, place = np.unique(item, return_inverse=True)
        has_JI = np.zeros((len(self._shared_JJ), len(items)))
        has_JI[language, place] = 1
        self._shared_JJ += (has_JI @ has_JI.T).astype(np.int64)
        for state in range(unit_qED.shape[1]):
            unit_JID = np.zeros((*has_JI.shape, unit_qED.shape[2]))  # zeros if the item lacks the language
            unit_JID[language, place] = unit_qED[:, state]
            self._sum_EJJD[state] += has_JI @ unit_JID
            flat = unit_JID.reshape(len(has_JI), -1)
            self._parallel_EJJ[state] += flat @ flat.T

    def means(self) -> tuple[np.ndarray, np.ndarray]:
        """(parallel [E, J], random [E, J]): for each language, the means over the languages it is paired with."""
        n_JJ = np.maximum(self._shared_JJ, _FEWEST)  # pairs with fewer do not count
        all_EJJ = np.einsum("ejkd,ekjd->ejk", self._sum_EJJD, self._sum_EJJD)
        parallel_EJJ = self._parallel_EJJ / n_JJ
        random_EJJ = (all_EJJ - self._parallel_EJJ) / (n_JJ * (n_JJ - 1))
        weight_JJ = _counted(self._shared_JJ).astype(float)
        weight_JJ /= weight_JJ.sum(axis=1, keepdims=True)
        return tuple(np.einsum("ejk,jk->ej", values, weight_JJ) for values in (parallel_EJJ, random_EJJ))


def probe_layers(
    parallel: ParallelTexts,
    model: Model,
    mesh: Mesh,
    *,
    texts_per_device: int,
    poll: Callable[[], None] = lambda: None,
    shown: bool = False,
) -> dict:
    """Mean cosines of parallel texts and of random pairs after each layer; all processes of a job must call it alike.

    Args:
      parallel: the texts.
      model: the model.
      mesh: its devices each take a share of the texts.
      texts_per_device: the most texts a device gets at a time.
      poll: called between two blocks of texts; raises to stop.
      shown: whether to show a progress bar, on a terminal.

    Returns:
      {"items", "pooling", "layers": [0, ...], "left_out": codes, "by_language": {code: {"items", "parallel": [...],
      "random": [...], "gap": [...]}}, "mean": {"parallel": ..., "random": ..., "gap": ...}}.

    Raises:
      InputError: a text's vector is not finite.
    """
    sums = PairSums(model.encoder.layers + 1, len(parallel.languages), model.encoder.width)
    held_qED, done = None, 0  # vectors of texts whose item may continue in the next block
    for unit_qED in _blocks(parallel.texts, model, mesh, texts_per_device, poll, shown):
        held_qED = unit_qED if held_qED is None else np.concatenate([held_qED, unit_qED])
        stop = done + len(held_qED)
        last = parallel.item[stop - 1] + (stop == len(parallel.item))
        whole = slice(done, int(np.searchsorted(parallel.item, last)))
        sums.add(held_qED[: whole.stop - done], parallel.item[whole], parallel.language[whole])
        held_qED, done = held_qED[whole.stop - done :], whole.stop
    return _result(parallel, model.pooling, *sums.means())


def _blocks(texts, model: Model, mesh: Mesh, texts_per_device: int, poll, shown: bool) -> Iterator[np.ndarray]:
    """Yields float32 [q, E, D]: unit vectors of the texts after each layer, block by block, by one program."""
    per_device = min(texts_per_device, -(-len(texts) // mesh.size))
    block = per_device * mesh.size
    form = packing.text_format(model.text, model.tokenizer, "query", model.said)
    filled = form.own_texts([*texts, *[""] * (-len(texts) % block)])  # pads the last block
    values, offsets = model.tokenizer.encode(filled)
    text = _with_short_rows(model, int(np.diff(offsets).max()))

    def packed(start: int, least_rows: int) -> dict:
        own = offsets[start : start + block + 1]
        return packing.pack_texts(values, own, text, model.tokenizer, "query", shares=mesh.size, least_rows=least_rows)

    starts = range(0, len(texts), block)
    rows = max(packed(start, 0)["tokens"].shape[1] for start in starts)
    shares = meshes.host_shares(mesh, jax.process_index())
    encode = _encoder(model, text.segments, mesh)
    hidden = None if shown else True  # None: shown on a terminal only
    for start in tqdm(starts, desc="probing layers", unit=" blocks", disable=hidden, leave=False):
        poll()
        batch = {name: array[shares] for name, array in packed(start, rows).items()}
        unit_PbED = encode(model.parameters, meshes.put_batch(batch, mesh))
        if jax.process_count() > 1:
            unit_PbED = multihost_utils.process_allgather(unit_PbED, tiled=True)
        unit_qED = np.asarray(unit_PbED).reshape(block, *unit_PbED.shape[2:])[: len(texts) - start]
        _check_finite(unit_qED, model)
        yield unit_qED


def _with_short_rows(model: Model, longest: int) -> TextConfig:
    """The model's text configuration with rows just long enough for texts of `longest` tokens.

    The cost of attention grows with the length of a row, and questions are short: this makes a model of 512 positions
    twice as fast.
    """
    around = packing.text_format(model.text, model.tokenizer, "query", model.said).around
    row = min(model.text.row_tokens, -(-(around + max(1, longest)) // _ROW_MULTIPLE) * _ROW_MULTIPLE)
    lengths = {name: min(getattr(model.text, name), row) for name in ("query_length", "passage_length")}
    return dataclasses.replace(model.text, **lengths, row_length=row, row_segments=0)


def _encoder(model: Model, segments: int, mesh: Mesh) -> Callable:
    """The jitted function (parameters, batch) -> float32 [P, b, E, D], unit vectors after each layer."""

    @functools.partial(jax.jit, out_shardings=meshes.batch_sharding(mesh))
    def encode(parameters, batch: dict):
        shares, rows, length = batch["tokens"].shape
        flat = [batch[name].reshape(shares * rows, length) for name in ("tokens", "segments", "positions")]
        vectors = []
        for hidden_RLD in nnx.merge(model.graph, parameters).states(*flat):
            pooled_RSD = pool(hidden_RLD, *flat[1:], segments=segments, mode=model.pooling)
            slots = normalize(pooled_RSD).reshape(shares, rows * segments, -1)
            vectors.append(jnp.take_along_axis(slots, batch["slots"][:, :, None], axis=1))
        return jnp.stack(vectors, axis=2)

    return encode


def _check_finite(unit_qED: np.ndarray, model: Model) -> None:
    broken = np.flatnonzero(~np.isfinite(unit_qED).all(axis=(0, 2)))
    if broken.size:
        raise InputError(f"--layer_probe: vectors after layer {broken[0]} are not finite: {why_not_finite(model)}")


def _result(parallel: ParallelTexts, pooling: str, parallel_EJ: np.ndarray, random_EJ: np.ndarray) -> dict:
    items_J = np.bincount(parallel.language, minlength=len(parallel.languages)).tolist()
    return {
        "items": parallel.items,
        "pooling": pooling,
        "layers": list(range(len(parallel_EJ))),
        "left_out": list(parallel.left_out),
        "by_language": {
            code: {"items": items_J[place], **_curves(parallel_EJ[:, place], random_EJ[:, place])}
            for place, code in enumerate(parallel.languages)
        },
        "mean": _curves(parallel_EJ.mean(axis=1), random_EJ.mean(axis=1)),
    }


def _curves(parallel_E: np.ndarray, random_E: np.ndarray) -> dict[str, list[float]]:
    curves = {"parallel": parallel_E, "random": random_E, "gap": parallel_E - random_E}
    return {name: values.round(_DECIMALS).tolist() for name, values in curves.items()}

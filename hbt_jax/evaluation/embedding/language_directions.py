"""The directions of language in a model's embeddings, estimated on a folder of texts, and the model without them."""

import os
from collections.abc import Callable, Mapping, Sequence

import numpy as np
from jax.sharding import Mesh

from hbt_jax import languages
from hbt_jax.errors import InputError
from hbt_jax.evaluation.embedding.embed import Embedder
from hbt_jax.evaluation.reading.text_lines import read_lines
from hbt_jax.models.model import Model
from hbt_jax.models.projection import top_directions, without_directions

_EXPECTED = "expected LANGUAGE.txt or LANGUAGE.txt.gz, one text per line, for at least two languages"
_MOST_TEXTS = 2_000  # of a language: its mean is known well enough
_TEXTS_PER_DEVICE = 256


def read_language_texts(folder: str) -> dict[str, list[str]]:
    """Language -> the first texts of its file, without blank lines.

    Raises:
      InputError: there is no such folder, it has fewer than two languages, two files are of one, or a file is not text.
    """
    if not os.path.isdir(folder):
        raise InputError(f"--language_texts={folder}: no such folder: {_EXPECTED}")
    names = sorted({name.removesuffix(".gz") for name in os.listdir(folder)})
    named = {name: name.removesuffix(".txt") for name in names if name.endswith(".txt")}
    known = {os.path.join(folder, name): code for name, code in named.items() if languages.is_known(code)}
    found = {}
    for code, path in languages.by_language(known, _EXPECTED).items():
        texts = found.setdefault(code, [])
        for _, line in read_lines(path, _EXPECTED):
            if line.strip() and len(texts) < _MOST_TEXTS:
                texts.append(line)
    if len(found) < 2:
        raise InputError(f"--language_texts={folder}: texts of {len(found)} known languages: {_EXPECTED}")
    return found


def language_means(
    model: Model, texts: Mapping[str, Sequence[str]], mesh: Mesh, poll: Callable[[], None] = lambda: None
) -> np.ndarray:
    """float32 [L, D]: the mean embedding of the texts of each language, as passages.

    Args:
      model: the model.
      texts: by language.
      mesh: where they are embedded; every process must be given the same texts.
      poll: called between blocks of texts; raises to stop.
    """
    embedder = Embedder(model, mesh, texts_per_device=_TEXTS_PER_DEVICE, poll=poll, shown=False)
    together = [text for own in texts.values() for text in own]
    vectors = np.split(embedder(together, "passage"), np.cumsum([len(own) for own in texts.values()])[:-1])
    return np.stack([own_ND.mean(axis=0, dtype=np.float64) for own_ND in vectors]).astype(np.float32)


def without_language_directions(
    model: Model,
    texts: Mapping[str, Sequence[str]],
    count: int,
    mesh: Mesh,
    poll: Callable[[], None] = lambda: None,
) -> Model:
    """The model without the directions in which the means of languages vary most; arguments as for `language_means`.

    Raises:
      InputError: there are not so many directions, or the model cannot take in the map.
    """
    return without_directions(model, top_directions(language_means(model, texts, mesh, poll), count))

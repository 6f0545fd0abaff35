"""Keeps the results of finished shards on disk, so that an interrupted evaluation continues where it stopped.

    FOLDER/KEY/SHARD-DIGEST.npz    the first K candidates of every query among the passages of one shard

KEY is a digest of everything that determines these results except the shard: parameters, architecture, tokenizer,
prefixes, lengths, dtype, queries, how the text of a passage is made, and K.  DIGEST is the digest of the shard's lines.
So a changed model, setting, query or shard never finds results of another one.
"""

import dataclasses
import hashlib
import json
import zipfile
from pathlib import Path

import jax
import numpy as np

import hbt_jax
from hbt_jax.errors import InputError
from hbt_jax.evaluation.benchmarks.streamed import Shard, StreamedBenchmark
from hbt_jax.evaluation.streamed.check import ShardContent
from hbt_jax.files import atomic_file
from hbt_jax.models.model import Model

_VERSION = 2  # of the computation and of the file format


@dataclasses.dataclass(frozen=True)
class ShardTop:
    """The first K candidates of each query among the passages of one shard.

    Attributes:
      score_QK: float32, descending; -inf beyond the last candidate.
      id_QK: bytes, the published ids; b"" beyond the last candidate.
      sums: int64 [5], token counts of the passages as in TokenCounts.sums.
    """

    score_QK: np.ndarray
    id_QK: np.ndarray
    sums: np.ndarray


def ranking_key(model: Model, compute_dtype: str, benchmark: StreamedBenchmark, depth: int) -> str:
    """KEY of one model, in hexadecimal; it does not depend on the number of devices and processes.

    Args:
      model: with the prefixes and lengths that are used; its parameters are whole on this process's devices.
      compute_dtype: of matrix products in the encoder.
      benchmark: its queries and settings.
      depth: K.
    """
    digest = hashlib.sha256()
    queries = benchmark.queries
    described = {
        "version": [_VERSION, hbt_jax.__version__],
        "encoder": model.encoder.values(),
        "pooling": model.pooling,
        "normalize": model.normalize,
        "text": dataclasses.asdict(model.text),
        "tokenizer": model.tokenizer.fingerprint,
        "compute_dtype": compute_dtype,
        "depth": depth,
        "candidate_text": benchmark.settings.get("candidate_text", ""),
        "queries": list(zip(queries.ids, queries.texts, strict=True)),
    }
    digest.update(json.dumps(described, sort_keys=True, default=str).encode())
    for path, leaf in jax.tree_util.tree_leaves_with_path(model.parameters):
        values = np.asarray(leaf)
        digest.update(f"{jax.tree_util.keystr(path)} {values.dtype} {values.shape}".encode())
        digest.update(np.ascontiguousarray(values).view(np.uint8))
    return digest.hexdigest()[:32]


class KeptShards:
    """The kept results of one evaluation.

    Args:
      folder: FOLDER.
      key: KEY.
    """

    def __init__(self, folder: str, key: str):
        self.folder, self._key = Path(folder), key

    def others(self) -> tuple[int, int]:
        """The number of results with other keys, and their size in bytes."""
        sizes = [path.stat().st_size for path in self.folder.glob("*/*.npz") if path.parent.name != self._key]
        return len(sizes), sum(sizes)

    def path(self, shard: Shard, found: ShardContent) -> Path:
        """The file with the results of a shard once it is finished."""
        return self.folder / self._key / f"{shard.name}-{found.digest}.npz"

    def has(self, shard: Shard, found: ShardContent) -> bool:
        """Whether a shard has been finished."""
        return self.path(shard, found).is_file()

    def write(self, shard: Shard, found: ShardContent, top: ShardTop) -> None:
        """Writes the results of a shard, whole or not at all."""
        ids, place = np.unique(top.id_QK, return_inverse=True)
        with atomic_file(str(self.path(shard, found))) as file:
            np.savez(
                file,
                score_QK=top.score_QK,
                ids=ids,
                place_QK=place.reshape(top.id_QK.shape).astype(np.int32),
                sums=top.sums,
            )

    def read(self, shard: Shard, found: ShardContent) -> ShardTop:
        """The results of a finished shard.

        Raises:
          InputError: they are damaged or missing.
        """
        path = self.path(shard, found)
        try:
            with np.load(path) as content:
                return ShardTop(content["score_QK"], content["ids"][content["place_QK"]], content["sums"])
        except FileNotFoundError as error:
            raise InputError(
                f"{path}: no such file, though the shard is finished: --out must be a folder that all processes share"
            ) from error
        except (ValueError, KeyError, EOFError, zipfile.BadZipFile) as error:
            raise InputError(f"{path}: damaged ({error}): delete it and repeat the command") from error

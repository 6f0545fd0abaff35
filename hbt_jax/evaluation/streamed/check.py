"""Takes an inventory of the shards of a corpus: each is read once before anything is embedded.

So damaged files, wrong lines, duplicate ids and missing judged passages are reported at once and not after hours;
progress bars have a total; and each shard has a digest, which identifies its kept results.  The inventory is kept
beside the results, with 16 bytes per passage (digests of its id and of its text, for copies.py), and is reused as long
as the size and modification time of a shard stay the same.  While a shard is read, it takes up to about 40 bytes of
memory for each of its passages.
"""

import dataclasses
import hashlib
import json
import os
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

import numpy as np
from tqdm import tqdm

from hbt_jax import json_text
from hbt_jax.errors import InputError
from hbt_jax.evaluation.benchmarks.streamed import Shard, StreamedBenchmark, own_id
from hbt_jax.evaluation.processes import Processes, on_every_process, shares, work_together
from hbt_jax.evaluation.streamed.read import passages
from hbt_jax.files import atomic_file
from hbt_jax.text_identity import JUDGED, identity_keys

_ID_BYTES = 8
_LINES_A_POLL = 10_000
_IDS_TOGETHER = 2**23  # digests compared at once: 64 MiB
NO_TEXT = identity_keys([""], JUDGED)[0]  # the digest of a text without a visible character


@dataclasses.dataclass(frozen=True)
class ShardContent:
    """What one shard holds.

    Attributes:
      passages: their number.
      empty: how many have no visible character.
      digest: of the shard's lines, in hexadecimal.
    """

    passages: int
    empty: int
    digest: str


def take_inventory(
    benchmark: StreamedBenchmark, folder: str, processes: Processes, poll: Callable[[], None], *, shown: bool
) -> dict[str, ShardContent]:
    """Reads every shard once, and checks ids and judgements.

    Args:
      benchmark: its shards are read.
      folder: where the inventory is kept; the processes must share it.
      processes: divide the shards among themselves.
      poll: called regularly; raises to stop.
      shown: whether to show a progress bar, on a terminal.

    Returns:
      Name of a shard -> its content.

    Raises:
      InputError: a shard is wrong, an id occurs twice in a language, or a judged passage is not in its corpus.
    """
    os.makedirs(folder, exist_ok=True)
    shards = benchmark.shards
    sizes = [os.path.getsize(shard.path) for shard in shards]
    hidden = None if shown else True  # None: shown on a terminal only
    todo = [number for number, shard in enumerate(shards) if _read(folder, shard) is None]
    processes.agree(False)  # all processes have looked before one of them writes
    wanted = [sizes[number] for number in todo]
    own = sum(wanted[piece] for piece in shares(wanted, processes.count)[processes.index])
    with tqdm(total=own, desc="reading passages", unit="B", unit_scale=True, disable=hidden, leave=False) as bar:

        def work(piece: int) -> None:
            _write(folder, benchmark, shards[todo[piece]], poll)
            bar.update(wanted[piece])

        work_together(processes, wanted, work)
    found = {shard.name: _read(folder, shard) for shard in shards}
    unseen = [name for name, one in found.items() if one is None]
    if unseen:
        raise InputError(
            f"{folder}: the inventory of {unseen[0]} is missing, although a process wrote it: --out must be a folder"
            " that all processes share, and the corpus must not change during the evaluation"
        )
    on_every_process(processes, lambda: _check(benchmark, folder, poll))
    return found


def _check(benchmark: StreamedBenchmark, folder: str, poll: Callable[[], None]) -> None:
    """Raises InputError if an id occurs twice in a language, or a judged passage is not in its corpus."""
    for code in benchmark.languages:
        own = [shard for shard in benchmark.shards if shard.language == code]
        _check_unique(own, folder, benchmark, poll)
        _check_judged(own, folder, benchmark, code)


def _paths(folder: str, shard: Shard) -> tuple[Path, Path, Path]:
    """The files of the description, of the digests of ids and of those of texts."""
    described, ids, texts = (Path(folder, f"{shard.name}.{end}") for end in ("json", "npy", "texts.npy"))
    return described, ids, texts


def _state(shard: Shard) -> dict:
    """What shows whether a shard has changed since it was read."""
    status = os.stat(shard.path)
    return {"path": os.path.realpath(shard.path), "bytes": status.st_size, "changed_ns": status.st_mtime_ns}


def _read(folder: str, shard: Shard) -> ShardContent | None:
    """The kept content of a shard; None if there is none, or if the file has changed since."""
    described, *digests = _paths(folder, shard)
    if not all(path.is_file() for path in (described, *digests)):
        return None
    try:
        content = json_text.read(described)
        if content["shard"] != _state(shard):
            return None
        return ShardContent(**content["found"])
    except (ValueError, KeyError, TypeError) as error:
        raise InputError(f"{described}: not what an evaluation writes ({error}): delete it to rebuild it") from error


def _write(folder: str, benchmark: StreamedBenchmark, shard: Shard, poll: Callable[[], None]) -> None:
    """Reads a shard and writes its content to the inventory."""
    state, digest, ids = _state(shard), hashlib.blake2b(digest_size=16), bytearray()
    keys, texts = [], []
    for count, (_, line, id_, text) in enumerate(passages(shard, benchmark.passage)):
        if count % _LINES_A_POLL == 0:
            poll()
            keys.append(identity_keys(texts, JUDGED))
            texts.clear()
        digest.update(line.encode() + b"\n")
        ids += id_digest(id_)
        texts.append(text)
    id_N, text_N = np.frombuffer(ids, np.uint64), np.concatenate([*keys, identity_keys(texts, JUDGED)])
    found = ShardContent(len(id_N), int((text_N == NO_TEXT).sum()), digest.hexdigest())
    order_N = np.argsort(id_N, kind="stable")
    described, *paths = _paths(folder, shard)
    for path, digests in zip(paths, (id_N, text_N), strict=True):
        with atomic_file(str(path)) as file:
            np.save(file, digests[order_N])
    with atomic_file(str(described)) as file:
        file.write(json.dumps({"shard": state, "found": dataclasses.asdict(found)}).encode())


def id_digest(id_: str) -> bytes:
    """8 bytes that stand for a passage's published id."""
    return hashlib.blake2b(id_.encode(), digest_size=_ID_BYTES).digest()


def digests_of(folder: str, shard: Shard) -> tuple[np.ndarray, np.ndarray]:
    """The kept digests of a shard's passages, read from disk as needed.

    Returns:
      (digests of ids, ascending; digests of texts in the same order), uint64 [N] each.  Passages with the same text
      have the same digest, which is NO_TEXT if no character is visible.
    """
    ids, texts = (np.load(path, mmap_mode="r") for path in _paths(folder, shard)[1:])
    return ids, texts


def _digests(folder: str, shards: Sequence[Shard]) -> list[np.ndarray]:
    """The digests of the ids of each shard, ascending."""
    return [digests_of(folder, shard)[0] for shard in shards]


def _check_unique(shards: Sequence[Shard], folder: str, benchmark: StreamedBenchmark, poll: Callable[[], None]) -> None:
    for repeated in _repeated(_digests(folder, shards)):
        poll()
        if repeated.size:
            _check_repeated(shards, set(repeated.tolist()), benchmark, poll)


def _repeated(digests: Sequence[np.ndarray]) -> Iterator[np.ndarray]:
    """Yields the digests that occur more than once, in parts, in ascending order."""
    parts = -(-sum(map(len, digests)) // _IDS_TOGETHER)
    bounds = np.array([part * 2**64 // parts for part in range(1, parts)], np.uint64)
    cuts = [[0, *np.searchsorted(one, bounds).tolist(), len(one)] for one in digests]
    for part in range(parts):
        together = np.sort(
            np.concatenate([one[cut[part] : cut[part + 1]] for one, cut in zip(digests, cuts, strict=True)])
        )
        yield np.unique(together[1:][together[1:] == together[:-1]])


def _check_repeated(
    shards: Sequence[Shard], repeated: set[int], benchmark: StreamedBenchmark, poll: Callable[[], None]
) -> None:
    """Raises InputError for the first id that really occurs twice; different ids may have the same digest."""
    first: dict[str, str] = {}
    for shard in shards:
        for count, (place, _, id_, _) in enumerate(passages(shard, benchmark.passage)):
            if count % _LINES_A_POLL == 0:
                poll()
            if int(np.frombuffer(id_digest(id_), np.uint64)[0]) in repeated:
                if id_ in first:
                    raise InputError(
                        f"{place}: duplicate docid {id_!r}, first at {first[id_]}: docids must be unique in a language"
                    )
                first[id_] = place


def _check_judged(shards: Sequence[Shard], folder: str, benchmark: StreamedBenchmark, code: str) -> None:
    """Raises InputError if a judged passage is in no shard of its language."""
    queries = zip(benchmark.queries.ids, benchmark.queries.languages, benchmark.grades, strict=True)
    judged = [(query, id_) for query, language, grades in queries if language == code for id_ in grades]
    wanted = np.frombuffer(b"".join(id_digest(id_) for _, id_ in judged), np.uint64)
    there = np.zeros(len(wanted), bool)
    for digests in _digests(folder, shards):
        place = np.minimum(np.searchsorted(digests, wanted), len(digests) - 1)
        there |= digests[place] == wanted
    missing = np.flatnonzero(~there)
    if missing.size:
        query, id_ = judged[missing[0]]
        raise InputError(
            f"{benchmark.name}: {missing.size:,} of {len(judged):,} judgements in {code!r} name a passage that is not"
            f" in {os.path.dirname(shards[0].path)}, the first is {id_!r} of query {own_id(query)!r}: fetch topics,"
            " qrels and corpus of one version"
        )

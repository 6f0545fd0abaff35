"""Stores at gs://BUCKET/FOLDER: copied once to a folder of this machine, checked meanwhile, and mapped from there.

    CACHE/NAME-SPLIT-FINGERPRINT-MANIFEST/          a whole copy; of the fingerprint and of the manifest's digest, the
                                                    first digits: other data, or another tokenizer, is another folder
    CACHE/NAME-SPLIT-FINGERPRINT-MANIFEST.partial/  one that is being made: files that have their name are whole
    CACHE/.NAME-SPLIT-FINGERPRINT-MANIFEST.held
                                                    says which process makes it (hbt_jax/holding.py); the others wait

A copy that was killed goes on after the files that were whole.  Nothing here is ever removed, but a copy that is found
damaged: empty the folder when you like.
"""

import concurrent.futures
import hashlib
import os
import pathlib
import re
import shutil
import sys
import threading

from tqdm import tqdm

from hbt_jax.data.manifest import MANIFEST, files, fingerprint, parse_manifest
from hbt_jax.data.remote import RemoteFolder
from hbt_jax.errors import InputError
from hbt_jax.files import cache_folder, disk_errors, synced_file
from hbt_jax.holding import held
from hbt_jax.places import is_remote

_FILES = 4  # copied at the same time


def default_cache() -> pathlib.Path:
    """The folder of copies where --store_cache names none."""
    return cache_folder("stores")


def local_store(path: str | os.PathLike, cache_dir: str | os.PathLike = "") -> pathlib.Path:
    """The folder of a store on this machine: the path itself, or a whole copy of a store at a place with a scheme.

    The copy is made when it is not there yet; of several processes one makes it.  The place is asked for its manifest
    every time, so that a store that was replaced there is another copy here.

    Args:
      path: folder, or gs://BUCKET/FOLDER.
      cache_dir: folder of copies; empty: `default_cache`.

    Raises:
      InputError: the place cannot be read or holds no whole store, what is copied is not what its manifest says, or the
        folder of copies is full or cannot be written.
    """
    if not is_remote(path):
        return pathlib.Path(path)
    remote = RemoteFolder(os.fspath(path))
    content, manifest = remote_manifest(remote)
    cache = pathlib.Path(cache_dir) if cache_dir else default_cache()
    folder = cache / _name(content, manifest)
    with disk_errors(cache, "--store_cache", "files that are copied are not copied again"):
        if not _is_whole(folder, content, manifest):
            with held(folder, "--store_cache", beside=True, wait=f"which is copying {remote.place} to {folder}"):
                if not _is_whole(folder, content, manifest):  # another process may have made it meanwhile
                    _copy(remote, content, manifest, folder)
    return folder


def remote_manifest(remote: RemoteFolder) -> tuple[bytes, dict]:
    """The manifest of a store at a place with a scheme, as it lies there and parsed.

    Raises:
      InputError: it cannot be read, is not there, or is wrong.
    """
    content = remote.read(MANIFEST)
    if content is None:
        raise InputError(
            f"store {remote.place}: no {MANIFEST} there, so there is no store or it was not uploaded whole; check the"
            " bucket and the folder, or upload it again"
        )
    return content, parse_manifest(content, f"{remote.place}/{MANIFEST}")


def _name(content: bytes, manifest: dict) -> str:
    words = re.sub(r"[^\w.-]", "_", f"{manifest['name']}-{manifest['split']}")[:80].lstrip(".")
    return f"{words}-{fingerprint(manifest).removeprefix('sha256:')[:16]}-{hashlib.sha256(content).hexdigest()[:8]}"


def _is_whole(folder: pathlib.Path, content: bytes, manifest: dict) -> bool:
    """Whether a copy has its manifest, which comes last, and all files in their sizes."""
    try:
        same = (folder / MANIFEST).read_bytes() == content
        return same and all((folder / file["file"]).stat().st_size == file["bytes"] for file in files(manifest))
    except FileNotFoundError:
        return False


def _copy(remote: RemoteFolder, content: bytes, manifest: dict, folder: pathlib.Path) -> None:
    if folder.exists():
        _say(f"{folder}: damaged, so it is made again")
        shutil.rmtree(folder)
    partial = folder.with_name(folder.name + ".partial")
    missing = [file for file in files(manifest) if not _has(partial, file)]
    size = sum(file["bytes"] for file in missing)
    _check_room(folder.parent, size)
    _say(f"{remote.place}: copying {size / 1e9:,.2f} GB to {folder}")
    stop = threading.Event()
    bar = tqdm(desc="copied", total=size, unit="B", unit_scale=True, disable=None)
    with bar, concurrent.futures.ThreadPoolExecutor(_FILES) as pool:
        jobs = [pool.submit(_copy_file, remote, file, partial, stop, bar) for file in missing]
        try:
            for job in concurrent.futures.as_completed(jobs):
                job.result()
        except BaseException:
            stop.set()
            pool.shutdown(cancel_futures=True)
            raise
    with synced_file(partial / MANIFEST) as file:
        file.write(content)
    partial.rename(folder)


def _has(partial: pathlib.Path, file: dict) -> bool:
    """Whether an earlier copy, which ended before its time, has made a file: it got its name once it was checked."""
    path = partial / file["file"]
    return path.is_file() and path.stat().st_size == file["bytes"]


def _check_room(cache: pathlib.Path, size: int) -> None:
    free = shutil.disk_usage(cache).free
    if size > free:
        raise InputError(
            f"{cache}: {free / 1e9:,.2f} GB are free, but the copy takes {size / 1e9:,.2f} GB more; make room, or name"
            " a folder of a larger disk by --store_cache"
        )


def _copy_file(remote: RemoteFolder, file: dict, partial: pathlib.Path, stop: threading.Event, bar: tqdm) -> None:
    """Copies and checks one file; it gets its name when it is whole and on the disk."""
    place, expected = f"{remote.place}/{file['file']}", file["bytes"]
    found = remote.size(file["file"])
    if found != expected:
        what = "missing" if found is None else f"{found:,} bytes, expected {expected:,}"
        raise InputError(f"{place}: {what}, by the store's {MANIFEST}: upload the store again")
    target = partial / file["file"]
    target.parent.mkdir(parents=True, exist_ok=True)
    unfinished = target.with_name(target.name + ".unfinished")
    digest = hashlib.sha256()
    with synced_file(unfinished) as copy:
        for block in remote.blocks(file["file"], expected):
            if stop.is_set():
                return
            digest.update(block)
            copy.write(block)
            bar.update(len(block))
    if digest.hexdigest() != file["sha256"]:
        raise InputError(
            f"{place}: damaged, or replaced meanwhile (sha256 {digest.hexdigest()[:12]}..., expected"
            f" {file['sha256'][:12]}... by the store's {MANIFEST}): try again, or upload the store again"
        )
    unfinished.replace(target)


def _say(line: str) -> None:
    print(line, file=sys.stderr, flush=True)

"""Copies stores at gs://BUCKET/FOLDER once to a local folder, verifies them while copying, and maps them from there.

    CACHE/NAME-SPLIT-FINGERPRINT-MANIFEST/          a complete copy, named by the first digits of the fingerprint and of
                                                    the manifest's digest, so that other data has another folder
    CACHE/NAME-SPLIT-FINGERPRINT-MANIFEST.partial/  a copy that is being made; files with their final name are complete
    CACHE/.NAME-SPLIT-FINGERPRINT-MANIFEST.held     says which process makes it (hbt_jax/holding.py); the others wait

An interrupted copy resumes after its complete files.  Nothing is ever removed except damaged copies: empty the folder
whenever you like.
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

_FILES = 4  # files copied at a time


def default_cache() -> pathlib.Path:
    """The folder of copies if --store_cache names none."""
    return cache_folder("stores")


def local_store(path: str | os.PathLike, cache_dir: str | os.PathLike = "") -> pathlib.Path:
    """The local folder of a store: the path itself, or a complete copy of a store in a bucket.

    A missing copy is made, by one of several processes.  The manifest is read from the bucket every time, so a replaced
    store gets a new copy.

    Args:
      path: folder, or gs://BUCKET/FOLDER.
      cache_dir: folder of copies; empty: `default_cache`.

    Raises:
      InputError: the bucket cannot be read or holds no complete store, a file is not what the manifest says, or the
        folder of copies is full or cannot be written.
    """
    if not is_remote(path):
        return pathlib.Path(path)
    remote = RemoteFolder(os.fspath(path))
    content, manifest = remote_manifest(remote)
    cache = pathlib.Path(cache_dir) if cache_dir else default_cache()
    folder = cache / _name(content, manifest)
    with disk_errors(cache, "--store_cache", "files that are complete are not copied again"):
        if not _is_whole(folder, content, manifest):
            with held(folder, "--store_cache", beside=True, wait=f"which is copying {remote.place} to {folder}"):
                if not _is_whole(folder, content, manifest):  # another process may have made it meanwhile
                    _copy(remote, content, manifest, folder)
    return folder


def remote_manifest(remote: RemoteFolder) -> tuple[bytes, dict]:
    """The manifest of a store in a bucket, as bytes and parsed.

    Raises:
      InputError: it cannot be read, is missing, or is wrong.
    """
    content = remote.read(MANIFEST)
    if content is None:
        raise InputError(
            f"store {remote.place}: no {MANIFEST} there, so there is no store or its upload was not finished; check the"
            " bucket and the folder, or upload it again"
        )
    return content, parse_manifest(content, f"{remote.place}/{MANIFEST}")


def _name(content: bytes, manifest: dict) -> str:
    words = re.sub(r"[^\w.-]", "_", f"{manifest['name']}-{manifest['split']}")[:80].lstrip(".")
    return f"{words}-{fingerprint(manifest).removeprefix('sha256:')[:16]}-{hashlib.sha256(content).hexdigest()[:8]}"


def _is_whole(folder: pathlib.Path, content: bytes, manifest: dict) -> bool:
    """Whether a copy has its manifest, which is written last, and all files with their sizes."""
    try:
        same = (folder / MANIFEST).read_bytes() == content
        return same and all((folder / file["file"]).stat().st_size == file["bytes"] for file in files(manifest))
    except FileNotFoundError:
        return False


def _copy(remote: RemoteFolder, content: bytes, manifest: dict, folder: pathlib.Path) -> None:
    if folder.exists():
        _say(f"{folder}: damaged; it is copied again")
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
    """Whether an earlier, interrupted copy has completed a file: it gets its name only after it was checked."""
    path = partial / file["file"]
    return path.is_file() and path.stat().st_size == file["bytes"]


def _check_room(cache: pathlib.Path, size: int) -> None:
    free = shutil.disk_usage(cache).free
    if size > free:
        raise InputError(
            f"{cache}: {free / 1e9:,.2f} GB are free, but the copy needs {size / 1e9:,.2f} GB; make room, or name a"
            " folder on a larger disk by --store_cache"
        )


def _copy_file(remote: RemoteFolder, file: dict, partial: pathlib.Path, stop: threading.Event, bar: tqdm) -> None:
    """Copies and checks one file; it gets its name when it is complete and on disk."""
    place, expected = f"{remote.place}/{file['file']}", file["bytes"]
    found = remote.size(file["file"])
    if found != expected:
        what = "missing, though it is listed in" if found is None else f"{found:,} bytes, expected {expected:,} by"
        raise InputError(f"{place}: {what} the store's {MANIFEST}: upload the store again")
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

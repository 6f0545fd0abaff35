#!/usr/bin/env python3
"""Uploads a store to a bucket, manifest last, so that a partly uploaded store never opens.

    python data_prep/upload_store.py STORE gs://BUCKET/FOLDER

launch/train.py then reads it by `--stores=gs://BUCKET/FOLDER`.  A complete store is never overwritten; the remains of
an interrupted upload are.  The place is held meanwhile (hbt_jax/bucket/hold.py), so that two uploads never mix.
"""

import concurrent.futures
import contextlib
import functools
import os
import pathlib
import shutil
import sys
import tempfile
from collections.abc import Iterator

from tqdm import tqdm

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent.parent))

from hbt_jax.bucket.hold import held_anywhere  # noqa: E402
from hbt_jax.data.manifest import MANIFEST, files, read_manifest  # noqa: E402
from hbt_jax.data.remote import RemoteFolder  # noqa: E402
from hbt_jax.data.store import open_store  # noqa: E402
from hbt_jax.ending import before_sudden_end, remove_in_use  # noqa: E402
from hbt_jax.errors import InputError, Interrupted  # noqa: E402
from hbt_jax.files import DISK_FULL  # noqa: E402
from hbt_jax.places import is_remote  # noqa: E402

_FILES = 4  # files uploaded at a time


@contextlib.contextmanager
def local_output(out_dir: str | os.PathLike, flag: str = "--out_dir") -> Iterator[pathlib.Path]:
    """Yields the folder to write a store to: OUT_DIR, or a temporary one that is uploaded there when the block ends.

    A place in a bucket is held from the start, so that a second command for it ends before it does any work.  If the
    upload fails, the store is kept and the user is told where it is.

    Args:
      out_dir: folder, or gs://BUCKET/FOLDER.
      flag: the flag that gave it.

    Raises:
      InputError: OUT_DIR is in a bucket and already holds a store, is in use by another process, or it cannot be
        reached or written.
    """
    if not is_remote(out_dir):
        yield pathlib.Path(out_dir)
        return
    place = os.fspath(out_dir)
    check_absent(RemoteFolder(place), flag)  # before hours of work
    with held_anywhere(place, flag):
        yield from _uploaded(place, flag)


def _uploaded(place: str, flag: str) -> Iterator[pathlib.Path]:
    """Yields a temporary folder and then uploads the store in it, see `local_output`."""
    folder = pathlib.Path(tempfile.mkdtemp(prefix="store_"))
    try:
        with before_sudden_end(functools.partial(remove_in_use, folder)):
            yield folder / "store"
    except BaseException as error:
        shutil.rmtree(folder, ignore_errors=True)
        if _is_full(error, folder):
            raise InputError(
                f"{folder}: the disk is full; the store is built there before it is uploaded: make room, or set the"
                " environment variable TMPDIR to a folder on another disk"
            ) from error
        raise
    command = f"python data_prep/upload_store.py {folder / 'store'} {place}"
    kept = f"the store is complete in {folder / 'store'}; once the cause is fixed, upload it: {command}"
    say = functools.partial(print, kept, file=sys.stderr)
    try:
        with before_sudden_end(say):
            _upload(folder / "store", place, flag)
    except KeyboardInterrupt as error:
        raise Interrupted(
            f"the store is complete in {folder / 'store'}, but not uploaded; to upload it: {command}"
        ) from error
    except BaseException:
        say()
        raise
    shutil.rmtree(folder)


def _is_full(error: BaseException, folder: pathlib.Path) -> bool:
    """Whether an error says that the disk is full and comes from a file in the folder."""
    cause = error if isinstance(error, OSError) else error.__cause__
    full = isinstance(cause, OSError) and cause.errno in DISK_FULL and cause.filename is not None
    return full and pathlib.Path(cause.filename).is_relative_to(folder)


def check_absent(remote: RemoteFolder, given: str) -> None:
    """Raises InputError if a place already holds a store; `given` is the flag or argument that named the place."""
    if remote.size(MANIFEST) is not None:
        raise InputError(f"{given}={remote.place}: already holds a store: remove it, or name another folder")


def upload_store(store: str | os.PathLike, place: str, given: str = "PLACE") -> None:
    """Copies a complete local store to a bucket, and compares the sizes there.

    Raises:
      InputError: the store is not complete, the place already holds one, is in use by another process, or it cannot be
        written.
    """
    open_store(pathlib.Path(store))
    with held_anywhere(place, given):
        _upload(pathlib.Path(store), place, given)


def _upload(folder: pathlib.Path, place: str, given: str) -> None:
    """Copies a store to a place that this process holds."""
    remote = RemoteFolder(place)
    check_absent(remote, given)
    manifest = read_manifest(folder)
    entries = files(manifest)
    size = sum(entry["bytes"] for entry in entries)
    bar = tqdm(desc="uploaded", total=size, unit="B", unit_scale=True, disable=None)
    with bar, concurrent.futures.ThreadPoolExecutor(_FILES) as pool:
        jobs = {pool.submit(_put, remote, folder, entry["file"], entry["bytes"]): entry for entry in entries}
        try:
            for job in concurrent.futures.as_completed(jobs):
                job.result()
                bar.update(jobs[job]["bytes"])
        except BaseException:
            pool.shutdown(cancel_futures=True)
            raise
    check_absent(remote, given)  # something that does not hold the place may have written a store meanwhile
    _put(remote, folder, MANIFEST, (folder / MANIFEST).stat().st_size)
    print(f"uploaded {size / 1e9:,.2f} GB to {remote.place}", flush=True)
    if "files" not in manifest["tokenizer"]:
        print("note: this store does not contain its tokenizer: commands that read the copy need --tokenizer")


def _put(remote: RemoteFolder, folder: pathlib.Path, name: str, size: int) -> None:
    remote.put(folder / name, name)
    found = remote.size(name)
    if found != size:
        raise InputError(f"{remote.place}/{name}: {found} bytes arrived, expected {size}: upload the store again")


def main(arguments: list[str]) -> None:
    """Uploads what the arguments name."""
    _, store, place = arguments
    if not is_remote(place):
        raise InputError(f"PLACE={place}: expected gs://BUCKET/FOLDER; a local folder is copied by `cp -r`")
    upload_store(store, place)


if __name__ == "__main__":
    from hbt_jax.flags import run_command

    run_command(
        main,
        {"STORE": "folder of a store, as data_prep/build_store.py writes it",
         "PLACE": "gs://BUCKET/FOLDER; must not hold a store yet"},
        ("PLACE",),
    )  # fmt: skip

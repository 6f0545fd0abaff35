#!/usr/bin/env python3
"""Uploads a store to a bucket, its manifest last, so that a store that is there only in part never opens.

    python data_prep/upload_store.py STORE gs://BUCKET/FOLDER

`--stores=gs://BUCKET/FOLDER` of launch/train.py then reads it.  A store that is there already is refused; what a killed
upload left is overwritten.
"""

import concurrent.futures
import contextlib
import os
import pathlib
import shutil
import sys
import tempfile
from collections.abc import Iterator

from tqdm import tqdm

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent.parent))

from hbt_jax.data.manifest import MANIFEST, files, read_manifest  # noqa: E402
from hbt_jax.data.remote import RemoteFolder  # noqa: E402
from hbt_jax.data.store import open_store  # noqa: E402
from hbt_jax.errors import InputError, Interrupted  # noqa: E402
from hbt_jax.files import DISK_FULL  # noqa: E402
from hbt_jax.places import is_remote  # noqa: E402

_FILES = 4  # uploaded at the same time


@contextlib.contextmanager
def local_output(out_dir: str | os.PathLike, flag: str = "--out_dir") -> Iterator[pathlib.Path]:
    """Gives the folder to write a store to: OUT_DIR, or a temporary one that is uploaded there when the block ends.

    A store that could not be uploaded is kept, and the user is told where.

    Args:
      out_dir: folder, or gs://BUCKET/FOLDER.
      flag: what the user gave it by.

    Raises:
      InputError: OUT_DIR has a scheme and a store is there already, or it cannot be reached or written.
    """
    if not is_remote(out_dir):
        yield pathlib.Path(out_dir)
        return
    place = os.fspath(out_dir)
    check_absent(RemoteFolder(place), flag)  # before hours of work
    folder = pathlib.Path(tempfile.mkdtemp(prefix="store_"))
    try:
        yield folder / "store"
    except BaseException as error:
        shutil.rmtree(folder, ignore_errors=True)
        if _is_full(error, folder):
            raise InputError(
                f"{folder}: the disk is full, where the store is built before it is uploaded; make room, or name a"
                " folder of another disk by the variable TMPDIR of the environment"
            ) from error
        raise
    command = f"python data_prep/upload_store.py {folder / 'store'} {place}"
    try:
        upload_store(folder / "store", place, flag)
    except KeyboardInterrupt as error:
        raise Interrupted(
            f"the store is whole in {folder / 'store'}, but not uploaded; to upload it: {command}"
        ) from error
    except BaseException:
        print(
            f"the store is whole in {folder / 'store'}; to upload it once the cause is gone: {command}", file=sys.stderr
        )
        raise
    shutil.rmtree(folder)


def _is_full(error: BaseException, folder: pathlib.Path) -> bool:
    """Whether an error comes from a file of the folder and says that its disk is full."""
    cause = error if isinstance(error, OSError) else error.__cause__
    full = isinstance(cause, OSError) and cause.errno in DISK_FULL and cause.filename is not None
    return full and pathlib.Path(cause.filename).is_relative_to(folder)


def check_absent(remote: RemoteFolder, given: str) -> None:
    """Raises InputError if a store is at a place already; `given` is the flag or argument that named the place."""
    if remote.size(MANIFEST) is not None:
        raise InputError(f"{given}={remote.place}: a store is there already: remove it, or name another folder")


def upload_store(store: str | os.PathLike, place: str, given: str = "PLACE") -> None:
    """Copies a whole store of this machine to a place with a scheme, and compares the sizes there.

    Raises:
      InputError: no whole store, one is at the place already, or the place cannot be written.
    """
    folder, remote = pathlib.Path(store), RemoteFolder(place)
    open_store(folder)
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
    check_absent(remote, given)  # another upload may have ended meanwhile
    _put(remote, folder, MANIFEST, (folder / MANIFEST).stat().st_size)
    print(f"uploaded {size / 1e9:,.2f} GB to {remote.place}", flush=True)
    if "files" not in manifest["tokenizer"]:
        print("note: this store does not keep its tokenizer: whoever reads it there has to name it by --tokenizer")


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
         "PLACE": "gs://BUCKET/FOLDER, where no store may be yet"},
        ("PLACE",),
    )  # fmt: skip

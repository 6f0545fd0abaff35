"""A store keeps the tokenizer that made its tokens, so that it can be moved, and read elsewhere, without it."""

import hashlib
import os
import pathlib

from hbt_jax.models.tokenizer import Tokenizer

FOLDER = "tokenizer"


def keep_tokenizer(folder: str | os.PathLike, tokenizer: Tokenizer) -> dict:
    """Writes a tokenizer's own files into the folder of a store that is being written.

    Returns:
      What the store's manifest says of it: path in the store, fingerprint, and its files with sizes and digests.
    """
    target = pathlib.Path(folder) / FOLDER
    tokenizer.save(target)
    files = [
        {"file": f"{FOLDER}/{name}", "bytes": len(content), "sha256": hashlib.sha256(content).hexdigest()}
        for name, content in sorted(tokenizer.contents.items())
    ]
    for name in tokenizer.contents:
        with (target / name).open("rb+") as file:  # on disk before the manifest is
            os.fsync(file.fileno())
    return {"path": FOLDER, "fingerprint": tokenizer.fingerprint, "files": files}

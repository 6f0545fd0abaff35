"""Removes a checkpoint's optimizer state: code that can still read the checkpoint does not read the optimizer."""

from pathlib import Path

import tensorstore


def without_optimizer(checkpoint: Path) -> int:
    """Deletes the arrays of the optimizer from a checkpoint on disk; returns how many there were."""
    store = tensorstore.KvStore.open({"driver": "ocdbt", "base": f"file://{checkpoint}/state/"}).result()
    keys = [key.decode() for key in store.list().result() if key.startswith(b"optimizer.")]
    for key in keys:
        store.delete_range(tensorstore.KvStore.KeyRange(key, key + "\0")).result()
    return len({key.split("/")[0] for key in keys})

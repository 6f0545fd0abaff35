"""Data sets of the Hugging Face hub, downloaded by the package `datasets` into its own cache."""

import functools
import importlib.util
import re
from pathlib import Path

from hbt_jax.errors import InputError


@functools.cache
def hub_files(name: str, split: str) -> tuple[Path, ...]:
    """The Arrow files of a split of a data set, which is downloaded if it is not in the cache.

    Args:
      name: OWNER/NAME or OWNER/NAME:CONFIGURATION.
      split: a split of the data set, without a slice.

    Raises:
      InputError: `datasets` is not installed, or has no such data set, configuration or split.
    """
    if not re.fullmatch(r"\w+([.-]\w+)*", split):
        raise InputError(f"--hub_split={split}: expected the name of a split, such as train, without a slice")
    if importlib.util.find_spec("datasets") is None:
        raise InputError(
            "--hub_split needs the package `datasets`: install this project with the extra `datasets` (pip install -e"
            " '.[datasets]'), or download the data set and leave the flag out"
        )
    import datasets

    path, _, configuration = name.partition(":")
    try:
        found = datasets.load_dataset(path, configuration or None, split=split)
        files = tuple(Path(file["filename"]) for file in found.cache_files)
    except Exception as error:  # the library's, the hub's and the network's errors have no common class
        why = " ".join(str(error).split())[:240]
        raise InputError(f"--input={name} --hub_split={split}: {type(error).__name__}: {why}") from error
    if not files:
        raise InputError(f"--input={name} --hub_split={split}: the data set has no row")
    return files

"""The files of a source in the folder that the user names."""

from collections.abc import Mapping, Sequence
from pathlib import Path

from hbt_jax.errors import InputError

SPLITS = ("train", "validation", "test")


def by_split(input_dir: Path, names: Mapping[str, Sequence[str]], expected: str) -> dict[str, tuple[Path, ...]]:
    """The existing files of each split.

    Args:
      input_dir: an existing folder.
      names: split -> names of its files; each may be plain or packed, as NAME.gz or NAME.bz2.
      expected: what the folder should hold and where to get it, for the message.

    Raises:
      InputError: none of the files exists, or one exists twice, such as plain and as .gz.
    """
    found = {
        split: tuple(path for name in listed if (path := _plain_or_packed(input_dir, name)))
        for split, listed in names.items()
    }
    found = {split: paths for split, paths in found.items() if paths}
    if not found:
        raise no_data(input_dir, expected)
    return found


def no_data(input_dir: Path, expected: str) -> InputError:
    """The error for a folder without a file of the source."""
    return InputError(f"--input_dir={input_dir} holds no data: expected {expected}")


def needed(input_dir: Path, name: str, expected: str) -> Path:
    """A file, plain or packed, that the source requires; raises InputError if it is missing."""
    path = _plain_or_packed(input_dir, name)
    if path is None:
        raise InputError(f"--input_dir={input_dir} lacks {name}: expected {expected}")
    return path


def folders_by_split(input_dir: Path, pattern: str, expected: str) -> dict[str, tuple[Path, ...]]:
    """The files of a folder, which form the split `train`; or those of its subfolders train, validation and test.

    Args:
      input_dir: an existing folder.
      pattern: glob of the file names.
      expected: as for `by_split`.

    Raises:
      InputError: there are no such files, or some in the folder itself and some in subfolders.
    """
    found = {split: tuple(sorted((input_dir / split).glob(pattern))) for split in SPLITS}
    found = {split: paths for split, paths in found.items() if paths}
    here = tuple(sorted(input_dir.glob(pattern)))
    if here and found:
        raise InputError(
            f"--input_dir={input_dir} holds both {here[0].name} and the folder {next(iter(found))}: expected"
            f" {expected}, not both"
        )
    if not here and not found:
        raise no_data(input_dir, expected)
    return found or {"train": here}


def _plain_or_packed(input_dir: Path, name: str) -> Path | None:
    paths = [path for suffix in ("", ".gz", ".bz2") if (path := input_dir / f"{name}{suffix}").is_file()]
    if len(paths) > 1:
        raise InputError(f"both {paths[1]} and {paths[0].name} exist: expected one of them; remove the other")
    return paths[0] if paths else None

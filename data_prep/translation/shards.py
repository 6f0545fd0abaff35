"""Translations on disk, in shards, so that an interrupted run can resume with the missing ones.

    FOLDER/settings.json     what the translations depend on: the texts, the model, its settings, the size of a shard
    FOLDER/de-00000.jsonl    one shard of one language, {"text": ..., "translation": ...} per text, in order; null if
                             the translation did not end

A shard is complete or absent.  Languages share the folder, so that further ones can be added later, and several
processes can translate into different languages at the same time: each holds its languages (hbt_jax/holding.py).
"""

import contextlib
import json
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path

from data_prep.builders.unchanged import changes
from hbt_jax import json_text
from hbt_jax.errors import InputError
from hbt_jax.files import atomic_file, utf8
from hbt_jax.holding import held

_SETTINGS = "settings.json"


class Shards:
    """The translations in one folder.

    Attributes:
      folder: its path.

    Args:
      folder: made if it is missing.
      settings: whatever the translations depend on; name -> JSON value.

    Raises:
      InputError: the folder holds translations with other settings, or cannot be written.
    """

    def __init__(self, folder: Path, settings: dict[str, object]):
        self.folder = folder
        path = folder / _SETTINGS
        try:
            folder.mkdir(parents=True, exist_ok=True)
            with self.alone():
                if not path.exists():
                    with atomic_file(str(path)) as file:
                        file.write(utf8(json.dumps(settings, indent=1, ensure_ascii=False) + "\n"))
            before = json_text.read(path)
        except (PermissionError, FileExistsError, NotADirectoryError) as error:
            raise InputError(
                f"--out_dir={folder.parent}: cannot be written ({error.strerror}: {error.filename}): choose another"
            ) from error
        except ValueError as error:
            raise InputError(f"{path}: not JSON ({error}): remove {folder}, or choose another --out_dir") from error
        if not isinstance(before, dict):
            raise InputError(f"{path}: not the settings of translations: remove {folder}, or choose another --out_dir")
        found = changes(before, settings)
        if found:
            raise InputError(
                f"--out_dir={folder.parent} holds translations with other settings: {', '.join(found)}; choose another"
                f" --out_dir, or remove {folder}"
            )

    def done(self, language: str, number: int) -> bool:
        """Whether a shard exists."""
        return self._path(language, number).exists()

    def write(self, language: str, number: int, texts: Sequence[str], translations: Iterable[str | None]) -> None:
        """Writes one complete shard."""
        with atomic_file(str(self._path(language, number))) as file:
            for text, translation in zip(texts, translations, strict=True):
                line = json.dumps({"text": text, "translation": translation}, ensure_ascii=False)
                file.write(line.encode() + b"\n")

    def read(self, language: str, number: int, texts: Sequence[str]) -> Iterator[str | None]:
        """Yields the translations of one shard.

        Args:
          texts: the texts of the shard.

        Raises:
          InputError: the shard is of other texts, or was changed since it was written.
        """
        path = self._path(language, number)
        with path.open("rb") as file:
            lines = list(file)
        try:
            rows = [json_text.parsed(line) for line in lines]
            same = [row["text"] for row in rows] == list(texts)
            same = same and all(isinstance(row["translation"], str | None) for row in rows)
        except (ValueError, KeyError, TypeError):
            same = False
        if not same:
            raise InputError(
                f"{path}: not the translations of its {len(texts)} texts: remove the file and run the command again"
            )
        for row in rows:
            yield row["translation"]

    def alone(self) -> contextlib.AbstractContextManager[None]:
        """Holds the folder, after waiting for other processes that do."""
        return held(self.folder, "--out_dir", wait=f"which writes the rows of {self.folder}")

    @contextlib.contextmanager
    def languages_held(self, languages: Iterable[str]) -> Iterator[None]:
        """Holds the shards of some languages; raises InputError if another process is translating into one of them."""
        with contextlib.ExitStack() as stack:
            for language in languages:
                stack.enter_context(held(self.folder / language, "--out_dir", beside=True))
            yield

    def _path(self, language: str, number: int) -> Path:
        return self.folder / f"{language}-{number:05d}.jsonl"

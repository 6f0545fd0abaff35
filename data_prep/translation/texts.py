"""The distinct texts of a source that are to be translated, in a fixed order."""

import dataclasses
import hashlib
import itertools
from collections.abc import Callable, Iterator

from hbt_jax.errors import InputError

_KEY_BYTES = 16


@dataclasses.dataclass(frozen=True)
class DistinctTexts:
    """The distinct texts of one language in the tables `queries` and `passages` of a split.

    They are read from the tables each time; memory holds only 16 bytes per text, to recognise repetitions.

    Attributes:
      records: table name -> its records, as `data_prep.sources.registry.records` gives them.
      language: code of the language.
      shard_texts: texts per shard.
    """

    records: Callable[[str], Iterator[dict]]
    language: str
    shard_texts: int

    def __iter__(self) -> Iterator[str]:
        seen: set[bytes] = set()
        for table in ("queries", "passages"):
            for record in self.records(table):
                text = record["text"]
                if record["language"] == self.language and text.strip() and (key := text_key(text)) not in seen:
                    seen.add(key)
                    yield text

    def shards(self) -> Iterator[tuple[int, list[str]]]:
        """Yields (number, texts) of each shard; the last may have fewer texts."""
        texts = iter(self)
        for number in itertools.count():
            found = list(itertools.islice(texts, self.shard_texts))
            if not found:
                return
            yield number, found

    def count(self) -> tuple[int, int, str]:
        """(texts, their characters, a digest of them in their order).

        Raises:
          InputError: there is none.
        """
        texts = characters = 0
        digest = hashlib.sha256()
        for text in self:
            texts, characters = texts + 1, characters + len(text)
            digest.update(text_key(text))
        if not texts:
            raise InputError(
                f"--source_language={self.language}: this split of the source has no text in it: choose another"
            )
        return texts, characters, digest.hexdigest()


def text_key(text: str) -> bytes:
    """A digest of a text, 16 bytes."""
    return hashlib.sha256(text.encode()).digest()[:_KEY_BYTES]

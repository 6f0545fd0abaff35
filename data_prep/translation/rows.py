"""Writes rows with the translations that passed the filters, in the layout of sources/jsonl.py.

A side keeps its own texts in every language and gets a translation for each language that it lacks, unless the
translation failed a filter.  Texts are kept in a database on disk, not in memory.
"""

import collections
import contextlib
import json
import sqlite3
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path

from data_prep.builders.row import identity
from data_prep.translation.texts import text_key
from hbt_jax.errors import InputError
from hbt_jax.files import says_full
from hbt_jax.text_identity import identity_text, is_blank

SAME = "texts of negatives that equal the row's own passage"
NO_NEGATIVE = "negatives without any text left"
BLANK = "texts of only white space and invisible characters"
NO_SIDE = "rows in which a side has no text"
SCORES = "teacher scores, which are of the texts as they were"


class Gathered:
    """The translations and the items of both sides, in a database on disk that `close` removes.

    Args:
      path: of the database; one left by a killed run is replaced.
      language: the language that was translated from.
    """

    def __init__(self, path: Path, language: str):
        self._path, self._language = path, language
        path.unlink(missing_ok=True)
        self._database = sqlite3.connect(path, isolation_level=None)
        self._database.executescript("""
            PRAGMA journal_mode = OFF;
            PRAGMA synchronous = OFF;
            CREATE TABLE translations (key BLOB, language TEXT, text TEXT, PRIMARY KEY (key, language)) WITHOUT ROWID;
            CREATE TABLE items (side TEXT, id TEXT, language TEXT, text TEXT, PRIMARY KEY (side, id, language))
                WITHOUT ROWID;
        """)

    def close(self) -> None:
        """Removes the database."""
        self._database.close()
        self._path.unlink()

    def add_translations(self, language: str, pairs: Iterable[tuple[str, str]]) -> None:
        """Adds (text, translation) pairs."""
        rows = ((text_key(text), language, translation) for text, translation in pairs)
        with self._transaction():
            self._database.executemany("INSERT INTO translations VALUES (?, ?, ?)", rows)

    def add_items(self, side: str, records: Iterable[dict], dropped: collections.Counter) -> None:
        """Adds the records of `queries` or `passages`; counts blank ones."""

        def rows() -> Iterator[tuple]:
            for record in records:
                if not is_blank(record["text"]):
                    yield side, record["id"], record["language"], record["text"]
                else:
                    dropped[BLANK] += 1

        with self._transaction():
            self._database.executemany("INSERT INTO items VALUES (?, ?, ?, ?)", rows())

    def already_there(self, language: str) -> int:
        """How many items with a text to translate already have their own text in `language`, which they keep."""
        query = (
            "SELECT count(*) FROM items AS own JOIN items AS other USING (side, id)"
            " WHERE own.language = ? AND other.language = ?"
        )
        return self._database.execute(query, (self._language, language)).fetchone()[0]

    def texts(self, side: str, identifier: str) -> dict[str, str]:
        """Language code -> text of an item: its own texts and its translations, sorted by code."""
        query = "SELECT language, text FROM items WHERE side = ? AND id = ?"
        own = dict(self._database.execute(query, (side, identifier)))
        made = {}
        if self._language in own:
            query = "SELECT language, text FROM translations WHERE key = ?"
            made = dict(self._database.execute(query, (text_key(own[self._language]),)))
        return dict(sorted((made | own).items()))

    @contextlib.contextmanager
    def _transaction(self) -> Iterator[None]:
        try:
            self._database.execute("BEGIN")
            yield
            self._database.execute("COMMIT")
        except sqlite3.IntegrityError as error:
            raise InputError(
                f"an id has two texts in one language ({error}): expected one record per id and language in"
                " queries and in passages"
            ) from error
        except sqlite3.OperationalError as error:
            remedy = ": make room on the disk of --out_dir" if says_full(error) else ""
            raise InputError(f"{self._path}: cannot be written ({error}){remedy}") from error


def lines(
    pairs: Iterable[dict], texts: Callable[[str, str], dict[str, str]], dropped: collections.Counter
) -> Iterator[str]:
    """Yields the row of each pair as a line of JSON; counts what is left out.

    Two different texts may have the same translation.  A negative that would equal the passage in a language lacks that
    language.

    Args:
      pairs: records of the table `pairs`.
      texts: (side, id) -> language code -> text.

    Raises:
      InputError: no row is left.
    """
    empty = True
    for pair in pairs:
        query, passage = texts("queries", pair["query"]), texts("passages", pair["passage"])
        if not (query and passage):
            dropped[NO_SIDE] += 1
            continue
        own, negatives = identity(passage), []
        for identifier in pair["negatives"]:
            listed = texts("passages", identifier)
            other = {language: text for language, text in listed.items() if own.get(language) != identity_text(text)}
            dropped[SAME] += len(listed) - len(other)
            if other:
                negatives.append(other)
            else:
                dropped[NO_NEGATIVE] += 1
        dropped[SCORES] += len([*pair.get("score", ()), *pair.get("negative_scores", ())])
        row = {"query": query, "passage": passage, "negatives": negatives, "group": pair["group"]}
        empty = False
        yield json.dumps(row, ensure_ascii=False)
    if empty:
        raise InputError("pairs: the source has no usable pair for this split; expected at least one")

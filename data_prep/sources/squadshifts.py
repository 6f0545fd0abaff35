"""SQuADShifts: questions in SQuAD's layout about four other kinds of text, with the paragraph as the passage.

INPUT_DIR holds new_wiki_v1.0.json, nyt_v1.0.json, reddit_v1.0.json and amazon_reviews_v1.0.json, or some of them; all
form the split validation.  Questions about one paragraph share a group.  A malformed paragraph is left out with all its
questions.
"""

from collections.abc import Iterator, Sequence
from pathlib import Path

import tensorflow_datasets as tfds

from data_prep.builders.row import BadRow, Dropped, Row, item_id
from data_prep.builders.rows import ONE_TEXT, RowsBuilder
from data_prep.builders.source_files import no_data
from hbt_jax.errors import InputError
from hbt_jax.evaluation.reading import squad_layout

NO_ANSWER = "questions without an answer"


class Squadshifts(RowsBuilder):
    """Questions and paragraphs of new Wikipedia articles, the New York Times, Reddit and Amazon reviews, in English."""

    VERSION = tfds.core.Version("1.1.0")
    RELEASE_NOTES = {"1.0.0": "Paragraphs as passages.", "1.1.0": ONE_TEXT}
    HOMEPAGE = "https://modestyachts.github.io/squadshifts-website/"
    LICENSE = "CC BY 4.0"
    CITATION = """@inproceedings{miller-etal-2020-effect,
  title = {The Effect of Natural Distribution Shift on Question Answering Models},
  author = {Miller, John and Krauth, Karl and Recht, Benjamin and Schmidt, Ludwig},
  booktitle = {Proceedings of ICML}, year = {2020}}"""
    _NAMES = tuple(f"{part}_v1.0.json" for part in ("new_wiki", "nyt", "reddit", "amazon_reviews"))
    FILES = (
        f"{', '.join(_NAMES)} or some of them, from"
        " https://github.com/modestyachts/squadshifts-website/tree/master/datasets"
    )

    @classmethod
    def find_files(cls, input_dir: Path) -> dict[str, Sequence[Path]]:
        """The existing files; raises InputError if there are none."""
        found = tuple(path for name in cls._NAMES if (path := input_dir / name).is_file())
        if not found:
            raise no_data(input_dir, cls.FILES)
        return {"validation": found}

    def read(self, files: Sequence[Path]) -> Iterator[Row | BadRow | Dropped]:
        """Yields a row for each question that has an answer."""
        for path in files:
            for place, number, fields in squad_layout.parts(path):
                try:
                    paragraph = squad_layout.paragraph(place, number, fields)
                except InputError as error:
                    yield BadRow(str(error))
                    continue
                passage = {"en": paragraph.context}
                for question in paragraph.questions:
                    if question.answer is None:
                        yield Dropped(NO_ANSWER)
                    else:
                        yield Row({"en": question.text}, passage, (), f"passage {item_id(passage)}")

"""COCO-35L and CC3M-35L: English captions of pictures, and their machine translations into 34 languages.

INPUT_DIR holds {coco,cc3m}_mt_{train,dev}.jsonl, plain, .bz2 as published, or .gz; dev is the split `validation`.  A
line is an object with image_id (or rec_num), src_lang, trg_lang, caption_tokenized, translation_tokenized and
backtranslation_tokenized, which is not used.

An English caption and its translations are one item, used both as a query and as a passage.  If a picture has several
captions, each is the query of one pair whose passage is the next one, ordered by image id and caption; the last one's
passage is the first.  So five captions are five pairs of two descriptions of the same picture by different people.  A
single caption is paired with itself, as in data_prep/sources/parallel.py.  The captions of a picture share a group, so
that none is a negative of another.

The lines of a picture are grouped by sorting on disk (data_prep/scratch/sorted_groups.py), or by Beam.
"""

import functools
import itertools
import re
from collections.abc import Callable, Iterable, Iterator, Sequence
from pathlib import Path

import tensorflow_datasets as tfds

from data_prep.builders.flow import Flow
from data_prep.builders.keys import key_in, name_key
from data_prep.builders.large import LargeBuilder
from data_prep.builders.row import BadRow, Dropped
from data_prep.reading.fields import field, language, text_field
from data_prep.reading.line_files import json_value, lines
from hbt_jax.text_identity import identity_text, is_blank

EMPTY = "empty translations, counted in each language"
AGAIN = "repeated translations"
UNTRANSLATED = "captions without a translation"
_ALIASES = {"iw": "he", "nb": "no", "tl": "fil", "zh-CN": "zh", "zh-Hans": "zh"}  # Google's other codes -> ours
_IDS = ("image_id", "rec_num")
_NUMBERED = re.compile(r"(.+)_\d+")  # COCO's 391895_0: picture, number of the caption

Line = tuple[str, str, int, str, str]  # image id, caption, line, language, translation
Caption = tuple[str, str]  # image id, what stands for the caption


def picture(image_id: str) -> str:
    """The picture of an image id: in COCO it ends in the caption's number; in CC3M each picture has one caption."""
    numbered = _NUMBERED.fullmatch(image_id)
    return numbered[1] if numbered else image_id


def read(path: Path) -> Iterator[tuple[int, Line] | BadRow]:
    """Yields each line of a file, keyed by its picture."""
    for number, (place, line) in enumerate(lines(path), start=1):
        try:
            fields = json_value(place, line)
            name = _image_id(place, fields)
            source = field(place, fields, "src_lang", str)
            if source != "en":
                raise BadRow(f"{place}: src_lang is {source!r}: expected 'en', the language of the captions")
            caption = text_field(place, fields, "caption_tokenized")
            target = field(place, fields, "trg_lang", str)
            code = language(place, "trg_lang", _ALIASES.get(target, target))
            translation = field(place, fields, "translation_tokenized", str).strip()
            if not is_blank(translation):
                text_field(place, fields, "translation_tokenized")  # whole characters
            if code == "en":
                raise BadRow(f"{place}: trg_lang is 'en': expected a language other than that of the caption")
        except BadRow as bad:
            yield bad
            continue
        yield name_key(picture(name)), (name, caption, number, code, translation)


def records(
    grouped: tuple[int, Iterable[Line]], table: str, path: Path
) -> Iterator[tuple[int, dict] | BadRow | Dropped]:
    """Yields the records of the pictures whose lines share a key: a single picture, unless two keys collide."""
    group, found = grouped
    captions: dict[Caption, dict[str, str]] = {}
    for name, caption, number, code, translation in sorted(found):
        texts = captions.setdefault((name, identity_text(caption)), {"en": caption})
        if is_blank(translation):
            yield Dropped(EMPTY)
        elif code in texts and identity_text(texts[code]) == identity_text(translation):
            yield Dropped(AGAIN)
        elif code in texts:
            yield BadRow(
                f"{path}:{number}: a second translation of the caption of {name} into {code!r}: expected only one per"
                " language"
            )
        else:
            texts[code] = translation
    position = itertools.count()
    for _, same in itertools.groupby(captions.items(), lambda item: picture(item[0][0])):
        pictured = list(same)
        items = {item: texts for item, texts in pictured if len(texts) > 1}
        if len(items) < len(pictured):
            yield Dropped(UNTRANSLATED, len(pictured) - len(items))
        made = _pairs(_named(items)) if table == "pairs" else _texts(_named(items))
        yield from ((key_in(group, next(position)), record) for record in made)


def _named(items: dict[Caption, dict[str, str]]) -> dict[str, dict[str, str]]:
    """The captions of a picture by unique id: the image id, and a number if several captions have that image id."""
    named: dict[str, dict[str, str]] = {}
    for (name, _), texts in items.items():
        free = (f"{name}/{number}" if number else name for number in itertools.count())
        named[next(one for one in free if one not in named)] = texts
    return named


def _texts(items: dict[str, dict[str, str]]) -> Iterator[dict]:
    for name, texts in items.items():
        yield from ({"id": name, "language": code, "text": text} for code, text in sorted(texts.items()))


def _pairs(items: dict[str, dict[str, str]]) -> Iterator[dict]:
    """Yields a pair for each caption with the next one of the picture; for the last one, with the first."""
    names = list(items)
    for query, passage in zip(names, names[1:] + names[:1], strict=True):
        yield {"query": query, "passage": passage, "group": picture(query), "negatives": []}


def _image_id(place: str, fields: object) -> str:
    name = next((name for name in _IDS if isinstance(fields, dict) and name in fields), _IDS[0])
    if isinstance(fields, dict) and type(fields.get(name)) is int:
        return str(fields[name])
    return text_field(place, fields, name)


class Captions(LargeBuilder, skip_registration=True):
    """The common part of COCO-35L and CC3M-35L; a subclass names its files."""

    VERSION = tfds.core.Version("1.0.0")
    RELEASE_NOTES = {"1.0.0": "A caption and the next one of its picture, or itself."}
    HOMEPAGE = "https://google.github.io/crossmodal-3600/"
    CITATION = """@inproceedings{thapliyal-etal-2022-crossmodal,
  title = {Crossmodal-3600: A Massively Multilingual Multimodal Evaluation Dataset},
  author = {Thapliyal, Ashish V. and Pont Tuset, Jordi and Chen, Xi and Soricut, Radu},
  booktitle = {Proceedings of EMNLP}, year = {2022}}"""
    ALIKE = True

    def records(self, start: Callable[[Sequence], Flow], split: str, files: Sequence[Path]) -> Flow:
        """The records of the pictures, grouped by picture."""
        del split
        [path] = files
        made = functools.partial(records, table=self.builder_config.name, path=path)
        return start(files).each(read).by_key().each(made)


class Coco35l(Captions):
    """Captions of COCO in English and machine translations into 34 languages, about five captions per picture."""

    LICENSE = "CC BY 4.0 (captions and translations)"
    FILE_NAMES = {"train": ("coco_mt_train.jsonl",), "validation": ("coco_mt_dev.jsonl",)}
    FILES = (
        "coco_mt_train.jsonl.bz2 and coco_mt_dev.jsonl.bz2, or one of them, unpacked or not, from"
        f" {Captions.HOMEPAGE} (https://storage.googleapis.com/crossmodal-3600/coco_mt_train.jsonl.bz2)"
    )


class Cc3m35l(Captions):
    """Captions of Conceptual Captions 3M in English and machine translations into 34 languages, one per picture."""

    LICENSE = "CC BY 4.0 (translations); captions: free for any purpose, with thanks to Google LLC"
    FILE_NAMES = {"train": ("cc3m_mt_train.jsonl",), "validation": ("cc3m_mt_dev.jsonl",)}
    FILES = (
        "cc3m_mt_train.jsonl.bz2 and cc3m_mt_dev.jsonl.bz2, or one of them, unpacked or not, from"
        f" {Captions.HOMEPAGE} (https://storage.googleapis.com/crossmodal-3600/cc3m_mt_train.jsonl.bz2)"
    )

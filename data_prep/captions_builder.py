"""COCO-35L and CC3M-35L: captions of pictures in English, and their machine translations into 34 languages.

INPUT_DIR holds {coco,cc3m}_mt_{train,dev}.jsonl, plain, .bz2 as it is published, or .gz; dev is the split
`validation`.  A line is an object with image_id (or rec_num), src_lang, trg_lang, caption_tokenized,
translation_tokenized and backtranslation_tokenized, which is not used.

A caption in English and its translations are one item, a query and a passage alike.  Of a picture with several
captions, each is the query of one pair whose passage is the next, in the order of the image ids and captions, and the
last one's passage is the first: five captions are five pairs, of two descriptions of the same picture by different
people.  A caption that is alone is a pair with itself, as in data_prep/parallel_builder.py.  The captions of a picture
share a group, so that none is a negative of another.

The lines of a picture are brought together by sorting on disk (data_prep/sorted_groups.py), or by Beam.
"""

import functools
from collections.abc import Callable, Sequence
from pathlib import Path

import tensorflow_datasets as tfds

from data_prep import captions_rows
from data_prep.flow import Flow
from data_prep.large_builder import LargeBuilder
from data_prep.source_files import by_split


class Captions(LargeBuilder, skip_registration=True):
    """What COCO-35L and CC3M-35L share; a subclass names its files."""

    VERSION = tfds.core.Version("1.0.0")
    RELEASE_NOTES = {"1.0.0": "A caption and the next one of its picture, or itself."}
    HOMEPAGE = "https://google.github.io/crossmodal-3600/"
    CITATION = """@inproceedings{thapliyal-etal-2022-crossmodal,
  title = {Crossmodal-3600: A Massively Multilingual Multimodal Evaluation Dataset},
  author = {Thapliyal, Ashish V. and Pont Tuset, Jordi and Chen, Xi and Soricut, Radu},
  booktitle = {Proceedings of EMNLP}, year = {2022}}"""
    ALIKE = True
    PREFIX = ""  # of the files' names

    @classmethod
    def find_files(cls, input_dir: Path) -> dict[str, Sequence[Path]]:
        """The file of each split."""
        names = {"train": (f"{cls.PREFIX}_train.jsonl",), "validation": (f"{cls.PREFIX}_dev.jsonl",)}
        return by_split(input_dir, names, cls.FILES)

    def records(self, start: Callable[[Sequence], Flow], split: str, files: Sequence[Path]) -> Flow:
        """The pictures in an order of their own, the captions of each together."""
        del split
        [path] = files
        made = functools.partial(captions_rows.records, table=self.builder_config.name, path=path)
        return start(files).each(captions_rows.read).by_key().each(made)


class Coco35l(Captions):
    """Captions of COCO in English and machine translations into 34 languages, about five captions a picture."""

    LICENSE = "CC BY 4.0 (captions and translations)"
    PREFIX = "coco_mt"
    FILES = (
        "coco_mt_train.jsonl.bz2 and coco_mt_dev.jsonl.bz2, or one of them, unpacked or not, from"
        f" {Captions.HOMEPAGE} (https://storage.googleapis.com/crossmodal-3600/coco_mt_train.jsonl.bz2)"
    )


class Cc3m35l(Captions):
    """Captions of Conceptual Captions 3M in English and machine translations into 34 languages, one a picture."""

    LICENSE = "CC BY 4.0 (translations); captions: free for any purpose, with thanks to Google LLC"
    PREFIX = "cc3m_mt"
    FILES = (
        "cc3m_mt_train.jsonl.bz2 and cc3m_mt_dev.jsonl.bz2, or one of them, unpacked or not, from"
        f" {Captions.HOMEPAGE} (https://storage.googleapis.com/crossmodal-3600/cc3m_mt_train.jsonl.bz2)"
    )

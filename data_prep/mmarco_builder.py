"""mMARCO: the questions and passages of MS MARCO, translated into 13 languages.

INPUT_DIR holds, in itself or in folders as the official ones are laid out, plain or .gz:

    LANGUAGE_collection.tsv         pid, passage; LANGUAGE is english, german and so on
    LANGUAGE_queries.train.tsv      qid, question
    triples.train.ids.small.tsv     qid, pid of a passage that answers it, pid of one that does not: the split `train`
    LANGUAGE_queries.dev.small.tsv  or LANGUAGE_queries.dev.tsv, and
    qrels.dev.small.tsv             or, where it is missing, qrels.dev.tsv: qid, 0, pid, 1; the split `validation`

A split is made when its triples or judgements are there, in every language that has a collection; one with a collection
or with queries alone is an error.  An id is one item, with its texts in all these languages.  A triple is a pair whose
negative is its hard negative; the pairs of a query share a group.  Texts that no pair names are left out and counted.

Each table is made by reading the collections and queries for their ids, the triples for the ids they name, and one of
both again for its records: memory holds a bit an id.
"""

from collections.abc import Callable, Sequence
from pathlib import Path

import tensorflow_datasets as tfds

from data_prep import mmarco_files
from data_prep.flow import Flow
from data_prep.large_builder import LargeBuilder
from data_prep.mmarco_rows import ids_in, merged, named_in, not_named, pairs_in, texts_in


class Mmarco(LargeBuilder):
    """The questions and passages of MS MARCO in 14 languages."""

    VERSION = tfds.core.Version("1.0.0")
    RELEASE_NOTES = {"1.0.0": "A triple is a pair with a hard negative."}
    HOMEPAGE = "https://huggingface.co/datasets/unicamp-dl/mmarco"
    LICENSE = "Apache-2.0; MS MARCO: non-commercial research only"
    CITATION = """@misc{bonifacio2021mmarco,
  title = {mMARCO: A Multilingual Version of the MS MARCO Passage Ranking Dataset},
  author = {Bonifacio, Luiz and Jeronymo, Vitor and Abonizio, Hugo Queiroz and Campiotti, Israel and
            Fadaee, Marzieh and Lotufo, Roberto and Nogueira, Rodrigo},
  year = {2021}, eprint = {2108.13897}, archivePrefix = {arXiv}}"""
    FILES = (
        "triples.train.ids.small.tsv with german_collection.tsv, german_queries.train.tsv and so on, or"
        f" qrels.dev.small.tsv with german_queries.dev.small.tsv and so on, from {HOMEPAGE}/tree/main/data"
    )

    @classmethod
    def find_files(cls, input_dir: Path) -> dict[str, Sequence[Path]]:
        """See data_prep/mmarco_files.py."""
        return mmarco_files.find(input_dir, cls.FILES)

    def records(self, start: Callable[[Sequence], Flow], split: str, files: Sequence[Path]) -> Flow:
        """Pairs in the order of their lines, texts in that of their ids, both spread."""
        pairs, texts = files[0], mmarco_files.texts_of(files)
        known = start(texts).each(ids_in).total(merged)
        named = start([pairs]).each(named_in, known).total(merged)
        start([None]).each(not_named, known, named).done()
        table = self.builder_config.name
        if table == "pairs":
            return start([pairs]).each(pairs_in, known)
        return start([file for file in texts if file.side == table]).each(texts_in, named)

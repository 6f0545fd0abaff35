"""The world facts as a TensorFlow Datasets builder, with the three tables of every source."""

import tensorflow_datasets as tfds

from data_prep.builders.tables import table_features
from data_prep.builders.unchanged import check_unchanged
from data_prep.facts.groups import SPLITS, all_groups, groups_by_split
from data_prep.facts.names import LANGUAGES, cldr_version

_DESCRIPTION = """
Facts about territories, languages and currencies (currency, official languages, first day of the week, time zone,
codes, script, where a language is official, where a currency is used) as short questions and the passages that answer
them, in the 36 languages of XM3600.  Names are those of Unicode CLDR in each language; the few template words around
them (data_prep/facts/words.toml) were not reviewed by native speakers.
"""
_CITATION = """
@misc{cldr, author = {{Unicode Consortium}}, title = {Unicode Common Locale Data Repository}, url = {https://cldr.unicode.org}}
"""


class Facts(tfds.core.GeneratorBasedBuilder):
    """World facts in 36 languages from Unicode CLDR; `seed` chooses the held-out facts.

    The tables record what they were made from: with another seed, CLDR or number of facts the constructor raises.
    Without a seed it accepts existing tables of any seed, and writes new ones with seed 0.
    """

    VERSION = tfds.core.Version("1.0.0")
    RELEASE_NOTES = {"1.0.0": "Ten relations."}
    BUILDER_CONFIGS = [
        tfds.core.BuilderConfig(name="queries", description="One record per fact and language: the question."),
        tfds.core.BuilderConfig(name="passages", description="One record per fact and language: the answer."),
        tfds.core.BuilderConfig(name="pairs", description="One record per fact: its query, passage and group."),
    ]
    url_infos = {}  # nothing is downloaded, so there is no file of checksums to look for

    def __init__(self, *, seed: int | None = None, **kwargs):
        self._seed = seed or 0
        super().__init__(**kwargs)
        if self.is_prepared():
            prepared, now = dict(self.info.metadata), self._input()
            if seed is None:
                now["seed"] = prepared["seed"]
            check_unchanged(self.data_dir, "other facts than those asked for", prepared, now)

    def _input(self) -> dict:
        return {"seed": self._seed, "cldr": cldr_version(), "groups": len(all_groups()[0])}

    def _info(self) -> tfds.core.DatasetInfo:
        return self.dataset_info_from_configs(
            description=_DESCRIPTION,
            features=table_features(self.builder_config.name),
            citation=_CITATION,
            homepage="https://cldr.unicode.org",
            license="Unicode License v3 (https://www.unicode.org/license.txt)",
            disable_shuffling=True,  # records keep the order of the facts
            metadata=tfds.core.MetadataDict(self._input()),
        )

    def _split_generators(self, dl_manager) -> dict:
        del dl_manager
        return {split: self._generate_examples(split) for split in SPLITS}

    def _generate_examples(self, split: str):
        """Yields (position, record) of one split, ordered by fact and, within a fact, by language."""
        groups = groups_by_split(self._seed)[split]
        if self.builder_config.name == "pairs":
            for position, group in enumerate(groups):
                name = group.fact.id
                yield position, {"query": name, "passage": name, "group": name, "negatives": []}
            return
        side = ("queries", "passages").index(self.builder_config.name)
        for position, group in enumerate(groups):
            for language, texts in group.texts.items():
                key = position * len(LANGUAGES) + LANGUAGES.index(language)
                yield key, {"id": group.fact.id, "language": language, "text": texts[side]}

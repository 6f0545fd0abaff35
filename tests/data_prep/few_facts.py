"""A few of the world facts as a prepared source: quick to write and to read."""

import pytest

from data_prep.facts import builder
from data_prep.facts.groups import SPLITS, Group, groups_by_split

LANGUAGES = ("de", "el", "en", "sw")


def few(seed: int) -> dict[str, tuple[Group, ...]]:
    """40 train facts and 6 each of the other splits, in four languages."""
    return {
        split: tuple(
            Group(group.fact, {code: group.texts[code] for code in LANGUAGES if code in group.texts})
            for group in groups_by_split(seed)[split][: 40 if split == "train" else 6]
        )
        for split in SPLITS
    }


@pytest.fixture
def raw_dir(tmp_path, monkeypatch):
    """Folder to prepare the source `facts` in, holding only `few` facts once prepared."""
    monkeypatch.setattr(builder, "groups_by_split", few)
    return tmp_path / "raw"

"""Everything a run needs, made of a few world facts: tokenizer, stores and benchmark."""

import pytest

from data_prep import prepare_facts
from data_prep.facts import builder
from tests.bucket.object_store import files, store  # noqa: F401 - fixtures
from tests.data_prep.few_facts import few


@pytest.fixture(scope="session")
def few_facts(tmp_path_factory):
    """Folder that data_prep/prepare_facts.py has filled with a few facts in four languages."""
    folder = tmp_path_factory.mktemp("prepared") / "facts"
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(builder, "groups_by_split", few)
        prepare_facts.prepare(folder, vocabulary=450, seed=0)
    return folder

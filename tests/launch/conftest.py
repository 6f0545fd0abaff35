"""Everything a run needs, made of a few world facts: tokenizer, stores and benchmark."""

import pytest

from data_prep import facts, facts_builder
from tests.data_prep.few_facts import few


@pytest.fixture(scope="session")
def few_facts(tmp_path_factory):
    """Folder that data_prep/facts.py has filled with a few facts in four languages."""
    folder = tmp_path_factory.mktemp("prepared") / "facts"
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(facts_builder, "groups_by_split", few)
        facts.prepare(folder, vocabulary=450, seed=0)
    return folder

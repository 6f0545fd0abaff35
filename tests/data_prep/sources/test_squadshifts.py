"""The source `squadshifts`."""

from data_prep.sources import squadshifts
from tests.data_prep.source_rows import dropped, rows


def test_paragraphs_are_the_passages_and_their_questions_share_a_group(tmp_path):
    when, who, cat = rows("squadshifts", tmp_path, "validation")
    assert when[:3] == ({"en": "When was the ribbon cut?"}, {"en": "The mayor cut the ribbon on Tuesday."}, [])
    assert who[1] == when[1] and who[3] == when[3] != cat[3]
    assert cat[:2] == ({"en": "What does the cat hate?"}, {"en": "my cat hates rain"})
    assert dropped("squadshifts", tmp_path, "validation") == {squadshifts.NO_ANSWER: 1}

"""The source `wikiqa`."""

from data_prep.sources import wikiqa
from tests.data_prep.source_rows import dropped, rows

ASKED = {"en": "how do bees make wax?"}
COMB = {"en": '"Comb" is the word for what they build of it.'}
GLANDS, SCALES = "Worker bees make it in eight glands of the abdomen.", "The glands secrete it as thin scales."


def test_each_answering_sentence_is_a_row_and_the_others_are_its_negatives(tmp_path):
    negatives = [{"en": "Beeswax is a wax that bees make."}, COMB]
    assert rows("wikiqa", tmp_path) == [(ASKED, {"en": text}, negatives, "question Q1") for text in (GLANDS, SCALES)]
    assert dropped("wikiqa", tmp_path) == {wikiqa.NO_POSITIVE: 1}


def test_a_sentence_with_both_labels_is_no_negative_of_its_question(tmp_path):
    [(_, passage, negatives, _)] = rows("wikiqa", tmp_path, "validation")
    assert passage == {"en": "Peat is soil of plants that have not decayed."} and negatives == []
    assert dropped("wikiqa", tmp_path, "validation") == {wikiqa.BOTH: 1}

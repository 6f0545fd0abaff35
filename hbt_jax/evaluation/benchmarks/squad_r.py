"""XQuAD-R and MLQA-R (Roy et al. 2020, arXiv 2004.05484): find the sentence that answers a question, in any language.

    DATA_DIR/xquad-r/LANG.json   eleven languages
    DATA_DIR/mlqa-r/LANG.json    seven languages; the folder mlqa-dev-r of the official repository

The files are those of https://github.com/google-research-datasets/lareqa; hbt_jax/data/squad_layout.py describes them.
Copies on the Hugging Face hub lack the sentences, so they cannot stand in.

- A query is one question in one language, id "ID:LANG"; its item is the question's ID, which joins the languages.
- A candidate is one (language, paragraph, sentence position), whatever its text: nothing is merged.  Its id is
  "LANG:pP:sS", with paragraphs counted from 1 through the file and sentences from 0 in the paragraph, as LAReQA's own
  code counts them.  Sentences that answer one question share an item, directly or over other questions that they
  answer; every other candidate is an item of its own.
- Relevant to a query are the sentences in which the answer of its ID starts, one in each language that has the ID.

Candidate texts, of which a result must name the one it used:

    sentence           the sentence
    sentence+context   the sentence, a space and the whole paragraph it stands in.  XTREME-R (Ruder et al. 2021, arXiv
                       2104.07412) encodes the same two, in this order, as a pair with the tokenizer's separators
                       between them; its metric is mAP@20 (here: over the whole ranking).
"""

import os
from pathlib import Path

from hbt_jax.data.squad_layout import Paragraph, connected, gold_sentence, language_files, read as read_file
from hbt_jax.errors import InputError
from hbt_jax.evaluation.benchmarks.benchmark import Benchmark, Texts, pad_relevant

CANDIDATE_TEXTS = ("sentence", "sentence+context")
PUBLISHED = {  # language -> (questions, candidates): the table "Dataset statistics" of the official repository
    "xquad-r": {
        "ar": (1190, 1222), "de": (1190, 1276), "el": (1190, 1234), "en": (1190, 1180), "es": (1190, 1215),
        "hi": (1190, 1244), "ru": (1190, 1219), "th": (1190, 852), "tr": (1190, 1167), "vi": (1190, 1209),
        "zh": (1190, 1196),
    },
    "mlqa-r": {
        "ar": (517, 2545), "de": (512, 2362), "en": (1148, 6264), "es": (500, 1787), "hi": (507, 2426),
        "vi": (511, 2828), "zh": (504, 2322),
    },
}  # fmt: skip
_ORIGIN = "the official files are those of https://github.com/google-research-datasets/lareqa"


def read(path: str, name: str, candidate_text: str = "sentence") -> Benchmark:
    """Reads the folder `path` as the benchmark `name`, a key of PUBLISHED.

    Args:
      path: folder with one file a language.
      name: decides the languages and the counts that they must have.
      candidate_text: one of CANDIDATE_TEXTS.

    Raises:
      InputError: a language's file is missing, wrong or one too many, or its counts are not the published ones.
      ValueError: an unknown candidate text.
    """
    if candidate_text not in CANDIDATE_TEXTS:
        raise ValueError(f"candidate text {candidate_text!r}: expected one of {', '.join(CANDIDATE_TEXTS)}")
    queries, candidates = _Side(), _Side()
    golds: dict[str, list[int]] = {}  # question id -> its relevant candidates, one a language
    for code, file in _files(path, name).items():
        for paragraph in read_file(file):
            _add(paragraph, code, candidate_text, queries, candidates, golds)
        _check_counts(name, code, file, queries, candidates)
    leaders = connected(golds)
    for question, indexes in golds.items():
        for index in indexes:
            candidates.items[index] = leaders[question]
    relevant_QG = pad_relevant([golds[question] for question in queries.items])
    return Benchmark(name, queries.texts(), candidates.texts(), relevant_QG)

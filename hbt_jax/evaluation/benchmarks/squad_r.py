"""XQuAD-R and MLQA-R (Roy et al. 2020, arXiv 2004.05484): find the sentence that answers a question, in any language.

    DATA_DIR/xquad-r/LANG.json   eleven languages
    DATA_DIR/mlqa-r/LANG.json    seven languages; the folder mlqa-dev-r of the official repository

The files are those of https://github.com/google-research-datasets/lareqa; squad_layout.py describes their layout.
Copies on the Hugging Face hub lack the sentences, so they cannot be used instead.

- A query is one question in one language, id "ID:LANG"; its item is the question's ID, which connects translations.
- A candidate is one (language, paragraph, sentence position), whatever its text: nothing is merged.  Its id is
  "LANG:pP:sS", with paragraphs counted from 1 through the file and sentences from 0 in the paragraph, as in LAReQA's
  own code.  Sentences that answer the same question share an item, directly or through other questions that they
  answer; every other candidate is an item of its own.
- Copies of sentences and questions are counted and reported, but not merged or judged alike.
- Relevant to a query are the sentences in which the answer to its ID starts, one in each language that has the ID.

There are two candidate texts; results say which one was used:

    sentence           the sentence
    sentence+context   the sentence, a space and the whole paragraph it stands in.  XTREME-R (Ruder et al. 2021, arXiv
                       2104.07412) encodes the same two, in this order, as a pair with the tokenizer's separators
                       between them; its metric is mAP@20 (here: over the whole ranking).
"""

from collections.abc import Iterator
from pathlib import Path

from hbt_jax import connected
from hbt_jax.config.values import CANDIDATE_TEXTS
from hbt_jax.errors import InputError
from hbt_jax.evaluation.benchmarks.benchmark import Benchmark, BenchmarkTexts, pad_relevant
from hbt_jax.evaluation.benchmarks.copies import copies_as_published
from hbt_jax.evaluation.benchmarks.folder import QUERIES
from hbt_jax.evaluation.reading import squad_layout

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
_AS_PUBLISHED = "they are not merged and are judged as the files say, as in LAReQA"
_ORIGIN = "the official files are those of https://github.com/google-research-datasets/lareqa"


def is_squad_r(path: str) -> bool:
    """Whether a folder holds .json files, but not the queries.jsonl of the three-file layout."""
    return any(Path(path).glob("*.json")) and not (Path(path) / QUERIES).exists()


def read(path: str, name: str, candidate_text: str = "sentence", official: bool = True) -> Benchmark:
    """Reads the folder `path` as the benchmark `name`.

    Args:
      path: folder with one file per language.
      name: if official, a key of PUBLISHED, which has the languages and the counts that they must have.
      candidate_text: one of CANDIDATE_TEXTS.
      official: False: any files in this layout, such as a held-out part of them.

    Raises:
      InputError: a language's file is missing, wrong or unexpected, or its counts are not the published ones.
      ValueError: an unknown candidate text.
    """
    if candidate_text not in CANDIDATE_TEXTS:
        raise ValueError(f"candidate text {candidate_text!r}: expected one of {', '.join(CANDIDATE_TEXTS)}")
    queries, candidates = [], []  # (id, item, language, text) each
    golds: dict[str, list[int]] = {}  # question -> its relevant candidates, one in each language that has it
    for code, file in _files(Path(path), name, official).items():
        paragraphs = squad_layout.read(file)
        answers = [answer for paragraph in paragraphs for answer in _questions(paragraph, code)]
        sentences = [row for paragraph in paragraphs for row in _sentences(paragraph, code, candidate_text)]
        if official:
            _check_counts(name, code, file, (len(answers), len(sentences)))
        number = {row[0]: len(candidates) + index for index, row in enumerate(sentences)}
        for question, text, sentence in answers:
            queries.append((f"{question}:{code}", question, code, text))
            golds.setdefault(question, []).append(number[sentence])
        candidates += sentences
    item = {n: first for question, first in connected.groups(golds).items() for n in golds[question]}
    candidates = [(id_, item.get(n, id_), code, text) for n, (id_, code, text) in enumerate(candidates)]
    relevant_QG = pad_relevant([golds[question] for _, question, _, _ in queries])
    sides = {"queries": BenchmarkTexts.of_rows(queries), "candidates": BenchmarkTexts.of_rows(candidates)}
    copies, notes = copies_as_published(sides, _AS_PUBLISHED)
    settings = {"candidate_text": candidate_text}
    return Benchmark(name, **sides, relevant_QG=relevant_QG, counts={"copies": copies}, notes=notes, settings=settings)


def _files(folder: Path, name: str, official: bool) -> dict[str, Path]:
    """The file of each language of the benchmark, in alphabetical order of the codes."""
    files = squad_layout.language_files(folder)
    if not official:
        return files
    codes = " ".join(PUBLISHED[name])
    for code in PUBLISHED[name]:
        if code not in files:
            raise InputError(f"{folder / code}.json: no such file: {name} has one file for each of {codes}; {_ORIGIN}")
    for code, file in files.items():
        if code not in PUBLISHED[name]:
            raise InputError(f"{file}: unexpected file: {name} has the languages {codes} only; move it elsewhere")
    return {code: files[code] for code in PUBLISHED[name]}


def _questions(paragraph: squad_layout.Paragraph, code: str) -> Iterator[tuple[str, str, str]]:
    """Yields question id, text and the id of the candidate that answers it."""
    if paragraph.sentences is None:
        raise InputError(f"{paragraph.place}: no sentence_breaks and sentences, so no candidates; {_ORIGIN}")
    for question in paragraph.questions:
        if question.answer is None:
            raise InputError(f"{paragraph.place}, question {question.id!r}: no answer, so nothing relevant; {_ORIGIN}")
        yield question.id, question.text, _id(paragraph, code, squad_layout.gold_sentence(paragraph, question))


def _sentences(paragraph: squad_layout.Paragraph, code: str, candidate_text: str) -> Iterator[tuple[str, str, str]]:
    """Yields id, language and text of each candidate."""
    for position, sentence in enumerate(paragraph.sentences):
        text = sentence if candidate_text == "sentence" else f"{sentence} {paragraph.context}"
        yield _id(paragraph, code, position), code, text


def _id(paragraph: squad_layout.Paragraph, code: str, position: int) -> str:
    return f"{code}:p{paragraph.number}:s{position}"


def _check_counts(name: str, code: str, file: Path, counts: tuple[int, int]) -> None:
    for what, found, published in zip(("questions", "candidates"), counts, PUBLISHED[name][code], strict=True):
        if found != published:
            raise InputError(
                f"{file}: {name} in {code!r} has {found} {what}, expected {published}, the published number: the file"
                f" is not the official one; {_ORIGIN}"
            )

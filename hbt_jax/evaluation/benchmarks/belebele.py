"""Belebele (Bandarkar et al. 2023, arXiv 2308.16884) as retrieval: find the passage that a question is about.

    DATA_DIR/belebele/data/LANG.jsonl   or LANG.jsonl.gz; LANG is a FLORES-200 code, see languages.BELEBELE

The files are those of https://huggingface.co/datasets/facebook/belebele: one question per line, with the fields `link`,
`question_number`, `question`, `flores_passage` and `dialect`, which is LANG; the other fields are ignored.

- A candidate is one passage in one language: id "LINK:CODE", item LINK.  Questions about one passage repeat it.
- A query is one question in one language: id "LINK#NUMBER:CODE", item "LINK#NUMBER".
- Relevant to a query are the passages of its LINK, one in each language that has it.
"""

from pathlib import Path

from hbt_jax.errors import InputError
from hbt_jax.evaluation.benchmarks.benchmark import Benchmark, BenchmarkTexts, pad_relevant
from hbt_jax.evaluation.benchmarks.copies import copies_as_published
from hbt_jax.evaluation.reading.text_lines import check_id, json_object, read_lines, shown, text_field
from hbt_jax.languages import BELEBELE, unknown_language
from hbt_jax.text_identity import JUDGED, identity_text

PUBLISHED = {"questions": 900, "passages": 488}  # in each language
_TEXTS, _NUMBER = ("link", "question", "flores_passage", "dialect"), "question_number"
_LAYOUT = "a belebele folder holds data/LANG.jsonl, from https://huggingface.co/datasets/facebook/belebele"
_LISTED = f"Belebele has {' '.join(BELEBELE)}"


def read(path: str, name: str) -> Benchmark:
    """Reads the folder `path` as the benchmark `name`, in all languages that it has.

    Raises:
      InputError: no file, a file of another name than Belebele's, or a wrong line, which the message names.
    """
    queries, candidates, notes = [], [], []  # (id, item, language, text) each of the first two
    passages_of: dict[str, list[int]] = {}  # link -> numbers of its passages in all languages
    for flores in _languages(Path(path) / "data"):
        code, questions, passages = BELEBELE[flores], {}, {}
        for place, line in read_lines(f"{path}/data/{flores}.jsonl", _LAYOUT):
            if line.strip():
                _add(place, json_object(place, line, "a question and its passage"), flores, questions, passages)
        for link, text in passages.items():
            passages_of.setdefault(link, []).append(len(candidates))
            candidates.append((f"{link}:{code}", link, code, text))
        queries += [(f"{link}#{n}:{code}", f"{link}#{n}", code, text) for (link, n), text in questions.items()]
        counts = {"questions": len(questions), "passages": len(passages)}
        if counts != PUBLISHED:
            said = [f"{counts[what]:,} of {number} {what}" for what, number in PUBLISHED.items()]
            notes.append(f"not the published Belebele: {code} has {' and '.join(said)}")
    sides = {"queries": BenchmarkTexts.of_rows(queries), "candidates": BenchmarkTexts.of_rows(candidates)}
    why = "they are not merged, as a question is judged by its passage's link"
    copies, copy_notes = copies_as_published(sides, why)
    relevant_QG = pad_relevant([passages_of[item.rpartition("#")[0]] for _, item, _, _ in queries])
    return Benchmark(name, **sides, relevant_QG=relevant_QG, counts={"copies": copies}, notes=(*notes, *copy_notes))


def _languages(folder: Path) -> list[str]:
    codes = sorted({path.name.removesuffix(".gz").removesuffix(".jsonl") for path in folder.glob("*.jsonl*")})
    for code in codes:
        if code not in BELEBELE:
            raise InputError(f"{folder / code}.jsonl: {unknown_language(code, _LISTED, BELEBELE)}")
    if not codes:
        raise InputError(f"{folder}: no LANG.jsonl in it: {_LAYOUT}")
    return codes


def _add(place: str, row: dict, flores: str, questions: dict[tuple[str, int], str], passages: dict[str, str]) -> None:
    """Adds the question and the passage of one line, which must be of the file's language and new in it."""
    (link, question, passage, dialect), number = (text_field(place, row, one) for one in _TEXTS), row.get(_NUMBER)
    check_id(place, "link", link)
    if dialect != flores:
        raise InputError(f"{place}: dialect {dialect!r} in a file of {flores}: expected one language in each file")
    if type(number) is not int:
        raise InputError(f"{place}: {_NUMBER} is {shown(number)}: expected a whole number")
    if (link, number) in questions:
        raise InputError(f"{place}: question {number} of {link!r} occurs twice: keep one line")
    if identity_text(passages.setdefault(link, passage), JUDGED) != identity_text(passage, JUDGED):
        raise InputError(f"{place}: the passage of {link!r} differs from an earlier line: expected one for each link")
    questions[link, number] = question

"""MKQA (Longpre et al. 2021, arXiv 2007.15207) as retrieval: find the short answer to a question in 26 languages.

    DATA_DIR/mkqa/mkqa.jsonl   or mkqa.jsonl.gz, of https://github.com/apple/ml-mkqa: {"example_id", "queries":
                               {LANG: text}, "answers": {LANG: [{"type", "text"}]}} per line

- A candidate is one answer text in one language: id "CODE:aN", numbered in the order of the file.  Answers that are the
  same are one candidate, which is relevant to all their questions; aliases are not used.
- A query is one question in one language: id "EXAMPLE:LANG", item EXAMPLE; its answers are relevant, in every language.
  Questions with the same text are reported and judged as published.
- zh_cn, zh_hk and zh_tw are three of the 26 languages, each with a pool of its own: zh, zh-HK and zh-Hant.
- Questions with an unanswerable, binary or long answer have no answer text that could be found: they are counted.
"""

from hbt_jax.errors import InputError
from hbt_jax.evaluation.benchmarks.benchmark import Benchmark, BenchmarkTexts, pad_relevant
from hbt_jax.evaluation.benchmarks.copies import copies_as_published
from hbt_jax.evaluation.benchmarks.judged_rows import check_language
from hbt_jax.evaluation.reading.text_lines import id_field, json_object, read_lines, shown, text_field
from hbt_jax.text_identity import JUDGED, identity_text

# The types that the README of ml-mkqa lists (commit 651b8cc): 6,620 of its questions have a short answer.
SHORT = ("entity", "date", "number", "number_with_unit", "short_phrase")  # types of answers
NO_TEXT = ("unanswerable", "binary", "long_answer")
PUBLISHED = 10_000  # questions in each language
_AS_PUBLISHED = "they are not merged, and only the answers of a question's own line are relevant to it"
_LAYOUT = "an mkqa folder holds mkqa.jsonl, from https://github.com/apple/ml-mkqa"


def read(path: str, name: str) -> Benchmark:
    """Reads the folder `path` as the benchmark `name`.

    Raises:
      InputError: the file is missing, or a line is wrong; the message names it.
    """
    answers: dict[tuple[str, str], int] = {}  # (language, what makes the text the same) -> number
    candidates, queries, relevant, left_out, seen = [], [], [], 0, set()
    for place, line in read_lines(f"{path}/mkqa.jsonl", _LAYOUT):
        if not line.strip():
            continue
        row = json_object(place, line, "example_id, queries and answers")
        example = id_field(place, row, "example_id")
        if example in seen:
            raise InputError(f"{place}: example_id {example!r} occurs twice: keep one line for each")
        seen.add(example)
        texts = _answers(place, row)
        if not texts:
            left_out += 1
            continue
        mine = []
        for code, text in texts:
            key = (code, identity_text(text, JUDGED))
            if key not in answers:
                candidates.append((f"{code}:a{len(candidates)}", f"a{len(candidates)}", code, text))
            mine.append(answers.setdefault(key, len(answers)))
        for lang, code in _languages(place, row, "queries").items():
            queries.append((f"{example}:{lang}", example, code, text_field(place, row["queries"], lang)))
            relevant.append(sorted({*mine}))
    if not queries:
        raise InputError(f"{path}: no question has an answer text: {_LAYOUT}")
    notes = [f"{left_out:,} of {len(seen):,} questions have no short answer and are left out"]
    if len(seen) != PUBLISHED:
        notes.append(f"not the published MKQA: {len(seen):,} of {PUBLISHED:,} questions")
    sides = BenchmarkTexts.of_rows(queries), BenchmarkTexts.of_rows(candidates)
    copies, copy_notes = copies_as_published({"queries": sides[0]}, _AS_PUBLISHED)
    counts = {"questions_left_out": left_out, "copies": copies}
    return Benchmark(name, *sides, pad_relevant(relevant), counts=counts, notes=(*notes, *copy_notes))


def _languages(place: str, row: dict, field: str) -> dict[str, str]:
    """The languages of queries or answers, as written -> code."""
    if not isinstance(row.get(field), dict) or not row[field]:
        raise InputError(f"{place}: {field} is {shown(row.get(field))}: expected an object with one field per language")
    found: dict[str, str] = {}
    for lang in row[field]:
        code = check_language(place, lang)
        if code in found.values():
            first = next(other for other in found if found[other] == code)
            raise InputError(f"{place}: {field} in {first!r} and in {lang!r} are both in {code!r}: keep one of them")
        found[lang] = code
    return found


def _answers(place: str, row: dict) -> list[tuple[str, str]]:
    """(language, text) of every answer; none if the question has no short answer."""
    found = []
    for lang, code in _languages(place, row, "answers").items():
        versions = row["answers"][lang]
        if not isinstance(versions, list) or not all(isinstance(one, dict) for one in versions):
            raise InputError(f"{place}: answers in {lang!r} are {shown(versions)}: expected a list of objects")
        for one in versions:
            if one.get("type") not in (*SHORT, *NO_TEXT):
                known = ", ".join((*SHORT, *NO_TEXT))
                raise InputError(
                    f"{place}: the type of an answer in {lang!r} is {shown(one.get('type'))}: expected one of {known}"
                )
            if one["type"] in SHORT:
                found.append((code, text_field(place, one, "text")))
    return found

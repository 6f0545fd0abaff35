"""MKQA (Longpre et al. 2021, arXiv 2007.15207) as retrieval: find the short answer to a question in 26 languages.

    DATA_DIR/mkqa/mkqa.jsonl   or mkqa.jsonl.gz, of https://github.com/apple/ml-mkqa: {"example_id", "queries":
                               {LANG: text}, "answers": {LANG: [{"type", "text"}]}} a line

- A candidate is one answer text in one language: id "CODE:aN", numbered in the order of the file.  Answers that are the
  same are one candidate, which is relevant to all their questions; aliases are not used.
- A query is one question in one language file: id "EXAMPLE:LANG", item EXAMPLE; relevant are its answers, in every
  language.
- Questions with an unanswerable, binary or long answer have no answer text that could be found: they are counted.
"""

from hbt_jax.errors import InputError
from hbt_jax.evaluation.benchmarks.benchmark import Benchmark, BenchmarkTexts, pad_relevant
from hbt_jax.evaluation.benchmarks.judged_rows import check_language
from hbt_jax.evaluation.benchmarks.text_lines import id_field, json_object, read_lines, shown, text_field
from hbt_jax.text_identity import JUDGED, identity_text

CODES = {"zh_cn": "zh", "zh_hk": "zh-Hant", "zh_tw": "zh-Hant"}  # others are our codes
NO_TEXT = ("unanswerable", "binary", "long_answer")
PUBLISHED = 10_000  # questions in each language
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
        for lang in _side(place, row, "queries"):
            text, code = text_field(place, row["queries"], lang), check_language(place, CODES.get(lang, lang))
            queries.append((f"{example}:{lang}", example, code, text))
            relevant.append(sorted({*mine}))
    if not queries:
        raise InputError(f"{path}: no question has an answer text: {_LAYOUT}")
    notes = [f"{left_out:,} of {len(seen):,} questions have no short answer and are left out"]
    if len(seen) != PUBLISHED:
        notes.append(f"not the published MKQA: {len(seen):,} of {PUBLISHED:,} questions")
    sides = BenchmarkTexts.of_rows(queries), BenchmarkTexts.of_rows(candidates)
    return Benchmark(name, *sides, pad_relevant(relevant), counts={"questions_left_out": left_out}, notes=tuple(notes))


def _side(place: str, row: dict, field: str) -> dict:
    if not isinstance(row.get(field), dict) or not row[field]:
        raise InputError(f"{place}: {field} is {shown(row.get(field))}: expected an object with a field a language")
    return row[field]


def _answers(place: str, row: dict) -> list[tuple[str, str]]:
    """(language, text) of every answer; none if the question has no short answer."""
    found = []
    for lang, versions in _side(place, row, "answers").items():
        if not isinstance(versions, list) or not all(isinstance(one, dict) for one in versions):
            raise InputError(f"{place}: answers in {lang!r} are {shown(versions)}: expected a list of objects")
        code = check_language(place, CODES.get(lang, lang))
        found += [(code, text_field(place, one, "text")) for one in versions if one.get("type") not in NO_TEXT]
    return found

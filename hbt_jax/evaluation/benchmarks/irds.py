"""Benchmarks by their ids in the package ir_datasets (MacAvaney et al. 2021), such as irds:beir/nfcorpus/test.

The package finds the files, and fetches those that may be fetched.  The text of a document or query is what the
package calls its default text.  Candidates are held in memory.

The package says the language of some documents and queries; the others are in that of --language.  So English queries
against documents in another language, which are how CLIR's data sets are published, need --language=en.
"""

import importlib.util

from hbt_jax.errors import InputError
from hbt_jax.evaluation.benchmarks.benchmark import Benchmark
from hbt_jax.evaluation.benchmarks.judged_rows import Rows, benchmark_of, check_language

PREFIX = "irds:"


def read(id_: str, name: str, language: str = "") -> Benchmark:
    """Reads the data set with this id, without PREFIX, as the benchmark `name`.

    Raises:
      InputError: the package is not installed, does not know the id or cannot get its files; the data set has no
        documents, queries or judgements; or its language is not known.
    """
    flag = f"--benchmarks={PREFIX}{id_}"
    if importlib.util.find_spec("ir_datasets") is None:
        raise InputError(f"{flag} needs the library ir-datasets: pip install -e '.[irds]'")
    import ir_datasets

    try:
        data = ir_datasets.load(id_)
    except KeyError as error:
        raise InputError(f"{flag}: ir_datasets has no data set of this id: see https://ir-datasets.com") from error
    missing = [part for part in ("docs", "queries", "qrels") if not getattr(data, f"has_{part}")()]
    if missing:
        raise InputError(
            f"{flag}: it has no {' and no '.join(missing)}: expected an id with all three, such as .../test"
        )
    try:
        stated = [data.queries_lang(), data.docs_lang()]
        queries = _rows(flag, data.queries_iter(), "query_id", stated[0] or language)
        documents = _rows(flag, data.docs_iter(), "doc_id", stated[1] or language)
        judgements = list(data.qrels_iter())
    except (OSError, RuntimeError) as error:
        raise InputError(f"{flag}: ir_datasets cannot get its files: {error}") from error
    grades: dict[str, dict[str, int]] = {}
    unknown = again = 0
    for one in judgements:
        if one.query_id in queries and one.doc_id in documents:
            again += one.doc_id in grades.setdefault(one.query_id, {})
            grades[one.query_id].setdefault(one.doc_id, one.relevance)
        else:
            unknown += 1
    notes = [f"{unknown:,} judgements are of queries or documents that the data set does not have"] if unknown else []
    known = {check_language(flag, code) for code in stated if code}
    if language and all(stated) and check_language("--language", language) not in known:
        codes = " and ".join(dict.fromkeys(stated))
        notes.append(f"--language={language} is not used: the package says that the texts are in {codes}")
    if again:
        notes.append(f"{again:,} judgements repeat an earlier one of their query and document; the first counts")
    return benchmark_of(name, queries, documents, grades, (f"ir_datasets' {id_}", *notes))


def _rows(flag: str, found, key: str, language: str | None) -> Rows:
    if not language:
        raise InputError(f"{flag}: ir_datasets does not state its language: give it as --language, such as en")
    code = check_language(flag, language)
    return {getattr(one, key): (code, one.default_text().strip()) for one in found}

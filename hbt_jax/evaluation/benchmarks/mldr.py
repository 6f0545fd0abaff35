"""MLDR (Chen et al. 2024, arXiv 2402.03216): find long documents in 13 languages; the test split.

DATA_DIR/mldr/ holds https://huggingface.co/datasets/Shitao/MLDR, with all or some languages:

    mldr-v1.0-LANG/test.jsonl.gz     {"query_id", "query", "positive_passages": [{"docid"}]} per line
    mldr-v1.0-LANG/corpus.jsonl.gz   {"docid", "text"} per line

Documents are judged in the query's language only; what is not positive counts as not relevant.
"""

from pathlib import Path

from hbt_jax.errors import InputError
from hbt_jax.evaluation.benchmarks.benchmark import BenchmarkTexts
from hbt_jax.evaluation.benchmarks.streamed import Shard, StreamedBenchmark, joint_id, passage_reader
from hbt_jax.evaluation.reading.text_lines import check_id, json_object, read_lines, shown, text_field
from hbt_jax.languages import by_language

_PREFIX, SPLIT = "mldr-v1.0-", "test"
_FIELDS = ("docid", "text")
_LAYOUT = "an mldr folder holds mldr-v1.0-LANG/test.jsonl.gz and corpus.jsonl.gz, from Shitao/MLDR on the hub"
_NOTE = "documents are judged in the query's language only: in the multilingual pool, all others count as not relevant"


def read(path: str, name: str) -> StreamedBenchmark:
    """Reads the queries, and lists the corpora; no document is read.

    Raises:
      InputError: no language, two folders of one, a missing file, or a wrong line, which the message names.
    """
    rows, grades, shards, seen = [], [], [], set()
    folders = {folder: folder.name.removeprefix(_PREFIX) for folder in sorted(Path(path).glob(f"{_PREFIX}*"))}
    for code, folder in by_language(folders, f"a folder is named {_PREFIX}LANG").items():
        corpus = next((folder / f"corpus.jsonl{end}" for end in (".gz", "") if _has(folder, end)), None)
        if corpus is None:
            raise InputError(f"{folder}: no corpus.jsonl.gz in it: {_LAYOUT}")
        shards.append(Shard(code, f"{code}-corpus", str(corpus)))
        for place, line in read_lines(f"{folder}/{SPLIT}.jsonl", _LAYOUT):
            if line.strip():
                id_, text, positives = _query(place, line)
                if joint_id(code, id_) in seen:
                    raise InputError(f"{place}: query_id {id_!r} occurs twice: ids must be unique in a file")
                seen.add(joint_id(code, id_))
                rows.append((joint_id(code, id_), joint_id(code, id_), code, text))
                grades.append(dict.fromkeys(positives, 1))
    if not rows:
        raise InputError(f"{path}: no {_PREFIX}LANG in it: {_LAYOUT}")
    settings = {"split": SPLIT, "candidate_text": "text"}
    return StreamedBenchmark(
        name, BenchmarkTexts.of_rows(rows), grades, tuple(shards), passage_reader(*_FIELDS), settings, (_NOTE,)
    )


def _has(folder: Path, end: str) -> bool:
    return (folder / f"corpus.jsonl{end}").is_file()


def _query(place: str, line: str) -> tuple[str, str, list[str]]:
    """Id, text and ids of the documents that answer it."""
    row = json_object(place, line, "query_id, query and positive_passages")
    id_, text, positives = (
        text_field(place, row, "query_id"),
        text_field(place, row, "query"),
        row.get("positive_passages"),
    )
    check_id(place, "query_id", id_)
    if not (isinstance(positives, list) and positives and all(isinstance(one, dict) for one in positives)):
        raise InputError(f"{place}: positive_passages is {shown(positives)}: expected documents, at least one")
    return id_, text, [text_field(place, one, "docid") for one in positives]

"""Copies of relevant passages in a streamed corpus: found by digests, counted by hand, and never judged."""

import gzip
import json

import pytest

from hbt_jax.config.evaluation import EvalConfig
from hbt_jax.errors import Interrupted
from hbt_jax.evaluation.benchmarks import miracl
from hbt_jax.evaluation.evaluator import EvaluationContext
from hbt_jax.evaluation.streamed import copies
from hbt_jax.evaluation.streamed.evaluate import StreamedEvaluator
from hbt_jax.text_identity import JUDGED, identity_text
from tests.evaluation import make_miracl
from tests.evaluation.several_processes import ALONE, run_together


@pytest.fixture
def noted(tmp_path):
    """A function that reads the corpus of some languages and says which copies there are."""
    make_miracl.write(tmp_path / "miracl")

    def noted(*chosen, poll=lambda: None, processes=ALONE):
        benchmark = miracl.read(str(tmp_path / "miracl"), "miracl", chosen)
        evaluator = StreamedEvaluator(benchmark)
        evaluator.prepare(EvaluationContext(EvalConfig(), None, processes, tmp_path / "out", poll, poll))
        return evaluator.benchmark

    return noted


def append(tmp_path, code, number, *rows):
    """Writes passages at the end of a shard."""
    path = make_miracl.shard_path(tmp_path / "miracl", code, number)
    old = gzip.decompress(path.read_bytes()).decode()
    with gzip.open(path, "wt", encoding="utf-8") as file:
        file.write(
            old + "".join(json.dumps(dict(zip(("docid", "title", "text"), row, strict=True))) + "\n" for row in rows)
        )


def by_hand(code, *further):
    """Docids of passages with the text of a passage that is relevant to a query, which are not relevant to it."""
    rows = [
        (row["docid"], f"{row['title']} {row['text']}" if row["title"] else row["text"])
        for row in make_miracl.passages(code)
    ]
    text = {docid: identity_text(text, JUDGED) for docid, text in [*rows, *further]}
    judged = [(query, docid) for query, docid, grade in make_miracl.judgements(code) if grade > 0]
    return {
        other
        for query, docid in judged
        for other in text
        if text[docid] and text[other] == text[docid] and other != docid and (query, other) not in judged
    }


def relevant_row(code):
    """(query, docid, title, text) of the first relevant passage."""
    query, docid, _ = next(row for row in make_miracl.judgements(code) if row[2] > 0)
    row = next(row for row in make_miracl.passages(code) if row["docid"] == docid)
    return query, docid, row["title"], row["text"]


def test_copies_are_those_by_hand(noted):
    expected = {code: by_hand(code) for code in make_miracl.SHARDS}
    assert all(expected[code] for code in ("en", "sw"))
    benchmark = noted()
    assert benchmark.counts["copies"]["passages"] == sum(map(len, expected.values()))
    assert noted("sw").counts["copies"]["passages"] == len(expected["sw"])
    grades = miracl.read(str(benchmark.shards[0].path).rpartition("/miracl-corpus")[0], "miracl").grades
    assert benchmark.grades == grades  # nothing is judged that was not


@pytest.mark.parametrize("change", ["{} ", "{}\u200b", "\u3000{}", "\ufeff{}", "{}\u00a0 "])
def test_a_copy_is_found_however_it_is_typed(noted, tmp_path, change):
    query, docid, title, text = relevant_row("yo")
    before = noted("yo").counts["copies"]["passages"]
    append(tmp_path, "yo", 0, ("99#0", title, change.format(text)), ("99#1", title, f"{text} 99"))
    append(tmp_path, "sw", 1, ("99#0", title, text))  # of another language
    benchmark = noted("yo", "sw")
    assert noted("yo").counts["copies"]["passages"] == before + 1
    assert benchmark.notes[-1].endswith("they are judged by their docids alone, as in published results")
    assert (
        "passages have the same text as a passage in their language that is relevant to a query, but are not judged"
        " relevant to it, such as one in docs-"
    ) in benchmark.notes[-1]
    if not before:
        example = f"one in docs-0.jsonl.gz with the text of {docid!r}, relevant to {query!r} in yo"
        assert example in noted("yo").notes[-1]


def test_passages_without_text_are_no_copies(noted, tmp_path):
    docid = make_miracl.passages("yo")[4]["docid"]  # the empty one
    path = make_miracl.qrels_path(tmp_path / "miracl", "yo")
    rows = [row for row in path.read_text().splitlines() if docid not in row]
    path.write_text("\n".join([*rows, f"0 Q0 {docid} 1"]) + "\n")
    before = noted("yo").counts["copies"]["passages"]
    append(tmp_path, "yo", 0, ("99#0", "", ""), ("99#1", "", "\u200b"))
    assert noted("yo").counts["copies"]["passages"] == before


def test_a_corpus_without_copies_has_no_note(noted, tmp_path, monkeypatch):
    rows = make_miracl.passages("yo")
    for number, row in enumerate(rows):
        row["text"] = f"{30 + number} {40 + number}"
    monkeypatch.setattr(make_miracl, "passages", lambda code: rows)
    make_miracl.write_shards(tmp_path / "miracl", "yo", make_miracl.SHARDS["yo"])
    benchmark = noted("yo")
    assert benchmark.counts["copies"]["passages"] == 0 and not [
        note for note in benchmark.notes if "passages have" in note
    ]


def test_digests_are_looked_up_a_part_at_a_time(noted, monkeypatch):
    expected = noted().counts
    monkeypatch.setattr(copies, "_TOGETHER", 3)
    assert noted().counts == expected


def test_one_process_counts_and_a_signal_stops_all(noted):
    first, other = run_together(2, lambda processes: noted("sw", processes=processes))
    assert first.counts["copies"]["passages"] == len(by_hand("sw")) and other.counts == {}

    def poll():
        raise Interrupted("a signal came")

    with pytest.raises(Interrupted, match="a signal came"):
        noted("sw", poll=poll)


def test_a_query_asked_twice_is_counted(noted, tmp_path):
    path = make_miracl.topics_path(tmp_path / "miracl", "yo")
    path.write_text("0\t30 31\n1\t30  31 \n2\t40\n")
    benchmark = noted("yo")
    assert benchmark.counts["copies"]["queries"] == 1
    assert any(
        note.startswith("1 queries have the same text as another one in their language, such as yo:1 (a copy of yo:0)")
        for note in benchmark.notes
    )

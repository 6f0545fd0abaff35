"""A benchmark that is written from a source: each text once, judged as all its copies are."""

import json
import types
import unicodedata

import pytest

from data_prep import write_benchmark as module
from data_prep.write_benchmark import write_benchmark
from hbt_jax.evaluation.benchmarks.registry import load_benchmark
from tests.evaluation.benchmarks.test_copies import TEXT, VARIANTS


@pytest.fixture
def written(tmp_path, monkeypatch):
    """A function that writes the rows of some splits, (query texts, passage texts) each, and reads the benchmark."""

    def write(split="test", **rows):
        def records(source, table, split, raw_dir):
            for number, (query, passage) in enumerate(rows[split]):
                name = f"{split}{number}"
                if table == "pairs":
                    yield {"query": name, "passage": name, "group": name, "negatives": []}
                    continue
                texts = query if table == "queries" else passage
                yield from ({"id": name, "language": code, "text": text} for code, text in texts.items())

        made = types.SimpleNamespace(info=types.SimpleNamespace(splits=dict.fromkeys(rows), metadata={}))
        monkeypatch.setattr(module.registry, "records", records)
        monkeypatch.setattr(module.registry, "builder", lambda *_: made)
        notes = []
        counts = write_benchmark("made", tmp_path, tmp_path / "mine", split, say=notes.append)
        benchmark = load_benchmark(f"{tmp_path}/mine", "")
        assert counts["queries"] == len(benchmark.queries) and counts["candidates"] == len(benchmark.candidates)
        assert counts["judgements"] == (benchmark.relevant_QG >= 0).sum()
        assert benchmark.counts["copies"] == dict.fromkeys(benchmark.counts["copies"], 0)  # nothing is left to judge
        return benchmark, notes

    return write


def relevant(benchmark):
    """Query id -> ids of its relevant candidates."""
    ids = benchmark.candidates.ids
    rows = zip(benchmark.queries.ids, benchmark.relevant_QG.tolist(), strict=True)
    return {query: [ids[n] for n in row if n >= 0] for query, row in rows}


@pytest.mark.parametrize("variant", VARIANTS)
def test_a_pair_that_is_there_in_another_form_is_one(written, variant):
    benchmark, notes = written(test=[({"pt": "onde?"}, {"pt": TEXT}), ({"pt": "onde? "}, {"pt": variant})])
    assert relevant(benchmark) == {"test0:pt": ["test0:pt"]}
    assert notes == [
        f"1 {side} have the same text as another one in their language, such as test1:pt (a copy of test0:pt): each"
        " text is written once"
        for side in ("queries", "candidates")
    ]


def parks(second):
    """Two questions about each of three cities; the passage of the second question in `second` of its languages."""
    rows = []
    for n, city in enumerate(("Lima", "Oslo", "Rome")):
        both = {"en": f"{city} has {n} parks.", "de": f"{city} hat {n} Parks."}
        rows.append(({"en": f"How many parks has {city}?", "de": f"Wie viele Parks hat {city}?"}, both))
        rows.append(({"en": f"Which city is {city}?"}, {code: both[code] for code in second}))
    return rows


@pytest.mark.parametrize("second", [("en",), ("de",), ("en", "de")])
def test_a_passage_in_other_languages_elsewhere_is_the_same_item(written, second):
    """The second question's answer is right in every language that the first question's has."""
    benchmark, notes = written(test=parks(second))
    assert benchmark.candidates.count_by_language() == {"de": 3, "en": 3}
    assert relevant(benchmark)["test1:en"] == ["test0:en", "test0:de"]
    assert all(len(found) == 2 for found in relevant(benchmark).values())
    assert notes[0].startswith(f"{3 * len(second)} candidates have the same text as another one in their language,")


def test_a_question_with_two_answers_has_both_in_all_its_languages(written):
    asked = {"en": "Who?", "de": "Wer?"}
    rows = [(asked, {"en": "one"}), ({"en": "Who? "}, {"en": "two", "de": "zwei"}), ({"fr": "Who?"}, {"en": "three"})]
    benchmark, _ = written(test=rows)
    assert relevant(benchmark) == {
        "test0:en": ["test0:en", "test1:en", "test1:de"],
        "test0:de": ["test0:en", "test1:en", "test1:de"],
        "test2:fr": ["test2:en"],
    }
    assert benchmark.queries.items == ["test0", "test0", "test2"]


def test_a_chain_of_passages_is_one_item(written):
    rows = [
        ({"en": "a?"}, {"en": "one", "de": "eins"}),
        ({"en": "b?"}, {"de": "eins ", "fr": "un"}),
        ({"en": "c?"}, {"fr": "u\u200bn", "es": "uno"}),
        ({"en": "d?"}, {"fr": "deux", "de": "one"}),
    ]
    benchmark, _ = written(test=rows)
    chain = ["test0:en", "test0:de", "test1:fr", "test2:es"]
    assert relevant(benchmark) == dict.fromkeys(("test0:en", "test1:en", "test2:en"), chain) | {
        "test3:en": ["test3:fr", "test3:de"]
    }
    assert benchmark.candidates.items == ["test0"] * 4 + ["test3"] * 2


def test_one_sentence_that_is_two_in_another_language_joins_nothing(written):
    rows = [({"en": "a?"}, {"ar": "both", "en": "one"}), ({"en": "b?"}, {"ar": "both ", "en": "two"})]
    benchmark, notes = written(test=rows)
    assert relevant(benchmark) == {"test0:en": ["test0:ar", "test0:en"], "test1:en": ["test0:ar", "test1:en"]}
    assert notes[1].startswith("1 groups of candidates share a text, such as that of test0:ar, but do not count")


def test_what_other_held_out_splits_answer_is_right_too(written):
    nfd = unicodedata.normalize("NFD", "où ?")
    benchmark, notes = written(
        test=[({"fr": "où ?"}, {"fr": "ici"})],
        validation=[({"fr": nfd}, {"fr": "là"}), ({"fr": "qui ?"}, {"fr": "ici "}), ({"fr": "qui ?"}, {"fr": "moi"})],
        train=[({"fr": "où ?"}, {"fr": "nulle part"})],
    )
    assert relevant(benchmark) == {"test0:fr": ["test0:fr", "validation0:fr"]}
    assert benchmark.candidates.texts == ["ici", "là", "moi"]
    assert [note.partition(" have")[0] for note in notes] == ["1 candidates"]  # no query of this split was merged


def test_a_filler_makes_one_candidate_but_no_item(written):
    rows = [({"en": f"q{n}?"}, {"en": f"{n}", "de": "-"}) for n in range(30)]
    benchmark, notes = written(test=rows)
    assert benchmark.candidates.count_by_language() == {"de": 1, "en": 30}
    assert relevant(benchmark)["test7:en"] == ["test0:de", "test7:en"]
    assert notes[1].startswith("1 groups of candidates share a text, such as that of test0:de, but do not count")


def test_texts_are_written_as_the_source_has_them(written, tmp_path):
    written(test=[({"en": "a  b? "}, {"en": "ﬁne "})])
    rows = [json.loads((tmp_path / "mine" / name).read_text()) for name in ("queries.jsonl", "candidates.jsonl")]
    assert [row["text"] for row in rows] == ["a  b? ", "ﬁne "]

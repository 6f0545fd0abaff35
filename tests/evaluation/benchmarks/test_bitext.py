"""Line-parallel files and Tatoeba's pairs: translations are relevant, accuracy both ways, and every error's text."""

import gzip
import os
from pathlib import Path

import numpy as np
import pytest

from hbt_jax.errors import InputError
from hbt_jax.evaluation.benchmarks import bitext
from hbt_jax.evaluation.benchmarks.registry import load_benchmark
from hbt_jax.evaluation.results.table import format_table
from hbt_jax.languages import TATOEBA
from tests.evaluation.ranked_small import evaluate

REAL = os.environ.get("HBT_JAX_DATA", "")
PARALLEL = {"de.txt": "eins\nzwei\n", "en.txt": "one\ntwo\n", "sw.txt": "moja\nmbili\n"}
PAIRS = {
    "tatoeba.deu-eng.deu": "Hallo.\nDanke.\n",
    "tatoeba.deu-eng.eng": "Hello.\nThanks.\n",
    "tatoeba.swh-eng.swh": "Asante.\nNdiyo.\nHapana.\n",
    "tatoeba.swh-eng.eng": "Thanks.\nYes.\nNo.\n",
}


@pytest.fixture
def read(tmp_path):
    """A function that writes the files of the folder and reads it as the benchmark."""

    def write_and_read(files):
        folder = tmp_path / "bitext"
        folder.mkdir(exist_ok=True)
        for name, content in files.items():
            content = content if isinstance(content, bytes) else content.encode()
            (folder / name).write_bytes(content)
        return load_benchmark("bitext", str(tmp_path))

    return write_and_read


def ids_of(benchmark, index_QG):
    """Query id -> ids of the candidates that a row names."""
    ids = benchmark.candidates.ids
    rows = zip(benchmark.queries.ids, index_QG.tolist(), strict=True)
    return {query: {ids[n] for n in row if n >= 0} for query, row in rows}


def test_translations_are_relevant(read):
    benchmark = read(PARALLEL)
    assert (
        benchmark.is_bitext and benchmark.pools is None and benchmark.counts == {"lines": 2, "copies": {"sentences": 0}}
    )
    assert benchmark.queries == benchmark.candidates
    assert benchmark.queries.ids == ["1:de", "2:de", "1:en", "2:en", "1:sw", "2:sw"]
    assert benchmark.queries.items == ["1", "2"] * 3
    assert benchmark.queries.texts == ["eins", "zwei", "one", "two", "moja", "mbili"]
    assert ids_of(benchmark, benchmark.relevant_QG)["2:en"] == {"2:de", "2:sw"}
    assert ids_of(benchmark, benchmark.excluded_QX)["2:en"] == {"2:en"}
    assert benchmark.notes == ()


def test_accuracy_by_hand(read, tmp_path):
    """Scores of de against en 1 2 / 3 0 and against sw 5 1 / 0 4; of en against sw 0 2 / 1 2 (rows: lines 1 and 2)."""
    query = np.array([[1, 0], [0, 1], [2, 1], [1, 1], [1, 0], [0, 1]], np.float32)
    candidate = np.array([[1, 0], [0, 1], [1, 3], [2, 0], [5, 0], [1, 4]], np.float32)
    found = evaluate(
        read(PARALLEL), query, candidate, out_dir=str(tmp_path / "out"), model_name="m", settings={}, counts={}
    )
    # de-en: line 1 scores (1, 2), line 2 (3, 0): both wrong.  en-de: (2, 1), and (1, 1) which the larger id wins.
    # de-sw: (5, 1), (0, 4).  sw-de: (1, 0), (0, 1).  en-sw: (10, 6), (5, 5).  sw-en: (1, 2), (3, 0).
    accuracy = {pair: block["mean"] for pair, block in found["accuracy@1"]["by_pair"].items()}
    assert accuracy == {"de-en": 0.5, "de-sw": 1.0, "en-sw": 0.5}
    assert found["accuracy@1"]["by_pair"]["de-en"] == {"de-en": 0.0, "en-de": 1.0, "mean": 0.5}
    assert found["accuracy@1"]["mean"] == pytest.approx(2 / 3)
    assert found["metrics"]["monolingual"] == {} and found["counts"]["lines"] == 2
    table = format_table(found)
    assert "accuracy@1 both ways, mean of 3 language pairs: 0.6667; worst de-en 0.5000" in table
    assert "no monolingual queries: no query has another relevant candidate in its own language" in table


def test_pairs_search_their_own_english_side(read):
    benchmark = read(PAIRS)
    assert benchmark.languages == ("de", "en", "sw") and benchmark.is_bitext
    assert benchmark.queries.ids == [
        "de:1:de", "de:2:de", "de:1:en", "de:2:en", "sw:1:sw", "sw:2:sw", "sw:3:sw", "sw:1:en", "sw:2:en", "sw:3:en",
    ]  # fmt: skip
    assert benchmark.pools == ["de"] * 2 + ["en of de"] * 2 + ["sw"] * 3 + ["en of sw"] * 3
    assert benchmark.relevant_QG.tolist() == [[2], [3], [0], [1], [7], [8], [9], [4], [5], [6]]
    assert benchmark.counts["lines"] == {"de": 2, "sw": 3}


def test_right_answers_of_other_pairs_are_not_searched(read):
    benchmark = read(PAIRS)
    excluded = ids_of(benchmark, benchmark.excluded_QX)
    assert excluded["de:1:de"] == {"de:1:de"}
    assert excluded["de:2:de"] == {"de:2:de", "sw:1:sw", "sw:1:en"}
    assert excluded["sw:1:en"] == {"sw:1:en", "de:2:de", "de:2:en"}
    assert benchmark.counts["sentences_that_other_pairs_translate"] == 4
    assert benchmark.notes == (
        "4 sentences do not search the sentences of other pairs whose line has the same English sentence",
    )


def test_right_answers_of_other_pairs_are_found_however_they_are_typed(read):
    typed = {"tatoeba.deu-eng.eng": "Hello.\nCafe\u0301\u00a0 au lait. \n"}
    typed["tatoeba.swh-eng.eng"] = "Cafe\u0301 au l\u200bait.\nYes.\nＨｅｌｌｏ.\n".replace("e\u0301", "\u00e9")
    benchmark = read(PAIRS | typed)
    excluded = ids_of(benchmark, benchmark.excluded_QX)
    assert excluded["de:2:de"] == {"de:2:de", "sw:1:sw", "sw:1:en"}
    assert excluded["sw:3:sw"] == {"sw:3:sw", "de:1:de", "de:1:en"}
    assert benchmark.counts["sentences_that_other_pairs_translate"] == 8


def test_a_sentence_on_two_lines_is_counted_and_stays_a_wrong_answer(read):
    benchmark = read({"de.txt": "eins\nzwei\neins \n", "en.txt": "one\ntwo\none\u200b\n"})
    assert ids_of(benchmark, benchmark.relevant_QG)["1:de"] == {"1:en"}
    assert benchmark.counts["copies"] == {"sentences": 2}
    assert benchmark.notes == (
        "2 sentences have the same text as another one in their language, such as 3:de (a copy of 1:de): only the"
        " translation on its own line is correct, as in published accuracies",
    )


def test_a_sentence_twice_in_a_pair_stays_a_wrong_answer(read):
    """As in published accuracies, which compare line numbers."""
    files = {"tatoeba.deu-eng.deu": "Nein!\nNee!\n", "tatoeba.deu-eng.eng": "No!\nNo!\n"}
    benchmark = read(files)
    assert ids_of(benchmark, benchmark.excluded_QX) == {id_: {id_} for id_ in benchmark.queries.ids}
    assert benchmark.counts["copies"] == {"sentences": 1}  # of No!; Thanks. of two pairs is left out of the search


def test_accuracy_of_pairs_by_hand(read, tmp_path):
    """Every text has its English sentence's unit vector, but for Swahili's Yes, which stands at No."""
    english = ["Hello.", "Thanks.", "Hello.", "Thanks.", "Thanks.", "No.", "No.", "Thanks.", "Yes.", "No."]
    vectors = np.eye(4, dtype=np.float32)[[["Hello.", "Thanks.", "Yes.", "No."].index(text) for text in english]]
    found = evaluate(
        read(PAIRS), vectors, vectors, out_dir=str(tmp_path / "out"), model_name="m", settings={}, counts={}
    )
    by_pair = found["accuracy@1"]["by_pair"]
    assert set(by_pair) == {"de-en", "en-sw"}
    assert by_pair["de-en"] == {"de-en": 1.0, "en-de": 1.0, "mean": 1.0}
    assert by_pair["en-sw"] == pytest.approx({"sw-en": 2 / 3, "en-sw": 2 / 3, "mean": 2 / 3})
    assert found["by_query_language"]["de"]["multilingual"]["map"] == 1.0
    runs = (tmp_path / "out" / "bitext" / "runs" / "multilingual.trec").read_text().splitlines()
    listed = [row.split()[2] for row in runs if row.startswith("de:2:de ")]
    assert listed[0] == "de:2:en" and not {"sw:1:sw", "sw:1:en", "de:2:de"} & set(listed) and len(listed) == 7


@pytest.mark.parametrize("files", [PARALLEL, PAIRS])
def test_gzipped_files_are_read(read, files, tmp_path):
    plain = read(files)
    for name in files:
        (tmp_path / "bitext" / name).unlink()
    packed = read({f"{name}.gz": gzip.compress(text.encode()) for name, text in files.items()})
    assert packed.queries == plain.queries and packed.notes == plain.notes


def test_a_file_plain_and_gzipped_is_refused(read):
    with pytest.raises(InputError, match=r"the folder holds sw\.txt and sw\.txt\.gz: keep one of them"):
        read(PARALLEL | {"sw.txt.gz": gzip.compress(b"moja\nmbili\n")})


def test_other_files_are_named_in_a_note(read):
    assert read(PARALLEL | {"LICENSE": "free", "README.md": "text"}).notes == (
        "files in the folder that were not read, as they hold no sentences: LICENSE README.md",
    )


@pytest.mark.parametrize(
    ("files", "message"),
    [
        (
            {"LICENSE": ""},
            r"bitext: no \.txt file and no tatoeba\. file: a bitext folder holds LANG\.txt, one",
        ),
        (PARALLEL | PAIRS, r"bitext: both de\.txt and tatoeba\.deu-eng\.deu: a bitext folder holds LANG\.txt"),
        ({"de.txt": "eins\n"}, r"bitext: de\.txt is the only language: expected two or more; a bitext folder holds"),
        (
            PARALLEL | {"xx.txt": "eins\nzwei\n"},
            r"xx\.txt: unknown language 'xx': a file is named by the language of its lines, such as en\.txt;",
        ),
        (PARALLEL | {"fil.txt": "isa\n", "tl.txt": "isa\n"}, r"fil\.txt and .*tl\.txt are both in 'fil': expected one"),
        (PARALLEL | {"zh-CHT.txt": "一\n", "zh-TW.txt": "一\n"}, r"zh-CHT\.txt and .*zh-TW\.txt are both in 'zh-Hant'"),
        (PARALLEL | {"deu.txt": "eins\nzwei\n"}, r"de\.txt and .*deu\.txt are both in 'de': expected one; join or"),
        (PARALLEL | {"cn.txt": "eins\nzwei\n"}, r"cn\.txt: unknown language 'cn': write zh, its code here$"),
        ({"tatoeba.zh-eng.zh": "x\n", "tatoeba.zh-eng.eng": "x\n"}, r"tatoeba\.XXX-eng\.eng with XXX cmn$"),
        ({"tatoeba.nb-eng.nb": "x\n", "tatoeba.nb-eng.eng": "x\n"}, r"tatoeba\.XXX-eng\.eng with XXX nob$"),
        (
            PARALLEL | {"sw.txt": "moja\n"},
            r"sw\.txt:1: 1 lines, but .*de\.txt has 2: line n must translate line n; give both the same num",
        ),
        (PARALLEL | {"sw.txt": "moja\n \n"}, r"sw\.txt:2: the line is empty: drop it or give the text"),
        (PARALLEL | {"sw.txt": ""}, r"sw\.txt: the file is empty: expected at least one line"),
        (PARALLEL | {"sw.txt": b"moja\n\xff\xfe\n"}, r"sw\.txt:2: not UTF-8 text \(.*\): save the file as UTF-8"),
        (PARALLEL | {"sw.txt": "moja\nmbili\n".encode("utf-16")}, r"sw\.txt:1: not UTF-8 text"),
        (
            {name: PAIRS[name] for name in list(PAIRS)[:3]},
            r"tatoeba\.swh-eng\.eng: no such file: the other file of the pair is there; a bitext folder",
        ),
        (
            {name: PAIRS[name] for name in list(PAIRS)[1:]},
            r"tatoeba\.deu-eng\.deu: no such file: the other file of the pair is there",
        ),
        (PAIRS | {"tatoeba.swh-eng.eng": "Thanks.\n"}, r"swh-eng\.eng:1: 1 lines, but .*swh-eng\.swh has 3: line n"),
        (
            PAIRS | {"tatoeba.xxx-eng.xxx": "x\n"},
            r"tatoeba\.xxx-eng\.xxx: unexpected name: expected tatoeba\.XXX-eng\.XXX or .* XXX one of afr .* zsm \(",
        ),
        (PAIRS | {"tatoeba.deu-eng.fra": "x\n"}, r"tatoeba\.deu-eng\.fra: unexpected name: expected"),
        (PAIRS | {"tatoeba.deu-fra.fra": "x\n"}, r"tatoeba\.deu-fra\.fra: unexpected name: expected"),
        (PAIRS | {"tatoeba.deu-eng.txt": "x\n"}, r"tatoeba\.deu-eng\.txt: unexpected name: expected"),
    ],
)
def test_a_wrong_folder_is_an_error_that_names_the_place(read, files, message):
    with pytest.raises(InputError, match=message):
        read(files)


def test_marks_of_other_systems_are_no_part_of_a_sentence(read):
    """A byte order mark, Windows line ends, a last line without an end; other breaks inside a sentence stay there."""
    files = {"de.txt": b"\xef\xbb\xbfeins\r\nzwei\r\n", "en.txt": "one\ntwo\u2028two\x85two".encode()}
    assert read(files).queries.texts == ["eins", "zwei", "one", "two\u2028two\x85two"]


@pytest.mark.parametrize("folder", ["bitext", "ntrex-parallel"])
def test_a_real_folder_is_read_whole(folder):
    path = Path(REAL) / folder
    if not REAL or not path.is_dir():
        pytest.skip(f"HBT_JAX_DATA names no folder with {folder}/LANG.txt")
    benchmark = bitext.read(str(path), "bitext")
    lines = {file.stem: file.read_bytes().count(b"\n") for file in path.glob("*.txt")}
    assert benchmark.candidates.count_by_language() == lines
    assert (benchmark.relevant_QG >= 0).sum(axis=1).tolist() == [len(lines) - 1] * len(benchmark.queries)


def test_every_language_of_tatoeba_is_known(read):
    files = {}
    for iso in TATOEBA:
        files |= {f"tatoeba.{iso}-eng.{side}": f"{iso} in {side}\n" for side in (iso, "eng")}
    benchmark = read(files)
    assert len(TATOEBA) == 112 and benchmark.languages == tuple(sorted({"en", *TATOEBA.values()}))
    assert len(benchmark.languages) == 113 and len(benchmark.queries) == 224

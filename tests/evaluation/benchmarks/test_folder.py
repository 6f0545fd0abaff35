"""The three-file layout: what is read, and the text of every error."""

import gzip
import json
import unicodedata

import numpy as np
import pytest

from hbt_jax.errors import InputError
from hbt_jax.evaluation.benchmarks.registry import NAMES, load_benchmark
from hbt_jax.evaluation.results.table import format_table
from tests.evaluation.ranked_small import evaluate
from tests.evaluation.test_ranked import by_trec_eval, macro

QUERIES = [
    {"id": "x/1:de", "item": "x/1", "language": "de", "text": "eins?"},
    {"id": "x/2:en", "language": "en", "text": "two?", "extra": 1},
]
CANDIDATES = [
    {"id": "x/1:de", "language": "de", "text": "eins"},
    {"id": "x/1:en", "language": "en", "text": "one"},
    {"id": "x/2:en", "language": "en", "text": "two"},
]
COPY_COUNTS = ("queries", "candidates", "added_judgements", "kept_not_relevant", "groups_not_joined")
QRELS = "x/1:de 0 x/1:en 1\nx/1:de 0 x/1:de 1\nx/2:en 0 x/2:en 2\nx/2:en 0 x/1:en 0\n"


def as_lines(rows):
    return "".join(json.dumps(row) + "\n" for row in rows)


@pytest.fixture
def folder(tmp_path):
    """A function that writes a good benchmark, with some files replaced, and returns its path."""

    def write(**replaced):
        files = {"queries.jsonl": as_lines(QUERIES), "candidates.jsonl": as_lines(CANDIDATES), "qrels.trec": QRELS}
        path = tmp_path / "mine"
        path.mkdir()
        for name, content in files.items():
            (path / name).write_text(replaced.get(name.split(".")[0], content), encoding="utf-8")
        return str(path)

    return write


def test_reads_the_folder(folder):
    benchmark = load_benchmark(folder() + "/", "")
    assert benchmark.name == "mine"
    assert benchmark.languages == ("de", "en")
    assert benchmark.queries.items == ["x/1", "x/2"]
    assert benchmark.candidates.texts == ["eins", "one", "two"]
    assert benchmark.candidates.count_by_language() == {"de": 1, "en": 2}
    assert benchmark.relevant_QG.tolist() == [[0, 1], [2, -1]]


@pytest.mark.parametrize(
    ("codes", "known"), [(("tl", "fil"), "fil"), (("kzj", "dtp"), "dtp"), (("zh_CN", "zho"), "zh")]
)
def test_spellings_of_a_language_are_one_language_and_the_notes_say_so(folder, codes, known):
    one, other = codes
    queries = [{"id": "q", "language": one, "text": "isa?"}, {"id": "r", "language": "en", "text": "one?"}]
    candidates = [{"id": "a", "language": other, "text": "isa"}, {"id": "b", "language": one, "text": " isa"}]
    replaced = {"queries": as_lines(queries), "candidates": as_lines(candidates), "qrels": "q 0 a 1\nr 0 a 1\n"}
    benchmark = load_benchmark(folder(**replaced), "")
    assert benchmark.languages == tuple(sorted(("en", known))) and benchmark.candidates.languages == [known] * 2
    assert benchmark.relevant_QG.tolist() == [[0, 1]] * 2  # copies of one language
    said = [note for note in benchmark.notes if "the same language" in note]
    assert f"2 texts in {one!r}, counted as {known}, the same language" in said
    assert len(said) == sum(code != known for code in codes)


def test_a_named_benchmark_is_read_from_the_data_folder(folder, tmp_path):
    folder()
    (tmp_path / "mine").rename(tmp_path / "facts")
    assert load_benchmark("facts", str(tmp_path)).name == "facts"


def change(rows, index, **fields):
    return as_lines([row | fields if number == index else row for number, row in enumerate(rows)])


@pytest.mark.parametrize(
    ("replaced", "message"),
    [
        ({"queries": '{"id": 1\n'}, r"queries.jsonl:1: not JSON \(.*\): expected one object per line"),
        ({"queries": "[" * 100_000}, r"queries.jsonl:1: not JSON \(brackets .* deep.*\): expected one object per line"),
        ({"queries": '{"id": ' + "9" * 5000 + "}"}, r"queries.jsonl:1: not JSON \(a whole number has 5,000 digits"),
        ({"queries": "[1]\n"}, r"queries.jsonl:1: expected a JSON object with id, language and text, got list"),
        (
            {"queries": as_lines(QUERIES[:1]) + '{"id": "a", "language": "de"}'},
            r"queries.jsonl:2: missing field 'text'",
        ),
        ({"queries": change(QUERIES, 1, language=3)}, r"queries.jsonl:2: field 'language' is 3: expected a string"),
        (
            {"candidates": change(CANDIDATES, 1, language="xx")},
            r"candidates.jsonl:2: unknown language 'xx': expected a",
        ),
        (
            {"candidates": change(CANDIDATES, 1, language="cn")},
            r"candidates.jsonl:2: unknown language 'cn': write zh, its",
        ),
        (
            {"queries": change(QUERIES, 1, language="vn")},
            r"queries.jsonl:2: unknown language 'vn': write vi, its",
        ),
        (
            {"candidates": change(CANDIDATES, 2, id="x/1:de")},
            r"candidates.jsonl:3: duplicate id 'x/1:de', first at .*candidates.jsonl:1",
        ),
        (
            {"candidates": change(CANDIDATES, 0, id="a b")},
            r"candidates.jsonl:1: id 'a b' is empty or holds white space",
        ),
        ({"candidates": change(CANDIDATES, 0, text=" ")}, r"candidates.jsonl:1: the text of 'x/1:de' is empty"),
        ({"queries": change(QUERIES, 0, text="\u200b\ufeff")}, r"queries.jsonl:1: the text of 'x/1:de' is empty"),
        (
            {"candidates": '{"id": "a", "text": "x", "id": "b"}'},
            r"candidates.jsonl:1: field 'id' occurs twice in one object: keep one",
        ),
        ({"candidates": "\n"}, r"candidates.jsonl: the file is empty: expected at least one line"),
        ({"qrels": ""}, r"qrels.trec: the file is empty"),
        ({"qrels": "x/1:de x/1:de 1\n"}, r"qrels.trec:1: 3 fields: expected 4"),
        ({"qrels": QRELS + "nobody 0 x/1:de 1\n"}, r"qrels.trec:5: unknown query id 'nobody': it is not in queries"),
        ({"qrels": QRELS + "x/1:de 0 gone 1\n"}, r"qrels.trec:5: unknown candidate id 'gone': it is not in candidates"),
        (
            {"qrels": QRELS + "x/1:de 0 x/1:en 1\n"},
            r"qrels.trec:5: query 'x/1:de' and candidate 'x/1:en' are judged tw",
        ),
        ({"qrels": "x/1:de 0 x/1:en yes\n"}, r"qrels.trec:1: grade 'yes': expected a whole number"),
        (
            {"qrels": "x/1:de 0 x/1:en 1\nx/2:en 0 x/2:en 0\n"},
            r"qrels.trec: 1 of 2 queries have no relevant candidate, the first is 'x/2:en'",
        ),
    ],
)
def test_a_wrong_file_is_an_error_that_names_the_place(folder, replaced, message):
    with pytest.raises(InputError, match=message):
        load_benchmark(folder(**replaced), "")


def test_a_missing_file_is_an_error(folder, tmp_path):
    path = folder()
    (tmp_path / "mine" / "qrels.trec").unlink()
    with pytest.raises(InputError, match=r"qrels.trec: no such file: a benchmark folder holds queries.jsonl"):
        load_benchmark(path, "")


def test_a_file_in_another_encoding_is_an_error(folder, tmp_path):
    path = folder()
    (tmp_path / "mine" / "queries.jsonl").write_bytes(b'{"text": "caf\xe9"}\n')
    with pytest.raises(InputError, match=r"queries.jsonl:1: not UTF-8 text"):
        load_benchmark(path, "")


def test_a_wrong_name_is_an_error_that_lists_the_names(tmp_path):
    with pytest.raises(InputError, match=f"fact: unknown benchmark: the known ones are {', '.join(NAMES)};"):
        load_benchmark("fact", str(tmp_path))
    with pytest.raises(InputError, match="--benchmarks=./nowhere: no such folder"):
        load_benchmark("./nowhere", str(tmp_path))
    with pytest.raises(InputError, match="--benchmarks=facts needs --data_dir"):
        load_benchmark("facts", "")
    with pytest.raises(InputError, match="facts: no such folder: --data_dir must hold one folder per benchmark"):
        load_benchmark("facts", str(tmp_path))


def gzipped(tmp_path, name):
    """Replaces a file of the folder by its gzipped form, and returns that one's path."""
    path = tmp_path / "mine" / name
    packed = path.with_name(f"{name}.gz")
    packed.write_bytes(gzip.compress(path.read_bytes()))
    path.unlink()
    return packed


def test_gzipped_files_read_the_same(folder, tmp_path):
    path = folder()
    plain = load_benchmark(path, "")
    for name in ("queries.jsonl", "candidates.jsonl", "qrels.trec"):
        gzipped(tmp_path, name)
    packed = load_benchmark(path, "")
    assert packed.queries == plain.queries and packed.candidates == plain.candidates
    assert packed.relevant_QG.tolist() == plain.relevant_QG.tolist()


def test_a_file_that_is_there_twice_is_an_error(folder, tmp_path):
    path = folder()
    text = (tmp_path / "mine" / "queries.jsonl").read_text()
    gzipped(tmp_path, "queries.jsonl")
    (tmp_path / "mine" / "queries.jsonl").write_text(text)
    with pytest.raises(InputError, match=r"the folder holds queries\.jsonl and queries\.jsonl\.gz: keep one of them"):
        load_benchmark(path, "")


@pytest.mark.parametrize("name", ["queries.jsonl", "candidates.jsonl", "qrels.trec"])
def test_a_cut_off_gzip_is_an_error(folder, tmp_path, name):
    path = folder()
    packed = gzipped(tmp_path, name)
    packed.write_bytes(packed.read_bytes()[:-9])
    with pytest.raises(InputError, match=rf"{name}\.gz: damaged or cut off after line \d+ \(.*\): download or"):
        load_benchmark(path, "")


def test_a_damaged_gzip_is_an_error(folder, tmp_path):
    path = folder()
    packed = gzipped(tmp_path, "qrels.trec")
    for content in (b"no gzip", packed.read_bytes()[:12] + b"\xff" * 20):
        packed.write_bytes(content)
        with pytest.raises(InputError, match=r"qrels\.trec\.gz: damaged or cut off after line 0 \("):
            load_benchmark(path, "")


def test_marks_of_other_systems_are_no_part_of_a_line(folder, tmp_path):
    """A byte order mark and Windows line ends."""
    path = folder()
    plain = load_benchmark(path, "")
    for file in (tmp_path / "mine").iterdir():
        file.write_bytes(b"\xef\xbb\xbf" + file.read_bytes().replace(b"\n", b"\r\n"))
    marked = load_benchmark(path, "")
    assert marked.queries == plain.queries and marked.candidates == plain.candidates
    assert marked.relevant_QG.tolist() == plain.relevant_QG.tolist()


def test_what_does_not_count_in_full_is_said(folder, tmp_path):
    swahili = {"id": "x/1:sw", "language": "sw", "text": "moja"}
    french = {"id": "x/1:fr", "language": "fr", "text": "un?"}
    benchmark = load_benchmark(
        folder(
            queries=as_lines([*QUERIES, french]),
            candidates=as_lines([*CANDIDATES, swahili]),
            qrels=QRELS + "x/1:fr 0 x/1:sw 1\n",
        ),
        "",
    )
    assert benchmark.counts["judgements"] == {"relevant": 4, "not_relevant": 1, "above_1": 1}
    assert benchmark.counts["copies"] == dict.fromkeys(COPY_COUNTS, 0)
    assert benchmark.notes == (
        "1 judgements of qrels.trec say not relevant, the same as no judgement",
        "1 judgements of qrels.trec are above 1: they count as 1, relevant",
        "languages of candidates.jsonl that queries.jsonl lacks: sw (1)",
        "languages of queries.jsonl that candidates.jsonl lacks: fr (1)",
    )


def test_half_a_character_is_an_error(folder):
    with pytest.raises(InputError, match=r"queries\.jsonl:1: the text of 'x/1:de' holds '\\ud83d': expected whole ch"):
        load_benchmark(folder(queries=change(QUERIES, 0, text="eins \ud83d")), "")


def with_copies(folder, qrels=""):
    """Passages of two cities, "são tomé" once more in another form and with a French text; a query asked twice."""
    nfd = unicodedata.normalize("NFD", "são tomé ")
    texts = [
        ("a:pt", "são tomé"), ("a:en", "saint thomas"), ("b:pt", nfd), ("b:fr", "saint thomas"), ("c:pt", "lima"),
    ]  # fmt: skip
    asked = [("p:pt", "onde?"), ("q:pt", "onde?\u200b"), ("r:en", "onde?")]
    rows = [[{"id": id_, "language": id_[-2:], "text": text} for id_, text in side] for side in (asked, texts)]
    judged = "p:pt 0 a:pt 1\np:pt 0 a:en 1\nq:pt 0 c:pt 1\nr:en 0 b:pt 1\n"
    return folder(queries=as_lines(rows[0]), candidates=as_lines(rows[1]), qrels=judged + qrels)


def test_copies_are_judged_alike_counted_and_said(folder):
    benchmark = load_benchmark(with_copies(folder), "")
    assert benchmark.candidates.ids == ["a:pt", "a:en", "b:pt", "b:fr", "c:pt"]
    assert benchmark.relevant_QG.tolist() == [[0, 1, 2, 3, 4], [0, 1, 2, 3, 4], [0, 2, -1, -1, -1]]
    assert benchmark.queries.items == ["p", "p", "r"]  # drawn together by intervals and comparisons
    assert benchmark.counts["copies"] == dict(zip(COPY_COUNTS, (1, 1, 8, 0, 0), strict=True))
    assert benchmark.notes[1:] == (
        "1 queries have the same text as another one in their language, such as q:pt (a copy of p:pt): they are judged"
        " alike",
        "1 candidates have the same text as another one in their language, such as b:pt (a copy of a:pt): they are"
        " judged alike",
        "8 judgements were added, for copies of judged texts",
    )


def test_a_judgement_against_a_copy_is_kept_and_said(folder):
    benchmark = load_benchmark(with_copies(folder, qrels="p:pt 0 b:pt 0\nr:en 0 a:pt 0\n"), "")
    assert benchmark.relevant_QG.tolist() == [[0, 1, 3, 4, -1], [0, 1, 2, 3, 4], [2, -1, -1, -1, -1]]
    assert benchmark.counts["copies"]["kept_not_relevant"] == 2
    assert (
        "2 judgements call copies of relevant candidates not relevant, such as that of query p:pt and candidate b:pt:"
        " they are kept"
    ) in benchmark.notes


def test_items_that_share_a_text_but_are_two_are_said(folder):
    """One sentence in Arabic is two in English."""
    rows = [("a:ar", "both"), ("a:en", "one"), ("b:ar", "both"), ("b:en", "two")]
    candidates = as_lines({"id": id_, "language": id_[-2:], "text": text} for id_, text in rows)
    qrels = "x/1:de 0 a:ar 1\nx/1:de 0 a:en 1\nx/2:en 0 b:en 1\n"
    benchmark = load_benchmark(folder(candidates=candidates, qrels=qrels), "")
    assert benchmark.relevant_QG.tolist() == [[0, 1, 2], [3, -1, -1]]
    assert benchmark.counts["copies"]["groups_not_joined"] == 1
    assert "1 groups of candidates share a text, such as that of a:ar, but do not count" in benchmark.notes[-1]


def test_a_query_without_judgements_has_those_of_its_copy(folder):
    path = with_copies(folder)
    qrels = "p:pt 0 c:pt 1\nr:en 0 c:pt 1\n"
    with open(f"{path}/qrels.trec", "w", encoding="utf-8") as file:
        file.write(qrels)
    assert load_benchmark(path, "").relevant_QG.tolist() == [[4], [4], [4]]


@pytest.mark.parametrize("noise", [0, 2])
def test_a_model_that_finds_every_copy_scores_one_and_trec_eval_agrees(folder, tmp_path, noise):
    benchmark = load_benchmark(with_copies(folder), "")
    of_text = np.eye(4, dtype=np.float32)
    query = of_text.sum(axis=0) - [[0] * 4, [0] * 4, [0, 1, 1, 1]]
    query = (query + noise * np.random.default_rng(0).standard_normal(query.shape)).astype(np.float32)
    candidate = of_text[[0, 1, 0, 2, 3]]
    found = evaluate(
        benchmark, query, candidate, out_dir=str(tmp_path), model_name="m", settings={}, counts={}, run_depth=0
    )
    language = dict(zip(benchmark.queries.ids, benchmark.queries.languages, strict=True))
    for setting, qrels in (("multilingual", "qrels.trec"), ("monolingual", "runs/monolingual.qrels")):
        run = tmp_path / "mine" / "runs" / f"{setting}.trec"
        theirs = macro(by_trec_eval(run, tmp_path / "mine" / qrels), language)
        for metric, value in theirs.items():
            assert found["metrics"][setting][metric] == pytest.approx(value, abs=1e-6)
    assert (found["metrics"]["multilingual"]["map"] == 1) == (not noise)
    assert "copies" in found["settings"]["definitions"]["relevant"]
    assert found["notes"] == list(benchmark.notes) and benchmark.notes[-1] in format_table(found)


def test_languages_are_named_by_any_of_their_codes(folder):
    codes = load_benchmark(folder(queries=change(QUERIES, 1, language="eng-Latn")), "").queries.languages
    assert codes == [row["language"] for row in QUERIES[:1]] + ["en"] + [row["language"] for row in QUERIES[2:]]

"""Ranks and margins by brute force; no negative answers its query; a job resumes, or refuses other progress."""

import dataclasses
import json
import sys
import tracemalloc
from types import SimpleNamespace

import numpy as np
import pytest

from hbt_jax.config.mine import MineConfig
from hbt_jax.data.identity import identity_of
from hbt_jax.data.store import open_store
from hbt_jax.data.store_writer import StoreWriter
from hbt_jax.data.text_vectors import Vectors
from hbt_jax.errors import InputError, Interrupted
from hbt_jax.mining import embedded, job, ranked, with_negatives
from hbt_jax.mining.choose import RANDOM, TOP, Entries, NegativeRule, choose
from hbt_jax.mining.ranked import ranked_items
from hbt_jax.mining.report import Tally, lines
from hbt_jax.models.tokenizer import load_tokenizer
from tests.interchange import make_models
from tests.mining.make_cross_encoder import cross_encoder_of

GOES_ON = SimpleNamespace(requested=False)


def random_vectors(seed: int, rows: np.ndarray, width: int = 6) -> Vectors:
    vectors = np.random.default_rng(seed).standard_normal((len(rows), width)).astype(np.float32)
    return Vectors(rows.astype(np.int32), vectors / np.linalg.norm(vectors, axis=1, keepdims=True))


def test_items_are_ranked_by_their_best_text_without_those_that_answer(monkeypatch):
    monkeypatch.setattr(ranked, "_MORE", 0)  # so that some lists are too short at first
    rows, queries = np.arange(60), 12
    searched = {language: random_vectors(language, rows[rows % 5 != language]) for language in range(3)}
    query = random_vectors(9, np.arange(queries)).vector_ND
    same = np.where(rows % 10 == 7, rows - 1, rows).astype(np.int32)  # rows 6 and 7 are one text, 16 and 17, ...
    pairs = [(q, p) for q in range(queries) for p in range(3 * q, 3 * q + 1 + 2 * (q % 3 == 0))]
    asked, own = np.array(pairs).T
    identity = identity_of([(asked, own, np.arange(len(own)))], np.arange(queries, dtype=np.int32), same)
    first = np.searchsorted(asked, np.arange(queries))
    found = ranked_items(query, np.arange(queries), own[first], searched, identity, 10, lambda: None)
    for q in range(queries):
        best: dict[int, tuple] = {}
        for language, vectors in searched.items():
            for row, vector in zip(vectors.rows.tolist(), vectors.vector_ND, strict=True):
                score = np.float32((query[q].astype(np.float64) * vector).sum())
                best[same[row]] = max(best.get(same[row], (-9.0,)), (score, -row, -language))
        answers = {same[p] for asked_by, p in pairs if asked_by == q}
        wanted = sorted((value for item, value in best.items() if item not in answers), reverse=True)[:10]
        mine = found.query_X == q
        assert found.row_X[mine].tolist() == [-row for _, row, _ in wanted]
        assert found.language_X[mine].tolist() == [-language for _, _, language in wanted]
        assert found.score_X[mine].tolist() == [score for score, _, _ in wanted]
        assert found.rank_X[mine].tolist() == list(range(1, 11))
    assert 0 < found.answering <= len(pairs)


def entries(**changes) -> Entries:
    """Pair 0 with the items 5 to 9 (item 5 found by two languages), pair 1 with 5 and 6; positives score 0.8."""
    values = {
        "pair_X": np.array([0, 0, 0, 0, 0, 0, 1, 1]),
        "class_X": np.array([5, 5, 6, 7, 8, 9, 5, 6]),
        "row_X": np.array([5, 5, 6, 7, 8, 9, 5, 6]),
        "language_X": np.array([0, 1, 0, 0, 1, 0, 0, 0]),
        "rank_X": np.array([1, 3, 2, 3, 4, 5, 1, 2]),
        "score_X": np.array([0.5, 0.79, 0.7, 0.6, 0.5, 0.4, 0.3, 0.2], np.float32),
        "positive_X": np.full(8, 0.8, np.float32),
    }
    return Entries(**{**values, **changes})


def rule(**changes) -> NegativeRule:
    return dataclasses.replace(NegativeRule(1, 50, 0.0, 0.05, 2, TOP, 0), **changes)


def test_margins_ranks_and_the_number_of_negatives():
    found = choose(entries(), rule(), np.array([40, 41]))
    assert list(zip(found.pair_Y.tolist(), found.row_Y.tolist(), strict=True)) == [(0, 6), (0, 7), (1, 5), (1, 6)]
    assert (found.above, found.outside, found.spare) == (1, 0, 2)  # item 5 is above 0.76 for one language of the query
    far = choose(entries(), rule(absolute=0.25, first=2), np.array([40, 41]))
    assert far.row_Y.tolist() == [8, 9, 6]
    assert (far.above, far.outside, far.spare) == (3, 1, 0)
    negative = choose(entries(positive_X=np.full(8, -0.4, np.float32)), rule(relative=0.5), np.array([40, 41]))
    assert not len(negative.row_Y)
    assert not len(choose(Entries(*[np.zeros(0, np.int64)] * 7), rule(), np.zeros(0, np.int64)).row_Y)


def test_random_negatives_depend_on_seed_and_pair_alone():
    drawn = {seed: choose(entries(), rule(take=RANDOM, seed=seed), np.array([40, 41])).row_Y for seed in range(20)}
    assert {tuple(rows[:2].tolist()) for rows in drawn.values()} > {(6, 7)}
    assert all(set(rows[:2].tolist()) <= {6, 7, 8, 9} for rows in drawn.values())
    assert drawn[3].tolist() == choose(entries(), rule(take=RANDOM, seed=3), np.array([40, 41])).row_Y.tolist()


def test_histograms_hold_all_scores_in_bins_as_narrow_as_their_range_allows():
    tally = Tally()
    tally.scored("positive", np.array([0.99, 0.96, 0.999], np.float32))
    tally.scored("negative", np.array([0.899, 0.901], np.float32))
    assert tally.width == 0.00625 and tally.positive == {153: 1, 158: 1, 159: 1} and tally.negative == {143: 1, 144: 1}
    again = Tally(**json.loads(json.dumps(dataclasses.asdict(tally))))  # as a resumed job reads it
    assert again == tally
    tally.scored("negative", np.array([-1.0, 0.0], np.float32))
    assert tally.width == 0.1 and tally.positive == {9: 3} and tally.negative == {8: 1, 9: 1, -10: 1, 0: 1}
    tally.scored("positive", np.array([11.5], np.float32))  # a cross-encoder's logit
    assert tally.width == 0.8 and list(tally.bins) == list(range(-2, 15)) and sum(tally.positive.values()) == 4


def test_the_report_says_the_range_of_the_scores_and_leaves_out_empty_bins():
    tally = Tally()
    tally.scored("positive", np.array([0.99, 1.5]))
    tally.scored("negative", np.array([-0.5, 0.0]))
    tally.count(pairs=3, above=2)
    tally.count(pairs=1)
    tally.found(["de", "en"], np.array([1, 1, 0]))
    text = "\n".join(lines(tally, "cosine", []))
    assert "             4 pairs" in text and "en 2, de 1" in text
    assert "scores (cosine), positives and negatives, from -0.5 to 1.6\n" in text
    assert [line.split()[:4] for line in text.splitlines()[4:]] == [
        ["-0.5", "to", "-0.4", "0"], ["0", "to", "0.1", "0"], ["0.9", "to", "1", "1"], ["1.5", "to", "1.6", "1"],
    ]  # fmt: skip
    assert "negatives: none" in "\n".join(lines(Tally(), "cosine", []))


@pytest.fixture(scope="module")
def model(tmp_path_factory):
    return make_models.folder_of("xlm-roberta", tmp_path_factory.mktemp("model") / "tiny")


ROWS = 30


def store_of(model, folder, negatives=(), scored=False):
    """30 items whose queries exist in German and English, and whose passages in one of them or in both."""
    tokenizer = load_tokenizer(model)
    rng = np.random.default_rng(0)
    words = " ".join(make_models.TEXTS).split()
    with StoreWriter(folder) as writer:
        for side in ("queries", "passages"):
            for number, code in enumerate(("de", "en")):
                rows = [row for row in range(ROWS) if side == "queries" or row % 3 != number]
                texts = [" ".join(rng.choice(words, 4)) if row % 10 != 9 else "the same text" for row in rows]
                writer.append(side, code, np.array(rows), *tokenizer.encode(texts))
        own = np.arange(ROWS)
        counts = np.where(own == 0, len(negatives), 0)
        scores = {"score": np.ones(ROWS), "negative_scores": np.zeros(len(negatives))} if scored else {}
        offsets = np.append(0, np.cumsum(counts))
        writer.append_pairs(own, own, own // 2, np.array(negatives, np.int64), offsets, **scores)
        same = np.where(own % 10 == 9, 9, own).astype(np.int32)
        description = {
            "name": "made", "split": "train", "source": {"builder": "made"}, "languages": ["de", "en"], "dropped": {},
            "tokenizer": writer.keep_tokenizer(tokenizer),
        }  # fmt: skip
        writer.finish(
            {"queries": ROWS, "passages": ROWS}, description, same={"queries": own.astype(np.int32), "passages": same}
        )
    return open_store(folder)


@pytest.fixture(scope="module")
def store(model, tmp_path_factory):
    return store_of(model, tmp_path_factory.mktemp("stores") / "made", negatives=[20, 21])


def mine(model, store, out, *, stop=GOES_ON, **flags):
    told = {"per_pair": 3, "relative_margin": 0.0, **flags}
    config = MineConfig(model=str(model), stores=(str(store.path),), out=str(out), mesh_data=1, **told)
    job.mine_command(config, stop)
    return open_store(out / store.path.name), json.loads((out / store.path.name / "mining.json").read_text())


@pytest.fixture(scope="module")
def mined(model, store, tmp_path_factory):
    return mine(model, store, tmp_path_factory.mktemp("mined"))


def listed(store):
    offsets = store.pairs.negative_offsets
    return [store.pairs.negative_rows[start:end].tolist() for start, end in zip(offsets, offsets[1:], strict=False)]


def test_the_copy_differs_in_its_negatives_alone_and_none_of_them_answers(store, mined):
    made, report = mined
    for side in ("queries", "passages"):
        for code in store.languages:
            ours, theirs = getattr(made, side).tokens[code], getattr(store, side).tokens[code]
            assert ours.values.tolist() == theirs.values.tolist() and ours.offsets.tolist() == theirs.offsets.tolist()
    for name in ("query_A", "passage_A", "group_A"):
        assert getattr(made.pairs, name).tolist() == getattr(store.pairs, name).tolist()
    assert made.manifest["pairs"]["answering_negatives"] == 0
    for pair, rows in enumerate(listed(made)):
        assert len(rows) == len(set(rows)) <= 3
        assert not {row for row in rows if row // 2 == pair // 2 or row == pair}
        assert sum(row % 10 == 9 for row in rows) <= (pair % 10 != 9)
    assert report["counts"]["pairs"] == ROWS and report["counts"]["negatives"] == len(made.pairs.negative_rows) > ROWS
    assert made.manifest["source"]["mined"]["from"] == store.fingerprint
    assert len(report["samples"]) == 5 and report["samples"][1]["passage"]["score"] <= 1
    assert (
        sum(report["positive"].values()) == ROWS and sum(report["languages"].values()) == report["counts"]["negatives"]
    )


def test_languages_of_the_negatives(model, store, tmp_path):
    """A German query finds items that exist in German alone only among German texts."""
    same, report = mine(model, store, tmp_path / "same", negative_languages="same", query_languages=("de",))
    assert set(report["languages"]) == {"de"} and all(row % 3 != 0 for row in same.pairs.negative_rows)
    other, report = mine(model, store, tmp_path / "other", negative_languages="other", query_languages=("de",))
    assert set(report["languages"]) == {"en"} and all(row % 3 != 1 for row in other.pairs.negative_rows)
    with pytest.raises(InputError, match="--query_languages: no store has fr: expected some of"):
        mine(model, store, tmp_path / "none", query_languages=("fr",))
    for written in ("de-DE", "deu", "ger", "German"):
        with pytest.raises(InputError, match=f"--query_languages: no store has {written}: write de, as the stores do"):
            mine(model, store, tmp_path / "none", query_languages=("fr", written))


def test_negatives_that_the_store_has_are_kept_once(model, store, mined, tmp_path):
    made, report = mine(model, store, tmp_path, keep_negatives=True)
    assert listed(made)[0][:2] == [20, 21] and set(listed(made)[0]) == {20, 21, *listed(mined[0])[0]}
    assert listed(made)[1:] == listed(mined[0])[1:] and report["counts"]["kept"] == 2
    assert mined[1]["counts"]["replaced"] == 2 and "replaced" not in report["counts"]


def test_scores_of_a_teacher_that_are_left_out_are_counted(model, tmp_path):
    made, report = mine(model, store_of(model, tmp_path / "scored", scored=True), tmp_path / "out")
    assert made.pairs.score_A is None and report["counts"]["unscored"] == ROWS


def test_no_text_in_another_language_is_found_where_there_is_one_language(model, tmp_path):
    """Otherwise every pair would silently be without a negative."""
    one = SimpleNamespace(languages=("de",), path="some/store")
    config = MineConfig(stores=("some/store",), negative_languages="other")
    with pytest.raises(InputError, match="--negative_languages=other: store some/store has texts in de alone: leave"):
        job._check_languages(config, [one])


def test_memory_holds_parts_alone_however_many_texts_and_pairs_there_are(model, store, tmp_path, monkeypatch):
    """What each step is handed is counted: 4 texts to embed, 5 queries to search, 6 texts or 7 pairs to copy."""
    embeds, searches, writes = [], [], []
    for module, name, value in ((embedded, "_TEXTS_A_PART", 4), (job, "QUERIES", 5), (with_negatives, "_ROWS", 6),
                                (with_negatives, "PAIRS", 7)):  # fmt: skip
        monkeypatch.setattr(module, name, value)
    vectors, negatives_of, append, append_pairs = (
        embedded._vectors, job.negatives_of, StoreWriter.append, StoreWriter.append_pairs,
    )  # fmt: skip

    def embed(embedder, tokens, offsets, *rest):
        embeds.append(len(offsets) - 1)
        return vectors(embedder, tokens, offsets, *rest)

    def search(searched, pairs, *rest):
        held = [one.vector_ND for side in (searched.queries, searched.passages) for one in side.values()]
        assert all(isinstance(one, np.memmap) for one in held)
        searches.append(len(set(searched.store.pairs.query_A[pairs].tolist())))
        return negatives_of(searched, pairs, *rest)

    def write(writer, side, language, rows, *rest):
        writes.append(len(rows))
        return append(writer, side, language, rows, *rest)

    def write_pairs(writer, queries, *rest, **more):
        writes.append(len(queries))
        return append_pairs(writer, queries, *rest, **more)

    monkeypatch.setattr(embedded, "_vectors", embed)
    monkeypatch.setattr(job, "negatives_of", search)
    monkeypatch.setattr(StoreWriter, "append", write)
    monkeypatch.setattr(StoreWriter, "append_pairs", write_pairs)
    made, report = mine(model, store, tmp_path)
    assert len(made.pairs) == report["counts"]["pairs"] == ROWS
    assert (max(embeds), max(searches), max(writes)) == (4, 5, 7)
    assert sum(embeds) == 2 * ROWS + 2 * 20 and sum(searches) == ROWS and sum(writes) == sum(embeds) + ROWS


def test_searching_does_not_hold_the_vectors_of_the_passages(tmp_path):
    """Numpy's arrays are counted while a few queries search 4,000 mapped vectors, and ten times as many."""
    width, peaks, identity = 256, [], None
    query = np.random.default_rng(0).standard_normal((4, width), np.float32)
    for count in (4_000, 40_000):
        path, rows = tmp_path / str(count), np.arange(count, dtype=np.int32)
        np.random.default_rng(1).standard_normal((count, width), np.float32).tofile(path)
        searched = {0: Vectors(rows, np.memmap(path, np.float32, "r", shape=(count, width)))}
        identity = identity_of([(rows[:4], rows[:4], rows[:4])], rows[:4], rows)
        arguments = query, np.arange(4), np.arange(4), searched, identity, 10, lambda: None
        ranked_items(*arguments)  # compiles
        tracemalloc.start()
        found = ranked_items(*arguments)
        peaks.append(tracemalloc.get_traced_memory()[1])
        tracemalloc.stop()
        assert len(found.row_X) == 40
    assert peaks[1] - peaks[0] < 36_000 * width  # a quarter of the vectors' bytes


class StopsOnce:
    """Asks to stop as soon as a file exists."""

    def __init__(self, file):
        self._file = file

    @property
    def requested(self):
        return self._file.exists()


def test_an_interrupted_job_resumes_to_the_same_end_and_another_one_is_refused(
    model, store, mined, tmp_path, monkeypatch
):
    work = tmp_path / "made.mining"
    monkeypatch.setattr(job, "QUERIES", 7)
    with pytest.raises(Interrupted, match="run the same command again to resume"):
        mine(model, store, tmp_path, stop=StopsOnce(work / "progress.json"))
    assert 0 < json.loads((work / "progress.json").read_text())["queries"] < ROWS
    with pytest.raises(InputError, match="holds the progress of a job with different values of per_pair"):
        mine(model, store, tmp_path, per_pair=4)
    (work / "queries-de.f32").unlink()  # as if it had been lost; it is made again
    made, report = mine(model, store, tmp_path)
    assert made.fingerprint == mined[0].fingerprint and report == mined[1] and not work.exists()
    with pytest.raises(InputError, match="already exists: remove it, or name another --out"):
        mine(model, store, tmp_path)


def test_a_cross_encoder_gives_the_scores(model, store, tmp_path, monkeypatch):
    class Lengths:
        """Scores a pair of texts by the length of the passage."""

        def __init__(self, name, batch):
            pass

        def __call__(self, texts):
            return np.array([1 - len(passage) / 200 for _, passage in texts], np.float32)

    monkeypatch.setattr(job, "CrossEncoder", Lengths)
    made, _ = mine(model, store, tmp_path, cross_encoder="lengths")
    positive = np.repeat(made.pairs.score_A, np.diff(made.pairs.negative_offsets))
    assert len(positive) and (made.pairs.negative_scores <= positive).all()
    assert made.pairs.score_A.max() < 1 and len(set(made.pairs.score_A.tolist())) > 5


def test_a_real_cross_encoder_and_one_of_several_labels(tmp_path):
    library = pytest.importorskip("sentence_transformers")
    from hbt_jax.mining.cross_encoder import CrossEncoder

    for labels in (1, 2):
        cross_encoder_of(tmp_path / f"{labels}", labels)
    texts = [("one", "two"), ("three", "four five"), ("one", "two")]
    scores = CrossEncoder(str(tmp_path / "1"), 2)(texts)
    assert scores[0] == scores[2] and ((scores > 0) & (scores < 1)).all()
    wanted = library.CrossEncoder(str(tmp_path / "1")).predict(texts)
    np.testing.assert_allclose(scores, wanted, atol=1e-6)
    with pytest.raises(InputError, match="has 2 labels: expected 1"):
        CrossEncoder(str(tmp_path / "2"), 2)
    with pytest.raises(InputError, match="--cross_encoder=.*nowhere: cannot be read"):
        CrossEncoder(str(tmp_path / "nowhere"), 2)


def test_without_the_library_the_extra_is_named(monkeypatch):
    from hbt_jax.mining.cross_encoder import CrossEncoder

    monkeypatch.setitem(sys.modules, "sentence_transformers", None)
    with pytest.raises(InputError, match=r"--cross_encoder=x needs .*: pip install -e '.\[sentence\]', or leave"):
        CrossEncoder("x", 2)


@pytest.mark.parametrize(
    ("flags", "message"),
    [
        ({"first_rank": 5, "last_rank": 4}, "--last_rank=4 is before --first_rank=5"),
        ({"cross_encoder": "c", "keep_negatives": True}, "--keep_negatives cannot be combined"),
    ],
)
def test_flags_that_do_not_go_together(flags, message):
    with pytest.raises(InputError, match=message):
        MineConfig(**flags)

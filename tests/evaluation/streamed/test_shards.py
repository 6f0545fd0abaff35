"""The pass over a corpus: no cut, device or process changes a ranking, and finished shards stay."""

import dataclasses

import jax
import numpy as np
import pytest

from hbt_jax.errors import InputError, Interrupted
from hbt_jax.evaluation.benchmarks import miracl
from hbt_jax.evaluation.embedding.embed import Embedder
from hbt_jax.evaluation.streamed import read as corpus
from hbt_jax.evaluation.streamed import shards as streamed_search
from hbt_jax.evaluation.streamed.check import take_inventory
from hbt_jax.evaluation.streamed.shard_cache import KeptShards, ranking_key
from hbt_jax.mesh import make_mesh
from tests.evaluation import make_miracl
from tests.evaluation.several_processes import ALONE, run_together
from tests.evaluation.word_model import word_model

DEPTH = 30
WORDS = word_model()
MODEL = dataclasses.replace(WORDS, text=dataclasses.replace(WORDS.text, passage_length=29))  # cuts after 25 words


class WholeNumbers:
    """Embeds a text as whole numbers, so that equal scores are common and exact in any order of summation."""

    def __init__(self, poll=lambda: None):
        self.model, self.embedded, self._poll = MODEL, 0, poll

    def __call__(self, texts, side, done=None, tokenised=None):
        self._poll()
        self.embedded += len(texts) if side == "passage" else 0
        if tokenised:
            tokenised(slice(0, len(texts)), *self.model.tokenizer.encode(texts))
        counts = [np.bincount([int(word) % 6 for word in text.split()], minlength=6) for text in texts]
        return np.minimum(np.array(counts), 2).astype(np.float32) - 1


@pytest.fixture
def searched(tmp_path):
    """A function that runs a pass and returns (own top, top of all, token counts, work of each process)."""

    def search(name, *, shards=None, block=7, embedder=None, processes=1, kept="kept", changed=None):
        benchmark = miracl.read(str(make_miracl.write(tmp_path / name, shards=shards)), "miracl")
        inventory = take_inventory(benchmark, str(tmp_path / name / "inventory"), ALONE, lambda: None, shown=False)
        store = KeptShards(str(tmp_path / kept), changed or "key")
        passes = streamed_search.CorpusSearch(benchmark, inventory, store, DEPTH, block)

        def on(process):
            own = embedder or WholeNumbers()
            query_QD = own(benchmark.queries.texts, "query")
            return passes.search(query_QD, own, process, shown=False)

        works = [on(ALONE)] if processes == 1 else run_together(processes, on)
        return *passes.merged(), works

    return search


def assert_same(found, wanted):
    for one, other in zip(found[:2], wanted[:2], strict=True):
        np.testing.assert_array_equal(one.score_QK, other.score_QK)
        np.testing.assert_array_equal(one.id_QK, other.id_QK)
    np.testing.assert_equal(found[2], wanted[2])


def by_sorting(tmp_path, own: bool):
    """Rankings from all passages at once, in plain numpy: a list of (score, id) for each query."""
    embed, rankings = WholeNumbers(), []
    pool = []
    for code in sorted(make_miracl.SHARDS):
        for row in make_miracl.passages(code):
            text = f"{row['title']} {row['text']}" if row["title"] else row["text"]
            pool.append((code, row["docid"], embed([text], "passage")[0]))
    for code in sorted(make_miracl.SHARDS):
        for _, text in make_miracl.queries(code):
            query = embed([text], "query")[0]
            scored = [
                (float(query @ vector), docid if own else f"{other}:{docid}")
                for other, docid, vector in pool
                if other == code or not own
            ]
            rankings.append(sorted(sorted(scored, key=lambda pair: pair[1], reverse=True), key=lambda pair: -pair[0]))
    return rankings


def test_the_ranking_is_that_of_all_passages_sorted(searched, tmp_path):
    own, everything, sums, _ = searched("one")
    for top, wanted in ((own, by_sorting(tmp_path, True)), (everything, by_sorting(tmp_path, False))):
        for row, ranking in enumerate(wanted):
            pairs = zip(top.score_QK[row].tolist(), top.id_QK[row].tolist(), strict=True)
            found = [(score, id_.decode()) for score, id_ in pairs if id_]
            assert found == ranking[:DEPTH]
    assert {code: int(counts[0]) for code, counts in sums.items()} == {
        code: sum(sizes) for code, sizes in make_miracl.SHARDS.items()
    }
    assert sum(counts[1] for counts in sums.values()) > 0  # some were cut
    assert (own.id_QK[-1] != b"").sum() == make_miracl.SHARDS["yo"][0]  # the whole pool where it is smaller


@pytest.mark.parametrize(
    ("shards", "block"), [(None, 1), (None, 1000), ({"en": (93,), "sw": (1, 44)}, 16), ({"en": (9,) * 10 + (3,)}, 4)]
)
def test_neither_shards_nor_blocks_change_anything(searched, shards, block):
    assert_same(searched("other", shards=shards, block=block, kept="other_kept"), searched("one"))


@pytest.mark.parametrize("processes", [2, 5])
def test_processes_share_the_shards_and_change_nothing(searched, processes):
    found = searched("shared", processes=processes, kept="shared_kept")
    works = found[3]
    assert [work.shards for work in works] == {2: [3, 3], 5: [1, 1, 1, 1, 2]}[processes]
    assert sum(work.passages for work in works) == sum(map(sum, make_miracl.SHARDS.values()))
    assert_same(found, searched("one"))


def test_an_interrupted_pass_goes_on_where_it_stopped(searched, tmp_path):
    calls = []

    def poll():
        calls.append(1)
        if len(calls) == 12:
            raise Interrupted("a signal came")

    stopped = WholeNumbers(poll)
    with pytest.raises(Interrupted):
        searched("one", embedder=stopped)
    finished = sorted(path.name.rsplit("-", 1)[0] for path in (tmp_path / "kept" / "key").iterdir())
    assert finished == ["en-docs-0"]
    assert stopped.embedded == 40 + 4 * 7  # the shard at hand is lost
    again = WholeNumbers()
    found = searched("one", embedder=again)
    total = sum(map(sum, make_miracl.SHARDS.values()))
    assert again.embedded == total - 40
    assert (found[3][0].kept, found[3][0].shards) == (1, 5)
    last = WholeNumbers()
    assert searched("one", embedder=last)[3][0].kept == 6
    assert last.embedded == 0
    assert_same(found, searched("one", kept="fresh"))


def test_a_changed_model_or_shard_reuses_no_earlier_results(searched):
    searched("one")
    other = WholeNumbers()
    searched("one", embedder=other, changed="another model")
    assert other.embedded == sum(map(sum, make_miracl.SHARDS.values()))
    moved = WholeNumbers()
    searched("one", embedder=moved, shards={"sw": (20, 25)})
    assert moved.embedded == 45


def test_another_number_of_processes_goes_on_too(searched):
    calls = []

    def poll():
        calls.append(1)
        if len(calls) == 14:
            raise Interrupted("a signal came")

    with pytest.raises(Interrupted):
        searched("one", embedder=WholeNumbers(poll))
    found = searched("one", processes=2)
    assert found[3][0].kept == found[3][1].kept > 0
    assert_same(found, searched("one", kept="fresh"))


def test_memory_holds_two_blocks_however_large_the_corpus_is(searched, monkeypatch):
    """No part of a pass is given more than a block, or keeps more than K candidates of a query."""
    sizes, read = [], corpus.blocks

    def counted(shard, passage, size):
        for part in read(shard, passage, size):
            sizes.append(len(part.texts))
            yield part

    monkeypatch.setattr(corpus, "blocks", counted)
    own, everything, *_ = searched("one", block=4)
    assert max(sizes) == 4 and sum(sizes) == sum(map(sum, make_miracl.SHARDS.values()))
    assert own.score_QK.shape == everything.id_QK.shape == (sum(make_miracl.QUERIES.values()), DEPTH)


def test_passages_behind_what_a_shard_has_given_are_not_asked_for(searched, monkeypatch):
    asked, search = [], streamed_search.top_candidates

    def recorded(*arguments, least_Q, **options):
        found = search(*arguments, least_Q=least_Q.copy(), **options)
        asked.append((least_Q.copy(), found.score_QK))
        return found

    monkeypatch.setattr(streamed_search, "top_candidates", recorded)
    shards = {"en": (sum(make_miracl.SHARDS["en"]),)}
    found = searched("one", shards=shards, block=15)
    bounded = [(least_Q, score_QK) for least_Q, score_QK in asked if np.isfinite(least_Q).all()]
    assert len(bounded) == -(-shards["en"][0] // 15) - 2 > 1  # the blocks after those that fill the list of 30
    for least_Q, score_QK in bounded:
        assert ((score_QK >= least_Q[:, None]) | (score_QK == -np.inf)).all()
    monkeypatch.setattr(streamed_search, "top_candidates", lambda *given, least_Q, **options: search(*given, **options))
    assert_same(found, searched("one", shards=shards, block=15, kept="without"))


def test_a_shard_that_changes_during_the_evaluation_is_an_error(tmp_path):
    folder = make_miracl.write(tmp_path / "miracl")
    benchmark = miracl.read(str(folder), "miracl", ("yo",))
    inventory = take_inventory(benchmark, str(tmp_path / "kept"), ALONE, lambda: None, shown=False)
    (shard,) = benchmark.shards
    make_miracl.write_shards(folder, "yo", (8,))
    embed = WholeNumbers()
    query_QD = embed(benchmark.queries.texts, "query")
    with pytest.raises(InputError, match="docs-0.jsonl.gz: 8 passages, but it had 9 when it was read first: leave the"):
        streamed_search.CorpusSearch(benchmark, inventory, None, 5, 5).search_shard(shard, query_QD, embed)


def test_vectors_that_are_not_finite_are_an_error(searched):
    class Broken(WholeNumbers):
        def __call__(self, texts, side, done=None, tokenised=None):
            vectors_ND = super().__call__(texts, side, done, tokenised)
            vectors_ND[-1, 0] = np.nan if side == "passage" else 0.0
            return vectors_ND

    with pytest.raises(InputError, match="passage '7#0': the vector of this text is not finite: all parameters of"):
        searched("one", embedder=Broken())


def test_kept_results_that_are_damaged_or_gone_are_an_error(searched, tmp_path):
    searched("one")
    path = next((tmp_path / "kept" / "key").glob("sw-docs-1-*.npz"))
    path.write_bytes(path.read_bytes()[:-30])
    with pytest.raises(InputError, match=r"sw-docs-1-.*.npz: damaged \(.*\): delete it and repeat the command"):
        searched("one")
    path.unlink()
    benchmark = miracl.read(str(tmp_path / "one"), "miracl")
    inventory = take_inventory(benchmark, str(tmp_path / "one" / "inventory"), ALONE, lambda: None, shown=False)
    store = KeptShards(str(tmp_path / "kept"), "key")
    with pytest.raises(InputError, match="no such file, though the shard is finished: --out must be a folder that all"):
        streamed_search.CorpusSearch(benchmark, inventory, store, DEPTH, 7).merged()


@pytest.fixture(scope="module")
def model():
    return word_model()


def test_eight_devices_rank_as_one_does(searched, model):
    tops = []
    for devices in (1, 8):
        mesh = make_mesh(devices, 1, jax.devices()[:devices])
        embedder = Embedder(model, mesh, texts_per_device=8, poll=lambda: None, shown=False)
        tops.append(searched("one", embedder=embedder, kept=f"kept_{devices}", block=32))
    for one, eight in zip(tops[0][:2], tops[1][:2], strict=True):
        np.testing.assert_allclose(eight.score_QK, one.score_QK, atol=2e-6)
        differ = eight.id_QK != one.id_QK
        # Scores that agree but for rounding, as those of passages with one text do, may change places.
        gaps_QK = np.abs(np.diff(np.maximum(one.score_QK, -9.0), axis=1, prepend=9.0))
        near_QK = np.minimum(gaps_QK, np.roll(gaps_QK, -1, axis=1)) < 4e-6
        assert not (differ & ~near_QK)[:, :-1].any()


def test_the_key_changes_with_all_that_decides_a_ranking(tmp_path, model):
    folder = make_miracl.write(tmp_path / "miracl")
    benchmark = miracl.read(str(folder), "miracl")
    key = ranking_key(model, "float32", benchmark, 100)
    assert ranking_key(word_model(), "float32", miracl.read(str(folder), "miracl"), 100) == key

    def other(**changes):
        return ranking_key(dataclasses.replace(model, **changes), "float32", benchmark, 100)

    fewer = miracl.read(str(folder), "miracl", ("sw",))
    keys = [
        ranking_key(word_model(seed=1), "float32", benchmark, 100),
        ranking_key(model, "bfloat16", benchmark, 100),
        ranking_key(model, "float32", benchmark, 200),
        ranking_key(model, "float32", fewer, 100),
        ranking_key(model, "float32", dataclasses.replace(benchmark, settings={"candidate_text": "text"}), 100),
        other(pooling="cls"),
        other(normalize=False),
        other(text=dataclasses.replace(model.text, passage_length=64)),
        other(text=dataclasses.replace(model.text, passage_prefix="")),
    ]
    assert len({key, *keys}) == 1 + len(keys)

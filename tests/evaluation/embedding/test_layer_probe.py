"""The layer probe against loops over single texts, and its way into results, terminal and report."""

import dataclasses
import json
import re
from types import SimpleNamespace

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from flax import nnx

from hbt_jax.config.evaluation import EvalConfig
from hbt_jax.config.learning import TextConfig
from hbt_jax.errors import InputError, Interrupted
from hbt_jax.evaluation.benchmarks.benchmark import Benchmark, BenchmarkTexts
from hbt_jax.evaluation.embedding.layer_probe import PairSums, parallel_texts, probe_layers
from hbt_jax.evaluation.results.table import layer_probe_lines
from hbt_jax.mesh import make_mesh
from hbt_jax.models.encoder import Encoder, EncoderConfig
from hbt_jax.models.model import Model

CONFIG = EncoderConfig(100, width=16, layers=2, heads=2, feed_forward=32, max_positions=24)
TEXT = TextConfig(query_prefix="1 ", passage_prefix="", query_length=12, passage_length=12, row_length=24)


def encode(texts):
    """Texts of numbers are their own token ids."""
    lists = [[int(word) for word in text.split()] for text in texts]
    offsets = np.cumsum([0, *map(len, lists)])
    return np.array([token for ids in lists for token in ids], np.int32), offsets


def tiny_model(pooling: str = "mean") -> Model:
    tokenizer = SimpleNamespace(
        pad_id=0,
        unk_id=1,
        bos_id=2,
        eos_id=3,
        encode=encode,
        prefix_ids=lambda prefix: encode([prefix])[0],
        joins=lambda prefix: True,
    )
    graph, parameters = nnx.split(Encoder(CONFIG, rngs=nnx.Rngs(5)), nnx.Param)
    return Model(graph, parameters, CONFIG, pooling, True, TEXT, tokenizer, "tiny", 0)


def benchmark_of(rows: list[tuple[str, str, str]]) -> Benchmark:
    """A benchmark whose queries are (item, language, text)."""
    items, codes, texts = (list(column) for column in zip(*rows, strict=True))
    ids = [str(number) for number in range(len(rows))]
    return Benchmark(
        "gaps",
        BenchmarkTexts(ids, items, codes, texts),
        BenchmarkTexts(ids, items, codes, texts),
        np.arange(len(ids))[:, None],
    )


@pytest.fixture(scope="module")
def gaps():
    """40 items, every one in `en` and some in three other languages, as in MLQA-R; second captions, as in XM3600."""
    rng = np.random.default_rng(1)
    present = {"en": 1.0, "de": 0.6, "sw": 0.5, "zh": 0.3}
    rows = []
    for code, share in present.items():  # language after language, as the files of XQuAD-R and MLQA-R come
        for item in range(40):
            for _ in range(1 + (item % 7 == 0)):
                words = " ".join(map(str, rng.integers(4, 100, rng.integers(1, 12))))
                if rng.random() < share:
                    rows.append((f"item {item}", code, words))
    return benchmark_of(rows)


@pytest.fixture(scope="module")
def mesh():
    return make_mesh(0, 1, jax.devices()[:2])


def vectors_of(model: Model, texts: list[str]) -> np.ndarray:
    """float64 [texts, E, D]: one text a row, each layer pooled and scaled by hand."""
    rows = [[2, 1, *encode([text])[0].tolist()][: TEXT.query_length - 1] + [3] for text in texts]
    tokens, segments = (np.zeros((len(rows), TEXT.query_length), np.int32) for _ in range(2))
    for number, row in enumerate(rows):
        tokens[number, : len(row)], segments[number, : len(row)] = row, 1
    positions = np.arange(TEXT.query_length)[None] * segments
    found = []
    states = jax.jit(lambda weights: list(nnx.merge(model.graph, weights).states(tokens, segments, positions)))
    for state in states(model.parameters):
        state = np.asarray(state, np.float64)
        pooled = [
            own[: len(row)].mean(0) if model.pooling == "mean" else own[0] for own, row in zip(state, rows, strict=True)
        ]
        found.append([one / np.linalg.norm(one) for one in pooled])
    return np.stack(found, axis=1)


def by_loops(model: Model, benchmark: Benchmark, items: set[str]) -> dict:
    """Language -> (parallel [E], random [E]): the definition, pair by pair."""
    vectors = {}
    by_text = vectors_of(model, benchmark.queries.texts)
    for (item, code), vector in zip(pairs(benchmark), by_text, strict=True):
        if item in items:
            vectors.setdefault(code, {}).setdefault(item, vector)
    means = {}
    for code, own in vectors.items():
        over_languages = []
        for other, theirs in vectors.items():
            shared = [item for item in own if item in theirs]
            if other == code or len(shared) < 2:
                continue
            cosines = {(i, j): (own[i] * theirs[j]).sum(-1) for i in shared for j in shared}
            parallel = np.mean([value for (i, j), value in cosines.items() if i == j], axis=0)
            random = np.mean([value for (i, j), value in cosines.items() if i != j], axis=0)
            over_languages.append((parallel, random))
        means[code] = np.mean(over_languages, axis=0)
    return means


@pytest.mark.parametrize("pooling", ["mean", "cls"])
def test_it_equals_a_loop_over_single_texts_and_pairs(gaps, mesh, pooling):
    model = tiny_model(pooling)
    several = {item for item in gaps.queries.items if len({c for i, c in pairs(gaps) if i == item}) > 1}
    found = probe_layers(parallel_texts(gaps, 1000), model, mesh, texts_per_device=8)
    expected = by_loops(model, gaps, several)
    assert found["items"] == len(several) and found["layers"] == [0, 1, 2] and found["pooling"] == pooling
    assert set(found["by_language"]) == {"de", "en", "sw", "zh"} and found["left_out"] == []
    for code, (parallel, random) in expected.items():
        curves = found["by_language"][code]
        assert curves["items"] == len({i for i, c in pairs(gaps) if c == code and i in several})
        np.testing.assert_allclose(curves["parallel"], parallel, atol=1e-6)
        np.testing.assert_allclose(curves["random"], random, atol=1e-6)
        np.testing.assert_allclose(curves["gap"], parallel - random, atol=2e-6)
    for number, name in enumerate(("parallel", "random")):
        mean = np.mean([curves[number] for curves in expected.values()], axis=0)
        np.testing.assert_allclose(found["mean"][name], mean, atol=1e-6)
    if pooling == "cls":  # before any layer the first token has seen nothing of its text
        np.testing.assert_allclose(found["mean"]["random"][0], 1.0, atol=1e-6)


def pairs(benchmark: Benchmark) -> list[tuple[str, str]]:
    return list(zip(benchmark.queries.items, benchmark.queries.languages, strict=True))


@pytest.mark.parametrize("texts_per_device", [1, 3])
def test_block_size_and_devices_change_nothing(gaps, mesh, texts_per_device):
    model, chosen = tiny_model(), parallel_texts(gaps, 20)
    whole = probe_layers(chosen, model, make_mesh(0, 1, jax.devices()[:1]), texts_per_device=1000)
    blocks = probe_layers(chosen, model, mesh, texts_per_device=texts_per_device)
    for name in ("parallel", "random"):
        np.testing.assert_allclose(blocks["mean"][name], whole["mean"][name], atol=1e-6)


def test_random_pairs_are_of_different_items():
    """Two languages that agree on every item, the items orthogonal: parallel 1, random 0, whatever their number."""
    for items in (2, 5):
        sums = PairSums(1, 2, 5)
        unit = np.repeat(np.eye(5, dtype=np.float32)[:items], 2, axis=0)[:, None]
        sums.add(unit, np.repeat(np.arange(items), 2), np.tile([0, 1], items))
        parallel, random = sums.means()
        np.testing.assert_allclose((parallel, random), ([[1.0, 1.0]], [[0.0, 0.0]]), atol=1e-12)


def test_items_are_chosen_evenly_and_the_first_text_counts():
    rows = [(str(item), code, f"{item} {number}") for code in ("en", "de") for item in range(10) for number in (5, 6)]
    chosen = parallel_texts(benchmark_of([*rows, ("alone", "en", "9")]), 4)
    assert chosen.texts == ("0 5", "0 5", "2 5", "2 5", "5 5", "5 5", "7 5", "7 5")
    assert chosen.languages == ("de", "en") and chosen.item.tolist() == [0, 0, 1, 1, 2, 2, 3, 3]
    assert parallel_texts(benchmark_of(rows), 4).texts == chosen.texts


def test_a_language_that_shares_one_item_is_left_out_and_named(mesh):
    rows = [(str(item), code, f"{item + 4} 7") for item in range(3) for code in ("en", "de")] + [("1", "te", "8")]
    chosen = parallel_texts(benchmark_of(rows), 9)
    assert chosen.left_out == ("te",) and len(chosen.texts) == 6
    probe = probe_layers(chosen, tiny_model(), mesh, texts_per_device=8)
    assert set(probe["by_language"]) == {"de", "en"}
    (line,) = layer_probe_lines({"layer_probe": probe})
    assert line.endswith("left out because they share fewer than 2 of these items: te")


@pytest.mark.parametrize("rows", [[("1", "en", "4"), ("2", "de", "5")], [("1", "en", "4"), ("1", "de", "5")]])
def test_a_benchmark_without_translations_is_refused(rows):
    with pytest.raises(
        InputError, match=r"--layer_probe=9: benchmark 'gaps' has no two languages with queries for the"
    ):
        parallel_texts(benchmark_of(rows), 9)


def test_impossible_numbers_of_items():
    with pytest.raises(InputError, match=r"--layer_probe=1: one item has no random pairs: expected 2 or more, or 0"):
        EvalConfig(layer_probe=1)
    with pytest.raises(InputError, match=r"--layer_probe=-1: expected at least 0"):
        EvalConfig(layer_probe=-1)


def test_broken_weights_and_a_stop_end_it(gaps, mesh):
    model, chosen = tiny_model(), parallel_texts(gaps, 20)

    def stop():
        raise Interrupted("stopped")

    with pytest.raises(Interrupted):
        probe_layers(chosen, model, mesh, texts_per_device=8, poll=stop)
    encoder = nnx.merge(model.graph, model.parameters)
    encoder.layers[1].expand.bias[...] = jnp.full(CONFIG.feed_forward, jnp.nan)
    broken = dataclasses.replace(model, parameters=nnx.state(encoder, nnx.Param))
    with pytest.raises(InputError, match=r"--layer_probe: vectors after layer 2 are not finite"):
        probe_layers(chosen, broken, mesh, texts_per_device=8)


def test_an_evaluation_carries_it_into_results_terminal_and_report(gaps, mesh, tmp_path, monkeypatch, capsys):
    from hbt_jax.evaluation import evaluate, evaluators

    monkeypatch.setattr(evaluate, "load_as_asked", lambda *args, **options: tiny_model())
    monkeypatch.setattr(evaluators, "load_benchmark", lambda *args, **given: gaps)
    stop = SimpleNamespace(requested=False)
    config = EvalConfig(model="m", benchmarks=("gaps",), out=str(tmp_path), eval_batch=8, layer_probe=12)
    evaluate.evaluate_model(config, mesh, stop)
    printed = capsys.readouterr().out
    result = json.loads((tmp_path / "gaps" / "results.json").read_text(encoding="utf-8"))
    assert result["layer_probe"]["items"] == 12
    assert "random: mean over all" in result["settings"]["definitions"]["layer_probe"]
    mean = result["layer_probe"]["mean"]
    line = f"  layer probe (12 items): cosine of parallel / random queries {mean['parallel'][0]:.3f} / "
    assert line in printed and re.search(r"at layer 0, .* at layer 1, .* at layer 2\n", printed)
    assert "Alignment by layer" in (tmp_path / "report.html").read_text(encoding="utf-8")

    evaluate.evaluate_model(EvalConfig(model="m", benchmarks=("gaps",), out=str(tmp_path), eval_batch=8), mesh, stop)
    assert "layer_probe" not in json.loads((tmp_path / "gaps" / "results.json").read_text(encoding="utf-8"))
    assert "layer probe" not in capsys.readouterr().out

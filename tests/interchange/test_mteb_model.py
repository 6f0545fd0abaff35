"""mteb runs a task whose data is made on the spot, and its score is that of our own ranking."""

import json
import socket

import jax
import numpy as np
import pytest
import safetensors.numpy

pytest.importorskip("mteb", reason="the extra `mteb` is not installed")

import mteb  # noqa: E402
from datasets import Dataset  # noqa: E402
from mteb.abstasks.retrieval import AbsTaskRetrieval  # noqa: E402
from mteb.abstasks.retrieval_dataset_loaders import RetrievalSplitData  # noqa: E402
from mteb.abstasks.task_metadata import TaskMetadata  # noqa: E402
from mteb.models.models_protocols import EncoderProtocol, SearchProtocol  # noqa: E402
from mteb.types import PromptType  # noqa: E402

from hbt_jax.errors import InputError  # noqa: E402
from hbt_jax.evaluation.embedding.embed import Embedder  # noqa: E402
from hbt_jax.interchange.mteb_model import HbtModel  # noqa: E402
from hbt_jax.mesh import make_mesh  # noqa: E402
from hbt_jax.training.load import load_model  # noqa: E402
from tests.interchange import make_models  # noqa: E402

WORDS = " ".join(make_models.TEXTS).split()
DOCUMENTS = [" ".join(WORDS[row : row + 2]) for row in range(30)]
QUERIES = make_models.TEXTS[:6]
RELEVANT = {f"q{row}": {f"d{row}": 1, f"d{row + 6}": 1, f"d{(3 * row + 5) % 12}": 1} for row in range(6)}


class MadeRetrieval(AbsTaskRetrieval):
    documents: list[str] = []
    metadata = TaskMetadata(
        name="MadeRetrieval", description="Texts made here.", reference="https://example.org",
        dataset={"path": "made/here", "revision": "1"}, type="Retrieval", category="t2t", modalities=["text"],
        eval_splits=["test"], eval_langs=["eng-Latn"], main_score="ndcg_at_10", date=("2025-01-01", "2025-01-01"),
        domains=["Written"], task_subtypes=[], license="cc0-1.0", annotations_creators="derived", dialect=[],
        sample_creation="created", bibtex_citation="",
    )  # fmt: skip

    def load_data(self, *arguments, **options):
        queries = [{"id": f"q{row}", "text": text} for row, text in enumerate(QUERIES)]
        corpus = [{"id": f"d{row}", "text": text, "title": ""} for row, text in enumerate(self.documents)]
        split = RetrievalSplitData(
            queries=Dataset.from_list(queries),
            corpus=Dataset.from_list(corpus),
            relevant_docs=RELEVANT,
            top_ranked=None,
        )
        self.dataset, self.data_loaded = {"default": {"test": split}}, True


@pytest.fixture(scope="module")
def folders(tmp_path_factory):
    """Layout -> folder; e5's prompts and cosines, and no prompts and inner products; texts' vectors are far apart."""
    root = tmp_path_factory.mktemp("models")
    made = {layout: make_models.folder_of(layout, root / layout) for layout in ("xlm-roberta", "bert")}
    for folder in made.values():
        weights = safetensors.numpy.load_file(folder / "model.safetensors")
        for name, values in weights.items():
            if "LayerNorm" in name:
                values[:] = 1.0 if name.endswith("weight") else 0.0
        safetensors.numpy.save_file(weights, folder / "model.safetensors")
    return made


@pytest.fixture(scope="module")
def embed(folders):
    """(layout, texts, side) -> vectors by our own embedder."""

    def vectors(layout, texts, side):
        mesh = make_mesh(1, 1, jax.devices()[:1])
        model = load_model(str(folders[layout]), "best", mesh, "float32")
        return Embedder(model, mesh, texts_per_device=256, poll=lambda: None, shown=False)(texts, side)

    return vectors


def ndcg_at_10(score_QN: np.ndarray) -> float:
    """nDCG@10 of RELEVANT, whose grades are all 1."""
    gain = 1 / np.log2(np.arange(2, 12))
    values = []
    for row, scores in enumerate(score_QN):
        best = np.argsort(-scores)[:10]
        found = np.array([f"d{document}" in RELEVANT[f"q{row}"] for document in best])
        values.append((gain * found).sum() / gain[: len(RELEVANT[f"q{row}"])].sum())
    return float(np.mean(values))


def without_ties(score_QN: np.ndarray, count: int) -> list[int]:
    """Documents no two of which score nearly the same for a query, since such ties may be ordered either way."""
    kept: list[int] = []
    for document, score_Q in enumerate(score_QN.T):
        if all(np.abs(score_Q - score_QN[:, other]).min() > 1e-5 for other in kept):
            kept.append(document)
    assert len(kept) >= count
    return kept[:count]


@pytest.mark.peer
@pytest.mark.parametrize("layout", ["xlm-roberta", "bert"])
def test_mteb_scores_a_task_as_our_own_ranking_does(folders, embed, layout, monkeypatch):
    monkeypatch.setattr(socket.socket, "connect", None)  # no network
    score_QN = embed(layout, QUERIES, "query") @ embed(layout, DOCUMENTS, "passage").T
    kept = without_ties(score_QN, 12)
    task = MadeRetrieval()
    task.documents = [DOCUMENTS[row] for row in kept]
    results = mteb.evaluate(
        HbtModel.load(str(folders[layout])), task, cache=None, co2_tracker=False, show_progress_bar=False
    )
    wanted = ndcg_at_10(score_QN[:, kept])
    assert 0.1 < wanted < 0.99
    assert results[0].get_score() == pytest.approx(wanted, abs=1e-5)


@pytest.mark.peer
def test_it_is_an_encoder_and_searches_as_mteb_defines_it(folders):
    model = HbtModel.load(str(folders["xlm-roberta"]))
    assert isinstance(model, EncoderProtocol)
    assert isinstance(model, SearchProtocol)
    meta = model.mteb_model_meta
    assert (meta.name, meta.embed_dim, meta.max_tokens) == ("hbt_jax/xlm-roberta", 16, make_models.LENGTH)
    assert (meta.framework, meta.use_instructions) == (["JAX"], True)
    assert meta.similarity_fn_name.value == "cosine"
    assert HbtModel.load(str(folders["bert"])).mteb_model_meta.similarity_fn_name.value == "dot"


def test_it_searches_exactly_and_reranks_what_is_listed(folders, embed):
    model = HbtModel.load(str(folders["bert"]))
    how = {"task_metadata": MadeRetrieval.metadata, "hf_split": "test", "hf_subset": "default", "num_proc": None,
           "encode_kwargs": {"batch_size": 2}}  # fmt: skip
    queries = Dataset.from_list([{"id": f"q{row}", "text": text} for row, text in enumerate(QUERIES)])
    documents = [{"id": f"d{row}", "text": text, "title": ""} for row, text in enumerate(DOCUMENTS)]
    with pytest.raises(ValueError, match="expected an indexed corpus"):
        model.search(queries, top_k=4, **how)
    model.index(Dataset.from_list(documents), **how)
    score_QN = embed("bert", QUERIES, "query") @ embed("bert", DOCUMENTS, "passage").T
    found = model.search(queries, top_k=4, **how)
    for row, scores in enumerate(score_QN):
        assert sorted(found[f"q{row}"].values()) == pytest.approx(np.sort(scores)[-4:], abs=1e-4)
        for id_, value in found[f"q{row}"].items():
            assert value == pytest.approx(scores[int(id_[1:])], abs=1e-4)
    listed = {f"q{row}": ["d3", "d9", "d1"] for row in range(len(QUERIES))}
    again = model.search(queries, top_k=2, top_ranked=listed, **how)
    for row, scores in enumerate(score_QN):
        assert list(again[f"q{row}"].values()) == pytest.approx(sorted(scores[[3, 9, 1]], reverse=True)[:2], abs=1e-4)
    assert len(model.search(queries, top_k=99, **how)["q0"]) == len(DOCUMENTS)


def test_prompt_types_are_sides_and_texts_of_no_type_are_queries(folders, embed):
    model = HbtModel.load(str(folders["xlm-roberta"]))
    batches = [{"text": QUERIES[:5]}, {"text": QUERIES[5:]}]
    how = {"task_metadata": MadeRetrieval.metadata, "hf_split": "test", "hf_subset": "default", "batch_size": 2}
    for prompt_type, side in ((PromptType.query, "query"), (PromptType.document, "passage"), (None, "query")):
        found = model.encode(batches, prompt_type=prompt_type, **how)
        np.testing.assert_allclose(found, embed("xlm-roberta", QUERIES, side), atol=2e-6)
    with pytest.raises(InputError, match="precision=int8: the embeddings are float32: leave precision out"):
        model.encode(batches, prompt_type=None, **how, precision="int8")
    with pytest.raises(InputError, match="MadeRetrieval: inputs with image: expected text, all it embeds"):
        model.encode([{"image": []}], prompt_type=None, **how)


def test_similarities_are_cosines_or_inner_products(folders):
    some, others = np.random.default_rng(0).standard_normal((2, 3, 16)).astype(np.float32)
    dots = some @ others.T
    cosines = dots / np.linalg.norm(some, axis=1)[:, None] / np.linalg.norm(others, axis=1)
    for layout, wanted in (("xlm-roberta", cosines), ("bert", dots)):
        model = HbtModel.load(str(folders[layout]))
        np.testing.assert_allclose(model.similarity(some, others), wanted, atol=1e-5)
        np.testing.assert_allclose(model.similarity_pairwise(some, others), np.diag(wanted), atol=1e-5)


def test_the_revision_changes_with_all_that_an_embedding_depends_on(folders):
    name = str(folders["bert"])
    revision = HbtModel.load(name).mteb_model_meta.revision
    assert HbtModel.load(name).mteb_model_meta.revision == revision
    for change in ({"query_prefix": "q: "}, {"max_length": 12}, {"pooling": "cls"}, {"compute_dtype": "bfloat16"}):
        assert HbtModel.load(name, **change).mteb_model_meta.revision != revision
    config = json.loads((folders["bert"] / "1_Pooling" / "config.json").read_text())
    assert config["pooling_mode_mean_tokens"]  # what the third change was a change of

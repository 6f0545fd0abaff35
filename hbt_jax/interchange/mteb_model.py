"""A model of this package for mteb 2.x, the benchmarks at https://github.com/embeddings-benchmark/mteb.

    import mteb
    from hbt_jax.interchange.mteb_model import HbtModel

    results = mteb.evaluate(HbtModel.load("runs/quickstart"), mteb.get_tasks(["STS22.v2"]))

It uses all devices of the machine.  mteb stores results by a model's name and revision, see `HbtModel`.
"""

from pathlib import Path
from typing import Any

import numpy as np

from hbt_jax.config.values import OF_MODEL
from hbt_jax.errors import InputError
from hbt_jax.evaluation.embedding.embed import Embedder
from hbt_jax.evaluation.search.search import top_candidates
from hbt_jax.interchange.revision import revision
from hbt_jax.mesh import make_mesh
from hbt_jax.models.encoder import parameter_count
from hbt_jax.models.model import Model, with_text
from hbt_jax.training.load import load_model

try:
    from mteb import similarity_functions
    from mteb._create_dataloaders import create_dataloader
    from mteb.models import ModelMeta
    from mteb.types import PromptType
except ImportError as error:
    raise InputError(f"mteb cannot be imported ({error}): pip install -e '.[mteb]'") from error

_SIDES = {"query": "query", "document": "passage", None: "query"}


class HbtModel:
    """A model that follows mteb's EncoderProtocol and SearchProtocol; `load` makes one.

    mteb's queries are this package's query side, its documents the passage side.  If a task does not distinguish its
    texts (STS, bitext mining, classification, clustering), all of them are the query side, as multilingual-e5 advises
    for symmetric tasks.

    Retrieval tasks are searched here, exactly and on the devices (evaluation/search); a corpus is held as float32
    vectors, 4 bytes x width each.

    Attributes:
      mteb_model_meta: name, sizes and similarity.  Its revision is a digest of the weights and of how texts are
        prepared, so that mteb's cache of results never confuses two models.
    """

    def __init__(self, embedder: Embedder, name: str, compute_dtype: str):
        """See `load`.

        Args:
          embedder: the model on its mesh.
          name: of the form ORGANISATION/MODEL.
          compute_dtype: of the model's matrix products.
        """
        self._embedder = embedder
        self._corpus: tuple[list[str], np.ndarray] | None = None  # ids and vectors
        self.mteb_model_meta = _meta(embedder.model, name, compute_dtype)

    @classmethod
    def load(
        cls,
        name: str,
        checkpoint: str = "best",
        *,
        query_prefix: str = OF_MODEL,
        passage_prefix: str = OF_MODEL,
        max_length: int = 0,
        pooling: str = OF_MODEL,
        normalize: bool | None = None,
        compute_dtype: str = "float32",
        texts_per_device: int = 256,
    ) -> "HbtModel":
        """A model on all devices; the options are those of launch/eval.py.

        Args:
          name: workdir of a run, or folder or hub id of an encoder in Hugging Face's layout.
          checkpoint: of a workdir: "best", "last" or "untrained".
          query_prefix, passage_prefix: put before texts; "model" for the model's own.
          max_length: longest text in tokens; 0 for the model's own.
          pooling: "mean" or "cls"; "model" for the model's own.
          normalize: whether embeddings are scaled to unit length; None for the model's own.
          compute_dtype: "float32" or "bfloat16".
          texts_per_device: texts of 64 tokens embedded at a time; mteb's batch_size has no effect on the work.

        Raises:
          InputError: there is no such model, a file of it is wrong, or an option does not fit it.
        """
        mesh = make_mesh(0, 1)
        model = load_model(name, checkpoint, mesh, compute_dtype, pooling=pooling, normalize=normalize)
        model = with_text(model, query_prefix, passage_prefix, max_length)
        embedder = Embedder(model, mesh, texts_per_device=texts_per_device, poll=lambda: None, shown=True)
        mteb_name = f"hbt_jax/{Path(name).resolve().name}" if Path(name).is_dir() else name
        return cls(embedder, mteb_name, compute_dtype)

    def encode(
        self, inputs, *, task_metadata, hf_split: str, hf_subset: str, prompt_type=None, **kwargs: Any
    ) -> np.ndarray:
        """The embeddings of a task's texts.

        Args:
          inputs: batches, dictionaries with a list of strings under "text", to which mteb has added titles and
            instructions.
          task_metadata: the task; its name goes into error messages.
          hf_split, hf_subset: the part of the task; not used.
          prompt_type: mteb's PromptType, query or document; None if the task does not distinguish them.
          kwargs: mteb's encode_kwargs; ignored, but a precision other than float32 is refused.

        Returns:
          float32 [texts, D].

        Raises:
          InputError: the inputs are not texts, or another precision is asked for.
        """
        del hf_split, hf_subset
        if kwargs.get("precision", "float32") != "float32":
            raise InputError(f"precision={kwargs['precision']}: the embeddings are float32: leave precision out")
        texts: list[str] = []
        for batch in inputs:
            if "text" not in batch:
                raise InputError(f"{task_metadata.name}: inputs with {', '.join(batch)}: expected text, all it embeds")
            texts += batch["text"]
        return self._embedder(texts, _SIDES[getattr(prompt_type, "value", prompt_type)])

    def index(
        self, corpus, *, task_metadata, hf_split: str, hf_subset: str, encode_kwargs: dict, num_proc=None, **kwargs: Any
    ) -> None:
        """Embeds a corpus, for `search`; arguments as mteb's SearchProtocol has them."""
        how = {"task_metadata": task_metadata, "hf_split": hf_split, "hf_subset": hf_subset, "num_proc": num_proc}
        self._corpus = list(corpus["id"]), self._vectors(corpus, PromptType.document, how, encode_kwargs)

    def search(
        self,
        queries,
        *,
        task_metadata,
        hf_split: str,
        hf_subset: str,
        top_k: int,
        encode_kwargs: dict,
        top_ranked=None,
        num_proc=None,
        **kwargs: Any,
    ) -> dict[str, dict[str, float]]:
        """The best documents of each query, exactly; of `top_ranked` where a task lists the documents of a query.

        Returns:
          Query id -> document id -> score, an inner product, which is the cosine of vectors of unit length.
        """
        if self._corpus is None:
            raise ValueError("search before index: expected an indexed corpus")
        how = {"task_metadata": task_metadata, "hf_split": hf_split, "hf_subset": hf_subset, "num_proc": num_proc}
        query_QD, (ids, document_ND) = self._vectors(queries, PromptType.query, how, encode_kwargs), self._corpus
        if top_ranked is not None:
            place = {id_: number for number, id_ in enumerate(ids)}
            return {
                query: self._listed(query_D, [(id_, place[id_]) for id_ in top_ranked[query]], document_ND, top_k)
                for query, query_D in zip(queries["id"], query_QD, strict=True)
            }
        found = top_candidates(query_QD, document_ND, min(top_k, len(ids)))
        return {
            query: {ids[n]: float(score) for n, score in zip(row, scores, strict=True) if n >= 0}
            for query, row, scores in zip(queries["id"], found.index_QK.tolist(), found.score_QK.tolist(), strict=True)
        }

    def _vectors(self, data, prompt_type, how: dict, encode_kwargs: dict) -> np.ndarray:
        """float32 [texts, D] of mteb's queries or documents."""
        number = {"num_proc": how["num_proc"]}
        loader = create_dataloader(
            data, task_metadata=how["task_metadata"], prompt_type=prompt_type, **number, **encode_kwargs
        )
        named = {name: value for name, value in how.items() if name != "num_proc"}
        return self.encode(loader, prompt_type=prompt_type, **named, **encode_kwargs)

    def _listed(self, query_D, listed: list[tuple[str, int]], document_ND, top_k: int) -> dict[str, float]:
        """The best of some documents for one query."""
        scores = document_ND[[number for _, number in listed]] @ query_D
        best = np.argsort(-scores, kind="stable")[:top_k]
        return {listed[n][0]: float(scores[n]) for n in best.tolist()}

    def similarity(self, embeddings1, embeddings2):
        """Scores [n, m] of each of one collection against each of another: cosines, or inner products.

        Inner products if the model's embeddings are not scaled to unit length.
        """
        cosine = self._embedder.model.normalize
        score = similarity_functions.cos_sim if cosine else similarity_functions.dot_score
        return score(embeddings1, embeddings2)

    def similarity_pairwise(self, embeddings1, embeddings2):
        """Scores [n] of each embedding of one collection against the one at the same place in another."""
        cosine = self._embedder.model.normalize
        score = similarity_functions.pairwise_cos_sim if cosine else similarity_functions.pairwise_dot_score
        return score(embeddings1, embeddings2)


def _meta(model: Model, name: str, compute_dtype: str) -> ModelMeta:
    parameters = parameter_count(model.encoder)
    return ModelMeta(
        loader=None,
        name=name,
        revision=revision(model, compute_dtype),
        release_date=None,
        languages=None,
        n_parameters=parameters,
        memory_usage_mb=parameters * 4 / 2**20,
        max_tokens=model.text.longest,
        embed_dim=model.encoder.embedding_width,
        license=None,
        open_weights=None,
        public_training_code=None,
        public_training_data=None,
        framework=["JAX"],
        similarity_fn_name="cosine" if model.normalize else "dot",
        use_instructions=bool(model.text.query_prefix or model.text.passage_prefix),
        training_datasets=None,
    )

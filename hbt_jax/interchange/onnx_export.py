"""Writes an exported model as ONNX too, by PyTorch's exporter, and compares it with the model in ONNX Runtime.

OUT/onnx/model.onnx    float32, weights inside
  input_ids, attention_mask   int64 [batch, sequence], as the folder's tokenizer gives them, prefix included
  last_hidden_state           float32 [batch, sequence, width], which sentence-transformers' ONNX back end pools
  sentence_embedding          float32 [batch, D], pooled, through the dense layer, normalised: as the model embeds
"""

import contextlib
import importlib.util
import io
import logging
import warnings
from collections.abc import Callable, Mapping
from pathlib import Path

import jax
import numpy as np

from hbt_jax.errors import InputError
from hbt_jax.evaluation.embedding.embed import Embedder
from hbt_jax.mesh import make_mesh
from hbt_jax.models.huggingface.library import transformers
from hbt_jax.models.model import Model

FILE = "onnx/model.onnx"
MOST_DIFFERENCE = 1e-4  # between a number of an embedding there and here
_PACKAGES = ("torch", "onnx", "onnxscript", "onnxruntime")
_TEXTS = ("Where is Lima?", "Die Hauptstadt von Peru ist Lima.", "ليما عاصمة بيرو.", "利马是秘鲁的首都。", "Lima " * 60)


def check_packages() -> None:
    """Raises InputError unless everything that is needed is installed."""
    missing = [name for name in _PACKAGES if importlib.util.find_spec(name) is None]
    if missing:
        raise InputError(f"--onnx needs {', '.join(missing)}: pip install -e '.[onnx]'")


def write_onnx(folder: Path, model: Model, dense: Mapping[str, np.ndarray], poll: Callable[[], None]) -> float:
    """Writes FOLDER/onnx/model.onnx and compares its embeddings with the model's.

    Args:
      folder: the exported model, complete.
      model: what was exported.
      dense: float32 "linear.weight" and "linear.bias" of its dense layer; empty for none.
      poll: raises to stop.

    Returns:
      The largest difference between two numbers of embeddings.

    Raises:
      InputError: transformers or PyTorch's exporter cannot take the model, or its embeddings differ.
    """
    (folder / FILE).parent.mkdir()
    try:
        with transformers() as library, _quiet():
            tokenizer = library.AutoTokenizer.from_pretrained(str(folder))
            _export(library.AutoModel, folder, model, dense)
    except Exception as error:  # of many kinds in transformers and in PyTorch's exporter
        reason = " ".join(str(error).split())[:300] or type(error).__name__
        raise InputError(f"--onnx: {model.name} cannot be written as ONNX: {reason}; leave the flag out") from error
    poll()
    texts = [model.text.query_prefix + text for text in _TEXTS]
    given = tokenizer(texts, padding=True, truncation=True, max_length=model.text.longest, return_tensors="np")
    there_ND = _run(folder / FILE, given)
    embedder = Embedder(model, make_mesh(0, 1, jax.devices()[:1]), texts_per_device=8, poll=poll, shown=False)
    difference = float(np.abs(there_ND - embedder(_TEXTS, "query", longest=model.text.longest)).max())
    if not difference <= MOST_DIFFERENCE:
        raise InputError(
            f"--onnx: an embedding in ONNX Runtime differs from the model's by {difference:.1e}, expected at most"
            f" {MOST_DIFFERENCE:.0e}: this model cannot be written as ONNX, leave the flag out"
        )
    return difference


def _export(auto_model: type, folder: Path, model: Model, dense: Mapping[str, np.ndarray]) -> None:
    import torch

    encoder = auto_model.from_pretrained(str(folder), attn_implementation="eager", dtype=torch.float32).eval()
    layer = {name: torch.from_numpy(np.array(value, np.float32)) for name, value in dense.items()}

    class Whole(torch.nn.Module):
        """The encoder and what sentence-transformers' modules do after it."""

        def __init__(self):
            super().__init__()
            self.encoder = encoder

        def forward(self, input_ids, attention_mask):
            """[batch, sequence, width] and [batch, D]."""
            states = self.encoder(input_ids=input_ids, attention_mask=attention_mask).last_hidden_state
            mask = attention_mask.unsqueeze(-1).to(states.dtype)
            pooled = (states * mask).sum(1) / mask.sum(1) if model.pooling == "mean" else states[:, 0]
            if layer:
                pooled = torch.nn.functional.linear(pooled, layer["linear.weight"], layer["linear.bias"])
                pooled = torch.tanh(pooled) if model.encoder.dense_activation == "tanh" else pooled
            return states, torch.nn.functional.normalize(pooled, dim=-1) if model.normalize else pooled

    tokens, mask = torch.ones((2, 7), dtype=torch.int64), torch.ones((2, 7), dtype=torch.int64)
    mask[1, 5:] = 0  # two arrays with different content: equal inputs would become one
    shape = {0: "batch", 1: "sequence"}
    torch.onnx.export(
        Whole(),
        (tokens, mask),
        str(folder / FILE),
        input_names=["input_ids", "attention_mask"],
        output_names=["last_hidden_state", "sentence_embedding"],
        dynamic_shapes={"input_ids": shape, "attention_mask": shape},
        dynamo=True,
        external_data=False,
        verbose=False,
    )


def _run(file: Path, given: Mapping[str, np.ndarray]) -> np.ndarray:
    """float32 [N, D]: the embeddings by ONNX Runtime."""
    import onnxruntime

    session = onnxruntime.InferenceSession(str(file), providers=["CPUExecutionProvider"])
    inputs = {one.name: given[one.name].astype(np.int64) for one in session.get_inputs()}
    return session.run(["sentence_embedding"], inputs)[0]


@contextlib.contextmanager
def _quiet():
    """Keeps the exporter's progress, advice and deprecations from the user."""
    before = logging.root.manager.disable
    logging.disable(logging.WARNING)
    try:
        with warnings.catch_warnings(), contextlib.redirect_stdout(io.StringIO()):
            warnings.simplefilter("ignore")
            yield
    finally:
        logging.disable(before)

"""What launch/export.py does: writes a model as a folder that sentence-transformers and transformers load.

The folder is verified before it is renamed into place: the reader of pretrained encoders reads every file back, and
what it reads is compared with the model.
"""

import dataclasses
import json
import shutil
from collections.abc import Callable
from pathlib import Path

import jax
import jax.numpy as jnp
import numpy as np
import safetensors.numpy
from flax import nnx
from safetensors import SafetensorError

import hbt_jax
from hbt_jax.config.export import ExportConfig
from hbt_jax.config.values import OF_MODEL
from hbt_jax.errors import InputError, Interrupted
from hbt_jax.evaluation.embedding.language_directions import read_language_texts, without_language_directions
from hbt_jax.files import atomic_folder, utf8
from hbt_jax.holding import held
from hbt_jax.interchange import onnx_export, overwrite_guard
from hbt_jax.interchange.model_card import model_card
from hbt_jax.interchange.provenance import Provenance, evaluations, provenance_of
from hbt_jax.interchange.push import described, push
from hbt_jax.interchange.read_back import check_read_back
from hbt_jax.mesh import make_mesh
from hbt_jax.models import lora
from hbt_jax.models.encoder import parameter_count
from hbt_jax.models.huggingface import architectures, peft_adapters
from hbt_jax.models.huggingface.tokenizer_json import write_hugging_face
from hbt_jax.models.huggingface.written import DENSE, module_files, tokenizer_config
from hbt_jax.models.model import Model, with_text
from hbt_jax.models.projection import truncated
from hbt_jax.training.load import load_model
from hbt_jax.training.preemption import StopRequest

_WEIGHTS, ADAPTER = "model.safetensors", "adapter"


def export_command(config: ExportConfig, stop: StopRequest) -> None:
    """What launch/export.py does once its flags are checked.

    Raises:
      InputError: there is no such model; the folder cannot be written, or something in it would be lost; or another
        process is writing it.
      Interrupted: a signal came; nothing is written.
    """

    def poll() -> None:
        if stop.requested:
            raise Interrupted(f"during the export; {config.out} is as it was before")

    if config.onnx:
        onnx_export.check_packages()
    with held(config.out, "--out", beside=True):
        _load_and_write(config, poll)
        if config.push:
            _push(config)


def _load_and_write(config: ExportConfig, poll: Callable[[], None]) -> None:
    out, mesh = Path(config.out), make_mesh(0, 1, jax.devices()[:1])
    overwrite_guard.check_out(out, config.model)
    texts = read_language_texts(config.language_texts) if config.language_texts else {}
    model = load_model(config.model, config.checkpoint, mesh, "float32")
    model = with_text(model, OF_MODEL, OF_MODEL, config.max_length)
    if config.remove_language_directions:
        model = without_language_directions(model, texts, config.remove_language_directions, mesh, poll)
    if config.truncate_dim:
        model = truncated(model, config.truncate_dim)
    poll()
    provenance = provenance_of(config.model, config.checkpoint, model)
    for note in (*model.lines(), *_without_results(config, provenance)):
        print(note, flush=True)
    adapters = provenance.run.step_config.lora if provenance.run else None
    if config.peft_adapter and adapters is None:
        raise InputError(f"--peft_adapter: {config.model} has no low-rank adapters (--lora_rank): leave it out")
    export = _Export(
        model,
        *_tensors(model, adapters, config.dtype),
        dtype=config.dtype,
        onnx=config.onnx,
        adapters=adapters if config.peft_adapter else None,
        base=provenance.base or "",
        card=model_card(out.resolve().name, model, provenance, config.license, model.text.longest),
        source={"name": provenance.name, "checkpoint": provenance.checkpoint, "step": model.step},
    )
    poll()
    try:
        with atomic_folder(str(out.resolve())) as partial:
            size = _write(Path(partial), export, poll)
    except (OSError, SafetensorError) as error:
        reason = getattr(error, "strerror", None) or " ".join(str(error).split())
        raise InputError(f"--out={out}: cannot be written: {reason}; make room or choose another --out") from error
    count = parameter_count(model.encoder)
    print(f"exported {model.name} to {out}: {count:,} parameters, {size / 1e6:,.1f} MB, read back and compared")


def _push(config: ExportConfig) -> None:
    folder = Path(config.out).resolve()
    if config.push_dry_run:
        print("\n".join(described(folder, config.push)))
    else:
        print(f"uploaded to {push(folder, config.push, config.push_private, f'hbt_jax {hbt_jax.__version__}')}")


def _without_results(config: ExportConfig, provenance: Provenance) -> list[str]:
    """How to get a table of results; nothing if there is one, or there can be none."""
    if provenance.run is None or provenance.results:
        return []
    folder = evaluations(config.model, config.checkpoint)
    return [
        f"the model card has no results: {folder} has none for these weights with the prefixes and lengths of"
        f" training; launch/eval.py --out={folder} writes them there"
    ]


@dataclasses.dataclass(frozen=True)
class _Export:
    """What is written.

    Attributes:
      model: the model; its longest text is that of the longer side.
      tensors, dense: arrays of the encoder and of the dense layer by the names that the files have.
      dtype: theirs, by name.
      onnx: whether to write ONNX too.
      adapters, base: adapters to write apart too, None for none, and the model that they are for.
      card: the text of README.md.
      source: what the export's list of files says about the model.
    """

    model: Model
    tensors: dict[str, np.ndarray]
    dense: dict[str, np.ndarray]
    dtype: str
    onnx: bool
    adapters: lora.LoraConfig | None
    base: str
    card: str
    source: dict


def _flat(model: Model) -> dict[tuple, np.ndarray]:
    return {path: np.asarray(leaf.get_value()) for path, leaf in nnx.to_flat_state(model.parameters)}


def _tensors(
    model: Model, adapters: lora.LoraConfig | None, dtype: str
) -> tuple[dict[str, np.ndarray], dict[str, np.ndarray]]:
    """The encoder's and the dense layer's tensors, without adapters and without the vocabulary's padding rows."""
    flat = lora.merged(_flat(model), adapters)
    dense = {}
    if model.encoder.dense:
        kernel, bias = flat["dense", "kernel"], flat["dense", "bias"]
        dense = {"linear.weight": np.ascontiguousarray(kernel.T), "linear.bias": bias}
    return tuple(
        {name: value.astype(jnp.dtype(dtype)) for name, value in arrays.items()}
        for arrays in (architectures.from_flat(model.encoder, flat), dense)
    )


def _write(folder: Path, export: _Export, poll: Callable[[], None]) -> int:
    """Writes and checks the whole folder; returns its size in bytes."""
    model = export.model
    encoder = architectures.config_json(model.encoder) | {"dtype": export.dtype}
    contents = {"config.json": encoder, **module_files(model, model.text.longest)}
    texts = {"README.md": export.card} | {name: _json(content) for name, content in contents.items()}
    for name, text in texts.items():
        (folder / name).parent.mkdir(exist_ok=True)
        (folder / name).write_bytes(utf8(text))
    write_hugging_face(model.tokenizer, folder)
    config = folder / "tokenizer_config.json"
    settings = json.loads(config.read_text(encoding="utf-8")) if config.is_file() else {}
    config.write_text(_json(tokenizer_config(settings, model.text.longest)), encoding="utf-8")
    for place, arrays in (("", export.tensors), (DENSE, export.dense)):
        poll()
        if arrays:
            safetensors.numpy.save_file(arrays, folder / place / _WEIGHTS, metadata={"format": "pt"})
            shutil.copymode(folder / "config.json", folder / place / _WEIGHTS)  # safetensors makes it private
    if export.adapters:
        (folder / ADAPTER).mkdir()
        peft_adapters.write(folder / ADAPTER, export.base, model.encoder, export.adapters, _flat(model))
    poll()
    check_read_back(folder, model, export.tensors, export.dense)
    if export.onnx:
        difference = onnx_export.write_onnx(folder, model, export.dense, poll)
        print(f"{onnx_export.FILE}: embeddings in ONNX Runtime differ by at most {difference:.1e}", flush=True)
    mark = overwrite_guard.mark(hbt_jax.__version__, export.source, folder)
    (folder / overwrite_guard.MARK).write_bytes(utf8(_json(mark)))
    poll()
    return sum(path.stat().st_size for path in folder.rglob("*") if path.is_file())


def _json(content: object) -> str:
    return json.dumps(content, indent=2) + "\n"

"""Loads a model ready to embed: from a run's workdir, a folder in Hugging Face's layout, or a hub id."""

import dataclasses

import jax.numpy as jnp
from flax import nnx
from jax.sharding import Mesh

from hbt_jax.bucket.mirror import files_of
from hbt_jax.config.embed import EmbedConfig
from hbt_jax.config.evaluation import EvalConfig
from hbt_jax.config.learning import TextConfig
from hbt_jax.config.mine import MineConfig
from hbt_jax.config.values import AUTO, OF_MODEL
from hbt_jax.errors import InputError
from hbt_jax.files import check_name
from hbt_jax.mesh import state_shardings
from hbt_jax.models.attention import attention_on
from hbt_jax.models.encoder import Encoder
from hbt_jax.models.huggingface import pretrained as files
from hbt_jax.models.model import Model, with_text
from hbt_jax.models.on_cpu import has_one_cpu
from hbt_jax.models.tokenizer import load_tokenizer
from hbt_jax.places import is_remote
from hbt_jax.training import workdir
from hbt_jax.training.initial_model import check_vocabulary, habits, unused
from hbt_jax.training.step import placed


def is_run(name: str) -> bool:
    """Whether a name is the workdir of a run."""
    return (files_of(name) / workdir.MODEL_FILE).is_file()


def load_model(
    name: str,
    checkpoint: str,
    mesh: Mesh,
    compute_dtype: str,
    *,
    pooling: str = OF_MODEL,
    normalize: bool | None = None,
    flag: str = "model",
) -> Model:
    """A model ready to embed.

    Args:
      name: workdir of a run, folder in Hugging Face's layout, or hub id.
      checkpoint: of a run: "best", "last" or "untrained".
      mesh: where the parameters go.
      compute_dtype: "float32" or "bfloat16", of matrix products in the encoder.
      pooling: "mean" or "cls"; "model" for the model's own.
      normalize: whether embeddings are scaled to unit length; None for the model's own.
      flag: the option that gave the name, for messages.

    Raises:
      InputError: there is no such model, or a file of it is wrong.
    """
    if not is_run(name):
        if is_remote(name):
            raise InputError(
                f"--{flag}={name}: holds no {workdir.MODEL_FILE}: expected the --workdir of a training run"
            )
        if checkpoint != "best":
            raise InputError(
                f"--checkpoint={checkpoint} is only for the workdir of a run, which --{flag}={name} is not: leave it"
                " out"
            )
        return _pretrained(files.read(name, f"--{flag}={name}"), mesh, compute_dtype, pooling, normalize)
    check_name(name, flag, "the libraries that read checkpoints")
    model = workdir.load(name, checkpoint, mesh, compute_dtype)
    changes = {}
    if pooling != OF_MODEL:
        changes["pooling"] = pooling
    if normalize is not None:
        changes["normalize"] = normalize
    return dataclasses.replace(model, **changes)


def load_as_asked(config: EmbedConfig | EvalConfig | MineConfig, checkpoint: str, mesh: Mesh) -> Model:
    """The model of a command, at a checkpoint, with the pooling, prefixes and lengths that its flags ask for.

    Raises:
      InputError: see `load_model` and `with_text`.
    """
    options = {"pooling": config.pooling, "normalize": config.normalize}
    model = load_model(config.model, checkpoint, mesh, config.compute_dtype, **options)
    return with_text(model, config.query_prefix, config.passage_prefix, config.max_length)


def _pretrained(
    source: files.Pretrained, mesh: Mesh, compute_dtype: str, pooling: str, normalize: bool | None
) -> Model:
    tokenizer = load_tokenizer(source.folder)
    check_vocabulary(source, tokenizer)
    own = habits(source, TextConfig(), pooling, normalize)
    attention = attention_on(mesh, AUTO, compute_dtype)
    options = {"dtype": jnp.dtype(compute_dtype), "attention": attention, "one_cpu": has_one_cpu(mesh)}
    abstract = nnx.eval_shape(lambda: Encoder(source.encoder, **options, rngs=nnx.Rngs(0)))
    graph, shapes = nnx.split(abstract, nnx.Param)
    weights, left_out = files.read_parameters(source)
    stated = {"pooling": pooling != OF_MODEL, "normalize": normalize is not None}
    return Model(
        graph=graph,
        parameters=placed(shapes, state_shardings(shapes, mesh), weights),
        encoder=source.encoder,
        pooling=own.pooling,
        normalize=own.normalize,
        text=TextConfig(
            query_prefix=own.query_prefix,
            passage_prefix=own.passage_prefix,
            query_length=source.max_length,
            passage_length=source.max_length,
        ),
        said={
            **{name: source.said[name] for name in ("query_prefix", "passage_prefix") if name in source.said},
            **dict.fromkeys(("query_length", "passage_length"), source.said["max_length"]),
        },
        assumed=tuple(name for name in source.unstated if not stated.get(name)),
        tokenizer=tokenizer,
        name=source.name,
        step=0,
        notes=(*source.notes, *unused(source, left_out)),
    )

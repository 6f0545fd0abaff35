"""AdamW (Loshchilov & Hutter 2017, arXiv 1711.05101) with warm-up, a decay mask, groups and clipping, by optax."""

import jax
import optax
from flax import nnx

from hbt_jax.config.learning import LearningConfig
from hbt_jax.training.freezing import EMBEDDINGS


def learning_rate(config: LearningConfig, steps: int) -> optax.Schedule:
    """Step number to learning rate: linear warm-up from zero, then linear or cosine to zero, or constant."""
    warmup_steps = config.warmup(steps)
    rest = max(1, steps - warmup_steps)
    after = {
        "linear": optax.linear_schedule(config.learning_rate, 0.0, rest),
        "cosine": optax.cosine_decay_schedule(config.learning_rate, rest),
        "constant": optax.constant_schedule(config.learning_rate),
    }[config.schedule]
    if not warmup_steps:
        return after
    warmup = optax.linear_schedule(0.0, config.learning_rate, warmup_steps)
    return optax.join_schedules([warmup, after], [warmup_steps])


def decayed(parameters):
    """A tree of bools: weight decay applies to matrices, not to biases and the scales and shifts of LayerNorm."""
    return jax.tree.map(lambda leaf: leaf.ndim > 1, parameters)


def rate_factor(config: LearningConfig, layers: int, path: tuple) -> float:
    """What the learning rate of a parameter is multiplied by.

    With 2 layers and a layer decay of 0.9: 0.9 ** 2 for the embeddings, 0.9 and 1 for the layers, 1 for what follows.

    Args:
      config: the rates.
      layers: of the encoder.
      path: of the parameter, such as ("layers", 0, "query", "kernel").
    """
    if path[0] in EMBEDDINGS:
        own = config.embedding_learning_rate
        return own / config.learning_rate if own else config.layer_decay**layers
    return config.layer_decay ** (layers - 1 - path[1]) if path[0] == "layers" else 1.0


def _grouped(config: LearningConfig, layers: int) -> optax.GradientTransformation:
    """Scales the changes of each group of parameters, weight decay included, as its own learning rate would."""

    def scaled(path, change):
        factor = rate_factor(config, layers, path)
        return jax.tree.map(lambda leaf: leaf * factor, change)

    return optax.stateless(lambda changes, _: nnx.map_state(scaled, changes))


def make_optimizer(config: LearningConfig, steps: int, layers: int = 0) -> optax.GradientTransformation:
    """The optimizer of a run of `steps` updates; groups of learning rates need the number of the encoder's layers."""
    adamw = optax.adamw(learning_rate(config, steps), weight_decay=config.weight_decay, mask=decayed)
    clip = [optax.clip_by_global_norm(config.clip_norm)] if config.clip_norm else []
    is_grouped = config.layer_decay != 1 or config.embedding_learning_rate
    return optax.chain(*clip, adamw, *([_grouped(config, layers)] if is_grouped else []))

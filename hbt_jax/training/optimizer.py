"""AdamW (Loshchilov & Hutter 2017, arXiv 1711.05101) with warm-up, a decay mask and clipping, by optax."""

import jax
import optax

from hbt_jax.config import LearningConfig


def learning_rate(config: LearningConfig, steps: int) -> optax.Schedule:
    """Step number to learning rate: linear warm-up from zero, then linear or cosine to zero, or constant."""
    rest = max(1, steps - config.warmup_steps)
    after = {
        "linear": optax.linear_schedule(config.learning_rate, 0.0, rest),
        "cosine": optax.cosine_decay_schedule(config.learning_rate, rest),
        "constant": optax.constant_schedule(config.learning_rate),
    }[config.schedule]
    if not config.warmup_steps:
        return after
    warmup = optax.linear_schedule(0.0, config.learning_rate, config.warmup_steps)
    return optax.join_schedules([warmup, after], [config.warmup_steps])


def decayed(parameters):
    """A tree of bools: weight decay applies to matrices, not to biases and the scales and shifts of LayerNorm."""
    return jax.tree.map(lambda leaf: leaf.ndim > 1, parameters)


def make_optimizer(config: LearningConfig, steps: int) -> optax.GradientTransformation:
    """The optimizer of a run of `steps` updates."""
    adamw = optax.adamw(learning_rate(config, steps), weight_decay=config.weight_decay, mask=decayed)
    clip = [optax.clip_by_global_norm(config.clip_norm)] if config.clip_norm else []
    return optax.chain(*clip, adamw)

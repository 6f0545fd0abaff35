"""What is learnt: batches, texts, the encoder, loss and optimizer."""

import dataclasses
from typing import ClassVar

from hbt_jax.config.option import Part, option
from hbt_jax.config.shared import Pooling, Prefixes
from hbt_jax.config.values import BATCHINGS, JOINT, KL, MARGIN_MSE, MIN_MAX_LENGTH, SCHEDULES
from hbt_jax.errors import InputError


@dataclasses.dataclass(frozen=True)
class PlanConfig(Part):
    """Which texts and languages make a batch (hbt_jax/data/plan.py)."""

    title: ClassVar[str] = "Batches"

    stores: tuple = option(
        (),
        "training stores written by data_prep/build_store.py, folders or gs://BUCKET/FOLDER, comma-separated",
        remote=True,
    )
    batching: str = option(
        "hybrid",
        "batch kind: hybrid, x-x-mono, x-x or x-y (arXiv 2408.10536); or joint, each pair in several languages at once",
        choices=BATCHINGS,
    )
    mono_probability: float = option(
        0.5, "alpha of hybrid batching: probability that a batch is x-x-mono", minimum=0.0, maximum=1.0
    )
    joint_languages: int = option(
        4,
        "with --batching=joint, how many languages each pair appears in, on both sides; a batch then holds that many"
        " times fewer distinct pairs, and all passages of a pair are positives of its queries",
        minimum=2,
    )
    size_exponent: float = option(
        1.0, "a store is drawn in proportion to its number of pairs to this power", minimum=0.0, maximum=2.0
    )
    train_fraction: float = option(
        1.0,
        "fraction of each training store's pairs to train on, drawn by --seed; smaller fractions are subsets of larger"
        " ones",
        above=0.0,
        maximum=1.0,
    )
    global_batch: int = option(128, "pairs of one step over all devices", minimum=2)
    negatives: int = option(0, "explicit negative passages per query, where a store has them", minimum=0)

    def __post_init__(self):
        super().__post_init__()
        if self.global_batch % self.rows_per_pair:
            raise InputError(
                f"--global_batch={self.global_batch} is no multiple of --joint_languages={self.joint_languages}:"
                " expected one, so that every pair of a joint batch is shown in that many languages"
            )

    @property
    def rows_per_pair(self) -> int:
        """Consecutive places of a batch that show one pair, in several languages."""
        return self.joint_languages if self.batching == JOINT else 1


@dataclasses.dataclass(frozen=True)
class TextConfig(Prefixes):
    """How a text becomes tokens, the same in training and evaluation."""

    title: ClassVar[str] = "Texts"

    query_length: int = option(
        32,
        "maximum length of a query, in tokens including prefix and special tokens; the rest is cut",
        minimum=MIN_MAX_LENGTH,
    )
    passage_length: int = option(
        128,
        "maximum length of a passage, in tokens including prefix and special tokens; the rest is cut",
        minimum=MIN_MAX_LENGTH,
    )
    row_length: int = option(
        0, "tokens per packed row; 0: the larger of --query_length and --passage_length", minimum=0
    )
    row_segments: int = option(0, "maximum number of texts in a packed row; 0: row length / 8, at least 1", minimum=0)

    def __post_init__(self):
        super().__post_init__()
        if self.row_length and self.row_length < self.longest:
            raise InputError(
                f"--row_length={self.row_length} is shorter than the longest text"
                f" (--query_length={self.query_length}, --passage_length={self.passage_length}): raise it, or set 0"
            )

    @property
    def longest(self) -> int:
        """Tokens of the longest text on either side."""
        return max(self.query_length, self.passage_length)

    @property
    def row_tokens(self) -> int:
        """L: tokens of a packed row."""
        return self.row_length or self.longest

    @property
    def segments(self) -> int:
        """S: texts a packed row can hold at most."""
        return self.row_segments or max(1, self.row_tokens // 8)


@dataclasses.dataclass(frozen=True)
class InitialWeights(Part):
    """Which encoder training starts from."""

    model: str = option(
        "tiny",
        "encoder to start from: a preset with random weights, tiny (2 layers x 128) or small (6 layers x 384); or the"
        " folder or hub id of a pretrained BERT-family encoder in Hugging Face's layout",
    )
    tokenizer: str = option(
        "",
        "folder or file of a preset's tokenizer; empty: that of the first store; a pretrained --model brings its own",
    )


@dataclasses.dataclass(frozen=True)
class ModelConfig(Pooling, InitialWeights):
    """Which encoder is trained, and which of its parameters."""

    title: ClassVar[str] = "Model"

    dropout: float = option(
        0.1, "dropout rate of embeddings, attention output and feed-forward output", minimum=0.0, maximum=0.9
    )
    freeze: tuple = option(
        (),
        "parts that are not trained, comma-separated: embeddings, tokens (only their table), layers:3, layers:0-5,"
        " dense",
    )
    lora_rank: int = option(
        0,
        "rank of low-rank adapters (arXiv 2106.09685), which are then the only parameters trained; 0: none",
        minimum=0,
    )
    lora_alpha: float = option(16.0, "an adapter's output is multiplied by alpha / rank", above=0.0)
    lora_layers: tuple = option((), "layers with adapters, such as 0-2 or 0-2,5; empty: all")
    lora_targets: tuple = option(
        ("query", "value"),
        "weight matrices with adapters: query, key, value, attention_output, expand (feed-forward, in), contract (out)",
    )

    def __post_init__(self):
        super().__post_init__()
        for field in dataclasses.fields(self):
            value = getattr(self, field.name)
            if not self.lora_rank and field.name.startswith("lora_") and value != field.default:
                shown = ",".join(value) if isinstance(value, tuple) else value
                raise InputError(f"--{field.name}={shown} needs --lora_rank, the rank of the adapters")


@dataclasses.dataclass(frozen=True)
class LearningConfig(Part):
    """Loss and optimizer."""

    title: ClassVar[str] = "Learning"

    temperature: float = option(0.02, "cosines are divided by this before the softmax", above=0.0)
    matryoshka_widths: tuple = option(
        (),
        "embedding widths to train as well, each with its weight, such as 256:1,64:0.5 (Matryoshka, arXiv"
        " 2205.13147): the loss is the weighted mean over these and the full width, whose weight is 1 unless listed",
    )
    symmetric: bool = option(False, "add the loss of passages against queries, with equal weight")
    learning_rate: float = option(3e-5, "peak learning rate of AdamW", above=0.0)
    weight_decay: float = option(
        1e-2, "AdamW weight decay of matrices (none on biases and the scales of LayerNorm)", minimum=0.0
    )
    embedding_learning_rate: float = option(
        0.0, "peak learning rate of the embedding tables and their LayerNorm; 0: as --layer_decay says", minimum=0.0
    )
    layer_decay: float = option(
        1.0,
        "each layer's learning rate is that of the layer above times this, the embeddings' that of the lowest layer"
        " times this (arXiv 1801.06146, section 3.2); 1: one rate for all",
        above=0.0,
        maximum=1.0,
    )
    warmup_steps: int = option(0, "steps of linear warm-up from zero", minimum=0)
    warmup_ratio: float = option(
        0.0, "length of the warm-up as a fraction of the run, instead of --warmup_steps", minimum=0.0, maximum=1.0
    )
    schedule: str = option(
        "linear", "learning rate after warm-up: linear or cosine to zero, or constant", choices=SCHEDULES
    )
    clip_norm: float = option(1.0, "gradients are scaled to at most this global norm; 0: not clipped", minimum=0.0)

    def __post_init__(self):
        super().__post_init__()
        if self.warmup_steps and self.warmup_ratio:
            raise InputError(
                f"--warmup_steps={self.warmup_steps} --warmup_ratio={self.warmup_ratio:g}: both set the length of the"
                " warm-up: leave one out"
            )

        self.widths()

    def widths(self) -> dict[int, float]:
        """Width -> weight of --matryoshka_widths; raises InputError if it is malformed."""
        found, flag = {}, f"--matryoshka_widths={','.join(self.matryoshka_widths)}"
        for text in self.matryoshka_widths:
            width, _, weight = text.partition(":")
            try:
                number, share = int(width), float(weight or 1)
            except ValueError as error:
                raise InputError(f"{flag}: {text!r}: expected WIDTH or WIDTH:WEIGHT, such as 256:0.5") from error
            if number < 1 or not 0 < share < float("inf") or number in found:
                raise InputError(f"{flag}: {text!r}: expected different widths from 1, and weights above 0")
            found[number] = share
        return found

    def warmup(self, steps: int) -> int:
        """Steps of warm-up of a run of `steps` updates."""
        return self.warmup_steps or round(self.warmup_ratio * steps)


@dataclasses.dataclass(frozen=True)
class TeachingConfig(Part):
    """What a guide, an anchor and a teacher add."""

    title: ClassVar[str] = "Guide, anchor and teacher"

    guide_model: str = option(
        "",
        "workdir, folder or hub id of a model that embeds the stores once, before training: in-batch negatives that it"
        " scores higher than the query's own passage are masked (GISTEmbed, arXiv 2402.16829); empty: none",
    )
    guide_margin: float = option(
        0.0, "a negative is masked if its guide score is above that of the positive plus this; may be negative"
    )
    anchor_model: str = option(
        "",
        "workdir, folder or hub id of a model, usually the one of --model, that embeds the texts of --anchor_language"
        " in the stores once, before training: the embedding of each text is pulled to the vector of its translation"
        " there (after arXiv 2004.09813); empty: none",
    )
    anchor_language: str = option("en", "language of the texts that --anchor_model embeds")
    anchor_weight: float = option(
        2.0, "weight of the anchor's loss, the mean over texts of 1 - cosine, beside the loss of the batch", above=0.0
    )
    distillation: str = option(
        "none",
        "loss against the teacher's scores in the stores, over each pair's passage and --negatives: kl (divergence), or"
        " margin_mse (arXiv 2010.02666)",
        choices=("none", KL, MARGIN_MSE),
    )
    distillation_weight: float = option(
        0.5, "weight of --distillation; the contrastive loss has the rest", above=0.0, maximum=1.0
    )
    teacher_temperature: float = option(1.0, "a teacher's scores are divided by this", above=0.0)

    def __post_init__(self):
        super().__post_init__()
        if self.guide_margin and not self.guide_model:
            raise InputError(f"--guide_margin={self.guide_margin:g} needs --guide_model")
        for name in ("anchor_language", "anchor_weight"):
            value = getattr(self, name)
            if value != getattr(TeachingConfig, name) and not self.anchor_model:
                raise InputError(f"--{name}={value} needs --anchor_model")
        for name in ("distillation_weight", "teacher_temperature"):
            value = getattr(self, name)
            if value != getattr(TeachingConfig, name) and self.distillation == "none":
                raise InputError(f"--{name}={value:g} needs --distillation")

#!/usr/bin/env python3
"""Pairs a second of a whole fine-tuning on real text: launch/train.py against SentenceTransformerTrainer, on the CPU.

    python tests/benchmarks/training/fine_tuning_speed.py --model=FOLDER --store=STORE [--batching=hybrid] [--steps=60]

Both train on the same pairs of a store, in batches of --global_batch (sentence-transformers shuffles them), with the
in-batch loss, AdamW, the same prefixes and the same maximum lengths.  sentence-transformers gets its texts as strings
that are already cut to the maximum length, and pads each batch to its longest text; it uses
MultipleNegativesRankingLoss, autocast for bfloat16 and its own default optimizer.  Each side runs in a separate
process, since the two slow each other down in one; they take turns, with the same allocator settings.  The first
--warmup steps, in which each side starts and compiles, are not timed.  Prints both rates, the share of the computed
tokens that is text (in packed rows, and in batches padded to their longest texts) and, last, the median of the rounds'
ratios.
"""

import json
import os
import pathlib
import statistics
import sys
import tempfile
import time

from absl import flags

ROOT = pathlib.Path(__file__).resolve().parents[3]
sys.path.insert(0, str(ROOT))

from hbt_jax.errors import InputError  # noqa: E402
from tests.benchmarks import apart  # noqa: E402

_LEARNING_RATE = 2e-5
_TEMPERATURE = 0.02
_LOG_EVERY = 10  # steps of an interval whose rate is read
_LENGTHS = {"query": 32, "passage": 128}  # prefix and special tokens included


def planned_texts(given) -> dict[str, list[str]]:
    """The texts of each side in the order in which launch/train.py takes them, prefixed and cut."""
    from transformers import AutoTokenizer

    from hbt_jax.config.learning import PlanConfig
    from hbt_jax.data.mixture import open_mixture
    from hbt_jax.data.plan import Plan

    mixture = open_mixture([given.store])
    plan = Plan(mixture, PlanConfig(batching=given.batching, global_batch=given.global_batch), seed=0)
    tokenizer = AutoTokenizer.from_pretrained(given.model)
    store = mixture.stores[0]
    texts: dict[str, list[str]] = {side: [] for side in _LENGTHS}
    for step in range(given.steps):
        batch = plan.batch(step)
        sides = {
            "query": (store.queries, store.pairs.query_A, batch.query_language),
            "passage": (store.passages, store.pairs.passage_A, batch.passage_language),
        }
        for side, (stored, rows, languages) in sides.items():
            prefix = f"{side}: "
            room = _LENGTHS[side] - len(tokenizer(prefix)["input_ids"])
            for row, language in zip(rows[batch.pairs], languages, strict=True):
                found = stored.tokens[store.languages[language]]
                ids = found.values[found.offsets[row] : found.offsets[row + 1]][:room]
                texts[side].append(prefix + tokenizer.decode(ids.tolist()))
    return texts


def text_share(tokenizer, texts: dict[str, list[str]], batch: int) -> float:
    """The part of the tokens of padded batches that is text."""
    real = padded = 0
    for of_side in texts.values():
        lengths = [len(ids) for ids in tokenizer(of_side)["input_ids"]]
        real += sum(lengths)
        for start in range(0, len(lengths), batch):
            padded += batch * max(lengths[start : start + batch])
    return real / padded


def ours(given) -> tuple[float, float]:
    """Pairs a second of launch/train.py after the warm-up, over intervals of equal length, and the share of text."""
    with tempfile.TemporaryDirectory() as folder:
        command = [
            *(str(ROOT / "launch" / "train.py"), f"--workdir={folder}/run", f"--model={given.model}"),
            *(f"--stores={given.store}", f"--batching={given.batching}", f"--global_batch={given.global_batch}"),
            *(f"--compute_dtype={given.compute_dtype}", f"--steps={given.steps}", f"--learning_rate={_LEARNING_RATE}"),
            *(f"--temperature={_TEMPERATURE}", "--dropout=0", f"--log_every={_LOG_EVERY}"),
            *(f"--{side}_length={length}" for side, length in _LENGTHS.items()),
        ]
        apart.output_of("launch/train.py", command, {})
        written = pathlib.Path(folder) / "run" / "metrics.jsonl"
        rows = [json.loads(line) for line in written.read_text(encoding="utf-8").splitlines()]
    rates = [row["pairs_per_second"] for row in rows if row["step"] > given.warmup]
    return statistics.harmonic_mean(rates), statistics.fmean(row["row_fill"] for row in rows)


def theirs(given) -> tuple[float, float]:
    """Pairs a second of SentenceTransformerTrainer after the warm-up, and the part of text if batches are padded."""
    import torch
    from datasets import Dataset
    from sentence_transformers import (
        SentenceTransformer,
        SentenceTransformerTrainer,
        SentenceTransformerTrainingArguments,
    )
    from sentence_transformers.losses import MultipleNegativesRankingLoss
    from transformers import TrainerCallback

    texts = planned_texts(given)
    torch.set_num_threads(given.threads)
    encoder = SentenceTransformer(given.model, device="cpu")
    encoder.prompts = {}
    encoder.max_seq_length = max(_LENGTHS.values())
    for module in encoder.modules():
        if isinstance(module, torch.nn.Dropout):
            module.p = 0.0
    ends: list[float] = []

    class Clock(TrainerCallback):
        def on_step_end(self, args, state, control, **kwargs) -> None:
            ends.append(time.perf_counter())

    with tempfile.TemporaryDirectory() as folder:
        arguments = SentenceTransformerTrainingArguments(
            output_dir=folder,
            max_steps=given.steps,
            per_device_train_batch_size=given.global_batch,
            learning_rate=_LEARNING_RATE,
            bf16=given.compute_dtype == "bfloat16",
            use_cpu=True,
            save_strategy="no",
            report_to="none",
            disable_tqdm=True,
        )
        SentenceTransformerTrainer(
            model=encoder,
            args=arguments,
            train_dataset=Dataset.from_dict({"anchor": texts["query"], "positive": texts["passage"]}),
            loss=MultipleNegativesRankingLoss(encoder, scale=1 / _TEMPERATURE),
            callbacks=[Clock()],
        ).train()
    rate = (len(ends) - given.warmup) * given.global_batch / (ends[-1] - ends[given.warmup - 1])
    return rate, text_share(encoder.tokenizer, texts, given.global_batch)


def measured(given, who: str) -> tuple[float, float]:
    """What a child process of its own says."""
    names = ("model", "store", "batching", "global_batch", "compute_dtype", "steps", "warmup", "threads")
    return apart.said_by_child(__file__, given, names, {"child": who}, {"TOKENIZERS_PARALLELISM": "true"})


def main(_: list[str]) -> None:
    """Runs one child's part, or both children in turn."""
    from hbt_jax.flags import require

    given = flags.FLAGS
    require(["model", "store"])
    if given.warmup % _LOG_EVERY or not 0 < given.warmup <= given.steps - _LOG_EVERY:
        raise InputError(
            f"--warmup={given.warmup} --steps={given.steps}: expected --warmup to be a multiple of {_LOG_EVERY}"
            f" above 0, and at least {_LOG_EVERY} less than --steps"
        )
    if given.child:
        os.sched_setaffinity(0, sorted(os.sched_getaffinity(0))[: given.threads])
        print(json.dumps(ours(given) if given.child == "ours" else theirs(given)))
        return
    ratios = []
    for turn in range(given.rounds):
        (own, packed), (their, padded) = measured(given, "ours"), measured(given, "theirs")
        ratios.append(own / their)
        print(
            f"round {turn + 1}: hbt_jax {own:.2f} pairs/s, SentenceTransformerTrainer {their:.2f}: {ratios[-1]:.2f};"
            f" of the tokens {packed:.1%} are text in packed rows, {padded:.1%} where batches are padded",
            flush=True,
        )
    print(f"{given.compute_dtype}, {given.batching}: {statistics.median(ratios):.2f} times as many pairs a second")


if __name__ == "__main__":
    from hbt_jax.flags import run_command

    flags.DEFINE_string("model", "", "folder that both packages load")
    flags.DEFINE_string("store", "", "store whose pairs both train on, built with the model's tokenizer")
    flags.DEFINE_enum("batching", "hybrid", ["hybrid", "x-x-mono", "x-x", "x-y"], "kind of batches")
    flags.DEFINE_enum("compute_dtype", "bfloat16", ["float32", "bfloat16"], "dtype of matrix products")
    flags.DEFINE_integer("global_batch", 32, "pairs of a step")
    flags.DEFINE_integer("steps", 60, "steps of each run")
    flags.DEFINE_integer("warmup", 20, "first steps, which are not timed")
    flags.DEFINE_integer("rounds", 2, "runs of each side")
    flags.DEFINE_integer("threads", 2, "cores that a run may use")
    flags.DEFINE_string("child", "", "used by the script itself: ours or theirs")
    run_command(main)

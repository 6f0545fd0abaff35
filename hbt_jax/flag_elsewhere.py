"""Our flags for the flag names that sentence-transformers, tevatron, FlagEmbedding and transformers use."""

from collections.abc import Container

_HERE = {  # flag here, with a value where only one fits -> names elsewhere
    "epochs": ("num_train_epochs", "num_epochs"),
    "steps": ("max_steps", "num_train_steps"),
    "global_batch": (
        "per_device_train_batch_size",
        "train_batch_size",
        "per_gpu_train_batch_size",
        "batch_size",
    ),
    "eval_batch": (
        "batch_size",
        "eval_batch_size",
        "per_device_eval_batch_size",
        "encode_batch_size",
        "inference_batch_size",
    ),
    "workdir": ("output_dir", "output_path", "logging_dir"),
    "query_length": ("query_max_len", "query_max_length", "q_max_len", "max_query_length"),
    "passage_length": (
        "passage_max_len",
        "passage_max_length",
        "p_max_len",
        "max_passage_length",
        "max_seq_length",
    ),
    "model": ("model_name_or_path", "model_name", "model_path", "embedder_name_or_path", "encoder"),
    "tokenizer": ("tokenizer_name", "tokenizer_path"),
    "stores": ("train_data", "train_dir", "train_path", "dataset_name", "dataset_path", "train_file"),
    "negatives=SIZE-1": ("train_group_size", "train_n_passages"),  # these count the positive too
    "negatives": ("num_negatives", "num_hard_negatives"),
    "distillation": ("knowledge_distillation", "kd_loss_type"),
    "guide_model": ("guide",),
    "temperature=1/SCALE": ("scale",),
    "learning_rate": ("lr",),
    "schedule": ("lr_scheduler_type", "scheduler"),
    "clip_norm": ("max_grad_norm",),
    "log_every": ("logging_steps",),
    "save_every": ("save_steps", "checkpoint_save_steps"),
    "validate_every": ("eval_steps", "evaluation_steps"),
    "keep_checkpoints": ("save_total_limit", "checkpoint_save_total_limit"),
    "resume": ("resume_from_checkpoint", "overwrite_output_dir"),
    "compute_dtype=bfloat16": ("bf16", "fp16", "use_amp"),
    "remat": ("gradient_checkpointing",),
    "encode_chunk": (
        "gradient_accumulation_steps",
        "mini_batch_size",
        "sub_batch_size",
        "grad_cache",
        "gc_q_chunk_size",
        "gc_p_chunk_size",
    ),
    "pooling": ("pooling_mode", "sentence_pooling_method", "pooling_method"),
    "normalize": ("normalize_embeddings", "normalized", "normlized"),
    "query_prefix": (
        "query_instruction",
        "query_instruction_for_retrieval",
        "query_instruction_for_model",
        "prompts",
    ),
    "passage_prefix": ("passage_instruction", "passage_instruction_for_retrieval", "passage_instruction_for_model"),
    "lora_rank": ("lora", "lora_r", "use_lora"),
    "lora_targets": ("lora_target_modules",),
    "trackers": ("report_to",),
    "matryoshka_widths": ("matryoshka_dims",),
    "project": ("wandb_project", "run_name"),
    "seed": ("data_seed",),
    "patience": ("early_stopping_patience",),
    "best_metric": ("metric_for_best_model",),
    "out": ("output_dir", "output_path", "output_folder", "save_dir"),
    "output": ("encoded_save_path", "encode_output_path"),
    "input": ("encode_in_path", "encode_input"),
    "benchmarks": ("tasks", "eval_name", "dataset_names"),
    "per_pair": ("num_negatives", "negative_number"),
    "first_rank": ("range_min",),
    "last_rank": ("range_max", "range_for_sampling"),
    "take": ("sampling_strategy",),
    "absolute_margin": ("margin",),
    "push": ("push_to_hub", "repo_id", "hub_model_id"),
}


def flag_here(name: str, known: Container[str]) -> str:
    """A hint that names our flag for another library's flag, ending in a space; empty if there is none.

    Args:
      name: the unknown flag.
      known: the flags of the command.

    >>> flag_here("output_dir", {"workdir", "model"})
    'here it is --workdir; '
    """
    for here, elsewhere in _HERE.items():
        if name.replace("-", "_") in elsewhere and here.partition("=")[0] in known:
            return f"here it is --{here}; "
    return ""

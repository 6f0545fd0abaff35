"""The files that sentence-transformers puts beside a model: modules, pooling, dense layer, prompts, longest text.

Both layouts are read: the one up to release 5 (`sentence_transformers.models.Pooling`, `pooling_mode_cls_token`) and
that of release 6 (`sentence_transformers.sentence_transformer.modules.pooling.Pooling`, `pooling_mode`).
"""

import dataclasses
from pathlib import Path
from typing import Any

from hbt_jax.config import POOLINGS
from hbt_jax.errors import InputError
from hbt_jax.models.json_files import read_json

MODULES, SETTINGS = "modules.json", "config_sentence_transformers.json"
_TRANSFORMER_SETTINGS = (  # whichever comes first is read
    "sentence_bert_config.json",
    "sentence_roberta_config.json",
    "sentence_xlm-roberta_config.json",
)

_KINDS = {
    f"sentence_transformers.{path}": kind
    for kind in ("Transformer", "Pooling", "Dense", "Normalize")
    for path in (
        f"models.{kind}",
        f"models.{kind}.{kind}",
        f"base.modules.{kind.lower()}.{kind}",
        f"sentence_transformer.modules.{kind.lower()}.{kind}",
    )
}
_CHAINS = [
    ["Transformer", "Pooling", *dense, *normalize] for dense in ([], ["Dense"]) for normalize in ([], ["Normalize"])
]
_POOLING_FLAGS = {
    "pooling_mode_cls_token": "cls",
    "pooling_mode_mean_tokens": "mean",
    "pooling_mode_max_tokens": "max",
    "pooling_mode_mean_sqrt_len_tokens": "mean_sqrt_len_tokens",
    "pooling_mode_weightedmean_tokens": "weightedmean",
    "pooling_mode_lasttoken": "lasttoken",
}
_ACTIVATIONS = {
    "torch.nn.modules.activation.Tanh": "tanh",
    "torch.nn.modules.linear.Identity": "identity",
    None: "tanh",  # the library's default
}
# Settings of a module that change its output, with the values under which it computes what is computed here.
_VECTOR = "sentence_embedding"
_FIXED = {
    "Transformer": {
        "do_lower_case": (False,),
        "transformer_task": ("feature-extraction",),
        "module_output_name": ("token_embeddings",),
        "tokenizer_args": ({},),
        "config_args": ({},),
        "config_kwargs": ({},),
        "processor_kwargs": ({},),
        "processing_kwargs": ({},),
        "query_expansion": (),
    },
    "Pooling": {"include_prompt": (True,)},
    "Dense": {"module_input_name": (_VECTOR,), "module_output_name": (_VECTOR,), "use_residual": (False,)},
    "Normalize": {"module_input_name": (_VECTOR,), "module_output_name": (_VECTOR,)},
}
_PASSAGE_PROMPTS = ("document", "passage", "corpus")  # in the library's order


@dataclasses.dataclass(frozen=True)
class Dense:
    """A dense layer after pooling: its folder, sizes, whether it has a bias, and "tanh" or "identity" after it."""

    folder: Path
    inputs: int
    outputs: int
    bias: bool
    activation: str

    def tensor_shapes(self) -> dict[str, tuple[int, ...]]:
        """The shape of each of its tensors by name."""
        return {"linear.weight": (self.outputs, self.inputs), **({"linear.bias": (self.outputs,)} if self.bias else {})}


@dataclasses.dataclass(frozen=True)
class SentenceFiles:
    """What the files say.

    Attributes:
      transformer: folder of the encoder and its tokenizer.
      pooling: "mean" or "cls".
      pooling_width: D, as the pooling's file has it.
      dense: the dense layer, None for none.
      normalize: whether embeddings are scaled to unit length, by a Normalize module or for a score that is a cosine.
      query_prompt, passage_prompt: put before texts; empty where none is stated.
      max_length: tokens of the longest text, None where it is not stated.
      notes: what a user should know, one line each.
    """

    transformer: Path
    pooling: str
    pooling_width: int
    dense: Dense | None
    normalize: bool
    query_prompt: str
    passage_prompt: str
    max_length: int | None
    notes: tuple[str, ...]


def read_sentence_files(folder: Path) -> SentenceFiles | None:
    """What the sentence-transformers files in a folder say, None where there are none.

    Raises:
      InputError: a file is missing or damaged, or says something that is not supported.
    """
    if not (folder / MODULES).is_file():
        rest = [name for name in (SETTINGS, "1_Pooling") if (folder / name).exists()]
        if rest:
            raise InputError(
                f"{folder}: has {rest[0]} but no {MODULES}, which says how sentence-transformers uses it: copy the"
                " whole folder, or remove it too"
            )
        return None
    modules = _modules(folder)
    transformer = modules["Transformer"]
    pooling, width = _pooling(modules["Pooling"])
    settings = _settings(folder / SETTINGS)
    query, passage, default = _prompts(settings, folder / SETTINGS)
    if "Normalize" in modules:
        _normalize(modules["Normalize"])
    return SentenceFiles(
        transformer=transformer,
        pooling=pooling,
        pooling_width=width,
        dense=_dense(modules["Dense"]) if "Dense" in modules else None,
        normalize="Normalize" in modules or _cosine(settings, folder / SETTINGS),
        query_prompt=query,
        passage_prompt=passage,
        max_length=_max_length(transformer),
        notes=tuple(default),
    )


def _modules(folder: Path) -> dict[str, Path]:
    """The folder of each module by its kind."""
    file = folder / MODULES
    entries = read_json(file, list)
    if not all(
        isinstance(e, dict) and isinstance(e.get("type"), str) and isinstance(e.get("path"), str) for e in entries
    ):
        raise InputError(f"{file}: expected an array of objects with type and path, two texts")
    kinds = [_KINDS.get(entry["type"], entry["type"]) for entry in entries]
    if kinds not in _CHAINS:
        raise InputError(
            f"{file}: modules {', '.join(map(str, kinds))} are not supported; expected Transformer, Pooling, then at"
            " most one Dense, then at most one Normalize"
        )
    for entry in entries:
        if Path(entry["path"]).is_absolute() or ".." in Path(entry["path"]).parts:
            raise InputError(f"{file}: path {entry['path']!r} is not inside the folder")
    return {kind: folder / entry["path"] for kind, entry in zip(kinds, entries, strict=True)}


def _settings(file: Path) -> dict[str, Any]:
    """An optional file's content."""
    return read_json(file) if file.is_file() else {}


def _check_fixed(kind: str, values: dict[str, Any], file: Path) -> None:
    for key, only in _FIXED[kind].items():
        if values.get(key) is not None and values[key] not in only:
            wanted = f"{only[0]!r}" if only else "no such key"
            raise InputError(f"{file}: {key} is {values[key]!r}, which is not supported; expected {wanted}")


def _pooling(folder: Path) -> tuple[str, int]:
    """The pooling and the width of what it pools."""
    file = folder / "config.json"
    values = read_json(file)
    _check_fixed("Pooling", values, file)
    if "pooling_mode" in values:
        given = values["pooling_mode"]
        modes = given if isinstance(given, list) else [given]
    else:
        modes = [mode for key, mode in _POOLING_FLAGS.items() if values.get(key)]
    if len(modes) != 1 or modes[0] not in POOLINGS:
        raise InputError(
            f"{file}: pooling is {' and '.join(map(str, modes)) or 'not stated'}; expected one of {', '.join(POOLINGS)}"
        )
    return modes[0], values.get("embedding_dimension", values.get("word_embedding_dimension"))


def _dense(folder: Path) -> Dense:
    file = folder / "config.json"
    values = read_json(file)
    _check_fixed("Dense", values, file)
    sizes = [values.get(key) for key in ("in_features", "out_features")]
    if not all(type(size) is int and size > 0 for size in sizes):
        raise InputError(f"{file}: in_features and out_features are {sizes}; expected two whole numbers above 0")
    activation = values.get("activation_function")
    if activation not in tuple(_ACTIVATIONS):  # a tuple: what the file has may not be hashable
        raise InputError(
            f"{file}: activation_function is {activation!r}; expected one of {', '.join(filter(None, _ACTIVATIONS))}"
        )
    return Dense(folder, *sizes, bias=values.get("bias", True) is not False, activation=_ACTIVATIONS[activation])


def _normalize(folder: Path) -> None:
    file = folder / "config.json"  # release 6 writes one
    _check_fixed("Normalize", _settings(file), file)


def _prompts(settings: dict[str, Any], file: Path) -> tuple[str, str, list[str]]:
    """The prompts of queries and passages, and a note where the library's `encode` would use another by default."""
    prompts = settings.get("prompts") or {}
    if not isinstance(prompts, dict) or not all(isinstance(text, str | None) for text in prompts.values()):
        raise InputError(f"{file}: prompts are {prompts!r}; expected an object of names to texts")
    query = prompts.get("query") or ""
    passage = next((prompts[name] for name in _PASSAGE_PROMPTS if prompts.get(name)), "")
    name = settings.get("default_prompt_name")
    if not isinstance(name, str | None):
        raise InputError(f"{file}: default_prompt_name is {name!r}; expected the name of a prompt, or null")
    default = prompts.get(name) or ""
    if default in ("", query, passage):
        return query, passage, []
    return query, passage, [
        f"{file.name}: the default prompt {default!r} is of neither queries nor passages, so it is not used; for it,"
        " set --query_prefix and --passage_prefix"
    ]  # fmt: skip


def _cosine(settings: dict[str, Any], where: Path) -> bool:
    """Whether scores are cosines; embeddings of unit length make them so, whatever a Normalize module does."""
    similarity = settings.get("similarity_fn_name") or "cosine"  # the library's default
    if similarity not in ("cosine", "dot", "dot_product"):
        raise InputError(f"{where}: similarity_fn_name is {similarity!r}; expected cosine or dot")
    return similarity == "cosine"


def _max_length(transformer: Path) -> int | None:
    files = [transformer / name for name in _TRANSFORMER_SETTINGS if (transformer / name).is_file()]
    values = _settings(files[0]) if files else {}
    if files:
        _check_fixed("Transformer", values, files[0])
    longest = values.get("max_seq_length")
    if longest is not None and (type(longest) is not int or longest < 1):
        raise InputError(f"{files[0]}: max_seq_length is {longest!r}; expected a whole number of tokens, or null")
    return longest

"""Reads the files that sentence-transformers puts beside a model: modules, pooling, dense layer, prompts, longest text.

Both layouts are read: that of releases up to 5 (`sentence_transformers.models.Pooling`, `pooling_mode_cls_token`) and
that of release 6 (`sentence_transformers.sentence_transformer.modules.pooling.Pooling`, `pooling_mode`).
"""

import dataclasses
from pathlib import Path

from hbt_jax.config.values import MIN_MAX_LENGTH, POOLINGS
from hbt_jax.errors import InputError
from hbt_jax.models.huggingface.json_files import Fields, is_size, is_switch, read_json

MODULES, SETTINGS = "modules.json", "config_sentence_transformers.json"
_TRANSFORMER_SETTINGS = (  # the first one that exists is read
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
_ACTIVATIONS = {"torch.nn.modules.activation.Tanh": "tanh", "torch.nn.modules.linear.Identity": "identity"}
_ACTIVATION = "torch.nn.modules.activation.Tanh"  # the library's default; it cannot load null
# Settings of a module that change its output, with the only supported values.  None stands for null, if the library
# treats that alike; otherwise null is another setting, or one that it cannot load.
_VECTOR = "sentence_embedding"
_FIXED = {
    "Transformer": {
        "do_lower_case": (False, None),
        "transformer_task": ("feature-extraction",),
        "module_output_name": ("token_embeddings",),
        "tokenizer_args": ({},),
        "config_args": ({},),
        "config_kwargs": ({},),
        "processor_kwargs": ({},),
        "processing_kwargs": ({}, None),
        "query_expansion": (None,),
        "query_length": (None,),
        "document_length": (None,),
    },
    "Pooling": {"include_prompt": (True,)},  # null leaves the prompt out
    "Dense": {
        "module_input_name": (_VECTOR,),
        "module_output_name": (_VECTOR, None),
        "use_residual": (False, None),
    },
    "Normalize": {"module_input_name": (_VECTOR,), "module_output_name": (_VECTOR, None)},
    "settings": {"truncate_dim": (None,)},
}
_QUERY_PROMPT = "query"
_PASSAGE_PROMPTS = ("document", "passage", "corpus")  # in the library's order

NO_PROMPTS = f"{SETTINGS} states no prompts: nothing is put before queries and passages"


@dataclasses.dataclass(frozen=True)
class Dense:
    """A dense layer after pooling: folder, sizes, whether it has a bias, and activation ("tanh" or "identity")."""

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
      pooling_width: D, as the pooling's file states it.
      dense: the dense layer; None for none.
      normalize: whether embeddings are scaled to unit length, by a Normalize module or because scores are cosines.
      query_prompt, passage_prompt: put before texts; empty if none is stated.
      max_length: tokens of the longest text; None if not stated.
      said: the key and file that state pooling, normalize, query_prefix, passage_prefix and max_length, in words.
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
    said: dict[str, str]
    notes: tuple[str, ...]


def read_sentence_files(folder: Path) -> SentenceFiles | None:
    """What the sentence-transformers files in a folder say; None if there are none.

    Raises:
      InputError: a file is missing, damaged or states something unsupported.
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
    pooling, width = _pooling(modules["Pooling"])
    if "Normalize" in modules:
        _normalize(modules["Normalize"])
    settings = _settings(folder / SETTINGS)
    settings.check_fixed(_FIXED["settings"])
    prompts, cosine = _prompts(settings), _cosine(settings)
    passage = next((name for name in _PASSAGE_PROMPTS if prompts.get(name)), _PASSAGE_PROMPTS[0])
    max_length, stated_in = _max_length(modules["Transformer"])
    notes = _prompt_notes(folder / SETTINGS, prompts, passage, _default_prompt(settings, prompts))
    if "prompts" not in settings:
        notes.append(NO_PROMPTS)
    if cosine and "Normalize" not in modules and settings.values.get("similarity_fn_name") is None:
        notes.append(
            f"{SETTINGS} states no similarity_fn_name: scores are cosines, sentence-transformers' default, so"
            " embeddings are scaled to unit length; --normalize=false leaves them as they are"
        )
    return SentenceFiles(
        transformer=modules["Transformer"],
        pooling=pooling,
        pooling_width=width,
        dense=_dense(modules["Dense"]) if "Dense" in modules else None,
        normalize="Normalize" in modules or cosine,
        query_prompt=prompts.get(_QUERY_PROMPT, ""),
        passage_prompt=prompts.get(passage, ""),
        max_length=max_length,
        said={
            "pooling": str(modules["Pooling"] / "config.json"),
            "normalize": f"the modules of {folder / MODULES} and similarity_fn_name in {settings.where}",
            "query_prefix": f"prompts.{_QUERY_PROMPT} in {settings.where}",
            "passage_prefix": f"prompts.{passage} in {settings.where}",
            "max_length": f"max_seq_length in {stated_in}",
        },
        notes=tuple(notes),
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


def _settings(file: Path) -> Fields:
    """The keys of an optional file; none if it is missing."""
    return Fields(read_json(file) if file.is_file() else {}, file)


def _pooling(folder: Path) -> tuple[str, int]:
    """The pooling and the width of what it pools."""
    file = folder / "config.json"
    fields = Fields(read_json(file), file)
    fields.check_fixed(_FIXED["Pooling"])
    if "pooling_mode" in fields:
        given = fields.value("pooling_mode", lambda _: True, f"one of {', '.join(POOLINGS)}")
        modes = given if isinstance(given, list) else [given]
    else:
        on = {key: fields.value(key, is_switch, "true or false", absent=False, null=False) for key in _POOLING_FLAGS}
        modes = [mode for key, mode in _POOLING_FLAGS.items() if on[key]]
    if len(modes) != 1 or modes[0] not in POOLINGS:
        raise InputError(
            f"{file}: pooling is {' and '.join(map(str, modes)) or 'not stated'}; expected one of {', '.join(POOLINGS)}"
        )
    width = "embedding_dimension" if "embedding_dimension" in fields else "word_embedding_dimension"
    return modes[0], fields.value(width, is_size, "a whole number above 0")


def _dense(folder: Path) -> Dense:
    file = folder / "config.json"
    fields = Fields(read_json(file), file)
    fields.check_fixed(_FIXED["Dense"])
    sizes = [fields.value(key, is_size, "a whole number above 0") for key in ("in_features", "out_features")]
    known = f"one of {', '.join(_ACTIVATIONS)}, or no such key for {_ACTIVATION.rpartition('.')[2]}"
    names = tuple(_ACTIVATIONS)
    activation = fields.value("activation_function", lambda name: name in names, known, absent=_ACTIVATION)
    bias = fields.value("bias", is_switch, "true or false, or no such key for true", absent=True)
    return Dense(folder, *sizes, bias=bias, activation=_ACTIVATIONS[activation])


def _normalize(folder: Path) -> None:
    _settings(folder / "config.json").check_fixed(_FIXED["Normalize"])  # release 6 writes one


def _prompts(settings: Fields) -> dict[str, str]:
    """The prompts by name; null means an empty one, as in the library."""
    expected = "an object of names to texts, or no such key for no prompts"
    prompts = settings.value("prompts", lambda found: isinstance(found, dict), expected, absent={})
    if not all(isinstance(text, str | None) for text in prompts.values()):
        raise settings.wrong("prompts", expected)
    return {name: text or "" for name, text in prompts.items()}


def _default_prompt(settings: Fields, prompts: dict[str, str]) -> str | None:
    """The name of the prompt that the library's `encode` uses if no side is given."""
    names = tuple(dict.fromkeys((*prompts, _QUERY_PROMPT, _PASSAGE_PROMPTS[0])))  # the library adds these two, empty
    expected = f"the name of a prompt ({', '.join(names)}), or null"
    return settings.value("default_prompt_name", lambda name: name in names, expected, absent=None, null=None)


def _prompt_notes(file: Path, prompts: dict[str, str], passage: str, default: str | None) -> list[str]:
    """Notes on prompts that are not used, or not as the library would use them."""
    notes, stated = [], [name for name in _PASSAGE_PROMPTS if name in prompts]
    if len({prompts[name] for name in stated}) > 1:
        listed = ", ".join(f"{name} {prompts[name]!r}" for name in stated)
        notes.append(
            f"{file.name} states different prompts for passages: {listed}; {passage} is used; for another, set"
            " --passage_prefix"
        )
    others = {name: text for name, text in prompts.items() if name not in (_QUERY_PROMPT, *_PASSAGE_PROMPTS) and text}
    if others:
        listed = ", ".join(f"{name} {text!r}" + " (the default)" * (name == default) for name, text in others.items())
        notes.append(
            f"{file.name}: prompts that are for neither queries nor passages are unused: {listed}; to use one, set"
            " --query_prefix and --passage_prefix"
        )
    return notes


def _cosine(settings: Fields) -> bool:
    """Whether scores are cosines; embeddings of unit length make them so, even without a Normalize module."""
    known = ("cosine", "dot", "dot_product")
    default = known[0]  # the library's default, for an absent key and for null
    return default == settings.value(
        "similarity_fn_name", lambda name: name in known, "cosine or dot", absent=default, null=default
    )


def _max_length(transformer: Path) -> tuple[int | None, Path]:
    """The longest text, None if not stated, and the file that would state it."""
    files = [transformer / name for name in _TRANSFORMER_SETTINGS if (transformer / name).is_file()]
    fields = _settings(files[0] if files else transformer / _TRANSFORMER_SETTINGS[0])
    fields.check_fixed(_FIXED["Transformer"])
    expected = f"a whole number of tokens, at least {MIN_MAX_LENGTH}, or null"
    longest = fields.value(
        "max_seq_length", lambda found: is_size(found) and found >= MIN_MAX_LENGTH, expected, absent=None, null=None
    )
    return longest, Path(fields.where)

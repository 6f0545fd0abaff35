"""Makes the JSON files that tell sentence-transformers a folder's modules, in the layout of its old versions.

modules.json                        the modules in order; new versions understand the old type names
sentence_bert_config.json           the encoder: longest text
1_Pooling/config.json               how token vectors become one
2_Dense/config.json                 the dense layer, if there is one
N_Normalize/config.json             unit length, if the model normalises
config_sentence_transformers.json   prompts and similarity
"""

from hbt_jax.models.encoder import EncoderConfig
from hbt_jax.models.model import Model

POOLING, DENSE = "1_Pooling", "2_Dense"
_TYPES = "sentence_transformers.models."
_ACTIVATIONS = {"tanh": "torch.nn.modules.activation.Tanh", "identity": "torch.nn.modules.linear.Identity"}
_EMBEDDING = "sentence_embedding"


def module_files(model: Model, max_length: int) -> dict[str, object]:
    """The content of each file, by its path in the folder.

    Args:
      model: what is exported.
      max_length: tokens of the longest text, prefix and special tokens included.
    """
    places = [("Transformer", ""), ("Pooling", POOLING)]
    # BERT's own pooler is not part of the model: without this it is initialised at random, with a warning.
    arguments = {} if model.encoder.rotary else {"model_args": {"add_pooling_layer": False}}
    files = {
        "sentence_bert_config.json": {"max_seq_length": max_length, "do_lower_case": False, **arguments},
        f"{POOLING}/config.json": _pooling(model),
    }
    if model.encoder.dense:
        places.append(("Dense", DENSE))
        files[f"{DENSE}/config.json"] = _dense(model.encoder)
    if model.normalize:
        place = f"{len(places)}_Normalize"
        places.append(("Normalize", place))
        files[f"{place}/config.json"] = {"module_input_name": _EMBEDDING, "module_output_name": _EMBEDDING}
    modules = [
        {"idx": number, "name": str(number), "path": place, "type": _TYPES + kind}
        for number, (kind, place) in enumerate(places)
    ]
    return {"modules.json": modules, **files, "config_sentence_transformers.json": _behaviour(model)}


def _pooling(model: Model) -> dict:
    return {
        "word_embedding_dimension": model.encoder.width,
        "pooling_mode_cls_token": model.pooling == "cls",
        "pooling_mode_mean_tokens": model.pooling == "mean",
        "pooling_mode_max_tokens": False,
        "pooling_mode_mean_sqrt_len_tokens": False,
    }


def _dense(encoder: EncoderConfig) -> dict:
    return {
        "in_features": encoder.width,
        "out_features": encoder.dense,
        "bias": True,
        "activation_function": _ACTIVATIONS[encoder.dense_activation],
    }


def _behaviour(model: Model) -> dict:
    passage = model.text.passage_prefix
    return {
        # encode_document looks for "document" first, and has an empty default if the folder states none.
        "prompts": {"query": model.text.query_prefix, "passage": passage, "document": passage},
        "default_prompt_name": None,
        "similarity_fn_name": "cosine" if model.normalize else "dot",
    }


def tokenizer_config(values: dict, max_length: int) -> dict:
    """Makes a tokenizer_config.json, which release 5 of transformers may have written, readable by release 4 too.

    Release 5 renamed the class that reads any tokenizer.json, and its name for the list of further special tokens means
    an object to release 4; it still reads the old names.

    Args:
      values: the file's content.
      max_length: tokens of the longest text, prefix and special tokens included.
    """
    changed = values | {"model_max_length": max_length}
    if changed.get("tokenizer_class") == "TokenizersBackend":
        changed["tokenizer_class"] = "PreTrainedTokenizerFast"
    if isinstance(changed.get("extra_special_tokens"), list):
        changed["additional_special_tokens"] = changed.pop("extra_special_tokens")
    return changed

"""The JSON files by which sentence-transformers knows the modules of a model folder, in the layout of its old versions.

modules.json                        the modules in order; new versions map the old type names
sentence_bert_config.json           the encoder: longest text
1_Pooling/config.json               how token vectors become one
2_Dense/config.json                 the dense layer, where there is one
N_Normalize/config.json             unit length, where the model normalises
config_sentence_transformers.json   prompts and similarity
"""

from hbt_jax.models.encoder import EncoderConfig
from hbt_jax.models.model import Model

POOLING, DENSE = "1_Pooling", "2_Dense"
_TYPES = "sentence_transformers.models."
_ACTIVATIONS = {"tanh": "torch.nn.modules.activation.Tanh", "identity": "torch.nn.modules.linear.Identity"}
_EMBEDDING = "sentence_embedding"


def module_files(model: Model, max_length: int) -> dict[str, object]:
    """The content of each of these files, by its path in the folder.

    Args:
      model: what is exported.
      max_length: tokens of the longest text, all included.
    """
    places = [("Transformer", ""), ("Pooling", POOLING)]
    files = {
        "sentence_bert_config.json": {
            "max_seq_length": max_length,
            "do_lower_case": False,
            # BERT's own pooler is not part of the model: without this it is made up at random and complained about.
            "model_args": {"add_pooling_layer": False},
        },
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
        # encode_document looks for "document" first, and finds an empty one of its own when the folder has none.
        "prompts": {"query": model.text.query_prefix, "passage": passage, "document": passage},
        "default_prompt_name": None,
        "similarity_fn_name": "cosine" if model.normalize else "dot",
    }


def tokenizer_config(values: dict, max_length: int) -> dict:
    """A tokenizer_config.json that transformers 4 reads too, from one that release 5 may have written.

    Release 5 has another name for the class that reads any tokenizer.json, and one for the list of further special
    tokens that release 4 reserves for an object; it still reads the old names.

    Args:
      values: the file's content.
      max_length: tokens of the longest text, all included.
    """
    changed = values | {"model_max_length": max_length}
    if changed.get("tokenizer_class") == "TokenizersBackend":
        changed["tokenizer_class"] = "PreTrainedTokenizerFast"
    if isinstance(changed.get("extra_special_tokens"), list):
        changed["additional_special_tokens"] = changed.pop("extra_special_tokens")
    return changed

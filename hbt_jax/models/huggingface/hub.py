"""From a model's name to its folder: one that exists, or that of a model on the Hugging Face hub."""

import re
from pathlib import Path

from hbt_jax.errors import InputError
from hbt_jax.models.encoder import PRESETS

EXPECTED = (
    f"expected a preset ({', '.join(PRESETS)}) to train, the workdir of a run to evaluate, a folder with config.json"
    " and model.safetensors, or a hub id such as intfloat/multilingual-e5-small"
)

_NEEDED = (
    "config.json", "model.safetensors", "model-*.safetensors", "model.safetensors.index.json", "tokenizer*.json",
    "tokenizer.model", "special_tokens_map.json", "added_tokens.json", "vocab.txt", "sentencepiece.bpe.model",
    "modules.json", "config_sentence_transformers.json", "sentence_*_config.json", "adapter_config.json",
    "adapter_model.safetensors",
    "[0-9]_*/*.json", "[0-9]_*/*.safetensors", "[0-9]_*/*.txt", "[0-9]_*/*.model",
)  # fmt: skip
_HUB_ID = r"[\w-][\w.-]*(/[\w-][\w.-]*)?"


def find(name: str, given: str) -> Path:
    """The folder that a name refers to.

    Args:
      name: an existing folder; otherwise a hub id, which huggingface_hub downloads or finds in its cache, as its
        variables HF_HOME, HF_HUB_OFFLINE and HF_TOKEN say.
      given: what gave the name, for messages, such as `--model=NAME`.

    Raises:
      InputError: there is no such folder or model, or it cannot be downloaded.
    """
    path = Path(name)
    if name and path.is_dir():
        return path
    if path.is_file():
        raise InputError(f"{given} is a file; {EXPECTED}")
    if not re.fullmatch(_HUB_ID, name):
        raise InputError(f"{given}: no such folder, and not a hub id either; {EXPECTED}")
    return _fetched(name, given)


def _fetched(name: str, given: str) -> Path:
    from huggingface_hub import errors, snapshot_download  # slow to import, and only hub ids need it

    try:
        return Path(snapshot_download(name, allow_patterns=list(_NEEDED)))
    except errors.GatedRepoError as error:
        raise InputError(
            f"{given}: is gated on the Hugging Face hub: ask for access on its page, then set HF_TOKEN"
        ) from error
    except errors.RepositoryNotFoundError as error:
        raise InputError(
            f"{given}: no such folder, and no such model on the Hugging Face hub (or a private one: set"
            f" HF_TOKEN); {EXPECTED}"
        ) from error
    except errors.HFValidationError as error:
        raise InputError(f"{given}: no such folder, and not a hub id either; {EXPECTED}") from error
    except errors.LocalEntryNotFoundError as error:
        part = getattr(error, "snapshot_path", None)
        if part:  # cached without some optional file; whoever needs the file reports that it is missing
            return Path(part)
        raise InputError(
            f"{given}: no such folder, not in the Hugging Face cache, and the hub is out of reach (no network,"
            f" or HF_HUB_OFFLINE is set); {EXPECTED}"
        ) from error
    except Exception as error:  # the network library, and so its errors, depend on huggingface_hub's release
        reason = " ".join(str(error).split()) or type(error).__name__
        raise InputError(f"{given}: cannot be fetched from the Hugging Face hub ({reason}); try again") from error

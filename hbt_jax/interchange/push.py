"""Uploads an exported folder to the Hugging Face hub, by huggingface_hub."""

from pathlib import Path

from hbt_jax.errors import InputError


def described(folder: Path, place: str) -> list[str]:
    """What would be uploaded, one line per file."""
    files = sorted(path for path in folder.rglob("*") if path.is_file())
    lines = [f"  {path.relative_to(folder).as_posix()}  {path.stat().st_size:,} bytes" for path in files]
    return [f"would upload {len(files)} files of {folder} to https://huggingface.co/{place}:", *lines]


def push(folder: Path, place: str, private: bool, message: str) -> str:
    """Uploads a folder in one commit and returns its address; makes the repository if there is none.

    Args:
      folder: an exported model; it stays where it is.
      place: OWNER/NAME.
      private: for a new repository.
      message: of the commit.

    Raises:
      InputError: the login, the network or the hub refuses it.
    """
    from huggingface_hub import HfApi, errors  # slow to import, and few exports are uploaded

    try:
        api = HfApi()
        api.create_repo(place, private=private, exist_ok=True)
        return str(api.upload_folder(repo_id=place, folder_path=folder, commit_message=message))
    except errors.LocalTokenNotFoundError as error:
        raise InputError(
            f"--push={place}: not logged in: run `hf auth login`, or set HF_TOKEN; {_kept(folder)}"
        ) from error
    except Exception as error:  # the network library, and so its errors, depend on huggingface_hub's release
        reason = " ".join(str(error).split())[:300] or type(error).__name__
        raise InputError(f"--push={place}: the hub refused the upload: {reason}; {_kept(folder)}") from error


def _kept(folder: Path) -> str:
    return f"the export is complete in {folder}; run the same command again"

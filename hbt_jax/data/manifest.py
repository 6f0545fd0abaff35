"""A store's manifest.json: its layout, which is checked when it is read, and the fingerprint of the data."""

import hashlib
import json
import os
import pathlib

from hbt_jax import json_text
from hbt_jax.errors import InputError

FORMAT, VERSION, MANIFEST = "hbt_jax store", 2, "manifest.json"
SIDES = ("queries", "passages")
REBUILD = "build it again with data_prep/build_store.py"
_OLDER = {1: " (which does not say which items share a text)"}
MOST_ROWS = 2**31 - 1  # items per side: rows and groups are int32 in a batch

_ENTRY = {"file": str, "bytes": int, "sha256": str}
_SIDE = {
    "rows": int,
    "languages": {str: {**_ENTRY, "present": int, "tokens": int}},
    "identity": {**_ENTRY, "shared": int, "classes": int, "largest": int},
}
_LAYOUT = {
    "name": str,
    "split": str,
    "languages": [str],
    "tokenizer": {"path": str, "fingerprint": str},
    "queries": _SIDE,
    "passages": _SIDE,
    "pairs": {**_ENTRY, "rows": int, "with_negatives": int, "answering_negatives": int},
}
_SCORES = {**_ENTRY, "pairs": int, "negatives": int}  # of `scores`, which only stores with teacher scores have
_WORDS = {str: "a text", int: "a whole number of at least 0", dict: "an object", list: "a list"}


def read_manifest(path: str | os.PathLike) -> dict:
    """The manifest of the store in a folder.

    Raises:
      InputError: there is none, it is unreadable or of another version, or a key is missing or has the wrong type.
    """
    folder = pathlib.Path(path)
    file = folder / MANIFEST
    if not folder.is_dir():
        raise InputError(f"store {folder}: no such folder; {REBUILD}, or correct --stores")
    if not file.is_file():
        raise InputError(f"store {folder}: no {MANIFEST}, so it is incomplete or not a store; {REBUILD}")
    return parse_manifest(file.read_bytes(), str(file))


def parse_manifest(content: bytes, file: str) -> dict:
    """The manifest in the content of a manifest.json, which messages call `file`.

    Raises:
      InputError: it is not JSON, it is of another version, or a key is missing or has the wrong type.
    """
    try:
        manifest = json_text.parsed(content)
    except ValueError as error:
        raise InputError(f"{file}: not JSON ({error}); {REBUILD}") from error
    if not isinstance(manifest, dict) or manifest.get("format") != FORMAT:
        raise InputError(f"{file}: not the manifest of a store (expected format {FORMAT!r}); {REBUILD}")
    version = manifest.get("version")
    if version != VERSION:
        known = _OLDER.get(version, "") if isinstance(version, int) else ""
        raise InputError(f"{file}: format version {version}{known}, expected {VERSION}; {REBUILD}")
    problem = _problem(manifest, _LAYOUT, "")
    problem = problem or _problem(manifest["tokenizer"].get("files", []), [_ENTRY], "tokenizer.files")
    if "scores" in manifest:
        problem = problem or _problem(manifest["scores"], _SCORES, "scores")
    if problem:
        raise InputError(f"{file}: {problem}; {REBUILD}")
    for name in (entry["file"] for entry in files(manifest)):
        if pathlib.PurePosixPath(name).is_absolute() or ".." in pathlib.PurePosixPath(name).parts:
            raise InputError(f"{file}: lists {name!r}, expected a file inside the store's folder; {REBUILD}")
    for side in SIDES:
        if manifest[side]["rows"] > MOST_ROWS:
            raise InputError(
                f"{file}: {manifest[side]['rows']:,} {side}, expected at most {MOST_ROWS:,}: batches number them"
                " in 32 bits; split the source into several stores"
            )
    return manifest


def files(manifest: dict) -> list[dict]:
    """All files of a store except its manifest, {"file", "bytes", "sha256"} each; the tokenizer's small ones first."""
    texts = [entry for side in SIDES for entry in manifest[side]["languages"].values()]
    identity = [manifest[side]["identity"] for side in SIDES]
    scores = [manifest["scores"]] if "scores" in manifest else []
    return [*manifest["tokenizer"].get("files", []), *texts, *identity, manifest["pairs"], *scores]


def _problem(value: object, layout: object, place: str) -> str | None:
    """What is wrong with a value of the manifest, and where; None if it has the right layout."""
    kind = layout if isinstance(layout, type) else type(layout)
    wrong = not isinstance(value, kind) or isinstance(value, bool)
    if wrong or (kind is int and value < 0):
        return f"{place} is {json.dumps(value)[:60]}, expected {_WORDS[kind]}"
    if kind is list:
        parts = [(f"{place}[{index}]", item, layout[0]) for index, item in enumerate(value)]
    elif kind is dict and str in layout:  # any keys, all values with the same layout
        parts = [(f"{place}.{name}", item, layout[str]) for name, item in value.items()]
    elif kind is dict:
        missing = [name for name in layout if name not in value]
        if missing:
            return f"{f'{place}.{missing[0]}'.lstrip('.')} is missing"
        parts = [(f"{place}.{name}".lstrip("."), value[name], inner) for name, inner in layout.items()]
    else:
        return None
    return next((found for name, item, inner in parts if (found := _problem(item, inner, name))), None)


def data_release(source: object) -> str:
    """The release of public data that texts were made from, such as "Unicode CLDR 47"; empty if unknown.

    Args:
      source: a store's manifest["source"], or a benchmark's made_from.json; its "metadata" is what the source's builder
        records about its input.
    """
    metadata = source.get("metadata") if isinstance(source, dict) else None
    release = metadata.get("cldr") if isinstance(metadata, dict) else None
    return f"Unicode CLDR {release}" if isinstance(release, str) and release else ""


def fingerprint(manifest: dict) -> str:
    """ "sha256:" and a digest of the data: the Arrow files' own digests, the languages in order and the tokenizer.

    It does not depend on the store's name, the tokenizer's path or the origin of the texts: equal data has an equal
    fingerprint.  Another release of public data (`data_release`) has other texts, so another fingerprint.
    """
    lines = [f"tokenizer {manifest['tokenizer']['fingerprint']}", f"languages {' '.join(manifest['languages'])}"]
    for side in SIDES:
        files = manifest[side]["languages"]
        lines += [f"{side} {code} {files[code]['sha256']}" for code in manifest["languages"] if code in files]
        lines.append(f"{side} identity {manifest[side]['identity']['sha256']}")
    lines.append(f"pairs {manifest['pairs']['sha256']}")
    if "scores" in manifest:
        lines.append(f"scores {manifest['scores']['sha256']}")
    return "sha256:" + hashlib.sha256("\n".join(lines).encode()).hexdigest()

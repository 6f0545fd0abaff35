"""Downloads the files of sources whose licence allows it, and checks them against their published digests.

The SHA-256 digests are those that Hugging Face's `datasets` recorded (datasets/NAME/dataset_infos.json of its releases
up to 2.x), the MD5 digests those of `ir_datasets` (ir_datasets/etc/downloads.json of its release 0.6.3).  So a file
that has changed or was damaged is noticed.
"""

import dataclasses
import os
import sys
from pathlib import Path

import pooch

from hbt_jax.errors import InputError
from hbt_jax.holding import held


@dataclasses.dataclass(frozen=True)
class Download:
    """One file.

    Attributes:
      url: its address; the last part is its name.
      digest: digest of its content, `sha256:` or `md5:` and hexadecimal digits.
    """

    url: str
    digest: str

    @property
    def name(self) -> str:
        """The file's name."""
        return self.url.rpartition("/")[2]


_DUORC = "https://raw.githubusercontent.com/duorc/duorc/master/dataset/"
_NQ = "https://dl.fbaipublicfiles.com/dpr/data/retriever/"
_SQUADSHIFTS = "https://raw.githubusercontent.com/modestyachts/squadshifts-website/master/datasets/"
DOWNLOADS = {
    "duorc": tuple(
        Download(_DUORC + name, f"sha256:{sha256}")
        for name, sha256 in (
            ("SelfRC_train.json", "38c9dd56f3f0debc5d86ac9eadc42ab06e3bf4095feb0f7dd2c968a1555d774e"),
            ("SelfRC_dev.json", "003bc7f551041cbdbc433276cffbebf02a743d58e7d295b990c66bb643c75ffa"),
            ("SelfRC_test.json", "3372be8248a9dba7455eb22ff035378b40bf125cf8ae1409d9affebb4d2fe96f"),
            ("ParaphraseRC_train.json", "8a22500def833cf33a4eaaf7c00b5fc144b5fe26d40e6d94a96bd23a88056193"),
            ("ParaphraseRC_dev.json", "6d49a1ace1cebe7c73063551e91548725c75db505e1ada58af81c0e1dd21fe60"),
            ("ParaphraseRC_test.json", "98e471e3b8203664b1656f19fd22d50c3e8ec4e84792846ccf1ccbf0c1298799"),
        )
    ),
    "nq": (
        Download(_NQ + "biencoder-nq-train.json.gz", "md5:a1c927b5adae71388eb064329387709f"),
        Download(_NQ + "biencoder-nq-dev.json.gz", "md5:2640483dbe0df7ae29c6da419c551a80"),
    ),
    "squadshifts": tuple(
        Download(_SQUADSHIFTS + name, f"sha256:{sha256}")
        for name, sha256 in (
            ("new_wiki_v1.0.json", "1d50a0ca4cdab88d038b52ea8a2d0510af6038d7f41a0a256b9659237769d0ee"),
            ("nyt_v1.0.json", "fd55ae252cc735a695fab4473d4cd605b154183ac3b3eb63068f53cfc86f36d6"),
            ("reddit_v1.0.json", "b4ac346dbf1816fdec80fdcf91d06a4b754fa51e47960fa8614a94f37ea42a4b"),
            ("amazon_reviews_v1.0.json", "9db7bdee84a91f0fb80b9e74f365042fbbb217cb8e0a7e73bb071245472589b6"),
        )
    ),
}

_MOST_SAID = 240  # characters shown of a library's message


def fetched(source: str, raw_dir: str | os.PathLike) -> Path:
    """The folder RAW_DIR/downloads/SOURCE with all files of a source; missing ones are downloaded.

    Args:
      source: a name in DOWNLOADS.
      raw_dir: folder of all prepared sources.

    Raises:
      InputError: a file cannot be downloaded, or is not the published one.
    """
    folder = Path(raw_dir) / "downloads" / source
    if all((folder / one.name).is_file() for one in DOWNLOADS[source]):
        return folder
    with held(folder, "--raw_dir"):
        for one in DOWNLOADS[source]:
            if not (folder / one.name).is_file():
                _fetch(one, source, folder)
    return folder


def _fetch(one: Download, source: str, folder: Path) -> None:
    try:
        pooch.retrieve(one.url, one.digest, fname=one.name, path=folder, progressbar=sys.stderr.isatty())
    except (OSError, ValueError) as error:  # the connection or the disk; the digest
        raise InputError(
            f"{one.url}: {_short(error)}: run the command again, or download the files of"
            f" {source} yourself and name their folder by --input_dir"
        ) from error


def _short(error: Exception) -> str:
    text = " ".join(str(error).split())
    return text if len(text) <= _MOST_SAID else f"{text[:_MOST_SAID]} ..."

#!/usr/bin/env python3
"""Prepares everything that the quickstart needs from Unicode CLDR: tables, tokenizer, stores and the benchmark `facts`.

    python data_prep/prepare_facts.py --out_dir=DIR --seed=0

Writes DIR/raw (TensorFlow Datasets), DIR/tokenizer, DIR/train and DIR/validation (stores), and DIR/benchmarks/facts.
Each appears complete or not at all; run the same command again to resume.
"""

import collections
import contextlib
import dataclasses
import json
import shutil
import sys
from pathlib import Path
from typing import ClassVar

import babel

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from data_prep.builders.unchanged import changes  # noqa: E402
from data_prep.facts.groups import Group, all_groups, groups_by_split  # noqa: E402
from data_prep.facts.names import LANGUAGES, cldr_version  # noqa: E402
from data_prep.sources import registry  # noqa: E402
from data_prep.write_benchmark import write_benchmark  # noqa: E402
from hbt_jax import json_text  # noqa: E402
from hbt_jax.config.option import Part, option
from hbt_jax.config.training import PreparationConfig
from hbt_jax.data.manifest import MANIFEST, read_manifest  # noqa: E402
from hbt_jax.errors import InputError  # noqa: E402
from hbt_jax.files import atomic_file  # noqa: E402
from hbt_jax.holding import RECORD, held  # noqa: E402
from hbt_jax.languages import language  # noqa: E402
from hbt_jax.training.preemption import end_with_parent  # noqa: E402

SOURCE = "facts"
STORES = ("train", "validation")
_LANGUAGES_A_LINE = 9
_FLAGS = "--out_dir (--prepared_dir of launch/train.py)"
_ANOTHER_FOLDER = "another folder: --out_dir here, --prepared_dir of launch/train.py"


def prepare(out_dir: str | Path, vocabulary: int, seed: int) -> None:
    """Makes whatever is missing in OUT_DIR, and prints what was made.

    Args:
      out_dir: the folder of everything.
      vocabulary: pieces of the tokenizer.
      seed: chooses the held-out facts.

    Raises:
      InputError: OUT_DIR was made with other settings, or partly with another release of CLDR; another process is
        writing to it; or the vocabulary size does not suit the texts.
    """
    out_dir = Path(out_dir)
    with contextlib.ExitStack() as stack:
        if not _is_whole(out_dir):  # a complete one is only read, by any number of processes
            stack.enter_context(held(out_dir, _FLAGS))
            with held(out_dir / "raw" / SOURCE, _FLAGS):  # as preparing the source does
                for stopped in out_dir.glob("raw/*/*/incomplete.*"):  # left by TensorFlow Datasets when it is killed
                    shutil.rmtree(stopped)
        _fill(out_dir, vocabulary, seed)


def counts_table(splits: dict[str, tuple[Group, ...]], dropped: dict[str, int]) -> list[str]:
    """Lines that say how many facts and texts there are, how many were left out, and why.

    Args:
      splits: {split: groups}.
      dropped: {reason: number}, from `groups.all_groups`.

    Returns:
      facts per relation and split; facts stated (one query and one passage each) per language and per script; dropped.
    """
    groups = [group for split in splits.values() for group in split]
    relations = list(dict.fromkeys(group.fact.relation for group in groups))
    lines = [f"{'facts':<20}" + "".join(f"{split:>12}" for split in splits)]
    for relation in relations:
        counts = (sum(group.fact.relation == relation for group in split) for split in splits.values())
        lines.append(f"{relation:<20}" + "".join(f"{count:>12}" for count in counts))
    lines.append(f"{'all':<20}" + "".join(f"{len(split):>12}" for split in splits.values()))
    stated = collections.Counter(code for group in groups for code in group.texts)
    lines.append("facts stated per language:")
    for start in range(0, len(LANGUAGES), _LANGUAGES_A_LINE):
        lines.append("  " + "  ".join(f"{code:>3} {stated[code]:>4}" for code in LANGUAGES[start:][:_LANGUAGES_A_LINE]))
    scripts = collections.defaultdict(list)
    for code in LANGUAGES:
        scripts[language(code).script].append(stated[code])
    lines.append(f"facts stated per script ({len(scripts)} scripts; number of languages in brackets):")
    items = [f"{script} {sum(found)} ({len(found)})" for script, found in sorted(scripts.items())]
    lines += ["  " + "  ".join(items[start : start + 6]) for start in range(0, len(items), 6)]
    return lines + [f"{reason}: {number}" for reason, number in sorted(dropped.items())]


def _is_whole(out_dir: Path) -> bool:
    """Whether everything is there, in today's format."""
    for split in STORES:
        if (out_dir / split / MANIFEST).exists():
            try:
                read_manifest(out_dir / split)
            except InputError as error:
                raise InputError(
                    f"{out_dir} was prepared by another version of hbt_jax, or is damaged ({error}): remove it, or"
                    f" choose {_ANOTHER_FOLDER}"
                ) from error
    files = [f"{split}/{MANIFEST}" for split in STORES] + ["settings.json", "tokenizer/training.json"]
    return all((out_dir / name).exists() for name in (*files, f"benchmarks/{SOURCE}"))


def _fill(out_dir: Path, vocabulary: int, seed: int) -> None:
    settings = {"vocabulary": vocabulary, "seed": seed, "cldr": cldr_version(), "facts": len(all_groups()[0])}
    earlier = _claim(out_dir, settings)
    if earlier["cldr"] != settings["cldr"]:
        print(_other_release(out_dir, earlier["cldr"]))
        return
    raw_dir, tokenizer, benchmark = out_dir / "raw", out_dir / "tokenizer", out_dir / "benchmarks" / SOURCE
    for table in registry.TABLES:
        registry.builder(SOURCE, table, raw_dir, seed=seed)
    print("\n".join(counts_table(groups_by_split(seed), all_groups()[1])))
    if not (tokenizer / "training.json").exists():
        from data_prep.train_sentencepiece import train_sentencepiece

        report = train_sentencepiece(SOURCE, raw_dir, tokenizer, vocabulary)
        print(f"tokenizer: {report['vocabulary']} pieces from {report['texts']} texts")
    for split in STORES:
        if not (out_dir / split / "manifest.json").exists():
            from data_prep.build_store import build_store, summary

            shutil.rmtree(out_dir / split, ignore_errors=True)
            print("\n".join(summary(build_store(SOURCE, split, raw_dir, out_dir / split, tokenizer))))
    if not benchmark.exists():
        written = write_benchmark(SOURCE, raw_dir, benchmark)
        print("benchmark: " + ", ".join(f"{number} {name}" for name, number in written.items()))


def _other_release(out_dir: Path, earlier: str) -> str:
    """The line about a folder prepared with another release of CLDR, which is used if it is complete."""
    line = (
        f"{out_dir} was prepared with Unicode CLDR {earlier}, but babel {babel.__version__} here has CLDR"
        f" {cldr_version()}: "
    )
    if _is_whole(out_dir):
        return line + f"used as it is; for CLDR {cldr_version()} remove it, or choose {_ANOTHER_FOLDER}"
    raise InputError(
        line + f"the missing part cannot be made; install a babel with CLDR {earlier}, remove the folder, or choose"
        f" {_ANOTHER_FOLDER}"
    )


def _read_settings(path: Path) -> dict:
    try:
        found = json_text.read(path)
    except json_text.NotJson as error:
        raise InputError(f"{path}: not JSON ({error}): remove the folder, or choose {_ANOTHER_FOLDER}") from error
    if not isinstance(found, dict):
        raise InputError(f"{path}: not the settings of facts: remove the folder, or choose {_ANOTHER_FOLDER}")
    return found


def _claim(out_dir: Path, settings: dict) -> dict:
    """Writes the settings before the first result, or checks the settings that are already there.

    Returns:
      the settings in the file: these, or those of another release of CLDR.
    """
    path = out_dir / "settings.json"
    if path.exists():
        found = _read_settings(path)
        of_release = {"cldr", "facts"} if found.get("cldr") != settings.get("cldr") else set()
        changed = changes(*({k: v for k, v in each.items() if k not in of_release} for each in (found, settings)))
        if changed:
            raise InputError(
                f"{out_dir} was prepared with other settings: {', '.join(changed)}; choose {_ANOTHER_FOLDER}"
            )
        return found
    if out_dir.exists() and any(path.name != RECORD for path in out_dir.iterdir()):
        raise InputError(
            f"{out_dir} holds files but no settings.json of data_prep/prepare_facts.py: choose {_ANOTHER_FOLDER}"
        )
    with atomic_file(str(path)) as file:
        file.write(json.dumps(settings).encode() + b"\n")
    return settings


_PIECES = PreparationConfig.__dataclass_fields__["vocabulary"]


@dataclasses.dataclass(frozen=True)
class FactsOptions(Part):
    """What is prepared, and where."""

    title: ClassVar[str] = "Facts"

    out_dir: str = option("", "folder to write everything to")
    vocabulary: int = option(_PIECES.default, "vocabulary size of the tokenizer", minimum=_PIECES.metadata["minimum"])
    seed: int = option(0, "seed that chooses the held-out facts")


def main(_: list[str]) -> None:
    """Prepares everything as the flags say."""
    end_with_parent()
    require(("out_dir",))
    given = values(FactsOptions)
    prepare(given.out_dir, given.vocabulary, given.seed)


if __name__ == "__main__":
    from hbt_jax.flags import define, require, run_command, values

    define(FactsOptions)
    run_command(main)

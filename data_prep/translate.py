#!/usr/bin/env python3
"""Machine-translates the texts of a source and writes rows of parallel queries and passages.

    python data_prep/translate.py --source=wikiqa --input_dir=DIR --raw_dir=DIR --languages=de,es,zh --model=nllb \\
        --out_dir=DIR

Writes OUT_DIR/SPLIT.jsonl, which build_store.py reads by --source=jsonl --input_dir=OUT_DIR, and SPLIT-report.json,
which holds the counts.  OUT_DIR/SPLIT-shards keeps every translation as the model wrote it, so that an interrupted run
can resume and other filter limits need no new translation; remove it when you are done.

--model is a CTranslate2 folder, converted once, in an environment of its own, from the official weights (0.6 to 3.3
billion parameters, CC BY-NC 4.0; facebook/m2m100_418M and facebook/m2m100_1.2B, MIT, work too):

    uvx --from ctranslate2 --with torch --with 'transformers<5' --with sentencepiece --with protobuf \\
        ct2-transformers-converter --model facebook/nllb-200-distilled-600M --quantization int8 \\
        --copy_files sentencepiece.bpe.model --output_dir nllb

int8 is for CPUs; for a GPU convert with --quantization float16, or give --compute_type=int8_float16.  With several
GPUs, start one run per language with its own CUDA_VISIBLE_DEVICES and the same --out_dir, and finally one with all
--languages, which translates nothing again.
"""

import collections
import contextlib
import dataclasses
import itertools
import json
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import ClassVar

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from data_prep.sources import registry  # noqa: E402
from data_prep.translation.engine import COMPUTE_TYPES, DEVICES, CTranslate2Translator, Translator  # noqa: E402
from data_prep.translation.filters import FILTERS, Limits, failures  # noqa: E402
from data_prep.translation.rows import Gathered, lines  # noqa: E402
from data_prep.translation.shards import Shards  # noqa: E402
from data_prep.translation.texts import DistinctTexts  # noqa: E402
from data_prep.translation.work import translate_missing  # noqa: E402
from hbt_jax.config.option import Part, option
from hbt_jax.errors import InputError, Interrupted  # noqa: E402
from hbt_jax.files import atomic_file, utf8  # noqa: E402
from hbt_jax.languages import canonical  # noqa: E402
from hbt_jax.training.preemption import StopRequest  # noqa: E402

SHARD_TEXTS = 2048
_EXAMPLES = 5  # per filter and language in the report
_LINES = 64  # rows between two checks for a stop request
STOPPING = "stopping after the current sentences; finished shards are kept; a second signal stops at once"


def translate(
    source: str,
    split: str,
    raw_dir: str | Path,
    out_dir: str | Path,
    translator: Translator,
    languages: Sequence[str],
    *,
    source_language: str = "en",
    limits: Limits | None = None,
    shard_texts: int = SHARD_TEXTS,
    stop: StopRequest | None = None,
    **settings,
) -> dict:
    """Writes OUT_DIR/SPLIT.jsonl and OUT_DIR/SPLIT-report.json; see the module's docstring.

    Args:
      source: a name in `data_prep.sources.registry.SOURCES`.
      split: a split of it.
      raw_dir: folder of the prepared sources.
      out_dir: folder to write; other splits and further languages can be added to it later.
      translator: what translates sentences.
      languages: codes of the languages to translate to.
      source_language: code of the language to translate from.
      limits: the filters' limits.
      shard_texts: texts per shard.
      stop: whether to stop; checked between two calls of the translator.
      **settings: passed to the source's builder.

    Returns:
      the report.

    Raises:
      InputError: a language is unknown, or the model or the source lacks it; an unknown source or split; OUT_DIR cannot
        be written or holds translations of other texts or with other settings; or another process is translating to
        one of the languages there.
      Interrupted: `stop` was requested; finished shards are kept.
    """
    source_language, languages = _languages(source_language, languages, translator)
    stop = stop or StopRequest()

    def records(table: str) -> Iterator[dict]:
        return registry.records(source, table, split, raw_dir, **settings)

    texts = DistinctTexts(records, source_language, shard_texts)
    count, characters, digest = texts.count()
    made_from = {"source": source, "split": split, "source_language": source_language, "texts": digest}
    settings_of_shards = {**made_from, **translator.settings, "shard_texts": shard_texts}
    shards = Shards(Path(out_dir) / f"{split}-shards", settings_of_shards)
    with shards.languages_held(languages):
        translate_missing(texts, characters, shards, translator, languages, stop)
    limits = limits or Limits()
    with shards.alone():
        report = {
            **made_from,
            "different_texts": count,
            "model": translator.settings,
            "limits": dataclasses.asdict(limits),
            **_write_rows(Path(out_dir) / f"{split}.jsonl", texts, shards, languages, limits, stop),
        }
        with atomic_file(str(Path(out_dir) / f"{split}-report.json")) as file:
            file.write(utf8(json.dumps(report, indent=1, ensure_ascii=False) + "\n"))
    return report


def _languages(source: str, languages: Sequence[str], translator: Translator) -> tuple[str, tuple[str, ...]]:
    """The canonical codes of the source language and the target languages; prints which codes are not canonical."""
    expected = (
        f"--languages={','.join(languages)}: expected one or more codes, each once, other than"
        f" --source_language={source}"
    )
    written: dict[str, str] = {}
    for code in (source, *languages):
        known = canonical(code)
        if known in written:
            raise InputError(f"{expected}; {written[known]!r} and {code!r} are both {known}")
        written[known] = code
    if not languages:
        raise InputError(expected)
    for code in written:
        translator.check(code)
    for known, code in written.items():
        if code != known:
            print(f"{code!r} is counted as {known}, the same language", flush=True)
    return canonical(source), tuple(map(canonical, languages))


def _write_rows(
    path: Path, texts: DistinctTexts, shards: Shards, languages: Sequence[str], limits: Limits, stop: StopRequest
) -> dict:
    """Writes the rows with the translations that pass the filters; returns the counts, by language and of the rows."""
    dropped = collections.Counter()
    with contextlib.closing(Gathered(shards.folder / "gathered.sqlite", texts.language)) as gathered:
        found = {target: _filtered(gathered, texts, shards, target, limits, stop) for target in languages}
        for side in ("queries", "passages"):
            gathered.add_items(side, texts.records(side), dropped)
        for target in languages:
            found[target]["own_texts"] = gathered.already_there(target)
        rows = _write(path, lines(texts.records("pairs"), gathered.texts, dropped), stop)
    return {"languages": found, "rows": rows, "dropped": dict(+dropped)}


def _filtered(
    gathered: Gathered, texts: DistinctTexts, shards: Shards, target: str, limits: Limits, stop: StopRequest
) -> dict:
    """Gathers the translations into one language that pass the filters; returns counts, and examples of the others."""
    kept, dropped, examples = 0, collections.Counter(), {}
    for number, shard in texts.shards():
        _heed(stop)
        made = list(shards.read(target, number, shard))
        failed = failures(shard, made, texts.language, target, limits)
        good = [(text, written) for text, written, reason in zip(shard, made, failed, strict=True) if reason is None]
        gathered.add_translations(target, good)
        kept += len(good)
        for text, written, reason in zip(shard, made, failed, strict=True):
            if reason is not None:
                dropped[reason] += 1
                listed = examples.setdefault(reason, [])
                if len(listed) < _EXAMPLES:
                    listed.append({"text": text, "translation": written})
    counts = {reason: dropped[reason] for reason in FILTERS if dropped[reason]}
    return {"kept": kept, "dropped": counts, "examples": examples}


def _write(path: Path, rows: Iterator[str], stop: StopRequest) -> int:
    count = 0
    with atomic_file(str(path)) as file:
        while batch := list(itertools.islice(rows, _LINES)):
            _heed(stop)
            file.writelines(row.encode() + b"\n" for row in batch)
            count += len(batch)
    return count


def _heed(stop: StopRequest) -> None:
    if stop.requested:
        raise Interrupted("all translations are kept; run the same command again to write the rows")


def summary(report: dict) -> list[str]:
    """The lines printed after a run: rows, and per language what was kept and what each filter removed."""
    lines = [f"{report['split']}.jsonl: {report['rows']:,} rows; {report['different_texts']:,} distinct texts in"
             f" {report['source_language']!r}"]  # fmt: skip
    for code, found in report["languages"].items():
        own = f"; {found['own_texts']:,} items keep their own text" if found["own_texts"] else ""
        lines.append(f"  {code}: {found['kept']:,} translations kept{own}")
        lines += [f"    dropped: {count:,} {reason}" for reason, count in found["dropped"].items()]
    lines += [f"  dropped: {count:,} {reason}" for reason, count in report["dropped"].items()]
    return lines


@dataclasses.dataclass(frozen=True)
class TranslationOptions(Part):
    """What is translated, and where to."""

    title: ClassVar[str] = "Translation"

    out_dir: str = option("", "folder of SPLIT.jsonl; run the same command again to resume")
    languages: tuple[str, ...] = option((), "codes of the languages to translate to, such as de,es,zh")
    source_language: str = option("en", "code of the language to translate from")
    shard_texts: int = option(SHARD_TEXTS, "texts per shard: an interrupted run loses at most one shard", minimum=1)


@dataclasses.dataclass(frozen=True)
class ModelOptions(Part):
    """The translation model and how it runs."""

    title: ClassVar[str] = "Model"

    model: str = option("", "folder of an NLLB-200 or M2M-100 model that ct2-transformers-converter made")
    device: str = option("auto", "where the model runs; auto: on a GPU if there is one", choices=DEVICES)
    compute_type: str = option(
        "default", "number type the model computes in; default: that of its files", choices=COMPUTE_TYPES
    )
    beam_size: int = option(4, "width of the beam search; 1: greedy, the fastest", minimum=1)
    max_tokens: int = option(512, "maximum pieces of a sentence, and of its translation", minimum=4)
    batch_tokens: int = option(4096, "pieces per batch; memory grows with it", minimum=1)
    threads: int = option(0, "CPU threads; 0: one per core", minimum=0)


def main(_: list[str]) -> None:
    """Translates as the flags say and prints the counts."""
    require(("source", "raw_dir", "out_dir", "model", "languages"))
    source, given, limits = values(registry.SplitOptions), values(TranslationOptions), values(Limits)
    settings = registry.flag_settings()
    engine = dataclasses.asdict(values(ModelOptions))
    translator = CTranslate2Translator(engine.pop("model"), **engine)
    with StopRequest(STOPPING) as stop:
        report = translate(
            source.source, source.split, source.raw_dir, given.out_dir, translator, given.languages,
            source_language=given.source_language, limits=limits, shard_texts=given.shard_texts, stop=stop, **settings,
        )  # fmt: skip
    print("\n".join(summary(report)))


if __name__ == "__main__":
    from hbt_jax.flags import define, require, run_command, values

    define(registry.SplitOptions, TranslationOptions, ModelOptions, Limits)
    run_command(main)

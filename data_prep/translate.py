#!/usr/bin/env python3
"""Translates the texts of a source by machine and writes rows of parallel queries and passages.

    python data_prep/translate.py --source=wikiqa --input_dir=DIR --raw_dir=DIR --languages=de,es,zh --model=nllb \\
        --out_dir=DIR

writes OUT_DIR/SPLIT.jsonl, of which --source=jsonl --input_dir=OUT_DIR builds a store, and SPLIT-report.json with the
counts.  SPLIT-shards holds every translation as the model wrote it: a run that was stopped goes on there, other limits
of the filters take no new translation, and the folder may be removed in the end.

--model is a folder of CTranslate2, made once, in an environment of its own, from the official weights (0.6 to 3.3
billion parameters, CC BY-NC 4.0; facebook/m2m100_418M and facebook/m2m100_1.2B, MIT, work as well):

    uvx --from ctranslate2 --with torch --with 'transformers<5' --with sentencepiece --with protobuf \\
        ct2-transformers-converter --model facebook/nllb-200-distilled-600M --quantization int8 \\
        --copy_files sentencepiece.bpe.model --output_dir nllb

int8 is for processors; for a GPU convert with --quantization float16, or give --compute_type=int8_float16.  With more
GPUs, start a run for each language with its own CUDA_VISIBLE_DEVICES and the same --out_dir, and in the end one with
all --languages, which translates nothing again.
"""

import collections
import contextlib
import dataclasses
import itertools
import json
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path

from absl import flags

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from data_prep.sources import registry  # noqa: E402
from data_prep.translation.engine import COMPUTE_TYPES, DEVICES, CTranslate2Translator, Translator  # noqa: E402
from data_prep.translation.filters import FILTERS, Limits, failures  # noqa: E402
from data_prep.translation.rows import Gathered, lines  # noqa: E402
from data_prep.translation.shards import Shards  # noqa: E402
from data_prep.translation.texts import Texts  # noqa: E402
from data_prep.translation.work import translate_missing  # noqa: E402
from hbt_jax.errors import InputError, Interrupted  # noqa: E402
from hbt_jax.files import atomic_file, utf8  # noqa: E402
from hbt_jax.training.preemption import StopRequest  # noqa: E402

SHARD_TEXTS = 2048
_EXAMPLES = 5  # of each filter and language in the report
_LINES = 64  # rows between two looks for a stop
STOPPING = "stopping after these sentences, finished shards are kept; a second signal stops at once"


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
    """Writes OUT_DIR/SPLIT.jsonl and OUT_DIR/SPLIT-report.json; see the module's text.

    Args:
      source: a name in `data_prep.sources.registry.SOURCES`.
      split: a split of it.
      raw_dir: folder of the prepared sources.
      out_dir: folder to write; other splits, and more languages, may be written to it later.
      translator: what translates sentences.
      languages: codes of the languages to translate to.
      source_language: code of the language to translate from.
      limits: of the filters.
      shard_texts: texts of a shard.
      stop: what asks for an end; looked at between two calls of the translator.
      **settings: passed to the source's builder.

    Returns:
      the report.

    Raises:
      InputError: a language is unknown, not the model's or not the source's; an unknown source or split; OUT_DIR
        cannot be written, holds translations of other texts or settings, or another process translates there to one of
        the languages.
      Interrupted: `stop` was requested; the shards that are whole are kept.
    """
    _check_languages(source_language, languages, translator)
    stop = stop or StopRequest()

    def records(table: str) -> Iterator[dict]:
        return registry.records(source, table, split, raw_dir, **settings)

    texts = Texts(records, source_language, shard_texts)
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


def _check_languages(source_language: str, languages: Sequence[str], translator: Translator) -> None:
    if not languages or len(set(languages)) < len(languages) or source_language in languages:
        raise InputError(
            f"--languages={','.join(languages)}: expected one or more codes, each once, other than"
            f" --source_language={source_language}"
        )
    for code in (source_language, *languages):
        translator.check(code)


def _write_rows(
    path: Path, texts: Texts, shards: Shards, languages: Sequence[str], limits: Limits, stop: StopRequest
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


def _filtered(gathered: Gathered, texts: Texts, shards: Shards, target: str, limits: Limits, stop: StopRequest) -> dict:
    """Gathers the translations to one language that pass the filters; returns counts and examples of the others."""
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
        raise Interrupted("all translations are kept; the same command writes the rows")


def summary(report: dict) -> list[str]:
    """The lines printed after a run: rows, and for each language what was kept and what each filter took."""
    lines = [f"{report['split']}.jsonl: {report['rows']:,} rows; {report['different_texts']:,} different texts in"
             f" {report['source_language']!r}"]  # fmt: skip
    for code, found in report["languages"].items():
        own = f"; {found['own_texts']:,} items keep a text of their own" if found["own_texts"] else ""
        lines.append(f"  {code}: {found['kept']:,} translations kept{own}")
        lines += [f"    dropped: {count:,} {reason}" for reason, count in found["dropped"].items()]
    lines += [f"  dropped: {count:,} {reason}" for reason, count in report["dropped"].items()]
    return lines


def main(_: list[str]) -> None:
    """Translates as the flags say and prints the counts."""
    require(("source", "raw_dir", "out_dir", "model", "languages"))
    given = flags.FLAGS
    settings = registry.flag_settings()
    limits = Limits(given.least_length, given.most_length, given.script_share, given.repeats)
    translator = CTranslate2Translator(
        given.model, device=given.device, compute_type=given.compute_type, beam_size=given.beam_size,
        max_tokens=given.max_tokens, batch_tokens=given.batch_tokens, threads=given.threads,
    )  # fmt: skip
    with StopRequest(STOPPING) as stop:
        report = translate(
            given.source, given.split, given.raw_dir, given.out_dir, translator, given.languages,
            source_language=given.source_language, limits=limits, shard_texts=given.shard_texts, stop=stop, **settings,
        )  # fmt: skip
    print("\n".join(summary(report)))


if __name__ == "__main__":
    from hbt_jax.flags import require, run_command

    flags.DEFINE_string("source", "", "name of the source, by its name in data_prep/sources/registry.py")
    flags.DEFINE_enum("split", "train", ["train", "validation", "test"], "split to translate")
    registry.define_flags()
    flags.DEFINE_string("raw_dir", "", "folder of the prepared sources; the source is prepared when it is not there")
    flags.DEFINE_string("out_dir", "", "folder of SPLIT.jsonl; a run that was stopped goes on in it")
    flags.DEFINE_string("model", "", "folder of an NLLB-200 or M2M-100 model that ct2-transformers-converter made")
    flags.DEFINE_list("languages", [], "codes of the languages to translate to, such as de,es,zh")
    flags.DEFINE_string("source_language", "en", "code of the language to translate from")
    flags.DEFINE_enum("device", "auto", DEVICES, "where the model runs; auto takes a GPU where there is one")
    flags.DEFINE_enum("compute_type", "default", COMPUTE_TYPES, "numbers of the model; default: those of its files")
    flags.DEFINE_integer("beam_size", 4, "candidates of the beam search; 1 is greedy and fastest", lower_bound=1)
    flags.DEFINE_integer("max_tokens", 512, "most pieces of a sentence and of its translation", lower_bound=4)
    flags.DEFINE_integer("batch_tokens", 4096, "pieces of a batch; memory grows with it", lower_bound=1)
    flags.DEFINE_integer("threads", 0, "CPU threads; 0 for one a core", lower_bound=0)
    flags.DEFINE_integer("shard_texts", SHARD_TEXTS, "texts of a shard, the most that a stop loses", lower_bound=1)
    usual = Limits()
    flags.DEFINE_float("least_length", usual.least_length, "least length of a translation over that of its source")
    flags.DEFINE_float("most_length", usual.most_length, "greatest length of a translation over that of its source")
    flags.DEFINE_float("script_share", usual.script_share, "least share of letters in the language's script", 0, 1)
    flags.DEFINE_integer("repeats", usual.repeats, "how often a stretch of a text may stand in a row", lower_bound=1)
    run_command(main)

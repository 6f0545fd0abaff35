"""Bitext: find the translation of a sentence, in files whose line n translates line n of the others.

    DATA_DIR/bitext/LANG.txt                  one file per language, all with the same number of lines
    DATA_DIR/bitext/tatoeba.XXX-eng.XXX       or pairs of files, as LASER publishes Tatoeba (Artetxe and Schwenk 2019,
    DATA_DIR/bitext/tatoeba.XXX-eng.eng       arXiv 1812.10464); XXX is ISO 639-3, see languages.TATOEBA

Each file may be gzipped (LANG.txt.gz).
Every sentence is a query and a candidate; relevant are its translations, and it does not search itself.

- LANG.txt: the sentence on line N (from 1) has the id "N:LANG" and the item "N"; relevant to it are the sentences on
  that line in all other languages.
- Pairs: the two sides of line N of the pair of CODE and English have the ids "CODE:N:CODE" and "CODE:N:en".  As in
  published accuracies, the sentences in CODE search an English pool of their own pair.  Pairs share English sentences;
  so in the pool of all, a sentence does not search the sentences of other pairs whose line has the same English
  sentence (however it is typed): they would be correct answers that nobody judged.

A sentence that occurs on two lines of one file is counted and reported.  Only the translation on its own line is
relevant, because published accuracies compare line numbers.

Accuracy is recall@1 of the cross-lingual setting; no sentence counts in the monolingual one.
"""

import dataclasses
import os
import re
from collections.abc import Iterator, Sequence
from pathlib import Path

import numpy as np

from hbt_jax.errors import InputError
from hbt_jax.evaluation.benchmarks.benchmark import (
    NO_CANDIDATE,
    Benchmark,
    BenchmarkTexts,
    others_of_item,
    pad_relevant,
)
from hbt_jax.evaluation.benchmarks.copies import copies_as_published, first_of_each
from hbt_jax.evaluation.reading.text_lines import check_text, read_lines
from hbt_jax.languages import TATOEBA, by_language, same_language

LAYOUT = (
    "a bitext folder holds LANG.txt, one file per language, or the pairs tatoeba.XXX-eng.XXX and tatoeba.XXX-eng.eng"
    " (hbt_jax/evaluation/benchmarks/bitext.py)"
)
_AS_PUBLISHED = "only the translation on its own line is correct, as in published accuracies"
_SUFFIX, _TATOEBA, _ENGLISH = ".txt", "tatoeba.", "en"
_PAIR = re.compile(r"tatoeba\.([a-z]{3})-eng\.([a-z]{3})")


def read(path: str, name: str) -> Benchmark:
    """Reads the folder `path` as the benchmark `name`.

    Raises:
      InputError: no file of the two layouts, files of both, a wrong name, one file of a pair or one language alone,
        different numbers of lines, an empty line, or text that is not UTF-8; the message names the file and the line.
    """
    entries = sorted({entry.name.removesuffix(".gz") for entry in Path(path).iterdir() if entry.is_file()})
    pairs = [entry for entry in entries if entry.startswith(_TATOEBA)]
    singles = [entry for entry in entries if entry.endswith(_SUFFIX) and entry not in pairs]
    if bool(pairs) == bool(singles):
        which = f"both {singles[0]} and {pairs[0]}" if pairs else f"no {_SUFFIX} file and no {_TATOEBA} file"
        raise InputError(f"{path}: {which}: {LAYOUT}")
    benchmark = _of_pairs(path, name, pairs) if pairs else _of_languages(path, name, singles)
    unread = [entry for entry in entries if entry not in {*pairs, *singles}]
    if not unread:
        return benchmark
    note = f"files in the folder that were not read, as they hold no sentences: {' '.join(unread)}"
    return dataclasses.replace(benchmark, notes=(*benchmark.notes, note))


def _of_languages(path: str, name: str, files: Sequence[str]) -> Benchmark:
    """One file a language."""
    named = "a file is named by the language of its lines, such as en.txt"
    sides = by_language({os.path.join(path, file): file.removesuffix(_SUFFIX) for file in files}, named)
    if len(sides) < 2:
        raise InputError(f"{path}: {files[0]} is the only language: expected two or more; {LAYOUT}")
    columns = _parallel(sides)
    rows = [(f"{n}:{code}", f"{n}", code, text) for code, texts in columns.items() for n, text in enumerate(texts, 1)]
    texts = BenchmarkTexts.of_rows(rows)
    copies, notes = copies_as_published({"sentences": texts}, _AS_PUBLISHED)
    return Benchmark(
        name,
        texts,
        texts,
        others_of_item(texts.items),
        excluded_QX=np.arange(len(texts), dtype=np.int32)[:, None],
        is_bitext=True,
        counts={"lines": len(rows) // len(columns), "copies": copies},
        notes=notes,
    )


def _of_pairs(path: str, name: str, files: Sequence[str]) -> Benchmark:
    """Two files for each pair with English."""
    rows, pools, english, relevant = [], [], [], []  # relevant: the other side of each text's line
    lines = {}
    for iso in _pair_names(path, files):
        code, stem = TATOEBA[iso], os.path.join(path, f"{_TATOEBA}{iso}-eng")
        columns = _parallel({code: f"{stem}.{iso}", _ENGLISH: f"{stem}.eng"})
        lines[code] = count = len(columns[_ENGLISH])
        for side, texts in columns.items():
            first_other = len(rows) + (count if side == code else -count)
            relevant += [[first_other + n] for n in range(count)]
            rows += [(f"{code}:{n}:{side}", f"{code}:{n}", side, text) for n, text in enumerate(texts, 1)]
            pools += [side if side == code else f"{_ENGLISH} of {code}"] * count
            english += columns[_ENGLISH]
    texts = BenchmarkTexts.of_rows(rows)
    excluded, shared = _unjudged(english, [item.partition(":")[0] for item in texts.items])
    copies, notes = copies_as_published({"sentences": texts}, _AS_PUBLISHED, languages=pools)
    if shared:
        notes += (
            f"{shared:,} sentences do not search the sentences of other pairs whose line has the same English sentence",
        )
    return Benchmark(
        name,
        texts,
        texts,
        pad_relevant(relevant),
        excluded_QX=excluded,
        pools=pools,
        is_bitext=True,
        counts={"lines": lines, "sentences_that_other_pairs_translate": shared, "copies": copies},
        notes=notes,
    )


def _unjudged(english: Sequence[str], pair: Sequence[str]) -> tuple[np.ndarray, int]:
    """What a sentence does not search: itself, and sentences of other pairs whose line has the same English sentence.

    Args:
      english: the English sentence on the line of each text.
      pair: the pair of each text.

    Returns:
      excluded_QX of the benchmark, and how many sentences exclude more than themselves.
    """
    number = {code: index for index, code in enumerate(dict.fromkeys(pair))}
    pair_N = np.array([number[code] for code in pair])
    same_NX = others_of_item(first_of_each([_ENGLISH] * len(english), english).tolist())
    elsewhere_NX = np.where(pair_N[same_NX] == pair_N[:, None], NO_CANDIDATE, same_NX)
    elsewhere_NX = np.where(same_NX == NO_CANDIDATE, NO_CANDIDATE, elsewhere_NX)
    own_N1 = np.arange(len(english), dtype=np.int32)[:, None]
    return np.concatenate([own_N1, elsewhere_NX], axis=1), int((elsewhere_NX >= 0).any(axis=1).sum())


def _tatoeba_code(file: str) -> str:
    """What XXX in a file name should be, in words."""
    given = file.removeprefix(_TATOEBA).partition("-")[0]
    same = [] if given in TATOEBA else same_language(given, TATOEBA)
    return " or ".join(same) or f"one of {' '.join(TATOEBA)} (hbt_jax/languages.py)"


def _pair_names(path: str, files: Sequence[str]) -> list[str]:
    """ISO 639-3 codes of the languages paired with English, in the order of our codes."""
    sides: dict[str, set[str]] = {}
    for file in files:
        match = _PAIR.fullmatch(file)
        if not match or match[1] not in TATOEBA or match[2] not in (match[1], "eng"):
            raise InputError(
                f"{os.path.join(path, file)}: unexpected name: expected tatoeba.XXX-eng.XXX or tatoeba.XXX-eng.eng with"
                f" XXX {_tatoeba_code(file)}"
            )
        sides.setdefault(match[1], set()).add(match[2])
    for iso, found in sides.items():
        for side in (iso, "eng"):
            if side not in found:
                missing = os.path.join(path, f"{_TATOEBA}{iso}-eng.{side}")
                raise InputError(f"{missing}: no such file: the other file of the pair is there; {LAYOUT}")
    return sorted(sides, key=lambda iso: TATOEBA[iso])


def _parallel(sides: dict[str, str]) -> dict[str, list[str]]:
    """The lines of parallel files, by language code; all have the same number.

    Args:
      sides: language code -> path.
    """
    columns = {code: list(_sentences(path)) for code, path in sides.items()}
    (first, *others), counts = sides, {code: len(texts) for code, texts in columns.items()}
    for code in others:
        if counts[code] != counts[first]:
            raise InputError(
                f"{sides[code]}:{counts[code]}: {counts[code]:,} lines, but {sides[first]} has {counts[first]:,}:"
                " line n must translate line n; give both the same number of lines"
            )
    return columns


def _sentences(path: str) -> Iterator[str]:
    for place, line in read_lines(path, LAYOUT):
        check_text(place, "the line", line)
        yield line

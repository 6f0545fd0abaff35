#!/usr/bin/env python3
"""Prints what a store holds: languages, lengths, characters, unknown tokens, some pairs, and what looks wrong.

    python data_prep/inspect_store.py STORE
    python data_prep/inspect_store.py STORE --sample=20000    a large store: that many texts per side and language

Texts are decoded from tokens, so you see what the tokenizer made of them: normalised, with a mark for whatever its
vocabulary lacks.
"""

import dataclasses
import statistics
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import ClassVar

import numpy as np

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from data_prep.build_store import holds  # noqa: E402
from data_prep.store.classes import class_warnings  # noqa: E402
from data_prep.store.figures import BOUNDS, Figures, SameText, figures, same_texts  # noqa: E402
from data_prep.store.rows import OpenOptions, open_with_tokenizer  # noqa: E402
from hbt_jax.config.option import Part, option
from hbt_jax.data.manifest import SIDES  # noqa: E402
from hbt_jax.data.permutation import key, sampled  # noqa: E402
from hbt_jax.data.store import Store, TokenRows  # noqa: E402
from hbt_jax.draws import below, stream  # noqa: E402
from hbt_jax.languages import language  # noqa: E402
from hbt_jax.models.tokenizer import Tokenizer  # noqa: E402

LONGER = 2.0  # warn above this multiple of the median of the other languages' mean lengths
OTHER_SCRIPT, UNKNOWN = 0.01, 0.01  # warn above these shares of texts, and of tokens
_SHOWN = 200  # characters shown of a sample's text
_Table = dict[tuple[str, str], Figures]


def inspect_store(
    path: str, *, sample: int = 0, pairs: int = 3, seed: int = 0, tokenizer_path: str = "", cache_dir: str = ""
) -> Iterator[str]:
    """Yields the lines to print.

    Args:
      path: the store's folder, or gs://BUCKET/FOLDER.
      sample: texts read per side and language, and pairs read; 0: all.
      pairs: pairs shown.
      seed: seed of the samples.
      tokenizer_path: the store's tokenizer; empty: the one that the store's manifest names.
      cache_dir: folder into which stores in a bucket are copied.

    Raises:
      InputError: no store, no tokenizer, another tokenizer than the store's, or a token outside its vocabulary.
    """
    store, tokenizer = open_with_tokenizer(path, tokenizer_path, cache_dir)
    yield from holds(store.manifest)
    yield f"  tokenizer: {tokenizer.path}, {tokenizer.vocab_size:,} pieces; store {store.fingerprint}"
    if sample:
        yield f"--sample={sample}: from here on, at most {sample:,} texts per side and language, and as many pairs"
    table: _Table = {(side, code): made for side, code, made in figures(store, tokenizer, sample, seed)}
    yield from _tables(table)
    yield from _shown_pairs(store, tokenizer, pairs, seed)
    warnings = [
        *warnings_of(store, table),
        *class_warnings(store.manifest, SIDES),
        *_same_text_warnings(same_texts(store, sample, seed)),
    ]
    yield from (f"warning: {line}" for line in warnings)
    if not warnings:
        yield "no warnings"


def _tables(table: _Table) -> Iterator[str]:
    bounds = "".join(f"{f'<={bound}':>7}" for bound in BOUNDS) + f"{f'>{BOUNDS[-1]}':>7}"
    head = f"{'texts':>12}{'tokens':>15}{'mean':>8}{'longest':>9}{'per char.':>11}{'unknown':>9}"
    for side in SIDES:
        yield f"{side:10}{head}   share of texts by tokens"
        yield f"{'':{10 + len(head)}}{bounds}"
        for (of, code), made in table.items():
            if of == side:
                ratio = f"{made.tokens / made.characters:11.3f}" if made.characters else f"{'-':>11}"
                shares = "".join(f"{share:7.1%}" for share in made.histogram / made.texts)
                yield (
                    f"  {code:8}{made.texts:12,}{made.tokens:15,}{made.mean:8.1f}{made.longest:9,}{ratio}"
                    f"{made.unknown_share:9.3%}{shares}"
                )


def warnings_of(store: Store, table: _Table) -> Iterator[str]:
    """What looks wrong with the texts: language, length, script, vocabulary."""
    for code in store.languages:
        missing = [side for side in SIDES if (side, code) not in table]
        if missing:
            yield f"{code} has no {missing[0]}: no pair has both texts in this language"
    for side in SIDES:
        means = {code: made.mean for (of, code), made in table.items() if of == side}
        for code, mean in means.items():
            others = statistics.median([other for name, other in means.items() if name != code] or [mean])
            if mean > LONGER * others:
                yield (
                    f"{side} in {code} have {mean:.1f} tokens on average, those in the other languages {others:.1f}"
                    " (median): are they whole documents, or does the tokenizer not suit the language?"
                )
    for (side, code), made in table.items():
        if made.other_script > OTHER_SCRIPT * made.with_letters:
            yield (
                f"{made.other_script:,} of the {made.with_letters:,} {side} in {code} with letters have hardly any"
                f" letter of its script ({language(code).script}): are they in another language?"
            )
        if made.unknown_share > UNKNOWN:
            yield f"{made.unknown_share:.1%} of the tokens of {side} in {code} are unknown: choose another tokenizer"


def _same_text_warnings(found: dict[str, SameText]) -> Iterator[str]:
    for code, same in found.items():
        if same.same:
            yield (
                f"{same.same:,} of {same.pairs:,} pairs have the same text as query and passage in {code} (the first:"
                f" pair {same.first}): a model learns nothing from them"
            )


def _shown_pairs(store: Store, tokenizer: Tokenizer, count: int, seed: int) -> Iterator[str]:
    """Some pairs, query and passage in different languages if possible."""
    chosen = sampled(len(store.pairs), count, key(seed)).tolist()
    bits_N2 = stream(seed, purpose=0).random_raw(2 * len(chosen)).reshape(-1, 2)
    for pair, bits in zip(chosen, bits_N2, strict=True):
        query, passage = int(store.pairs.query_A[pair]), int(store.pairs.passage_A[pair])
        asked, answered = _languages(store.queries.tokens, query), _languages(store.passages.tokens, passage)
        first = asked[below(bits[0], len(asked))]
        others = [code for code in answered if code != first] or answered
        second = others[below(bits[1], len(others))]
        yield f"pair {pair:,}"
        yield f"  query {first}: {_text(store.queries.tokens[first], query, tokenizer)}"
        yield f"  passage {second}: {_text(store.passages.tokens[second], passage, tokenizer)}"


def _languages(tokens: dict[str, TokenRows], row: int) -> list[str]:
    return [code for code, texts in tokens.items() if texts.offsets[row + 1] > texts.offsets[row]]


def _text(texts: TokenRows, row: int, tokenizer: Tokenizer) -> str:
    tokens = texts.values[texts.offsets[row] : texts.offsets[row + 1]]
    text = tokenizer.decode(tokens, np.array([0, len(tokens)]))[0]
    return text if len(text) <= _SHOWN else f"{text[:_SHOWN]}... ({len(text):,} characters)"


@dataclasses.dataclass(frozen=True)
class ShownOptions(Part):
    """How much is read and shown."""

    title: ClassVar[str] = "Samples"

    sample: int = option(0, "texts read per side and language, and pairs read; 0: all", minimum=0)
    pairs: int = option(3, "pairs shown", minimum=0)
    seed: int = option(0, "seed of the samples", minimum=0, maximum=2**31 - 1)


def main(arguments: list[str]) -> None:
    """Prints what the store holds."""
    shown, opened = values(ShownOptions), values(OpenOptions)
    for line in inspect_store(
        arguments[1], sample=shown.sample, pairs=shown.pairs, seed=shown.seed, tokenizer_path=opened.tokenizer,
        cache_dir=opened.store_cache,
    ):  # fmt: skip
        print(line)


if __name__ == "__main__":
    from hbt_jax.flags import define, run_command, values

    define(ShownOptions, OpenOptions)
    store = {"STORE": "folder of a store, as data_prep/build_store.py writes it, or gs://BUCKET/FOLDER"}
    run_command(main, store, remote=("STORE",))

"""XM3600 (Thapliyal et al. 2022, arXiv 2205.12522), text to text: a caption finds the other captions of its picture.

    DATA_DIR/xm3600/captions.jsonl   or captions.jsonl.gz, as https://google.github.io/crossmodal-3600 publishes it

A line per picture: {"image/key": "000411001ff7dd4f", "image/locale": "en", "ar": {"caption": ["...", ...], ...}, ...}.
For each language the captions under `caption` are read; their tokenised copies and the other fields are ignored.

- Every caption is a query and a candidate, with the id "KEY:LANG:N", N from 0 in the order of the file; its item is the
  picture's key.  Equal captions are not merged, as different people wrote them.  If two pictures have equal captions,
  only those of the query's own picture are relevant, as published; such copies are counted.
- Relevant to a caption are all other captions of its picture, in any language; the caption itself is not searched.
- So a query counts in the monolingual setting if its picture has another caption in its language.
- If a picture has a single caption, that caption is a candidate but not a query; these are counted.

A file with 3,600 pictures must have all published captions.  Any other file is read as it is; the results then say that
it is not XM3600 and which languages it lacks, entirely or for some pictures.
"""

import os
from collections import Counter
from collections.abc import Iterator

import numpy as np

from hbt_jax.errors import InputError
from hbt_jax.evaluation.benchmarks.benchmark import Benchmark, BenchmarkTexts, others_of_item
from hbt_jax.evaluation.benchmarks.copies import copies_as_published
from hbt_jax.evaluation.reading.text_lines import check_id, check_text, json_object, read_lines, shown
from hbt_jax.languages import XM3600, unknown_language

CAPTIONS = "captions.jsonl"
PUBLISHED = {"pictures": 3600, "languages": 36, "captions": 261_375}  # the paper's abstract and section 2
_ORIGIN = "the official file is that of https://google.github.io/crossmodal-3600"
_AS_PUBLISHED = "they are not merged, as a caption is judged by its picture"
_LISTED = f"XM3600 has {' '.join(XM3600)}"
_KEY, _OF_PICTURE, _CAPTION = "image/key", "image/", "caption"


def read(path: str, name: str) -> Benchmark:
    """Reads the folder `path` as the benchmark `name`.

    Raises:
      InputError: the file is missing, damaged or not UTF-8, a line is wrong (the message names it), no picture has two
        captions, or it has 3,600 pictures and not the published number of languages and captions.
    """
    file = os.path.join(path, CAPTIONS)
    texts, pictures_with = _texts(file)
    found = {"pictures": len(set(texts.items)), "languages": len(pictures_with), "captions": len(texts)}
    if found["pictures"] == PUBLISHED["pictures"] and found != PUBLISHED:
        raise InputError(
            f"{file}: {_described(found)}, expected {_described(PUBLISHED)}, the published numbers: the file is not the"
            f" whole official one; {_ORIGIN}"
        )
    others_NG = others_of_item(texts.items)
    query_Q = np.flatnonzero((others_NG >= 0).any(axis=1)).astype(np.int32)
    if not query_Q.size:
        raise InputError(f"{file}: no picture has two captions: expected several of each, in {len(XM3600)} languages")
    lacking = {code: found["pictures"] - pictures_with[code] for code in XM3600}
    lacking = {code: number for code, number in lacking.items() if number}
    lonely = len(texts) - len(query_Q)
    copies, copy_notes = copies_as_published({"captions": texts}, _AS_PUBLISHED)
    return Benchmark(
        name,
        texts if not lonely else _chosen(texts, query_Q),
        texts,
        others_NG[query_Q],
        excluded_QX=query_Q[:, None],
        counts={
            "pictures": found["pictures"],
            "pictures_without": lacking,
            "captions_without_another": lonely,
            "copies": copies,
        },
        notes=(*_notes(found, lacking, lonely), *copy_notes),
    )


def _texts(file: str) -> tuple[BenchmarkTexts, Counter]:
    """The captions in the order of the file, and for each language the number of pictures with a caption."""
    ids, items, codes, texts = [], [], [], []
    first_place: dict[str, str] = {}
    pictures_with: Counter = Counter()
    for place, line in read_lines(file, f"{_ORIGIN}, {CAPTIONS} in its captions.zip"):
        if not line.strip():
            continue
        picture = json_object(place, line, f"{_KEY} and the captions of each language")
        key = _picture_key(place, picture)
        if key in first_place:
            raise InputError(f"{place}: duplicate picture {key!r}, first at {first_place[key]}: one line per picture")
        first_place[key], before = place, len(ids)
        for code, captions in _captions(place, picture):
            pictures_with[code] += bool(captions)
            ids += [f"{key}:{code}:{number}" for number in range(len(captions))]
            codes += [code] * len(captions)
            texts += captions
        if len(ids) == before:
            raise InputError(f"{place}: picture {key!r} has no caption in any language: drop the line or give them")
        items += [key] * (len(ids) - before)
    return BenchmarkTexts(ids, items, codes, texts), +pictures_with


def _picture_key(place: str, picture: dict) -> str:
    if _KEY not in picture:
        raise InputError(f"{place}: missing field {_KEY!r}: expected the name of the picture, a string")
    key = picture[_KEY]
    if not isinstance(key, str):
        raise InputError(f"{place}: {_KEY} is {shown(key)}: expected a string, the name of the picture")
    check_id(place, _KEY, key)
    return key


def _captions(place: str, picture: dict) -> Iterator[tuple[str, list[str]]]:
    """Yields each language of a picture and its captions, if any, in the order of the line."""
    for code, block in picture.items():
        if code.startswith(_OF_PICTURE):
            continue
        if code not in XM3600:
            raise InputError(f"{place}: {unknown_language(code, _LISTED, XM3600)}")
        captions = block.get(_CAPTION) if isinstance(block, dict) else None
        if not isinstance(captions, list) or not all(isinstance(text, str) for text in captions):
            raise InputError(f'{place}: {code} is {shown(block)}: expected {{"{_CAPTION}": [texts], ...}}')
        for number, text in enumerate(captions):
            check_text(place, f"caption {number} in {code}", text)
        yield code, captions


def _chosen(texts: BenchmarkTexts, index_Q: np.ndarray) -> BenchmarkTexts:
    chosen = index_Q.tolist()
    columns = (texts.ids, texts.items, texts.languages, texts.texts)
    return BenchmarkTexts(*([column[n] for n in chosen] for column in columns))


def _described(found: dict[str, int]) -> str:
    return f"{found['pictures']:,} pictures with {found['captions']:,} captions in {found['languages']} languages"


def _notes(found: dict[str, int], lacking: dict[str, int], lonely: int) -> Iterator[str]:
    """Sentences about how the file differs from XM3600, and about captions that are not queries."""
    if found != PUBLISHED:
        yield f"not the published XM3600 ({_described(PUBLISHED)}) but {_described(found)}"
    absent = [code for code, number in lacking.items() if number == found["pictures"]]
    if absent:
        yield f"no captions in {' '.join(absent)}"
    partly = [f"{code} {number:,}" for code, number in lacking.items() if code not in absent]
    if partly:
        yield f"pictures of {found['pictures']:,} without a caption in a language: {', '.join(partly)}"
    if lonely:
        yield f"{lonely:,} captions are the only one of their picture: they are candidates but not queries"

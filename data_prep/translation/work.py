"""Translates the missing shards, until all are done or a stop is requested."""

from collections.abc import Sequence

from tqdm import tqdm

from data_prep.translation.engine import Translator
from data_prep.translation.sentences import Part, joined, splitter, worth_translating
from data_prep.translation.shards import Shards
from data_prep.translation.texts import DistinctTexts
from hbt_jax.errors import Interrupted
from hbt_jax.training.preemption import StopRequest

_CALL = 256  # sentences per call of the model; a stop request is checked between calls


def translate_missing(
    texts: DistinctTexts,
    characters: int,
    shards: Shards,
    translator: Translator,
    languages: Sequence[str],
    stop: StopRequest,
) -> None:
    """Writes the missing shards; shows characters done, their rate and the time left.

    Args:
      texts: what to translate.
      characters: number of characters of all texts.
      languages: codes of the languages to translate to.

    Raises:
      Interrupted: `stop` was requested; the current shard is not written.
    """
    split = splitter(texts.language)
    total = characters * len(languages)
    with tqdm(total=total, desc="translating", unit=" characters", unit_scale=True, disable=None) as bar:
        for number, shard in texts.shards():
            missing = [target for target in languages if not shards.done(target, number)]
            bar.total -= (len(languages) - len(missing)) * sum(map(len, shard))  # only missing shards take time
            parts = [split(text) for text in shard] if missing else []
            for target in missing:
                made = _translated(parts, texts.language, target, translator, stop, bar)
                shards.write(target, number, shard, made)
                bar.update(sum(map(len, shard)) - sum(map(len, _distinct(parts))))  # for spaces and repeated sentences


def _translated(
    parts: list[list[Part]], source: str, target: str, translator: Translator, stop: StopRequest, bar: tqdm
) -> list[str | None]:
    """The translation of each text; each distinct sentence is translated once, batched by length."""
    sentences = _distinct(parts)
    made: dict[str, str | None] = {}
    for start in range(0, len(sentences), _CALL):
        if stop.requested:
            raise Interrupted(
                f"finished shards are kept; run the same command again to resume at a shard of {target!r}"
            )
        part = sentences[start : start + _CALL]
        made.update(zip(part, translator(part, source, target), strict=True))
        bar.update(sum(map(len, part)))
    return [joined(text, made, target) for text in parts]


def _distinct(parts: list[list[Part]]) -> list[str]:
    """The distinct sentences to translate, longest first, so that a lack of memory shows at once."""
    found = dict.fromkeys(sentence for text in parts for sentence, _ in text if worth_translating(sentence))
    return sorted(found, key=len, reverse=True)

"""The work of a translation run: the shards that are not there yet, until all are or a stop is asked for."""

from collections.abc import Sequence

from tqdm import tqdm

from data_prep.translation.engine import Translator
from data_prep.translation.sentences import Part, joined, splitter, worth_translating
from data_prep.translation.shards import Shards
from data_prep.translation.texts import Texts
from hbt_jax.errors import Interrupted
from hbt_jax.training.preemption import StopRequest

_CALL = 256  # sentences that the model gets at a time; a stop is heeded between two times


def translate_missing(
    texts: Texts,
    characters: int,
    shards: Shards,
    translator: Translator,
    languages: Sequence[str],
    stop: StopRequest,
) -> None:
    """Writes the shards that are missing; shows the characters of those, their rate and the time left.

    Args:
      texts: what to translate.
      characters: of all the texts.
      languages: codes of the languages to translate to.

    Raises:
      Interrupted: `stop` was requested; the shard that was begun is not written.
    """
    split = splitter(texts.language)
    total = characters * len(languages)
    with tqdm(total=total, desc="translating", unit=" characters", unit_scale=True, disable=None) as bar:
        for number, shard in texts.shards():
            missing = [target for target in languages if not shards.done(target, number)]
            bar.total -= (len(languages) - len(missing)) * sum(map(len, shard))  # the time left is that of the rest
            parts = [split(text) for text in shard] if missing else []
            for target in missing:
                made = _translated(parts, texts.language, target, translator, stop, bar)
                shards.write(target, number, shard, made)
                bar.update(sum(map(len, shard)) - sum(map(len, _different(parts))))  # spaces, sentences that came again


def _translated(
    parts: list[list[Part]], source: str, target: str, translator: Translator, stop: StopRequest, bar: tqdm
) -> list[str | None]:
    """The translation of each text, each different sentence translated once, those of like lengths together."""
    sentences = _different(parts)
    made: dict[str, str | None] = {}
    for start in range(0, len(sentences), _CALL):
        if stop.requested:
            raise Interrupted(f"finished shards are kept; the same command goes on at a shard of {target!r}")
        part = sentences[start : start + _CALL]
        made.update(zip(part, translator(part, source, target), strict=True))
        bar.update(sum(map(len, part)))
    return [joined(text, made, target) for text in parts]


def _different(parts: list[list[Part]]) -> list[str]:
    """The different sentences to translate, the longest first: want of memory shows at once."""
    found = dict.fromkeys(sentence for text in parts for sentence, _ in text if worth_translating(sentence))
    return sorted(found, key=len, reverse=True)

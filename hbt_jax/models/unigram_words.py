"""Tokens of words by the library sentencepiece, which finds them several times as fast as the library tokenizers.

Both cut a word into the pieces with the highest sum of scores.  They may differ where two ways to cut are as good, or
nearly so: sentencepiece sums in float32, tokenizers in float64.  Such words are found by cutting every word twice, with
noise added to the scores and with the same noise taken away.  What is best both times is best without noise (half of
the sum of both differences), and better than another way to cut by at least the difference of their noise.  Only the
same pieces in another order have the same noise: then two of the pieces begin alike and two end alike, at the first and
at the last place where the orders differ.

Not found are words with a way to cut that is as good as float32 can tell and whose noise differs by as little: about
one in ten thousand of those that have several best ways.  The 7.2 million different words of the library wordfreq's
lists, with XLM-R's pieces, have none.
"""

import json
import re
from collections.abc import Callable, Mapping, Sequence

import numpy as np

SPACE = "\u2581"  # what SentencePiece writes for a space
_NOISE = 0.05  # at most, in nats: a word in a hundred is cut differently with it; float32 sums err by some 1e-5
_TOGETHER = 8  # words that are cut as one text: more would make the sums larger, and so their errors
_LARGEST = 100.0  # score, either way: sums stay small enough for float32


class UnigramWords:
    """Cuts words into pieces, and says of which words that is surely what tokenizers does.

    Args:
      vocabulary: pieces and their scores (natural logarithms) in the order of their ids.
      unk_id: id of the unknown token; None: there is none.
      special: names of special tokens; no word holds one.
      normalize: word -> what the tokenizer reads.
      threads: that sentencepiece uses.

    Raises:
      ValueError: the two libraries may differ for this vocabulary; the message says why.
    """

    def __init__(
        self,
        vocabulary: Sequence[tuple[str, float]],
        unk_id: int | None,
        special: Sequence[str],
        normalize: Callable[[str], str],
        threads: int,
    ):
        names, scores_V = [name for name, _ in vocabulary], np.array([score for _, score in vocabulary])
        if why := _unlike(names, scores_V, unk_id, special):
            raise ValueError(f"sentencepiece may cut otherwise: {why}")
        self._unk_id, self._normalize, self._threads = unk_id, normalize, threads
        odd = [SPACE, *special, *map(normalize, special)]  # a token's name may be looked for as it is normalised
        self._is_odd = re.compile("|".join([r"\s", *map(re.escape, odd)])).search
        self._begins_V = np.array([name[0] == SPACE for name in names])
        self._first_V, self._last_V = (_ranks([name[place] for name in names]) for place in (0, -1))
        noise_V = np.random.default_rng(0).uniform(-_NOISE, _NOISE, len(names))
        proto = _proto(names, unk_id)
        self._models = [_model(proto, scores_V + sign * noise_V) for sign in (1, -1)]

    def encode(self, words: list[str]) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """Token ids of words that do not depend on their neighbours.

        Args:
          words: M of them, none empty and none with a special token's name in it.

        Returns:
          (tokens int32, count_M int64, sure bool [M]): the tokens one after the other and how many each word has;
          a word that is not sure has none here.
        """
        read = list(map(self._normalize, words))
        plain_M = np.array([bool(word) and self._is_odd(word) is None for word in read], bool)
        count_M = np.zeros(len(words), np.int64)
        marked = [SPACE + word for word, plain in zip(read, plain_M.tolist(), strict=True) if plain]
        if not marked:
            return np.zeros(0, np.int32), count_M, plain_M
        texts = ["".join(marked[start : start + _TOGETHER]) for start in range(0, len(marked), _TOGETHER)]
        (one, one_W), (other, other_W) = (self._cut(model, texts) for model in self._models)
        word_T = np.repeat(np.arange(len(one_W)), one_W)
        sure_W = one_W == other_W
        same_T = sure_W[word_T]
        differ_T = one[same_T] != other[np.repeat(sure_W, other_W)]
        sure_W[word_T[same_T][differ_T]] = False
        sure_W[word_T[one == self._unk_id]] = False
        alike_W = self._alike(self._first_V, one, word_T, len(one_W))
        sure_W &= ~(alike_W & self._alike(self._last_V, one, word_T, len(one_W)))
        sure_M = plain_M.copy()
        sure_M[plain_M] = sure_W
        count_M[sure_M] = one_W[sure_W]
        return one[sure_W[word_T]], count_M, sure_M

    def _cut(self, model, texts: list[str]) -> tuple[np.ndarray, np.ndarray]:
        """The tokens of marked words, one after the other, and how many each has."""
        tokens = np.array([id_ for ids in model.encode(texts, num_threads=self._threads) for id_ in ids], np.int32)
        return tokens, np.diff(np.flatnonzero(self._begins_V[tokens]), append=len(tokens))

    def _alike(self, rank_V: np.ndarray, tokens: np.ndarray, word_T: np.ndarray, words: int) -> np.ndarray:
        """bool [W]: whether two different tokens of a word have the same rank."""
        size, ranks = len(rank_V), int(rank_V.max()) + 1
        key_T = np.sort((word_T * ranks + rank_V[tokens]) * size + tokens)
        group_T = key_T // size
        again_T = (group_T[1:] == group_T[:-1]) & (key_T[1:] != key_T[:-1])
        alike_W = np.zeros(words, bool)
        alike_W[group_T[1:][again_T] // ranks] = True
        return alike_W


def read_unigram_words(
    definition: bytes, special: Sequence[str], normalize: Callable[[str], str], threads: int
) -> UnigramWords | None:
    """What a tokenizer.json with a unigram model gives; None where the two libraries may differ for its pieces."""
    model: Mapping = json.loads(definition)["model"]
    try:
        return UnigramWords(model["vocab"], model.get("unk_id"), special, normalize, threads)
    except ValueError:
        return None


def _unlike(names: list[str], scores_V: np.ndarray, unk_id: int | None, special: Sequence[str]) -> str:
    """Why sentencepiece may cut words otherwise than tokenizers; empty where it does not."""
    known, in_words = set(names), [name for name in names if name not in special or name.startswith(SPACE)]
    if unk_id is None or names[unk_id] not in special:
        return "there is no unknown token, or a text may hold its name"
    if len(known) < len(names) or "" in known or any("\0" in name for name in names):
        return "a piece is empty, is there twice or holds the character 0"
    if any(SPACE in name[1:] for name in in_words):
        return "a piece goes over a word's edge"
    if SPACE not in known or not known.issuperset("".join(in_words)):
        return "a letter of a piece is no piece: what is unknown has a score that the noise moves"
    if not np.abs(scores_V).max() <= _LARGEST:
        return f"a score is not within {_LARGEST:g} of 0"
    return ""


def _ranks(letters: list[str]) -> np.ndarray:
    return np.unique(letters, return_inverse=True)[1].astype(np.int64)


def _proto(names: list[str], unk_id: int):
    """A SentencePiece model that reads texts as they are, without scores."""
    from sentencepiece import sentencepiece_model_pb2

    proto = sentencepiece_model_pb2.ModelProto()
    proto.trainer_spec.model_type = sentencepiece_model_pb2.TrainerSpec.UNIGRAM
    spec = proto.normalizer_spec
    spec.name = "identity"
    spec.add_dummy_prefix = spec.remove_extra_whitespaces = spec.escape_whitespaces = False
    for name in names:
        proto.pieces.add(piece=name)
    proto.pieces[unk_id].type = proto.SentencePiece.UNKNOWN
    return proto


def _model(proto, scores_V: np.ndarray):
    import sentencepiece

    for piece, score in zip(proto.pieces, scores_V.tolist(), strict=True):
        piece.score = score
    model = sentencepiece.SentencePieceProcessor()
    model.LoadFromSerializedProto(proto.SerializeToString())
    return model

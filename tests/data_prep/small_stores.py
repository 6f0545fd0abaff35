"""Stores and a benchmark of a few sentences, and a tokenizer that knows their letters."""

import io
import json
from pathlib import Path

import sentencepiece

from data_prep.build_store import build_store
from data_prep.store.filters import Filters

SENTENCES = {
    "en": [
        "The harbour froze in the winter of 1709, and for eleven weeks no ship could leave or reach the town.",
        "Her second book describes how potters near the river mixed ash and clay to make their glazes.",
        "Most of the islands are home to fewer than ten families, who keep goats and grow barley and beans.",
        "A bridge of rope and wood crossed the gorge until the flood carried it away in one night.",
    ],
    "de": [
        "Im Winter 1709 fror der Hafen zu, und elf Wochen lang konnte kein Schiff die Stadt verlassen oder anlaufen.",
        "Ihr zweites Buch beschreibt, wie die Töpfer am Fluss Asche und Ton für ihre Glasuren mischten.",
        "Auf den meisten Inseln leben weniger als zehn Familien, die Ziegen halten und Gerste und Bohnen anbauen.",
        "Eine Brücke aus Seilen und Holz überspannte die Schlucht, bis die Flut sie in einer Nacht fortriss.",
    ],
}
QUESTIONS = {
    "en": [
        "When did the harbour freeze?",
        "What did the potters mix for their glazes?",
        "What do the families of the islands grow?",
        "What carried the bridge away?",
    ],
    "de": [
        "Wann fror der Hafen zu?",
        "Was mischten die Töpfer für ihre Glasuren?",
        "Was bauen die Familien der Inseln an?",
        "Was riss die Brücke fort?",
    ],
}


def make_tokenizer(folder: Path, pieces: int = 190) -> Path:
    """Writes a tokenizer of the sentences' letters and some longer pieces."""
    texts = [text for texts in (SENTENCES, QUESTIONS) for own in texts.values() for text in own]
    texts += [text.lower() for text in texts]
    model = io.BytesIO()
    sentencepiece.SentencePieceTrainer.train(
        sentence_iterator=iter(texts * 3), model_writer=model, vocab_size=pieces, character_coverage=1.0,
        pad_id=0, bos_id=1, eos_id=2, unk_id=3, hard_vocab_limit=False, minloglevel=2,
    )  # fmt: skip
    folder.mkdir(parents=True)
    (folder / "tokenizer.model").write_bytes(model.getvalue())
    return folder


def make_text_store(
    folder: Path,
    tokenizer: Path,
    queries: list[dict[str, str]],
    passages: list[dict[str, str]],
    negatives=(),
    scores=(),
) -> dict:
    """Builds a store of pair i of query i and passage i, each language -> text; `negatives[i]` are passage numbers.

    `scores[i]`, if there are any, are a teacher's scores of pair i and of each of its negatives.
    """
    negatives = negatives or [[] for _ in queries]
    tables = {
        side: [
            {"id": str(number), "language": code, "text": text}
            for number, item in enumerate(items)
            for code, text in item.items()
        ]
        for side, items in (("queries", queries), ("passages", passages))
    }
    tables["pairs"] = [
        {"query": str(number), "passage": str(number), "group": str(number), "negatives": [str(row) for row in rows]}
        for number, rows in enumerate(negatives)
    ]
    for pair, (first, *others) in zip(tables["pairs"], scores, strict=False):
        pair |= {"score": [first], "negative_scores": others}
    given = {"records": tables.__getitem__, "filters": Filters(drop_equal=False)}
    return build_store("made", "train", "unused", folder, tokenizer, **given)


def make_benchmark(folder: Path, queries: list[tuple[str, str]], candidates: list[tuple[str, str]]) -> Path:
    """Writes a benchmark in the three-file layout: (language, text) each; query i is answered by candidate i."""
    folder.mkdir(parents=True)
    for name, letter, texts in (("queries.jsonl", "q", queries), ("candidates.jsonl", "c", candidates)):
        lines = [
            json.dumps({"id": f"{letter}{number}", "item": str(number), "language": code, "text": text})
            for number, (code, text) in enumerate(texts)
        ]
        (folder / name).write_text("\n".join(lines) + "\n", encoding="utf-8")
    judged = [f"q{number} 0 c{number} 1" for number in range(len(queries))]
    (folder / "qrels.trec").write_text("\n".join(judged) + "\n", encoding="utf-8")
    return folder

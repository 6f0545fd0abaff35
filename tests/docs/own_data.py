"""Stand-ins for the files that docs/own_data.md names, made of a few of the world facts."""

from pathlib import Path

from data_prep.facts.groups import groups_by_split
from tests.data_prep.sources.pairs.small_files import write, write_beir

PARTS = {"train": "train", "validation": "dev"}  # split -> word in the files' names


def write_own_data(folder: Path) -> None:
    """tevatron/*.jsonl, nfcorpus/ in BEIR's layout, triplets/data/*.parquet."""
    facts = groups_by_split(0)  # many, because a tokenizer is trained on those in English
    english = {part: [group.texts["en"] for group in facts[split][:500]] for split, part in PARTS.items()}
    corpus, queries, qrels = [], [], {}
    for part, rows in english.items():
        documents = [{"docid": f"{part}{n}", "title": "", "text": text} for n, (_, text) in enumerate(rows)]
        lines = [
            {"query_id": f"{part}{n}", "query": query, "positive_passages": [documents[n]],
             "negative_passages": [document for document in documents[n - 1 : n] if document["text"] != text]}
            for n, (query, text) in enumerate(rows)
        ]  # fmt: skip
        write(folder / "tevatron" / f"{part}.jsonl", lines)
        corpus += [{"_id": one["docid"], "title": "", "text": one["text"]} for one in documents]
        queries += [{"_id": one["query_id"], "text": one["query"]} for one in lines]
        qrels[part] = "".join(f"{one['query_id']}\t{one['query_id']}\t1\n" for one in lines)
    write_beir(folder / "nfcorpus", corpus, queries, qrels)
    triplets = [
        {"anchor": query, "positive": text, "negative": "?", "lang": code}
        for group in facts["train"][:20]
        for code, (query, text) in group.texts.items()
    ]
    write(folder / "triplets" / "data" / "train-00000-of-00001.parquet", triplets)

"""What a source made of its fixture, read back from the three tables."""

from pathlib import Path

from data_prep.sources import registry

FIXTURES = Path(__file__).parent / "fixtures"


def rows(source, raw_dir, split="train", fixture=None, **settings):
    """(query, passage, negatives, group) of each pair, the items as {language: text}."""
    settings = {"input_dir": FIXTURES / (fixture or source)} | settings
    texts = {}
    for table in ("queries", "passages"):
        items = texts[table] = {}
        for record in registry.records(source, table, split, raw_dir, **settings):
            assert record["language"] not in items.setdefault(record["id"], {})
            items[record["id"]][record["language"]] = record["text"]
    return [
        (
            texts["queries"][pair["query"]],
            texts["passages"][pair["passage"]],
            [texts["passages"][name] for name in pair["negatives"]],
            pair["group"],
        )
        for pair in registry.records(source, "pairs", split, raw_dir, **settings)
    ]


def dropped(source, raw_dir, split="train", fixture=None, **settings):
    """Reason -> count of what the source left out of a split."""
    settings = {"input_dir": FIXTURES / (fixture or source)} | settings
    return registry.builder(source, "pairs", raw_dir, **settings).info.metadata["dropped"].get(split, {})

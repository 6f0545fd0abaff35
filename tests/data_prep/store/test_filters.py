"""What a store leaves out: by hand, and with the counts that the manifest holds."""

import collections

import numpy as np
import pytest

from data_prep.build_store import build_store
from data_prep.store.filters import DUPLICATE, EQUAL, Filters, pair_ids
from data_prep.store.pairs import NO_QUERY
from hbt_jax.data.store import open_store
from hbt_jax.errors import InputError
from hbt_jax.text_identity import Folding, caseless_keys
from tests.data_prep.source_rows import FIXTURES
from tests.data_prep.test_build_store import build, tokenizer_folder  # noqa: F401

TEXTS = {"q1": {"de": "Wo?", "ru": "Где"}, "q2": {"de": "Lima", "ru": "Lima"}, "q3": {"de": "Wer?"}}
PASSAGES = {"p1": {"de": "In Lima am Meer", "ru": "В Лиме"}, "p2": {"de": " LIMA ", "ru": "Лима"}, "p3": {"ru": "42"}}
PAIRS = [("q1", "p1", ["p2"]), ("q2", "p2", []), ("q1", "p1", ["p2"]), ("q1", "p1", ["p2", "p3"]), ("q3", "p1", [])]


def tables(table):
    if table == "pairs":
        return [{"query": q, "passage": p, "group": q, "negatives": others} for q, p, others in PAIRS]
    items = TEXTS if table == "queries" else PASSAGES
    return [{"id": id_, "language": code, "text": text} for id_, by in items.items() for code, text in by.items()]


@pytest.mark.parametrize(("filters", "dropped", "pairs"), [
    (Filters(), {EQUAL: 1, DUPLICATE: 1}, 3),
    (Filters(drop_equal=False), {DUPLICATE: 1}, 4),
    (Filters(drop_duplicates=False), {EQUAL: 1}, 4),
    (Filters(shortest_text=4), {"texts of fewer than 4 characters": 3, NO_QUERY: 3, EQUAL: 1}, 1),
    (Filters(longest_text=14), {"texts of more than 14 characters": 1, EQUAL: 1, DUPLICATE: 1}, 3),
    (Filters(script_share=0.5),
     {"texts with less than 0.5 of their letters in the script of their language": 1, EQUAL: 1, DUPLICATE: 1}, 3),
])  # fmt: skip
def test_each_filter_counts_what_it_leaves_out(tmp_path, tokenizer_folder, filters, dropped, pairs):  # noqa: F811
    manifest = build_store(
        "made", "train", "raw", tmp_path / "store", tokenizer_folder, records=tables, filters=filters
    )
    assert manifest["dropped"] == dropped
    assert manifest["pairs"]["rows"] == pairs
    assert manifest["filters"]["shortest_text"] == filters.shortest_text
    open_store(tmp_path / "store")


def test_what_is_left_out_is_said_when_nothing_is_left(tmp_path, tokenizer_folder):  # noqa: F811
    def equal(table):
        return [row for row in tables(table) if table != "pairs" or row["query"] == "q2"]

    with pytest.raises(InputError, match=r"\(left out: 1 pairs whose query equals .*; --nodrop_equal keeps some"):
        build_store("made", "train", "raw", tmp_path / "store", tokenizer_folder, records=equal)


@pytest.mark.parametrize("source", ["parallel", "wordpairs", "coco35l", "cc3m35l"])
def test_sources_whose_queries_are_their_passages_lose_no_pair(tmp_path, tokenizer_folder, source):  # noqa: F811
    manifest = build_store(
        source, "train", tmp_path / "raw", tmp_path / "store", tokenizer_folder, input_dir=FIXTURES / source
    )
    assert manifest["filters"]["drop_equal"] is False and EQUAL not in manifest["dropped"]
    assert manifest["pairs"]["rows"] > 0


def test_the_first_reason_counts_and_texts_without_letters_stay():
    kept, counts = Filters(shortest_text=2, longest_text=9, script_share=0.5).keep(
        ["?", "Лима", "Lima", "12:30", "Лима Lima", "Лима, столица"], "ru"
    )
    assert kept.tolist() == [False, True, False, True, True, False]
    assert counts == collections.Counter({
        "texts of fewer than 2 characters": 1, "texts of more than 9 characters": 1,
        "texts with less than 0.5 of their letters in the script of their language": 1,
    })  # fmt: skip


@pytest.mark.parametrize(("given", "message"), [
    ({"shortest_text": -1}, "--shortest_text=-1: expected at least 0"),
    ({"script_share": 1.5}, "--script_share=1.5: expected at most 1"),
])  # fmt: skip
def test_a_wrong_value_is_named(given, message):
    with pytest.raises(InputError, match=message):
        Filters(**given)


def test_case_and_spaces_make_no_other_content_and_other_forms_only_where_the_tokenizer_tells_them_apart():
    texts = ["Straße  7 ", "STRASSE 7", "stra\u00adße 7\u200b", "Ｓtraße 7", "Straße 8"]
    one, other, invisible, wide, third = caseless_keys(texts, Folding())
    assert one == other == invisible and len({one, wide, third}) == 3
    one, *same, third = caseless_keys(texts, Folding(compatibility=True))
    assert {one, *same} == {one} and one != third


@pytest.mark.parametrize(("one", "other"), [
    ("IŞIK", "ışık"), ("Işık", "ışık"), ("İSTANBUL", "istanbul"), ("ISTANBUL", "istanbul"), ("İstanbul", "Istanbul"),
    ("I\u0307zmir", "İZMİR"), ("i\u0307zmir", "izmir"), ("İSTANBUL".lower(), "istanbul"), ("ışık".upper(), "ışık"),
    ("QIZIL İL", "qızıl il"), ("ı\u0301", "Í"), ("Ìlẹ̀", "ìlẹ̀"),
])  # fmt: skip
@pytest.mark.parametrize("folding", [Folding(), Folding(compatibility=True), Folding(case=True, accents=True)])
def test_the_case_of_the_turkic_i_makes_no_other_content(one, other, folding):
    first, second, another = caseless_keys([one, other, one + "s"], folding)
    assert first == second != another


@pytest.mark.parametrize(("one", "other"), [("ilk", "elk"), ("ışık", "ısık"), ("Íl", "il"), ("Ïl", "il"), ("ił", "il")])
def test_other_letters_beside_the_turkic_i_make_another_content(one, other):
    first, second = caseless_keys([one, other], Folding())
    assert first != second


def test_pairs_are_equal_by_the_turkic_i_in_the_language_that_has_them(tmp_path, tokenizer_folder):  # noqa: F811
    queries = {"a": {"tr": "Işık İLİ"}, "b": {"tr": "Deniz", "az": "QIZIL İL"}, "c": {"tr": "Ev", "az": "dağ"}}
    passages = {"a": {"tr": "ışık ili"}, "b": {"tr": "Bir su", "az": "qızıl il"}, "c": {"tr": "Bir yer", "az": "Uca"}}

    def records(table):
        if table == "pairs":
            return [{"query": id_, "passage": id_, "group": id_, "negatives": []} for id_ in queries]
        items = queries if table == "queries" else passages
        return [{"id": id_, "language": code, "text": text} for id_, by in items.items() for code, text in by.items()]

    manifest = build_store("made", "train", "raw", tmp_path / "store", tokenizer_folder, records=records)
    assert manifest["dropped"] == {EQUAL: 2} and manifest["pairs"]["rows"] == 1


def test_the_order_of_negatives_makes_no_other_pair_but_any_other_row_does():
    query, passage = np.array([1, 1, 1, 2, 1, 1]), np.array([5, 5, 5, 5, 6, 5])
    negatives, counts = np.array([8, 9, 9, 8, 8, 8, 9, 8, 9]), np.array([2, 2, 1, 2, 2, 0])
    ids = pair_ids(query, passage, negatives, counts)
    assert (ids[0] == ids[1]).all()
    assert len({tuple(row) for row in ids.tolist()}) == 5


def test_a_negative_that_no_language_holds_makes_no_other_pair(tmp_path, tokenizer_folder):  # noqa: F811
    pair = {"query": "q2", "passage": "p2", "group": "none", "negatives": []}
    manifest = build(tmp_path / "store", tokenizer_folder, pairs=[pair, pair | {"negatives": ["p9"]}])
    assert manifest["pairs"]["rows"] == 1 and manifest["dropped"][DUPLICATE] == 1

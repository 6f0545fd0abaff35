"""One text is one item: however it is typed, in whichever languages it comes, through sources, stores and masks."""

import doctest
import json
import unicodedata

import numpy as np
import pytest

from data_prep.build_store import build_store, summary
from data_prep.builders.row import BadRow, Dropped
from data_prep.inspect_store import inspect_store
from data_prep.sources import registry
from data_prep.sources.jsonl import AGAIN, rows
from data_prep.store import classes as store_classes
from data_prep.store.classes import class_warnings, classes, first_with, is_large, repeated
from data_prep.store.clean_copy import write_clean_copy
from data_prep.store.filters import DUPLICATE, EQUAL, Filters
from hbt_jax.config.learning import PlanConfig, TextConfig
from hbt_jax.data.audit import describe
from hbt_jax.data.identity import Classes
from hbt_jax.data.mixture import Mixture
from hbt_jax.data.pipeline import packed_batch
from hbt_jax.data.plan import Plan
from hbt_jax.data.store import open_store
from hbt_jax.models.tokenizer import load_tokenizer
from tests.data_prep.small_stores import make_tokenizer
from tests.models.huggingface import make_tokenizers

VARIANTS = {
    "decomposed": lambda text: unicodedata.normalize("NFD", text),
    "outer spaces": lambda text: f"\u3000{text} \n",
    "two spaces": lambda text: text.replace(" ", "  "),
    "no-break spaces": lambda text: text.replace(" ", "\u00a0"),
    "zero width": lambda text: text[:2] + "\u200b" + text[2:] + "\ufeff",
    "soft hyphen": lambda text: text[:3] + "\u00ad" + text[3:],
}
WIDE = str.maketrans({letter: chr(ord(letter) + 0xFEE0) for letter in "abcdefghijklmnopqrstuvwxyz"})
FORMS = {
    "full width": lambda text: text.translate(WIDE),
    "ligature": lambda text: text.replace("fi", "ﬁ"),
}


@pytest.fixture(scope="module")
def tokenizer(tmp_path_factory):
    return make_tokenizer(tmp_path_factory.mktemp("tokenizer") / "nfkc")


@pytest.fixture(scope="module")
def apart(tmp_path_factory):
    """A tokenizer that tells compatibility forms apart."""
    return make_tokenizers.bert(tmp_path_factory.mktemp("tokenizer") / "bert")


def lines_of(folder, lines):
    folder.mkdir(exist_ok=True)
    text = "".join(json.dumps(line, ensure_ascii=False) + "\n" for line in lines)
    (folder / "train.jsonl").write_text(text, encoding="utf-8")
    return folder


def built(folder, lines, tokenizer, **settings):
    """The store of rows of JSON lines, and its manifest."""
    given = {"input_dir": lines_of(folder / "in", lines), **settings}
    manifest = build_store("jsonl", "train", folder / "raw", folder / "store", tokenizer, **given)
    return open_store(folder / "store"), manifest


def made(folder, tokenizer, queries, passages, pairs, filters=None):
    """The store of items {id: {language: text}} and pairs (query, passage, group, negatives), and its manifest."""

    def records(table):
        if table == "pairs":
            return [dict(zip(("query", "passage", "group", "negatives"), pair, strict=True)) for pair in pairs]
        items = queries if table == "queries" else passages
        return [
            {"id": name, "language": code, "text": text} for name, item in items.items() for code, text in item.items()
        ]

    manifest = build_store("made", "train", "raw", folder, tokenizer, records=records, filters=filters)
    return open_store(folder), manifest


def false_negatives(store, tokenizer, *, batch, negatives=0, batching="x-x-mono"):
    """How many passages a batch masks that are there, and how many are absent."""
    plan = Plan(Mixture([store]), PlanConfig(batching=batching, global_batch=batch, negatives=negatives), seed=0)
    text = TextConfig("", "", query_length=64, passage_length=128, row_length=256)
    packed = packed_batch(plan, text, load_tokenizer(tokenizer), 0, range(1), 1)
    return int(packed["false_negatives"].sum())


@pytest.mark.parametrize("name", VARIANTS)
def test_a_copy_typed_differently_is_merged_by_the_source(tmp_path, tokenizer, name):
    vary = VARIANTS[name]
    pairs = [
        ("¿Dónde está Málaga?", "Málaga está aquí, en la costa."),
        ("¿Dónde está Köln?", "Köln está allí, al norte."),
    ]
    lines = [{"query": {"es": query}, "passage": {"es": passage}} for query, passage in pairs]
    typed = [{"query": {"es": vary(query)}, "passage": {"es": vary(passage)}} for query, passage in pairs]
    store, manifest = built(tmp_path, [*lines, *typed], tokenizer)
    assert (store.queries.rows, store.passages.rows, len(store.pairs)) == (2, 2, 2)
    assert manifest["dropped"] == {DUPLICATE: 2} and manifest["merged"] == {"queries": 2, "passages": 2}
    kept = next(registry.records("jsonl", "passages", "train", tmp_path / "raw", input_dir=tmp_path / "in"))
    assert kept["text"] == pairs[0][1]
    assert "2 passages differ from another only in normal form, spaces or invisible characters: merged with it" in (
        "\n".join(summary(manifest))
    )


@pytest.mark.parametrize("name", [*VARIANTS, *FORMS])
def test_items_of_a_source_with_ids_are_one_by_their_texts(tmp_path, tokenizer, name):
    vary = {**VARIANTS, **FORMS}[name]
    query, passage = "the first river", "é fish live in the first river"
    store, manifest = made(
        tmp_path / "store", tokenizer, {"1": {"en": query}, "2": {"en": vary(query)}},
        {"1": {"en": passage}, "2": {"en": vary(passage)}}, [("1", "1", "a", []), ("2", "2", "b", [])],
    )  # fmt: skip
    assert store.identity.query_Q.tolist() == store.identity.passage_N.tolist() == [0, 0]
    assert len(store.pairs) == 1 and manifest["dropped"] == {DUPLICATE: 1}
    assert manifest["passages"]["identity"]["shared"] == 2 and manifest["shared_texts"]["passages"]["items"] == 2


@pytest.mark.parametrize("name", FORMS)
def test_a_form_that_the_tokenizer_tells_apart_is_another_text(tmp_path, apart, name):
    query, passage = "the first river", "fish live in the first river"
    assert FORMS[name](query) != query
    store, manifest = made(
        tmp_path / "store", apart, {"1": {"en": query}, "2": {"en": FORMS[name](query)}},
        {"1": {"en": passage}, "2": {"en": FORMS[name](passage)}}, [("1", "1", "a", []), ("2", "2", "b", [])],
    )  # fmt: skip
    assert store.identity.query_Q.tolist() == store.identity.passage_N.tolist() == [0, 1]
    assert len(store.pairs) == 2 and not manifest["dropped"] and not manifest["folding"]["compatibility"]


def test_words_that_the_tokenizer_does_not_know_are_not_one_text(tmp_path, tokenizer):
    thai = [f"ประเทศ{letter}" for letter in "กขคงจ"]
    passages = {letter: {"th": text} for letter, text in zip("abcde", thai, strict=True)}
    queries = {letter: {"th": f"{text}ไหน"} for letter, text in zip("abcde", thai, strict=True)}
    store, _ = made(tmp_path / "store", tokenizer, queries, passages, [(one, one, one, []) for one in "abcde"])
    assert len({tuple(store.passages.tokens["th"].values[2 * row : 2 * row + 2].tolist()) for row in range(5)}) == 1
    assert store.identity.passage_N.tolist() == store.identity.query_Q.tolist() == [*range(5)]


PARKS = [
    ({"en": f"How many parks has {city}?", "de": f"Wie viele Parks hat {city}?"}, f"{city} has {number} large parks.",
     f"{city} hat {number} große Parks.", {"en": f"Which city is {city}?"})
    for number, city in enumerate(("Lima", "Oslo", "Rome", "Cairo"), start=3)
]  # fmt: skip


@pytest.mark.parametrize(("one", "other"), [
    ("the harbour,a train", "the harbour , a train"),  # BERT cuts at punctuation
    ("HAN a train", "H A N a train"),  # and around Chinese characters
])  # fmt: skip
def test_texts_of_the_same_tokens_are_one(tmp_path, apart, one, other):
    tokenizer = load_tokenizer(apart)
    vocabulary = json.loads((apart / "tokenizer.json").read_text(encoding="utf-8"))["model"]["vocab"]
    known = sorted(piece for piece in vocabulary if "\u4e00" <= piece <= "\u9fff" and len(piece) == 1)
    one, other = (text.translate(dict(zip(map(ord, "HAN"), known[:3], strict=True))) for text in (one, other))
    (tokens, offsets) = tokenizer.encode([one, other])
    assert tokens[: offsets[1]].tolist() == tokens[offsets[1] :].tolist() and tokenizer.unk_id not in tokens
    passages = {"a": {"en": one}, "b": {"en": other}, "c": {"en": "a train"}}
    queries = {"q": {"en": "a harbour"}, "r": {"en": "the capital"}}
    store, manifest = made(tmp_path / "made", apart, queries, passages, [("q", "a", "g", ["b"]), ("r", "c", "h", [])])
    assert manifest["passages"]["identity"] == {**manifest["passages"]["identity"], "shared": 2, "classes": 1}
    assert manifest["pairs"]["answering_negatives"] == 1


@pytest.mark.parametrize("whole", [True, False])
def test_a_passage_in_other_languages_is_the_same_one(tmp_path, tokenizer, whole):
    lines = []
    for both, english, german, other in PARKS:
        passage = {"en": english, "de": german}
        lines += [
            {"query": both, "passage": passage}, {"query": other, "passage": passage if whole else {"en": english}},
        ]  # fmt: skip
    store, manifest = built(tmp_path, lines, tokenizer)
    assert len(store.pairs) == 8 and len(set(store.identity.passage_N.tolist())) == 4
    said = "8 of 8 passages share a text with another in some language and count as one with it: 4 classes, the"
    assert (said in "\n".join(summary(manifest))) == (not whole)
    assert any("share a text" in line for line in inspect_store(store.path)) == (not whole)
    plan = Plan(Mixture([store]), PlanConfig(batching="x-x", global_batch=8), seed=0)
    described = "jsonl/train: 8 of 8 passages share a text with another in some language: the loss counts them as one"
    assert (described in describe(plan)) == (not whole)
    assert false_negatives(store, tokenizer, batch=8, batching="x-x") == 8  # each pair's passage and its copy


def test_a_chain_over_three_languages_is_one_class_and_the_table_says_so():
    class Column:
        def __init__(self, keys):
            self.keys = np.array(keys, np.uint64)

        def rows(self, count):
            return self.keys[:count]

    columns = {"en": Column([7, 0, 7, 0, 5, 0]), "de": Column([0, 9, 9, 0, 0, 4]), "fr": Column([0, 3, 0, 3, 0, 0])}
    same, shared = classes(columns, {}, 6)
    assert same.tolist() == [0, 0, 0, 0, 4, 5] and same.dtype == np.int32
    assert (shared.language, shared.items, shared.row) == ("en", 2, 0)
    none, shared = classes({"en": Column([1, 2, 0, 0])}, {}, 4)
    assert none.tolist() == [0, 1, 2, 3] and shared is None


@pytest.mark.parametrize(("largest", "rows", "large"), [
    (101, 10**6, True), (100, 10**6, False), (11, 1000, True), (10, 500, False), (50, 10_000, False), (2, 2, False),
])  # fmt: skip
def test_which_classes_are_large(largest, rows, large):
    assert is_large(Classes(largest, 1, largest), rows) == large


def test_examples_of_the_docstrings():
    found = doctest.testmod(store_classes)
    assert found.attempted and not found.failed


def test_repeated_keys_of_many_rows(monkeypatch):
    monkeypatch.setattr("data_prep.store.classes._CHUNK", 7)
    keys = np.random.default_rng(0).integers(0, 40, 60).astype(np.uint64)
    rows_found, first = repeated(keys)
    wanted = [row for row in range(60) if keys[row] and (keys == keys[row]).sum() > 1]
    assert sorted(rows_found.tolist()) == wanted
    assert first.tolist() == [int(np.flatnonzero(keys == keys[row])[0]) for row in rows_found.tolist()]
    assert first_with(keys).tolist() == [
        int(np.flatnonzero(keys == key)[0]) if key else row for row, key in enumerate(keys.tolist())
    ]


@pytest.mark.parametrize(("negative", "masked"), [
    ("Rome is a capital.", True), (" Ro\u200bme is a  capital.", True), ("Rome is a town.", False),
])  # fmt: skip
def test_a_negative_that_another_row_gives_as_a_positive_is_masked(tmp_path, tokenizer, negative, masked):
    lines = [
        {"query": "capital in Europe?", "passage": "Paris is a capital.", "language": "en", "negatives": [negative]},
        {"query": "capital in  Europe? ", "passage": "Rome is a capital.", "language": "en"},
    ]
    store, manifest = built(tmp_path, lines, tokenizer)
    assert manifest["pairs"]["answering_negatives"] == masked
    said = "1 explicit negatives answer their own query through another pair or group: the loss masks them"
    assert (f"  {said}" in summary(manifest)) == masked == (f"  {said}" in list(inspect_store(store.path)))
    assert false_negatives(store, tokenizer, batch=2) == 2
    assert false_negatives(store, tokenizer, batch=2, negatives=1) == 2 + 2 * masked


def test_a_negative_is_masked_that_answers_by_a_copy_of_the_query_or_of_the_passage_or_by_a_group(tmp_path, tokenizer):
    queries = {"1": {"en": "Who?", "de": "Wer?"}, "2": {"de": " Wer?"}, "3": {"en": "What?"}, "4": {"en": "Where?"}}
    passages = {
        "a": {"en": "A man."},
        "b": {"en": "A boy."},
        "c": {"en": "A boy. "},
        "d": {"en": "Here."},
        "e": {"en": "No."},
    }
    pairs = [("1", "a", "g", ["c", "d", "e"]), ("2", "b", "h", []), ("3", "b", "i", []), ("4", "d", "g", [])]
    store, manifest = made(tmp_path / "store", tokenizer, queries, passages, pairs)
    assert store.identity.query_Q.tolist() == [0, 0, 2, 3] and store.identity.passage_N.tolist() == [0, 1, 1, 3, 4]
    assert manifest["pairs"]["answering_negatives"] == 2  # c as b's copy, by the copy of the query; d by the group


def test_a_pair_is_dropped_only_where_no_text_is_lost(tmp_path, tokenizer):
    queries = {
        "1": {"en": "Who?", "de": "Wer?"},
        "2": {"en": "Who? ", "de": "Wer?"},
        "3": {"en": "Who?"},
        "4": {"en": "Who else?", "de": "Wer?"},
    }
    pairs = [(name, "a", name, []) for name in queries]
    store, manifest = made(tmp_path / "store", tokenizer, queries, {"a": {"en": "A man."}}, pairs)
    assert set(store.identity.query_Q.tolist()) == {0}
    assert store.pairs.query_A.tolist() == [0, 2, 3] and manifest["dropped"] == {DUPLICATE: 1}


def test_what_a_dropped_pair_says_is_kept(tmp_path, tokenizer):
    queries = {"1": {"en": "Who?"}, "2": {"en": "Who is she?"}, "3": {"en": "Lima"}}
    passages = {"a": {"en": "A man."}, "b": {"en": "A girl."}, "c": {"en": "LIMA"}, "d": {"en": "A town."}}
    pairs = [
        ("1", "a", "g", []),
        ("1", "a", "h", []),
        ("2", "b", "h", ["a"]),
        ("3", "c", "i", []),
        ("3", "d", "j", ["c"]),
    ]
    store, manifest = made(tmp_path / "store", tokenizer, queries, passages, pairs)
    assert manifest["dropped"] == {DUPLICATE: 1, EQUAL: 1} and len(store.pairs) == 3
    assert manifest["pairs"]["answering_negatives"] == 2  # a by the group of the repeated pair, c by the equal one


def test_a_generic_text_is_warned_of(tmp_path, tokenizer):
    queries = {str(number): {"en": f"Is {number} even?"} for number in range(40)}
    passages = {str(number): {"en": "yes" if number < 12 else f"no, {number}"} for number in range(40)}
    pairs = [(str(number), str(number), str(number), []) for number in range(40)]
    store, manifest = made(tmp_path / "store", tokenizer, queries, passages, pairs)
    said = "12 of 40 passages count as one, joined by texts that they share in some language; 12 have 'yes' (en): none"
    assert summary(manifest)[-1].startswith(f"warning: {said}")
    printed = list(inspect_store(store.path))
    assert sum(line.startswith(f"warning: {said}") for line in printed) == 1 and "no warnings" not in printed
    few = {**manifest, "passages": {**manifest["passages"], "identity": {"shared": 10, "classes": 1, "largest": 10}}}
    assert not list(class_warnings(few, ["queries", "passages"]))


def test_a_clean_copy_masks_as_before(tmp_path, tokenizer):
    queries = {"1": {"en": "Who?", "de": "Wer?"}, "2": {"de": "Wer?"}, "3": {"en": "What?"}}
    passages = {
        "a": {"en": "A man.", "de": "Ein Mann."},
        "b": {"de": "Ein Hund."},
        "c": {"en": "A house."},
        "d": {"de": "Ein  Mann."},
    }
    pairs = [("1", "b", "g", ["d"]), ("2", "a", "h", ["b", "c"]), ("3", "c", "i", []), ("3", "d", "i", ["a"])]
    store, manifest = made(tmp_path / "store", tokenizer, queries, passages, pairs)
    assert manifest["pairs"]["answering_negatives"] == 3
    masks = {"queries": np.array([1, 0, 0], np.uint64), "passages": np.array([0, 0, 0, 0], np.uint64)}
    entry = write_clean_copy(store, masks, tmp_path / "copy", {}, load_tokenizer(tokenizer))
    copy = open_store(tmp_path / "copy")
    assert copy.identity.query_Q.tolist() == [0, 1] and copy.identity.passage_N.tolist() == [0, 1, 2, 0]
    asked, passage = copy.identity.asked.of(np.arange(4))
    noted = {*copy.identity.answers.of(np.array([0]))[0].tolist(), *passage[asked == 0].tolist()}
    assert noted == {0, 1}  # passage b, too, by a query that is left out
    assert entry["pairs"]["answering_negatives"] == 2 and entry["queries"]["identity"]["shared"] == 0
    assert "folding" in entry and "shared_texts" not in entry


@pytest.mark.parametrize("name", VARIANTS)
def test_names_of_groups_and_rows_are_texts_too(tmp_path, name):
    def line(code, group, **more):
        return json.dumps({"query": f"q {code}", "passage": f"p {code}", "language": code, "group": group, **more})

    group = "São Tomé"
    path = tmp_path / "train.jsonl"
    path.write_text(f"{line('en', group)}\n{line('pt', VARIANTS[name](group))}\n", encoding="utf-8")
    (row,) = rows(path)
    assert sorted(row.query) == ["en", "pt"] and row.group == f"group {group}"
    lines = [{"id": id_, "query": {"en": "q"}, "passage": {"en": "p"}} for id_ in (group, VARIANTS[name](group))]
    path.write_text("".join(json.dumps(line) + "\n" for line in lines), encoding="utf-8")
    first, second = rows(path)
    assert first.group == f"row {group}" and isinstance(second, BadRow) and "duplicate id" in str(second)


@pytest.mark.parametrize("name", VARIANTS)
def test_a_row_of_a_group_given_twice_is_one_and_its_negatives_stay(tmp_path, name):
    vary, text = VARIANTS[name], {"query": "¿Dónde está Málaga?", "passage": "Málaga está aquí."}
    lines = [
        {**text, "negatives": ["No sé nada."]},
        {**{key: vary(one) for key, one in text.items()}, "negatives": ["Nada."]},
    ]
    lines = [{**line, "language": "es", "group": "g"} for line in lines]
    path = lines_of(tmp_path / "in", lines) / "train.jsonl"
    again, row = rows(path)
    assert again == Dropped(AGAIN)
    assert (row.query, row.passage) == ({"es": text["query"]}, {"es": text["passage"]})
    assert row.negatives == ({"es": "No sé nada."}, {"es": "Nada."})
    lines[1]["passage"] = "Málaga está allí."
    lines_of(tmp_path / "in", lines)
    wrong, row = rows(path)
    assert isinstance(wrong, BadRow) and "already has a row in 'es'" in str(wrong)


@pytest.mark.parametrize("name", VARIANTS)
def test_a_negative_that_is_the_rows_own_passage_is_told_however_it_is_typed(tmp_path, name):
    passage = "Málaga está aquí."
    line = {"query": {"es": "q"}, "passage": {"es": passage, "en": "p"}, "negatives": [{"es": VARIANTS[name](passage)}]}
    (wrong,) = rows(lines_of(tmp_path / "in", [line]) / "train.jsonl")
    assert isinstance(wrong, BadRow) and "negatives[0] equals the row's own passage in 'es'" in str(wrong)


@pytest.mark.parametrize("empty", ["\u200b", " \ufeff\u00a0", "\u00ad"])
def test_a_text_without_a_visible_sign_is_empty(tmp_path, empty):
    (wrong,) = rows(lines_of(tmp_path / "in", [{"query": {"es": empty}, "passage": {"es": "p"}}]) / "train.jsonl")
    assert isinstance(wrong, BadRow) and "query.es is empty: fill it in" in str(wrong)


@pytest.mark.parametrize("name", [*VARIANTS, "full width"])
def test_a_query_that_is_its_passage_is_left_out_however_it_is_typed(tmp_path, tokenizer, name):
    vary = {**VARIANTS, **FORMS}[name]
    store, manifest = made(
        tmp_path / "store", tokenizer, {"1": {"en": "the first été"}, "2": {"en": "Who?"}},
        {"1": {"en": vary("The FIRST été")}, "2": {"en": "A man."}}, [("1", "1", "a", []), ("2", "2", "b", [])],
    )  # fmt: skip
    assert manifest["dropped"] == {EQUAL: 1} and len(store.pairs) == 1


def test_parallel_lines_and_word_pairs_typed_differently_are_one(tmp_path, tokenizer):
    folder = tmp_path / "parallel"
    folder.mkdir()
    (folder / "en.txt").write_text("The river\n\u200b\nThe  river\u200b\nA lake\n", encoding="utf-8")
    decomposed = unicodedata.normalize("NFD", "El río")
    (folder / "es.txt").write_text(f"El río\nUn río\n{decomposed}\nUn lago\n", encoding="utf-8")
    given = {"input_dir": folder, "filters": Filters(drop_equal=False)}
    manifest = build_store("parallel", "train", tmp_path / "raw", tmp_path / "store", tokenizer, **given)
    assert manifest["pairs"]["rows"] == 2 and manifest["dropped"][DUPLICATE] == 1
    assert manifest["dropped"]["blank lines, counted per language"] == 1
    words = tmp_path / "wordpairs"
    words.mkdir()
    lines = [
        ("café", "kahawa"),
        ("cafe\u0301 ", "kahawa"),
        ("te", "chai"),
        ("te\u0301", "chai nyeusi"),
        ("té", "majani"),
    ]
    (words / "a.tsv").write_text("es\tsw\n" + "".join(f"{one}\t{other}\n" for one, other in lines), encoding="utf-8")
    made = list(registry.records("wordpairs", "pairs", "train", tmp_path / "raw", input_dir=words))
    groups = [pair["group"] for pair in made]
    assert len(groups) == 4 and groups[2] == groups[3] and len(set(groups)) == 3

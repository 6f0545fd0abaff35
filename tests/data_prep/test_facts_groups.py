"""Facts and their words: names are the language's own, held-out facts are learnable and disjoint."""

import collections
import string

import pytest

from data_prep import facts_counts, facts_groups
from data_prep.facts_groups import MOST_ANSWERS, SPLITS, all_groups, groups_by_split, words
from data_prep.facts_names import LANGUAGES, ambiguous, names
from data_prep.facts_relations import INVERSES, RELATIONS, Fact


def _group(name):
    return next(group for group in all_groups()[0] if group.fact.id == name)


def test_words_cover_every_language_and_relation_with_different_words_on_both_sides():
    assert set(words()) == set(LANGUAGES)
    for language, table in words().items():
        assert set(table) == set(RELATIONS) | {"question", "record", "comma"}, language
        phrases = [phrase for relation in RELATIONS for phrase in table[relation]]
        assert len(set(phrases)) == 2 * len(RELATIONS), f"{language} says two things in the same words"
        fields = [name for key in ("question", "record") for _, name, _, _ in string.Formatter().parse(table[key])]
        assert [name for name in fields if name] == ["x", "q", "x", "p", "y"], language


def test_there_are_enough_facts_and_every_language_states_most_of_them():
    groups, _ = all_groups()
    assert len(groups) >= 1500
    assert len({group.fact.id for group in groups}) == len(groups)
    stated = collections.Counter(language for group in groups for language in group.texts)
    assert set(stated) == set(LANGUAGES)
    assert min(stated.values()) > len(groups) / 2


def test_known_facts_in_words():
    assert _group("currency/FR").texts["en"] == ("France: currency?", "France – people pay with: Euro.")
    assert _group("currency/FR").texts["de"] == ("Frankreich: Währung?", "Frankreich – bezahlt wird mit: Euro.")
    assert _group("first_day/US").texts["zh"][1].endswith("星期日。")
    assert _group("first_day/DE").texts["quz"][1].endswith("Lunes.")
    assert "Cyrillic" in _group("script/ru").texts["en"][1]
    assert _group("official_languages/CH").fact.answers == ("de", "gsw", "fr", "it")


def test_a_language_without_the_name_drops_out_and_english_never_stands_in():
    assert "Europe/Berlin" not in names("de")["city"] and names("en")["city"]["Europe/Berlin"] == "Berlin"
    assert "Asia/Nicosia" in names("ja")["city"]
    for group in all_groups()[0]:
        relation = RELATIONS[group.fact.relation]
        for language, (query, passage) in group.texts.items():
            entity = names(language)[relation.entity][group.fact.entity]
            assert entity in query and entity in passage
            for code in group.fact.answers[:MOST_ANSWERS]:
                assert (names(language)[relation.answer][code] if relation.answer else code) in passage


def test_names_hold_no_mark_of_cldr_and_no_bare_code():
    for language in LANGUAGES:
        for kind, table in names(language).items():
            assert all("↑" not in name and "∅" not in name and name != code for code, name in table.items()), kind


def test_long_lists_are_cut_marked_and_counted():
    euro = _group("currency_users/EUR")
    assert len(euro.fact.answers) > MOST_ANSWERS
    assert euro.texts["en"][1].count(", ") == MOST_ANSWERS - 1 and euro.texts["en"][1].endswith("Melilla…")
    assert euro.fact.answers == tuple(sorted(euro.fact.answers))
    cut = sum(len(group.fact.answers) > MOST_ANSWERS for group in all_groups()[0])
    assert all_groups()[1][f"facts whose passages name only the first {MOST_ANSWERS} answers"] == cut > 0


def test_two_entities_of_one_name_are_both_left_out(monkeypatch):
    table = {"territory": {"AA": "Same", "BB": "same", "CC": "Other"}, "currency": {"XYZ": "Coin"}}
    monkeypatch.setattr("data_prep.facts_names.names", lambda language: table)
    monkeypatch.setattr(facts_groups, "names", lambda language: table)
    ambiguous.cache_clear()
    subjects = frozenset(table["territory"])
    assert ambiguous("en", "territory", subjects) == {"AA", "BB"}
    texts, reasons = facts_groups._texts(Fact("currency", "AA", ("XYZ",)), subjects)
    assert not texts and reasons == {"texts left out: the language names two entities alike": len(LANGUAGES)}
    assert len(facts_groups._texts(Fact("currency", "CC", ("XYZ",)), subjects)[0]) == len(LANGUAGES)
    texts, reasons = facts_groups._texts(Fact("currency", "CC", ("GONE",)), subjects)
    assert not texts and reasons == {"texts left out: the language has no name for an answer": len(LANGUAGES)}
    texts, reasons = facts_groups._texts(Fact("currency", "DD", ("XYZ",)), subjects)
    assert not texts and reasons == {"texts left out: the language has no name for the entity": len(LANGUAGES)}
    ambiguous.cache_clear()


@pytest.mark.parametrize("seed", [0, 1, 2])
def test_held_out_facts_are_disjoint_and_entity_and_relation_are_in_train(seed):
    splits = groups_by_split(seed)
    ids = {split: {group.fact.id for group in splits[split]} for split in SPLITS}
    assert sum(map(len, ids.values())) == len(set().union(*ids.values())) == len(all_groups()[0])
    assert len(ids["test"]) >= 200 and len(ids["validation"]) >= 100
    subjects = {group.subject for group in splits["train"]}
    relations = collections.Counter(group.fact.relation for group in splits["train"])
    everywhere = collections.Counter(group.fact.relation for group in all_groups()[0])
    for group in splits["test"] + splits["validation"]:
        assert group.subject in subjects
    assert all(relations[name] >= count / 2 for name, count in everywhere.items())
    assert {group.fact.relation for group in splits["test"]} == set(RELATIONS)


@pytest.mark.parametrize("seed", [0, 1])
def test_no_held_out_fact_is_told_in_another_split_from_the_other_end(seed):
    split_of = {group.fact.id: split for split, groups in groups_by_split(seed).items() for group in groups}
    held_out = [group.fact for split in ("validation", "test") for group in groups_by_split(seed)[split]]
    told = [
        (fact.id, other)
        for fact in held_out
        for answer in fact.answers
        for other in [f"{INVERSES.get(fact.relation)}/{answer}"]
        if other in split_of
    ]
    assert len(told) > 10
    assert all(split_of[fact] == split_of[other] for fact, other in told)


def test_a_territory_of_several_time_zones_states_none():
    stated = {group.fact.id for group in all_groups()[0]}
    assert "time_zone_city/JP" in stated and "time_zone_name/DE" in stated
    assert not {"time_zone_city/US", "time_zone_name/US", "time_zone_city/RU", "time_zone_name/AU"} & stated


def test_splits_are_the_seeds():
    first = groups_by_split(0)
    groups_by_split.cache_clear()
    assert groups_by_split(0) == first
    assert groups_by_split(1)["test"] != first["test"]


def test_counts_name_every_relation_language_and_reason():
    lines = facts_counts.table(groups_by_split(0), all_groups()[1])
    text = "\n".join(lines)
    assert all(name in text for name in (*RELATIONS, *SPLITS, *all_groups()[1]))
    assert all(f"{code:>3} " in text for code in LANGUAGES)
    everything = next(line for line in lines if line.startswith("all")).split()[1:]
    assert sum(map(int, everything)) == len(all_groups()[0])
    assert all(len(line) <= 120 for line in lines)

"""Facts and their words: names are the language's own, held-out facts are learnable and disjoint."""

import collections
import string

import pytest
from babel.core import get_global

from data_prep import prepare_facts
from data_prep.facts import groups as facts_groups
from data_prep.facts import relations as facts_relations
from data_prep.facts.groups import MOST_ANSWERS, SPLITS, all_groups, groups_by_split, words
from data_prep.facts.names import LANGUAGES, ambiguous, names
from data_prep.facts.relations import INVERSES, RELATIONS, Fact


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


def test_known_facts_in_words(monkeypatch):
    """The words around names that stand here, so that they hold for any release of CLDR."""
    table = {
        "en": {"territory": {"FR": "France"}, "currency": {"EUR": "Euro"}, "weekday": {"6": "Sunday"}},
        "de": {"territory": {"FR": "Frankreich"}, "currency": {"EUR": "Euro"}, "weekday": {"6": "Sonntag"}},
        "zh": {"territory": {"FR": "法国"}, "currency": {"EUR": "欧元"}, "weekday": {"6": "星期日"}},
        "quz": {"territory": {"FR": "Francia"}, "currency": {}, "weekday": {"6": "Domingo"}},
    }
    _use_names(monkeypatch, table)
    subjects = frozenset({"FR"})
    currency, _ = facts_groups._texts(Fact("currency", "FR", ("EUR",)), subjects)
    assert currency["en"] == ("France: currency?", "France – people pay with: Euro.")
    assert currency["de"] == ("Frankreich: Währung?", "Frankreich – bezahlt wird mit: Euro.")
    assert set(currency) == {"en", "de", "zh"}
    first_day, _ = facts_groups._texts(Fact("first_day", "FR", ("6",)), subjects)
    assert first_day["zh"][1].endswith("星期日。") and first_day["quz"][1].endswith("Domingo.")


def test_facts_are_those_of_cldr():
    """Computed from babel's tables here, for whatever release is installed."""
    groups = {group.fact.id: group.fact for group in all_groups()[0]}
    tender = {
        territory: [code for code, _, end, is_tender in listed if end is None and is_tender]
        for territory, listed in get_global("territory_currencies").items()
    }
    stated = {fact.entity: list(fact.answers) for fact in groups.values() if fact.relation == "currency"}
    assert len(stated) > 100 and all(tender[territory] == codes for territory, codes in stated.items())
    users = {fact.entity: set(fact.answers) for fact in groups.values() if fact.relation == "currency_users"}
    assert len(users) > 50
    for currency, territories in users.items():
        assert territories == {code for code, codes in tender.items() if currency in codes} - {"EU", "ZZ"}
    for fact in groups.values():
        if fact.relation == "official_languages":
            spoken = get_global("territory_languages")[fact.entity]
            share = {code.partition("_")[0]: 0.0 for code in spoken}
            for code, entry in spoken.items():
                if entry["official_status"] in ("official", "de_facto_official"):
                    name = code.partition("_")[0]
                    share[name] = max(share[name], entry["population_percent"])
            shares = [share[code] for code in fact.answers]
            assert shares == sorted(shares, reverse=True) and all(shares)


def test_a_language_without_the_name_is_left_out_and_never_falls_back_to_english():
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


def _use_names(monkeypatch, table):
    """Makes {language: {kind: {code: name}}} all the names there are."""
    nothing = {kind: {} for kind in ("territory", "language", "script", "currency", "weekday", "city", "zone")}

    def stand_in(language):
        return nothing | table.get(language, {})

    monkeypatch.setattr("data_prep.facts.names.names", stand_in)
    monkeypatch.setattr(facts_groups, "names", stand_in)
    monkeypatch.setattr(facts_groups, "ambiguous", ambiguous.__wrapped__)  # keeps no answers of other names


@pytest.mark.parametrize("number", [1, MOST_ANSWERS - 1, MOST_ANSWERS, MOST_ANSWERS + 1, 3 * MOST_ANSWERS])
def test_long_lists_are_cut_and_marked(monkeypatch, number):
    codes = tuple(f"A{chr(65 + i)}" for i in range(number))
    territories = {code: f"Land {code}" for code in codes}
    table = {code: {"territory": territories, "currency": {"XYZ": "Coin"}} for code in ("en", "hi", "zh", "ja", "th")}
    _use_names(monkeypatch, table)
    texts, reasons = facts_groups._texts(Fact("currency_users", "XYZ", codes), frozenset({"XYZ"}))
    assert set(texts) == set(table)
    assert reasons == {"texts left out: the language has no name for the entity": len(LANGUAGES) - len(table)}
    for language, (_, passage) in texts.items():
        listed = words()[language]["comma"].join(f"Land {code}" for code in codes[:MOST_ANSWERS])
        stop = words()[language]["record"][-1]
        assert listed + ("…" if number > MOST_ANSWERS else stop if stop in ".。।" else "") in passage
        assert passage.endswith("…") == (number > MOST_ANSWERS)


def test_long_lists_are_counted():
    """The euro has more users than a passage names, in any release of CLDR."""
    euro = _group("currency_users/EUR")
    assert len(euro.fact.answers) > MOST_ANSWERS and euro.fact.answers == tuple(sorted(euro.fact.answers))
    assert all(passage.endswith("…") for _, passage in euro.texts.values())
    cut = sum(len(group.fact.answers) > MOST_ANSWERS for group in all_groups()[0])
    assert all_groups()[1][f"facts whose passages name only the first {MOST_ANSWERS} answers"] == cut > 0


def test_two_entities_of_one_name_are_both_left_out(monkeypatch):
    table = {"territory": {"AA": "Same", "BB": "same", "CC": "Other"}, "currency": {"XYZ": "Coin"}}
    _use_names(monkeypatch, dict.fromkeys(LANGUAGES, table))
    subjects = frozenset(table["territory"])
    assert facts_groups.ambiguous("en", "territory", subjects) == {"AA", "BB"}
    texts, reasons = facts_groups._texts(Fact("currency", "AA", ("XYZ",)), subjects)
    assert not texts and reasons == {"texts left out: the language names two entities alike": len(LANGUAGES)}
    assert len(facts_groups._texts(Fact("currency", "CC", ("XYZ",)), subjects)[0]) == len(LANGUAGES)
    texts, reasons = facts_groups._texts(Fact("currency", "CC", ("GONE",)), subjects)
    assert not texts and reasons == {"texts left out: the language has no name for an answer": len(LANGUAGES)}
    texts, reasons = facts_groups._texts(Fact("currency", "DD", ("XYZ",)), subjects)
    assert not texts and reasons == {"texts left out: the language has no name for the entity": len(LANGUAGES)}


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


def test_a_territory_of_several_time_zones_states_none(monkeypatch):
    tables = {
        "territory_zones": {"AA": ["X/One"], "BB": ["X/Two", "X/Three"], "CC": ["X/Two", "X/Four"], "DD": ["X/Five"]},
        "meta_zones": {"X/One": "East", "X/Two": "West", "X/Three": "West", "X/Four": "East"},
        "territory_currencies": {},
    }
    monkeypatch.setattr(facts_relations, "get_global", tables.__getitem__)
    monkeypatch.setattr(facts_relations, "territories", facts_relations.territories.__wrapped__)
    assert facts_relations._zones() == {"AA": ["X/One"], "DD": ["X/Five"]}
    assert facts_relations._zone_names() == {"AA": ["East"], "BB": ["West"]}


def test_time_zones_are_stated_of_the_territories_that_have_one():
    zones = get_global("territory_zones")
    stated = [group.fact.entity for group in all_groups()[0] if group.fact.relation == "time_zone_city"]
    assert len(stated) > 50 and all(len(zones[territory]) == 1 for territory in stated)


def test_splits_depend_on_the_seed_alone():
    first = groups_by_split(0)
    groups_by_split.cache_clear()
    assert groups_by_split(0) == first
    assert groups_by_split(1)["test"] != first["test"]


def test_counts_name_every_relation_language_and_reason():
    lines = prepare_facts.counts_table(groups_by_split(0), all_groups()[1])
    text = "\n".join(lines)
    assert all(name in text for name in (*RELATIONS, *SPLITS, *all_groups()[1]))
    assert all(f"{code:>3} " in text for code in LANGUAGES)
    everything = next(line for line in lines if line.startswith("all")).split()[1:]
    assert sum(map(int, everything)) == len(all_groups()[0])
    assert all(len(line) <= 120 for line in lines)

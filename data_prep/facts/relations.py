"""World facts from Unicode CLDR as codes, before they are put into words: a relation, an entity, and the answers."""

import collections
import dataclasses
import functools
from collections.abc import Callable, Iterator

from babel import localedata
from babel.core import get_global

_OFFICIAL = ("official", "de_facto_official")
# CLDR distinguishes simplified and traditional characters; as the script of a language both are Han.
_SCRIPT = {"Hans": "Hani", "Hant": "Hani"}
_MONDAY = 0  # the first day of the week in territories for which CLDR states no other


@dataclasses.dataclass(frozen=True)
class Fact:
    """One fact.

    Attributes:
      relation: a key of RELATIONS.
      entity: CLDR code of what the fact is about.
      answers: CLDR codes of the answers, in the order of the passage.
    """

    relation: str
    entity: str
    answers: tuple[str, ...]

    @property
    def id(self) -> str:
        """The fact's id, such as `currency/FR`."""
        return f"{self.relation}/{self.entity}"


@dataclasses.dataclass(frozen=True)
class Relation:
    """One relation.

    Attributes:
      entity: kind of the entity, see `names.names`.
      answer: kind of the answers; None if the code itself is the answer, in any language.
      facts: makes {entity: answers} from CLDR.
    """

    entity: str
    answer: str | None
    facts: Callable[[], dict[str, list[str]]]


def facts() -> Iterator[Fact]:
    """Yields every fact of the relations below that has an answer, ordered by relation and entity."""
    for name, relation in RELATIONS.items():
        for entity, answers in sorted(relation.facts().items()):
            if answers:
                yield Fact(name, entity, tuple(dict.fromkeys(answers)))


@functools.cache
def territories() -> tuple[str, ...]:
    """Today's countries and territories: those with a currency in use or a time zone (Antarctica)."""
    used = {territory for territory in get_global("territory_currencies") if _tender(territory)}
    return tuple(sorted(code for code in used | set(get_global("territory_zones")) if code not in ("EU", "ZZ")))


def _tender(territory: str) -> list[str]:
    """Currencies that are legal tender today, oldest first, as CLDR lists them."""
    listed = get_global("territory_currencies").get(territory, [])
    return [code for code, _, end, is_tender in listed if end is None and is_tender]


def _currency() -> dict[str, list[str]]:
    return {territory: _tender(territory) for territory in territories()}


def _currency_users() -> dict[str, list[str]]:
    """Territories of each currency, by territory code."""
    return _inverted(_currency())


def _official_languages() -> dict[str, list[str]]:
    """Official languages of each whole territory, most speakers first."""
    table = get_global("territory_languages")
    found = {}
    for territory in territories():
        spoken = sorted(
            (-entry["population_percent"], code.partition("_")[0])
            for code, entry in table.get(territory, {}).items()
            if entry["official_status"] in _OFFICIAL
        )
        found[territory] = [code for _, code in spoken]
    return found


def _official_in() -> dict[str, list[str]]:
    """Territories where a language is official, by territory code."""
    return _inverted(_official_languages())


def _first_day() -> dict[str, list[str]]:
    """Weekday that CLDR states in a locale of the territory, else Monday; territories without a locale are left out."""
    stated = collections.defaultdict(set)
    for locale in localedata.locale_identifiers():
        for territory in set(locale.split("_")[1:]) & set(territories()):
            stated[territory].add(localedata.load(locale, merge_inherited=False).get("week_data", {}).get("first_day"))
    days = {territory: found - {None} or {_MONDAY} for territory, found in stated.items()}
    return {territory: [str(day) for day in found] for territory, found in days.items() if len(found) == 1}


def _zones() -> dict[str, list[str]]:
    """The time zone id of each territory that has exactly one; of several, none would hold for all of it."""
    zones = {territory: get_global("territory_zones").get(territory, []) for territory in territories()}
    return {territory: found for territory, found in zones.items() if len(found) == 1}


def _zone_names() -> dict[str, list[str]]:
    """The named time zone of each territory whose zones all have the same name."""
    meta, zones = get_global("meta_zones"), get_global("territory_zones")
    named = {territory: {meta.get(zone) for zone in zones.get(territory, [])} for territory in territories()}
    return {territory: list(found) for territory, found in named.items() if len(found) == 1 and None not in found}


def _script() -> dict[str, list[str]]:
    """The most likely script of each language whose speakers CLDR counts."""
    spoken = {code.partition("_")[0] for table in get_global("territory_languages").values() for code in table}
    likely = get_global("likely_subtags")
    scripts = {code: likely[code].split("_")[1] for code in spoken if code in likely}
    return {code: [_SCRIPT.get(script, script)] for code, script in scripts.items()}


def _inverted(table: dict[str, list[str]]) -> dict[str, list[str]]:
    found = collections.defaultdict(list)
    for code in sorted(table):
        for answer in table[code]:
            found[answer].append(code)
    return found


RELATIONS = {
    "currency": Relation("territory", "currency", _currency),
    "official_languages": Relation("territory", "language", _official_languages),
    "first_day": Relation("territory", "weekday", _first_day),
    "time_zone_city": Relation("territory", "city", _zones),
    "time_zone_name": Relation("territory", "zone", _zone_names),
    "territory_code": Relation("territory", None, lambda: {code: [code] for code in territories()}),
    "script": Relation("language", "script", _script),
    "official_in": Relation("language", "territory", _official_in),
    "currency_users": Relation("currency", "territory", _currency_users),
    "currency_code": Relation("currency", None, lambda: {code: [code] for code in _currency_users()}),
}

# Pairs of relations that state the same thing from both ends: a fact of one tells a fact of the other.
INVERSES = {
    "currency": "currency_users",
    "currency_users": "currency",
    "official_languages": "official_in",
    "official_in": "official_languages",
}

"""Names of territories, languages, scripts, currencies, weekdays, cities and time zones in 36 languages, from CLDR.

The names are each locale's own: `babel.localedata.load(..., merge_inherited=False)` returns what CLDR states for that
language and nothing inherited from its root.  So a name that a language lacks is missing: there is no fallback to
English.
"""

import collections
import functools

from babel import localedata
from babel.core import get_cldr_version, get_global

from hbt_jax.languages import XM3600

LANGUAGES = XM3600
# The locale with a language's data, if CLDR and the benchmarks name the language differently.
_LOCALE = {"quz": "qu"}
_MARKS = ("↑↑↑", "∅∅∅")  # CLDR's marks for "inherited" and "no value"


def locale_of(language: str) -> str:
    """The CLDR locale with the data of one of XM3600's languages, such as `qu` for `quz`."""
    return _LOCALE.get(language, language)


@functools.cache
def names(language: str) -> dict[str, dict[str, str]]:
    """All names that CLDR states in one language.

    Args:
      language: a code in `hbt_jax.languages.XM3600`.

    Returns:
      {kind: {code: name}} with the kinds territory, language, script, currency, weekday ("0" is Monday), city (by
      time zone id) and zone (by CLDR meta zone).
    """
    data = localedata.load(locale_of(language), merge_inherited=False)
    days = data["days"]
    weekdays = days.get("stand-alone", {}).get("wide") or days["format"]["wide"]
    found = {
        "territory": data["territories"],
        "language": data["languages"],
        "script": data["scripts"],
        "currency": data["currency_names"],
        "weekday": {str(day): name for day, name in weekdays.items()},
        "city": {zone: entry.get("city") for zone, entry in data["time_zones"].items()},
        "zone": {zone: entry.get("long", {}).get("standard") for zone, entry in data["meta_zones"].items()},
    }
    for alias, zone in get_global(
        "zone_aliases"
    ).items():  # some locales use the older id of a zone, such as Asia/Calcutta
        if alias in found["city"]:
            found["city"].setdefault(zone, found["city"][alias])
    if language == "en":  # by CLDR's rule, an English city that is not listed is the last part of the zone's id
        for zone in get_global("zone_territories"):
            found["city"].setdefault(zone, zone.rpartition("/")[2].replace("_", " "))
    return {kind: _usable(table) for kind, table in found.items()}


def _usable(table) -> dict[str, str]:
    """The entries of a CLDR table that are names: texts other than CLDR's marks and the code itself."""
    return {
        code: " ".join(name.split())
        for code, name in table.items()
        if isinstance(name, str) and name.strip() and name != code and not any(mark in name for mark in _MARKS)
    }


@functools.cache
def ambiguous(language: str, kind: str, codes: frozenset[str]) -> frozenset[str]:
    """Those of `codes` that share their name in this language with another: a query could mean either."""
    table = names(language)[kind]
    by_name = collections.defaultdict(list)
    for code in sorted(codes & table.keys()):
        by_name[table[code].casefold()].append(code)
    return frozenset(code for same in by_name.values() if len(same) > 1 for code in same)


def cldr_version() -> str:
    """The version of CLDR in the installed babel."""
    return get_cldr_version()

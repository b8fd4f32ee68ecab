"""The names of the things atlas speaks of, in all its languages, as CLDR has them."""

from collections import Counter
from collections.abc import Iterable
from functools import cache
from typing import Any

from babel import Locale
from babel.core import get_global

# Identifiers whose exemplar is an island, a district or disputed, so that "a city in ..." would be wrong.
NO_CITIES = frozenset(
    {
        "Africa/El_Aaiun",
        "America/Antigua",
        "America/Bahia_Banderas",
        "America/Cayman",
        "America/Creston",
        "America/Guadeloupe",
        "America/Kralendijk",
        "America/Miquelon",
        "America/Noronha",
        "America/St_Kitts",
        "America/St_Thomas",
        "America/Tortola",
        "Asia/Famagusta",
        "Asia/Jerusalem",
        "Asia/Kamchatka",
        "Asia/Sakhalin",
        "Atlantic/Azores",
        "Atlantic/Canary",
        "Atlantic/Cape_Verde",
        "Atlantic/Madeira",
        "Atlantic/South_Georgia",
        "Atlantic/St_Helena",
        "Europe/Simferopol",
        "Europe/Vatican",
        "Pacific/Bougainville",
        "Pacific/Chatham",
        "Pacific/Easter",
        "Pacific/Efate",
        "Pacific/Fakaofo",
        "Pacific/Galapagos",
        "Pacific/Gambier",
        "Pacific/Guadalcanal",
        "Pacific/Kanton",
        "Pacific/Kiritimati",
        "Pacific/Kosrae",
        "Pacific/Kwajalein",
        "Pacific/Marquesas",
        "Pacific/Midway",
        "Pacific/Norfolk",
        "Pacific/Pitcairn",
        "Pacific/Rarotonga",
        "Pacific/Saipan",
        "Pacific/Tahiti",
        "Pacific/Tarawa",
        "Pacific/Tongatapu",
        "Pacific/Wake",
        "Pacific/Wallis",
    }
)

LANGUAGES = ("ar", "de", "el", "en", "es", "hi", "ru", "th", "tr", "vi", "zh")

Names = dict[str, str]  # language -> name


@cache
def locale(language: str) -> Locale:
    """Give Babel's locale of one of the languages."""
    return Locale.parse(language)


def usable(names: dict[str, Names]) -> dict[str, Names]:
    """Keep the entities that have a plain name of their own in every language, sorted by code.

    A name that is missing, is the bare code, holds a bracket or a digit, or is that of a second entity in the same
    language takes its entity out.

    >>> everywhere = {language: "Peru" for language in LANGUAGES}
    >>> list(usable({"PE": everywhere, "XX": {**everywhere, "de": "XX"}, "YY": {"de": "Y"}}))
    ['PE']
    """
    whole = {code: own for code, own in sorted(names.items()) if all(_plain(own.get(tag), code) for tag in LANGUAGES)}
    counts = Counter((tag, _fold(own[tag])) for own in whole.values() for tag in LANGUAGES)
    return {code: own for code, own in whole.items() if all(counts[tag, _fold(own[tag])] == 1 for tag in LANGUAGES)}


def territory_names() -> dict[str, Names]:
    """Names of countries and dependent territories by ISO 3166 code."""
    codes = [code for code in get_global("territory_zones") if code.isalpha() and code != "AQ"]
    return usable({code: _from("territories", code) for code in codes})


def region_names() -> dict[str, Names]:
    """Names of the five UN M.49 regions by the area part of an IANA time zone's identifier."""
    codes = {"Africa": "002", "America": "019", "Asia": "142", "Europe": "150", "Pacific": "009"}
    return {area: _from("territories", code) for area, code in codes.items()}


def language_names() -> dict[str, Names]:
    """Names of languages by their code, without regional and script variants."""
    codes = [code for code in map(str, locale("en").languages) if code.isalpha() and len(code) < 4]
    return usable({code: _from("languages", code) for code in codes})


def script_names() -> dict[str, Names]:
    """Names of scripts by ISO 15924 code."""
    return usable({code: _from("scripts", code) for code in map(str, locale("en").scripts)})


def currency_names(codes: Iterable[str]) -> dict[str, Names]:
    """Names of the given currencies by ISO 4217 code."""
    return usable({code: _from("currencies", code) for code in codes})


def city_names() -> dict[str, Names]:
    """Names of the exemplar cities of time zones by IANA identifier; without one, the last part of the identifier.

    A city named as some territory is (Singapore) is left out. The rule for the last part is CLDR's own
    (UTS 35, part 4, time zone format); languages in another script always have an entry.
    """
    areas = {*region_names(), "Atlantic", "Indian"}
    zones = [zone for zone in get_global("zone_territories") if zone.split("/")[0] in areas and zone not in NO_CITIES]
    taken = {(tag, _fold(name)) for names in _all_territories() for tag, name in names.items()}
    found = usable({zone: {tag: _city(tag, zone) for tag in LANGUAGES} for zone in zones})
    return {zone: own for zone, own in found.items() if not taken & {(tag, _fold(name)) for tag, name in own.items()}}


def clock_names() -> dict[str, Names]:
    """Names of the standard time of CLDR's metazones (`Europe_Central`)."""
    return usable({zone: {tag: _clock(tag, zone) for tag in LANGUAGES} for zone in map(str, locale("en").meta_zones)})


def weekday_name(language: str, day: int) -> str:
    """Name of a day of the week, counted from Monday = 0."""
    return str(locale(language).days["stand-alone"]["wide"][day])


def _all_territories() -> list[Names]:
    return [_from("territories", code) for code in get_global("territory_zones")]


def _from(table: str, code: str) -> Names:
    return {tag: name for tag in LANGUAGES if (name := getattr(locale(tag), table).get(code)) is not None}


def _city(language: str, zone: str) -> str:
    found = locale(language).time_zones.get(zone, {}).get("city")
    latin = language in ("de", "en", "es", "tr", "vi")
    return str(found) if found else zone.rsplit("/", 1)[1].replace("_", " ") if latin else ""


def _clock(language: str, zone: str) -> str:
    found: Any = locale(language).meta_zones.get(zone, {}).get("long", {})
    return str(found.get("standard") or found.get("generic") or "")


def _fold(name: str) -> str:
    return " ".join(name.casefold().split())


def _plain(name: str | None, code: str) -> bool:
    return bool(name) and name != code and not any(sign in "()[]（）/" or sign.isdigit() for sign in str(name))

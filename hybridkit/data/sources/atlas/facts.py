"""The facts of atlas about territories, cities and languages, and their names in every language, from CLDR."""

from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from datetime import date
from functools import cache
from typing import Any

from babel import Locale, UnknownLocaleError
from babel.core import get_global

from hybridkit.utils.seeds import generator

# Identifiers whose exemplar is an island, a district or disputed, so that "a city in ..." would be wrong.
NO_CITIES = frozenset(
    f"{area}/{city}"
    for area, cities in {
        "Africa": "El_Aaiun",
        "America": (
            "Antigua Bahia_Banderas Cayman Creston Guadeloupe Kralendijk Miquelon Noronha St_Kitts St_Thomas Tortola"
        ),
        "Asia": "Famagusta Jerusalem Kamchatka Sakhalin",
        "Atlantic": "Azores Canary Cape_Verde Madeira South_Georgia St_Helena",
        "Europe": "Simferopol Vatican",
        "Pacific": (
            "Bougainville Chatham Easter Efate Fakaofo Galapagos Gambier Guadalcanal Kanton Kiritimati "
            "Kosrae Kwajalein Marquesas Midway Norfolk Pitcairn Rarotonga Saipan Tahiti Tarawa Tongatapu "
            "Wake Wallis"
        ),
    }.items()
    for city in cities.split()
)
LANGUAGES = ("ar", "de", "el", "en", "es", "hi", "ru", "th", "tr", "vi", "zh")
Names = dict[str, str]  # language -> name
# A group of relations -> its relations. One passage states a whole group; one question asks for one relation.
RELATIONS: dict[str, tuple[str, ...]] = {
    "money": ("currency", "since"),
    "speech": ("official", "minority"),
    "clock": ("place", "zone"),
    "week": ("day", "region"),
    "city_place": ("territory", "zone"),
    "city_life": ("currency", "language"),
    "writing": ("script", "fellow"),
    "home": ("land", "share"),
}


@cache
def locale(language: str) -> Locale:
    """Return Babel's locale of one of the languages."""
    return Locale.parse(language)


def usable(names: dict[str, Names]) -> dict[str, Names]:
    """Return the entities that have a plain name of their own in every language, sorted by code.

    An entity is left out for a name that is missing, is the bare code, holds a bracket or a digit, or is that of
    another entity in the same language.

    >>> everywhere = {language: "Peru" for language in LANGUAGES}
    >>> list(usable({"PE": everywhere, "XX": {**everywhere, "de": "XX"}, "YY": {"de": "Y"}}))
    ['PE']
    """
    whole = {code: own for code, own in sorted(names.items()) if all(_plain(own.get(tag), code) for tag in LANGUAGES)}
    counts = Counter((tag, _fold(own[tag])) for own in whole.values() for tag in LANGUAGES)
    return {code: own for code, own in whole.items() if all(counts[tag, _fold(own[tag])] == 1 for tag in LANGUAGES)}


def territory_names() -> dict[str, Names]:
    """Return the names of countries and dependent territories by ISO 3166 code."""
    codes = [code for code in get_global("territory_zones") if code.isalpha() and code != "AQ"]
    return usable({code: _from("territories", code) for code in codes})


def region_names() -> dict[str, Names]:
    """Return the names of the five UN M.49 regions by the area part of an IANA time zone's identifier."""
    codes = {"Africa": "002", "America": "019", "Asia": "142", "Europe": "150", "Pacific": "009"}
    return {area: _from("territories", code) for area, code in codes.items()}


def language_names() -> dict[str, Names]:
    """Return the names of languages by their code, without regional and script variants."""
    codes = [code for code in map(str, locale("en").languages) if code.isalpha() and len(code) < 4]
    return usable({code: _from("languages", code) for code in codes})


def script_names() -> dict[str, Names]:
    """Return the names of scripts by ISO 15924 code."""
    return usable({code: _from("scripts", code) for code in map(str, locale("en").scripts)})


def currency_names(codes: Iterable[str]) -> dict[str, Names]:
    """Return the names of the given currencies by ISO 4217 code."""
    return usable({code: _from("currencies", code) for code in codes})


def city_names() -> dict[str, Names]:
    """Return the names of the exemplar cities of time zones by IANA identifier; without one, its last segment.

    A city with the name of a territory (Singapore) is left out. Languages in another script always have a name.

    Source: UTS 35, part 4, time zone format, for the last segment.
    """
    areas = {*region_names(), "Atlantic", "Indian"}
    zones = [zone for zone in get_global("zone_territories") if zone.split("/")[0] in areas and zone not in NO_CITIES]
    taken = {(tag, _fold(name)) for names in _all_territories() for tag, name in names.items()}
    found = usable({zone: {tag: _city(tag, zone) for tag in LANGUAGES} for zone in zones})
    return {zone: own for zone, own in found.items() if not taken & {(tag, _fold(name)) for tag, name in own.items()}}


def clock_names() -> dict[str, Names]:
    """Return the names of the standard time of CLDR's metazones (`Europe_Central`)."""
    return usable({zone: {tag: _clock(tag, zone) for tag in LANGUAGES} for zone in map(str, locale("en").meta_zones)})


def weekday_name(language: str, day: int) -> str:
    """Return the name of a day of the week, counted from Monday = 0."""
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


@dataclass(frozen=True)
class Fact:
    """One group of relations of one entity: the contents of one passage."""

    entity: str  # "territory/DK", "city/Europe/Copenhagen", "language/da"
    group: str  # a key of RELATIONS
    name: Names
    values: dict[str, Names]  # relation -> its value in every language
    territory: str  # its ISO 3166 code; facts of one territory are easily confused

    @property
    def id(self) -> str:
        """The passage's id, such as `territory/DK/money`."""
        return f"{self.entity}/{self.group}"


def facts(seed: int = 0) -> list[Fact]:
    """Return every fact that can be named in all languages, sorted by id; the seed draws the `fellow` languages."""
    found = [*_territories(), *_cities(), *_languages(seed)]
    return sorted(found, key=lambda fact: fact.id)


def current_currency(territory: str) -> tuple[str, date] | None:
    """Return the ISO 4217 code of the legal tender in a territory and its first day; None where there is not just one.

    >>> current_currency("DE")
    ('EUR', datetime.date(1999, 1, 1))
    """
    entries = get_global("territory_currencies").get(territory, [])
    valid = [(code, date(*start)) for code, start, end, tender in entries if tender and end is None and start]
    return valid[0] if len(valid) == 1 else None


def spoken_languages(territory: str) -> tuple[str | None, str | None]:
    """Return the official language with the most speakers, and the most spoken one among the others.

    >>> spoken_languages("AD")
    ('ca', 'es')
    """
    entries: dict[str, Any] = get_global("territory_languages").get(territory, {})
    ordered = sorted(entries, key=lambda code: (-entries[code]["population_percent"], code))
    official = [code for code in ordered if entries[code]["official_status"] in ("official", "de_facto_official")]
    others = [code for code in ordered if code not in official and entries[code]["population_percent"] >= 1]
    return (official[0] if official else None), (others[0] if others else None)


def week_start(territory: str) -> int | None:
    """Return the first day of the week in a territory (Monday = 0); None where Babel has no locale of it.

    >>> week_start("DE"), week_start("EG")
    (0, 5)
    """
    entries: dict[str, Any] = get_global("territory_languages").get(territory, {})
    for code in sorted(entries, key=lambda code: (-entries[code]["population_percent"], code)):
        try:
            return int(Locale.parse(f"{code}_{territory}").first_week_day)
        except (UnknownLocaleError, ValueError):
            continue
    return None


def _territories() -> Iterator[Fact]:
    cities, clocks, regions = city_names(), clock_names(), region_names()
    languages, currencies = language_names(), currency_names(locale("en").currencies)
    for code, name in territory_names().items():
        entity = f"territory/{code}"
        money = current_currency(code)
        if money and money[0] in currencies:
            year = _everywhere(str(money[1].year))
            yield Fact(entity, "money", name, {"currency": currencies[money[0]], "since": year}, code)
        official, minority = spoken_languages(code)
        if official in languages and minority in languages:
            values = {"official": languages[str(official)], "minority": languages[str(minority)]}
            yield Fact(entity, "speech", name, values, code)
        zones = get_global("territory_zones")[code]
        timed = [zone for zone in zones if zone in cities and get_global("meta_zones").get(zone) in clocks]
        if timed:
            values = {"place": cities[timed[0]], "zone": clocks[get_global("meta_zones")[timed[0]]]}
            yield Fact(entity, "clock", name, values, code)
        areas, day = {zone.split("/")[0] for zone in zones}, week_start(code)
        if day is not None and len(areas) == 1 and areas <= set(regions):
            weekday = {tag: weekday_name(tag, day) for tag in LANGUAGES}
            yield Fact(entity, "week", name, {"day": weekday, "region": regions[areas.pop()]}, code)


def _cities() -> Iterator[Fact]:
    territories, clocks = territory_names(), clock_names()
    languages, currencies = language_names(), currency_names(locale("en").currencies)
    for zone, name in city_names().items():
        entity, code = f"city/{zone}", get_global("zone_territories")[zone]
        clock = get_global("meta_zones").get(zone)
        if code in territories and clock in clocks:
            yield Fact(entity, "city_place", name, {"territory": territories[code], "zone": clocks[clock]}, code)
        money, official = current_currency(code), spoken_languages(code)[0]
        if money and money[0] in currencies and official in languages:
            values = {"currency": currencies[money[0]], "language": languages[official]}
            yield Fact(entity, "city_life", name, values, code)


def _languages(seed: int) -> Iterator[Fact]:
    territories, languages, scripts = territory_names(), language_names(), script_names()
    homes = {code: parts for code in languages if (parts := _home(code)) and parts[1] in territories}
    by_script: dict[str, list[str]] = defaultdict(list)
    for code, (script, _, _) in homes.items():
        by_script[script].append(code)
    for code, (script, territory, share) in homes.items():
        entity, name = f"language/{code}", languages[code]
        fellows = [other for other in by_script[script] if other != code]
        if script in scripts and script not in ("Hans", "Hant") and fellows:
            fellow = languages[fellows[int(generator(seed, "atlas", "fellow", code).integers(len(fellows)))]]
            yield Fact(entity, "writing", name, {"script": scripts[script], "fellow": fellow}, territory)
        values = {"land": territories[territory], "share": _everywhere(str(share))}
        yield Fact(entity, "home", name, values, territory)


def _home(language: str) -> tuple[str, str, int] | None:
    """The likely script and territory of a language, and the percentage of that territory's people who speak it."""
    likely = get_global("likely_subtags").get(language, "").split("_")
    if len(likely) != 3:
        return None
    entries: dict[str, Any] = get_global("territory_languages").get(likely[2], {})
    share = round(entries.get(language, {}).get("population_percent", 0))
    return (likely[1], likely[2], share) if share >= 1 else None


def _everywhere(text: str) -> Names:
    return dict.fromkeys(LANGUAGES, text)

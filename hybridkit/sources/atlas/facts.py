"""The facts atlas states: what CLDR says of territories, cities and languages, in groups that make one passage each."""

from collections import defaultdict
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import date
from typing import Any

from babel import Locale, UnknownLocaleError
from babel.core import get_global

from hybridkit.seeds import generator
from hybridkit.sources.atlas import names
from hybridkit.sources.atlas.names import LANGUAGES, Names

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


@dataclass(frozen=True)
class Fact:
    """One group of relations of one entity: the contents of one passage."""

    entity: str  # "territory/DK", "city/Europe/Copenhagen", "language/da"
    group: str  # a key of RELATIONS
    name: Names
    values: dict[str, Names]  # relation -> its value in every language
    territory: str  # the ISO 3166 code it has to do with; facts of one territory are easily taken for one another

    @property
    def id(self) -> str:
        """The passage's id, such as `territory/DK/money`."""
        return f"{self.entity}/{self.group}"


def facts(seed: int = 0) -> list[Fact]:
    """List every fact that can be named in all languages, sorted by id; the seed only draws the `fellow` languages."""
    found = [*_territories(), *_cities(), *_languages(seed)]
    return sorted(found, key=lambda fact: fact.id)


def current_currency(territory: str) -> tuple[str, date] | None:
    """Give the ISO 4217 code of the legal tender in a territory and its first day; None where there is not just one.

    >>> current_currency("DE")
    ('EUR', datetime.date(1999, 1, 1))
    """
    entries = get_global("territory_currencies").get(territory, [])
    valid = [(code, date(*start)) for code, start, end, tender in entries if tender and end is None and start]
    return valid[0] if len(valid) == 1 else None


def spoken_languages(territory: str) -> tuple[str | None, str | None]:
    """Give the official language with the most speakers, and the language with the most speakers among the others.

    >>> spoken_languages("AD")
    ('ca', 'es')
    """
    entries: dict[str, Any] = get_global("territory_languages").get(territory, {})
    ordered = sorted(entries, key=lambda code: (-entries[code]["population_percent"], code))
    official = [code for code in ordered if entries[code]["official_status"] in ("official", "de_facto_official")]
    others = [code for code in ordered if code not in official and entries[code]["population_percent"] >= 1]
    return (official[0] if official else None), (others[0] if others else None)


def week_start(territory: str) -> int | None:
    """Give the first day of the week in a territory (Monday = 0); None where Babel has no locale of it.

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
    cities, clocks, regions = names.city_names(), names.clock_names(), names.region_names()
    languages, currencies = names.language_names(), names.currency_names(names.locale("en").currencies)
    for code, name in names.territory_names().items():
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
            weekday = {tag: names.weekday_name(tag, day) for tag in LANGUAGES}
            yield Fact(entity, "week", name, {"day": weekday, "region": regions[areas.pop()]}, code)


def _cities() -> Iterator[Fact]:
    territories, clocks = names.territory_names(), names.clock_names()
    languages, currencies = names.language_names(), names.currency_names(names.locale("en").currencies)
    for zone, name in names.city_names().items():
        entity, code = f"city/{zone}", get_global("zone_territories")[zone]
        clock = get_global("meta_zones").get(zone)
        if code in territories and clock in clocks:
            yield Fact(entity, "city_place", name, {"territory": territories[code], "zone": clocks[clock]}, code)
        money, official = current_currency(code), spoken_languages(code)[0]
        if money and money[0] in currencies and official in languages:
            values = {"currency": currencies[money[0]], "language": languages[official]}
            yield Fact(entity, "city_life", name, values, code)


def _languages(seed: int) -> Iterator[Fact]:
    territories, languages, scripts = names.territory_names(), names.language_names(), names.script_names()
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

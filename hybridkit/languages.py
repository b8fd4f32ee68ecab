"""The languages the kit speaks of: English and own name, script, writing direction and family of a language tag."""

import re
from dataclasses import dataclass
from functools import cache

from hybridkit.errors import InputError

# Family and branch: the top level and a widely used lower level of Glottolog 5 (Hammarström et al., glottolog.org);
# names as in WALS (Dryer & Haspelmath, wals.info) where the two differ only in spelling. Names, scripts and directions
# come from CLDR (Babel), so that this is all there is to keep by hand: XQuAD-R, MLQA, XNLI, MIRACL, mMARCO and the
# larger languages of Europe and South Asia.
_FAMILIES: dict[tuple[str, str], str] = {
    ("Indo-European", "Germanic"): "af da de en is nb nl nn no sv",
    ("Indo-European", "Romance"): "ca es fr gl it pt ro",
    ("Indo-European", "Slavic"): "be bg bs cs hr mk pl ru sk sl sr uk",
    ("Indo-European", "Baltic"): "lt lv",
    ("Indo-European", "Celtic"): "cy ga",
    ("Indo-European", "Greek"): "el",
    ("Indo-European", "Albanian"): "sq",
    ("Indo-European", "Armenian"): "hy",
    ("Indo-European", "Indo-Aryan"): "bn gu hi mr ne pa si ur",
    ("Indo-European", "Iranian"): "fa ku ps tg",
    ("Afro-Asiatic", "Semitic"): "am ar he mt",
    ("Afro-Asiatic", "Chadic"): "ha",
    ("Afro-Asiatic", "Cushitic"): "om so",
    ("Atlantic-Congo", "Bantu"): "lg rw sn sw xh zu",
    ("Atlantic-Congo", "Yoruboid"): "yo",
    ("Atlantic-Congo", "Igboid"): "ig",
    ("Austroasiatic", "Vietic"): "vi",
    ("Austroasiatic", "Khmeric"): "km",
    ("Austronesian", "Malayo-Polynesian"): "fil id jv mg ms tl",
    ("Dravidian", "South Dravidian"): "kn ml ta",
    ("Dravidian", "South-Central Dravidian"): "te",
    ("Japonic", "Japanese"): "ja",
    ("Kartvelian", "Georgian"): "ka",
    ("Koreanic", "Korean"): "ko",
    ("Mongolic", "Mongolian"): "mn",
    ("Sino-Tibetan", "Sinitic"): "yue zh",
    ("Sino-Tibetan", "Burmish"): "my",
    ("Tai-Kadai", "Tai"): "lo th",
    ("Turkic", "Kipchak"): "kk ky tt",
    ("Turkic", "Oghuz"): "az tk tr",
    ("Turkic", "Karluk"): "ug uz",
    ("Uralic", "Finnic"): "et fi",
    ("Uralic", "Hungarian"): "hu",
    ("Basque", "Basque"): "eu",
}
_FAMILY = {tag: family for family, tags in _FAMILIES.items() for tag in tags.split()}
_RIGHT_TO_LEFT = frozenset({"Adlm", "Arab", "Aran", "Hebr", "Mand", "Mend", "Nkoo", "Rohg", "Samr", "Syrc", "Thaa"})
_NO_LANGUAGE = frozenset({"und", "mul", "zxx", "mis", "root"})
_TAG = re.compile(r"([a-z]{2,3})(?:-([A-Z][a-z]{3}))?(?:-([A-Z]{2}|[0-9]{3}))?")


@dataclass(frozen=True)
class Language:
    """A language as the kit names and draws it.

    `script` is an ISO 15924 code ("Latn"), `direction` "ltr" or "rtl", `endonym` the name in the language itself;
    `family` and `branch` are empty for a language outside the kit's table.
    """

    tag: str
    name: str
    script: str
    family: str
    branch: str
    direction: str
    endonym: str


@cache
def language(tag: str) -> Language:
    """Look a language tag up: `de`, `yue`, `zh-Hant`, `pt-BR`.

    Names, likely script and direction are CLDR's (through Babel), families Glottolog's. A tag has one spelling
    (`de`, not `DE` or `deu`), so that one language is never two columns. Raises InputError for a tag that is none.

    >>> language("hi")
    Language(tag='hi', name='Hindi', script='Deva', family='Indo-European', branch='Indo-Aryan', direction='ltr', \
endonym='हिन्दी')
    >>> language("ar").direction
    'rtl'
    """
    match = _TAG.fullmatch(tag)
    if match is None:
        raise InputError(f"{tag!r} is no language tag{_suggestion(tag)}")
    code, script, region = match.groups()
    from babel import Locale
    from babel.core import get_global
    from babel.localedata import exists

    english = Locale("en")
    withdrawn = code in get_global("language_aliases") and code not in _FAMILY
    if code in _NO_LANGUAGE or withdrawn or not (code in english.languages or exists(code)):
        raise InputError(f"{tag!r} is no language tag that CLDR knows{_suggestion(tag)}")
    for part, known in ((script, english.scripts), (region, english.territories)):
        if part and part not in known:
            raise InputError(f"{tag!r} is no language tag: CLDR knows no script or territory {part!r}")
    name = english.languages.get(code, code)
    endonym = (Locale(code).languages.get(code) if exists(code) else None) or name
    extra = [english.scripts[script]] if script else []
    extra += [english.territories[region]] if region else []
    if extra:
        name = f"{name} ({', '.join(extra)})"
        endonym = f"{endonym} ({', '.join(filter(None, (script, region)))})"
    script = script or _likely_script(code, region)
    family, branch = _FAMILY.get(code, ("", ""))
    return Language(tag, name, script, family, branch, "rtl" if script in _RIGHT_TO_LEFT else "ltr", endonym)


def language_distance(one: str, other: str) -> int:
    """How far two languages are from each other, 0 to 4: steps up the family tree, and one for another script.

    0 for the same language, 1 within a branch, 2 within a family, 3 between families (Glottolog 5); 1 more where the
    likely scripts differ (CLDR; Hans, Hant, Jpan and Kore are four scripts). Raises InputError for a language whose
    family is not in the kit's table, unless it is compared with itself.

    >>> [language_distance("de", other) for other in ("de", "en", "es", "ru", "tr", "th")]
    [0, 1, 2, 3, 3, 4]
    """
    first, second = language(one), language(other)
    same = _code(one) == _code(other)
    for known in () if same else (first, second):
        if not known.family:
            raise InputError(
                f"{known.tag} ({known.name}): family unknown, so that its distance from other languages is unknown; "
                "add its family and branch to _FAMILIES in hybridkit/languages.py, or leave it out"
            )
    if same:
        steps = 0
    elif first.family != second.family:
        steps = 3
    else:
        steps = 1 if first.branch == second.branch else 2
    return steps + (first.script != second.script)


def families() -> tuple[str, ...]:
    """Names of the families and branches that the kit's languages belong to, each once.

    >>> families()[:3]
    ('Indo-European', 'Germanic', 'Romance')
    """
    return tuple(dict.fromkeys(name for both in _FAMILIES for name in both))


def _code(tag: str) -> str:
    return tag.split("-")[0]


def name_of(tag: str) -> str:
    """English name of a language, or the tag itself where it is none: rows of a user may call a language anything.

    >>> name_of("de"), name_of("martian?")
    ('German', 'martian?')
    """
    try:
        return language(tag).name
    except InputError:
        return tag


def direction_of(tag: str) -> str:
    """Writing direction of a language for an attribute `dir`: "ltr", "rtl", or "auto" for one that is not known.

    >>> direction_of("ar"), direction_of("de"), direction_of("martian?")
    ('rtl', 'ltr', 'auto')
    """
    try:
        return language(tag).direction
    except InputError:
        return "auto"


def _likely_script(code: str, region: str | None) -> str:
    from babel.core import get_global

    likely = get_global("likely_subtags")
    for key in ([f"{code}_{region}"] if region else []) + [code]:
        for part in str(likely.get(key, "")).split("_")[1:]:
            if len(part) == 4:
                return part
    return "Zzzz"  # ISO 15924: unknown


def _suggestion(tag: str) -> str:
    """What the writer of a wrong tag probably meant, as the end of an error message."""
    from babel.core import get_global

    parts = tag.strip().replace("_", "-").split("-")
    parts[0] = parts[0].lower()
    parts[0] = str(get_global("language_aliases").get(parts[0], parts[0]))
    parts[1:] = [part.title() if len(part) == 4 else part.upper() for part in parts[1:]]
    better = "-".join(parts)
    if better != tag:
        try:
            return f"; write {language(better).tag!r}"
        except InputError:
            pass
    return "; use a code of BCP 47 such as 'de', 'yue' or 'zh-Hant'"

"""Languages by their tags: English and own name, script, writing direction and family."""

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
    ("Turkic", "Oghuz"): "az azb tk tr",
    ("Turkic", "Karluk"): "ug uz",
    ("Uralic", "Finnic"): "et fi",
    ("Uralic", "Hungarian"): "hu",
    ("Basque", "Basque"): "eu",
}
_FAMILY = {tag: family for family, tags in _FAMILIES.items() for tag in tags.split()}
_RIGHT_TO_LEFT = frozenset({"Adlm", "Arab", "Aran", "Hebr", "Mand", "Mend", "Nkoo", "Rohg", "Samr", "Syrc", "Thaa"})
_NO_LANGUAGE = frozenset({"und", "mul", "zxx", "mis", "root"})
# BCP 47 (RFC 5646, section 2.1) in its one spelling: language, script, region, variants, extensions, private use. Left
# out are tags of private use alone, which name no language, and extended languages ("yue", not "zh-yue").
_TAG = re.compile(
    r"([a-z]{2,3})(?:-([A-Z][a-z]{3}))?(?:-([A-Z]{2}|[0-9]{3}))?"
    r"((?:-(?:[a-z0-9]{5,8}|[0-9][a-z0-9]{3}))*(?:-[0-9a-wy-z](?:-[a-z0-9]{2,8})+)*(?:-x(?:-[a-z0-9]{1,8})+)?)",
    re.ASCII,
)
_NO_SCRIPT = "Zzzz"  # ISO 15924: unknown
_LONGEST = 80  # characters of a tag, which is part of names of files
# Languages of ISO 639-3 that CLDR, unlike BCP 47, counts as a larger one: FLORES and others use their tags.
_OWN = (
    "als arb ayr azj bal bcc bcl bxk bxr cld cls cmn cwd dgo dhd dik diq ekk emk esk fat fuc gaz gbo gno gom gug gya "
    "hdn hea him ike khk kmr knc kng kpv lbk lvs mhr mnk mup npi ojg ory pbu pes plt pnb prs quz rmy spy src swc swh "
    "ttq tw umu uzn xpe xsl ydd zai zsm zyb "
)
# Tags from before RFC 4646, with what replaces them (IANA's registry, grandfathered).
_REPLACED = (
    "art-lojban=jbo en-gb-oed=en-GB-oxendict i-ami=ami i-bnn=bnn i-hak=hak i-klingon=tlh i-lux=lb i-navajo=nv "
    "i-pwn=pwn i-tao=tao i-tay=tay i-tsu=tsu no-bok=nb no-nyn=nn zh-guoyu=cmn zh-hakka=hak zh-min-nan=nan "
    "zh-xiang=hsn"
)
_GRANDFATHERED = dict(pair.split("=") for pair in _REPLACED.split())


@dataclass(frozen=True)
class Language:
    """A language, with what plots and tables need of it.

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
    """Return the language of a tag of BCP 47: `de`, `yue`, `zh-Hant`, `pt-BR`, `be-tarask`, `azb`, `en-x-foo`.

    Names, likely script and direction are CLDR's (through Babel) where it has them, else the name is the tag and the
    script "Zzzz", written from left to right. Families are Glottolog's. A tag has one spelling (`de`, not `DE` or
    `deu`), so that one language is never two columns.

    Raises:
        InputError: For an invalid tag; the message suggests a valid one.

    >>> language("hi")
    Language(tag='hi', name='Hindi', script='Deva', family='Indo-European', branch='Indo-Aryan', direction='ltr', \
endonym='हिन्दी')
    >>> language("ar").direction
    'rtl'
    """
    match = _TAG.fullmatch(tag)
    if match is None or len(tag) > _LONGEST:
        raise InputError(f"{tag[:_LONGEST]!r} is not a language tag{_suggestion(tag)}")
    code, script, region, rest = match.groups()
    from babel import Locale
    from babel.core import get_global
    from babel.localedata import exists

    english = Locale("en")
    alias = str(get_global("language_aliases").get(code, ""))
    withdrawn = alias and code not in _FAMILY and code not in _OWN.split()
    # CLDR has all codes of two letters that are in use
    unknown = len(code) == 2 and not (code in english.languages or exists(code) or code in _OWN.split())
    private = "qaa" <= code <= "qtz" and len(code) == 3
    if code in _NO_LANGUAGE or withdrawn or unknown or private or tag.lower() in _GRANDFATHERED:
        raise InputError(f"{tag!r} is not a language tag that is in use{_suggestion(tag)}")
    for subtag, known in ((script, english.scripts), (region, english.territories)):
        if subtag and subtag not in known:
            raise InputError(f"{tag!r} is not a language tag: CLDR knows no script or territory {subtag!r}")
    name = english.languages.get(code) or english.languages.get(alias if "_" in alias else "") or ""
    if not name:  # one that CLDR counts as a larger language is named after that, with its own code
        name = f"{english.languages[alias]} ({code})" if alias in english.languages else code
    endonym = (Locale(code).languages.get(code) if exists(code) else None) or name
    extra = [english.scripts[script]] if script else []
    extra += [english.territories[region]] if region else []
    extra += [rest[1:]] if rest else []
    if extra:
        name = f"{name} ({', '.join(extra)})"
        endonym = f"{endonym} ({', '.join(filter(None, (script, region, rest[1:])))})"
    script = script or _likely_script(code, region)
    if script == _NO_SCRIPT and alias:
        script = _likely_script(alias.partition("_")[0], region)
    family, branch = _FAMILY.get(code) or _FAMILY.get(alias.partition("_")[0]) or ("", "")
    return Language(tag, name, script, family, branch, "rtl" if script in _RIGHT_TO_LEFT else "ltr", endonym)


def tag_at_end(name: str) -> str:
    """Return the longest language tag that a name ends with, after a hyphen; "" without one.

    >>> tag_at_end("miracl-v1.0-zh-Hant"), tag_at_end("mine-be-tarask"), tag_at_end("sw")
    ('zh-Hant', 'be-tarask', '')
    """
    parts = name.split("-")
    for start in range(1, len(parts)):
        try:
            return language("-".join(parts[start:])).tag
        except InputError:
            continue
    return ""


def language_distance(one: str, other: str) -> int:
    """Return the distance of two languages, 0 to 4: steps up the family tree, and one for another script.

    0 for the same language, 1 within a branch, 2 within a family, 3 between families; 1 more where the likely scripts
    differ (Hans, Hant, Jpan and Kore are four scripts).

    Raises:
        InputError: For a language whose family is not in the kit's table, unless it is compared with itself.

    Source: Glottolog 5 (families), CLDR (scripts).

    >>> [language_distance("de", other) for other in ("de", "en", "es", "ru", "tr", "th")]
    [0, 1, 2, 3, 3, 4]
    """
    first, second = language(one), language(other)
    same = _code(one) == _code(other)
    for known in () if same else (first, second):
        if not known.family:
            raise InputError(
                f"{known.tag} ({known.name}): its family is unknown, and so is its distance from other languages; "
                f"leave it out, or choose among {' '.join(sorted(_FAMILY))}"
            )
    if same:
        steps = 0
    elif first.family != second.family:
        steps = 3
    else:
        steps = 1 if first.branch == second.branch else 2
    return steps + (first.script != second.script)


def families() -> tuple[str, ...]:
    """Return the names of the families and branches in the kit's table, each once.

    >>> families()[:3]
    ('Indo-European', 'Germanic', 'Romance')
    """
    return tuple(dict.fromkeys(name for both in _FAMILIES for name in both))


def _code(tag: str) -> str:
    return tag.split("-")[0]


def name_of(tag: str) -> str:
    """Return the English name of a language, or the tag itself where it is invalid, as in a user's frame.

    >>> name_of("de"), name_of("martian?")
    ('German', 'martian?')
    """
    try:
        return language(tag).name
    except InputError:
        return tag


def direction_of(tag: str) -> str:
    """Return the writing direction of a language for an attribute `dir`: "ltr", "rtl", or "auto" for an invalid tag.

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
        for subtag in str(likely.get(key, "")).split("_")[1:]:
            if len(subtag) == 4:
                return subtag
    return _NO_SCRIPT


def _suggestion(tag: str) -> str:
    """What the writer of a wrong tag probably meant, as the end of an error message."""
    from babel.core import get_global

    subtags = tag[:_LONGEST].strip().replace("_", "-").lower().split("-")
    if "-".join(subtags) in _GRANDFATHERED:
        return f"; write {_GRANDFATHERED['-'.join(subtags)]!r}"
    if (
        len(subtags) > 1 and len(subtags[1]) == 3 and subtags[1].isalpha() and len(subtags[0]) in (2, 3)
    ):  # an extended language
        subtags = subtags[1:]
    alias = str(get_global("language_aliases").get(subtags[0], subtags[0]))
    subtags[0] = subtags[0] if subtags[0] in _OWN.split() else alias.replace("_", "-")
    single = next((position for position, subtag in enumerate(subtags) if len(subtag) == 1), len(subtags))
    subtags[1:single] = [
        subtag.title() if len(subtag) == 4 and subtag.isalpha() else subtag.upper() if len(subtag) in (2, 3) else subtag
        for subtag in subtags[1:single]
    ]
    better = "-".join(subtags)
    if better != tag:
        try:
            return f"; write {language(better).tag!r}"
        except InputError:
            pass
    return "; use a code of BCP 47 such as 'de', 'yue' or 'zh-Hant'"

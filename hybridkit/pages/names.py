"""Names of pages, languages and strategies, as pages write them."""

import re

from hybridkit.errors import InputError
from hybridkit.languages import language
from hybridkit.pages.top import POOL

_PLAIN = re.compile(r"[A-Za-z0-9-]+")


def page_name(pair: tuple[str, str]) -> str:
    """File name of a pair's page.

    >>> page_name(("de", "en")), page_name(("zh-Hant", "*")), page_name(("../x", "en"))
    ('de_en.html', 'zh-Hant_pool.html', 'x2e2e2fx_en.html')
    """
    return f"{_file(pair[0])}_{'pool' if pair[1] == POOL else _file(pair[1])}.html"


def texts_name(tag: str) -> str:
    """File name of the texts of a language.

    >>> texts_name("de")
    'texts-de.js'
    """
    return f"texts-{_file(tag)}.js"


def _file(tag: str) -> str:
    """A language tag as part of a file name: rows of a user may call a language anything."""
    if _PLAIN.fullmatch(tag):
        return tag
    plain = [part if _PLAIN.fullmatch(part) else f"{ord(part):02x}" for part in tag]
    return "x" + "".join(plain)


def language_name(tag: str) -> str:
    """English name of a language, or the tag where it is none.

    >>> language_name("de"), language_name("*"), language_name("martian?")
    ('German', 'pool of all languages', 'martian?')
    """
    if tag == POOL:
        return "pool of all languages"
    try:
        return language(tag).name
    except InputError:
        return tag


def direction(tag: str) -> str:
    """Writing direction of a language for an attribute `dir`, "auto" where it is not known.

    >>> direction("ar"), direction("de"), direction("martian?")
    ('rtl', 'ltr', 'auto')
    """
    try:
        return language(tag).direction
    except InputError:
        return "auto"


def strategy_label(strategy: str) -> str:
    """A strategy as figures name it.

    >>> strategy_label("hybrid(alpha=0.5)")
    'hybrid α = 0.5'
    """
    from hybridkit.palette import label

    return label(strategy)

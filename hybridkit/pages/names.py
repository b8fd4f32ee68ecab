"""Names of pages and languages, as pages write them."""

import re

from hybridkit.languages import name_of
from hybridkit.widgets.ranked import POOL

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
    return "pool of all languages" if tag == POOL else name_of(tag)

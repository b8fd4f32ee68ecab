"""The first page: the matrix as an HTML table, all views of it as data, and where to look first."""

import math
import re
from collections.abc import Sequence
from typing import Any

from hybridkit.data.languages import name_of
from hybridkit.plots.palette import step
from hybridkit.report.pages.collect import Pair, View
from hybridkit.report.views import POOL
from hybridkit.sampling.labels import label
from hybridkit.utils.numbers import bare

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


FEWEST = 5  # lines of a list of pairs to look at first
DISTANCE = "rank_distance"


def number(value: float, measure: str, difference: bool = False, small: bool = False) -> str:
    """A value as a cell shows it: two digits without the leading zero, fewer for many ranks, a difference with sign.

    >>> number(0.534, "AP"), number(1234.5, "rank_distance"), number(-0.012, "AP", True, True), number(0.0, "AP", True)
    ('.53', '1,234', '−.012', '.00')
    """
    if math.isnan(value):
        return ""
    digits = 3 if small else 2
    if measure == DISTANCE:
        digits = 2 if abs(value) < 2 else 1 if abs(value) < 10 else 0
    text = f"{value:{'+' if difference else ''},.{digits}f}"
    if float(text.replace(",", "")) == 0:
        text = text.lstrip("+-")
    return bare(text)


def view_data(view: View, pairs: Sequence[tuple[str, str]]) -> dict[str, Any]:
    """A view as matrix.js keeps it: its caption, the ends of its scale, and [text, class] of each pair's cell."""
    values = [view.value(pair) for pair in pairs]
    there = [value for value in values if not math.isnan(value)]
    low, high = (min(there), max(there)) if there else (0.0, 0.0)
    difference = bool(view.minus)
    if difference:
        high = max(abs(low), abs(high), 1e-9)
        low = -high
    small = difference and high < 0.05  # small differences need a digit more
    told = [number(value, view.measure, difference, small) for value in values]
    cells = []
    for pair, value, text in zip(pairs, values, told, strict=True):
        look = f"{'d' if difference else 's'}{step(value, low, high)}" if not math.isnan(value) else "none"
        if difference and look != "none" and not view.significant(pair):
            look = "grey"
        cells.append([text, look])
    name = label(view.strategy)
    caption = f"{name} minus {label(view.minus)}" if difference else name
    return {
        "strategy": view.strategy,
        "minus": view.minus,
        "measure": view.measure,
        "caption": f"{view.measure.replace('_', ' ')}, {caption}: mean over queries",
        "low": number(low, view.measure, difference, small),
        "high": number(high, view.measure, difference, small),
        "cells": cells,
    }


def table(view: dict[str, Any], pairs: Sequence[tuple[str, str]]) -> dict[str, Any]:
    """Columns and rows of the matrix, with links, as the template writes them; `pairs` in the order of `view`."""
    places = {pair: place for place, pair in enumerate(pairs)}
    from_languages = list(dict.fromkeys(query for query, _ in pairs))
    to_languages = sorted({passage for _, passage in pairs} - {POOL}, key=lambda tag: tag + ":")
    if any(passage == POOL for _, passage in pairs):
        to_languages.append(POOL)
    columns = [
        {"tag": tag, "name": language_name(tag), "short": "pool" if tag == POOL else tag} for tag in to_languages
    ]
    rows = []
    for query in from_languages:
        cells = []
        for passage in to_languages:
            pair = (query, passage)
            cell = {"pool": passage == POOL, "title": heading(pair), "href": ""}
            if pair in places:
                text, look = view["cells"][places[pair]]
                side = "pool" if passage == POOL else passage
                cell |= {"href": page_name(pair), "place": places[pair], "text": text, "look": look}
                cell["testid"] = f"cell-{query}-{side}"
            cells.append(cell)
        rows.append({"tag": query, "name": language_name(query), "cells": cells})
    return {"columns": columns, "rows": rows}


def heading(pair: tuple[str, str]) -> str:
    """A pair in words.

    >>> heading(("de", "en")), heading(("de", "*"))
    ('German queries, English passages', 'German queries, pool of all languages')
    """
    query, passage = pair
    return f"{language_name(query)} queries, " + (
        "pool of all languages" if passage == POOL else f"{language_name(passage)} passages"
    )


def first_looks(views: Sequence[View], now: str, before: str, pairs: Sequence[Pair]) -> list[dict[str, Any]]:
    """Lists of pairs to look at first: the most biased and lowest of the strategy before, what the one now gained."""
    plain = {(view.strategy, view.measure): view for view in views if not view.minus}
    keys = [pair.key for pair in pairs if not pair.pool]
    names = [name for name in (before, now) if name]
    labels = [label(name) for name in names]
    wanted = [
        ("bias", DISTANCE, f"Most biased under {labels[0]}: ranks of the pool behind the best twin", -1),
        ("lowest", "AP", f"Lowest AP under {labels[0]}", 1),
    ]
    lists = []
    for testid, measure, caption, sign in wanted:
        shown = [plain[name, measure] for name in names if (name, measure) in plain]
        there = [key for key in keys if shown and not math.isnan(shown[0].value(key))]
        if len(shown) == len(names) and there:
            order = sorted(there, key=lambda key: (sign * shown[0].value(key), key))
            lists.append(_list(testid, caption, labels, order[:FEWEST], shown))
    both = [plain[name, "AP"] for name in names if (name, "AP") in plain]
    if len(both) == 2:
        most = sorted(keys, key=lambda key: (both[0].value(key) - both[1].value(key), key))
        lists.append(_list("gained", f"AP gained most under {labels[1]}", labels, most[:FEWEST], both))
    return lists


def _list(
    testid: str, caption: str, names: list[str], keys: Sequence[tuple[str, str]], shown: Sequence[View]
) -> dict[str, Any]:
    lines = [
        {"href": page_name(key), "name": heading(key), "numbers": [number(v.value(key), v.measure) for v in shown]}
        for key in keys
    ]
    return {"testid": testid, "caption": caption, "heads": ["pair", *names], "lines": lines}

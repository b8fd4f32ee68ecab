"""The page of one pair of languages: the values of its template, its histogram of ranks, its colours."""

import math
import re
from collections.abc import Iterator, Mapping, Sequence
from itertools import pairwise
from typing import Any

import numpy as np
import pandas as pd

from hybridkit.data.languages import direction_of
from hybridkit.plots.palette import CIVIDIS, PURPLE_ORANGE, ink
from hybridkit.report.pages.collect import Collected, Pair, View, as_json
from hybridkit.report.views import POOL, number, pair_name, spoken
from hybridkit.sampling.labels import label

_WIDTH, _HEIGHT, _LEFT, _TOP, _BOTTOM = 560, 210, 44, 12, 40
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
    plain = [letter if _PLAIN.fullmatch(letter) else f"{ord(letter):02x}" for letter in tag]
    return "x" + "".join(plain)


def colour_classes() -> str:
    """CSS of the two scales: .s0 to .s20 for values (cividis), .d0 to .d20 for differences (purple to orange).

    People with the common kinds of colour blindness can read both; the number in a cell is black or white,
    whichever has the larger contrast (WCAG 2.2), which is at least 4.5 on any colour.

    >>> colour_classes().splitlines()[0]
    '.s0 { background: #00224e; color: #fff }'
    """
    lines = []
    for name, scale in (("s", CIVIDIS), ("d", PURPLE_ORANGE)):
        for step, ground in enumerate(scale):
            short = "#000" if ink(ground) == "#000000" else "#fff"
            lines.append(f".{name}{step} {{ background: {ground}; color: {short} }}")
    return "\n".join(lines) + "\n"


def edges(highest: int) -> list[int]:
    """Where the bins of ranks begin, each twice as wide as the one before: 1, 2, 3-4, 5-8, ...; the last is the end.

    >>> edges(5), edges(1)
    ([1, 2, 3, 5, 9], [1, 2])
    """
    found = [1, 2]
    while found[-1] <= highest:
        found.append((found[-1] - 1) * 2 + 1)
    return found


def histogram(ranks: Mapping[str, Sequence[float]], highest: int) -> pd.DataFrame:
    """Count ranks in bins that double in width: a column a strategy, a row a bin, named "3-4" and so on.

    >>> histogram({"mono": [1, 1, 3, 7]}, 8)
    ranks  mono
    1         2
    2         0
    3-4       1
    5-8       1
    """
    bounds = edges(highest)
    names = [str(low) if high == low + 1 else f"{low}-{high - 1}" for low, high in pairwise(bounds)]
    counts = {name: np.histogram(np.asarray(values, float), bounds)[0] for name, values in ranks.items()}
    return pd.DataFrame(counts, index=pd.Index(names)).rename_axis(columns="ranks")


def drawing(counts: pd.DataFrame) -> dict[str, Any]:
    """Positions of what the histogram's SVG is made of: bars of the strategies side by side, ticks, names of bins."""
    inner, floor = _WIDTH - _LEFT - 6, _HEIGHT - _BOTTOM
    tallest = max(1, int(counts.to_numpy().max(initial=1)))
    room = inner / max(1, len(counts))
    thick = room * 0.8 / max(1, counts.shape[1])
    bars, names = [], []
    for row, (name, values) in enumerate(counts.iterrows()):
        left = _LEFT + row * room
        names.append({"x": left + room / 2, "text": _brief(str(name))})
        for column, value in enumerate(values):
            high = value / tallest * (floor - _TOP)
            x = left + room * 0.1 + column * thick
            bars.append({"x": x, "y": floor - high, "high": high, "side": column, "name": name, "value": value})
    ticks = [{"y": floor - share * (floor - _TOP), "text": f"{tallest * share:,.0f}"} for share in (0, 0.5, 1)]
    sizes = {"width": _WIDTH, "height": _HEIGHT, "left": _LEFT, "middle": _LEFT + inner / 2, "floor": floor}
    return {**sizes, "thick": thick - 1, "ticks": ticks, "bars": bars, "names": names}


def _brief(name: str) -> str:
    """The upper end of a bin, which there is room for.

    >>> _brief("5-8"), _brief("1025-2048")
    ('≤8', '≤2k')
    """
    if "-" not in name:
        return name
    end = int(name.split("-")[1])
    return f"≤{end // 1024}k" if end >= 1024 else f"≤{end}"


def pair_context(collected: Collected, pair: Pair) -> dict[str, Any]:
    """Everything that `pair.html.j2` takes: texts as texts, the page's data as JSON for its script element."""
    names = collected.compared
    labels = [label(name) for name in names]
    ranks = {
        name: pair.queries[column].dropna().tolist() for name, column in zip(names, ("rank", "before"), strict=False)
    }
    counts = histogram(ranks, collected.candidates(pair))
    tops = collected.tops(pair)
    tags = {pair.query_language, "en", *(one[0] for sides in tops.values() for side in sides if side for one in side)}
    tags &= set(collected.texts.files())
    positions = collected.positions
    return {
        "heading": pair_name(pair.key),
        "benchmark": collected.inspected.benchmark_name,
        "pair": pair,
        "candidates": collected.candidates(pair),
        "seeds": _seeds(collected),
        "missing": collected.inspected.missing,
        "files": [texts_name(tag) for tag in sorted(tags)],
        "links": _links(collected, pair),
        "strategies": names,
        "svg": drawing(counts),
        "histogram": list(counts.itertuples()),
        "summary": _summary(collected.views, pair.key),
        "lists": list(_lists(collected, pair, labels)),
        "tops": bool(tops),
        "data": as_json(
            {
                "languages": {tag: [tag, direction_of(tag), spoken(tag)] for tag in sorted(tags)},
                "strategies": labels,
                "queries": {
                    str(positions[pair.query_language, query]): {
                        "english": positions.get(("en", query), -1),
                        "top": sides,
                    }
                    for query, sides in tops.items()
                },
            }
        ),
    }


def _seeds(collected: Collected) -> str:
    """Which models the ranks are of, where there are several."""
    seeds = collected.inspected.seeds(collected.now)
    several = f"Ranks are those of seed {seeds[0]}; the measures of every strategy are means over {len(seeds)} seeds."
    return several if len(seeds) > 1 else ""


def _links(collected: Collected, pair: Pair) -> list[dict[str, str]]:
    keys = [one.key for one in collected.pairs]
    at = keys.index(pair.key)
    wanted = {
        "previous": (keys[at - 1] if at else None, "‹ {}"),
        "next": (keys[at + 1] if at + 1 < len(keys) else None, "{} ›"),
        "reversed": (pair.key[::-1] if len(set(pair.key)) == 2 else None, "reversed: {}"),
        "pool-link": (None if pair.pool else (pair.query_language, POOL), "pool of {}"),
    }
    found = []
    for testid, (key, form) in wanted.items():
        if key in keys:
            name = key[0] if testid == "pool-link" else f"{key[0]} → {'pool' if key[1] == POOL else key[1]}"
            found.append({"href": page_name(key), "testid": testid, "name": form.format(name)})
    return found


def _summary(found: Sequence[View], key: tuple[str, str]) -> dict[str, Any]:
    plain = [view for view in found if not view.minus and key in view.grid.values]
    measures = list(dict.fromkeys(view.measure for view in plain))
    values = {(view.strategy, view.measure): number(view.value(key), view.measure) for view in plain}
    lines = {
        label(name): [values.get((name, measure), "") for measure in measures]
        for name in dict.fromkeys(view.strategy for view in plain)
    }
    return {"measures": measures, "lines": lines}


def _lists(collected: Collected, pair: Pair, labels: Sequence[str]) -> Iterator[dict[str, Any]]:
    """The tables of the worst and of the most changed queries, where there are any."""
    heads = [f"rank, {label}" for label in labels] + ["change"] * (len(labels) == 2)
    heads += ["rank distance"] * pair.pool
    title = f"The {len(pair.worst)} worst queries under {labels[0]}"
    text = f"Those whose relevant passage is ranked lowest by {labels[0]}."
    found = [("worst", title, text, pair.worst)]
    if len(labels) == 2:
        title = f"The {len(pair.changed)} queries that changed most from {labels[1]} to {labels[0]}"
        text = "By the ratio of the two ranks, so that from 1 to 10 is as much as from 100 to 1,000."
        found.append(("changed", title, text, pair.changed))
    for testid, title, text, frame in found:
        if lines := [_line(collected, pair, row) for row in frame.to_dict("records")]:
            yield {"testid": testid, "title": title, "text": text, "heads": heads, "lines": lines}


def _line(collected: Collected, pair: Pair, row: Mapping[Any, Any]) -> dict[str, Any]:
    numbers = [{"text": _rank(row["rank"])}]
    if collected.before:
        numbers += [{"text": _rank(row["before"])}, _change(row["rank"], row["before"])]
    if pair.pool:
        numbers.append({"text": _rank(row["rank_distance"])})
    position = collected.positions[pair.query_language, row["query_id"]]
    return {"id": row["query_id"], "position": position, "numbers": numbers}


def _rank(value: float) -> str:
    return "–" if math.isnan(value) else f"{value:,.0f}"


def _change(now: float, before: float) -> dict[str, str]:
    """How far a rank went, in words, so that no colour or sign need be known.

    >>> _change(2, 10), _change(10, 2), _change(3, 3)
    ({'text': '▲ 8 better', 'look': 'better'}, {'text': '▼ 8 worse', 'look': 'worse'}, {'text': 'same'})
    """
    if math.isnan(now) or math.isnan(before):
        return {"text": "–"}
    if now == before:
        return {"text": "same"}
    moved = _rank(abs(now - before))
    if now < before:
        return {"text": f"▲ {moved} better", "look": "better"}
    return {"text": f"▼ {moved} worse", "look": "worse"}

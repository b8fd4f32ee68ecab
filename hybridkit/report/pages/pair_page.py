"""The page of one pair of languages: the values of its template, its histogram of ranks, its colours."""

import html
import math
from collections.abc import Mapping, Sequence
from itertools import pairwise
from typing import Any

import numpy as np
import pandas as pd

from hybridkit.data.languages import direction_of
from hybridkit.plots.palette import CIVIDIS, PURPLE_ORANGE, colour, ink
from hybridkit.report.pages.collect import Collected, Pair, View, as_json
from hybridkit.report.pages.matrix_page import heading, language_name, number, page_name, texts_name
from hybridkit.report.views import POOL
from hybridkit.sampling.labels import label

_WIDTH, _HEIGHT, _LEFT, _TOP, _BOTTOM = 560, 210, 44, 12, 40


def colour_classes() -> str:
    """CSS of the two scales: .s0 to .s20 for values (cividis), .d0 to .d20 for differences (purple to orange).

    Both are told apart by people with the common kinds of colour blindness; the number in a cell is black or white,
    whichever has the larger contrast (WCAG 2.2), which is at least 4.5 on any colour.

    >>> colour_classes().splitlines()[0]
    '.s0 { background: #00224e; color: #fff }'
    """
    lines = []
    for name, scale in (("s", CIVIDIS), ("d", PURPLE_ORANGE)):
        for place, ground in enumerate(scale):
            short = "#000" if ink(ground) == "#000000" else "#fff"
            lines.append(f".{name}{place} {{ background: {ground}; color: {short} }}")
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


def histogram_svg(counts: pd.DataFrame, colours: Sequence[str], labels: Sequence[str]) -> str:
    """Draw a histogram of `histogram` as SVG: bars of the strategies side by side, in the order of the columns."""
    inner = _WIDTH - _LEFT - 6
    floor = _HEIGHT - _BOTTOM
    tallest = max(1, int(counts.to_numpy().max(initial=1)))
    room = inner / max(1, len(counts))
    thick = room * 0.8 / max(1, counts.shape[1])
    parts = []
    for share in (0, 0.5, 1):
        y = floor - share * (floor - _TOP)
        parts.append(f'<line x1="{_LEFT}" x2="{_WIDTH}" y1="{y:.1f}" y2="{y:.1f}" stroke="#ddd"/>')
        parts.append(f'<text x="{_LEFT - 5}" y="{y + 4:.1f}" text-anchor="end">{tallest * share:,.0f}</text>')
    for row, (name, values) in enumerate(counts.iterrows()):
        left = _LEFT + row * room
        for column, value in enumerate(values):
            high = value / tallest * (floor - _TOP)
            parts.append(
                f'<rect x="{left + room * 0.1 + column * thick:.1f}" y="{floor - high:.1f}" width="{thick - 1:.1f}" '
                f'height="{high:.1f}" fill="{html.escape(colours[column])}"><title>{html.escape(labels[column])}, '
                f"rank {name}: {value}</title></rect>"
            )
        parts.append(
            f'<text x="{left + room / 2:.1f}" y="{floor + 15}" text-anchor="middle">{_brief(str(name))}</text>'
        )
    parts.append(f'<text x="{_LEFT + inner / 2:.1f}" y="{_HEIGHT - 6}" text-anchor="middle">rank of the passage</text>')
    told = html.escape(f"Number of queries by rank of their relevant passage: {', '.join(labels)}")
    return (
        f'<svg viewBox="0 0 {_WIDTH} {_HEIGHT}" width="{_WIDTH}" height="{_HEIGHT}" role="img" aria-label="{told}" '
        f'data-testid="histogram">{"".join(parts)}</svg>'
    )


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
    names = [name for name in (collected.now, collected.before) if name]
    ranks = {
        name: pair.queries[column].dropna().tolist() for name, column in zip(names, ("rank", "before"), strict=False)
    }
    counts = histogram(ranks, collected.candidates(pair.key))
    labels, colours = [label(name) for name in names], [colour(name) for name in names]
    tops = collected.tops(pair)
    tags = {pair.query_language, "en", *(one[0] for sides in tops.values() for side in sides if side for one in side)}
    tags &= set(collected.texts.files())
    return {
        "heading": heading(pair.key),
        "benchmark": collected.name,
        "queries": f"{len(pair.queries):,}",
        "candidates": f"{collected.candidates(pair.key):,}",
        "pool": pair.pool,
        "seeds": collected.seeds,
        "missing": collected.missing,
        "files": [texts_name(tag) for tag in sorted(tags)],
        "links": _links(collected, pair),
        "shown": [{"label": label, "colour": one} for label, one in zip(labels, colours, strict=True)],
        "svg": histogram_svg(counts, colours, labels),
        "histogram": [{"name": name, "numbers": list(values)} for name, *values in counts.itertuples()],
        "summary": _summary(collected.views, pair.key),
        "parts": [part for part in _parts(collected, pair, labels) if part["lines"]],
        "tops": bool(tops),
        "data": as_json(
            {
                "languages": {tag: [tag, direction_of(tag), language_name(tag)] for tag in sorted(tags)},
                "strategies": labels,
                "queries": {
                    str(collected.query_place(pair, query)): {"english": collected.english_query(query), "top": sides}
                    for query, sides in tops.items()
                },
            }
        ),
    }


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
            told = key[0] if testid == "pool-link" else f"{key[0]} → {'pool' if key[1] == POOL else key[1]}"
            found.append({"href": page_name(key), "testid": testid, "name": form.format(told)})
    return found


def _summary(views: Sequence[View], key: tuple[str, str]) -> dict[str, Any]:
    plain = [view for view in views if not view.minus and not math.isnan(view.value(key))]
    heads = list(dict.fromkeys(view.measure for view in plain))
    values = {(view.strategy, view.measure): number(view.value(key), view.measure) for view in plain}
    lines = [
        {"name": label(name), "numbers": [values.get((name, head), "") for head in heads]}
        for name in dict.fromkeys(view.strategy for view in plain)
    ]
    return {"heads": [head.replace("_", " ") for head in heads], "lines": lines}


def _parts(collected: Collected, pair: Pair, labels: Sequence[str]) -> list[dict[str, Any]]:
    worst = {
        "testid": "worst",
        "title": f"The {len(pair.worst)} worst queries under {labels[0]}",
        "told": f"Those whose relevant passage stands lowest under {labels[0]}.",
    }
    parts = [(worst, pair.worst)]
    if len(labels) == 2:
        changed = {
            "testid": "changed",
            "title": f"The {len(pair.changed)} queries that changed most from {labels[1]} to {labels[0]}",
            "told": "By the ratio of the two ranks, so that from 1 to 10 is as much as from 100 to 1,000.",
        }
        parts.append((changed, pair.changed))
    heads = [f"rank, {label}" for label in labels] + ["change"] * (len(labels) == 2)
    heads += ["rank distance"] * pair.pool
    return [
        {**told, "heads": heads, "lines": [_line(collected, pair, row) for row in frame.to_dict("records")]}
        for told, frame in parts
    ]


def _line(collected: Collected, pair: Pair, row: Mapping[Any, Any]) -> dict[str, Any]:
    numbers = [{"text": _rank(row["rank"])}]
    if collected.before:
        numbers += [{"text": _rank(row["before"])}, _change(row["rank"], row["before"])]
    if pair.pool:
        numbers.append({"text": _rank(row["rank_distance"])})
    tag = pair.query_language
    place = collected.query_place(pair, row["query_id"])
    return {"id": row["query_id"], "tag": tag, "dir": direction_of(tag), "place": place, "numbers": numbers}


def _rank(value: float) -> str:
    """A rank, whole where it is one and with a digit where it is a mean over seeds.

    >>> _rank(1234.0), _rank(2.3333), _rank(float("nan"))
    ('1,234', '2.3', '–')
    """
    if math.isnan(value):
        return "–"
    return f"{value:,.0f}" if float(value).is_integer() else f"{value:,.1f}"


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

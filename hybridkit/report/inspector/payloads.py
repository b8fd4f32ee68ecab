"""What the inspector draws: plain values of matrix and ranks, and rankings as HTML with every text escaped."""

from __future__ import annotations

from html import escape
from typing import TYPE_CHECKING, Any

import pandas as pd

from hybridkit.data.languages import direction_of, name_of
from hybridkit.plots.palette import CIVIDIS, GREY, GREY_INK, PURPLE_ORANGE, colour, heat_colour, ink
from hybridkit.plots.palette import colour as colour_of
from hybridkit.report.views import DISTANCE, POOL
from hybridkit.sampling.labels import label
from hybridkit.utils.characters import shown

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence


PAGE = 25  # queries of a page
MEASURE_NAMES = {DISTANCE: "rank distance"}


def spoken(tag: str) -> str:
    """The English name of a language; the tag where it is none that is known, and "pool" for "*".

    >>> spoken("ar"), spoken("*"), spoken("x1")
    ('Arabic', 'pool', 'x1')
    """
    return "pool" if tag == POOL else name_of(tag)


def matrix(frame: pd.DataFrame, title: str, measure: str, difference: bool) -> dict[str, Any]:
    """A frame of `views.pair_matrix` as a grid: title, columns, rows with their cells.

    A cell has text, label, colour, ink and grey (not significant); one without a value has an empty text.
    """
    rows = sorted(set(frame["query_language"]))
    columns = sorted(set(frame["passage_language"]) - {POOL})
    columns += [POOL] if POOL in set(frame["passage_language"]) else []
    pairs = list(zip(frame["query_language"], frame["passage_language"], strict=True))
    values = dict(zip(pairs, frame["value"].astype(float), strict=True))
    tested = dict(zip(pairs, frame["significant"], strict=True)) if "significant" in frame else {}
    # the pool is another thing than a pair: in rank distance it would take all the colours
    scaled = frame.loc[frame["passage_language"] != POOL, "value"] if measure == DISTANCE else frame["value"]
    scaled = scaled if len(scaled) else frame["value"]
    low, high = float(scaled.min()), float(scaled.max())
    if difference:
        high = max(abs(low), abs(high), 1e-9)
        low = -high

    def cell(query: str, passage: str) -> dict[str, Any]:
        named = f"{spoken(query)} queries, " + ("pool" if passage == POOL else f"{spoken(passage)} passages")
        if (query, passage) not in values:
            return {"text": "", "label": f"{named}: none judged", "colour": "#ffffff", "ink": "#000000", "grey": False}
        value = values[query, passage]
        grey = difference and not tested.get((query, passage), True)
        scale = PURPLE_ORANGE if difference else (CIVIDIS[::-1] if measure == DISTANCE else CIVIDIS)
        ground = GREY if grey else heat_colour(value, low, high, scale)
        text = number(value, measure, difference)
        told = f"{named}: {text}" + ", not significant" * bool(grey)
        return {
            "text": text,
            "label": told,
            "colour": ground,
            "ink": GREY_INK if grey else ink(ground),
            "grey": bool(grey),
        }

    return {
        "title": title,
        "columns": [{"tag": tag, "name": f"{spoken(tag)} passages" if tag != POOL else "pool"} for tag in columns],
        "rows": [
            {"tag": query, "name": f"{spoken(query)} queries", "cells": [cell(query, tag) for tag in columns]}
            for query in rows
        ],
    }


def number(value: float, measure: str, signed: bool = False) -> str:
    """A value as a cell shows it: whole ranks, or two decimals.

    >>> number(1234.4, "rank_distance"), number(-0.126, "AP", signed=True), number(0.001, "AP", signed=True)
    ('1,234', '−0.13', '0.00')
    """
    form = ",.0f" if measure == DISTANCE else ".2f"
    text = format(value, ("+" if signed else "") + form)
    return text.lstrip("+-") if not any(digit in text for digit in "123456789") else text.replace("-", "−")


def queries(frame: pd.DataFrame, tag: str, page: int) -> dict[str, Any]:
    """A page of a frame of `views.pair_queries`: rows, the page's number, how many pages and queries there are."""
    pages = max(1, -(-len(frame) // PAGE))
    at = min(max(page, 0), pages - 1)
    part = frame.iloc[at * PAGE : (at + 1) * PAGE]
    rows = [
        {
            "id": row["query_id"],
            "text": shown(row["text"], 300),
            "rank": _whole(row["rank"]),
            "before": _whole(row["before"]),
            "change": _whole(row["change"]),
            "distance": _whole(row["rank_distance"]),
        }
        for row in part.to_dict("records")
    ]
    return {
        "rows": rows,
        "page": at,
        "pages": pages,
        "start": at * PAGE,
        "total": len(frame),
        "language": tag,
        "direction": direction_of(tag),
    }


def ladder(frame: pd.DataFrame, pool: int) -> dict[str, Any]:
    """A frame of `views.ladder`: its strategies with colour, its points, and the size of the pool."""
    names = list(dict.fromkeys(frame["strategy"]))
    points = [
        {
            "strategy": row["strategy"],
            "language": row["passage_language"],
            "rank": int(row["pool_rank"]),
            "label": f"{spoken(row['passage_language'])}: rank {row['pool_rank']:,} by {label(row['strategy'])}",
        }
        for row in frame.to_dict("records")
    ]
    strategies = [{"name": name, "label": label(name), "colour": colour_of(name)} for name in names]
    return {"strategies": strategies, "points": points, "pool": max(pool, int(frame["pool_rank"].max()))}


def _whole(value: Any) -> int | None:
    return None if pd.isna(value) else int(value)


def text_of(text: str, tag: str, kind: str) -> str:
    """A text of a data set as an element of its own: escaped, with the language's name and direction, isolated.

    >>> text_of("<b>", "ar", "text")
    '<bdi class="hk-text" data-testid="text" lang="ar" dir="rtl">&lt;b&gt;</bdi>'
    """
    told = f'<bdi class="hk-text" data-testid="{kind}" lang="{escape(tag)}" dir="{direction_of(tag)}">'
    return f"{told}{escape(shown(text))}</bdi>"


def rankings(
    frames: Mapping[str, pd.DataFrame], title: str, testid: str, gloss: Callable[[str], str] | None = None
) -> str:
    """Rankings side by side, a section a strategy: `frames` of `views.ranking` (or `Search.find`) by strategy.

    `gloss` gives the English twin of a passage, which then stands under it.
    """
    parts = [section(name, frame, gloss) for name, frame in frames.items()]
    return (
        f'<div class="hk-side" data-testid="{escape(testid)}"><h4>{escape(shown(title))}</h4>'
        f'<div class="hk-beside">{"".join(parts)}</div></div>'
    )


def section(strategy: str, frame: pd.DataFrame, gloss: Callable[[str], str] | None) -> str:
    """The ranking of one strategy."""
    rows = frame.to_dict("records")
    scores = [float(row["score"]) for row in rows]
    low, high = min(scores, default=0.0), max(scores, default=1.0)
    items, last = [], 0
    for row in rows:
        if row["rank"] > last + 1:
            items.append('<li class="hk-gap" aria-hidden="true">⋮</li>')
        last = int(row["rank"])
        share = (float(row["score"]) - low) / (high - low) if high > low else 1.0
        items.append(_passage(row, 8 + 92 * share, gloss(row["passage_id"]) if gloss else ""))
    name = escape(label(strategy))
    return (
        f'<section class="hk-ranking" data-strategy="{escape(strategy)}" aria-label="{name}">'
        f'<h5><span class="hk-dot" style="background:{colour(strategy)}"></span>{name}</h5>'
        f'<ol class="hk-passages" tabindex="0" aria-label="Passages by {name}">{"".join(items)}</ol></section>'
    )


def _passage(row: Mapping[Any, Any], width: float, english: str) -> str:
    tag, marks = str(row["language"]), []
    if row.get("relevant"):
        marks.append('<span class="hk-mark">twin</span>' if row.get("twin") else '<span class="hk-mark">answer</span>')
    relevant, twin = (str(bool(row.get(key))).lower() for key in ("relevant", "twin"))
    under = text_of(english, "en", "gloss") if english else ""
    return (
        f'<li class="hk-passage" data-testid="passage" data-rank="{row["rank"]}" '
        f'data-passage-id="{escape(shown(str(row["passage_id"]), 200))}" data-relevant="{relevant}" data-twin="{twin}">'
        f'<span class="hk-rank">{row["rank"]:,}</span>'
        f'<span class="hk-badge" data-testid="badge" title="{escape(spoken(tag))}">{escape(tag)}</span>{"".join(marks)}'
        f'<span class="hk-score" data-testid="score">{row["score"]:.3f}</span>'
        f'<span class="hk-bar" aria-hidden="true"><span style="width:{width:.0f}%"></span></span>'
        f"{text_of(str(row['text']), tag, 'text')}{under}</li>"
    )


def query(text: str, tag: str, query_id: str) -> str:
    """The open query with its language and id."""
    return (
        f'<div class="hk-query" data-testid="query"><span class="hk-badge">{escape(tag)}</span> '
        f"{text_of(text, tag, 'query-text')} <code>{escape(shown(query_id, 80))}</code></div>"
    )


def note(sentences: Sequence[str], testid: str, role: str) -> str:
    """Sentences of the kit's own: one as a paragraph, several as a list; nothing for none."""
    if not sentences:
        return ""
    parts = "".join(f"<li>{escape(shown(one))}</li>" for one in sentences)
    inner = f"<ul>{parts}</ul>" if role == "note" else escape(" ".join(sentences))
    return f'<div class="hk-{escape(testid)}" data-testid="{escape(testid)}" role="{role}">{inner}</div>'

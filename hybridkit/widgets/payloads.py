"""Frames to what the parts of the widget that can be clicked draw: plain values, texts made safe to show."""

from __future__ import annotations

from typing import Any

import pandas as pd

from hybridkit.characters import shown
from hybridkit.languages import direction_of, name_of
from hybridkit.palette import colour as colour_of
from hybridkit.palette import label
from hybridkit.widgets.colours import CIVIDIS, GREY, GREY_INK, PURPLE_ORANGE, colour, ink
from hybridkit.widgets.ranked import POOL
from hybridkit.widgets.values import DISTANCE

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
        ground = GREY if grey else colour(value, low, high, scale)
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
        {"id": row["query_id"], "text": shown(row["text"], 300), "rank": _whole(row["rank"]),
         "before": _whole(row["before"]), "change": _whole(row["change"]), "distance": _whole(row["rank_distance"])}
        for row in part.to_dict("records")
    ]  # fmt: skip
    return {"rows": rows, "page": at, "pages": pages, "start": at * PAGE, "total": len(frame), "language": tag,
            "direction": direction_of(tag)}  # fmt: skip


def ladder(frame: pd.DataFrame, pool: int) -> dict[str, Any]:
    """A frame of `views.ladder`: its strategies with colour, its points, and the size of the pool."""
    names = list(dict.fromkeys(frame["strategy"]))
    points = [
        {"strategy": row["strategy"], "language": row["passage_language"], "rank": int(row["pool_rank"]),
         "label": f"{spoken(row['passage_language'])}: rank {row['pool_rank']:,} by {label(row['strategy'])}"}
        for row in frame.to_dict("records")
    ]  # fmt: skip
    strategies = [{"name": name, "label": label(name), "colour": colour_of(name)} for name in names]
    return {"strategies": strategies, "points": points, "pool": max(pool, int(frame["pool_rank"].max()))}


def _whole(value: Any) -> int | None:  # noqa: ANN401  a number or NA
    return None if pd.isna(value) else int(value)

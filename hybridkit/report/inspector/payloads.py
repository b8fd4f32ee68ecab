"""What the inspector draws: plain values of matrix, queries and ladder, and rankings as HTML."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pandas as pd

from hybridkit.data.languages import direction_of
from hybridkit.plots.palette import CIVIDIS, GREY, GREY_INK, PURPLE_ORANGE, colour, ink
from hybridkit.report.templates import call
from hybridkit.report.views import DISTANCE, Cell, candidates_name, grid, pair_name, spoken
from hybridkit.sampling.labels import label
from hybridkit.utils.characters import shown

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence


PAGE = 25  # queries of a page
_TEMPLATE = "inspector/inspector.html.j2"


def matrix(frame: pd.DataFrame, title: str, measure: str, difference: bool) -> dict[str, Any]:
    """A frame of `views.pair_matrix` as matrix.js takes it: title, columns, rows with their cells.

    A cell has text, label, colour, ink and grey (not significant); one without a value has an empty text.
    """
    found = grid(frame, measure, difference)
    scale = PURPLE_ORANGE if difference else CIVIDIS[::-1] if measure == DISTANCE else CIVIDIS

    def cell(pair: tuple[str, str]) -> dict[str, Any]:
        one = found.cells.get(pair, Cell())
        ground = "#ffffff" if one.step is None else GREY if one.grey else scale[one.step]
        named = f"{pair_name(pair)}: {one.text or 'none judged'}" + ", not significant" * one.grey
        return {
            "text": one.text,
            "label": named,
            "colour": ground,
            "ink": GREY_INK if one.grey else ink(ground),
            "grey": one.grey,
        }

    return {
        "title": title,
        "columns": [{"tag": tag, "name": candidates_name(tag)} for tag in found.passages],
        "rows": [
            {
                "tag": tag,
                "name": f"{spoken(tag)} queries",
                "cells": [cell((tag, passage)) for passage in found.passages],
            }
            for tag in found.queries
        ],
    }


def queries(frame: pd.DataFrame, tag: str, page: int) -> dict[str, Any]:
    """A page of a frame of `views.pair_queries`: rows, the page's number, how many pages and queries there are."""
    pages = max(1, -(-len(frame) // PAGE))
    at = min(max(page, 0), pages - 1)
    rows = [
        {
            "id": row["query_id"],
            "text": shown(row["text"], 300),
            "rank": _whole(row["rank"]),
            "before": _whole(row["before"]),
            "change": _whole(row["change"]),
            "distance": _whole(row["rank_distance"]),
        }
        for row in frame.iloc[at * PAGE : (at + 1) * PAGE].to_dict("records")
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


def _whole(value: Any) -> int | None:
    return None if pd.isna(value) else int(value)


def ladder(frame: pd.DataFrame, pool: int) -> dict[str, Any]:
    """A frame of `views.ladder`: its strategies with colour, its points, and the size of the pool."""
    points = [
        {
            "strategy": row["strategy"],
            "language": row["passage_language"],
            "rank": int(row["pool_rank"]),
            "label": f"{spoken(row['passage_language'])}: rank {row['pool_rank']:,} by {label(row['strategy'])}",
        }
        for row in frame.to_dict("records")
    ]
    strategies = [
        {"name": name, "label": label(name), "colour": colour(name)} for name in dict.fromkeys(frame["strategy"])
    ]
    return {"strategies": strategies, "points": points, "pool": max(pool, int(frame["pool_rank"].max()))}


def rankings(
    frames: Mapping[str, pd.DataFrame], title: str, testid: str, gloss: Callable[[str], str] | None = None
) -> str:
    """Rankings side by side as HTML: `frames` of `views.ranking` (or `Search.find`) by strategy.

    `gloss` returns the English twin of a passage, which is then shown under it.
    """
    sides = []
    for strategy, frame in frames.items():
        score = frame["score"].astype(float)
        low, span = score.min(), score.max() - score.min()
        rows = [{"relevant": False, "twin": False, **row} for row in frame.to_dict("records")]
        for row in rows:
            row["width"] = 8 + 92 * ((float(row["score"]) - low) / span if span > 0 else 1)  # of the bar, in per cent
            row["english"] = gloss(row["passage_id"]) if gloss else ""
        sides.append((strategy, rows))
    return call(_TEMPLATE, "rankings", sides, title, testid)


def query(text: str, tag: str, query_id: str) -> str:
    """The open query as HTML, with its language and id."""
    return call(_TEMPLATE, "query", text, tag, query_id)


def note(sentences: Sequence[str], testid: str, role: str) -> str:
    """Sentences of the kit's own as HTML: a list for the role "note", else a line; nothing for none."""
    return call(_TEMPLATE, "note", sentences, testid, role)

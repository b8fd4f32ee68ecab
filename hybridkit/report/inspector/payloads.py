"""What the inspector draws: plain values of matrix, queries and ladder, and rankings as HTML."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from hybridkit.plots.palette import CIVIDIS, GREY, GREY_INK, PURPLE_ORANGE, ink
from hybridkit.report.script_of_text import direction_of_text, tag_of_text
from hybridkit.report.templates import call
from hybridkit.report.views import Cell, candidates_name, grid, pair_name, spoken
from hybridkit.sampling.labels import label
from hybridkit.utils.characters import shown

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from hybridkit.report.text_map import TextMap


PAGE = 25  # queries of a page
# Of languages on the map, where their tags are written too; each can be seen on white and on black.
_LANGUAGES = (  # noqa: SIM905  easier to read than a list
    "#0077bb #ee7733 #009988 #cc3311 #ee3377 #8c6d00 #7a5cc0 #228833 #aa4499 #5f8a00 #33a5d6 #a6611a"
).split()
_TEMPLATE = "inspector/inspector.html.j2"


def matrix(frame: pd.DataFrame, title: str, measure: str, difference: bool) -> dict[str, Any]:
    """A frame of `views.pair_matrix` as matrix.js takes it: title, columns, rows with their cells, and the legend.

    A cell has text, label, colour, ink and grey (not significant); one without a value has an empty text. The legend
    has the colours from worse to better and the texts of their ends, of pairs and of the pool.
    """
    found = grid(frame, measure, difference)
    scale = PURPLE_ORANGE if difference else CIVIDIS

    def cell(pair: tuple[str, str]) -> dict[str, Any]:
        one = found.cells.get(pair, Cell())
        ground = "" if one.step is None else GREY if one.grey else scale[one.step]
        named = f"{pair_name(pair)}: {one.text or 'none judged'}" + ", not significant" * one.grey
        return {
            "text": one.text,
            "label": named,
            "colour": ground,
            "ink": GREY_INK if one.grey else ink(ground) if ground else "",
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
        "legend": {"colours": scale, "pairs": list(found.pairs), "pool": list(found.pool), "difference": difference},
    }


def queries(frame: pd.DataFrame, tag: str, page: int, wrong: str = "") -> dict[str, Any]:
    """A page of a frame of `views.pair_queries`: rows, the page's number, how many pages and queries there are.

    `wrong` is what is wrong with the filter that left no query.
    """
    pages = max(1, -(-len(frame) // PAGE))
    at = min(max(page, 0), pages - 1)
    rows = [
        {
            "id": row["query_id"],
            "text": shown(row["text"], 300),
            "language": tag_of_text(row["text"], tag),
            "direction": direction_of_text(row["text"], tag),
            "rank": _whole(row["rank"]),
            "before": _whole(row["before"]),
            "change": _whole(row["change"]),
            "distance": _whole(row["rank_distance"]),
        }
        for row in frame.iloc[at * PAGE : (at + 1) * PAGE].to_dict("records")
    ]
    return {"rows": rows, "page": at, "pages": pages, "start": at * PAGE, "total": len(frame), "wrong": shown(wrong)}


def _whole(value: Any) -> int | None:
    return None if pd.isna(value) else int(value)


def ladder(frame: pd.DataFrame, pool: int, colours: Mapping[str, str]) -> dict[str, Any]:
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
        {"name": name, "label": label(name), "colour": colours[name]} for name in dict.fromkeys(frame["strategy"])
    ]
    return {"strategies": strategies, "points": points, "pool": max(pool, int(frame["pool_rank"].max()))}


def rankings(
    frames: Mapping[str, pd.DataFrame],
    title: str,
    testid: str,
    colours: Mapping[str, str],
    gloss: Callable[[str], str] | None = None,
) -> str:
    """Rankings side by side as HTML: `frames` of `views.ranking` (or `Search.find`) by strategy, with its colour.

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
        sides.append((strategy, colours[strategy], rows))
    return call(_TEMPLATE, "rankings", sides, title, testid)


def text_maps(maps: Mapping[str, TextMap]) -> dict[str, Any]:
    """Maps of the same texts by strategy, as map.js draws them: positions as float32, side and language as bytes."""
    first = next(iter(maps.values())).points
    tags = list(dict.fromkeys(first["language"]))
    numbers = first["language"].map({tag: number for number, tag in enumerate(tags)}).to_numpy()
    return {
        "languages": [
            {"tag": tag, "name": spoken(tag), "colour": _LANGUAGES[number % len(_LANGUAGES)]}
            for number, tag in enumerate(tags)
        ],
        "language": numbers.astype(np.uint16).tobytes(),
        "passage": (first["side"] == "passage").to_numpy().astype(np.uint8).tobytes(),
        "maps": [
            {
                "name": name,
                "label": label(name),
                "shares": [f"{100 * share:.0f} %" for share in one.shares],
                "x": one.points["x"].to_numpy(np.float32).tobytes(),
                "y": one.points["y"].to_numpy(np.float32).tobytes(),
            }
            for name, one in maps.items()
        ],
    }


def tip(point: pd.Series, position: int) -> dict[str, Any]:
    """What a point of a map is, as map.js shows it: its text, its language, the numbers that it has."""
    known = [("rank in the pool", "rank"), ("rank distance", "rank_distance"), ("questions it answers", "answers")]
    numbers = [f"{words} {int(point[name]):,}" for words, name in known if not pd.isna(point[name])]
    return {
        "position": position,
        "what": ", ".join([f"{spoken(point['language'])} {point['side']}", *numbers]),
        "text": shown(point["text"], 300),
        "language": tag_of_text(point["text"], point["language"]),
        "direction": direction_of_text(point["text"], point["language"]),
    }


def query(text: str, tag: str, query_id: str) -> str:
    """The open query as HTML, with its language and id."""
    return call(_TEMPLATE, "query", text, tag, query_id)


def note(sentences: Sequence[str], testid: str, role: str) -> str:
    """Sentences of the kit's own as HTML: a list for the role "note", else a line; nothing for none."""
    return call(_TEMPLATE, "note", sentences, testid, role)

"""The page of one pair of languages: what its template is filled with."""

import math
from collections.abc import Mapping, Sequence
from typing import Any

from hybridkit.languages import direction_of
from hybridkit.pages.drawing import histogram, histogram_svg
from hybridkit.pages.matrix import heading, number
from hybridkit.pages.names import language_name, page_name, texts_name
from hybridkit.pages.texts import as_json
from hybridkit.pages.values import Collected, Pair, View
from hybridkit.palette import colour, label
from hybridkit.widgets.ranked import POOL


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
    }  # fmt: skip


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

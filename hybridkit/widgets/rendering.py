"""Rankings as HTML: every text of a data set escaped, isolated and in the direction of its language."""

from __future__ import annotations

from html import escape
from typing import TYPE_CHECKING, Any

from hybridkit.characters import shown
from hybridkit.languages import direction_of
from hybridkit.palette import colour, label
from hybridkit.widgets.payloads import spoken

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    import pandas as pd


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

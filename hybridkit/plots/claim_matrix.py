"""The ledger of claims as a matrix: a line a claim, a column a source, the verdict as mark, word and colour."""

import pandas as pd
from matplotlib.figure import Figure
from matplotlib.patches import Rectangle

from hybridkit.plots.marks import require_columns
from hybridkit.plots.style import WIDTH, panels, printed, wrap

# mark, face, hatch: the mark and the word say it without the colour
_LOOK = {
    "holds": ("✓", "#b7e2d3", ""),
    "contradicted": ("✗", "#f3c6a8", ""),
    "not shown": ("?", "#f7e3b5", ""),
    "true by construction": ("≡", "#d3e4f3", ""),
    "not testable": ("–", "#f4f4f4", "////"),
}
_COLUMN = 1.45  # inches
_LINE = 0.31  # inches of a claim


@printed
def claims(frame: pd.DataFrame) -> Figure:
    """Draw verdicts on claims, a line a claim and a column a source such as "this study".

    Columns: claim (its id), text, source, verdict ("holds", "contradicted", "not shown", "true by construction", "not
    testable"). Long texts end in "…" after two lines.
    """
    require_columns(frame, "claims", "claim", "text", "source", "verdict")
    texts = dict(zip(frame["claim"].astype(str), frame["text"].astype(str), strict=True))
    sources = list(dict.fromkeys(frame["source"]))
    figure, (axes,) = panels(1, 1, WIDTH, len(texts) * _LINE + 0.85)
    verdicts = {(str(row.claim), row.source): str(row.verdict) for row in frame.itertuples()}
    for line, name in enumerate(texts):
        for column, source in enumerate(sources):
            mark, face, hatch = _LOOK.get(verdicts.get((name, source), ""), ("", "white", ""))
            box = Rectangle((column, line), 1, 1, facecolor=face, edgecolor="white", linewidth=1.5)
            axes.add_patch(box)
            if hatch:
                axes.add_patch(
                    Rectangle((column, line), 1, 1, fill=False, hatch=hatch, edgecolor="#dddddd", linewidth=0)
                )
            words = f"{mark}  {verdicts.get((name, source), '')}".strip()
            axes.text(column + 0.5, line + 0.5, words, ha="center", va="center", fontsize=7.5)
    axes.set(xlim=(0, len(sources)), ylim=(len(texts), 0))
    axes.set_xticks([column + 0.5 for column in range(len(sources))], sources)
    axes.xaxis.tick_top()
    room = WIDTH - _COLUMN * len(sources) - 0.6
    labels = ["\n".join(wrap(figure, f"{name}. {text}", "en", room, 7, most=2)) for name, text in texts.items()]
    axes.set_yticks([line + 0.5 for line in range(len(texts))], labels, fontsize=7)
    for label in axes.get_yticklabels():
        label.set(parse_math=False, ha="left")
    axes.tick_params(length=0)
    axes.tick_params(axis="y", pad=(WIDTH - _COLUMN * len(sources) - 0.3) * 72)
    axes.spines[:].set_visible(False)
    figure.suptitle("Which claims hold?")
    return figure

"""Figures of a study: each is drawn from a frame kept beside it, so that it can be drawn again without computing."""

import json
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pandas as pd

from hybridkit.errors import InputError
from hybridkit.utils.files import atomic_write, write_text
from hybridkit.utils.reading import json_file

if TYPE_CHECKING:
    from collections.abc import Callable

    from matplotlib.figure import Figure


def draw(
    folder: Path, name: str, plot: "Callable[..., Figure]", frame: pd.DataFrame, caption: str, **options: Any
) -> "Figure":
    """Draw a figure and keep NAME.csv, NAME.json, NAME.png and NAME.svg in a folder.

    An empty frame gives a figure that says so, and nothing is kept.

    Args:
        folder: Where the files go.
        name: Their name, such as "04_settings".
        plot: One of the functions of `plots`, such as `plots.settings`.
        frame: What it draws.
        caption: How to read the figure.
        options: Keyword arguments of the function, plain JSON values.

    Raises:
        InputError: For a function that is not one of `plots.FIGURES`, and as the function does.
    """
    kind = getattr(plot, "__name__", str(plot))
    _plot(kind, f"figure {name}")
    if frame.empty:
        from hybridkit.plots.style import note

        return note(f"No data: {caption}")
    with atomic_write(folder / f"{name}.csv") as temporary:
        frame.to_csv(temporary, index=False)
    text = json.dumps({"kind": kind, "caption": caption, "options": options}, indent=2, ensure_ascii=False)
    write_text(folder / f"{name}.json", text + "\n")
    return _draw(folder, name, plot, options)


def _plot(kind: str, where: str) -> "Callable[..., Figure]":
    from hybridkit import plots

    figures = plots.FIGURES
    if kind not in figures:
        raise InputError(f"{where}: no figure {kind!r}; there are {', '.join(figures)}")
    return figures[kind]


def _draw(folder: Path, name: str, plot: "Callable[..., Figure]", options: dict[str, Any]) -> "Figure":
    """Draw from the kept frame, so that it is the same figure as one that is drawn again."""
    from hybridkit.plots.style import save

    figure = plot(read_frame(folder / f"{name}.csv"), **options)
    save(figure, folder, name)
    return figure


def read_frame(path: Path) -> pd.DataFrame:
    """Read a kept frame: an empty cell is missing, and no text such as the tag "na" is taken for it."""
    return pd.read_csv(path, keep_default_na=False, na_values=[""])


def kept(folder: Path) -> list[str]:
    """Return the names of the figures that a folder keeps the frames of, in order."""
    return sorted(path.stem for path in folder.glob("*.json") if path.with_suffix(".csv").is_file())


def read_figure(folder: Path, name: str) -> dict[str, Any]:
    """Read what a kept figure is: its kind, caption and options. Raises InputError for another file."""
    path, cure = folder / f"{name}.json", "make it anew with `hybridkit run`"
    found = json_file(path, cure, "a figure of the kit")
    kinds = {"kind": str, "caption": str, "options": dict}
    if not isinstance(found, dict) or any(not isinstance(found.get(key), kind) for key, kind in kinds.items()):
        raise InputError(f"{path}: not a figure of the kit (kind, caption and options are not there); {cure}")
    return {key: found[key] for key in kinds}


def redraw(folder: Path) -> list[Path]:
    """Draw every kept figure of a folder again from its frame, and return the paths of the PNGs."""
    for name in kept(folder):
        found = read_figure(folder, name)
        _draw(folder, name, _plot(found["kind"], f"{folder / name}.json"), found["options"])
    return [folder / f"{name}.png" for name in kept(folder)]

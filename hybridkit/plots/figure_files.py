"""Figures of a study: each is drawn from a frame kept beside it, so that it can be drawn again without computing."""

import json
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pandas as pd

from hybridkit.errors import InputError
from hybridkit.utils.files import atomic_write, write_text
from hybridkit.utils.reading import json_file

if TYPE_CHECKING:
    from matplotlib.figure import Figure


def draw(folder: Path, name: str, kind: str, frame: pd.DataFrame, caption: str, **options: Any) -> "Figure":
    """Draw a figure of a kind in `plots.FIGURES`, and keep NAME.csv, NAME.json, NAME.png and NAME.svg in the folder.

    `caption` says how to read it; `options` go to the plot function and must be plain JSON values.
    """
    with atomic_write(folder / f"{name}.csv") as temporary:
        frame.to_csv(temporary, index=False)
    text = json.dumps({"kind": kind, "caption": caption, "options": options}, indent=2, ensure_ascii=False)
    write_text(folder / f"{name}.json", text + "\n")
    return _draw(folder, name, kind, read_frame(folder / f"{name}.csv"), options)


def read_frame(path: Path) -> pd.DataFrame:
    """Read a kept frame: an empty cell is missing, and no text such as the tag "na" is taken for it."""
    return pd.read_csv(path, keep_default_na=False, na_values=[""])


def _draw(folder: Path, name: str, kind: str, frame: pd.DataFrame, options: dict[str, Any]) -> "Figure":
    from hybridkit import plots
    from hybridkit.plots.style import save

    if kind not in plots.FIGURES:
        raise InputError(f"{folder / name}.json: no figure {kind!r}; there are {', '.join(plots.FIGURES)}")
    figure: Figure = plots.FIGURES[kind](frame, **options)
    save(figure, folder, name)
    return figure


def kept(folder: Path) -> list[str]:
    """Names of the figures that a folder keeps the frames of, in order."""
    return sorted(path.stem for path in folder.glob("*.json") if path.with_suffix(".csv").is_file())


def read_figure(folder: Path, name: str) -> dict[str, Any]:
    """Read what a kept figure is: its kind, caption and options. Raises InputError for a file that is none."""
    path, cure = folder / f"{name}.json", "make it anew with `hybridkit run`"
    told = json_file(path, cure, "a figure of the kit")
    kinds = {"kind": str, "caption": str, "options": dict}
    if not isinstance(told, dict) or any(not isinstance(told.get(key), kind) for key, kind in kinds.items()):
        raise InputError(f"{path}: not a figure of the kit (kind, caption and options are not there); {cure}")
    return {key: told[key] for key in kinds}


def redraw(folder: Path) -> list[Path]:
    """Draw every kept figure of a folder again from its frame; gives the PNGs."""
    for name in kept(folder):
        told = read_figure(folder, name)
        _draw(folder, name, told["kind"], read_frame(folder / f"{name}.csv"), told["options"])
    return [folder / f"{name}.png" for name in kept(folder)]

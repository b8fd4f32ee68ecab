"""Figures of a study: each is drawn from a frame kept beside it, so that it can be drawn again without computing."""

import json
import shutil
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pandas as pd

from hybridkit.errors import InputError
from hybridkit.files import atomic_write, write_text
from hybridkit.places import checkout, runs_folder
from hybridkit.products import require, seal_again
from hybridkit.reading import json_file

if TYPE_CHECKING:
    from matplotlib.figure import Figure


def draw(folder: Path, name: str, kind: str, frame: pd.DataFrame, caption: str, **options: Any) -> "Figure":  # noqa: ANN401
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


def redraw_study(study: str, to: Path | None = None) -> list[Path]:
    """Draw a study's figures again: those of its run folder, or without one those committed under figures/STUDY.

    With `to`, the run's figures, scores and key numbers are copied there first and drawn there. Gives the PNGs.
    Raises InputError where the study has no figures yet.
    """
    from hybridkit.study import open_study

    name = open_study(study).name
    run, committed = runs_folder() / name, (checkout() or Path()) / "figures" / name
    source = run / "figures" if kept(run / "figures") else committed
    cure = f"`hybridkit run {study}`"
    if not kept(source):
        raise InputError(f"study {name}: no figures yet; make them with {cure}")
    made = [run / path.stem for path in (run / "notebooks").glob("[0-9]*_*.ipynb")]
    for notebook in made:  # pictures are drawn anew here
        require(notebook, f"make it anew with {cure}", ".csv", ".json")
    if to is None:
        drawn = redraw(source)
        for notebook in made:
            seal_again(notebook, *drawn, *(path.with_suffix(".svg") for path in drawn))
        return drawn
    to.mkdir(parents=True, exist_ok=True)
    others = [run / name for name in ("scores.csv", "settings.json", "versions.json", "data.json")]
    others += source.glob("0?_table.*")
    for path in [*(source / f"{one}{end}" for one in kept(source) for end in (".csv", ".json")), *others]:
        if require(path, f"make it anew with {cure}").is_file():
            shutil.copyfile(
                path, to / (f"run-{path.name}" if path.parent == run and path.suffix == ".json" else path.name)
            )
    if (run / "scores.csv").is_file():
        _write_table(run / "scores.csv", to / "table.md")
    for path in sorted((run / "notebooks").glob("0?.json")):
        shutil.copyfile(path, to / f"notebook-{path.name}")
    return redraw(to)


def _write_table(scores: Path, path: Path) -> None:
    from hybridkit.results import macro_scores, main_table, markdown

    write_text(path, markdown(main_table(macro_scores(read_frame(scores)))))

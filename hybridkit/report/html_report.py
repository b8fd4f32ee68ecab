"""The report of a run: the answer, its executed notebooks and figures, as pages that open from disk without a network.

The folder `report/` holds all that its pages show, so that it can be moved, zipped and sent; with `single_file` all but
the pages of language pairs are one file.
"""

import base64
import shutil
from collections.abc import Callable, Mapping
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING, Any

from markupsafe import Markup

from hybridkit.errors import InputError
from hybridkit.plots.figure_files import kept, read_frame, redraw
from hybridkit.plots.style import save
from hybridkit.report.front_page import PLANE, PLANE_CAPTION, context
from hybridkit.report.notebook_page import Page, notebook_page
from hybridkit.report.pages import write_pages
from hybridkit.report.templates import render
from hybridkit.utils.characters import safe
from hybridkit.utils.files import atomic_folder, write_text
from hybridkit.utils.paths import checkout
from hybridkit.utils.products import is_whole, require, seal_again

if TYPE_CHECKING:
    from hybridkit.study.run import Run

_CONTENTS = [("answer", "The answer"), ("figures", "Figures"), ("made-with", "What it was made with")]
Sources = dict[str, dict[str, str]]  # the addresses of a figure's files by its name and their kind


def write_report(run: "Run", single_file: bool = False) -> Path:
    """Write `report/index.html`, a page for each executed notebook and those of language pairs; return the path.

    With `single_file` the first page and the notebooks are one file instead, `report.html` in the run folder, with
    their pictures inside; the pages of language pairs are left out of it.

    Raises InputError when no notebook was executed yet.
    """
    executed = sorted((run.folder / "notebooks").glob("[0-9]*_*.ipynb"))
    if not executed:
        raise InputError(f"{run.folder}: no executed notebooks; make them with `hybridkit run {run.study.name}`")
    for path in executed:  # each with its figures and numbers
        require(run.folder / path.stem, f"make it again with `hybridkit run {run.study.name}`")
    if not all(is_whole(run.folder / f"{name}.json") for name in ("settings", "versions", "data")):
        run.rows.whole  # noqa: B018  writes them
    with TemporaryDirectory() as drawn:
        values = context(run, executed, run.folder / "figures")
        homes = dict.fromkeys(values["captions"], run.folder / "figures")
        if (plane := values.pop("plane")) is not None:
            save(plane, Path(drawn), PLANE)
            homes = {PLANE: Path(drawn), **homes}
            values |= {"captions": {PLANE: PLANE_CAPTION, **values["captions"]}, "leading": PLANE}
        write = _write_one if single_file else _write_folder
        return write(run, executed, values, homes)


def _write_folder(run: "Run", executed: list[Path], values: dict[str, Any], homes: Mapping[str, Path]) -> Path:
    """Write the report as pages, with all that they show beside them."""
    folder = run.folder / "report"
    links = {"Overview": "index.html"} | {path.stem: f"{path.stem}.html" for path in executed}
    links["Language_pairs"] = write_pages(run).relative_to(folder).as_posix()
    with atomic_folder(folder / "figures") as temporary:
        sources = _copied(homes, temporary)
    scores = run.folder / "scores.csv"
    if scores.is_file():
        shutil.copyfile(scores, folder / scores.name)
    for path in executed:
        write_text(folder / links[path.stem], _page(path.stem, links, notebook_page(path, values["captions"])))
    front = render("report.html.j2", source=sources, scores=scores.name if scores.is_file() else "", **values)
    write_text(folder / "index.html", _page("Overview", links, Page(front, _CONTENTS), run.study.title))
    return folder / "index.html"


def _page(name: str, links: dict[str, str], page: Page, title: str = "") -> str:
    body, contents = Markup(page.body), [(id_, Markup(heading)) for id_, heading in page.contents]
    text = render(
        "page.html.j2", title=title or name.replace("_", " "), pages=links, current=name, contents=contents, body=body
    )
    return safe(text)  # texts of data sets in the outputs of notebooks too are made safe


def _write_one(run: "Run", executed: list[Path], values: dict[str, Any], homes: Mapping[str, Path]) -> Path:
    """Write the report as one file."""
    links = {"Overview": "#answer"} | {path.stem: f"#{path.stem}" for path in executed}
    sources = _figures(homes, _inside)
    parts = [render("report.html.j2", source=sources, scores="", **values)]
    for path in executed:
        page = notebook_page(path, values["captions"], f"{path.stem[:2]}-")
        parts.append(f'<article id="{path.stem}">\n{page.body}</article>\n')
    contents = [*_CONTENTS, *((path.stem, path.stem.replace("_", " ")) for path in executed)]
    out = run.folder / "report.html"
    write_text(out, _page("Overview", links, Page("\n".join(parts), contents), run.study.title))
    return out


def _copied(homes: Mapping[str, Path], folder: Path) -> Sources:
    def address(path: Path) -> str:
        shutil.copyfile(path, folder / path.name)
        return f"figures/{path.name}"

    return _figures(homes, address)


def _figures(homes: Mapping[str, Path], address: Callable[[Path], str]) -> Sources:
    found: Sources = {}
    for name, home in homes.items():
        paths = {end: home / f"{name}.{end}" for end in ("png", "svg", "csv")}
        found[name] = {end: address(path) if path.is_file() else "" for end, path in paths.items()}
    return found


def _inside(path: Path) -> str:
    """A picture as an address that holds it; the other files of a figure are not in one file."""
    return f"data:image/png;base64,{base64.b64encode(path.read_bytes()).decode()}" if path.suffix == ".png" else ""


def redraw_study(study: str, to: Path | None = None) -> list[Path]:
    """Draw a study's figures again: those of its run folder, or without one those committed under figures/STUDY.

    With `to`, the run's figures, scores and key numbers are copied there first and drawn there. Returns the PNGs.
    Raises InputError where the study has no figures yet.
    """
    from hybridkit.study.run import find_run
    from hybridkit.study.settings import open_study

    run = find_run(study, there=False)
    name, committed = run.name, (checkout() or Path()) / "figures" / run.name
    source = run / "figures" if kept(run / "figures") else committed
    cure = f"`hybridkit run {study}`"
    if not kept(source):
        if name == study:
            open_study(study)  # raises where there is no such study
        raise InputError(f"study {name}: no figures yet; make them with {cure}")
    made = [run / path.stem for path in (run / "notebooks").glob("[0-9]*_*.ipynb")]
    for notebook in made:  # pictures are drawn again here
        require(notebook, f"make it again with {cure}", ".csv", ".json")
    if to is None:
        drawn = redraw(source)
        for notebook in made:
            seal_again(notebook, *drawn, *(path.with_suffix(".svg") for path in drawn))
        return drawn
    to.mkdir(parents=True, exist_ok=True)
    others = [run / name for name in ("scores.csv", "settings.json", "versions.json", "data.json")]
    others += source.glob("0?_table.*")
    for path in [*(source / f"{one}{end}" for one in kept(source) for end in (".csv", ".json")), *others]:
        if require(path, f"make it again with {cure}").is_file():
            shutil.copyfile(
                path, to / (f"run-{path.name}" if path.parent == run and path.suffix == ".json" else path.name)
            )
    if (run / "scores.csv").is_file():
        _write_table(run / "scores.csv", to / "table.md")
    for path in sorted((run / "notebooks").glob("0?.json")):
        shutil.copyfile(path, to / f"notebook-{path.name}")
    return redraw(to)


def _write_table(scores: Path, path: Path) -> None:
    from hybridkit.analysis.scores import macro_scores, main_table, markdown

    write_text(path, markdown(main_table(macro_scores(read_frame(scores)))))

"""The report of a run: its executed notebooks, settings and figures as pages that open from disk without a network."""

import json
import re
import shutil
from pathlib import Path
from typing import TYPE_CHECKING

import yaml

from hybridkit.errors import InputError
from hybridkit.plots.figure_files import kept, read_figure, read_frame, redraw
from hybridkit.report.pages import write_pages
from hybridkit.report.templates import render
from hybridkit.utils.characters import safe
from hybridkit.utils.files import write_text
from hybridkit.utils.paths import checkout
from hybridkit.utils.products import is_whole, require, seal_again

if TYPE_CHECKING:
    from hybridkit.study.run import Run


# No scripts of other servers: formulas stay as they are typed.
_NOTEBOOK_TEMPLATE = """{%- extends "index.html.j2" -%}
{%- block html_head_js -%}POLICY{%- endblock -%}
{%- block jupyter_widgets -%}{%- endblock -%}
{%- block html_head_js_mathjax -%}{%- endblock -%}
"""
_NOTEBOOK_STYLE = """
div#notebook, div#notebook-container { width: auto; max-width: none; min-width: 0; padding: 0; box-shadow: none }
div.output_subarea { max-width: 100% } div.spec { padding: 5px 0 }
"""


def write_report(run: "Run") -> Path:
    """Write `report/index.html`, a page for each executed notebook and those of language pairs; return the path.

    Raises InputError when no notebook was executed yet.
    """
    executed = sorted((run.folder / "notebooks").glob("[0-9]*_*.ipynb"))
    if not executed:
        raise InputError(f"{run.folder}: no executed notebooks; make them with `hybridkit run {run.study.name}`")
    for path in executed:  # each with its figures and numbers
        require(run.folder / path.stem, f"make it again with `hybridkit run {run.study.name}`")
    if not all(is_whole(run.folder / f"{name}.json") for name in ("settings", "versions", "data")):
        run.rows.whole  # noqa: B018  writes them
    folder = run.folder / "report"
    pages = {path.stem: f"{path.stem}.html" for path in executed}
    links = {"Overview": "index.html"} | pages
    links["Language_pairs"] = write_pages(run).relative_to(folder).as_posix()
    for path in executed:
        head = render("head.html.j2", pages=links, current=path.stem, style=_NOTEBOOK_STYLE)
        # texts of data sets in the outputs of notebooks too are made safe
        write_text(folder / pages[path.stem], safe(_notebook_page(path, head)))
    write_text(folder / "index.html", _index(run, links))
    return folder / "index.html"


def _index(run: "Run", pages: dict[str, str]) -> str:
    pictures = run.folder / "figures"
    blocks = {}
    for name, title in (("settings", "Settings"), ("versions", "Versions"), ("data", "Data files (SHA-256)")):
        value = json.loads((run.folder / f"{name}.json").read_bytes())
        blocks[title] = yaml.safe_dump(value, allow_unicode=True, sort_keys=False)
    figures = [(name, read_figure(pictures, name)["caption"]) for name in kept(pictures)]
    values = {"study": run.study, "pages": pages, "figures": figures, "blocks": blocks}
    return render("report.html.j2", current="Overview", style="", **values)


def _notebook_page(path: Path, head: str) -> str:
    from nbconvert import HTMLExporter

    # texts of data sets come into notebooks as frames and printed text, which pandas and nbconvert escape
    exporter = HTMLExporter(
        template_name="classic",
        raw_template=_NOTEBOOK_TEMPLATE.replace("POLICY", render("policy.html.j2")),
        exclude_input_prompt=True,
        exclude_output_prompt=True,
        embed_images=True,
    )
    try:
        body, _ = exporter.from_filename(str(path))
    except (ValueError, AttributeError, KeyError) as error:  # of an earlier version of the kit, without checksums
        raise InputError(
            f"{path}: this is not a notebook that can be read; remove it, and run its study again"
        ) from error
    body = re.sub(r"@font-face\s*\{[^}]*\}", "", body)  # of icons that lie nowhere
    return re.sub(r"(<body[^>]*>)", lambda match: match[1] + head, body, count=1)


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

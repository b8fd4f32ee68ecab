"""Write the pages of language pairs into a run's report: all files whole or none, and nothing when nothing changed."""

from collections.abc import Sequence
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

from hybridkit.errors import InputError
from hybridkit.plots.palette import CIVIDIS
from hybridkit.report.pages.collect import as_json
from hybridkit.report.pages.matrix_page import first_looks, page_name, table, texts_name, view_data
from hybridkit.report.pages.pair_page import colour_classes, pair_context
from hybridkit.sampling.labels import label
from hybridkit.utils.files import atomic_folder, digest, sha256_file
from hybridkit.utils.products import is_whole, remove, seal

if TYPE_CHECKING:
    from jinja2 import Environment, Template

    from hybridkit.report.inspected_run import Inspected
    from hybridkit.report.pages.collect import Collected
    from hybridkit.study.run import Run


HERE = Path(__file__).parent
STAMP = ".made-from"
KINDS = ("ranks", "queries", "passages", "model")  # files of a model that the pages depend on


def write_pages(run: "Run") -> Path:
    """Write `report/pairs/` of a run: `index.html` with the matrix, a page a pair, matrix.js and texts-LANGUAGE.js.

    Gives the path of the index. What a run lacks (rank tables, embeddings, a second strategy) is said on the page with
    the command that makes it; a run without rank tables gets an index that says so. Pages whose results, benchmark and
    code are what they were made of are left alone, to the byte.
    """
    from hybridkit.report.inspected_run import open_inspected
    from hybridkit.report.pages.collect import collect

    folder = run.folder / "report" / "pairs"
    inspected: Inspected | None = None
    try:
        inspected = open_inspected(run)
        missing = inspected.missing
    except InputError as error:  # the rest of the report is written all the same
        missing = [str(error)]
    key = _key(inspected, missing)
    stamp = folder / STAMP
    if is_whole(folder) and stamp.is_file() and stamp.read_bytes() == key.encode():
        return folder / "index.html"
    remove(folder)
    folder.parent.mkdir(parents=True, exist_ok=True)
    if inspected is not None and inspected.strategies and len(inspected.benchmark.queries):
        made = files(run.study.name, collect(inspected, run.study.compare))
    else:
        made = nothing(run.study.name, missing)
    with atomic_folder(folder) as temporary:
        for name, text in made.items():
            (temporary / name).write_text(text, encoding="utf-8")
        (temporary / STAMP).write_text(key, encoding="utf-8")
    seal(folder)
    return folder / "index.html"


def files(study: str, collected: "Collected") -> dict[str, str]:
    """Every file of the pages by its name."""
    pairs = [pair.key for pair in collected.pairs]
    views = [view_data(view, pairs) for view in collected.views]
    found = _style() | {
        "matrix.js": f"var hybridkitMatrices = {as_json({'views': views})};\n",
        "index.html": _template("index.html.j2").render(_index(study, collected, views, pairs)),
    }
    for tag, texts in collected.texts.files().items():
        found[texts_name(tag)] = f"(globalThis.hybridkitTexts ??= {{}})[{as_json(tag)}] = {as_json(texts)};\n"
    for pair in collected.pairs:
        found[page_name(pair.key)] = _template("pair.html.j2").render(pair_context(collected, pair))
    return found


def nothing(study: str, missing: Sequence[str]) -> dict[str, str]:
    """The files where a run has no results to show: an index that says what is missing."""
    return _style() | {
        "index.html": _template("index.html.j2").render(study=study, benchmark="", pairs=(), missing=missing)
    }


def _index(
    study: str, collected: "Collected", views: Sequence[dict[str, Any]], pairs: Sequence[tuple[str, str]]
) -> dict[str, Any]:
    plain = list(dict.fromkeys(view.strategy for view in collected.views if not view.minus))
    first = next(view for view in views if view["strategy"] == collected.now and not view["minus"])
    return {
        "study": study,
        "benchmark": collected.name,
        "pairs": pairs,
        "missing": collected.missing,
        "strategies": [(name, label(name)) for name in plain],
        "first": collected.now,
        "first_label": label(collected.now),
        "baseline": collected.before,
        "tested": " and ".join(view.measure.replace("_", " ") for view in collected.views if view.minus),
        "baseline_label": label(collected.before) if collected.before else "",
        "measures": list(dict.fromkeys(view.measure for view in collected.views)),
        "view": first,
        "steps": len(CIVIDIS),
        "lists": first_looks(collected.views, collected.now, collected.before, collected.pairs),
        **table(first, pairs),
    }


def _style() -> dict[str, str]:
    style = (HERE / "pairs.css").read_text(encoding="utf-8")
    return {"pairs.css": style + colour_classes(), "pairs.js": (HERE / "pairs.js").read_text(encoding="utf-8")}


def _template(name: str) -> "Template":
    return _environment().get_template(name)


@cache
def _environment() -> "Environment":
    from jinja2 import Environment, FileSystemLoader, StrictUndefined

    # everything that is not marked safe is escaped: what comes from data sets and studies never is
    return Environment(
        loader=FileSystemLoader(HERE), autoescape=True, undefined=StrictUndefined, trim_blocks=True, lstrip_blocks=True
    )


def _key(inspected: "Inspected | None", missing: Sequence[str]) -> str:
    """Hash of what the pages are made from: results (named by content), texts, which files are there, and the code."""
    paths = [*HERE.iterdir(), *HERE.parent.rglob("*.py")]
    code = [[path.name, sha256_file(path)] for path in sorted(paths) if path.suffix in (".py", ".j2", ".css", ".js")]
    if inspected is None:
        return digest(code, list(missing))
    there = {
        f"{strategy}, seed {seed}": [one.ranks, *(inspected.has(strategy, seed, what) for what in KINDS)]
        for (strategy, seed), one in inspected.results.items()
    }
    return digest(code, inspected.benchmark.fingerprint, inspected.study and inspected.study.key, there, list(missing))

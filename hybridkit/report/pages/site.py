"""Write the pages of language pairs into a run's report: all files whole or none, and nothing when nothing changed."""

import math
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from hybridkit.errors import InputError
from hybridkit.plots.palette import CIVIDIS
from hybridkit.report.pages.collect import Collected, View, as_json, collect
from hybridkit.report.pages.pair_page import colour_classes, page_name, pair_context, texts_name
from hybridkit.report.templates import render
from hybridkit.report.views import DISTANCE, Cell, number, pair_name
from hybridkit.sampling.labels import label
from hybridkit.utils.files import atomic_folder, digest, sha256_file
from hybridkit.utils.products import is_whole, remove, seal

if TYPE_CHECKING:
    from hybridkit.report.inspected_run import Inspected
    from hybridkit.study.run import Run


HERE = Path(__file__).parent
STAMP = ".made-from"
KINDS = ("ranks", "queries", "passages", "model")  # files of a model that the pages depend on
FEW = 5  # lines of a list of pairs to look at first


def write_pages(run: "Run") -> Path:
    """Write `report/pairs/` of a run: `index.html` with the matrix, a page a pair, matrix.js and texts-LANGUAGE.js.

    Returns the path of the index. What is missing in a run (rank tables, embeddings, a second strategy) is named on the
    page with the command that makes it, and a run without rank tables gets an index with that alone. Pages are left
    alone, to the byte, as long as results, benchmark and code are those that they were made from.
    """
    from hybridkit.report.inspected_run import open_inspected

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


def files(study: str, collected: Collected) -> dict[str, str]:
    """Every file of the pages by its name."""
    pairs = [pair.key for pair in collected.pairs]
    data = [view_data(view, pairs) for view in collected.views]
    found = _style() | {
        "matrix.js": f"var hybridkitMatrices = {as_json({'views': data})};\n",
        "index.html": render("pages/index.html.j2", **_index(study, collected, data, pairs)),
    }
    for tag, texts in collected.texts.files().items():
        found[texts_name(tag)] = f"(globalThis.hybridkitTexts ??= {{}})[{as_json(tag)}] = {as_json(texts)};\n"
    for pair in collected.pairs:
        found[page_name(pair.key)] = render("pages/pair.html.j2", **pair_context(collected, pair))
    return found


def nothing(study: str, missing: Sequence[str]) -> dict[str, str]:
    """The files where a run has no results to show: an index that says what is missing."""
    page = render("pages/index.html.j2", study=study, benchmark="", pairs={}, missing=missing)
    return _style() | {"index.html": page}


def _index(
    study: str, collected: Collected, data: Sequence[dict[str, Any]], pairs: Sequence[tuple[str, str]]
) -> dict[str, Any]:
    shown = [(view.strategy, view.minus) for view in collected.views]
    first = shown.index((collected.now, ""))
    return {
        "study": study,
        "benchmark": collected.inspected.benchmark_name,
        "pairs": {pair: (at, page_name(pair)) for at, pair in enumerate(pairs)},
        "missing": collected.inspected.missing,
        "strategies": list(dict.fromkeys(view.strategy for view in collected.views if not view.minus)),
        "now": collected.now,
        "before": collected.before,
        "tested": " and ".join(view.measure.replace("_", " ") for view in collected.views if view.minus),
        "measures": list(dict.fromkeys(view.measure for view in collected.views)),
        "view": data[first],
        "grid": collected.views[first].grid,
        "steps": len(CIVIDIS),
        "lists": first_looks(collected),
    }


def view_data(view: View, pairs: Sequence[tuple[str, str]]) -> dict[str, Any]:
    """A view as matrix.js keeps it: its caption, the ends of its scale, and [text, class] of each pair's cell."""
    scale = "d" if view.minus else "s"
    found = [view.grid.cells.get(pair, Cell()) for pair in pairs]
    looks = ["none" if one.step is None else "grey" if one.grey else f"{scale}{one.step}" for one in found]
    name = label(view.strategy) + (f" minus {label(view.minus)}" if view.minus else "")
    return {
        "strategy": view.strategy,
        "minus": view.minus,
        "measure": view.measure,
        "caption": f"{view.measure.replace('_', ' ')}, {name}: mean over queries",
        "pairs": list(view.grid.pairs),
        "pool": list(view.grid.pool),
        "cells": [[one.text, look] for one, look in zip(found, looks, strict=True)],
    }


def first_looks(collected: Collected) -> list[dict[str, Any]]:
    """Lists of pairs to look at first: the most biased and lowest of the strategy before, what the one now gained."""
    plain = {(view.strategy, view.measure): view for view in collected.views if not view.minus}
    keys = [pair.key for pair in collected.pairs if not pair.pool]
    names = collected.compared[::-1]
    labels = [label(name) for name in names]
    wanted = [
        ("bias", DISTANCE, f"Most biased under {labels[0]}: ranks of the pool behind the best twin", -1),
        ("lowest", "AP", f"Lowest AP under {labels[0]}", 1),
    ]
    lists = []
    for testid, measure, caption, sign in wanted:
        shown = [plain[name, measure] for name in names if (name, measure) in plain]
        there = [key for key in keys if shown and not math.isnan(shown[0].value(key))]
        if len(shown) == len(names) and there:
            order = sorted(there, key=lambda key: (sign * shown[0].value(key), key))
            lists.append(_list(testid, caption, labels, order[:FEW], shown))
    both = [plain[name, "AP"] for name in names if (name, "AP") in plain]
    if len(both) == 2:
        most = sorted(keys, key=lambda key: (both[0].value(key) - both[1].value(key), key))
        lists.append(_list("gained", f"AP gained most under {labels[1]}", labels, most[:FEW], both))
    return lists


def _list(
    testid: str, caption: str, names: list[str], keys: Sequence[tuple[str, str]], shown: Sequence[View]
) -> dict[str, Any]:
    lines = [
        {"href": page_name(key), "name": pair_name(key), "numbers": [number(v.value(key), v.measure) for v in shown]}
        for key in keys
    ]
    return {"testid": testid, "caption": caption, "heads": ["pair", *names], "lines": lines}


def _style() -> dict[str, str]:
    style = (HERE / "pairs.css").read_text(encoding="utf-8")
    return {"pairs.css": style + colour_classes(), "pairs.js": (HERE / "pairs.js").read_text(encoding="utf-8")}


def _key(inspected: "Inspected | None", missing: Sequence[str]) -> str:
    """Hash of what the pages are made from: results (named by content), texts, which files are there, and the code."""
    paths = sorted(path for path in HERE.parent.rglob("*") if path.suffix in (".py", ".j2", ".css", ".js"))
    code = [[path.name, sha256_file(path)] for path in paths]
    if inspected is None:
        return digest(code, list(missing))
    there = {
        f"{strategy}, seed {seed}": [one.ranks, *(inspected.has(strategy, seed, what) for what in KINDS)]
        for (strategy, seed), one in inspected.results.items()
    }
    return digest(code, inspected.benchmark.fingerprint, inspected.study and inspected.study.key, there, list(missing))

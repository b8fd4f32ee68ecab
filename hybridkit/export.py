"""Copy a model out of a run, with its benchmark scores in its card; training itself never sees them."""

import shutil
from pathlib import Path

import pandas as pd

from hybridkit.cell import Cell
from hybridkit.errors import InputError
from hybridkit.evaluation.measures import macro
from hybridkit.files import atomic_folder
from hybridkit.places import runs_folder
from hybridkit.products import require
from hybridkit.results import cell_scores
from hybridkit.run import Run
from hybridkit.sampling import parse
from hybridkit.study import UNTRAINED, open_study, study_of_run


def open_run(name: str) -> Run:
    """Open what a study has made: by the study's name, the path of its YAML file, or the path of a run folder.

    Raises InputError where there is no run yet.
    """
    folder = Path(name).expanduser()
    if (folder / "settings.json").is_file():
        return Run(study_of_run(folder), folder.absolute())
    if folder.is_dir() and "/" in name:
        raise InputError(f"{name}: no run folder (settings.json is missing); make one with `hybridkit run STUDY`")
    study = open_study(name)
    folder = runs_folder() / study.name
    if not (folder / "settings.json").is_file():
        raise InputError(f"{folder}: there is no run of study {study.name} yet; make it with `hybridkit run {name}`")
    return Run(study)


def find_cell(run: Run, model: str, seed: int | None = None) -> Cell:
    """Find a model of a run by its strategy's text and its seed (the first there is unless given).

    Raises InputError, with what there is, for a model that is not part of the study or is not trained yet.
    """
    if model == UNTRAINED:
        raise InputError(
            f"untrained: that is the encoder which study {run.study.name} starts from, {run.study.encoder.name!r}; "
            "only trained models are exported"
        )
    strategy = str(parse(model))
    cells = [cell for cell in run if cell.strategy == strategy and seed in (None, cell.seed)]
    if not cells:
        known = dict.fromkeys(f"{cell.strategy} (seed {cell.seed})" for cell in run if cell.strategy != UNTRAINED)
        wanted = strategy + ("" if seed is None else f" with seed {seed}")
        raise InputError(f"study {run.study.name}: no model of {wanted}; there are {', '.join(known)}")
    cure = f"make it with `hybridkit run {run.study.name}`"
    if not require(run.model_folder(cells[0]), cure).is_dir():
        raise InputError(f"{run.folder}: the model of {cells[0]} is not trained yet; {cure}")
    return cells[0]


def export_model(run: Run, cell: Cell, out: Path | None = None) -> Path:
    """Copy a model to a new folder and add its scores to the card; gives the folder.

    Rank tables that the run has are read, missing ones are made. `out` is `export/MODEL` in the run folder unless
    given. Raises InputError where it exists already.
    """
    source = run.model_folder(cell)
    out = (out or run.folder / "export" / source.name).expanduser().absolute()
    if out.exists():
        raise InputError(f"{out}: it exists already; give another --out, or remove it first")
    section = score_section(benchmark_scores(run, cell))
    with atomic_folder(out) as temporary:
        shutil.copytree(source, temporary, dirs_exist_ok=True)
        card = temporary / "README.md"
        text = card.read_text(encoding="utf-8") if card.is_file() else f"# {cell}\n"
        card.write_text(text.rstrip("\n") + "\n\n" + section, encoding="utf-8")
    return out


def benchmark_scores(run: Run, cell: Cell) -> pd.DataFrame:
    """Macro scores of a model on the benchmarks of its part of the study: benchmark, setting, measure, value."""
    parts = [macro(cell_scores(run, cell, name)).assign(benchmark=name) for name in run.benchmarks(cell.part)]
    return pd.concat(parts, ignore_index=True)[["benchmark", "setting", "measure", "value"]]


def score_section(table: pd.DataFrame) -> str:
    r"""Write scores as a section of a model card in Markdown: a line a benchmark and setting, a column a measure.

    >>> table = pd.DataFrame({"benchmark": "toy", "setting": ["mono", "pool", "pool"],
    ...                       "measure": ["AP", "AP", "rank_distance"], "value": [0.5, 0.25, 12.0]})
    >>> print("\n".join(score_section(table).splitlines()[4:]))
    | benchmark | setting | AP | rank distance |
    | --- | --- | --- | --- |
    | toy | mono | 0.5000 |  |
    | toy | pool | 0.2500 | 12.0 |
    """
    measures = list(dict.fromkeys(table["measure"]))
    lines = [
        "## Benchmarks", "",
        "Means over languages (mono, pool) or pairs of languages (cross), each weighing the same; ranks of full depth.",
        "", f"| benchmark | setting | {' | '.join(measure.replace('_', ' ') for measure in measures)} |",
        "| --- | --- |" + " --- |" * len(measures),
    ]  # fmt: skip
    for (benchmark, setting), group in table.groupby(["benchmark", "setting"], sort=False):
        found = dict(zip(group["measure"], group["value"], strict=True))
        cells = [
            "" if name not in found else f"{found[name]:.{1 if name == 'rank_distance' else 4}f}" for name in measures
        ]
        lines.append(f"| {benchmark} | {setting} | {' | '.join(cells)} |")
    return "\n".join(lines) + "\n"

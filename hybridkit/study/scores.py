"""The index of a run folder: which files hold which model's results, so that nothing is hashed to find them again."""

from __future__ import annotations

import dataclasses
from dataclasses import dataclass
from pathlib import PureWindowsPath
from typing import TYPE_CHECKING, Any

import pandas as pd

from hybridkit.errors import InputError
from hybridkit.evaluation.measures import MEASURES, scores_of
from hybridkit.study.model_spec import ModelSpec
from hybridkit.study.run import Run
from hybridkit.study.settings import UNTRAINED
from hybridkit.study.training_rows import write_json
from hybridkit.utils.products import frame, remove, write
from hybridkit.utils.reading import json_file

if TYPE_CHECKING:
    from pathlib import Path


def study_scores(run: Run) -> pd.DataFrame:
    """Scores of every model of the study's main part on every benchmark; kept as scores.parquet and scores.csv."""
    names = run.study.evaluation.benchmarks
    table = pd.concat([model_scores(run, spec, name) for spec in run.models() for name in names], ignore_index=True)
    write(run.folder / "scores.parquet", table.to_parquet(index=False))
    write(run.folder / "scores.csv", table.round({"value": 6}).to_csv(index=False))
    write_index(run)
    return table


def model_scores(run: Run, spec: ModelSpec, benchmark: str) -> pd.DataFrame:
    """Scores of one model on one benchmark, by setting, pair of languages and measure; made now if they are missing.

    A file that an earlier version of the kit kept without one of today's measures is made anew from the ranks.
    """
    part = run.subset(benchmark)[0]
    path = run.folder / "scores" / f"{run.result_key(spec, part)[:24]}.parquet"

    def make() -> pd.DataFrame:
        return scores_of(run.ranks(spec, benchmark))

    found = frame(path, make)
    if not set(MEASURES) <= set(found["measure"]):
        remove(path)
        found = frame(path, make)
    return labelled(found, run, spec, benchmark)


def labelled(table: pd.DataFrame, run: Run, spec: ModelSpec, benchmark: str) -> pd.DataFrame:
    """The table with the columns that say which model and benchmark it is of (see DESIGN: one tidy frame) in front."""
    trained = spec.languages or run.split[0].languages
    languages = "" if spec.strategy == UNTRAINED else " ".join(trained)
    name = run.study.section(spec.section).encoder.name
    front = pd.DataFrame(index=table.index)
    for column, value in zip(
        FRONT, (run.study.name, name, spec.strategy, spec.alpha, spec.seed, languages, benchmark), strict=True
    ):
        front[column] = pd.Series([value] * len(table), index=table.index)
    return pd.concat([front, table], axis=1)


FRONT = ["study", "encoder", "strategy", "alpha", "seed", "train_languages", "benchmark"]


INDEX = "index.json"
INDEX_FORMAT = 2
_PLACES = ("ranks", "scores", "queries", "passages", "model")


@dataclass(frozen=True)
class Result:
    """Where one model's results on one benchmark lie, as paths below the run folder; `key` names them all.

    The files need not be there. `model` is empty for an untrained encoder that is opened by its name, `texts` is the
    fingerprint of the benchmark.
    """

    strategy: str
    seed: int
    benchmark: str
    ranks: str
    scores: str
    queries: str
    passages: str
    model: str
    texts: str


def index_of(run: Run) -> list[Result]:
    """Where the results of every model of the study's main part on every benchmark lie, or will lie.

    Raises InputError where they cannot be told, since rows or benchmarks that they depend on are not there.
    """
    found = []
    for name in run.study.evaluation.benchmarks:
        for spec in run.models():
            ranks = run.ranks_path(spec, name)
            paths = [ranks, run.folder / "scores" / ranks.name, *run.embedding_paths(spec, name)]
            places = [str(path.relative_to(run.folder).as_posix()) for path in paths]
            names = ("ranks", "scores", "queries", "passages")
            files = dict(zip(names, places, strict=True))
            texts = run.subset(name)[0].fingerprint
            found.append(Result(spec.strategy, spec.seed, name, **files, model=_model(run, spec), texts=texts))
    return found


def _model(run: Run, spec: ModelSpec) -> str:
    if spec.strategy != UNTRAINED:
        return f"models/{run.trained.path(spec).name}"
    return f"models/static-{run.trained.encoder_key()[:16]}" if run.study.encoder.name == "static" else ""


def write_index(run: Run) -> list[Result]:
    """Write index.json of a run folder, unless it says just that already."""
    results = index_of(run)
    write_json(run.folder / INDEX, {"format": INDEX_FORMAT, "results": [dataclasses.asdict(one) for one in results]})
    return results


def read_index(folder: Path) -> list[Result] | None:
    """Read index.json of a run folder: None where there is none, or one of another format, which is made again.

    Raises InputError for a file that is no index.
    """
    path = folder / INDEX
    if not path.is_file():
        return None
    cure = "remove it, and it is made again"
    value: Any = json_file(path, cure, "an index of a run")
    if isinstance(value, dict) and type(value.get("format")) is int and value["format"] != INDEX_FORMAT:
        return None
    if not (isinstance(value, dict) and value.get("format") == INDEX_FORMAT and isinstance(value.get("results"), list)):
        raise InputError(f"{path}: no index of a run (format and results are not there); {cure}")
    return [_result(one, f"{path}: results[{nth}]", cure) for nth, one in enumerate(value["results"])]


def _result(value: Any, where: str, cure: str) -> Result:
    names = [one.name for one in dataclasses.fields(Result)]
    if not isinstance(value, dict) or sorted(value) != sorted(names):
        raise InputError(f"{where}: no result of an index ({', '.join(names)}); {cure}")
    for name, one in value.items():
        if type(one) is not (int if name == "seed" else str):
            raise InputError(f"{where}: {name} is a {type(one).__name__}; {cure}")
    for name in _PLACES:
        place = value[name]
        parts = PureWindowsPath(place)  # which splits at either slash and knows drives
        if parts.anchor or ".." in parts.parts or not place.isprintable():
            raise InputError(f"{where}: {name} {place!r} leads out of the run folder; {cure}")
    return Result(**value)

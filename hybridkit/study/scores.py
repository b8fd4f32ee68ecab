"""Scores of the models of a run, and its index: which files hold which results, so that nothing is hashed again."""

import dataclasses
from pathlib import Path, PureWindowsPath
from typing import Annotated, Any

import pandas as pd
from pydantic import AfterValidator

from hybridkit.errors import InputError
from hybridkit.evaluation.measures import MEASURES, scores_of
from hybridkit.sampling.labels import WITH
from hybridkit.study.model_spec import ModelSpec
from hybridkit.study.run import Run
from hybridkit.study.settings import RERANKER, UNTRAINED
from hybridkit.study.training_rows import write_json
from hybridkit.utils.numbers import SEED
from hybridkit.utils.products import frame, remove, write
from hybridkit.utils.reading import json_file
from hybridkit.utils.yaml_files import build, settings

FRONT = ["study", "encoder", "strategy", "alpha", "seed", "train_languages", "benchmark"]
INDEX = "index.json"
INDEX_FORMAT = 4


def study_scores(run: Run) -> pd.DataFrame:
    """Return the scores of every model of the section "main" on every benchmark; kept in scores.parquet and .csv."""
    names = run.benchmarks()
    table = pd.concat([model_scores(run, spec, name) for spec in run.models() for name in names], ignore_index=True)
    write(run.folder / "scores.parquet", table.to_parquet(index=False))
    write(run.folder / "scores.csv", table.round({"value": 6}).to_csv(index=False))
    write_index(run)
    return table


def model_scores(run: Run, spec: ModelSpec, benchmark: str) -> pd.DataFrame:
    """Return the scores of one model on one benchmark, by setting, pair of languages and measure.

    Missing ones are made, and those that were kept without one of today's measures.
    """
    path = run.folder / "scores" / run.ranks_path(spec, benchmark).name
    for _ in range(2):
        found = frame(path, lambda: scores_of(run.ranks(spec, benchmark)))
        if set(MEASURES) <= set(found["measure"]):
            break
        remove(path)
    return labelled(found, run, spec, benchmark)


def labelled(table: pd.DataFrame, run: Run, spec: ModelSpec, benchmark: str) -> pd.DataFrame:
    """Return a table behind the columns `FRONT`, which say the model and benchmark it is of."""
    languages = "" if spec.strategy == UNTRAINED else " ".join(spec.languages or run.split[0].languages)
    first_stage = spec.strategy == UNTRAINED and spec.section == RERANKER  # it is the study's own encoder
    encoder = run.study.section("main" if first_stage else spec.section).encoder.name
    values = (run.study.name, encoder, spec.strategy, spec.alpha, spec.seed, languages, benchmark)
    front = {name: [value] * len(table) for name, value in zip(FRONT, values, strict=True)}
    return pd.concat([pd.DataFrame(front, index=table.index), table], axis=1)


def _inside(path: str) -> str:
    parts = PureWindowsPath(path)  # which splits at either slash and knows drives
    if parts.anchor or ".." in parts.parts or not path.isprintable():
        raise InputError(f"{path!r} leads out of the run folder")
    return path


Inside = Annotated[str, AfterValidator(_inside)]


@settings()
class Result:
    """Where one model's results on one benchmark lie, as paths below the run folder, there or not."""

    strategy: str
    seed: Annotated[int, SEED]
    benchmark: str
    ranks: Inside
    scores: Inside
    queries: Inside
    passages: Inside
    model: Inside
    """Empty for an untrained encoder that is opened by its name."""
    texts: str
    """Fingerprint of the benchmark."""
    remedy: str = ""
    """Empty for none."""
    estimate: Inside = ""
    """What the remedy has estimated from rows; empty where it needs none."""

    @property
    def system(self) -> str:
        """The strategy, and the remedy where there is one: what a reader chooses among."""
        return f"{self.strategy}{WITH}{self.remedy}" if self.remedy else self.strategy


def index_of(run: Run) -> list[Result]:
    """Return where the results of every model of the section "main", with each remedy, on every benchmark lie.

    Raises InputError where rows or benchmarks that their names depend on are missing.
    """
    results = []
    for name in run.study.evaluation.benchmarks:
        for spec in run.systems():
            ranks = run.ranks_path(spec, name)
            paths = [ranks, run.folder / "scores" / ranks.name, *run.embedding_paths(spec, name)]
            below = [path.relative_to(run.folder).as_posix() for path in paths]
            files = dict(zip(("ranks", "scores", "queries", "passages"), below, strict=True))
            texts = run.subset(name)[0].fingerprint
            known = run.estimate_path(spec, name).relative_to(run.folder).as_posix() if spec.chain.needs_rows else ""
            more = {"model": _model(run, spec), "texts": texts, "remedy": spec.remedy, "estimate": known}
            results.append(Result(spec.strategy, spec.seed, name, **files, **more))
    return results


def _model(run: Run, spec: ModelSpec) -> str:
    if spec.strategy != UNTRAINED:
        return f"models/{run.trained.path(spec).name}"
    return (
        f"models/static-{run.trained.encoder_key(spec.section, spec.seed)[:16]}"
        if run.study.encoder.name == "static"
        else ""
    )


def write_index(run: Run) -> list[Result]:
    """Write index.json of a run folder, unless it holds just that already, and return what it holds."""
    results = index_of(run)
    write_json(run.folder / INDEX, {"format": INDEX_FORMAT, "results": [dataclasses.asdict(one) for one in results]})
    return results


def read_index(folder: Path) -> list[Result] | None:
    """Read index.json of a run folder: None where there is none, or one of another format, which is made again.

    Raises InputError for a file that is not an index.
    """
    path, cure = folder / INDEX, "remove it, and it is made again"
    if not path.is_file():
        return None
    value: Any = json_file(path, cure, "an index of a run")
    if isinstance(value, dict) and type(value.get("format")) is int and value["format"] != INDEX_FORMAT:
        return None
    if not (isinstance(value, dict) and value.get("format") == INDEX_FORMAT and isinstance(value.get("results"), list)):
        raise InputError(f"{path}: not an index of a run (format and results are missing); {cure}")
    try:
        return [build(Result, one, f"{path}: results[{number}]") for number, one in enumerate(value["results"])]
    except InputError as error:
        raise InputError(f"{error}; {cure}") from error

"""A model copied out of a run, with its benchmark scores in its card."""

import shutil
from pathlib import Path

import pandas as pd

from hybridkit.errors import InputError
from hybridkit.evaluation.measures import macro
from hybridkit.sampling import parse
from hybridkit.study.model_card import score_section
from hybridkit.study.model_spec import ModelSpec
from hybridkit.study.run import Run
from hybridkit.study.scores import model_scores
from hybridkit.study.settings import UNTRAINED
from hybridkit.utils.files import atomic_folder
from hybridkit.utils.products import require


def export_model(run: Run, spec: ModelSpec, out: Path | None = None) -> Path:
    """Copy a model to a new folder, add its benchmark scores to the card, and return the folder.

    Missing rank tables are made. `out` is `export/MODEL` in the run folder unless given; InputError where it exists.
    """
    source = run.trained.path(spec)
    out = (out or run.folder / "export" / source.name).expanduser().absolute()
    if out.exists():
        raise InputError(f"{out}: it exists already; give another --out, or remove it first")
    section = score_section(benchmark_scores(run, spec))
    with atomic_folder(out) as temporary:
        shutil.copytree(source, temporary, dirs_exist_ok=True)
        card = temporary / "README.md"
        text = card.read_text(encoding="utf-8") if card.is_file() else f"# {spec}\n"
        card.write_text(text.rstrip("\n") + "\n\n" + section, encoding="utf-8")
    return out


def benchmark_scores(run: Run, spec: ModelSpec) -> pd.DataFrame:
    """Return the macro scores of a model on the benchmarks of its section: benchmark, setting, measure, value."""
    names = run.study.section(spec.section).benchmarks
    parts = [macro(model_scores(run, spec, name)).assign(benchmark=name) for name in names]
    return pd.concat(parts, ignore_index=True)[["benchmark", "setting", "measure", "value"]]


def find_model(run: Run, model: str, seed: int | None = None) -> ModelSpec:
    """Return a model of a run by its strategy's text and its seed (the first unless given).

    Raises InputError for a model that the study does not have, with those it has, or that is not trained yet.
    """
    if model == UNTRAINED:
        raise InputError(
            f"untrained: that is the encoder which study {run.study.name} starts from, {run.study.encoder.name!r}; "
            "only trained models are exported"
        )
    strategy = str(parse(model))
    specs = [spec for spec in run if spec.strategy == strategy and seed in (None, spec.seed)]
    if not specs:
        known = dict.fromkeys(f"{spec.strategy} (seed {spec.seed})" for spec in run if spec.strategy != UNTRAINED)
        wanted = strategy + ("" if seed is None else f" with seed {seed}")
        raise InputError(f"study {run.study.name}: no model of {wanted}; there are {', '.join(known)}")
    cure = f"make it with `hybridkit run {run.study.name}`"
    if not require(run.trained.path(specs[0]), cure).is_dir():
        raise InputError(f"{run.folder}: the model of {specs[0]} is not trained yet; {cure}")
    return specs[0]

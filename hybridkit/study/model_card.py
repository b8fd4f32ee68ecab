"""The card of a trained model, and the export of a model with its benchmark scores in its card."""

import shutil
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING

import pandas as pd

from hybridkit.data.corpus import ParallelCorpus
from hybridkit.errors import InputError
from hybridkit.evaluation.measures import macro
from hybridkit.sampling import BatchPlan
from hybridkit.study.model_spec import ModelSpec
from hybridkit.study.run import Run
from hybridkit.study.scores import model_scores
from hybridkit.utils.characters import safe
from hybridkit.utils.files import atomic_folder

if TYPE_CHECKING:
    from hybridkit.study.trained_models import Trainings


def model_card(
    run: "Trainings", spec: "ModelSpec", corpus: ParallelCorpus, plan: BatchPlan, held_out: Mapping[str, float]
) -> str:
    """Write a model card in Markdown: data, strategy, plan and held-out scores; benchmark scores come by export."""
    encoder, training = run.settings(spec.section)[0], run.training(spec)
    title = safe(run.study.title)
    lines = [
        "---",
        "library_name: sentence-transformers",
        "pipeline_tag: sentence-similarity",
        "tags: [sentence-transformers, hybridkit, multilingual, retrieval]",
        f"language: [{', '.join(corpus.languages)}]",
        "---",
        "",
        f"# {encoder.name}, trained on {spec.strategy} batches",
        "",
        f"Made by [hybridkit](https://arxiv.org/abs/2408.10536)'s study `{run.study.name}` ({title}).",
        "",
        "| what | value |",
        "| --- | --- |",
        f"| encoder at the start | {encoder.name} |",
        f"| strategy | `{spec.strategy}` |",
        f"| seed | {spec.seed} |",
        f"| training rows | {len(corpus):,} of {', '.join(run.study.rows.files)} |",
        f"| languages | {len(corpus.languages)} |",
        f"| corpus | `{corpus.fingerprint}` |",
        f"| batch plan | `{plan.fingerprint}` |",
        *(f"| {name.replace('_', ' ')} | {value} |" for name, value in vars(training).items()),
        "",
        "## Held-out rows",
        "",
    ]
    if held_out:
        lines += [f"{len(run.split[1]):,} rows that share no text and no passage with the training rows.", ""]
        lines += [
            "| measure | value |",
            "| --- | --- |",
            *(f"| {name} | {value:.4f} |" for name, value in held_out.items()),
        ]
    else:
        lines += ["The study holds no rows out."]
    return "\n".join(lines) + "\n"


def export_model(run: Run, spec: ModelSpec, out: Path | None = None) -> Path:
    """Copy a model to a new folder and add its scores to the card; gives the folder.

    Rank tables that the run has are read, missing ones are made. `out` is `export/MODEL` in the run folder unless
    given. Raises InputError where it exists already.
    """
    source = run.model_folder(spec)
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
    """Macro scores of a model on the benchmarks of its part of the study: benchmark, setting, measure, value."""
    parts = [macro(model_scores(run, spec, name)).assign(benchmark=name) for name in run.benchmarks(spec.section)]
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
        "## Benchmarks",
        "",
        "Means over languages (mono, pool) or pairs of languages (cross), each weighing the same; ranks of full depth.",
        "",
        f"| benchmark | setting | {' | '.join(measure.replace('_', ' ') for measure in measures)} |",
        "| --- | --- |" + " --- |" * len(measures),
    ]
    for (benchmark, setting), group in table.groupby(["benchmark", "setting"], sort=False):
        found = dict(zip(group["measure"], group["value"], strict=True))
        specs = [
            "" if name not in found else f"{found[name]:.{1 if name == 'rank_distance' else 4}f}" for name in measures
        ]
        lines.append(f"| {benchmark} | {setting} | {' | '.join(specs)} |")
    return "\n".join(lines) + "\n"

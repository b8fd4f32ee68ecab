"""Choose a study's learning rate and temperature by its held-out rows, never by a benchmark."""

import json
from collections.abc import Sequence
from dataclasses import replace
from functools import partial
from itertools import product
from pathlib import Path

import pandas as pd

from hybridkit.cell import Cell
from hybridkit.errors import InputError
from hybridkit.products import kept
from hybridkit.run import Run
from hybridkit.sampling import parse
from hybridkit.study import UNTRAINED


def try_recipes(
    run: Run, learning_rates: Sequence[float], temperatures: Sequence[float], steps: int, strategy: str
) -> pd.DataFrame:
    """Train the strategy shortly with every pair of settings and score each on the study's held-out rows.

    Gives learning_rate, temperature, steps, strategy, AP (mean of the settings, what to choose by), AP mono, AP cross,
    AP pool and rank_distance, best first; the encoder as it is stands with learning rate 0. Trials that were made
    before are read from the run folder. Raises InputError for a study that holds no rows out.
    """
    if run.study.rows.held_out == 0:
        raise InputError(f"study {run.study.name}: no rows are held out to choose by; set rows.held_out, say to 0.05")
    for rate, temperature in product(learning_rates, temperatures):  # all are checked before any is trained
        replace(run.study.training, learning_rate=rate, temperature=temperature, steps=steps)
    found, folder = [], run.folder / "recipe"
    for rate, temperature in [(0.0, 0.0), *product(learning_rates, temperatures)]:
        if rate > 0:
            cell = Cell(str(parse(strategy)))
            training = replace(run.study.training, learning_rate=rate, temperature=temperature, steps=steps)
            trial = Run(replace(run.study, training=training), folder)
            scores = trial.kept_scores(cell)
        else:
            cell, trial = Cell(UNTRAINED), Run(run.study, folder)
            path = folder / f"untrained-{trial.model_key(cell)[:16]}.json"
            scores = kept(
                path, partial(_score_untrained, trial, cell), lambda path: dict(json.loads(path.read_bytes()))
            )
        named = {
            "learning_rate": rate,
            "temperature": temperature,
            "steps": steps if rate else 0,
            "strategy": cell.strategy,
        }
        found.append(named | scores)
    return pd.DataFrame(found).sort_values("AP", ascending=False, ignore_index=True)


def _score_untrained(run: Run, cell: Cell, path: Path) -> None:
    run.write_json(path.name, run.held_out_scores(run.open_model(cell)))

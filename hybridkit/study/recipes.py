"""Recipes: learning rate, temperature and steps, searched for each strategy on one grid, scored on held-out rows."""

import json
import logging
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd

from hybridkit.errors import InputError
from hybridkit.sampling import parse
from hybridkit.study.model_spec import ModelSpec
from hybridkit.study.run import Run
from hybridkit.study.settings import UNTRAINED, Recipe
from hybridkit.study.training_rows import write_json
from hybridkit.utils.files import digest
from hybridkit.utils.products import kept, remove

AXES = ("learning_rate", "temperature", "steps")
OWN, SHARED = "own", "shared"
SCORES = ("AP", "AP mono", "AP cross", "AP pool", "rank_distance")
COLUMNS = ("strategy", *AXES, "seeds", *SCORES, "chosen", "inside")
Point = tuple[int, ...]  # of the grid: a position on each axis, 0 its first value
log = logging.getLogger("hybridkit")


class Axis:
    """The values of one setting, which grow at either end by the ratio of the two values there.

    >>> axis = Axis("learning_rate", [1e-5, 3e-5, 1e-4])
    >>> axis[3], axis[-1], Axis("steps", [50, 100], most=150)[2] is None, Axis("temperature", [0.02])[1] is None
    (0.0003, 3e-06, True, True)
    """

    def __init__(self, name: str, values: Sequence[float], most: float = float("inf")) -> None:
        self.name, self.most = name, most
        self._given = sorted(set(values))
        self.middle = (len(self._given) - 1) // 2
        self.fixed = len(self._given) == 1

    def __getitem__(self, position: int) -> float | None:
        """Return the value at a position; None where there is none: a fixed axis has one, and none is above `most`."""
        last = len(self._given) - 1
        if 0 <= position <= last:
            return self._given[position] if self._given[position] <= self.most else None
        if self.fixed:
            return None
        end, ratio = (
            (self._given[0], self._given[1] / self._given[0])
            if position < 0
            else (self._given[last], self._given[last] / self._given[last - 1])
        )
        beyond = position if position < 0 else position - last
        value = float(f"{end * ratio**beyond:.0e}")
        if self.name == "steps":
            value = round(value)
        return value if 0 < value <= self.most and (position >= 0 or value < end) else None


class Search:
    """The trials of a search: every strategy at some points of one grid, the mean over seeds of its scores."""

    def __init__(self, run: Run, grid: Mapping[str, Sequence[float]], seeds: Sequence[int], most_steps: int) -> None:
        self.run = Run(run.study, run.folder / "recipe")
        self.seeds = tuple(seeds)
        self.axes = [
            Axis(name, grid[name], most_steps or float("inf")) if name == "steps" else Axis(name, grid[name])
            for name in AXES
        ]
        self.trials: dict[tuple[str, Point], dict[str, float]] = {}

    def recipe(self, point: Point) -> Recipe | None:
        """Return the recipe at a point; None outside of the grid."""
        values = self.values(point)
        return None if None in values else Recipe(*values)  # type: ignore[arg-type]  # none of them is None

    def values(self, point: Point) -> list[float | None]:
        """Return the value of each axis at a point, None outside of it."""
        return [axis[at] for axis, at in zip(self.axes, point, strict=True)]

    def score(self, strategy: str, point: Point) -> float:
        """Return the AP of a strategy at a point, trained and scored unless it was before; -inf outside of the grid."""
        recipe = self.recipe(point)
        if recipe is None:
            return float("-inf")
        if (strategy, point) not in self.trials:
            scores = [self._trial(ModelSpec(strategy, seed).with_recipe(recipe)) for seed in self.seeds]
            self.trials[strategy, point] = {name: float(np.mean([one[name] for one in scores])) for name in SCORES}
            log.info("%s at %s: AP %.4f", strategy, recipe, self.trials[strategy, point]["AP"])
        return self.trials[strategy, point]["AP"]

    def _trial(self, spec: ModelSpec) -> dict[str, float]:
        trained = self.run.trained
        key = trained.key(spec)
        if spec.strategy == UNTRAINED:  # its key is the encoder's, but what it scores is of these rows and settings
            settings, rows = self.run.study.training, self.run.rows.held_out.fingerprint
            key = digest(key, rows, settings.max_length, settings.precision, settings.watch)
        path = self.run.folder / f"{spec.slug}-{key[:16]}.json"

        def make(path: Path) -> None:
            scores = (
                trained.score_held_out(trained.open(spec))
                if spec.strategy == UNTRAINED
                else trained.held_out_scores(spec)
            )
            write_json(path, scores)
            if spec.strategy != UNTRAINED:  # a trial is known by its scores
                remove(trained.path(spec))

        return kept(path, make, lambda path: dict(json.loads(path.read_bytes())))

    def best(self, strategy: str, start: Point) -> Point:
        """Return the point with the highest AP that is reached from a start: better than its neighbours on all axes."""
        here, moved = start, True
        while moved:
            moved = False
            for number in range(len(self.axes)):
                for step in (1, -1):
                    ahead = self._move(here, number, step)
                    while self.score(strategy, ahead) > self.score(strategy, here):
                        here, ahead, moved = ahead, self._move(ahead, number, step), True
        return here

    @staticmethod
    def _move(point: Point, axis: int, step: int) -> Point:
        return tuple(at + step * (number == axis) for number, at in enumerate(point))

    def inside(self, strategy: str, point: Point) -> bool:
        """Return whether a point's neighbours were tried on both sides of every axis that has more than one value."""
        return all(
            (strategy, self._move(point, number, step)) in self.trials
            for number, axis in enumerate(self.axes)
            if not axis.fixed
            for step in (1, -1)
        )

    def untrained(self) -> dict[str, float]:
        """Return the scores of the encoder as it is at the start."""
        return self._trial(ModelSpec(UNTRAINED))


def search_recipes(
    run: Run,
    grid: Mapping[str, Sequence[float]],
    strategies: Sequence[str] = (),
    seeds: Sequence[int] = (),
    most_steps: int = 0,
) -> pd.DataFrame:
    """Search the best recipe of each strategy on one grid, and the one that is best for all of them.

    The search starts in the middle of the grid and moves along an axis to the next value for as long as AP on the
    held-out rows rises; it ends at a point that beats its neighbours on every axis. Where that would lie at the edge
    the grid is widened, so that the best lies inside. Each strategy's best is tried with every other strategy too; of
    the recipes that every strategy was tried with, the one with the highest mean AP is the shared one.

    Trials that were made before are read from the run folder; their weights are not kept.

    Args:
        run: The study's run; its training settings hold but for the recipe.
        grid: Values to start with of learning_rate, temperature and steps; with one value it stays as it is.
        strategies: Those of the study unless given.
        seeds: Seeds of each trial, whose scores are averaged; the study's first one unless given.
        most_steps: No trial has more steps; 0 for no limit.

    Returns:
        A line a trial, best first within a strategy: strategy, learning_rate, temperature, steps, seeds (number), AP
        (mean of the three settings, to choose by), AP mono, AP cross, AP pool, rank_distance, chosen ("own", "shared",
        "own shared" or ""), inside (whether both neighbours on every axis were tried). The encoder as it is at the
        start has learning rate 0.

    Raises:
        InputError: For a study that holds no rows out, and for a value that is out of its range.
    """
    study = run.study
    if study.rows.held_out == 0:
        raise InputError(f"study {study.name}: no rows are held out to choose by; set rows.held_out, say to 0.05")
    texts = list(dict.fromkeys(str(parse(text)) for text in strategies or study.strategies))
    for axis in AXES:  # all are checked before any is trained
        for value in grid[axis]:
            replace(study.training, **{axis: value})  # type: ignore[arg-type]  # of each axis its own type
    search = Search(run, grid, seeds or study.seeds[:1], most_steps)
    start = tuple(axis.middle for axis in search.axes)
    own = {text: search.best(text, start) for text in texts}
    for text in texts:
        for point in dict.fromkeys(own.values()):
            search.score(text, point)
    tried = {point for _, point in search.trials if all((text, point) in search.trials for text in texts)}
    shared = max(sorted(tried), key=lambda point: float(np.mean([search.score(text, point) for text in texts])))
    lines = []
    for (text, point), scores in search.trials.items():
        chosen = " ".join(name for name, at in ((OWN, own[text]), (SHARED, shared)) if at == point)
        lines.append(
            (
                text,
                *search.values(point),
                len(search.seeds),
                *map(scores.get, SCORES),
                chosen,
                search.inside(text, point),
            )
        )
    table = pd.DataFrame(lines, columns=COLUMNS).sort_values("AP", ascending=False, kind="stable")
    table = table.iloc[np.argsort(table["strategy"].map(texts.index).to_numpy(), kind="stable")]
    untrained = [(UNTRAINED, 0.0, 0.0, 0, 1, *map(search.untrained().get, SCORES), "", False)]
    return pd.concat([table, pd.DataFrame(untrained, columns=COLUMNS)], ignore_index=True)


def recipes_yaml(table: pd.DataFrame) -> str:
    """Return the chosen recipes of `search_recipes` as the lines of a study's YAML file."""

    def line(row: "pd.Series") -> str:
        return f"learning_rate: {row['learning_rate']:.1e}, temperature: {row['temperature']:g}, steps: {row['steps']}"

    shared = table[table["chosen"].str.contains(SHARED)].iloc[0]
    lines = ["training:  # the shared recipe", *(f"  {part}" for part in line(shared).split(", ")), "recipes:"]
    for _, row in table[table["chosen"].str.contains(OWN)].iterrows():
        lines.append(f"  {json.dumps(row['strategy'])}: {{{line(row)}}}")
    return "\n".join(lines)

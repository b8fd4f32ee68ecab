"""Pairs of languages by whether training saw them, and the models that were trained on some languages only."""

import pandas as pd

from hybridkit.cell import Cell
from hybridkit.claims.words import UNSEEN
from hybridkit.diversity.design import design
from hybridkit.run import Run
from hybridkit.study import UNTRAINED


def of_group(frame: pd.DataFrame, languages: tuple[str, ...], group: str) -> pd.DataFrame:
    """The rows of a group: query and passage language seen or not; "unseen" is every pair but the seen-seen ones.

    >>> pairs = pd.DataFrame({"query_language": ["de", "de", "th"], "passage_language": ["en", "th", "th"]})
    >>> [len(of_group(pairs, ("de", "en"), group)) for group in ("seen-seen", "seen-unseen", "unseen")]
    [1, 1, 2]
    """
    seen = {True: "seen", False: "unseen"}
    told = frame["query_language"].isin(languages).map(seen) + "-" + frame["passage_language"].isin(languages).map(seen)
    return frame[told != "seen-seen"] if group == UNSEEN else frame[told == group]


def models(run: Run, strategy: str, benchmark: str) -> list[tuple[Cell, tuple[str, ...]]]:
    """The models of a strategy with their training languages: of the main part, then of the section diversity.

    Of the section only those of the series "fixed" that notebook 06 ranked on the benchmark, and only with the main
    part's encoder. The untrained encoder stands once for every set of languages.
    """
    main = [(cell, run.corpus(cell).languages) for cell in run.cells() if cell.strategy in (strategy, UNTRAINED)]
    drawn: list[tuple[Cell, tuple[str, ...]]] = []
    settings = run.study.diversity
    if settings is not None and run.settings("diversity")[0] == run.study.encoder:
        table = design(run)
        table = table[(table["series"] == "fixed") & (benchmark in run.benchmarks("diversity"))]
        drawn = [(cell, tuple(names.split())) for cell, names in zip(table["cell"], table["languages"], strict=True)]
        drawn = [(cell, names) for cell, names in drawn if run.ranks_path(cell, benchmark).is_file()]
    if strategy == UNTRAINED:
        untrained = next(cell for cell, _ in main if cell.strategy == UNTRAINED)
        return [(untrained, names) for names in dict.fromkeys(names for _, names in (*main, *drawn))]
    own = [(cell, names) for cell, names in (*main, *drawn) if cell.strategy == strategy]
    return list({(names, cell.seed): (cell, names) for cell, names in own}.values())

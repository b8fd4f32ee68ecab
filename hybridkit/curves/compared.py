"""What is compared with what along each curve of a study, and how the comparisons come out."""

from collections.abc import Collection, Mapping
from dataclasses import dataclass

import pandas as pd

from hybridkit.curves.contrasts import COLUMNS, Models, contrast, established, model_sums
from hybridkit.curves.scores import MEASURES, place
from hybridkit.evaluation.clusters import ClusterSums, question_clusters
from hybridkit.evaluation.measures import per_query
from hybridkit.run import Run
from hybridkit.sampling import parse
from hybridkit.sweep import sweep

Point = tuple[float, str]  # x, strategy
PUBLISHED = 0.5  # the alpha of arXiv 2408.10536
SMALLEST, LARGEST, CHANGE = "smallest", "largest", "change"
LABELS = ["benchmark", "strategy", "against", "x", "at"]
JUDGED = [*LABELS, *COLUMNS, "both", "p_holm", "established", "better", "family"]
FAMILIES = {
    "alpha": f"every alpha with {PUBLISHED}", "rows": "strategies along the training rows",
    "batch_size": "strategies along the batch size", "pairs": "pairs inside a batch",
}  # fmt: skip


@dataclass(frozen=True)
class Planned:
    """One comparison: the points of a curve that are added with their factors, and what a table says of it."""

    strategy: str
    against: str
    x: float
    at: str
    parts: tuple[tuple[float, Point], ...]


def planned(points: Collection[Point], section: str) -> list[Planned]:
    """Say which points of a curve are compared; none where the curve lacks what they are compared with.

    "alpha": every other point with alpha 0.5. "pairs": every other strategy with the first. "rows" and "batch_size":
    the hybrid with every other strategy at the smallest and at the largest point, and the change of that difference
    from the one to the other.

    >>> points = [(0.0, "cross"), (0.5, "hybrid(alpha=0.5)"), (1.0, "mono")]
    >>> [(one.strategy, one.parts) for one in planned(points, "alpha")][0]
    ('cross', ((1, (0.0, 'cross')), (-1, (0.5, 'hybrid(alpha=0.5)'))))
    >>> [one.at for one in planned([(x, s) for x in (10, 90) for s in ("cross", "hybrid(alpha=0.5)")], "rows")]
    ['smallest', 'largest', 'change']
    """
    points = list(dict.fromkeys(points))
    if section in ("alpha", "pairs"):
        base = [one for one in points if one[0] == PUBLISHED] if section == "alpha" else points[:1]
        others = [one for one in points if base and one != base[0]]
        return [Planned(one[1], base[0][1], one[0], "", ((1, one), (-1, base[0]))) for one in others]
    low, high = min((x for x, _ in points), default=0.0), max((x for x, _ in points), default=0.0)
    names = list(dict.fromkeys(name for _, name in points))
    hybrids = [name for name in names if 0 < parse(name).mono_share < 1]
    found = []
    for other in names if hybrids else ():
        if other != hybrids[0]:
            first, last = (((1, (x, hybrids[0])), (-1, (x, other))) for x in (low, high))
            found.append(Planned(hybrids[0], other, low, SMALLEST, first))
            if high > low:
                turned = tuple((-factor, point) for factor, point in first)
                found.append(Planned(hybrids[0], other, high, LARGEST, last))
                found.append(Planned(hybrids[0], other, float("nan"), CHANGE, (*last, *turned)))
    return found


def contrasts(models: Mapping[str, Mapping[Point, Models]], section: str) -> pd.DataFrame:
    """Compare the points of a curve, given every benchmark's models by point; one family over all of it.

    Gives benchmark, strategy, against, x and at (empty, or "smallest", "largest", "change"), then the columns of
    `contrasts.contrast` and `contrasts.established`. No rows where nothing is to be compared.
    """
    parts = []
    for benchmark, own in models.items():
        for one in planned(own, section):
            found = contrast([(factor, own[point]) for factor, point in one.parts])
            parts.append(
                found.assign(benchmark=benchmark, strategy=one.strategy, against=one.against, x=one.x, at=one.at)
            )
    if not parts:
        return pd.DataFrame(columns=JUDGED)
    return established(pd.concat(parts, ignore_index=True), FAMILIES[section])[JUDGED]


def curve_contrasts(run: Run, section: str, unit: str = "article") -> pd.DataFrame:
    """Compare the points of one curve of a study: the frame of `contrasts`, for AP and rank distance.

    `unit` is what questions are resampled by (`clusters.question_clusters`). Trains and scores what is missing.
    """
    cells = run.curve_cells(section)
    needed = {
        point
        for one in planned([(place(cell, section), cell.strategy) for cell in cells], section)
        for _, point in one.parts
    }
    cells = [cell for cell in cells if (place(cell, section), cell.strategy) in needed]
    names = run.benchmarks("curve") if cells else ()
    sweep(run, cells, names)
    models: dict[str, dict[Point, dict[int, dict[str, ClusterSums]]]] = {}
    for name in names:
        clusters, own = question_clusters(run.part(name)[0], unit), models.setdefault(name, {})
        for cell in cells:
            values = per_query(run.ranks(cell, name), MEASURES)
            own.setdefault((place(cell, section), cell.strategy), {})[cell.seed] = model_sums(values, clusters)
    return contrasts(models, section)

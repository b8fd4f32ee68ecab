"""The curves of a study: scores by point, what is compared along each curve, and how it came out in sentences."""

import math
from collections.abc import Collection, Mapping
from dataclasses import dataclass
from typing import Any

import pandas as pd

from hybridkit.analysis.scores import families, part_of
from hybridkit.evaluation.clusters import ClusterSums, model_sums, question_clusters
from hybridkit.evaluation.measures import DISTANCE, MAIN_MEASURES, macro, per_query
from hybridkit.evaluation.resampling import TRAININGS_NEEDED
from hybridkit.evaluation.significance import CHOSEN, GIVEN, INTERVALS, JUDGED, Models, contrast, judged
from hybridkit.sampling import parse
from hybridkit.sampling.labels import label
from hybridkit.study.model_spec import ModelSpec, curve_models
from hybridkit.study.run import Run
from hybridkit.study.scores import model_scores
from hybridkit.study.sweep import sweep
from hybridkit.utils.naming import listed
from hybridkit.utils.numbers import number

COLUMNS = ["x", "strategy", "seed", "benchmark", "setting", "measure", "value"]
SECTIONS = ("alpha", "rows", "batch_size", "pairs")
_MISSING = {  # by section: what a study without it does not have, and the key that would give it
    "alpha": ("curve over alpha", "{alphas: [0, 0.25, 0.5, 0.75, 1], seeds: [0, 1, 2, 3, 4]}"),
    "rows": ("curve over training rows", "{rows: [300, 600, 1200], seeds: [0, 1, 2, 3, 4]}"),
    "batch_size": ("curve over the batch size", "{batch_sizes: [32, 64, 128], seeds: [0, 1, 2, 3, 4]}"),
    "pairs": ("comparison of pairs in a batch", "{pairs: [cross, \"cross(pairs='one')\"], seeds: [0, 1, 2, 3, 4]}"),
}
Point = tuple[float, str]  # x, strategy
PUBLISHED = 0.5  # the alpha of arXiv 2408.10536
SMALLEST, LARGEST, CHANGE = "smallest", "largest", "change"
LABELS = ["benchmark", "strategy", "against", "x", "at"]
CONTRASTS = [*LABELS, "setting", "measure", *INTERVALS, *CHOSEN, "p", "crossed_p", "trainings", "clusters", *JUDGED]
FAMILIES = {
    "alpha": f"every alpha with {PUBLISHED}",
    "rows": "strategies along the training rows",
    "batch_size": "strategies along the batch size",
    "pairs": "pairs inside a batch",
}
_SETTINGS = {"mono": "monolingual retrieval", "cross": "cross-lingual retrieval", "pool": "the multilingual pool"}
ALONG = {"rows": "{:,.0f} training rows", "batch_size": "batches of {:,.0f}"}
Row = Mapping[Any, Any]  # a record of such a frame


@dataclass(frozen=True)
class Curve:
    """One curve of a study: its scores and comparisons on every benchmark, and what they say in sentences."""

    scores: pd.DataFrame
    contrasts: pd.DataFrame
    sentences: list[str]

    @property
    def benchmark(self) -> str:
        """The first benchmark, which figures show; "" for a curve that the study does not have."""
        return next(iter(self.scores["benchmark"]), "")

    @property
    def points(self) -> pd.DataFrame:
        """The scores on the first benchmark."""
        return self.scores[self.scores["benchmark"] == self.benchmark]

    @property
    def differences(self) -> pd.DataFrame:
        """The comparisons on the first benchmark."""
        return self.contrasts[self.contrasts["benchmark"] == self.benchmark]


def curve(run: Run, section: str = "alpha") -> Curve:
    """Return one curve of a study; trains and scores what is missing.

    A study without the section has a curve without rows, whose sentence names the key that would give it.
    """
    contrasts = curve_contrasts(run, section)
    missing = missing_points(run, section)
    return Curve(curve_scores(run, section), contrasts, [missing] if missing else curve_sentences(contrasts, section))


def x_of(spec: ModelSpec, section: str) -> float:
    """Return the position of a model on the x axis of a section: its alpha, rows or batch size; 0 among the pairs.

    >>> x_of(ModelSpec("mono", section="curve"), "alpha"), x_of(ModelSpec("mono", section="curve", rows=300), "rows")
    (1.0, 300.0)
    """
    of = {"alpha": spec.alpha, "rows": float(spec.rows), "batch_size": float(spec.batch_size)}
    return of.get(section, 0.0)


def curve_scores(run: Run, section: str = "alpha", measures: Collection[str] = MAIN_MEASURES) -> pd.DataFrame:
    """Return macro means of the models of one curve: x, strategy, seed, benchmark, setting, measure, value.

    `section` is "alpha", "rows" (as many steps on fewer rows), "batch_size" (as many draws) or "pairs". Trains and
    scores what is missing; a frame without rows where the study has no such section (`missing_points` says so).
    """
    specs, parts = curve_models(run.study, section), []
    names = run.benchmarks("curve") if specs else ()
    sweep(run, specs, names)
    for spec in specs:
        for name in names:
            found = macro(model_scores(run, spec, name))
            found = found[found["measure"].isin(list(measures))]
            parts.append(
                found.assign(x=x_of(spec, section), strategy=spec.strategy, seed=spec.seed, benchmark=name)[COLUMNS]
            )
    return pd.concat(parts, ignore_index=True) if parts else pd.DataFrame(columns=COLUMNS)


def make_curves(run: Run) -> int:
    """Train and score every model of a study's curves that is missing, with one bar; return how many were."""
    specs = run.models("curve")
    return sweep(run, specs, run.benchmarks("curve")) if specs else 0


def missing_points(run: Run, section: str) -> str:
    """Describe what a study without a section misses, and which key of its file would give it; "" where it has one.

    >>> from hybridkit.study.settings import open_study
    >>> import tempfile, pathlib
    >>> print(missing_points(Run(open_study("starter"), pathlib.Path(tempfile.mkdtemp())), "rows"))
    This study has no curve over training rows; `curve: {rows: [300, 600, 1200], seeds: [0, 1, 2, 3, 4]}` would give it.
    """
    if curve_models(run.study, section):
        return ""
    name, key = _MISSING[section]
    return f"This study has no {name}; `curve: {key}` would give it."


def means(curve: pd.DataFrame) -> pd.DataFrame:
    """Return the mean over seeds by strategy and x (rows), benchmark, setting and measure (columns), to look at."""
    by = ["strategy", "x"] if curve["x"].any() else ["strategy"]
    found = curve.groupby([*by, "benchmark", "setting", "measure"], sort=False)["value"].mean()
    wide: pd.DataFrame = found.unstack(["benchmark", "setting", "measure"])
    return wide.sort_index()


def mean_scores(curve: pd.DataFrame) -> pd.DataFrame:
    """Return the mean over seeds, a row each: x, strategy, benchmark, setting, measure, value."""
    by = [name for name in COLUMNS if name not in ("seed", "value")]
    return curve.groupby(by)["value"].mean().reset_index()


@dataclass(frozen=True)
class Planned:
    """One comparison: the points of a curve that are added with their factors, and what a table says of it."""

    strategy: str
    against: str
    x: float
    at: str
    parts: tuple[tuple[float, Point], ...]


def planned(points: Collection[Point], section: str) -> list[Planned]:
    """Return which points of a curve are compared; none where what they are compared with is missing.

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


def contrasts(
    models: Mapping[str, Mapping[Point, Models]], section: str, parts: Mapping[str, str] | None = None
) -> pd.DataFrame:
    """Compare the points of a curve, given every benchmark's models by point, and judge them as one family.

    Columns: benchmark, strategy, against, x and at (empty, or "smallest", "largest", "change"), then those of
    `significance.contrast` and `significance.judged` by setting. all_low and all_high are the ends of an interval over
    questions and trainings that holds for whichever point of the curve is picked, say the best. No rows where nothing
    is to be compared. `parts` are the benchmarks that are a part of another one (`scores.part_of`): they are families
    of their own.
    """
    found = []
    for benchmark, own in models.items():
        several = planned(own, section)
        for one in several:
            terms = [(factor, own[point]) for factor, point in one.parts]
            rows = contrast(terms, overall=True, choices=max(2, len(several)))
            found.append(
                rows.assign(benchmark=benchmark, strategy=one.strategy, against=one.against, x=one.x, at=one.at)
            )
    if not found:
        return pd.DataFrame(columns=CONTRASTS)
    rows = pd.concat(found, ignore_index=True)
    return judged(rows.assign(family=families(rows["benchmark"], FAMILIES[section], parts)))[CONTRASTS]


def curve_contrasts(run: Run, section: str) -> pd.DataFrame:
    """Compare the points of one curve of a study: the frame of `contrasts`, for AP and rank distance.

    Trains and scores what is missing.
    """
    specs = curve_models(run.study, section)
    needed = {
        point
        for one in planned([(x_of(spec, section), spec.strategy) for spec in specs], section)
        for _, point in one.parts
    }
    specs = [spec for spec in specs if (x_of(spec, section), spec.strategy) in needed]
    names = run.benchmarks("curve") if specs else ()
    sweep(run, specs, names)
    models: dict[str, dict[Point, dict[int | str, dict[str, ClusterSums]]]] = {}
    for name in names:
        clusters, own = question_clusters(run.subset(name)[0]), models.setdefault(name, {})
        for spec in specs:
            values = per_query(run.ranks(spec, name), MAIN_MEASURES)
            own.setdefault((x_of(spec, section), spec.strategy), {})[spec.seed] = model_sums(values, clusters)
    return contrasts(models, section, part_of(run, names))


def curve_sentences(frame: pd.DataFrame, section: str) -> list[str]:
    """Describe how the comparisons of a section came out (`contrasts`), and first what counts as established.

    One sentence a benchmark, setting and measure for "alpha" and "pairs", one for each other strategy too for "rows"
    and "batch_size". Where nothing is compared, one sentence says why.
    """
    if frame.empty:
        why = {"alpha": f"the curve needs alpha {PUBLISHED} and another", "pairs": "there are not two strategies"}.get(
            section, "it takes a hybrid and another strategy"
        )
        return [f"Nothing is compared: {why}."]
    by, sentences = ["benchmark", "setting", "measure"], [criterion(frame)]
    for (benchmark, _, _), part in frame.groupby(by, sort=False):
        where = f"{benchmark}, " * (frame["benchmark"].nunique() > 1) + _where(part)
        if section == "alpha":
            sentences.append(f"{where}: {_alpha(part)}.")
        elif section == "pairs":
            sentences += [f"{where}: {_pair(one)}." for one in part.to_dict("records")]
        else:
            for _, own in part.groupby("against", sort=False):
                sentences.append(f"{where}: {_along(own, ALONG[section])}.")
    return sentences


def criterion(frame: pd.DataFrame) -> str:
    """Describe when a difference counts as established, and that none can with too few trainings."""
    trainings = int(frame["trainings"].min())
    start = (
        "A difference counts as established only when it holds over other questions and other trainings together, "
        f"after Holm's correction ({'; '.join(dict.fromkeys(frame['family']))}) at .05"
    )
    if trainings >= TRAININGS_NEEDED:
        return f"{start}; {trainings} seeds."
    return f"{start}. With {_seeds(trainings)} nothing is known of other trainings, so that none can be established."


def amount(row: Row, corrected: int = 0) -> str:
    """Return a difference with both intervals: AP with three decimals, ranks whole, or with one where all are below 10.

    `corrected`: of how many the row was picked by its numbers; its interval is then that of any choice among them.

    >>> row = {"measure": "AP", "difference": 0.004, "low": -0.001, "high": 0.009, "trainings": 5,
    ...        "crossed_low": -0.002, "crossed_high": 0.01, "all_low": -0.01, "all_high": 0.02}
    >>> amount(row)
    '+.004 (−.001 to .009 over questions, −.002 to .010 over questions and 5 seeds)'
    >>> amount(row, corrected=10)
    '+.004 (−.010 to .020 over questions and 5 seeds, corrected for the choice among 10)'
    >>> amount({"measure": "rank_distance", "difference": -12.3, "low": -20.0, "high": -4.0, "trainings": 1,
    ...         "crossed_low": float("nan"), "crossed_high": float("nan")})
    '−12 ranks (−20 to −4 over questions; 1 seed, nothing on others)'
    """
    distance = row["measure"] == DISTANCE
    digits = 3 if not distance else 0 if max(abs(float(row[name])) for name in INTERVALS[:3]) >= 10 else 1
    names = (*INTERVALS, *CHOSEN) if corrected else INTERVALS
    value, low, high, first, last, *chosen = (_number(float(row[name]), digits) for name in names)
    start = f"{'' if value.startswith('−') else '+'}{value}{' ranks' * distance}"
    seeds = int(row["trainings"])
    if math.isnan(float(row["crossed_low"])):
        return f"{start} ({low} to {high} over questions; {_seeds(seeds)}, nothing on others)"
    if corrected:
        over = f"{chosen[0]} to {chosen[1]} over questions and {seeds} seeds"
        return f"{start} ({over}, corrected for the choice among {corrected})"
    return f"{start} ({low} to {high} over questions, {first} to {last} over questions and {seeds} seeds)"


def _number(value: float, digits: int) -> str:
    value = value if math.isnan(value) or round(value, digits) else 0.0  # no minus before a zero
    return number(value) if digits == 3 else format(value, f",.{digits}f").replace("-", "−")


def _seeds(count: int) -> str:
    return "1 seed" if count == 1 else f"{count} seeds"


def _where(part: pd.DataFrame) -> str:
    setting, measure = str(part["setting"].iloc[0]), str(part["measure"].iloc[0])
    name = _SETTINGS.get(setting, setting)
    return f"Rank distance in {name}" if measure == DISTANCE else f"{measure} in {name}"


def _alpha(part: pd.DataFrame) -> str:
    """Which alphas are established to be better or worse than the published one, and the best of them."""
    best = part.iloc[int((part["difference"].abs() * part["better"]).argmax())].to_dict()
    found = part[part["established"]]
    better, worse = (sorted(found.loc[found["better"] == side, "x"]) for side in (1, -1))
    nearest = f"the {'best' if best['better'] > 0 else 'nearest'} is {best['x']:g} with {amount(best, len(part))}"
    if better:
        text = (
            f"{_list(better)} {'is' if len(better) == 1 else 'are'} established as better than {PUBLISHED}; {nearest}"
        )
    else:
        text = f"no alpha is established as better than {PUBLISHED}; {nearest}"
    if not best["established"] and (best["all_low"] > 0 or best["all_high"] < 0):
        text += ", yet not after Holm's correction over all comparisons"
    given = sorted(part.loc[(part["mark"] == GIVEN) & (part["better"] > 0), "x"])
    text += f"; better given these trainings, which says nothing of others: {_list(given)}" * bool(given)
    return text + f"; established as worse: {_list(worse)}" * bool(worse)


def _list(values: list[float]) -> str:
    return listed([f"{value:g}" for value in values])


def _pair(row: Row) -> str:
    names = f"{_pairs(str(row['strategy']))} minus {_pairs(str(row['against']))} is {amount(row)}"
    return f"{names}, {_verdict(row)}"


def _pairs(strategy: str) -> str:
    known = {"cross": "pairs mixed inside a batch (cross)", "cross(pairs='one')": "one pair a batch (cross)"}
    return known.get(strategy, label(strategy))


def _verdict(row: Row) -> str:
    if row["established"]:
        return "which is better" if int(row["better"]) > 0 else "which is worse"
    if row["significant"]:
        return f"{'better' if int(row['better']) > 0 else 'worse'} given these trainings, not established over others"
    return "no difference is established"


def _along(rows: pd.DataFrame, name: str) -> str:
    """The difference of the hybrid to another strategy at both ends of a curve, and whether it changes."""
    at = {str(row["at"]): row for row in rows.to_dict("records")}
    first = at[SMALLEST]
    start = f"{label(first['strategy'])} minus {label(first['against'])} is {_point(first, name)}"
    if CHANGE not in at:
        return f"{start}; the curve has one point"
    change = at[CHANGE]
    said = "the difference changes" if change["established"] else "no change of the difference is established"
    return f"{start} and {_point(at[LARGEST], name)}; {said}: {amount(change)}"


def _point(row: Row, name: str) -> str:
    return f"{amount(row)}{'' if row['established'] else ', not established,'} at {name.format(row['x'])}"

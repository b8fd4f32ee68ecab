"""A study as facts: scores and their differences, plans, rows, benchmarks and their overlap."""

from collections.abc import Sequence
from dataclasses import replace
from functools import cached_property
from typing import TYPE_CHECKING, Any, TypeAlias

import numpy as np
import pandas as pd

from hybridkit.analysis.claims.checks import BY_DISTANCE, ROLES, ROWS, UNSEEN, is_collection_name
from hybridkit.analysis.claims.facts import Difference, Fact, NotTestable, ScoreQuery
from hybridkit.analysis.rerankers import from_english
from hybridkit.analysis.scores import collection_queries, macro_scores
from hybridkit.data.relatives import relatives
from hybridkit.data.sources.open_benchmarks import base_name
from hybridkit.errors import InputError
from hybridkit.evaluation.clusters import ClusterSums, combined, model_sums, question_clusters
from hybridkit.evaluation.collection_scores import clusters_in
from hybridkit.evaluation.measures import SEEN_GROUPS, SETTINGS, per_query
from hybridkit.evaluation.significance import FIXED, contrast
from hybridkit.study.model_spec import ModelSpec, design
from hybridkit.study.run import Run
from hybridkit.study.scores import study_scores
from hybridkit.study.settings import UNTRAINED, Section
from hybridkit.utils.naming import split_name

Trainings: TypeAlias = dict[int | str, dict[str, ClusterSums]]  # by seed or draw, by set of training languages

if TYPE_CHECKING:
    from hybridkit.data.corpus import ParallelCorpus


def of_group(frame: pd.DataFrame, languages: tuple[str, ...], group: str) -> pd.DataFrame:
    """Return the rows of a group: query and passage language seen or not; "unseen" is all but the seen-seen ones.

    >>> pairs = pd.DataFrame({"query_language": ["de", "de", "th"], "passage_language": ["en", "th", "th"]})
    >>> [len(of_group(pairs, ("de", "en"), group)) for group in ("seen-seen", "seen-unseen", "unseen")]
    [1, 1, 2]
    """
    seen = {True: "seen", False: "unseen"}
    query, passage = (frame[f"{side}_language"].isin(languages).map(seen) for side in ("query", "passage"))
    groups = query + "-" + passage
    return frame[groups != "seen-seen"] if group == UNSEEN else frame[groups == group]


def drawn_sets(run: Run, strategy: str, benchmark: str) -> list[tuple[int, tuple[str, ...], ModelSpec]]:
    """Return the models on sets of languages that were drawn at random: draw, languages, model.

    They are those of the section diversity, of the series "fixed", that notebook 06 ranked on the benchmark, if it has
    the main section's encoder. The untrained encoder is listed for every set that there is.
    """
    section = run.study.section("diversity") if run.study.diversity is not None else None
    if section is None or section.encoder != run.study.encoder or benchmark not in run.benchmarks("diversity"):
        return []
    table = design(run.study, run.rows)
    table = table[(table["series"] == "fixed") & (table["group"] == "random")]
    untrained = ModelSpec(UNTRAINED)
    lines = [
        (int(line["draw"]), tuple(line["languages"].split()), line["model"])
        for line in table.to_dict("records")
        if strategy in (line["strategy"], UNTRAINED) and run.ranks_path(line["model"], benchmark).is_file()
    ]
    if strategy == UNTRAINED:
        lines = list(dict.fromkeys((draw, languages, untrained) for draw, languages, _ in lines))
    return lines


def left(leaks: "pd.DataFrame", benchmark: str, corpora: "Sequence[ParallelCorpus]") -> int:
    """Return how many rows that hold a text of a benchmark are still among some corpora; 0 once they were dropped.

    `leaks` has the columns id and benchmark, as `leakage.find_leaks` makes them; `benchmark` is the name that it has
    there.
    """
    hit = set(leaks.loc[leaks["benchmark"] == benchmark, "id"])
    chunks = (chunk for corpus in corpora for chunk in corpus.ids.chunks()) if hit else ()
    return sum(name in hit for chunk in chunks for name in chunk.to_pylist())


class StudyFacts:
    """What a study measured. Trains nothing beyond the study's main section: what else is missing is NotTestable."""

    title = "this study"
    section = "main"
    chosen = frozenset({"start", "benchmarks", "encoders"})
    constructed = chosen | {"kinds", "measures", "macro", "leaks"}

    def __init__(self, run: Run) -> None:
        self.run = run
        self._sums: dict[tuple[ModelSpec, str, str], dict[str, ClusterSums]] = {}
        self._differences: dict[tuple[object, ...], Difference] = {}

    def names(self, variable: str) -> tuple[str, ...]:
        """The study's encoder and benchmarks (a part of a benchmark only where the whole is not there), and so on."""
        if variable == "encoder":
            return (self._settings.encoder.name,)
        if variable == "benchmark":
            names = self.run.benchmarks(self.section)
            whole = [name for name in names if base_name(name) == name or base_name(name) not in names]
            return (*whole, *self._collection_names)
        if variable == "measure":
            return tuple(dict.fromkeys(self._scores["measure"]))
        return tuple(SETTINGS) if variable == "setting" else ROLES

    def score(self, query: ScoreQuery) -> float:
        """The mean over seeds of the macro mean."""
        self._has(query)
        if query.benchmark in self._collection_names or query.setting in (*SEEN_GROUPS, UNSEEN, BY_DISTANCE):
            return _mean({name: _joined(sets) for name, sets in self._trainings(query)[0].items()})
        table = self._macros
        for column, value in (
            ("benchmark", query.benchmark),
            ("strategy", query.strategy),
            ("setting", query.setting),
            ("measure", query.measure),
        ):
            table = table[table[column] == value]
        if table.empty:
            raise NotTestable(f"no {query}", "", "benchmark", "setting", "measure")
        return float(table["value"].mean())

    def difference(self, terms: Sequence[tuple[float, ScoreQuery]], constant: float = 0.0) -> Difference:
        """A difference with its intervals over questions, and over trainings too (`significance.contrast`)."""
        for _, one in terms:
            self._has(one)
        if (*terms, constant) not in self._differences:
            self._differences[(*terms, constant)] = self._difference(terms, constant)
        return self._differences[(*terms, constant)]

    def _difference(self, terms: Sequence[tuple[float, ScoreQuery]], constant: float) -> Difference:
        found = [self._trainings(one) for _, one in terms]
        units = [unit for own, unit in found if set(own) != {FIXED}] or ["seeds"]
        systems = [own for own, _ in found]
        if set(map(frozenset, systems)) != {frozenset({FIXED})}:  # sets and trainings that all have, each with its own
            common = set.intersection(*({*_keys(own)} for own in systems if set(own) != {FIXED}))
            systems = [_chosen(own, common) for own in systems]
        joined = [{name: _joined(sets) for name, sets in own.items()} for own in systems]
        measure = terms[0][1].measure
        models = [
            (factor, {name: {measure: sums} for name, sums in own.items()})
            for (factor, _), own in zip(terms, joined, strict=True)
        ]
        row = contrast(models, constant, overall=True).iloc[0]
        trained = any(one.strategy != UNTRAINED for _, one in terms)
        clusters = "questions" if terms[0][1].benchmark in self._collection_names else "articles"
        basis = f"{int(row['clusters'])} {clusters}" + f", {int(row['trainings'])} {units[0]}" * trained
        names = ("difference", "low", "high", "p", "crossed_low", "crossed_high", "crossed_p")
        known: dict[str, Any] = {name: float(row[name]) for name in names}
        scores = tuple(map(_mean, joined))
        trainings = int(row["trainings"])
        return Difference(**known, trainings=trainings, unit=units[0], trained=trained, basis=basis, scores=scores)

    def fact(self, name: str, arguments: tuple[str, ...], encoder: str) -> Fact:
        """Everything that is not a score; see `checks.WORDS`."""
        run, first = self.run, (arguments or ("",))[0]
        if name == "start":
            return "scratch" if run.study.encoder.name == "static" else "pretrained"
        if name in ("benchmarks", "encoders"):
            return frozenset(self.names(name.removesuffix("s")))
        if name == "kinds":
            specs = [spec for spec in run.models() if spec.strategy == first]
            if not specs:
                raise self._no_strategy(first)
            return frozenset(str(kind) for kind in set(run.plan(specs[0]).kinds))
        if name == "languages" and first == ROWS:
            return frozenset(run.split[0].languages)
        if name == "macro":
            return self._macro(ScoreQuery(*(arguments[nth] for nth in (0, 1, 2, 3)), encoder))  # type: ignore[call-arg]
        self._has_benchmark(first)
        if name == "relatives":
            return frozenset(relatives(first, run.study.rows.files, run.study.encoder.name))
        if name == "leaks":
            return self._leaks(first)
        if first in self._collection_names:
            raise NotTestable(f"{first} has no parallel questions and no pairs of languages", "", "benchmark")
        if name == "languages":
            return frozenset(run.benchmark(first).languages)
        if name == "parallel":
            return float(run.benchmark(first).queries.groupby("query_id")["language"].nunique().min())
        own = self._scores[self._scores["benchmark"] == first]
        if name == "measures":
            return frozenset(own["measure"])
        own = own[(own["setting"] == arguments[1]) & (own["measure"] == "AP")]
        return frozenset(own["query_language"] + ">" + own["passage_language"])

    def _macro(self, query: ScoreQuery) -> float:
        """The mean of the study's parts, made here from what each pair of languages scored, not by `macro_scores`."""
        self._has(query)
        own = self._scores
        for column in ("benchmark", "strategy", "setting", "measure"):
            own = own[own[column] == getattr(query, column)]
        if own.empty:
            raise NotTestable(f"no {query}", "", "benchmark", "setting", "measure")
        by_seed = own.pivot_table("value", "seed", ["query_language", "passage_language"])
        return float(by_seed.mean(axis=1).mean())

    def _trainings(self, query: ScoreQuery) -> tuple[Trainings, str]:
        """The sums of a strategy in one measure and setting, and what a training is: a seed, or a random draw.

        A setting of languages seen or not is that of the main section, whose trainings are seeds, where its rows leave
        languages of the benchmark out; else that of the random draws of the section diversity: their nested sets and
        their seeds are averaged, every pair of languages of every set weighing the same.
        """
        if query.benchmark in self._collection_names:
            return self._on_collection(query), "seeds"
        specs = self._specs_of(query.strategy)
        by_seed = {FIXED if spec.strategy == UNTRAINED else spec.seed: self._sums_of(spec, query) for spec in specs}
        pairs, languages = next(iter(by_seed.values())).pairs, self.run.corpus(specs[0]).languages
        if query.setting == BY_DISTANCE:
            return {seed: {"": _by_distance(sums)} for seed, sums in by_seed.items()}, "seeds"
        chosen = (pairs["setting"] == query.setting).to_numpy(bool)
        if query.setting not in SETTINGS:
            chosen = self._of_group(pairs, languages, query.setting)
        if chosen.any():
            return {seed: {"": sums.select(chosen, query.setting)} for seed, sums in by_seed.items()}, "seeds"
        parts: dict[int | str, dict[str, list[ClusterSums]]] = {}
        for draw, names, spec in drawn_sets(self.run, query.strategy, query.benchmark):
            sums = self._sums_of(spec, query)
            there = self._of_group(sums.pairs, names, query.setting)
            if there.any():
                own = parts.setdefault(draw, {}).setdefault(" ".join(names), [])
                own.append(sums.select(there, query.setting))
        if not parts:
            raise NotTestable(
                f"every language of {query.benchmark} is among those of the training rows",
                "a section diversity with random sets in the study, with notebook 06, or rows.languages that leave "
                "some out",
                "benchmark",
            )
        seeds_averaged = {
            draw: {name: combined([(1 / len(own), one) for one in own]) for name, own in sets.items()}
            for draw, sets in parts.items()
        }
        return seeds_averaged, "random draws"

    def _of_group(self, pairs: pd.DataFrame, languages: tuple[str, ...], group: str) -> np.ndarray:
        """Which pairs of languages, of those with a query and a passage language, are of a group."""
        return np.asarray((pairs["setting"] != "pool") & pairs.index.isin(of_group(pairs, languages, group).index))

    def _sums_of(self, spec: ModelSpec, query: ScoreQuery) -> ClusterSums:
        """The sums of one measure of a model, by article and pair of languages."""
        key = (spec, query.benchmark, query.measure)
        if key not in self._sums:
            clusters = question_clusters(self.run.subset(query.benchmark)[0])
            values = per_query(self.run.ranks(spec, query.benchmark), [query.measure])
            self._sums[key] = model_sums(values, clusters) if len(values) else {}
        found = self._sums[key].get(query.measure)
        if found is None or (query.setting in SETTINGS and query.setting not in set(found.pairs["setting"])):
            raise NotTestable(f"no {query}", "", "benchmark", "setting", "measure")
        return found

    def _specs_of(self, strategy: str) -> list[ModelSpec]:
        specs = [spec for spec in self.run.models(self.section) if spec.strategy == strategy]
        if not specs:
            raise self._no_strategy(strategy)
        return specs

    @property
    def _settings(self) -> Section:
        return self.run.study.section(self.section)

    def _no_strategy(self, strategy: str) -> NotTestable:
        cure = "untrained: true in the study" if strategy == UNTRAINED else f"{strategy} among the study's strategies"
        return NotTestable(f"the study has no {strategy}", cure, "strategy")

    def _has(self, query: ScoreQuery) -> None:
        own = self._settings.encoder.name
        if own.lower() != query.encoder:
            studies = {"xlm-r": "studies/paper.yaml", "labse": "studies/paper-labse.yaml"}
            cure = studies.get(query.encoder, f"a study with the encoder {query.encoder}")
            raise NotTestable(f"the encoder is {own}, not {query.encoder}", cure, "encoder")
        self._has_benchmark(query.benchmark)
        self._specs_of(query.strategy)

    def _has_benchmark(self, name: str) -> None:
        if name not in (*self.run.benchmarks(self.section), *self._collection_names):
            key = "evaluation.judged" if is_collection_name(name) else "evaluation.benchmarks"
            raise NotTestable(f"the study has no benchmark {name}", f"{name} among {key}", "benchmark")

    def _on_collection(self, query: ScoreQuery) -> Trainings:
        """The sums of a strategy on a collection, all its languages together, by what its queries are resampled by."""
        found: Trainings = {}
        for spec in self._specs_of(query.strategy):
            parts = [
                values.assign(**{key: values["query_language"] + ": " + values[key] for key in ("query_id", "cluster")})
                for name, one, values in self._collection_values
                if one == spec and split_name(name)[0] == query.benchmark
            ]
            own = pd.concat(parts)
            own = own[(own["setting"] == query.setting) & (own["measure"] == query.measure)]
            if own.empty:
                raise NotTestable(f"no {query}", "", "benchmark", "setting", "measure")
            sums = model_sums(own, clusters_in(own))[query.measure]
            found[FIXED if spec.strategy == UNTRAINED else spec.seed] = {"": sums}
        return found

    def note(self, name: str, arguments: tuple[str, ...]) -> str:
        """For `leaks`: what was found before it was dropped."""
        if name != "leaks":
            return ""
        found = self.run.rows.leaks
        found = found[found["benchmark"] == self._leaks_name(arguments[0])]
        kinds = found.groupby("kind")["id"].nunique()
        said = ", ".join(f"{count:,} {kind}" for kind, count in kinds.items())
        rows = found["id"].nunique()
        return f"found before training, and dropped: {rows:,} row{'s' * (rows != 1)}" + f" ({said})" * bool(said)

    def _leaks(self, benchmark: str) -> float:
        return float(left(self.run.rows.leaks, self._leaks_name(benchmark), self.run.split))

    def _leaks_name(self, benchmark: str) -> str:
        collection = benchmark in self._collection_names
        return benchmark if collection else str(self.run.benchmark(base_name(benchmark)).name)

    @cached_property
    def _collection_names(self) -> tuple[str, ...]:
        return tuple(dict.fromkeys(split_name(name)[0] for name in self.run.study.evaluation.judged))

    @cached_property
    def _collection_values(self) -> list[tuple[str, ModelSpec, pd.DataFrame]]:
        return collection_queries(self.run, self.run.models())

    @cached_property
    def _scores(self) -> pd.DataFrame:
        return study_scores(self.run)

    @cached_property
    def _macros(self) -> pd.DataFrame:
        return macro_scores(self._scores)


def _by_distance(sums: ClusterSums) -> ClusterSums:
    """What the cross-lingual pairs change by, per unit of their distance from English: the slope of a straight line."""
    cross = sums.select((sums.pairs["setting"] == "cross").to_numpy(bool), BY_DISTANCE)
    try:
        distance = from_english(cross.pairs).to_numpy(float)
    except InputError as error:
        raise NotTestable(str(error), "", "benchmark") from error
    around = distance - distance.mean()
    if not around.any():
        raise NotTestable("all of its cross-lingual pairs are equally far from English", "", "benchmark")
    return cross.weighted(around / (around @ around), BY_DISTANCE)


def _keys(own: Trainings) -> list[tuple[int | str, str]]:
    return [(name, one) for name, sets in own.items() for one in sets]


def _chosen(own: Trainings, common: set[tuple[int | str, str]]) -> Trainings:
    """The trainings and sets of a system that all have; what is not trained is the same in every training."""
    if set(own) == {FIXED}:
        return own
    kept = {name: {one: sums for one, sums in sets.items() if (name, one) in common} for name, sets in own.items()}
    return {name: sets for name, sets in kept.items() if sets}


def _joined(sets: dict[str, ClusterSums]) -> ClusterSums:
    """The sums of the nested sets of a draw side by side."""
    if len(sets) == 1:
        return replace(next(iter(sets.values())), overall=True)
    names = np.array(sorted({cluster for one in sets.values() for cluster in one.names}, key=str), object)
    on = [one.on(names) for one in sets.values()]
    pairs = [one.pairs.assign(query_language=name + ": " + one.pairs["query_language"]) for name, one in sets.items()]
    return replace(
        on[0],
        pairs=pd.concat(pairs, ignore_index=True),
        sums=np.concatenate([one.sums for one in on], axis=1),
        sizes=np.concatenate([one.sizes for one in on], axis=1),
        questions=np.concatenate([one.questions for one in on], axis=1),
        overall=True,
    )


def _mean(trainings: dict[int | str, ClusterSums]) -> float:
    """The score itself: the mean over pairs of languages, sets and trainings."""
    return float(np.mean([one.means[0] for one in trainings.values()]))

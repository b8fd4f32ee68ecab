"""A study as facts: scores, intervals over articles and seeds, plans, rows, benchmarks and their overlap."""

from collections.abc import Sequence
from functools import cached_property
from typing import TYPE_CHECKING

import pandas as pd

from hybridkit.analysis.claims.checks import ROLES, ROWS, UNSEEN, is_collection_name
from hybridkit.analysis.claims.facts import Fact, NotTestable, ScoreQuery
from hybridkit.analysis.scores import collection_table, macro_scores
from hybridkit.data.relatives import relatives
from hybridkit.data.sources.open_benchmarks import base_name
from hybridkit.evaluation.clusters import question_clusters
from hybridkit.evaluation.measures import SEEN_GROUPS, SETTINGS
from hybridkit.evaluation.resampling import ends, t_interval
from hybridkit.evaluation.significance import NAN, Difference, Draw, article_sums, difference_of, mean_of
from hybridkit.study.model_spec import ModelSpec, design
from hybridkit.study.run import Run
from hybridkit.study.scores import study_scores
from hybridkit.study.settings import UNTRAINED
from hybridkit.utils.naming import split_name

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


def models(run: Run, strategy: str, benchmark: str) -> list[tuple[ModelSpec, tuple[str, ...]]]:
    """Return the models of a strategy with their training languages: of the main section, then of diversity.

    Of the section only those of the series "fixed" that notebook 06 ranked on the benchmark, and only with the main
    part's encoder. The untrained encoder is listed once for every set of languages.
    """
    main = [(spec, run.corpus(spec).languages) for spec in run.models() if spec.strategy in (strategy, UNTRAINED)]
    drawn: list[tuple[ModelSpec, tuple[str, ...]]] = []
    settings = run.study.diversity
    if settings is not None and run.study.section("diversity").encoder == run.study.encoder:
        table = design(run.study, run.rows)
        table = table[(table["series"] == "fixed") & (benchmark in run.study.section("diversity").benchmarks)]
        drawn = [(spec, tuple(names.split())) for spec, names in zip(table["model"], table["languages"], strict=True)]
        drawn = [(spec, names) for spec, names in drawn if run.ranks_path(spec, benchmark).is_file()]
    if strategy == UNTRAINED:
        untrained = next(spec for spec, _ in main if spec.strategy == UNTRAINED)
        return [(untrained, names) for names in dict.fromkeys(names for _, names in (*main, *drawn))]
    own = [(spec, names) for spec, names in (*main, *drawn) if spec.strategy == strategy]
    return list({(names, spec.seed): (spec, names) for spec, names in own}.values())


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

    def __init__(self, run: Run) -> None:
        self.run = run
        self._sums: dict[tuple[ModelSpec, str], pd.DataFrame] = {}
        self._differences: dict[tuple[object, ...], Difference] = {}

    def names(self, variable: str) -> tuple[str, ...]:
        """The study's encoder and benchmarks (a part of a benchmark only where the whole is not there), and so on."""
        run = self.run
        if variable == "encoder":
            return (run.study.encoder.name,)
        if variable == "benchmark":
            names = run.study.evaluation.benchmarks
            whole = [name for name in names if base_name(name) == name or base_name(name) not in names]
            return (*whole, *self._collection_names)
        if variable == "measure":
            return tuple(dict.fromkeys(self._scores["measure"]))
        return tuple(SETTINGS) if variable == "setting" else ROLES

    def score(self, query: ScoreQuery) -> float:
        """The mean over seeds of the macro mean."""
        self._has(query)
        if query.benchmark in self._collection_names:
            return float(self._collection_scores(query).mean())
        if query.setting in (*SEEN_GROUPS, UNSEEN):
            return mean_of(self._models(query))
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
        """A difference with its intervals: over articles, and over seeds from three on."""
        for _, one in terms:
            self._has(one)
        if terms[0][1].benchmark in self._collection_names:
            return self._collection_difference(terms, constant)
        if (*terms, constant) in self._differences:
            return self._differences[(*terms, constant)]
        sets = [self._models(one) for _, one in terms]
        trained = [models for (_, one), models in zip(terms, sets, strict=True) if one.strategy != UNTRAINED]
        shared = set.intersection(*({name for name, _ in models} for models in trained or sets))
        kept = [{draw: frame for draw, frame in models.items() if draw[0] in shared} for models in sets]
        found = difference_of([(factor, models) for (factor, _), models in zip(terms, kept, strict=True)], constant)
        return self._differences.setdefault((*terms, constant), found)

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

    def _models(self, query: ScoreQuery) -> dict[Draw, pd.DataFrame]:
        """Sums by article of the models of a strategy, by set of training languages and seed; see `difference_of`."""
        if query.setting not in (*SEEN_GROUPS, UNSEEN):
            return {("", self._seed(spec)): self._sums_of(spec, query) for spec in self._specs_of(query.strategy)}
        found: dict[Draw, pd.DataFrame] = {}
        sets = models(self.run, query.strategy, query.benchmark)
        for spec, languages in sets:
            own = of_group(self._sums_of(spec, query), languages, query.setting)
            if len(own):
                name = " ".join(languages)
                found[name, self._seed(spec)] = own.assign(set=name)
        if not found:
            raise NotTestable(
                f"every language of {query.benchmark} is among those of the training rows",
                "a section diversity in the study, with notebook 06, or rows.languages that leave some out",
                "benchmark",
            )
        return found

    def _sums_of(self, spec: ModelSpec, query: ScoreQuery) -> pd.DataFrame:
        """Sums of one measure and setting of a model; those of a group are chosen from mono and cross."""
        key = (spec, query.benchmark)
        if key not in self._sums:
            clusters = question_clusters(self.run.subset(query.benchmark)[0])
            self._sums[key] = article_sums(self.run.ranks(spec, query.benchmark), clusters)
        table = self._sums[key]
        settings = (query.setting,) if query.setting in SETTINGS else ("mono", "cross")
        own = table[(table["measure"] == query.measure) & table["setting"].isin(settings)]
        if own.empty:
            raise NotTestable(f"no {query}", "", "benchmark", "setting", "measure")
        return own.assign(set="")

    def _seed(self, spec: ModelSpec) -> int:
        return -1 if spec.strategy == UNTRAINED else spec.seed

    def _specs_of(self, strategy: str) -> list[ModelSpec]:
        specs = [spec for spec in self.run.models() if spec.strategy == strategy]
        if not specs:
            raise self._no_strategy(strategy)
        return specs

    def _no_strategy(self, strategy: str) -> NotTestable:
        cure = "untrained: true in the study" if strategy == UNTRAINED else f"{strategy} among the study's strategies"
        return NotTestable(f"the study has no {strategy}", cure, "strategy")

    def _has(self, query: ScoreQuery) -> None:
        own = self.run.study.encoder.name
        if own.lower() != query.encoder:
            studies = {"xlm-r": "studies/paper.yaml", "labse": "studies/paper-labse.yaml"}
            cure = studies.get(query.encoder, f"a study with the encoder {query.encoder}")
            raise NotTestable(f"the encoder is {own}, not {query.encoder}", cure, "encoder")
        self._has_benchmark(query.benchmark)
        self._specs_of(query.strategy)

    def _has_benchmark(self, name: str) -> None:
        if name not in (*self.run.study.evaluation.benchmarks, *self._collection_names):
            key = "evaluation.judged" if is_collection_name(name) else "evaluation.benchmarks"
            raise NotTestable(f"the study has no benchmark {name}", f"{name} among {key}", "benchmark")

    def _collection_scores(self, query: ScoreQuery) -> pd.Series:
        """The mean over languages on a collection, by seed."""
        table = self._collection_table
        named = table["benchmark"].map(lambda name: split_name(name)[0] == query.benchmark)
        own = table[named & (table["strategy"] == query.strategy) & (table["setting"] == query.setting)]
        own = own[own["measure"] == query.measure]
        if own.empty:
            raise NotTestable(f"no {query}", "", "benchmark", "setting", "measure")
        found: pd.Series = own.pivot_table("value", "seed", "language").mean(axis=1)
        return found

    def _collection_difference(self, terms: Sequence[tuple[float, ScoreQuery]], constant: float) -> Difference:
        """On collections values are kept by language, so that there is an interval over seeds only."""
        values = [self._collection_scores(query) for _, query in terms]
        scores = tuple(float(one.mean()) for one in values)
        seeds = max(values, key=len).index  # the untrained encoder has one value, for every seed
        by_seed = [
            one.reindex(seeds) if query.strategy != UNTRAINED else one.iloc[0]
            for one, (_, query) in zip(values, terms, strict=True)
        ]
        found = pd.Series(constant, index=seeds)
        for (factor, _), one in zip(terms, by_seed, strict=True):
            found = found + factor * one
        basis = f"{len(found)} seeds, no interval over questions"
        return Difference(float(found.mean()), NAN, NAN, *ends(t_interval(found)), basis, scores)

    def _leaks(self, benchmark: str) -> float:
        named = benchmark if benchmark in self._collection_names else self.run.benchmark(base_name(benchmark)).name
        return float(left(self.run.rows.leaks, named, self.run.split))

    @cached_property
    def _collection_names(self) -> tuple[str, ...]:
        return tuple(dict.fromkeys(split_name(name)[0] for name in self.run.study.evaluation.judged))

    @cached_property
    def _collection_table(self) -> pd.DataFrame:
        return collection_table(self.run)

    @cached_property
    def _scores(self) -> pd.DataFrame:
        return study_scores(self.run)

    @cached_property
    def _macros(self) -> pd.DataFrame:
        return macro_scores(self._scores)

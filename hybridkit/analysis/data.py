"""A study's data before training, as frames: how many rows, how long, what one looks like, what is evaluated on."""

from collections.abc import Sequence

import numpy as np
import pandas as pd

from hybridkit.data.corpus import ParallelCorpus
from hybridkit.data.relatives import relatives_table
from hybridkit.data.sources.open_rows import own_name, source_stems
from hybridkit.data.sources.registry import DATA_SETS
from hybridkit.models.embedding import text_lengths as encoded_lengths
from hybridkit.sampling.codeswitch import switch_rates
from hybridkit.sampling.plan_checks import PlanReport, check_plan
from hybridkit.study.model_spec import ModelSpec
from hybridkit.study.run import Run
from hybridkit.study.settings import UNTRAINED
from hybridkit.study.training_rows import summary
from hybridkit.utils.naming import split_name

QUANTILES = (0.05, 0.25, 0.5, 0.75, 0.95)


def row_counts(run: Run) -> pd.DataFrame:
    """Return what happens to the rows on their way to training: rows, groups and languages after each step."""
    training, held_out = run.split
    steps = {
        "rows in the files": run.rows.whole,
        f"of use to every strategy ({run.study.rows.use})": run.rows.usable,
        "held out": held_out,
        "trained on": training,
    }
    return pd.DataFrame(
        [
            {
                "what": what,
                "rows": len(rows),
                "groups that may not meet": len(np.unique(rows.group)),
                "languages": int((rows.has_query | rows.has_passage).any(axis=0).sum()),
            }
            for what, rows in steps.items()
        ]
    )


def licences(run: Run) -> pd.DataFrame:
    """Return name, licence and citation of the data sets that a study trains and evaluates on, with its lexicons."""
    names = [*run.study.rows.files, *run.study.evaluation.benchmarks, *run.study.lexicons]
    bases = dict.fromkeys(split_name(name)[0] for name in names)
    known = [DATA_SETS[name] for name in bases if name in DATA_SETS]
    return pd.DataFrame([{"name": one.name, "licence": one.licence, "citation": one.citation} for one in known])


def coverage(run: Run) -> pd.DataFrame:
    """Return the rows with a query and with a passage by file and language: source, language, queries, passages."""
    files = source_stems(list(map(run.study.at, run.study.rows.files)))
    corpus = run.rows.usable
    stems = (
        np.array([ident.split("/")[0] for ident in corpus.ids]) if len(files) > 1 else np.full(len(corpus), files[0])
    )
    named = {
        stem: name if own_name(name) == name else stem for stem, name in zip(files, run.study.rows.files, strict=True)
    }
    parts = []
    for stem in files:
        here = stems == stem
        counts = {"queries": corpus.has_query[here].sum(axis=0), "passages": corpus.has_passage[here].sum(axis=0)}
        parts.append(pd.DataFrame({"source": named[stem], "language": corpus.languages} | counts))
    return pd.concat(parts, ignore_index=True)


def text_lengths(corpus: ParallelCorpus) -> pd.DataFrame:
    """Return quantiles of the texts' lengths in characters: language, side, unit, q05, q25, q50, q75, q95."""
    out = []
    for side in ("query", "passage"):
        for number, tag in enumerate(corpus.languages):
            rows = np.flatnonzero(corpus.positions[side][:, number] >= 0)
            if len(rows) == 0:
                continue
            lengths = [len(text) for text in corpus.take_texts(side, rows, np.full(len(rows), number))]
            found = {f"q{100 * q:02.0f}": float(np.quantile(lengths, q)) for q in QUANTILES}
            out.append({"language": tag, "side": side, "unit": "characters"} | found)
    return pd.DataFrame(out)


def sample_row(corpus: ParallelCorpus, row: int | None = None) -> pd.DataFrame:
    """Return one row in its languages: language, query, passage; by default the first known in most languages."""
    known = (corpus.has_query & corpus.has_passage).sum(axis=1)
    row = int(np.argmax(known)) if row is None else row
    texts = [
        (tag, corpus.query_text(row, tag), corpus.passage_text(row, tag))
        for tag in corpus.languages
        if _has(corpus, row, tag)
    ]
    return pd.DataFrame(texts, columns=["language", "query", "passage"])


def _has(corpus: ParallelCorpus, row: int, tag: str) -> bool:
    column = corpus.column(tag)
    return bool(corpus.has_query[row, column] or corpus.has_passage[row, column])


def benchmark_table(run: Run) -> pd.DataFrame:
    """Return what a study evaluates on: benchmark, language, queries, candidates, articles."""
    parts = []
    for name in run.benchmarks():
        part, _, _ = run.subset(name)
        candidates = part.passages.groupby("language").agg(candidates=("text", "size"), articles=("article", "nunique"))
        queries = part.queries.groupby("language").agg(queries=("text", "size"))
        parts.append(queries.join(candidates, how="outer").fillna(0).astype(int).reset_index().assign(benchmark=name))
    columns = ["benchmark", "language", "queries", "candidates", "articles"]
    return pd.concat(parts, ignore_index=True)[columns]


def first_models(run: Run) -> list[ModelSpec]:
    """Return the model of each trained strategy with the first seed."""
    return [spec for spec in run.models() if spec.strategy != UNTRAINED and spec.seed == run.study.seeds[0]]


def plan_reports(run: Run, specs: Sequence[ModelSpec]) -> dict[str, PlanReport]:
    """Check the plans of some models, by strategy: kinds and languages of batches, repeats, cut texts."""
    lengths = encoded_lengths(run.trained.encoder(), run.study.training.max_length)
    return {spec.strategy: check_plan(run.plan(spec), run.corpus(spec), None, lengths) for spec in specs}


def plan_switches(run: Run, spec: ModelSpec) -> pd.DataFrame:
    """Return how many words of a code-switched plan its lexicon knows and switches: `codeswitch.switch_rates`."""
    return switch_rates(run.plan(spec), run.corpus(spec))


def leak_summary(run: Run) -> pd.DataFrame:
    """Count the texts of benchmarks that were found among the rows, and the rows that were dropped for them."""
    return summary(run.rows.leaks)


def benchmark_relatives(run: Run) -> pd.DataFrame:
    """Return what in training rows and encoder is a relative of a benchmark of the study: `relatives_table`."""
    study = run.study
    names = [*study.evaluation.benchmarks, *study.evaluation.judged]
    return relatives_table(names, study.rows.files, study.encoder.name)


def switched_examples(run: Run, spec: ModelSpec, count: int = 6) -> pd.DataFrame:
    """Return texts of a code-switched plan before and after: side, language, before, after; the first that differ."""
    from hybridkit.sampling.plan_texts import PlanTexts

    plan, corpus = run.plan(spec), run.corpus(spec)
    positions = np.arange(min(200, plan.draws[..., 0].size))
    row, *columns = plan.draws.reshape(-1, 3)[positions].T
    rows = []
    for (side, texts), column in zip(PlanTexts(plan, corpus)(positions).items(), columns, strict=True):
        before = corpus.take_texts(side, row, column)
        tags = [corpus.languages[number] for number in column]
        rows += [(side, *one) for one in zip(tags, before, texts, strict=True) if one[1] != one[2]][:count]
    return pd.DataFrame(rows, columns=["side", "language", "before", "after"])

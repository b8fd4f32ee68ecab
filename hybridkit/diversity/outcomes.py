"""What came out for every pair of languages of every model of a diversity study, beside what may explain it."""

import math
from typing import TYPE_CHECKING, Any

import pandas as pd

from hybridkit.cell import Cell
from hybridkit.diversity.design import design
from hybridkit.diversity.shares import pretraining_share
from hybridkit.languages import language, language_distance
from hybridkit.study import UNTRAINED

if TYPE_CHECKING:
    from hybridkit.run import Run

MEASURES = ("RR", "RR@10", "AP", "rank_distance")
SEEN = ("seen-seen", "seen-unseen", "unseen-seen", "unseen-unseen")
KEYS = ["group", "draw", "k", "languages", "series", "strategy", "seed"]
PREDICTORS = [
    "log2_k", "families", "scripts", "query_distance", "passage_distance", "query_share", "passage_share",
]  # fmt: skip
COLUMNS = [*KEYS, "benchmark", "setting", "query_language", "passage_language", "seen", *PREDICTORS, "measure", "value"]


def models(run: "Run") -> pd.DataFrame:
    """The lines of `design` with the untrained encoder (k = 0, no languages) in front, once for each series."""
    lines = design(run)
    untrained = Cell(UNTRAINED, 0, "diversity")
    none = [(UNTRAINED, 0, 0, "", series, UNTRAINED, 0, untrained) for series in dict.fromkeys(lines["series"])]
    return pd.concat([pd.DataFrame(none, columns=lines.columns), lines], ignore_index=True) if none else lines


def outcomes(run: "Run") -> pd.DataFrame:
    """Scores of the models of a diversity study by pair of languages, with the predictors; a line a measure.

    Columns: those of `design` without the cell, benchmark, setting, query_language, passage_language ("*" in the pool),
    seen (query and passage, as "seen-unseen"; in the pool "seen-*"), the predictors, measure (RR, RR@10, AP, and the
    rank distance of the pool) and value. Predictors: log2_k; families and scripts of the set; distance of the query's
    and the passage's language to the nearest training language (`language_distance`, 0 to 4); their shares of the
    encoder's pretraining text (`pretraining_share`). What is not known is missing, for k = 0 all of a set's. A study
    without the section has an empty frame. Models that are not made yet are made now; `sweep` makes them faster.
    """
    from hybridkit.results import cell_scores

    lines, parts, scored = models(run), [], {}
    for line in lines.to_dict("records"):
        for name in run.benchmarks("diversity"):
            cell = line["cell"]
            if (cell, name) not in scored:
                table = cell_scores(run, cell, name)
                scored[cell, name] = table[table["measure"].isin(MEASURES)].drop(columns=["strategy", "seed"])
            keys = {str(key): value for key, value in line.items() if key in KEYS}
            parts.append(scored[cell, name].assign(**keys))
    if not parts:
        return pd.DataFrame(columns=COLUMNS)
    encoder = run.settings("diversity")[0].name
    return with_predictors(pd.concat(parts, ignore_index=True), encoder)[COLUMNS]


def judged_outcomes(run: "Run") -> pd.DataFrame:
    """RR@10 of the same models on the judged sets that the study names: seen and distance are of the one language.

    Columns: those of `design` without the cell, benchmark, setting, language, seen ("seen", "unseen"), distance, share,
    measure, value; empty where no set is named.
    """
    from hybridkit.transfer import judged_tables

    settings, lines = run.study.diversity, models(run)
    names = run.study.evaluation.judged if settings is None or settings.judged is None else settings.judged
    tables = judged_tables(run, list(dict.fromkeys(lines["cell"])), names) if len(lines) else []
    columns = [*KEYS, "benchmark", "setting", "language", "seen", "distance", "share", "measure", "value"]
    parts = [
        table[table["measure"] == "RR@10"].assign(**{key: line[key] for key in KEYS})
        for line in lines.to_dict("records")
        for cell, table in tables
        if cell == line["cell"]
    ]
    if not parts:
        return pd.DataFrame(columns=columns)
    frame = pd.concat(parts, ignore_index=True)
    encoder = run.settings("diversity")[0].name
    both = list(zip(frame["languages"], frame["language"], strict=True))
    return frame.assign(
        seen=["seen" if one in of.split() else "unseen" for of, one in both],
        distance=[nearest(one, of) for of, one in both],
        share=frame["language"].map(lambda one: pretraining_share(encoder, one)).astype(float),
    )[columns]


def with_predictors(frame: pd.DataFrame, encoder: str) -> pd.DataFrame:
    """Put the columns `seen` and the predictors beside scores with their training `languages` and `k`."""
    keys = ["languages", "query_language", "passage_language"]
    pairs = set(frame[keys].itertuples(index=False, name=None))
    known = {pair: _pair(str(pair[0]), str(pair[1]), str(pair[2]), encoder) for pair in pairs}
    found = pd.DataFrame([known[key] for key in frame[keys].itertuples(index=False, name=None)], index=frame.index)
    logs = frame["k"].map(lambda k: math.log2(k) if k else None).astype(float)
    return frame.assign(log2_k=logs, **{str(column): found[column] for column in found})


def nearest(tag: str, languages: str) -> float:
    """Distance of a language to the nearest of some (joined by spaces), nan where there are none.

    >>> nearest("es", "th de en"), nearest("de", "de ru")
    (2.0, 0.0)
    """
    return min((float(language_distance(tag, one)) for one in languages.split()), default=math.nan)


def _pair(languages: str, query: str, passage: str, encoder: str) -> dict[str, Any]:
    some = languages.split()
    known = [language(tag) for tag in some]
    sides: dict[str, Any] = {}
    for side, tag in (("query", query), ("passage", passage)):
        sides[f"{side}_distance"] = math.nan if tag == "*" else nearest(tag, languages)
        share = None if tag == "*" else pretraining_share(encoder, tag)
        sides[f"{side}_share"] = math.nan if share is None else share
    words = [("*" if tag == "*" else "seen" if tag in some else "unseen") for tag in (query, passage)]
    families: dict[str, Any] = {
        "families": len({one.family for one in known}) if some else math.nan,
        "scripts": len({one.script for one in known}) if some else math.nan,
    }
    return {"seen": "-".join(words), **families, **sides}

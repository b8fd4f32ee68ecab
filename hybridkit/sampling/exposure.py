"""What strategies are trained on, side by side: draws by source, language and pair, tokens, distinct rows and texts.

A difference between two strategies is one of how batches are made only where they saw the same rows and languages.
"""

from collections.abc import Mapping, Sequence
from itertools import combinations

import numpy as np
import pandas as pd

from hybridkit.data.corpus import ParallelCorpus
from hybridkit.sampling.plan import BatchPlan
from hybridkit.sampling.plan_checks import TextLengths
from hybridkit.utils.naming import listed

LIMIT = 1.25  # shares of two strategies that differ by a larger factor are an unequal exposure
COMPARED = ("source", "query language", "passage language")  # what equal exposure is about; pairs are the treatment
TOTALS = ("tokens", "distinct rows", "distinct texts")
COLUMNS = ["strategy", "by", "name", "draws", "share"]
_TEXTS = 4000  # texts a side whose tokens are counted


def exposure(
    plans: Mapping[str, Sequence[BatchPlan]],
    corpus: ParallelCorpus,
    sources: np.ndarray | None = None,
    lengths: TextLengths | None = None,
) -> pd.DataFrame:
    """Return how often each strategy draws each source, language and pair, all of its plans (seeds) together.

    Args:
        plans: The plans of each strategy, made of the corpus.
        corpus: The training rows.
        sources: The source of each row, text (rows,); without it there is no line by source.
        lengths: Counts tokens, see `models.embedding.text_lengths`; without it there is no line of tokens. Up to 4,000
            draws of a strategy are read, evenly spread, and their mean stands for all.

    Returns:
        strategy, by ("source", "query language", "passage language", "pair", "tokens", "distinct rows", "distinct
        texts"), name, draws (a number: of draws, tokens as the encoder reads them, rows or texts), share (of the
        strategy's draws; NaN for the last three).

    Raises:
        InputError: A plan was made of another corpus.

    Example:
        >>> from hybridkit.sampling import mono
        >>> found = exposure({"mono": [mono().plan(toy_corpus, 4, 2, 0)]}, toy_corpus)
        >>> found[found["by"] == "passage language"][["name", "draws", "share"]].values.tolist()
        [['de', 4.0, 0.5], ['en', 4.0, 0.5]]
    """
    parts = []
    for strategy, own in plans.items():
        for plan in own:
            plan.check(corpus)
        draws = np.concatenate([plan.draws.reshape(-1, 3) for plan in own])
        row, query, passage = draws.T
        tags = np.array(corpus.languages, dtype=object)
        counted = {"query language": tags[query], "passage language": tags[passage]}
        counted["pair"] = np.array([f"{one}-{other}" for one in tags for other in tags])[query * len(tags) + passage]
        if sources is not None:
            counted = {"source": sources[row], **counted}
        for by, drawn in counted.items():
            names, times = np.unique(drawn.astype(str), return_counts=True)
            lines = {"by": by, "name": names, "draws": times, "share": times / len(draws)}
            parts.append(pd.DataFrame({"strategy": strategy, **lines}))
        totals = {"distinct rows": len(np.unique(row)), "distinct texts": _distinct_texts(draws, corpus)}
        if lengths is not None:
            totals["tokens"] = _tokens(draws, corpus, lengths)
        numbers = [(strategy, by, "", count, np.nan) for by, count in totals.items()]
        parts.append(pd.DataFrame(numbers, columns=COLUMNS))
    found = pd.concat(parts, ignore_index=True) if parts else pd.DataFrame(columns=COLUMNS)
    return found.astype({"draws": float})[COLUMNS]


def _distinct_texts(draws: np.ndarray, corpus: ParallelCorpus) -> int:
    """Different texts of queries and of passages, each in its language."""
    found = 0
    for number, side in enumerate(("query", "passage"), start=1):
        column = draws[:, number].astype(np.int64)
        found += len(np.unique(column << 32 | corpus.positions[side][draws[:, 0], column]))
    return found


def _tokens(draws: np.ndarray, corpus: ParallelCorpus, lengths: TextLengths) -> int:
    """Tokens of all draws as the encoder reads them, from the mean of some."""
    some = draws[np.unique(np.linspace(0, len(draws) - 1, min(len(draws), _TEXTS)).astype(np.int64))]
    total = 0.0
    for number, side in enumerate(("query", "passage"), start=1):
        counts, longest = lengths(corpus.take_texts(side, some[:, 0], some[:, number]), side)
        total += float(np.minimum(counts, longest).mean()) * len(draws)
    return round(total)


def side_by_side(frame: pd.DataFrame) -> pd.DataFrame:
    """Return the frame of `exposure` as a table: by and name down, strategies across; shares, or numbers for totals."""
    value = frame["share"].where(~frame["by"].isin(TOTALS), frame["draws"])
    table = frame.assign(value=value).set_index(["by", "name", "strategy"])["value"].unstack(sort=False)
    totals = table.index.get_level_values("by").isin(TOTALS)
    table[~totals] = table[~totals].fillna(0.0)
    return table.rename_axis(columns=None)


def unequal(frame: pd.DataFrame, limit: float = LIMIT) -> pd.DataFrame:
    """Return where two strategies were trained on different data: shares whose ratio is beyond a limit.

    Sources and languages of queries and of passages are compared; of each the largest ratio of two strategies is kept.

    Returns:
        first, second (strategies; the first draws it more often), by, name, first_share, second_share, ratio (infinite
        where the second never draws it). Empty where exposure is equal.

    Example:
        >>> frame = pd.DataFrame({"strategy": ["mono", "cross"], "by": "source", "name": "mlqa", "draws": 10.0,
        ...                       "share": [0.08, 0.30]})
        >>> unequal(frame)[["first", "second", "name", "ratio"]].round(2).values.tolist()
        [['cross', 'mono', 'mlqa', 3.75]]
    """
    lines = []
    for by, part in frame.groupby("by", sort=False):
        table = side_by_side(part).droplevel("by")
        for one, other in combinations(table.columns, 2) if by in COMPARED else ():
            first, second = table[one].to_numpy(float), table[other].to_numpy(float)
            with np.errstate(divide="ignore", invalid="ignore"):
                ratio = np.nan_to_num(np.maximum(first, second) / np.minimum(first, second), nan=1.0, posinf=np.inf)
            at = int(ratio.argmax())
            if ratio[at] > limit:
                more, less = sorted([(first[at], one), (second[at], other)], reverse=True)
                lines.append((more[1], less[1], by, table.index[at], more[0], less[0], ratio[at]))
    columns = ["first", "second", "by", "name", "first_share", "second_share", "ratio"]
    return pd.DataFrame(lines, columns=columns)


def exposure_sentences(frame: pd.DataFrame, limit: float = LIMIT) -> list[str]:
    """Return one sentence for each two groups of strategies with unequal exposure (`unequal`), or that all is equal.

    A group holds strategies that are equal to each other; the largest ratio of each side is named.
    """
    found = unequal(frame, limit)
    names = list(dict.fromkeys(frame["strategy"]))
    if found.empty:
        return [
            f"Exposure is equal: of the {len(names)} strategies none draws a source, or a language of queries or "
            f"passages, more than {limit:g} times as often as another."
        ]
    apart = {frozenset(pair) for pair in zip(found["first"], found["second"], strict=True)}
    groups: list[list[str]] = []
    for name in names:
        home = next((group for group in groups if all(frozenset((name, one)) not in apart for one in group)), None)
        if home is None:
            groups.append([name])
        else:
            home.append(name)
    sentences = []
    for one, other in combinations(groups, 2):
        between = [
            bool({row.first, row.second} & {*one}) and bool({row.first, row.second} & {*other})
            for row in found.itertuples()
        ]
        part = found[between].sort_values("ratio", ascending=False, kind="stable").drop_duplicates("by")
        if len(part):
            what = [
                f"{by} {name} ({first} {more:.3f}, {second} {less:.3f})"
                for first, second, by, name, more, less, _ in part.sort_index().itertuples(index=False, name=None)
            ]
            sentences.append(
                f"{listed(one)} {'was' if len(one) == 1 else 'were'} trained on other data than {listed(other)}, which "
                f"a difference between them may come from: {'; '.join(what)}."
            )
    return sentences

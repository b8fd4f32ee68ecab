"""What changes from one strategy to another, in words: which sides of the bias, and by which mechanism."""

import numpy as np
import pandas as pd

from hybridkit.bias.sides import SIDES
from hybridkit.errors import InputError

MECHANISM = ("score margin", "language bonus", "relevance gap")
GAPS = ("AP gap, mono", "AP gap, pool")  # they grow with bias, and also where a better model helps some languages more


def changes(panel: pd.DataFrame, pair: tuple[str, str]) -> pd.DataFrame:
    """Compare two strategies of a bias panel: the first against the second, as a study's `compare` names them.

    Gives measure, before (the second's mean over seeds), after (the first's), change, seeds (differences that there
    are: seeds that both have, else one of the means), agree (whether all of these have one sign) and verdict: "less
    bias", "more bias", "no clear change", or "more" and "less" for a measure of which neither is better.

    >>> panel = pd.DataFrame({"strategy": ["mono", "cross"], "seed": 0, "measure": "rank distance",
    ...                       "value": [400.0, 300.0], "better": "lower", "chance": 10846.0})
    >>> changes(panel, ("cross", "mono"))[["change", "verdict"]].values.tolist()
    [[-100.0, 'less bias']]
    """
    first, second = pair
    for name in pair:
        if name not in set(panel["strategy"]):
            known = ", ".join(dict.fromkeys(panel["strategy"]))
            raise InputError(f"bias panel: no strategy {name!r}; there are {known}")
    rows = []
    for measure, part in panel.groupby("measure", sort=False):
        after, before = (part[part["strategy"] == name].set_index("seed")["value"] for name in (first, second))
        paired = (after - before).dropna().to_numpy()
        change = after.mean() - before.mean()
        signs = set(np.sign(paired if len(paired) else [change]))
        agree = len(signs) == 1 and signs != {0.0}
        better = {"lower": -1, "higher": 1}.get(str(part["better"].iloc[0]), 0)
        words = ("less bias", "more bias") if better else ("more", "less")
        verdict = words[0 if change * (better or 1) > 0 else 1] if agree else "no clear change"
        rows.append((measure, before.mean(), after.mean(), change, max(1, len(paired)), agree, verdict))
    columns = ["measure", "before", "after", "change", "seeds", "agree", "verdict"]
    return pd.DataFrame(rows, columns=columns)


def verdict(panel: pd.DataFrame, pair: tuple[str, str] = ("hybrid(alpha=0.5)", "mono")) -> str:
    """Say in words what changes from the second strategy of a pair to the first, and by which mechanism; Markdown.

    Takes the frame of `panel.bias_panel`. A side has changed where every seed says so. The mechanism is read off the
    same-language score margin (`margin.score_margin`), which is the language bonus less the relevance gap: an answer in
    another language overtakes irrelevant passages in the query's language because language counts less, or because
    relevance counts more. Raises InputError for a strategy that the panel lacks.
    """
    from hybridkit.plots.strategies import label

    table = changes(panel, pair).set_index("measure")
    seeds = int(table["seeds"].max())
    after, before = (label(name) for name in pair)
    lines = [f"From **{before}** to **{after}** ({seeds} {'seed' if seeds == 1 else 'seeds'}):", ""]
    sides = table[[_better(name) != "none" and name not in (*MECHANISM, *GAPS) for name in table.index]]
    for word in ("less bias", "more bias", "no clear change"):
        if (sides["verdict"] == word).any():
            chosen = sides[sides["verdict"] == word]
            lines.append(f"- {word} by {len(chosen)} of {len(sides)} measures: {_moves(chosen)}")
    for start, chosen in (
        ("how unevenly languages fare, for whatever reason", table[table.index.isin(GAPS)]),
        ("what the space knows of language", table[[_better(name) == "none" for name in table.index]]),
    ):
        lines += [f"- {start}: {_moves(chosen)}"] if len(chosen) else []
    if set(MECHANISM) <= set(table.index):
        lines.append("- " + _mechanism(*(pd.Series(table.loc[name].to_dict()) for name in MECHANISM)))
    if seeds == 1:
        lines.append("- one seed shows a direction; whether it is the strategy's takes more")
    return "\n".join(lines) + "\n"


def _better(measure: object) -> str:
    return SIDES[str(measure)].better if str(measure) in SIDES else "none"


def _moves(rows: pd.DataFrame) -> str:
    return "; ".join(f"{name} {_move(row)}" for name, row in rows.iterrows())


def _move(row: pd.Series) -> str:
    places = 0 if abs(row["before"]) >= 100 else 3
    clear = "" if row["agree"] else " (seeds disagree)"
    return f"{row['before']:,.{places}f} → {row['after']:,.{places}f}{clear}"


def _mechanism(margin: pd.Series, bonus: pd.Series, gap: pd.Series) -> str:
    """One sentence on the margin's change and which of its two parts makes it."""
    start = f"the same-language score margin goes {_move(margin)} standard deviations"
    if not margin["agree"]:
        return f"mechanism: {start}, so that neither part of it explains a change"
    # the margin is bonus - gap: each part's share in the margin's own direction
    parts = [
        ("the bonus of the query's language", "shrinks" if bonus["change"] < 0 else "grows", bonus, bonus["change"]),
        ("the weight of relevance across languages", "grows" if gap["change"] > 0 else "shrinks", gap, -gap["change"]),
    ]
    told = []
    for name, word, row, part in sorted(parts, key=lambda one: -one[3] / margin["change"]):
        share = part / margin["change"]
        how = f"{share:.0%} of it because {name} {word}" if share > 0 else f"against it, {name} {word}"
        told.append(f"{how if row['agree'] else f'no clear part has {name}'} ({_move(row)})")
    return f"mechanism: {start}: {'; '.join(told)}"

"""What changes from one strategy to another, in words: which sides of the bias, and by which mechanism."""

import numpy as np
import pandas as pd

from hybridkit.bias.sides import SIDES
from hybridkit.errors import InputError

MECHANISM = ("score margin", "language bonus", "relevance gap")


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
    sides = table[~table.index.isin(MECHANISM)]
    seeds = int(table["seeds"].max())
    after, before = (label(name) for name in pair)
    lines = [f"From **{before}** to **{after}** ({seeds} {'seed' if seeds == 1 else 'seeds'}):", ""]
    for word in ("less bias", "more bias", "no clear change"):
        chosen = sides[(sides["verdict"] == word) & (sides.index.map(_better) != "none")]
        if len(chosen):
            told = "; ".join(f"{name} {_move(row)}" for name, row in chosen.iterrows())
            lines.append(f"- {word} by {len(chosen)} of {(sides.index.map(_better) != 'none').sum()} measures: {told}")
    known = sides[sides.index.map(_better) == "none"]
    if len(known):
        lines.append("- what the space knows of language: " + "; ".join(f"{n} {_move(r)}" for n, r in known.iterrows()))
    if set(MECHANISM) <= set(table.index):
        lines.append("- " + _mechanism(*(pd.Series(table.loc[name].to_dict()) for name in MECHANISM)))
    if seeds == 1:
        lines.append("- one seed shows a direction; whether it is the strategy's takes more")
    return "\n".join(lines) + "\n"


def _better(measure: object) -> str:
    return SIDES[str(measure)].better if str(measure) in SIDES else "none"


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
    parts = {
        f"the bonus of the query's language {'shrinks' if bonus['change'] < 0 else 'grows'} ({_move(bonus)})":
            bonus["change"] / margin["change"],
        f"relevance counts {'more' if gap['change'] > 0 else 'less'} across languages ({_move(gap)})":
            -gap["change"] / margin["change"],
    }  # fmt: skip
    (main, share), (other, rest) = sorted(parts.items(), key=lambda item: -item[1])
    if rest < 0:
        return f"mechanism: {start}, because {main}; against it, {other}"
    return f"mechanism: {start}, {share:.0%} of it because {main} and {rest:.0%} because {other}"

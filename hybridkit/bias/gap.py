"""The gap between languages: how much better the best served language fares than the worst."""

import pandas as pd

SIDES = {"mono": ("query_language",), "cross": ("query_language", "passage_language"), "pool": ("query_language",)}


def language_gap(table: pd.DataFrame, measure: str = "AP") -> pd.DataFrame:
    """Take the best language's score less the worst's, in each setting.

    Takes the frame of `measures.scores`; gives setting, side ("query_language" or "passage_language": whose languages
    are compared), value (best - worst), best, worst, mean. In `cross` a language's score is the mean over the languages
    on the other side. XTREME (arXiv 2003.11080) takes the gap to English, for models trained on English
    alone; here no language is the yardstick. A gap has other reasons besides bias: how hard the language's passages
    are, how many there are. Compare it between models, not with 0.

    >>> table = pd.DataFrame({"setting": "mono", "query_language": ["de", "en", "th"], "measure": "AP",
    ...                       "passage_language": ["de", "en", "th"], "value": [0.75, 1.0, 0.5]})
    >>> language_gap(table).values.tolist()
    [['mono', 'query_language', 0.5, 'en', 'th', 0.75]]
    """
    chosen = table[table["measure"] == measure]
    rows = []
    for setting, part in chosen.groupby("setting", sort=False):
        for side in SIDES[str(setting)]:
            by = part.groupby(side)["value"].mean()
            rows.append((setting, side, by.max() - by.min(), by.idxmax(), by.idxmin(), by.mean()))
    return pd.DataFrame(rows, columns=["setting", "side", "value", "best", "worst", "mean"])

"""What evaluate says of two systems or remedies: each less the first one, with an interval, by the rule of evidence."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pandas as pd

from hybridkit.cli.options import show
from hybridkit.evaluation.measures import SETTINGS
from hybridkit.evaluation.significance import GIVEN, contrast, judged, trainings_of

if TYPE_CHECKING:
    from hybridkit.evaluation.significance import Models


class Differences:
    """The values of one measure of some systems, each with a remedy, on some benchmarks, in the order of `add`.

    On each benchmark every system is compared with the first one; the settings of all of them are one family.

    >>> values = pd.DataFrame({"setting": "mono", "query_language": "en", "passage_language": "en",
    ...                        "query_id": [*"pqrs"], "measure": "AP", "value": [0.1, 0.2, 0.3, 0.4]})
    >>> found, articles = Differences(), pd.Series([*"wxyz"], [*"pqrs"])
    >>> found.add("mine", "dense", "none", values, articles)
    >>> found.add("mine", "bm25", "none", values.assign(value=values["value"] + [0.1, 0.2, 0.1, 0.2]), articles)
    >>> found.rows()[["system", "against", "setting", "difference", "mark"]].round(2).values.tolist()
    [['bm25', 'dense, none', 'mono', 0.15, '']]
    """

    def __init__(self) -> None:
        self._found: dict[str, dict[tuple[str, str], Models]] = {}

    def add(self, benchmark: str, system: str, remedy: str, values: pd.DataFrame, clusters: pd.Series) -> None:
        """Take the per-query values of a system with a remedy ("" for none) and the cluster of each query."""
        self._found.setdefault(benchmark, {})[system, remedy] = trainings_of(values, clusters)

    def rows(self) -> pd.DataFrame:
        """Return benchmark, system, remedy and against, then the columns of `significance.judged`; a row a setting."""
        parts = []
        for benchmark, systems in self._found.items():
            first, *others = systems
            against = ", ".join(filter(None, first))
            for system, remedy in others:
                terms = [(1.0, systems[system, remedy]), (-1.0, systems[first])]
                named = {"benchmark": benchmark, "system": system, "remedy": remedy, "against": against}
                family = f"each less {against} on {benchmark}"
                parts.append(contrast(terms, overall=True).assign(**named, family=family))
        return judged(pd.concat(parts, ignore_index=True)) if parts else pd.DataFrame()

    def tell(self, value: dict[str, Any], unit: str) -> str:
        """Write the differences beside the scores in `value`, as "against", and return them as a table with its note.

        `value` is {benchmark: {system: {setting: ...}}}, where remedies are named {benchmark: {system: {remedy: ...}}};
        `unit` is what questions are drawn by. "" where there is nothing to compare.
        """
        rows = self.rows()
        if rows.empty:
            return ""
        remedies = bool(rows["remedy"].any())
        lines: dict[tuple[str, ...], dict[str, str]] = {}
        keys = ["benchmark", "system", *["remedy"] * remedies, "against"]
        settings = [name for name in (*SETTINGS, "own", "other") if name in set(rows["setting"])]
        rows = rows.sort_values("setting", key=lambda names: names.map(settings.index), kind="stable")
        for row in rows.to_dict("records"):
            scores = value[row["benchmark"]][row["system"]]
            scores = scores[row["remedy"]] if remedies else scores
            ends = [None if row[end] != row[end] else float(row[end]) for end in ("low", "high")]
            told = {"difference": float(row["difference"]), "interval": ends, "p": float(row["p_holm"])}
            own = scores.setdefault("against", {}).setdefault(row["against"], {})
            own.setdefault(row["setting"], {})[row["measure"]] = told | {"mark": row["mark"]}
            between = "" if None in ends else f" [{ends[0]:+.4f}, {ends[1]:+.4f}]"
            cell = f"{row['difference']:+.4f}{between}{row['mark']}"
            lines.setdefault(tuple(row[key] for key in keys), {})[row["setting"]] = cell
        frame = pd.DataFrame([dict(zip(keys, names, strict=True)) | of for names, of in lines.items()])
        note = (
            f"Difference in {rows['measure'].iloc[0]} from the first line of the benchmark [95 % interval over {unit}];"
            f" {GIVEN} differs on questions like these: paired randomisation, p < .05 after Holm's correction over all"
            " lines and settings of a benchmark. It says nothing of other trainings of the model."
        )
        return f"{show(frame[[*keys, *settings]].fillna(''))}\n{note}"

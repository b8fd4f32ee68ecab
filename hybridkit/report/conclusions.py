"""What a run allows to say: a few sentences a notebook, from the numbers that it ends with, by the rule of evidence.

Notebooks end with them ("What we saw"), and the first page of the report begins with those of notebook 04. A difference
is *established* where it holds over other trainings too (*), shown for these trainings only where it holds over other
questions (°), and else not shown, which is not the same as "there is none".
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pandas as pd

from hybridkit.analysis.remedies import front
from hybridkit.evaluation.measures import DISTANCE
from hybridkit.evaluation.significance import BEYOND, GIVEN
from hybridkit.report.notebook_page import code_marked
from hybridkit.sampling.labels import UNTRAINED
from hybridkit.study.settings import HYBRID
from hybridkit.utils.characters import escaped
from hybridkit.utils.naming import listed
from hybridkit.utils.numbers import number
from hybridkit.utils.reading import json_file

if TYPE_CHECKING:
    from IPython.display import HTML, Markdown

    from hybridkit.study.run import Run

Numbers = Mapping[str, Any]
_SETTINGS = {"mono": "within a language", "cross": "in cross-lingual pairs", "pool": "in the pool"}
MOST = 4  # steps that notebook 06 lists


def numbers_of(run: Run, notebook: str) -> dict[str, Any]:
    """Return the numbers that a notebook of a run ended with; empty where it has not run."""
    path = Path(run.folder, "notebooks", f"{notebook}.json")
    return dict(json_file(path, "run the notebook again")) if path.is_file() else {}


def saw(run: Run, notebook: str) -> Markdown:
    """Return "What we saw" of a notebook that has ended, such as "04", as a list to be shown."""
    from IPython.display import Markdown

    found = said(notebook, numbers_of(run, notebook), run.study.compare)
    return Markdown("\n".join(f"- {one}" for one in found))  # type: ignore[no-untyped-call]


def said(notebook: str, numbers: Numbers, compare: Sequence[str]) -> list[str]:
    """Return what the numbers of a notebook allow to say; `compare` are the two strategies that the study compares.

    >>> said("06", {"models": 0}, ("cross", "mono"))
    ['This study trains on no sets of languages, so that nothing is said of their diversity.']
    """
    return _SENTENCES[notebook](numbers, compare)


def folded(title: str, content: str | Sequence[str]) -> HTML:
    """Return what is shown when its title is clicked: HTML as it is, or a list of sentences, which are escaped.

    >>> folded("3 more", "<p>x</p>").data
    '<details><summary>3 more</summary><p>x</p></details>'
    >>> folded("words", ["`a` < b"]).data
    '<details><summary>words</summary><ul><li><code>a</code> &lt; b</li></ul></details>'
    """
    from IPython.display import HTML

    html = content
    if not isinstance(content, str):
        html = f"<ul>{''.join(f'<li>{code_marked(one)}</li>' for one in content)}</ul>"
    return HTML(f"<details><summary>{escaped(title)}</summary>{html}</details>")  # type: ignore[no-untyped-call]


def finding(row: Mapping[str, Any]) -> str:
    """Return what a row of a comparison allows to say of its two strategies.

    >>> row = {"benchmark": "b", "system": "cross", "against": "mono", "setting": "pool", "measure": "AP", "mark": "*",
    ...        "difference": 0.2, "low": 0.1, "high": 0.3, "crossed_low": 0.05, "crossed_high": 0.35, "better": 1}
    >>> finding(row)
    '`cross` is better than `mono` in the pool, +.200 AP (.050 to .350 over questions and trainings)'
    >>> finding({**row, "mark": "", "difference": -0.01})
    'no difference between `cross` and `mono` is shown in the pool, −.010 AP (.050 to .350 over questions and \
trainings)'
    """
    first, second, mark = row["system"], row["against"], row["mark"]
    distance = row["measure"] == DISTANCE
    where = "in rank distance" if distance else _SETTINGS.get(row["setting"], row["setting"])
    crossed = mark != GIVEN and row["crossed_low"] is not None and not math.isnan(row["crossed_low"])
    low, high = (row[f"crossed_{end}" if crossed else end] for end in ("low", "high"))
    over = "questions and trainings" if crossed else "questions"

    def text(value: float, sign: str = "") -> str:
        return f"{value:{sign},.0f}".replace("-", "−") if distance else number(value, sign)

    amount = f"{text(row['difference'], '+')} {'ranks' if distance else 'AP'} ({text(low)} to {text(high)} over {over})"
    if not mark:
        return f"no difference between `{first}` and `{second}` is shown {where}, {amount}"
    return f"`{first}` is {'better' if row['better'] > 0 else 'worse'} than `{second}` {where}, {amount}"


def answer(numbers: Numbers, compare: Sequence[str]) -> dict[str, list[str]]:
    """Return what notebook 04 found: what is established, shown for these trainings only, and not shown.

    Each has its findings on the first benchmark, of the two strategies that the study compares and of hybrid batches
    against cross-lingual ones, or of all strategies where neither pair is there. Empty where nothing was compared.
    """
    rows = numbers.get("against", [])
    if not rows:
        return {}
    first = [row for row in rows if row["benchmark"] == rows[0]["benchmark"]]
    asked = [set(compare), {HYBRID, "cross"}]
    chosen = [row for row in first if {row["system"], row["against"]} in asked] or first
    said = {
        BEYOND: "Established over other questions and other trainings",
        GIVEN: "Shown for these trainings only; the next training may turn it",
        "": "Not shown, which is not the same as no difference",
    }
    return {title: [finding(row) for row in chosen if row["mark"] == mark] for mark, title in said.items()}


def front_sentence(table: Sequence[Numbers]) -> str:
    """Return which strategies lead when AP within a language is traded for AP in the pool; "" without a table.

    >>> rows = [{"benchmark": "b", "strategy": name, "mono": mono, "pool": pool}
    ...         for name, mono, pool in (("mono", 0.8, 0.5), ("cross", 0.7, 0.6), ("english", 0.7, 0.5))]
    >>> front_sentence(rows)
    'AP within a language against AP in the pool, on b: `mono` and `cross` are on the front; of `english` another is \
at least as good in both and better in one. Means, without a test.'
    """
    rows = pd.DataFrame([row for row in table if row["benchmark"] == table[0]["benchmark"]])
    if rows.empty or not {"mono", "pool"} <= set(rows.columns) or rows[["mono", "pool"]].isna().any(axis=None):
        return ""
    ahead = front(rows, "mono", "pool")
    best, behind = ([f"`{name}`" for name in rows.loc[chosen, "strategy"]] for chosen in (ahead, ~ahead))
    text = f"AP within a language against AP in the pool, on {table[0]['benchmark']}: "
    text += f"{listed(best)} {'is' if len(best) == 1 else 'are'} on the front"
    text += f"; of {listed(behind)} another is at least as good in both and better in one" if behind else ""
    return f"{text}. Means, without a test."


def claims_sentence(verdicts: Mapping[str, str]) -> str:
    """Return how the claims fared that a study can test; "" without claims.

    >>> claims_sentence({"1": "holds", "2": "not testable", "3": "not shown"})
    'Of 3 claims this study can test 2: 1 holds (1), 0 are contradicted, 1 is not shown (3).'
    """
    if not verdicts:
        return ""
    names = {one: [name for name, verdict in verdicts.items() if verdict == one] for one in verdicts.values()}
    tested = sum(len(found) for one, found in names.items() if one not in ("not testable", "true by construction"))
    parts = []
    for verdict, forms in (
        ("holds", ("holds", "hold")),
        ("contradicted", ("is contradicted", "are contradicted")),
        ("not shown", ("is not shown", "are not shown")),
    ):
        found = names.get(verdict, [])
        parts.append(f"{len(found)} {forms[len(found) != 1]}" + (f" ({', '.join(found)})" if found else ""))
    text = f"Of {len(verdicts)} claims this study can test {tested}: {', '.join(parts)}."
    made = names.get("true by construction", [])
    return text + (f" True by construction: {listed(made)}." if made else "")


def left_sentence(compared: pd.DataFrame) -> str:
    """Return how many differences between strategies are left once a remedy is applied (notebook 08); "" for none.

    >>> rows = {"kind": "a strategy", "remedy": "zscore", "setting": "pool", "mark": ["*", "°", ""]}
    >>> left_sentence(pd.DataFrame(rows))
    'With a remedy, 1 of 3 differences between strategies is established, 1 is shown for these trainings only, and 1 \
is not shown.'
    """
    rows = compared[(compared["kind"] == "a strategy") & (compared["remedy"] != "none")]
    if rows.empty:
        return ""
    beyond, given, open_ = (int((rows["mark"] == mark).sum()) for mark in (BEYOND, GIVEN, ""))
    verbs = ["is" if count == 1 else "are" for count in (beyond, given, open_)]
    return (
        f"With a remedy, {beyond} of {len(rows)} differences between strategies {verbs[0]} established, {given} "
        f"{verbs[1]} shown for these trainings only, and {open_} {verbs[2]} not shown."
    )


def _data(numbers: Numbers, _: Sequence[str]) -> list[str]:
    rows, leaked = numbers["rows"], sum(numbers["leaked rows"].values())
    found = [f"Every strategy draws from the same {rows['trained on']:,} rows in {numbers['languages']} languages."]
    if leaked:
        found.append(f"A benchmark holds a text of {leaked:,} rows; they were dropped in all languages.")
    else:
        found.append("No copy of a training text was found in a benchmark. Paraphrases are not looked for.")
    near = [f"{one['who']} ({one['what']})" for one in numbers["relatives"] if one["relative"] == "yes"]
    if near:
        found.append(f"Of the same collection as a benchmark, and so not wholly zero-shot: {'; '.join(near)}.")
    return found


def _sampler(numbers: Numbers, _: Sequence[str]) -> list[str]:
    checks = numbers["checks"]
    wrong = [f"`{name}`" for name, fine in checks.items() if not fine]
    verb = "keeps" if len(wrong) == 1 else "keep"
    found = [f"All {len(checks)} plans keep to their strategy." if not wrong else f"Not as planned: {listed(wrong)}."]
    found[0] = found[0].replace("keep", verb) if len(checks) == 1 else found[0]
    for words in numbers["words"].values():
        found += words[1:] if len(words) > 1 else []
    none = "The study has no curve, so that nothing is said of alpha, rows or batch size."
    return found if len(found) > 1 else [*found, none]


def _training(numbers: Numbers, _: Sequence[str]) -> list[str]:
    text = f"{numbers['models']} models are trained. A correlation below is over few models and says no cause."
    return [text, *numbers["loss and AP"]]


def _evaluation(numbers: Numbers, compare: Sequence[str]) -> list[str]:
    said = answer(numbers, compare)
    found = [f"{title}: {'; '.join(findings) or 'nothing'}." for title, findings in said.items()]
    return [*(found or ["The study compares no strategies."]), *filter(None, [front_sentence(numbers["table"])])]


def _bias(numbers: Numbers, _: Sequence[str]) -> list[str]:
    distance = {name: value for name, value in numbers["rank distance"].items() if value is not None}
    found = []
    if distance:
        low, high = min(distance, key=distance.__getitem__), max(distance, key=distance.__getitem__)
        found.append(
            f"Rank distance is lowest for `{low}` ({distance[low]:,.0f}) and highest for `{high}` "
            f"({distance[high]:,.0f}). Means over seeds; notebook 04 has the test."
        )
    own = {name: value for name, value in numbers["own language preference"].items() if value is not None}
    if own:
        least = min(own, key=lambda name: abs(math.log(max(own[name], 1e-9))))
        found.append(
            f"The query's own language is nearest to its expected share of the top with `{least}`: "
            f"{own[least]:.2f} times as often (1 is no preference)."
        )
    said = [line.removeprefix("- ") for line in numbers["verdict"].splitlines() if line.startswith("- ")]
    head = numbers["verdict"].partition("\n")[0].rstrip(":")
    return [*found, *(f"{head}: {line}" for line in said[:1])]


def _diversity(numbers: Numbers, _: Sequence[str]) -> list[str]:
    if not numbers["models"]:
        return ["This study trains on no sets of languages, so that nothing is said of their diversity."]
    steps = pd.DataFrame(numbers["steps"])
    shown = steps[steps["established"].astype(bool)] if len(steps) else steps
    verb = "is" if len(shown) == 1 else "are"
    found = [f"Of {len(steps)} effects of a step to more languages, {len(shown)} {verb} established."]
    most = shown.sort_values("mean", key=abs, ascending=False).head(MOST) if len(shown) else shown
    for row in most.to_dict("records"):
        found.append(
            f"`{row['strategy']}`, {row['setting']}, from {row['from_k']} to {row['to_k']} languages, pairs that are "
            f"then {row['seen']}: RR {number(row['mean'], '+')}."
        )
    if not len(shown):
        found.append("That is not evidence of no effect: the intervals say how large it may be either way.")
    return [*found, *numbers.get("collections", ()), *numbers["limits"][:1]]


def _claims(numbers: Numbers, _: Sequence[str]) -> list[str]:
    why = numbers["why"]
    tested = [
        name for name, verdict in numbers["verdicts"].items() if verdict in ("holds", "contradicted", "not shown")
    ]
    found = [claims_sentence(numbers["verdicts"])]
    if not tested:
        found.append("What it would take is named beside each claim.")
    found += [f"Claim {name} {_VERB[numbers['verdicts'][name]]}: {reason(why[name])}" for name in tested]
    return found


def reason(why: str) -> str:
    """A verdict's reason without the verdict, which is said before it.

    >>> reason("Not shown: a > b"), reason("1 of 2 comparisons hold. Not shown: a > b")
    ('a > b', '1 of 2 comparisons hold. Not shown: a > b')
    """
    return why.removeprefix("Contradicted: ").removeprefix("Not shown: ")


_VERB = {"holds": "holds", "contradicted": "is contradicted", "not shown": "is not shown"}


def _remedies(numbers: Numbers, _: Sequence[str]) -> list[str]:
    table = pd.DataFrame(numbers["table"])
    if table.empty:
        return ["The study names no remedy."]
    first = table[table["benchmark"] == table["benchmark"].iloc[0]]
    found = []
    wanted = {"mono": "AP within a language", "pool": "AP in the pool"}
    wanted |= {"other": "RR where the only answer is in another language"}
    for column, where in wanted.items():
        if column in first and first[column].notna().any():
            found.append(_highest(first, column, where))
    free = pd.DataFrame(numbers["compared"], columns=["kind", "setting", "measure", "mark", "difference"])
    free = free[(free["kind"] == "without training") & (free["setting"] == "pool") & (free["measure"] == "AP")]
    if len(free):
        holds, better = free["mark"] == BEYOND, free["difference"] > 0
        counts = [int(one.sum()) for one in (holds & better, holds & ~better, ~holds)]
        found.append(
            f"`{UNTRAINED}` with a remedy against trained models without one, AP in the pool: better in {counts[0]} "
            f"comparisons, worse in {counts[1]}, not established in {counts[2]}."
        )
    judged = pd.DataFrame(numbers.get("collections", []))  # of a run of before there is none
    names = [str(name) for name in judged if name not in ("strategy", "remedy", "seeds")]
    return [*found, *(_highest(judged, name, f"nDCG@10 on {name}") for name in names), *numbers["advice"]]


def _highest(table: pd.DataFrame, column: str, where: str) -> str:
    """Name the system that has the highest value in a column.

    >>> table = pd.DataFrame({"strategy": ["mono", "cross"], "remedy": "zscore", "x": [0.5, 0.25], "y": [None, 0.5]})
    >>> _highest(table, "x", "AP"), _highest(table, "y", "AP")[:26]
    ('Highest AP: `mono` with remedy `zscore`, .500 (a mean, without a test).', 'Highest AP: `cross` with r')
    """
    row = max(table.dropna(subset=[column]).to_dict("records"), key=lambda one: float(one[column]))
    best = f"`{row['strategy']}` with remedy `{row['remedy']}`, {number(row[column])}"
    return f"Highest {where}: {best} (a mean, without a test)."


_SENTENCES = {
    "01": _data, "02": _sampler, "03": _training, "04": _evaluation,
    "05": _bias, "06": _diversity, "07": _claims, "08": _remedies,
}  # fmt: skip

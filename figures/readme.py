"""Write README.md and docs/results.md from their templates: every number comes from the committed files beside this.

    make readme

`hybridkit figures STUDY --to figures/STUDY` puts them here: table.md, notebook-NN.json and the frames of the figures.
A test compares the pages with what this writes, so that no number in them is older than its figure.
"""

import csv
import json
from functools import cache
from pathlib import Path
from typing import Any

import pandas as pd
from jinja2 import Environment, FileSystemLoader, StrictUndefined

from hybridkit.analysis.scores import collections_beside_published
from hybridkit.utils.naming import listed, split_name
from hybridkit.utils.numbers import number

HERE = Path(__file__).parent
FREE = "without training"  # the kind of comparisons
MIRACL = ("nDCG@10", "R@100")  # its measures
# of those that published scores on MIRACL, those that `beside_published` shows
PUBLISHED = (
    "bm25",
    "mdpr-tied-pft-msmarco",
    "bm25-mdpr-tied-pft-msmarco-hybrid",
    "mcontriever-tied-pft-msmarco",
    "intfloat/multilingual-e5-small",
)
PAGES = {"README.md": "README.md.jinja", "docs/results.md": "results.md.jinja"}


def render(page: str = "README.md") -> str:
    """Return a page, filled."""
    made = Environment(  # noqa: S701  Markdown, made of this repository's own files
        loader=FileSystemLoader(HERE), undefined=StrictUndefined, keep_trailing_newline=True
    )
    used = (
        table,
        score,
        difference,
        finding,
        claims,
        value,
        count,
        evaluated,
        remedies,
        left,
        helped,
        untrained,
        rr,
        on_collections,
        rerankers,
        gain,
        by_remedy,
        remedied,
        beside_published,
        by_language,
        judged,
        csv_table,
        natural,
        caution,
        natural_value,
    )
    made.globals |= {one.__name__: one for one in used}
    return made.get_template(PAGES[page]).render()


@cache
def notebook(study: str, name: str) -> dict[str, Any]:
    """Return the numbers that a notebook of a study ends with."""
    return dict(json.loads((HERE / study / f"notebook-{name}.json").read_bytes()))


def table(study: str) -> str:
    """Return the main table of a study, in Markdown."""
    return (HERE / study / "table.md").read_text(encoding="utf-8").rstrip()


def score(study: str, benchmark: str, strategy: str, setting: str) -> str:
    """Return a mean of the main table: AP with three decimals, rank distance in whole ranks."""
    rows = notebook(study, "04")["table"]
    (row,) = [one for one in rows if (one["benchmark"], one["strategy"]) == (benchmark, strategy)]
    return f"{row[setting]:,.0f}" if setting == "rank distance" else number(row[setting])


def _row(
    study: str, benchmark: str, first: str, second: str, setting: str, own: bool = False
) -> tuple[dict[str, Any], int]:
    """The comparison of two strategies, by their own recipes or not, and the sign by which it is first minus second."""
    measure = "rank_distance" if setting == "rank distance" else "AP"
    where = {"benchmark": benchmark, "setting": "pool" if measure != "AP" else setting, "measure": measure}
    return _compared(study, "own recipes" if own else "against", where, first, second)


def _compared(study: str, part: str, where: dict[str, Any], first: str, second: str) -> tuple[dict[str, Any], int]:
    """The comparison of two systems in a part of what notebook 04 ends with, and the sign: 1 for first minus second."""
    for row in notebook(study, "04")[part]:
        if where.items() <= row.items() and {row["system"], row["against"]} == {first, second}:
            return row, 1 if row["system"] == first else -1
    raise ValueError(f"figures/{study}/notebook-04.json: {first} is not compared with {second} ({where})")


def difference(study: str, benchmark: str, first: str, second: str, setting: str, own: bool = False) -> str:
    """Return the first strategy minus the second with both intervals, as `+.023 (.018 to .029; .010 to .036)`."""
    row, sign = _row(study, benchmark, first, second, setting, own)

    def text(value: float, plus: bool = False) -> str:
        if row["measure"] != "AP":
            return f"{value:{'+' if plus else ''},.0f}".replace("-", "−")
        return number(value, "+" if plus else "")

    def ends(low: str, high: str) -> str:
        return " to ".join(map(text, sorted(sign * row[end] for end in (low, high))))

    start = f"{text(sign * row['difference'], True)} ({ends('low', 'high')}"
    if row["crossed_low"] is None:
        return f"{start} over articles, no interval over trainings)"
    return f"{start} over articles; {ends('crossed_low', 'crossed_high')} over trainings too)"


def finding(study: str, benchmark: str, first: str, second: str, setting: str, own: bool = False) -> str:
    """Return what may be said of two strategies: which is better by how much, or that no difference is shown."""
    row, sign = _row(study, benchmark, first, second, setting, own)
    amount = f"{difference(study, benchmark, first, second, setting, own)}{' AP' * (row['measure'] == 'AP')}"
    return _said(first, second, amount, row["mark"], sign * row["better"] > 0)


def _said(first: str, second: str, amount: str, mark: str, better: bool) -> str:
    """What a mark allows to say of two strategies."""
    if not mark:
        return f"no difference between `{first}` and `{second}` is shown, {amount}"
    only = "" if mark == "*" else ", shown for these trainings only"
    return f"`{first}` is {'better' if better else 'worse'} than `{second}`, {amount}{only}"


def claims(study: str, verdict: str, published: bool = False) -> str:
    """Return the numbers of the claims with a verdict, as `2, 6 and 11`; "none" where there are none."""
    found = notebook(study, "07")["published" if published else "verdicts"]
    return listed([name for name, one in found.items() if one == verdict]) or "none"


def value(study: str, name: str, *path: Any) -> Any:
    """Return anything that a notebook ends with, found by the keys and positions that lead to it."""
    found: Any = notebook(study, name)
    for key in path:
        found = found[key]
    return found


def rr(study: str, strategy: str, setting: str, seen: str, languages: int) -> str:
    """Return mean RR of pairs of a study of training languages, by what was trained on and in how many languages."""
    where = {"strategy": strategy, "setting": setting, "seen": seen, "k": languages, "series": "fixed"}
    (row,) = [one for one in notebook(study, "06")["RR"] if where.items() <= one.items()]
    return number(row["mean"])


def on_collections(study: str, measure: str) -> str:
    """Return a line in Markdown a collection, strategy and number of training languages: gains, over languages.

    In brackets the interval over questions and sets, or over questions where a set is one; * is an established gain.
    """
    lines: dict[tuple[str, ...], dict[str, str]] = {}
    for one in notebook(study, "06")["judged"]:
        if one["language"] == "*" and one["measure"] == measure:
            low, high = (one[end if one["crossed_low"] is None else f"crossed_{end}"] for end in ("low", "high"))
            gain = f"{number(one['gain'], '+')}{'*' * one['established']} ({number(low)} to {number(high)})"
            where = {"mono": "own language", "pool": "pool"}[one["setting"]], f"`{one['strategy']}`", str(one["k"])
            cells = lines.setdefault(where, {})
            if one["seen"] in cells:
                raise ValueError(f"{study}: two collections or series in one line of the table")
            cells[one["seen"]] = f"{number(one['value'])}, {gain}"
    head = ["passages", "strategy", "languages", "other languages", "those languages"]
    return _markdown(
        [head, *([*where, *(of.get(seen, "") for seen in ("unseen", "seen"))] for where, of in lines.items())]
    )


def count(study: str, key: str) -> int:
    """Return how many seeds, strategies or other listed things the study's settings have."""
    return len(json.loads((HERE / study / "run-settings.json").read_bytes())[key])


@cache
def _evaluations(name: str) -> dict[str, dict[str, Any]]:
    """By remedy what `hybridkit evaluate --remedy ... --json` wrote of the dense system on its one benchmark."""
    (found,) = json.loads((HERE / "remedies" / f"{name}.json").read_bytes()).values()
    return dict(found["dense"])


def evaluated(name: str, remedy: str, setting: str) -> str:
    """Return AP of an encoder with a remedy in a setting, RR in a single pool, or rank distance in whole ranks."""
    found = _evaluations(name)[remedy]
    if setting == "rank distance":
        return f"{found['pool']['rank_distance']:,.0f}"
    return number(found[setting]["RR" if setting in ("own", "other") else "AP"])


def remedies(name: str) -> str:
    """Return a line a remedy in Markdown: AP in three settings, RR in single pools, rank distance; with marks."""
    columns = ["mono", "cross", "pool", "own", "other", "rank distance"]
    lines = [["remedy", *columns]]
    for one, found in _evaluations(name).items():
        lines.append([f"`{one}`", *(evaluated(name, one, column) + _mark(found, column) for column in columns)])
    return _markdown(lines)


def _mark(found: dict[str, Any], setting: str, measure: str = "AP") -> str:
    """The mark of the difference from the first remedy in a setting, where `hybridkit evaluate` wrote one."""
    (settings,) = found.get("against", {"": {}}).values()
    return str(settings.get(setting, {}).get(measure, {"mark": ""})["mark"])


def natural(names: list[str], measure: str) -> str:
    """Return a measure of the dense system with each remedy, among passages of one language and of all (the pool)."""
    parts = {bench: found["dense"] for name in names for bench, found in _collections(name).items()}
    named = {"mono": "own", "pool": "pool"}
    lines = [["remedy", *(f"{split_name(bench)[0]}, {named[_setting(bench)]}" for bench in parts)]]
    for remedy in next(iter(parts.values())):
        of_each = [(bench, found[remedy]) for bench, found in parts.items()]
        cells = [_mean(bench, one, measure) + _mark(one, _setting(bench), measure) for bench, one in of_each]
        lines.append([f"`{remedy}`", *cells])
    return _markdown(lines)


def natural_value(name: str, remedy: str) -> str:
    """Return nDCG@10 of the dense system with a remedy in the pool of all languages."""
    ((pool, found),) = ((bench, found) for bench, found in _collections(name).items() if _setting(bench) == "pool")
    return _mean(pool, found["dense"][remedy], "nDCG@10")


def csv_table(path: str) -> str:
    """Return a CSV file that is here in Markdown."""
    with (HERE / path).open(encoding="utf-8", newline="") as file:
        return _markdown(list(csv.reader(file)))


@cache
def _collections(name: str) -> dict[str, dict[str, Any]]:
    """By benchmark and system what `hybridkit evaluate --json` wrote of judged collections."""
    return dict(json.loads((HERE / "miracl" / f"{name}.json").read_bytes()))


def beside_published(name: str) -> str:
    """Return nDCG@10 and R@100 of each system on a language of MIRACL, with intervals, and the published ones."""
    lines = [["system", "nDCG@10", "R@100", "from"]]
    for benchmark, systems in _collections(name).items():
        ours = [
            (benchmark, system, "mono", pair.partition(">")[0], measure, values[measure])
            for system, found in systems.items()
            for pair, values in found["languages"].items()
            for measure in MIRACL
        ]
        columns = ["benchmark", "system", "setting", "language", "measure", "value"]
        table = collections_beside_published(pd.DataFrame(ours, columns=columns))
        for (system, source), few in table.groupby(["system", "source"], sort=False):
            if source != "this study" and system not in PUBLISHED:
                continue
            values = few.set_index("measure")["value"]
            cells = [number(values[measure]) for measure in MIRACL]
            if source == "this study":
                (intervals,) = systems[system]["intervals"].values()
                ends = [" to ".join(number(end) for end in intervals[measure]) for measure in MIRACL]
                cells = [f"{cell} ({one})" for cell, one in zip(cells, ends, strict=True)]
            lines.append([str(system), *cells, str(source)])
    return _markdown(lines)


def caution(name: str) -> str:
    """Return the sentence that must stand beside the values of collections."""
    found = (system["caution"] for systems in _collections(name).values() for system in systems.values())
    return str(next(found))


def judged(name: str, benchmark: str, system: str, measure: str) -> str:
    """Return the mean of a system over the query languages of collections."""
    return _mean(benchmark, _collections(name)[benchmark][system], measure)


def _mean(benchmark: str, found: dict[str, Any], measure: str) -> str:
    return number(found[_setting(benchmark)][measure])


def _setting(benchmark: str) -> str:
    """What is searched on a collection: the passages of all languages, or of the question's own."""
    return "pool" if benchmark.endswith("pool]") else "mono"


def by_language(name: str, benchmark: str, measure: str) -> str:
    """Return a measure of each system by query language, among the passages of that language and of all (the pool)."""
    found = _collections(name)
    own, pool = found[benchmark], found[f"{benchmark}[pool]"]
    systems = [f"{system}, {where}" for where in ("own", "pool") for system in own]
    lines = [["", "questions", *systems]]
    for pair, values in own[next(iter(own))]["languages"].items():
        tag = pair.partition(">")[0]
        cells = [own[system]["languages"][pair][measure] for system in own]
        cells += [pool[system]["languages"][f"{tag}>*"][measure] for system in own]
        lines.append([tag, str(values["queries"]), *map(number, cells)])
    means = [
        _mean(place, found[place][system], measure) for place in (benchmark, f"{benchmark}[pool]") for system in own
    ]
    return _markdown([*lines, ["mean", "", *means]])


def _markdown(lines: list[list[str]]) -> str:
    """Lines of cells as a table, the first as its head."""
    ruled = [lines[0], ["---"] * len(lines[0]), *lines[1:]]
    return "\n".join(f"| {' | '.join(line)} |" for line in ruled)


def left(study: str, first: str, second: str, remedy: str, where: str) -> str:
    """Return what is left of a difference between two strategies with one remedy, as `finding` says it.

    `where` is a setting, where it is one in AP, or a collection, in nDCG@10.
    """
    kind = {"kind": "a strategy", "strategy": first, "against_strategy": second, "remedy": remedy}
    return _with_remedy(study, kind, where, first, second)


def helped(study: str, strategy: str, remedy: str, where: str) -> str:
    """Return what a remedy gives to a strategy, as `left` says what two of them differ by."""
    kind = {"kind": "a remedy", "strategy": strategy, "remedy": remedy}
    return _with_remedy(study, kind, where, remedy, "none")


def untrained(study: str, remedy: str, where: str) -> str:
    """Return what the untrained encoder with a remedy and the study's first strategy without one differ by."""
    (second,) = {one["against_strategy"] for one in notebook(study, "08")["compared"] if one["kind"] == FREE}
    first = "untrained" if remedy == "none" else f"untrained with {remedy}"
    return _with_remedy(study, {"kind": FREE, "remedy": remedy}, where, first, second)


def _with_remedy(study: str, kind: dict[str, str], where: str, first: str, second: str) -> str:
    """The one comparison of a kind in notebook 08, in a setting (AP) or on a collection (nDCG@10), in words."""
    setting = where in ("mono", "cross", "pool")
    part, measure, unit = (
        ("compared", "AP", "articles") if setting else ("compared on collections", "nDCG@10", "documents")
    )
    kind = kind | {"setting" if setting else "benchmark": where, "measure": measure}
    (row,) = [one for one in notebook(study, "08")[part] if kind.items() <= one.items()]
    over, beyond = ("", "") if row["crossed_low"] is None else ("crossed_", " and trainings")
    ends = f"{number(row[over + 'low'])} to {number(row[over + 'high'])} over {unit}{beyond}"
    amount = f"{number(row['difference'], '+')} ({ends}) {measure}"
    return _said(first, second, amount, row["mark"], row["difference"] > 0)


def remedied(study: str, strategy: str, remedy: str, column: str) -> str:
    """Return a value of notebook 08's table, of a study with one benchmark."""
    rows = notebook(study, "08")["table"]
    (row,) = [one for one in rows if (one["strategy"], one["remedy"]) == (strategy, remedy)]
    return number(row[column])


def by_remedy(study: str, benchmark: str, column: str = "") -> str:
    """Return a line a remedy in Markdown: a column of notebook 08's table (pool, own, ...) for every strategy.

    Without a column it is nDCG@10 on a collection.
    """
    numbers = notebook(study, "08")
    rows = [one for one in numbers["table"] if one["benchmark"] == benchmark] if column else numbers["collections"]
    column = column or benchmark
    strategies = list(dict.fromkeys(one["strategy"] for one in rows))
    cells = {(one["remedy"], one["strategy"]): number(one[column]) for one in rows}
    lines = [["remedy", *(f"`{name}`" for name in strategies)]]
    for remedy in dict.fromkeys(one["remedy"] for one in rows):
        lines.append([f"`{remedy}`", *(cells.get((remedy, name), "") for name in strategies)])
    return _markdown(lines)


def rerankers(study: str) -> str:
    """Return a line a strategy in Markdown: RR@10 of re-rankers, their first stage and dual encoders beside them."""
    columns = ["mono", "cross", "pool", "seen-seen", "seen-unseen", "unseen-seen"]
    cells: dict[str, dict[str, float]] = {}
    for one in notebook(study, "04")["re-ranker table"]:
        if one["measure"] == "RR@10":
            cells.setdefault(one["strategy"], {})[one["column"]] = one["value"]
    lines = [["strategy", *columns]]
    lines += [[f"`{name}`", *(number(values[column]) for column in columns)] for name, values in cells.items()]
    return _markdown(lines)


def gain(study: str, first: str, second: str, setting: str, kind: str = "re-rankers") -> str:
    """Return what may be said of two re-rankers, or of dual encoders beside them (`kind` "distilled"), in RR@10."""
    row, sign = _compared(study, kind, {"measure": "RR@10", "setting": setting}, first, second)
    low, high = sorted(sign * row[end] for end in ("low", "high"))
    amount = f"{number(sign * row['difference'], '+')} ({number(low)} to {number(high)} over articles) RR@10"
    return _said(first, second, amount, row["mark"], sign * row["better"] > 0)


if __name__ == "__main__":
    for name in PAGES:
        (HERE.parent / name).write_text(render(name), encoding="utf-8")

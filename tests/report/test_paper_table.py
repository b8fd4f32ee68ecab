"""Tables of a paper: what is best, second and marked, in HTML and LaTeX, whatever texts they hold."""

from __future__ import annotations

import re
from html.parser import HTMLParser

import numpy as np
import pandas as pd
import pytest

from hybridkit.analysis.scores import main_table
from hybridkit.errors import InputError
from hybridkit.report.paper_table import caption_of, latex, paper_table, significance_marks, to_html, to_latex

pytestmark = pytest.mark.filterwarnings("error")

NASTY = r"a_b & <i>50%</i> {x} $y$ #1 \end{table} ~^|"


def scores(benchmark: str = "xquad-r") -> pd.DataFrame:
    """Macro means of three strategies: mono AP .7004 and .7001 print alike; the pool's second is cross."""
    mean = {"mono": (0.7004, 0.5, 410.4), "cross": (0.6, 0.55, 295.0), "hybrid(alpha=0.5)": (0.7001, 0.5512, 287.0)}
    rows = []
    for strategy, values in mean.items():
        names = [("mono", "AP"), ("pool", "AP"), ("pool", "rank_distance")]
        for (setting, measure), value in zip(names, values, strict=True):
            rows.append(("s", "e", strategy, 0, benchmark, setting, measure, value))
    columns = ["study", "encoder", "strategy", "seed", "benchmark", "setting", "measure", "value"]
    return pd.DataFrame(rows, columns=columns)


def comparisons(benchmark: str = "xquad-r") -> pd.DataFrame:
    rows = [
        ("cross", "mono", "mono", "AP", "°"),
        ("cross", "mono", "pool", "AP", ""),
        ("cross", "mono", "pool", "rank_distance", "*"),
        ("hybrid(alpha=0.5)", "mono", "mono", "AP", ""),
        ("hybrid(alpha=0.5)", "mono", "pool", "AP", "*"),
        ("hybrid(alpha=0.5)", "mono", "pool", "rank_distance", "°"),
        ("hybrid(alpha=0.5)", "cross", "pool", "AP", "*"),
    ]
    frame = pd.DataFrame(rows, columns=["system", "against", "setting", "measure", "mark"])
    frame = frame.assign(significant=frame["mark"] != "", p_holm=[0.012, 0.9, 0.0003, 0.9, 0.01, 0.02, 0.01])
    return frame.assign(benchmark=benchmark, trainings=5, family="7 comparisons: every strategy with mono")


class Cells(HTMLParser):
    """The text and style of every body cell, and every tag there is."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.cells: list[list[str]] = []
        self.tags: set[str] = set()
        self.inside = False
        self.words = ""
        self.feed(text)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.add(tag)
        self.inside = tag in ("td", "th")
        if self.inside:
            self.cells.append(["", dict(attrs).get("style") or ""])

    def handle_endtag(self, tag: str) -> None:
        self.inside = self.inside and tag not in ("td", "th")

    def handle_data(self, data: str) -> None:
        self.words += data
        if self.inside:
            self.cells[-1][0] += data


def test_best_and_second_by_what_is_printed() -> None:
    table = paper_table(main_table(scores()), marks=significance_marks(comparisons(), "mono"))
    assert table.columns == ("mono", "pool", "rank distance", "seeds")
    assert table.names == ("mono", "cross", "hybrid α = 0.5")
    assert table.cells == (
        ("0.700", "0.500", "410", "1"),
        ("0.600°", "0.550", "295*", "1"),
        ("0.700", "0.551*", "287°", "1"),
    )
    # .7004 and .7001 both read .700 and are both best; lower rank distance is better; seeds are no contest
    assert table.best.tolist() == [[True, False, False, False], [False] * 4, [True, True, True, False]]
    assert table.second.tolist() == [[False] * 4, [True, True, True, False], [False] * 4]


def test_each_benchmark_has_its_own_best_and_missing_values_have_none() -> None:
    wide = pd.DataFrame(
        {"pool": [0.9, np.nan, 0.2, 0.1]},
        index=pd.MultiIndex.from_product([["one", "two"], ["mono", "cross"]], names=["benchmark", "strategy"]),
    )
    table = paper_table(wide)
    assert table.cells == (("0.900",), ("–",), ("0.200",), ("0.100",))
    assert table.best.ravel().tolist() == [True, False, True, False]
    assert table.second.ravel().tolist() == [False, False, False, True]


def test_html_has_the_styles_and_repeats() -> None:
    table = paper_table(main_table(scores()), "Caption & more", significance_marks(comparisons(), "mono"))
    text = to_html(table)
    assert text == to_html(table) == table._repr_html_()
    style = dict(Cells(text).cells)
    assert "bold" in style["0.551*"] and "bold" in style["287°"] and "underline" in style["0.600°"]
    assert style["410"] == "" and "underline" in style["295*"]
    assert "Caption & more" in Cells(text).words


def test_latex_by_hand() -> None:
    table = paper_table(main_table(scores()), "All of it", significance_marks(comparisons(), "mono"))
    assert to_latex(table, "tab:main").splitlines() == [
        r"\begin{table}",
        r"\centering",
        r"\caption{All of it}",
        r"\label{tab:main}",
        r"\begin{tabular}{lrrrr}",
        r"\toprule",
        r" & mono & pool & rank distance & seeds \\",
        r"\midrule",
        r"\multicolumn{5}{l}{\textit{xquad-r}} \\",
        r"mono & \textbf{0.700} & 0.500 & 410 & 1 \\",
        r"cross & \underline{0.600}\rlap{\textdegree{}} & \underline{0.550}"
        r" & \underline{295}\rlap{{*}} & 1 \\",
        r"hybrid $\alpha$ = 0.5 & \textbf{0.700} & \textbf{0.551}\rlap{{*}}"
        r" & \textbf{287}\rlap{\textdegree{}} & 1 \\",
        r"\bottomrule",
        r"\end{tabular}",
        r"\end{table}",
    ]


def test_nasty_texts_stay_texts() -> None:
    table = paper_table(main_table(scores(NASTY).replace({"strategy": {"cross": NASTY}})), NASTY)
    page = Cells(to_html(table))
    assert page.words.count(NASTY) == 3 and "i" not in page.tags
    text = to_latex(table)
    escaped = (
        r"a\_b \& \textless{}i\textgreater{}50\%\textless{}/i\textgreater{} \{x\} \$y\$ \#1 "
        r"\textbackslash{}end\{table\} \textasciitilde{}\textasciicircum{}\textbar{}"
    )
    assert text.count(escaped) == 3 and text.count(r"\end{table}") == 1
    bare = re.sub(r"\\[{}]", "", text)
    assert bare.count("{") == bare.count("}")
    rows = [line for line in text.splitlines() if line.endswith(r"\\") and "multicolumn" not in line]
    assert all(len(re.findall(r"(?<!\\)&", line)) == 4 for line in rows) and len(rows) == 4
    assert latex("[16:]*") == "{[}16:]{*}"  # behind a line's \\ both would be its options


def test_the_caption_names_test_unit_and_family() -> None:
    text = caption_of("mono", comparisons())
    assert text.startswith("AP: mean over")
    by_dot = caption_of("mono", comparisons(), similarity="dot")
    assert by_dot == f"Passages are ranked by dot, the encoder's own similarity. {text}"
    for part in (
        "Marks say what differs from mono: ° differs on questions like these, given these trainings",
        "randomisation over articles",
        "* differs over other trainings too (articles and seeds crossed)",
        "p < 0.05 after Holm’s correction (7 comparisons: every strategy with mono)",
        "where ° or * stands, p ≤ .02",
        "Bold: best",
    ):
        assert part in text
    few = caption_of("mono", comparisons().assign(trainings=2))
    assert few.endswith("No row has three trainings in common, so that nothing is shown of other ones.")


def test_what_is_not_a_table_is_named() -> None:
    with pytest.raises(InputError, match="benchmark and strategy"):
        paper_table(main_table(scores()).reset_index())
    with pytest.raises(InputError, match="marks of .*elsewhere"):
        paper_table(main_table(scores()), marks=significance_marks(comparisons("elsewhere"), "mono"))

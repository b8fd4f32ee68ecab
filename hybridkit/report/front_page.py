"""The first page of a report: the answer, then the figures in the order of the story, then what it was made with."""

import json
import subprocess
from collections.abc import Mapping, Sequence
from contextlib import suppress
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd
import yaml
from markupsafe import Markup

from hybridkit import __version__
from hybridkit.analysis.remedies import front
from hybridkit.plots.figure_files import kept, read_figure, read_frame
from hybridkit.report import conclusions
from hybridkit.report.notebook_page import code_marked
from hybridkit.report.paper_table import PaperTable, caption_of, paper_table, significance_marks
from hybridkit.sampling.labels import UNTRAINED
from hybridkit.utils.paths import checkout

if TYPE_CHECKING:
    from matplotlib.figure import Figure

    from hybridkit.study.run import Run

# The story: what was found, at what price, why, from what; figures that are not named come behind, by name.
STORY = (
    *("08_planes", "04_effects", "04_settings", "04_own_recipes", "08_free", "05_rank_distance", "05_language_share"),
    *("05_bias_panel", "04_language_pairs", "04_pair_difference", "05_language_map", "07_claims", "04_published"),
    *("02_alpha_curve", "02_alpha_differences", "06_curve_cross", "06_curve_mono", "03_loss_and_ap", "03_loss_curves"),
)
FRONT = "08_planes"  # the front of mono against pool
PLANE = "plane"  # the same of a study without notebook 08
PLANE_CAPTION = (
    "AP within a language against AP in the pool, means over seeds without intervals; up and to the right is better."
)


def context(run: "Run", executed: Sequence[Path], pictures: Path) -> dict[str, Any]:
    """Return what the first page shows of a run, from the numbers that its notebooks ended with."""
    numbers = {name: conclusions.numbers_of(run, name) for name in ("04", "07", "08")}
    names = kept(pictures)
    captions = {name: read_figure(pictures, name)["caption"] for name in sorted(names, key=_place)}
    ours = read_frame(pictures / "07_claims.csv") if "07_claims" in names else pd.DataFrame(columns=["claim", "text"])
    texts = {str(claim): text for claim, text in zip(ours["claim"], ours["text"], strict=True)}
    blocks = {}
    for name, title in (("settings", "Settings"), ("versions", "Versions"), ("data", "Data files (SHA-256)")):
        value = json.loads((run.folder / f"{name}.json").read_bytes())
        blocks[title] = yaml.safe_dump(value, allow_unicode=True, sort_keys=False)
    claims = numbers["07"]
    return {
        "study": run.study,
        "facts": facts(run, executed),
        "table": answer_table(run, numbers["04"]),
        "answer": {
            title: _marked(said) for title, said in conclusions.answer(numbers["04"], run.study.compare).items()
        },
        "front": _marked(filter(None, [conclusions.front_sentence(numbers["04"].get("table", []))])),
        "advice": _marked(numbers["08"].get("advice", [])),
        "claims": _marked(filter(None, [conclusions.claims_sentence(claims.get("verdicts", {}))])),
        "ledger": [
            (name, verdict, texts.get(name, ""), Markup(code_marked(conclusions.reason(claims["why"][name]))))
            for name, verdict in sorted(claims.get("verdicts", {}).items(), key=lambda one: one[1] in _SETTLED)
            if verdict != "not testable"
        ],
        "captions": captions,
        "leading": FRONT if FRONT in captions else "",
        "plane": None if FRONT in captions else front_figure(numbers["04"].get("table", [])),
        "blocks": blocks,
    }


_SETTLED = ("true by construction",)  # behind what could have failed


def _marked(sentences: Any) -> list[Markup]:
    return [Markup(code_marked(one)) for one in sentences]


def _place(name: str) -> tuple[int, str]:
    return (STORY.index(name) if name in STORY else len(STORY), name)


def answer_table(run: "Run", numbers: dict[str, Any]) -> PaperTable | None:
    """Return the main table with its marks as notebook 04 left it, not resampled; None where it has not run."""
    if not numbers.get("table"):
        return None
    table = pd.DataFrame(numbers["table"]).set_index(["benchmark", "strategy"])
    against = pd.DataFrame(numbers["against"])
    if against.empty:
        return paper_table(table)
    first, second = run.study.compare
    baseline = second if second != UNTRAINED else first
    marks = significance_marks(against, baseline)
    marks = marks.loc[marks.index.isin(table.index), marks.columns.intersection(table.columns)]
    return paper_table(table, caption_of(baseline, against), marks)


def front_figure(table: Sequence[Mapping[str, Any]]) -> "Figure | None":
    """Draw AP within a language against AP in the pool, of a study without notebook 08; None without a table."""
    from matplotlib.text import Text

    from hybridkit.plots import remedy_planes

    rows = pd.DataFrame(table)
    if rows.empty or not {"mono", "pool"} <= set(rows.columns):
        return None
    parts = []
    for _, part in rows.dropna(subset=["mono", "pool"]).groupby("benchmark", sort=False):
        ahead = front(part, "mono", "pool")
        long = part.assign(front=ahead, remedy="none").melt(
            ["benchmark", "strategy", "remedy", "front"], ["mono", "pool"], var_name="column"
        )
        parts.append(long.assign(low=np.nan, high=np.nan, crossed_low=np.nan, crossed_high=np.nan))
    if not parts:
        return None
    figure: Figure = remedy_planes(pd.concat(parts, ignore_index=True), planes=(("mono", "pool"),))
    figure.suptitle("Monolingual retrieval against the multilingual pool")
    for text in figure.findobj(Text):
        if isinstance(text, Text) and text.get_text().startswith("bars:"):  # means alone are drawn here
            text.set_text("")
    return figure


def facts(run: "Run", executed: Sequence[Path]) -> list[tuple[str, str]]:
    """Return when and with what a run was made: date of the newest notebook, versions, commit, encoder, seeds."""
    newest = max((path.stat().st_mtime for path in executed), default=0.0)
    study = run.study
    found = [
        ("study", study.name),
        ("date", f"{datetime.fromtimestamp(newest, UTC):%Y-%m-%d}"),
        ("hybridkit", __version__),
        ("commit of this report", commit()),
        ("encoder", Path(study.encoder.name).name if Path(study.encoder.name).exists() else study.encoder.name),
        ("benchmarks", ", ".join(study.evaluation.benchmarks)),
        ("seeds", ", ".join(map(str, study.seeds))),
    ]
    return [(name, value) for name, value in found if value]


def commit() -> str:
    """Return the commit of the checkout that the kit runs from, with "+" where files were changed; "" without one."""
    home = checkout()
    if home is None:
        return ""
    with suppress(OSError, subprocess.SubprocessError):
        command = ["git", "-C", str(home), "describe", "--always", "--dirty=+", "--exclude=*"]
        return subprocess.run(command, capture_output=True, text=True, timeout=10, check=True).stdout.strip()
    return ""

"""The report: every user text escaped, nothing from the network."""

import re
import shutil
from pathlib import Path

import nbformat
import pandas as pd
import pytest

from hybridkit import plots
from hybridkit.errors import InputError
from hybridkit.plots.figure_files import draw
from hybridkit.report import conclusions
from hybridkit.report.html_report import write_report
from hybridkit.study.pipeline import _strip_machine
from hybridkit.study.run import Run
from hybridkit.study.training_rows import write_json
from tests.plots.test_figure_files import FRAME

EVIL = '<script>alert(1)</script><img src=x onerror="alert(2)">'


@pytest.fixture
def run(tmp_path: Path) -> Run:
    made = Run("quick", tmp_path / "quick")
    made.prepare()
    write_json(made.folder / "data.json", {})
    return made


def test_texts_are_shown_as_texts(run: Run) -> None:
    draw(run.folder / "figures", "curve", plots.curves, FRAME, EVIL)
    outputs = [
        nbformat.v4.new_output("display_data", {"text/html": pd.DataFrame({EVIL: [EVIL]})._repr_html_()}),
        nbformat.v4.new_output("display_data", {"text/plain": EVIL}),
        nbformat.v4.new_output("stream", text=EVIL),
    ]
    notebook = nbformat.v4.new_notebook(cells=[nbformat.v4.new_code_cell("x", outputs=outputs)])
    (run.folder / "notebooks").mkdir(parents=True)
    nbformat.write(notebook, run.folder / "notebooks" / "01_data.ipynb")
    index = write_report(run)
    for page in [*index.parent.glob("*.html"), write_report(run, single_file=True)]:
        text = page.read_text(encoding="utf-8")
        assert "<script>alert" not in text and "<img src=x" not in text
        assert "&lt;script&gt;alert" in text
        ends = ("#answer", "#01_data") if page.name == "report.html" else ("index.html", "01_data.html")
        assert all(f'href="{end}"' in text for end in ends)


# what a browser would fetch by itself: a script, a picture, a style, a module; and what it may fetch
FETCHED = re.compile(
    r"""\bsrc\s*=\s*(?!["']?(?:data:|figures/))|<link\b|@import|\bimport\b[^;<]{0,60}["']http|url\(["']?(?:https?:)?//"""
)


def test_no_page_asks_anybody_for_anything(run: Run) -> None:
    draw(run.folder / "figures", "curve", plots.curves, FRAME, "How to read it")
    markdown = nbformat.v4.new_markdown_cell("$\\alpha$ is the share, ```mermaid\ngraph LR\n```")
    widget = nbformat.v4.new_output("display_data", {"text/plain": "inspector", "text/vnd.mermaid": "graph LR"})
    notebook = nbformat.v4.new_notebook(cells=[markdown, nbformat.v4.new_code_cell("x", outputs=[widget])])
    notebook.metadata["widgets"] = {"application/vnd.jupyter.widget-state+json": {"state": {}}}
    (run.folder / "notebooks").mkdir(parents=True)
    nbformat.write(notebook, run.folder / "notebooks" / "01_data.ipynb")
    one = write_report(run, single_file=True)
    pages = sorted([*write_report(run).parent.rglob("*.html"), one])
    assert [page.name for page in pages] == ["01_data.html", "index.html", "index.html", "report.html"]
    for page in pages:
        text = page.read_text(encoding="utf-8")
        found = [text[one.start() : one.start() + 80] for one in FETCHED.finditer(text)]
        own = [one for one in found if page.parent.name == "pairs" and "//" not in one]  # files beside it
        assert found == own, page.name
        assert "Content-Security-Policy" in text and "default-src 'none'" in text
    assert all("alpha$ is the share" in page.read_text(encoding="utf-8") for page in (pages[0], pages[3]))


PICTURE = "iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR4nGNgYGBgAAAABQABh6FO1AAAAABJRU5ErkJggg=="


def with_results(run: Run) -> None:
    """Give a run what notebooks 04 and 07 leave, and a notebook with a figure and a table."""
    draw(run.folder / "figures", "02_curve", plots.curves, FRAME, "How <to> read it")
    values = {"mono": [0.9, 0.8], "cross": [0.3, 0.4], "pool": [0.2, 0.5], "rank distance": [300.0, 90.0], "seeds": 3}
    table = pd.DataFrame({"benchmark": "atlas", "strategy": ["mono", "hybrid(alpha=0.5)"], **values})
    row = {"benchmark": "atlas", "system": "hybrid(alpha=0.5)", "against": "mono", "setting": "mono", "measure": "AP"}
    row |= {"difference": -0.1, "low": -0.12, "high": -0.08, "crossed_low": -0.15, "crossed_high": -0.05, "better": -1}
    row |= {"trainings": 3, "p_holm": 0.01, "significant": True, "family": "2 comparisons: toys", "mark": "*"}
    pool = row | {"setting": "pool", "difference": 0.3, "low": 0.2, "high": 0.4, "mark": "°", "better": 1}
    against = [row, pool]
    run.finish("04", {"table": table.to_dict("records"), "against": against})
    run.finish("07", {"verdicts": {"1": "holds", "2": "not testable"}, "why": {"1": "a > b", "2": "Not tested: x."}})
    frame = pd.DataFrame({"strategy": ["mono"], "AP": [0.5], "nothing": [None], "low": [float("nan")]})
    outputs = [
        nbformat.v4.new_output("display_data", {"image/png": PICTURE, "text/plain": "<Figure>"}),
        nbformat.v4.new_output("display_data", {"text/html": frame._repr_html_()}),
    ]
    cells = [
        nbformat.v4.new_markdown_cell("# Two\n\n## A first part"),
        nbformat.v4.new_code_cell('plots.draw(\n    figures,\n    "02_curve",\n)', outputs=outputs),
        nbformat.v4.new_markdown_cell("## A second part"),
    ]
    (run.folder / "notebooks").mkdir(parents=True, exist_ok=True)
    nbformat.write(nbformat.v4.new_notebook(cells=cells), run.folder / "notebooks" / "02_sampler.ipynb")


def test_the_first_page_opens_with_the_answer(run: Run) -> None:
    with_results(run)
    text = write_report(run).read_text(encoding="utf-8")
    parts = [
        "The answer",
        ">0.800*<",
        "Established over",
        "Shown for these trainings only",
        "Not shown",
        "on the front",
    ]
    parts += [
        "plane",
        "Of 2 claims this study can test 1: 1 holds (1)",
        ">Figures<",
        "02_curve",
        "What it was made with",
    ]
    places = [text.index(part, text.index("</nav>", text.index("</nav>") + 1)) for part in parts]
    assert places == sorted(places)
    worse = "<code>hybrid(alpha=0.5)</code> is worse than <code>mono</code> within a language, −.100 AP (−.150 to −.050"
    assert (
        worse in text and "is better than <code>mono</code> in the pool, +.300 AP (.200 to .400 over questions)" in text
    )
    assert "Not tested" not in text  # what this study cannot test is in notebook 07
    settings = text[text.index("made-with") :]
    assert settings.count("<details>") == 3 and "vocab_size" in settings
    facts = dict(re.findall(r"<dt>(.*?)</dt><dd>(.*?)</dd>", text))
    assert facts["study"] == "quick" and facts["seeds"] == "0, 1, 2" and re.fullmatch(r"\d{4}-\d\d-\d\d", facts["date"])
    assert facts["commit of this report"]


def test_pages_of_notebooks_fold_code_and_say_what_pictures_show(run: Run) -> None:
    with_results(run)
    text = (write_report(run).parent / "02_sampler.html").read_text(encoding="utf-8")
    assert text.count('<details class="code">') == 1 and "<details open" not in text
    (image,) = re.findall(r"<img[^>]*>", text)
    assert 'alt="How &lt;to&gt; read it"' in image
    assert text.index("<figcaption>How &lt;to&gt; read it</figcaption>") > text.index(image)
    assert re.findall(r'<li><a href="#(.*?)">(.*?)</a>', text) == [
        ("A-first-part", "A first part"),
        ("A-second-part", "A second part"),
    ]
    assert re.findall(r"<th>(\w+)</th>", text) == ["strategy", "AP", "0"]  # columns without a value are gone
    assert "prefers-color-scheme: dark" in text and "@media print" in text


@pytest.mark.parametrize("single", [False, True])
def test_the_report_can_be_moved(single: bool, run: Run, tmp_path: Path) -> None:
    with_results(run)
    (run.folder / "scores.csv").write_text("study\n")
    made = write_report(run, single)
    moved = tmp_path / "elsewhere" / "a b"
    moved.mkdir(parents=True)
    shutil.move(made if single else made.parent, moved)
    pages = [moved / "report.html"] if single else sorted((moved / "report").glob("*.html"))
    shutil.rmtree(run.folder)
    addresses = 0
    for page in pages:
        text = page.read_text(encoding="utf-8")
        assert all(re.search(r'alt="[^"]', image) for image in re.findall(r"<img[^>]*>", text))
        for address in re.findall(r'(?:src|href)="(?!data:)([^"]+)"', text):
            file, _, part = address.partition("#")
            there = (page.parent / file) if file else page
            assert there.is_file(), address
            assert not part or f'id="{part}"' in there.read_text(encoding="utf-8"), address
            addresses += 1
    assert addresses > 5
    if single:
        assert text.count("<img") == text.count('src="data:image/png;base64,') == 3


def test_what_notebooks_saw_follows_the_rule_of_evidence(run: Run) -> None:
    with_results(run)
    said = conclusions.saw(run, "04").data.splitlines()
    assert [line.partition(":")[0] for line in said] == [
        "- Established over other questions and other trainings",
        "- Shown for these trainings only; the next training may turn it",
        "- Not shown, which is not the same as no difference",
        "- AP within a language against AP in the pool, on atlas",
    ]
    assert "is worse than" in said[0] and "is better than" in said[1] and said[2].endswith(": nothing.")
    assert conclusions.saw(run, "07").data.splitlines()[1:] == ["- Claim 1 holds: a > b"]
    empty = {"models": 0, "steps": [], "limits": []}
    run.finish("06", empty)
    assert "no sets of languages" in conclusions.saw(run, "06").data
    step = {"strategy": "mono", "setting": "cross", "from_k": 1, "to_k": 2, "seen": "seen-seen", "mean": 0.5}
    run.finish("06", {"models": 4, "steps": [step | {"established": False}], "limits": ["One draw."]})
    found = conclusions.saw(run, "06").data
    assert "0 are established" in found and "RR" not in found and "One draw." in found
    run.finish("06", {"models": 4, "steps": [step | {"established": True}], "limits": []})
    assert "1 is established" in conclusions.saw(run, "06").data and "RR +.500" in conclusions.saw(run, "06").data


def test_without_executed_notebooks_the_command_is_named(run: Run) -> None:
    with pytest.raises(InputError, match="hybridkit run quick"):
        write_report(run)


def test_progress_bars_leave_the_executed_copy_and_warnings_stay(tmp_path: Path) -> None:
    bar = "mono seed 0:   0%|          | 0/250 [00:00<?]\rmono seed 0:  83%|████ | 207/250 [00:10<00:02]\n\n"
    outputs = [
        nbformat.v4.new_output("stream", name="stderr", text=text) for text in (bar, bar + "UserWarning: look\n")
    ]
    path = tmp_path / "01_a.ipynb"
    nbformat.write(nbformat.v4.new_notebook(cells=[nbformat.v4.new_code_cell("x", outputs=outputs)]), path)
    _strip_machine(path, Run("quick", tmp_path), "quick")
    (kept,) = nbformat.read(path, as_version=4).cells[0].outputs
    assert "UserWarning: look" in kept.text

"""The static pages of language pairs: what they show, that texts stay texts, and what they say is missing."""

import json
import re
from html.parser import HTMLParser
from pathlib import Path

from hybridkit.plots.palette import contrast
from hybridkit.report import inspected_run, views
from hybridkit.report.pages import write_pages
from hybridkit.report.pages.collect import Pair, TextStore, as_json, rankings
from hybridkit.report.pages.pair_page import colour_classes
from hybridkit.report.templates import render
from hybridkit.study.run import Run
from hybridkit.utils.characters import LONGEST, shown
from tests.inspected_run import HYBRID, made_run

EVIL = {
    "r01": "</script><script>alert(1)</script>",
    "r02": '<img src=x onerror="alert(2)">',
    "r03": "]]> --> \u2028 \u202e desrever",
    "r04": "long " * 20_000,
}


class Parts(HTMLParser):
    """Tags with their attributes, in order."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.tags: list[tuple[str, dict[str, str | None]]] = []
        self.feed(text)

    def handle_starttag(self, tag: str, attributes: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, dict(attributes)))

    def all(self, name: str) -> list[dict[str, str | None]]:
        return [attributes for tag, attributes in self.tags if tag == name]


def pages_of(folder: Path) -> dict[str, str]:
    index = write_pages(Run("quick", folder))
    return {path.name: path.read_text(encoding="utf-8") for path in sorted(index.parent.iterdir())}


def texts_of(pages: dict[str, str], tag: str) -> dict[str, list[list[object]]]:
    found: dict[str, list[list[object]]] = json.loads(pages[f"texts-{tag}.js"].split("] = ", 1)[1].rstrip().rstrip(";"))
    return found


def data_of(page: str) -> dict[str, dict[str, dict[str, list[list[list[object]]]]]]:
    match = re.search(r'<script type="application/json" id="page-data">(.*?)</script>', page, re.S)
    assert match is not None
    found: dict[str, dict[str, dict[str, list[list[list[object]]]]]] = json.loads(match[1])
    return found


def test_every_pair_and_pool_has_a_page_and_every_link_leads_to_a_file(tmp_path: Path) -> None:
    pages = pages_of(made_run(tmp_path / "mine"))
    names = {f"{query}_{side}.html" for query in ("ar", "de", "en") for side in ("ar", "de", "en", "pool")}
    assert {name for name in pages if name.endswith(".html")} == names | {"index.html"}
    for name in [*names, "index.html"]:
        parts = Parts(pages[name])
        links = {link["href"] for link in parts.all("a")}
        assert links - {"../index.html"} <= set(pages) and "../index.html" in links
        assert {script["src"] for script in parts.all("script") if "src" in script} <= set(pages)
        assert "default-src 'none'" in str(parts.all("meta")[1]["content"])
        assert not [tag for tag, attributes in parts.tags if "style" in attributes or tag == "style"]
        assert all("scope" in head for head in parts.all("th"))
    assert {link["href"] for link in Parts(pages["index.html"]).all("a")} >= names


def test_lists_and_passages_are_those_of_the_views(tmp_path: Path) -> None:
    folder = made_run(tmp_path / "mine")
    pages, inspected = pages_of(folder), inspected_run.open_inspected(folder)
    for query, side in (("de", "ar"), ("en", "en"), ("de", "*")):
        page = pages[f"{query}_{side.replace('*', 'pool')}.html"]
        frame = views.pair_queries(inspected, (query, side), HYBRID, minus="mono")
        ids = [str(body["data-id"]) for body in Parts(page).all("tbody") if "data-id" in body]
        assert ids[: len(frame)] == frame["query_id"].tolist()
        for place, shown_query in data_of(page)["queries"].items():
            query_id = str(texts_of(pages, query)["queries"][int(place)][0])
            for name, ranked in zip((HYBRID, "mono"), shown_query["top"], strict=True):
                wanted = views.ranking(inspected, query, query_id, side, name, top=5).head(5)
                found = [texts_of(pages, str(tag))["passages"][int(str(at))][:2] for tag, at, _, _ in ranked]
                assert found == wanted[["passage_id", "text"]].to_numpy().tolist()
                assert [mark for *_, mark in ranked] == (wanted["relevant"] * 1 + wanted["twin"] * 1).tolist()


def test_what_changed_most_is_what_the_runs_differ_in(tmp_path: Path) -> None:
    page = pages_of(made_run(tmp_path / "mine"))["de_ar.html"]
    # mono puts the Arabic answer to a German question last, the hybrid first, but for r03
    changed = page.split('data-testid="changed"')[1]
    assert 'data-id="r03"' not in changed and changed.count("▲ 11 better") == 11
    assert "worse" not in changed


def test_texts_stay_texts(tmp_path: Path) -> None:
    pages = pages_of(made_run(tmp_path / "mine", texts=EVIL))
    for name, text in pages.items():
        assert "<script>alert" not in text and "<img" not in text, name
        if name.startswith("texts-") or name == "matrix.js":
            assert not set("<>&\u2028\u2029\u202e") & set(text.split("= ", 1)[1].replace("{})", "")), name
    kept = {row[1] for row in texts_of(pages, "en")["passages"]}
    assert kept >= {shown(text) for text in EVIL.values()}
    assert EVIL["r01"] in kept and "[U+202E]" in shown(EVIL["r03"])
    cut = shown(EVIL["r04"])
    assert len(cut) < LONGEST + 40 and cut.endswith("… [98,000 more characters]")


def test_each_text_is_kept_once(tmp_path: Path) -> None:
    pages = pages_of(made_run(tmp_path / "mine"))
    everything = "\n".join(pages.values())
    for text in ("she is r05", "هي r05", "wer ist r05"):
        assert everything.count(text) == 1, text


def test_unchanged_results_write_nothing_and_the_same_bytes_come_again(tmp_path: Path) -> None:
    folder = made_run(tmp_path / "mine")
    first = pages_of(folder)
    times = {path: path.stat().st_mtime_ns for path in (folder / "report" / "pairs").iterdir()}
    assert pages_of(folder) == first
    assert {path: path.stat().st_mtime_ns for path in times} == times
    (folder / "report" / "pairs" / ".made-from").unlink()
    assert pages_of(folder) == first
    assert {path: path.stat().st_mtime_ns for path in times if path.is_file()} != times


def test_without_rank_tables_the_index_names_the_command(tmp_path: Path) -> None:
    folder = made_run(tmp_path / "mine")
    for path in (folder / "ranks").iterdir():
        path.unlink()
    pages = pages_of(folder)
    assert {name for name in pages if name.endswith(".html")} == {"index.html"}
    assert "hybridkit run mine" in pages["index.html"] and 'data-testid="matrix"' not in pages["index.html"]


def test_an_empty_run_still_gets_an_index(tmp_path: Path) -> None:
    (tmp_path / "none").mkdir()
    assert "hybridkit run" in pages_of(tmp_path / "none")["index.html"]


def test_one_strategy_has_no_change_and_no_minus(tmp_path: Path) -> None:
    pages = pages_of(made_run(tmp_path / "mine", strategies=("mono",)))
    assert 'data-testid="worst"' in pages["de_en.html"] and 'data-testid="changed"' not in pages["de_en.html"]
    assert "one strategy only" in pages["de_en.html"]
    select = pages["index.html"].split('<select id="minus"')[1].split("</select>")[0]
    assert select.count("<option") == 1


def test_without_embeddings_ranks_are_shown_and_the_command_is_named(tmp_path: Path) -> None:
    folder = made_run(tmp_path / "mine")
    for path in (folder / "embeddings").iterdir():
        path.unlink()
    page = pages_of(folder)["de_en.html"]
    assert 'data-testid="worst"' in page and 'data-testid="top"' not in page
    assert "No embeddings of" in page and "--complete" in page


def test_without_twins_there_are_no_glosses(tmp_path: Path) -> None:
    pages = pages_of(made_run(tmp_path / "mine", twins=False))
    assert {row[2] for row in texts_of(pages, "de")["passages"]} == {-1}
    assert {name for name in pages if name.endswith(".html")} >= {"de_de.html", "de_pool.html", "en_en.html"}


def test_numbers_on_every_colour_have_contrast() -> None:
    found = re.findall(r"background: #(\w{6}); color: #(\w{3})", colour_classes())
    assert len(found) == 42
    for background, ink in found:
        assert contrast(f"#{background}", "#ffffff" if ink == "fff" else "#000000") >= 4.5


def test_an_english_passage_that_was_a_twin_first_is_kept_once() -> None:
    store = TextStore()
    store.passage("t:de:1", "de", "Ja.", "Yes.")
    assert store.passage("t:en:1", "en", "Yes.", "") == 0
    assert store.files()["en"]["passages"] == [["t:en:1", "Yes.", -1]]


def test_half_a_surrogate_does_not_stop_a_page() -> None:
    assert as_json(shown("a\ud800b")) == '"a?b"'


def test_ids_are_as_safe_as_texts() -> None:
    store = TextStore()
    store.query("\u202ea", "en", "Who?")
    store.passage("\u2066b", "en", "She.", "")
    assert store.files()["en"] == {"queries": [["[U+202E]a", "Who?"]], "passages": [["[U+2066]b", "She.", -1]]}
    page = render("pages/index.html.j2", study="\u202e<b>", benchmark="", pairs={}, missing=["\u2067"])
    assert "[U+202E]&lt;b&gt;" in page and "[U+2067]" in page


def test_no_scores_no_rankings(tmp_path: Path) -> None:
    folder = made_run(tmp_path / "mine")
    (folder / "embeddings" / "h-query.npy").unlink()
    inspected = inspected_run.open_inspected(folder)
    frame = views.pair_queries(inspected, ("de", "en"), HYBRID, minus="mono").head(1)
    pair = Pair("de", "en", frame, frame, frame.head(0))
    (found,) = rankings(inspected, [pair], [HYBRID, "mono"], TextStore()).values()
    assert found[0] is None and found[1] is not None and len(found[1]) == 5

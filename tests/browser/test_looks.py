"""What measures pages is itself measured, on pages whose contrast and focus are known."""

import pytest

from tests.browser import looks
from tests.browser.watched import Watched

PAGE = """<body style="background: #fff; color: #767676">
<p id=enough>4.54</p><p id=pale style="color: #777">4.48</p><h1 style="font-size: 32px; color: #949494">3.03</h1>
<p id=mixed style="background: rgba(0, 0, 0, .5)">white half black</p>
<p style="color: color-mix(in srgb, #000 50%, #fff)">mixed</p><p hidden style="color: #fff">unseen</p>
<button data-testid=one aria-label="The first">1</button>
<label>Name <input data-testid=two style="outline: none"></label>
<button disabled>none</button><a data-testid=three href="#">a link</a>
<div id=wide style="width: 2000px; height: 1px"></div></body>"""


def test_contrast_is_that_of_the_standard(watched: Watched) -> None:
    watched.page.set_content(PAGE)
    found = {one["text"]: one["ratio"] for one in looks.contrasts(watched.page.locator("body"))}
    assert found["4.54"] == pytest.approx(4.54, abs=0.01)
    assert found["4.48"] == pytest.approx(4.48, abs=0.01)
    assert found["white half black"] == pytest.approx(1.151, abs=0.01)  # on #808080
    assert found["mixed"] == pytest.approx(3.95, abs=0.03)  # #808080 on white
    assert "unseen" not in found and "none" not in found
    assert {one["text"] for one in looks.too_pale(watched.page.locator("body"))} == {
        "4.48",
        "white half black",
        "mixed",
    }


def test_stops_of_the_tab_key_and_width(watched: Watched) -> None:
    watched.page.set_content(PAGE)
    stops = looks.tab_stops(watched.page, watched.page.locator("body"))
    assert [(stop.key, stop.tag, stop.name, stop.visible) for stop in stops] == [
        ("one", "button", "The first", True),
        ("two", "input", "Name", False),
        ("three", "a", "a link", True),
    ]
    assert looks.overflow(watched.page) > 700
    assert ["wide" in one for one in looks.cut_off(watched.page.locator("body"))] == [True]


def test_an_error_of_the_console_and_a_dialog_are_noted(watched: Watched) -> None:
    watched.page.set_content("<script>console.error('E'); alert('D'); setTimeout(() => { throw Error('T') })</script>")
    watched.page.wait_for_function("() => document.readyState === 'complete'")
    watched.page.evaluate("() => new Promise((done) => setTimeout(done))")
    assert [text.partition(" (")[0] for text in watched.errors] == ["E", "uncaught: T"]
    assert watched.dialogs == ["D"]
    watched.errors.clear()
    watched.dialogs.clear()

"""The look of every figure: a print style, fonts and line breaks for every script, files that repeat byte for byte."""

import re
import textwrap
import unicodedata
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import cache, wraps
from io import BytesIO
from pathlib import Path
from typing import Any, ParamSpec

import matplotlib
import numpy as np
from matplotlib.axes import Axes
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from matplotlib.font_manager import FontProperties, fontManager, get_font
from matplotlib.text import Text
from matplotlib.ticker import MaxNLocator

from hybridkit.data.languages import language
from hybridkit.errors import InputError
from hybridkit.utils.files import atomic_write

Arguments = ParamSpec("Arguments")
FONTS = Path(__file__).parent / "fonts"
FAMILIES = ("DejaVu Sans", "Kit Noto Arabic", "Kit Noto Devanagari", "Kit Noto Thai", "Kit Noto Chinese")
_SCRIPT_FAMILY = {
    "Arab": "Kit Noto Arabic",
    "Deva": "Kit Noto Devanagari",
    "Thai": "Kit Noto Thai",
    "Hans": "Kit Noto Chinese",
    "Hant": "Kit Noto Chinese",
    "Jpan": "Kit Noto Chinese",
}
MISSING = "#dddddd"  # cells without a value, hatched
GREYED = "#e9e9e9"  # cells whose value is not significant
WIDTH = 7.2  # inches: two columns of a journal page, the widest that a figure is
EDGE = 0.04  # inches that are left free around it
DIGITS = 7.0  # points, the smallest letters
STYLE: dict[str, Any] = {
    "font.size": 8,
    "axes.titlesize": 8.5,
    "axes.labelsize": 8,
    "xtick.labelsize": 7.5,
    "ytick.labelsize": 7.5,
    "legend.fontsize": 7.5,
    "legend.frameon": False,
    "figure.titlesize": 9.5,
    "figure.constrained_layout.use": True,
    "figure.constrained_layout.w_pad": 0.07,
    "axes.formatter.useoffset": False,  # an axis shows its values whole
    "axes.formatter.limits": (-7, 12),  # without a power of ten at its end
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.axisbelow": True,
    "axes.linewidth": 0.6,
    "xtick.major.width": 0.6,
    "ytick.major.width": 0.6,
    "grid.color": "#e4e4e4",
    "grid.linewidth": 0.6,
    "hatch.linewidth": 0.4,
    "lines.linewidth": 1.4,
    "savefig.dpi": 200,
    "svg.fonttype": "path",  # the reader's machine needs no font
    "svg.hashsalt": "hybridkit",
}
_UNSPACED = re.compile(  # Thai, Lao, Myanmar, Khmer, kana, Han: written without spaces between words
    "[\u0e00-\u0eff\u1000-\u109f\u1780-\u17ff\u3001-\u30ff\u3400-\u9fff\uf900-\ufaff\uff01-\uff60]"
)
_NEVER_FIRST = frozenset("、。，．：；！？）」』】〉》”’)]}.,:;!?%…々ーๆฯ")
_NEVER_LAST = frozenset("（「『【〈《“‘([{เแโใไ")
LEFT_TO_RIGHT_MARK, RIGHT_TO_LEFT_MARK = "\u200e", "\u200f"
_CLAUSES = frozenset({"Thai", "Laoo", "Khmr", "Mymr"})  # a space ends a clause; a break elsewhere may cut a word


def fonts(script: str = "") -> list[str]:
    """Return families to draw text with, the one made for `script` (ISO 15924) first; registers the bundled fonts.

    >>> fonts("Thai")[:2]
    ['Kit Noto Thai', 'DejaVu Sans']
    """
    _register()
    first = [_SCRIPT_FAMILY[script]] if script in _SCRIPT_FAMILY else []
    return [*first, *(family for family in FAMILIES if family not in first)]


@cache
def _register() -> None:
    for path in sorted([*FONTS.glob("*.ttf"), *FONTS.glob("*.otf")]):
        fontManager.addfont(path)


@cache
def _characters() -> frozenset[int]:
    _register()
    paths = [fontManager.findfont(FontProperties(family=[family]), fallback_to_default=False) for family in FAMILIES]
    return frozenset(point for path in paths for point in get_font(path).get_charmap())


def covers(text: str) -> bool:
    """Return whether the fonts that come along have every character of a text.

    >>> covers("हिन्दी ไทย 中文 العربية Ελληνικά Tiếng Việt"), covers("తెలుగు")
    (True, False)
    """
    return all(ord(character) in _characters() for character in text)


@contextmanager
def print_style() -> Iterator[None]:
    """Set the print style for a block, from matplotlib's defaults and not the caller's settings, which come back."""
    settings: Any = {**STYLE, "font.family": fonts()}
    with matplotlib.rc_context():
        matplotlib.rcdefaults()
        matplotlib.rcParams.update(settings)
        yield


class Page(Figure):
    """A figure that shows itself as the result of a notebook cell, without pyplot and its global state."""

    def _repr_png_(self) -> bytes:
        picture = BytesIO()
        with print_style():
            self.savefig(picture, format="png", dpi=130, metadata={"Software": None})
        return picture.getvalue()


def printed(draw: Callable[Arguments, Figure]) -> Callable[Arguments, Figure]:
    """Run a drawing function in the print style, without touching the caller's settings.

    The figure is laid out here, once for all files made of it: matplotlib makes ticks and layout late and would make
    them in whatever style is set at that time.
    """

    @wraps(draw)
    def styled(*args: Arguments.args, **kwargs: Arguments.kwargs) -> Figure:
        with print_style():
            figure = draw(*args, **kwargs)
            _lay_out(figure)
        return figure

    return styled


def _lay_out(figure: Figure) -> None:
    """Run the layout until nothing moves: square axes and the room for their labels settle in turns."""
    engine = figure.get_layout_engine()
    if engine is None or not figure.axes:
        return
    width, height = figure.get_size_inches()
    across, up = EDGE / width, EDGE / height
    engine.set(rect=(across, up, 1 - 2 * across, 1 - 2 * up))  # type: ignore[call-arg]
    before = np.zeros((len(figure.axes), 4))
    for _ in range(10):
        engine.execute(figure)
        bounds = np.array([axes.get_position().bounds for axes in figure.axes])
        if len(bounds) == len(before) and np.allclose(bounds, before, atol=1e-3):
            break
        before = bounds
    figure.set_layout_engine("none")
    for axes in figure.axes:  # the solver's last digits differ from run to run, and files have to repeat
        for which in ("original", "active"):
            left, low, wide, high = axes.get_position(original=which == "original").bounds
            axes.set_position((round(left, 5), round(low, 5), round(wide, 5), round(high, 5)), which=which)


def panels(rows: int, columns: int, width: float, height: float, **options: Any) -> tuple[Figure, list[Axes]]:
    """Make a figure of rows x columns axes, sizes in inches, axes in reading order; outside pyplot's global state."""
    figure = Page(figsize=(width, height))
    axes = figure.subplots(rows, columns, squeeze=False, **options)
    return figure, list(axes.ravel())


def many(
    count: int, height: float, more: float, width: float = 0.0, most: int = 3, **options: Any
) -> tuple[Figure, list[Axes]]:
    """Make `count` axes, at most `most` beside each other; `height` is that of a line, `more` that of the rest.

    Without a `width` (inches), columns are as wide as a third of a page.
    """
    rows = -(-count // most)
    columns = -(-count // rows)  # four are two and two, rather than three and one
    figure, axes = panels(rows, columns, width or max(WIDTH * columns / 3, 4.2), rows * height + more, **options)
    for spare in axes[count:]:
        spare.set_visible(False)
    return figure, axes[:count]


def foot(figure: Figure, handles: list[Any], text: str = "", columns: int = 5) -> None:
    """Put one legend for the whole figure under it, `columns` or one more beside each other, and a line of text.

    The line says what marks and bars mean; without handles it is alone.
    """
    letters = int(17.5 * figure.get_figwidth())
    text = "\n".join(part for line in text.splitlines() for part in textwrap.wrap(line, letters))
    if handles:
        across = -(-len(handles) // -(-len(handles) // (columns + 1)))  # lines of about equal length
        legend = figure.legend(handles=handles, loc="outside lower center", ncols=across, title=text or None)
        legend.get_title().set(fontsize=7, color="#444444")
    elif text:
        figure.supxlabel(text, fontsize=7, color="#444444")


@printed
def note(text: str) -> Figure:
    """Return a figure that says why there is nothing to draw."""
    figure, (axes,) = panels(1, 1, WIDTH, 0.5)
    axes.set_axis_off()
    lines = "\n".join(textwrap.wrap(text, 110))
    axes.text(0.5, 0.5, lines, ha="center", va="center", color="#444444", parse_math=False)
    return figure


def round_ticks(count: int = 5, least: int = 2) -> MaxNLocator:
    """Tick bounds in steps of 1, 2 or 5 of a power of ten, `least` or more."""
    return MaxNLocator(count, steps=[1, 2, 5, 10], min_n_ticks=least)


def save(figure: Figure, folder: Path, name: str) -> tuple[Path, Path]:
    """Write a figure as `name.png` (200 dpi) and `name.svg` (text as paths), each whole or absent.

    The same figure gives the same bytes: no dates, no versions, fixed SVG ids. Returns both paths.

    >>> import tempfile
    >>> [path.name for path in save(Figure(figsize=(1, 1)), Path(tempfile.mkdtemp()), "empty")]
    ['empty.png', 'empty.svg']
    """
    paths = (Path(folder) / f"{name}.png", Path(folder) / f"{name}.svg")
    metadata: list[dict[str, Any]] = [{"Software": None}, {"Date": None, "Creator": None}]
    for path, tags in zip(paths, metadata, strict=True):
        with print_style(), atomic_write(path) as temporary:
            figure.savefig(temporary, format=path.suffix[1:], metadata=tags)
    return paths


def language_label(tag: str, endonym: bool = True) -> str:
    """Return a language as an axis names it: its tag, and its own name where the fonts of the kit have it.

    >>> language_label("ru"), language_label("ru", endonym=False), language_label("te")
    ('русский  ru', 'ru', 'te')
    """
    try:
        name = language(tag).endonym if endonym else ""
    except InputError:  # a frame may speak of "other"; the corpus has checked real tags long before
        name = ""
    if not name or not covers(name):
        return tag
    mark = LEFT_TO_RIGHT_MARK if language(tag).direction == "rtl" else ""  # the tag is to the right of every name
    return f"{mark}{name}  {tag}"


def pieces(text: str) -> list[str]:
    """Split a text where a line may end: after spaces, and in scripts without spaces between grapheme clusters.

    Follows the classes of UAX 14 that matter here (no closing mark begins a line, no opening one ends it); Thai is
    broken between clusters rather than words, since words need a dictionary.

    >>> pieces("two words")
    ['two ', 'words']
    >>> pieces("首都是？好")
    ['首', '都', '是？', '好']
    """
    found: list[str] = []
    for word in re.findall(r"\s*\S+\s*", text):
        for character in word:
            joins = bool(found) and not found[-1][-1:].isspace() and _joins(found[-1][-1], character)
            if found and (joins or character.isspace()):
                found[-1] += character
            else:
                found.append(character)
    return found


def _joins(before: str, character: str) -> bool:
    if unicodedata.category(character).startswith("M") or character == "\u0e33" or character in _NEVER_FIRST:
        return True
    if before in _NEVER_LAST:
        return True
    return not (_UNSPACED.match(before) or _UNSPACED.match(character))


def wrap(figure: Figure, text: str, tag: str, width: float, size: float, most: int = 6) -> list[str]:
    """Break a text of a language into lines no wider than `width` inches at `size` points; at most `most` lines.

    The last line ends in "…" when text is left over. Lines of a right-to-left language begin with U+200F, so that one
    which happens to begin with a Latin name still runs from the right.
    """
    probe = Text(0, 0, "", fontsize=size, fontfamily=fonts(language(tag).script), figure=figure)
    renderer = FigureCanvasAgg(figure).get_renderer()  # type: ignore[no-untyped-call]

    def fits(line: str) -> bool:
        probe.set_text(line.strip())
        return bool(probe.get_window_extent(renderer).width <= width * figure.dpi)

    lines: list[str] = []
    line: list[str] = []
    for piece in pieces(" ".join(text.split())):
        if line and not fits("".join([*line, piece])):
            at = _last_space(line) if language(tag).script in _CLAUSES else len(line)
            lines.append("".join(line[:at]))
            line = line[at:]
            if len(lines) == most:
                lines[-1] = _shorten(lines[-1], fits)
                break
        line.append(piece)
    else:
        lines.append("".join(line))
    mark = RIGHT_TO_LEFT_MARK if language(tag).direction == "rtl" else ""
    return [mark + line.strip() for line in lines]


def _last_space(line: list[str]) -> int:
    """Where to break before: after the last space in the second half of a line, else at its end."""
    for at in range(len(line), len(line) // 2, -1):
        if line[at - 1].endswith(" "):
            return at
    return len(line)


def _shorten(line: str, fits: Callable[[str], bool]) -> str:
    parts = pieces(line)
    while len(parts) > 1 and not fits("".join(parts).strip() + "…"):
        parts.pop()
    return "".join(parts).strip() + "…"

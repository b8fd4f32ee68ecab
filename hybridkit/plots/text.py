"""Language labels for axes, and the breaking of text of any script into lines of a given width."""

import re
import unicodedata
from collections.abc import Callable

from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from matplotlib.text import Text

from hybridkit.errors import InputError
from hybridkit.languages import language
from hybridkit.plots.style import covers, fonts

_UNSPACED = re.compile(  # Thai, Lao, Myanmar, Khmer, kana, Han: written without spaces between words
    "[\u0e00-\u0eff\u1000-\u109f\u1780-\u17ff\u3001-\u30ff\u3400-\u9fff\uf900-\ufaff\uff01-\uff60]"
)
_NEVER_FIRST = frozenset("、。，．：；！？）」』】〉》”’)]}.,:;!?%…々ーๆฯ")
_NEVER_LAST = frozenset("（「『【〈《“‘([{เแโใไ")
LEFT_TO_RIGHT_MARK, RIGHT_TO_LEFT_MARK = "\u200e", "\u200f"
_CLAUSES = frozenset({"Thai", "Laoo", "Khmr", "Mymr"})  # a space ends a clause; a break elsewhere may cut a word


def language_label(tag: str, endonym: bool = True) -> str:
    """A language on an axis: its tag, and its own name where the fonts of the kit have it.

    >>> language_label("ru"), language_label("ru", endonym=False), language_label("te")
    ('русский  ru', 'ru', 'te')
    """
    try:
        name = language(tag).endonym if endonym else ""
    except InputError:  # a frame may speak of "other"; the corpus has checked real tags long before
        name = ""
    if not name or not covers(name):
        return tag
    mark = LEFT_TO_RIGHT_MARK if language(tag).direction == "rtl" else ""  # the tag stands right of every name
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

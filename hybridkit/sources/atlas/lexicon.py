"""The lexicon of atlas: names of one word, and a word list for the templates, in MUSE's format."""

import csv
import io
from pathlib import Path

from hybridkit.errors import InputError
from hybridkit.files import read_lines
from hybridkit.sources.atlas import names
from hybridkit.sources.atlas.names import LANGUAGES, Names

WORDS = Path(__file__).parent / "words.csv"
OTHERS = tuple(tag for tag in LANGUAGES if tag != "en")


def lexicons() -> dict[str, str]:
    r"""Make the file of each language other than English, by its tag: `word TAB translation` lines.

    First the words of the templates, then the names that are one word in English and in the language; a name that is
    the same in both is left out, since it would replace a word by itself.

    >>> lexicons()["de"].splitlines()[0], "Denmark\tDänemark" in lexicons()["de"]
    ('about\tetwa', True)
    """
    pairs: dict[str, dict[tuple[str, str], None]] = {tag: {} for tag in OTHERS}
    for word, translations in read_words().items():
        for tag, found in translations.items():
            pairs[tag] |= dict.fromkeys((word, one) for one in found)
    for own in _names():
        for tag in OTHERS:
            if _one_word(own["en"]) and _one_word(own[tag]) and own[tag].casefold() != own["en"].casefold():
                pairs[tag][own["en"], own[tag]] = None
    return {tag: "".join(f"{word}\t{other}\n" for word, other in found) for tag, found in pairs.items()}


def read_words(path: Path = WORDS) -> dict[str, dict[str, tuple[str, ...]]]:
    """Read the word list: English word -> language -> its translations, where it has one of one word.

    Raises InputError naming file and line for a column too many or too few, a word that stands twice, or one that is
    not one word.
    """
    columns = ["en", *OTHERS]
    found: dict[str, dict[str, tuple[str, ...]]] = {}
    for number, text in read_lines(path):
        cells = next(csv.reader(io.StringIO(text)))
        if number == 1 and cells != columns:
            raise InputError(f"{path}, line 1: the columns are {', '.join(cells)}, not {', '.join(columns)}")
        if number == 1:
            continue
        where = f"{path}, line {number}"
        if len(cells) != len(columns):
            raise InputError(f"{where}: {len(cells)} columns, not {len(columns)}; leave one empty where no word fits")
        word, *rest = cells
        given = {tag: tuple(cell.split("/")) for tag, cell in zip(OTHERS, rest, strict=True) if cell}
        if wrong := [one for one in [word, *(one for many in given.values() for one in many)] if not _one_word(one)]:
            raise InputError(f"{where}: {wrong[0]!r} is not one word; put a slash between two translations")
        if word in found:
            raise InputError(f"{where}: {word!r} stands twice; put its translations on one line")
        found[word] = given
    return found


def _names() -> list[Names]:
    """All names that atlas may speak of, kind after kind; weekdays too."""
    kinds = [
        names.territory_names(), names.region_names(), names.language_names(), names.script_names(),
        names.city_names(), names.currency_names(names.locale("en").currencies),
    ]  # fmt: skip
    weekdays = [{tag: names.weekday_name(tag, day) for tag in LANGUAGES} for day in range(7)]
    return [own for kind in kinds for _, own in sorted(kind.items())] + weekdays


def _one_word(text: str) -> bool:
    return bool(text) and len(text.split()) == 1 and any(character.isalpha() for character in text)

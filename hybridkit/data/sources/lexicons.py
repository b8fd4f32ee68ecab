"""Bilingual lexicons in MUSE's format: files `en-LANG.txt` with lines `word translation`, each checked."""

import hashlib
import itertools
import unicodedata
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass
from functools import cached_property, lru_cache
from pathlib import Path

from hybridkit.data.languages import language
from hybridkit.data.sources.fetch import find
from hybridkit.data.sources.registry import DATA_SETS
from hybridkit.errors import InputError
from hybridkit.utils.characters import visible
from hybridkit.utils.files import digest, read_lines

Words = Mapping[str, tuple[str, ...]]
_HOME: ContextVar[Path | None] = ContextVar("_HOME", default=None)
_HOMES: dict[Path, None] = {}
DOTTED = ("az", "azj", "tr")  # i and ı are two letters, with capitals İ and I


def fold(word: str, tag: str) -> str:
    r"""Return the form in which a word of a language is looked up: what is `visible`, lower case, composed (NFC).

    >>> fold("MO\u00adNEY", "en"), fold("ISI", "tr")
    ('money', 'ısı')
    """
    word = visible(word)
    if tag.partition("-")[0] in DOTTED:
        word = word.replace("İ", "i").replace("I", "ı")
    return unicodedata.normalize("NFC", word.lower())


def read_lexicon(path: Path) -> list[tuple[str, str]]:
    """Read one lexicon: (English word, translation) pairs in the order of the file; blank lines are skipped.

    Raises:
        InputError: With file and line, for a line that is not two words with a tab or spaces between, or an empty file.
    """
    pairs = []
    once: dict[str, str] = {}  # a word is on many lines, and in memory once
    for number, text in read_lines(path):
        words = [word for word in text.split() if visible(word)]
        if len(words) != 2:
            raise InputError(
                f"{path}, line {number}: {text[:60]!r} has {len(words)} words; a line is one English word, a tab or a "
                "space, and one word that translates it"
            )
        word, translation = words
        pairs.append((once.setdefault(word, word), once.setdefault(translation, translation)))
    if not pairs:
        raise InputError(f"{path}: the lexicon is empty; give one word and one translation a line, or get it again")
    return pairs


@dataclass(frozen=True, eq=False)
class Lexicon:
    """English and one other language: `pairs` as the file has them, and a dict of every direction.

    A word's translations are in the order of the file, usually the best one first. Keys are folded (`fold`),
    translations are spelt as in the file.
    """

    tag: str
    pairs: Sequence[tuple[str, str]]

    @cached_property
    def from_english(self) -> Words:
        """English word -> its translations."""
        return _grouped((fold(word, "en"), translation) for word, translation in self.pairs)

    @cached_property
    def to_english(self) -> Words:
        """Word of the other language -> its translations: the same lines, inverted."""
        return _grouped((fold(translation, self.tag), word) for word, translation in self.pairs)


@dataclass(frozen=True, eq=False)
class Lexicons:
    """The lexicons of one folder, by language; one side of each is English. `fingerprint` is their hash."""

    name: str
    lexicons: Mapping[str, Lexicon]
    fingerprint: str

    @classmethod
    def open(cls, name: str, languages: Sequence[str] | None = None) -> "Lexicons":
        r"""Open the lexicons of a data set ("muse", "atlas") or of a folder with files `en-LANG.txt`.

        Only those of `languages` are read, all where it is None; English has no file. A process reads a file once, and
        again only when its content has changed.

        Raises:
            InputError: For an unknown name, a language without a file, a broken line.
            MissingDataError: For a data set whose files are missing.

        >>> import tempfile
        >>> folder = Path(tempfile.mkdtemp())
        >>> _ = (folder / "en-de.txt").write_text("bank Bank\nbank Ufer\nshore Ufer")
        >>> _ = (folder / "en-es.txt").write_text("shore orilla")
        >>> lexicons = Lexicons.open(str(folder))
        >>> lexicons.languages, lexicons.translations("bank", "en", ["de"]), lexicons.translations("Ufer", "de", ["es"])
        (('de', 'es'), {'de': ('Bank', 'Ufer')}, {'es': ('orilla',)})
        """
        files = _files(name)
        wanted = sorted(set(files if languages is None else languages) - {"en"})
        if missing := [tag for tag in wanted if tag not in files]:
            raise InputError(
                f"lexicon {name!r}: no file en-{missing[0]}.txt, and {', '.join(missing)} "
                f"{'is' if len(missing) == 1 else 'are'} needed; it has {', '.join(files) or 'no language'}. Add the "
                f"file, or name the languages that take part: codeswitch(..., languages=[...]) or languages='shared'"
            )
        content = {tag: files[tag].read_bytes() for tag in wanted}
        hashes = {tag: hashlib.sha256(data).hexdigest() for tag, data in content.items()}
        opened = {tag: _read(files[tag], tag, hashes[tag]) for tag in wanted}
        return cls(name, opened, digest("lexicons", hashes))

    @property
    def languages(self) -> tuple[str, ...]:
        """The languages other than English, sorted."""
        return tuple(self.lexicons)

    def translations(self, word: str, source: str, targets: Sequence[str]) -> dict[str, tuple[str, ...]]:
        """Return all translations of a word into each of the targets that has any, best first.

        Between two languages other than English, English is the pivot: the translations of the word's first English
        translation come first, then those of the next, each once.
        """
        english: tuple[str, ...] = (word,)
        if source != "en":
            english = self.lexicons[source].to_english.get(fold(word, source), ()) if source in self.lexicons else ()
        folded = [fold(word, "en") for word in english]
        found = {}
        for target in targets if english else ():
            if target == "en" and source != "en":
                found[target] = english
            elif target in self.lexicons:
                onward = self.lexicons[target].from_english
                into = [onward[key] for key in folded if key in onward]
                if into:
                    found[target] = into[0] if len(into) == 1 else tuple(dict.fromkeys(itertools.chain(*into)))
        return found


def lexicon_languages(name: str) -> tuple[str, ...]:
    """Return the languages other than English that a lexicon has files for, sorted; the files are not read."""
    return tuple(_files(name))


def _files(name: str) -> dict[str, Path]:
    folder = _folder(name)
    files = {}
    for path in sorted(folder.glob("en-*.txt")):
        tag = path.stem.removeprefix("en-")
        try:
            language(tag)
        except InputError as error:
            raise InputError(f"{path}: {error}; a lexicon's file is named en-LANG.txt") from error
        files[tag] = path
    if not files:
        raise InputError(f"lexicon {name!r}: {folder} has no file en-LANG.txt, such as en-de.txt; add one a language")
    return files


def _folder(name: str) -> Path:
    # `atlas` is the name of a corpus, and of its lexicon where a lexicon is meant
    for known in (name, f"{name}-lexicon"):
        if known in DATA_SETS and DATA_SETS[known].kind == "lexicon":
            return find(DATA_SETS[known])
    folder = (_HOME.get() or Path()) / Path(name).expanduser()
    if not folder.is_dir():
        there = ", ".join(data.name.removesuffix("-lexicon") for data in DATA_SETS.values() if data.kind == "lexicon")
        where = "" if _HOME.get() is None else f" in {_HOME.get()}"
        raise InputError(f"lexicon {name!r}: no such folder{where}, and no lexicon of the kit; it knows {there}")
    return folder


@contextmanager
def lexicons_from(folder: Path | None) -> Iterator[None]:
    """Let lexicons that are relative paths start from a folder, that of a study; None is the current one."""
    before = _HOME.set(folder)
    try:
        yield
    finally:
        _HOME.reset(before)


def remember(folder: Path) -> None:
    """Remember the folder of a study: a plan finds its lexicon again by its content, among `homes`."""
    _HOMES[folder.absolute()] = None


def homes() -> list[Path | None]:
    """Return the folders that relative paths of lexicons start from: the current one (None) and those of studies."""
    return list(dict.fromkeys([_HOME.get(), None, *_HOMES]))


@lru_cache(maxsize=64)
def _read(path: Path, tag: str, sha256: str) -> Lexicon:
    """The hash is a key of the cache: changed content is read again."""
    return Lexicon(tag, read_lexicon(path))


def _grouped(pairs: Iterable[tuple[str, str]]) -> Words:
    found: dict[str, dict[str, None]] = {}
    for word, translation in pairs:
        found.setdefault(word, {})[translation] = None
    return {word: tuple(translations) for word, translations in found.items()}

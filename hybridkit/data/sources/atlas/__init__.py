"""atlas, the bundled parallel corpus: generated from CLDR (through Babel) and sentence templates, in 11 languages.

`build` makes the rows and holds out combinations of entity and relation; `facts` has what the rows state. It may import
`data` and `utils`. `python -m hybridkit.data.sources.atlas` makes the files again.
"""

import csv
import io
import itertools
import json
import lzma
from collections import defaultdict
from pathlib import Path
from string import Formatter
from typing import Any

import numpy as np

from hybridkit.data.rows import normalise
from hybridkit.data.sources.atlas import facts as names
from hybridkit.data.sources.atlas.facts import LANGUAGES, RELATIONS, Fact, Names, facts
from hybridkit.errors import InputError
from hybridkit.utils import yaml_files
from hybridkit.utils.files import atomic_write, read_lines
from hybridkit.utils.seeds import generator

FOLDER = Path(__file__).parent / "templates"
LEAST = 3  # wordings of each question and each passage
Templates = dict[str, dict[str, list[str]]]  # group -> "passages" or a relation -> wordings
HELD_OUT_PASSAGES = 200
MOST_CITIES = 2  # held out of one territory, so that the United States do not fill the split
Row = dict[str, Any]  # id, passage_id, query {language: text}, passage {language: text}


def read_templates(folder: Path = FOLDER) -> dict[str, Templates]:
    """Return the templates of every language, checked.

    Raises:
        InputError: With file and key, for a missing file or key, an unknown key, fewer than three wordings, a duplicate
            wording, or slots that are not those of the relation.

    >>> read_templates()["de"]["home"]["land"][1]
    'Wo spricht man hauptsächlich {x}?'
    """
    return {language: read_language(folder / f"{language}.yaml") for language in LANGUAGES}


def read_language(path: Path) -> Templates:
    """Return the templates of one language's file, checked; see `read_templates`."""
    if not path.is_file():
        raise InputError(f"{path}: there is no such file; every language of atlas must have its templates")
    content = yaml_files.value_of(path)
    _same_keys(path, "", content, set(RELATIONS))
    for group, relations in RELATIONS.items():
        _same_keys(path, group, content[group], {"passages", *relations})
        _check(path, f"{group}.passages", content[group]["passages"], {"x", *relations})
        for relation in relations:
            _check(path, f"{group}.{relation}", content[group][relation], {"x"})
    checked: Templates = content
    return checked


def _same_keys(path: Path, key: str, content: Any, wanted: set[str]) -> None:
    where = f"{path}, key {key}" if key else str(path)
    if not isinstance(content, dict):
        raise InputError(f"{where}: not a mapping; give the keys {', '.join(sorted(wanted))}")
    if missing := wanted - set(content):
        raise InputError(f"{where}: {', '.join(sorted(missing))} missing; add at least {LEAST} wordings of each")
    if unknown := set(map(str, content)) - wanted:
        raise InputError(f"{where}: unknown key {', '.join(sorted(unknown))}; take it out or correct its spelling")


def _check(path: Path, key: str, wordings: Any, slots: set[str]) -> None:
    where = f"{path}, key {key}"
    if not isinstance(wordings, list) or not all(isinstance(wording, str) and wording.strip() for wording in wordings):
        raise InputError(f"{where}: not a list of texts; write each wording as a quoted line of its own")
    if len({" ".join(wording.split()).casefold() for wording in wordings}) != len(wordings) or len(wordings) < LEAST:
        raise InputError(f"{where}: {len(wordings)} wordings; give at least {LEAST} different ones")
    for wording in wordings:
        try:
            found = [name for _, name, _, _ in Formatter().parse(wording) if name is not None]
        except ValueError as error:
            raise InputError(f"{where}: {wording!r} has a broken slot ({error}); write slots as {{x}}") from error
        if set(found) != slots:
            wanted = ", ".join(f"{{{slot}}}" for slot in sorted(slots))
            raise InputError(
                f"{where}: {wording!r} does not have exactly the slots {wanted}; add or take out what differs"
            )


WORDS = Path(__file__).parent / "words.csv"
OTHERS = tuple(tag for tag in LANGUAGES if tag != "en")


def lexicons() -> dict[str, str]:
    r"""Return the file of each language other than English, by its tag: `word TAB translation` lines.

    First come the words of the templates, then the names that are one word in English and in the language; a name that
    is the same in both is left out, since it would replace a word by itself.

    >>> lexicons()["de"].splitlines()[0], "Denmark\tDänemark" in lexicons()["de"]
    ('about\tetwa', True)
    """
    pairs: dict[str, dict[tuple[str, str], None]] = {tag: {} for tag in OTHERS}
    for word, translations in read_words().items():
        for tag, found in translations.items():
            pairs[tag] |= dict.fromkeys((word, translation) for translation in found)
    for own in _names():
        for tag in OTHERS:
            if _one_word(own["en"]) and _one_word(own[tag]) and own[tag].casefold() != own["en"].casefold():
                pairs[tag][own["en"], own[tag]] = None
    return {tag: "".join(f"{word}\t{other}\n" for word, other in found) for tag, found in pairs.items()}


def read_words(path: Path = WORDS) -> dict[str, dict[str, tuple[str, ...]]]:
    """Return the word list: English word -> language -> its translations of one word.

    Raises:
        InputError: With file and line, for another number of columns, a duplicate word, or more than one word.
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
        if wrong := [text for text in [word, *itertools.chain(*given.values())] if not _one_word(text)]:
            raise InputError(f"{where}: {wrong[0]!r} is not one word; put a slash between two translations")
        if word in found:
            raise InputError(f"{where}: {word!r} is duplicated; put its translations on one line")
        found[word] = given
    return found


def _names() -> list[Names]:
    """All names that atlas uses, kind after kind; weekdays too."""
    kinds = [
        names.territory_names(),
        names.region_names(),
        names.language_names(),
        names.script_names(),
        names.city_names(),
        names.currency_names(names.locale("en").currencies),
    ]
    weekdays = [{tag: names.weekday_name(tag, day) for tag in LANGUAGES} for day in range(7)]
    return [own for kind in kinds for _, own in sorted(kind.items())] + weekdays


def _one_word(text: str) -> bool:
    return bool(text) and len(text.split()) == 1 and any(character.isalpha() for character in text)


def build(seed: int = 0) -> tuple[list[Row], list[Row]]:
    """Return the training rows and the held-out rows, each sorted by id; equal seeds give equal rows.

    A row's query is about one relation of one entity: its id is ENTITY/GROUP/RELATION, its passage_id ENTITY/GROUP.
    Every held-out entity and relation also occurs in training, never together; no text occurs twice. Wordings are drawn
    for every language on its own.

    >>> train, held_out = build()
    >>> sorted(held_out[0]["query"]) == sorted(LANGUAGES)
    True
    """
    known = facts(seed)
    held_out = _held_out(known, seed)
    templates = read_templates()
    seen: set[tuple[str, str]] = set()
    splits: tuple[list[Row], list[Row]] = ([], [])
    for fact in known:
        splits[fact.id in held_out].extend(_rows(fact, templates, generator(seed, "atlas", "wording", fact.id), seen))
    return splits


def write(folder: Path, seed: int = 0) -> None:
    """Write `train.jsonl.xz` and `heldout.jsonl.xz` into a folder, one row a line, and `lexicons/en-LANG.txt`."""
    for tag, lines in lexicons().items():
        with atomic_write(Path(folder) / "lexicons" / f"en-{tag}.txt") as temporary:
            temporary.write_text(lines, encoding="utf-8", newline="\n")
    for name, rows in zip(("train", "heldout"), build(seed), strict=True):
        with atomic_write(Path(folder) / f"{name}.jsonl.xz") as temporary:
            temporary.write_bytes(lzma.compress(jsonl(rows).encode(), preset=9))


def jsonl(rows: list[Row]) -> str:
    """Return rows as JSON lines."""
    return "".join(json.dumps(row, ensure_ascii=False) + "\n" for row in rows)


def _held_out(known: list[Fact], seed: int) -> set[str]:
    """Choose all facts but one of every entity of a territory, territory after territory.

    The facts of one territory name the same things (a country, its currency, its capital, its language), so the
    held-out split is full of passages that are easily confused.
    """
    by_territory: dict[str, dict[str, list[Fact]]] = defaultdict(lambda: defaultdict(list))
    for fact in known:
        by_territory[fact.territory][fact.entity].append(fact)
    chosen: set[str] = set()
    for territory in generator(seed, "atlas", "held out").permutation(sorted(by_territory)):
        cities = 0
        for entity, own in by_territory[str(territory)].items():
            cities += entity.startswith("city/")
            if entity.startswith("city/") and cities > MOST_CITIES:
                continue
            order = generator(seed, "atlas", "held out", entity).permutation(len(own))
            chosen.update(own[index].id for index in order[:-1])
        if len(chosen) >= HELD_OUT_PASSAGES:
            break
    return chosen


def _rows(
    fact: Fact, templates: dict[str, Templates], random: np.random.Generator, seen: set[tuple[str, str]]
) -> list[Row]:
    """Word one fact in every language: a row for each of its relations, with one passage; its texts go to `seen`."""
    passage: dict[str, str] = {}
    queries: dict[str, dict[str, str]] = {relation: {} for relation in RELATIONS[fact.group]}
    for language in LANGUAGES:
        wordings = templates[language][fact.group]
        slots = {relation: value[language] for relation, value in fact.values.items()}
        passage[language] = _draw(wordings["passages"], random).format(x=fact.name[language], **slots)
        for relation, query in queries.items():
            query[language] = _draw(wordings[relation], random).format(x=fact.name[language])
        for side, text in [("passage", passage[language]), *(("query", query[language]) for query in queries.values())]:
            key = (side, normalise(text))
            if key in seen:
                where = f"templates/{language}.yaml, key {fact.group}"
                raise InputError(f"{where}: {text!r} is made twice; word it otherwise")
            seen.add(key)
    return [
        {"id": f"{fact.id}/{relation}", "passage_id": fact.id, "query": query, "passage": passage}
        for relation, query in queries.items()
    ]


def _draw(wordings: list[str], random: np.random.Generator) -> str:
    return wordings[int(random.integers(len(wordings)))]


__all__ = ["build", "write"]

"""Makes the rows of atlas from facts and templates, and holds out combinations of entity and relation."""

import json
import lzma
from collections import defaultdict
from pathlib import Path
from typing import Any

import numpy as np

from hybridkit.errors import InputError
from hybridkit.files import atomic_write
from hybridkit.groups import normalise
from hybridkit.seeds import generator
from hybridkit.sources.atlas.facts import RELATIONS, Fact, facts
from hybridkit.sources.atlas.lexicon import lexicons
from hybridkit.sources.atlas.names import LANGUAGES
from hybridkit.sources.atlas.templates import Templates, read_templates

HELD_OUT_PASSAGES = 200
MOST_CITIES = 2  # held out of one territory, so that the United States do not fill the part

Row = dict[str, Any]  # id, passage_id, query {language: text}, passage {language: text}


def build(seed: int = 0) -> tuple[list[Row], list[Row]]:
    """Make the training rows and the held-out rows, each sorted by id; equal seeds give equal rows.

    A row asks for one relation of one entity: its id is ENTITY/GROUP/RELATION and its passage_id is ENTITY/GROUP. Every
    held-out entity and relation also occurs in training, never together; no text occurs in both parts or twice.
    Wordings are drawn for every language on its own.

    >>> train, held_out = build()
    >>> sorted(held_out[0]["query"]) == sorted(LANGUAGES)
    True
    """
    known = facts(seed)
    held_out = _held_out(known, seed)
    templates = read_templates()
    seen: set[tuple[str, str]] = set()
    parts: tuple[list[Row], list[Row]] = ([], [])
    for fact in known:
        parts[fact.id in held_out].extend(_rows(fact, templates, generator(seed, "atlas", "wording", fact.id), seen))
    return parts


def write(folder: Path, seed: int = 0) -> None:
    """Write `train.jsonl.xz` and `heldout.jsonl.xz` into a folder, one row a line, and `lexicons/en-LANG.txt`."""
    for tag, lines in lexicons().items():
        with atomic_write(Path(folder) / "lexicons" / f"en-{tag}.txt") as temporary:
            temporary.write_text(lines, encoding="utf-8", newline="\n")
    for name, rows in zip(("train", "heldout"), build(seed), strict=True):
        with atomic_write(Path(folder) / f"{name}.jsonl.xz") as temporary:
            temporary.write_bytes(lzma.compress(jsonl(rows).encode(), preset=9))


def jsonl(rows: list[Row]) -> str:
    """Give rows as JSON lines."""
    return "".join(json.dumps(row, ensure_ascii=False) + "\n" for row in rows)


def _held_out(known: list[Fact], seed: int) -> set[str]:
    """Choose all facts but one of every entity of a territory, territory after territory.

    The facts of one territory name the same things (a country, its currency, its capital, its language), so the
    held-out part is full of passages that are easily taken for one another.
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
    """Word one fact in every language: a row for each of its relations, with one passage; `seen` takes its texts in."""
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

"""The sentence templates of atlas: one YAML file a language, checked before use."""

from pathlib import Path
from string import Formatter
from typing import Any

from hybridkit import yamlfile
from hybridkit.errors import InputError
from hybridkit.sources.atlas.facts import RELATIONS
from hybridkit.sources.atlas.names import LANGUAGES

FOLDER = Path(__file__).parent / "templates"
LEAST = 3  # wordings of each question and each passage

Templates = dict[str, dict[str, list[str]]]  # group -> "passages" or a relation -> wordings


def read_templates(folder: Path = FOLDER) -> dict[str, Templates]:
    """Read and check the templates of every language.

    Raises InputError naming file and key for a missing file or key, an unknown key, fewer than three wordings, a
    wording twice, or slots that are not those of the relation.

    >>> read_templates()["de"]["home"]["land"][1]
    'Wo spricht man hauptsächlich {x}?'
    """
    return {language: read_language(folder / f"{language}.yaml") for language in LANGUAGES}


def read_language(path: Path) -> Templates:
    """Read and check one language's file; see `read_templates`."""
    if not path.is_file():
        raise InputError(f"{path}: there is no such file; every language of atlas needs its templates")
    content = yamlfile.value_of(path)
    _same_keys(path, "", content, set(RELATIONS))
    for group, relations in RELATIONS.items():
        _same_keys(path, group, content[group], {"passages", *relations})
        _check(path, f"{group}.passages", content[group]["passages"], {"x", *relations})
        for relation in relations:
            _check(path, f"{group}.{relation}", content[group][relation], {"x"})
    checked: Templates = content
    return checked


def _same_keys(path: Path, place: str, content: Any, wanted: set[str]) -> None:  # noqa: ANN401  parsed YAML
    where = f"{path}, key {place}" if place else str(path)
    if not isinstance(content, dict):
        raise InputError(f"{where}: not a mapping; give the keys {', '.join(sorted(wanted))}")
    if missing := wanted - set(content):
        raise InputError(f"{where}: {', '.join(sorted(missing))} missing; add at least {LEAST} wordings of each")
    if unknown := set(map(str, content)) - wanted:
        raise InputError(f"{where}: unknown key {', '.join(sorted(unknown))}; take it out or correct its spelling")


def _check(path: Path, key: str, wordings: Any, slots: set[str]) -> None:  # noqa: ANN401  parsed YAML
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
            raise InputError(f"{where}: {wording!r} has not exactly the slots {wanted}; add or take out what differs")

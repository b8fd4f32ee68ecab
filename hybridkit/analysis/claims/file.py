"""A file of claims: YAML read safely with its line numbers, every key checked, every check parsed."""

import re
from dataclasses import dataclass
from pathlib import Path

import yaml

from hybridkit.analysis.claims.checks import Check, check_names, parse
from hybridkit.errors import InputError
from hybridkit.utils import yaml_files
from hybridkit.utils.paths import bundled

CLAIMS = "data/claims.yaml"
_NEEDED = ("id", "text", "source", "check")
_KEYS = (*_NEEDED, "instead", "figure", "reading")
_FIGURE = re.compile(r"\d\d_\w+", re.ASCII)


@dataclass(frozen=True)
class Claim:
    """A claim: what was said, where, and the check that decides on it.

    `instead` is evaluated where the check cannot be tested, and never decides; `figure` names the figure of a run
    that shows it; `reading` says how the words became the check; `line` is its line in the file.
    """

    id: str
    text: str
    source: str
    check: Check
    instead: Check | None = None
    figure: str = ""
    reading: str = ""
    line: int = 0


def check_claims(path: str | Path = CLAIMS) -> None:
    """Raise InputError, with file and line, for whatever is wrong in a file of claims; runs nothing."""
    open_claims(path)


def open_claims(path: str | Path = CLAIMS) -> list[Claim]:
    """Read a file of claims: a list of mappings with the keys of `Claim`.

    A relative path that is not here is sought among what comes with the kit. Raises InputError, with file and line, for
    YAML that does not read, an unknown or missing key, a duplicate id, a check that is not of the grammar or names
    something that the kit does not know.

    >>> [claim.id for claim in open_claims()][:3], str(open_claims()[7].check.parts[0])
    (['1', '2', '3'], "count(pairs('xquad-r', cross)) == 110")
    """
    path = Path(path).expanduser()
    here = bundled(str(path))
    if not path.is_file() and here.is_file():
        path = here
    root = yaml_files.tree(path)
    if not isinstance(root, yaml.SequenceNode) or not root.value:
        raise InputError(f"{path}: not a list of claims, each of which begins with '- id: '")
    claims = [_claim(node, str(path)) for node in root.value]
    seen: dict[str, int] = {}
    for claim in claims:
        if claim.id in seen:
            raise InputError(f"{path}, line {claim.line}: the id {claim.id!r} is in line {seen[claim.id]} already")
        seen[claim.id] = claim.line
    return claims


def _claim(node: yaml.Node, path: str) -> Claim:
    where = f"{path}, line {node.start_mark.line + 1}"
    if not isinstance(node, yaml.MappingNode):
        raise InputError(f"{where}: a claim is a mapping with the keys {', '.join(_KEYS)}")
    texts: dict[str, str] = {}
    lines: dict[str, str] = {}
    for key, value in node.value:
        here = f"{path}, line {key.start_mark.line + 1}"
        if not isinstance(key, yaml.ScalarNode) or key.value not in _KEYS:
            name = repr(key.value) if isinstance(key, yaml.ScalarNode) else "that is a list or mapping"
            raise InputError(f"{here}: unknown key {name}; there are {', '.join(_KEYS)}")
        lines[key.value] = here
        if key.value in texts:
            raise InputError(f"{here}: the key {key.value!r} is duplicated")
        if not isinstance(value, yaml.ScalarNode) or not value.value.strip():
            raise InputError(f"{here}: {key.value} is to be a text")
        texts[key.value] = " ".join(value.value.split())
    if missing := [key for key in _NEEDED if key not in texts]:
        raise InputError(f"{where}: the key {missing[0]!r} is missing")
    if "figure" in texts and not _FIGURE.fullmatch(texts["figure"]):
        raise InputError(f"{lines['figure']}: figure {texts['figure']!r} is not a name such as 04_settings")
    checks = {key: _check(texts[key], lines[key], key) for key in ("check", "instead") if key in texts}
    return Claim(
        texts["id"],
        texts["text"],
        texts["source"],
        checks["check"],
        checks.get("instead"),
        texts.get("figure", ""),
        texts.get("reading", ""),
        node.start_mark.line + 1,
    )


def _check(text: str, where: str, key: str) -> Check:
    try:
        check = parse(text)
        check_names(check)
    except InputError as error:
        raise InputError(f"{where}: {key}: {error}") from error
    return check

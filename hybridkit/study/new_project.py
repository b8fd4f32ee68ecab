"""A project of one's own: a commented study on some rows, the notebooks, a Makefile; what `hybridkit init` writes."""

import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from hybridkit.data.corpus import ParallelCorpus
from hybridkit.data.sources.open_rows import open_corpus
from hybridkit.errors import InputError
from hybridkit.models import e5_small
from hybridkit.models.encoder import ALIASES
from hybridkit.models.model_folders import here
from hybridkit.sampling import common_rows, parse
from hybridkit.study.settings import HYBRID, UNTRAINED, is_known, open_study
from hybridkit.utils.files import write_text
from hybridkit.utils.naming import split_name, stem_of
from hybridkit.utils.paths import PROJECT, bundled

_FEW = 16  # rows of a language that batches can be made of
_HELD_OUT = (100, 1000)  # groups of rows that are held out: at least, where there are enough, and at most
_TEXTS = 2000  # whose lengths are looked at
_MARK = "hybridkit: this folder is a project. Its studies/, notebooks/ and runs/ go before those of the kit.\n"
_IGNORED = "runs/\nexport/\n.ipynb_checkpoints/\n__pycache__/\n"


@dataclass(frozen=True)
class Facts:
    """What a study needs to know of its rows."""

    rows: int
    usable: int
    groups: int
    languages: tuple[str, ...]
    dropped: tuple[str, ...]
    strategies: tuple[str, ...]
    held_out: float
    batch_size: int
    letters: int

    @classmethod
    def of(cls, corpus: ParallelCorpus, most: int) -> "Facts":
        """Look at a corpus; `most` is the largest batch.

        Raises:
            InputError: Where the rows are too few for any batch.
        """
        whole = corpus.both_sides()
        counts = (whole.has_query & whole.has_passage).sum(axis=0)
        kept = tuple(tag for tag, count in zip(whole.languages, counts, strict=True) if count >= _FEW)
        if not kept:
            most_known = max(counts, default=0)
            raise InputError(
                f"the rows are too few to train on: {len(corpus)} in all, and at most {most_known} with query and "
                f"passage in one language; give {_FEW} or more"
            )
        rows = whole.keep_languages(kept)
        several: tuple[str, ...] = ("mono", "cross", HYBRID)
        both = common_rows(rows, list(map(parse, several)))
        if both.sum() >= max(_FEW, len(rows) // 10):
            rows = rows.select(both)
        else:
            several = ("mono", "mixed") if len(kept) > 1 else ("mono",)
        groups = len(np.unique(rows.group))
        share = min(max(_HELD_OUT[0], 0.1 * groups), _HELD_OUT[1]) / groups
        held_out = round(min(max(share, 0.02), 0.3), 2)
        dropped = tuple(tag for tag in whole.languages if tag not in kept)
        batch_size = _batch_size(rows.split(held_out)[0], several, most)
        return cls(len(corpus), len(rows), groups, kept, dropped, several, held_out, batch_size, _letters(rows))

    @property
    def training_rows(self) -> int:
        """About how many rows are trained on."""
        return max(1, round(self.usable * (1 - self.held_out)))


def _batch_size(rows: ParallelCorpus, strategies: Sequence[str], most: int) -> int:
    """The largest batch, halved until every strategy can make one and an epoch has several."""
    size = most
    while size > 2:
        try:
            if size * 4 <= len(rows):
                for text in strategies:
                    parse(text).plan(rows, 1, size, 0)
                return size
        except InputError:
            pass
        size //= 2
    return 2


def _letters(rows: ParallelCorpus) -> int:
    """The number of letters that 95 of 100 texts have at most."""
    lengths = [
        len(text)
        for side in ("query", "passage")
        for tag in rows.languages
        for text in (rows.query_table if side == "query" else rows.passage_table)(tag)[1][:_TEXTS]
    ]
    return int(np.quantile(lengths, 0.95)) if lengths else 0


def new_project(folder: Path, rows: Sequence[str] = (), encoder: str = "", name: str = "") -> list[Path]:
    """Write a project into a folder, new or not: study, notebooks, Makefile, .gitignore; return the files, study first.

    Args:
        folder: Where; a file that is there already stays as it is.
        rows: The user's rows, as `hybridkit data check` takes them; those of the bundled atlas unless given.
        encoder: What to train; multilingual-e5-small where it is on this machine, else one made from scratch.
        name: Name of the study; the stem of the first file unless given.

    Raises:
        InputError: For rows that cannot be used (with file and line) and a study that is there already.
    """
    names = list(rows) or ["atlas"]
    stem = "mine" if is_known(split_name(names[0])[0]) else stem_of(split_name(names[0])[0])
    called = (
        name or "".join(letter if letter.isalnum() or letter in "-_" else "-" for letter in stem).strip("-") or "mine"
    )
    path = folder / "studies" / f"{called}.yaml"
    if path.exists():
        raise InputError(f"{path}: it is there already; give another name (--name) or folder, or remove it")
    start = encoder or ("e5-small" if e5_small.is_here() or here(ALIASES["e5-small"]) is not None else "static")
    scratch = start == "static"
    facts = Facts.of(open_corpus(names), 128 if scratch else 32)
    files = [_from_study(one, path.parent) for one in names]
    choices = _choices(files, start if start in ALIASES else _from_study(start, path.parent), facts)
    made = {
        path: _filled("study.yaml.j2", called, choices),
        path.parent / "schema.json": (bundled("studies") / "schema.json").read_text(encoding="utf-8"),
    }
    made |= {
        folder / PROJECT: _MARK,
        folder / ".gitignore": _IGNORED,
        folder / "Makefile": _filled("Makefile.j2", called, {}),
    }
    for source in sorted(bundled("notebooks").glob("*.ipynb")):
        made[folder / "notebooks" / source.name] = _notebook(source, called)
    written = [one for one in made if one == path or not one.exists()]
    for one in written:
        write_text(one, made[one])
    open_study(path)
    return written


def _from_study(name: str, folder: Path) -> str:
    """A name as a study in a folder writes it: a path from there where it lies in or beside the project, else whole."""
    base, words = split_name(name)
    path = Path(base).expanduser()
    if is_known(base) or not path.exists():
        return name
    whole = Path(os.path.abspath(path))  # noqa: PTH100  a link's own name
    near = whole.is_relative_to(os.path.abspath(folder.parent.parent))  # noqa: PTH100
    written = os.path.relpath(whole, os.path.abspath(folder)) if near else str(whole)  # noqa: PTH100
    return f"{written}[{','.join(words)}]" if words else written


def _quoted(text: str) -> str:
    """A text as YAML writes it in a list, whatever it holds."""
    return "'" + text.replace("'", "''") + "'"


def _notebook(source: Path, study: str) -> str:
    """A notebook of the kit that opens the project's study."""
    return source.read_text(encoding="utf-8").replace('study = \\"quick\\"', f'study = \\"{study}\\"')


def _filled(template: str, study: str, more: Mapping[str, Any]) -> str:
    """A template of the folder `project`, filled."""
    from jinja2 import Environment, FileSystemLoader, StrictUndefined

    folder = FileSystemLoader(Path(__file__).parent / "project")
    made = Environment(  # noqa: S701  YAML and make, no HTML
        loader=folder, undefined=StrictUndefined, trim_blocks=True, lstrip_blocks=True, keep_trailing_newline=True
    )
    made.filters["quoted"] = _quoted
    return str(made.get_template(template).render(name=study, quoted=_quoted, **more))


def _choices(files: Sequence[str], encoder: str, facts: Facts) -> dict[str, Any]:
    """What the template of a study is filled with."""
    scratch, several, pairs = encoder == "static", len(facts.strategies) > 1, HYBRID in facts.strategies
    steps = (20 if scratch else 3) * facts.training_rows / facts.batch_size
    return {
        "facts": facts,
        "files": files,
        "held": round(facts.groups * facts.held_out),
        "encoder": encoder,
        "scratch": scratch,
        "pairs": pairs,
        "several": several,
        "compare": (HYBRID, "mono") if pairs else facts.strategies if several else ("mono", UNTRAINED),
        "steps": int(min(max(steps, 50), 1000 if scratch else 300)),
        "length": min(max(32 * -(-facts.letters // 80), 32), 256),  # 2.5 letters a token, in steps of 32
        "remedies": ["calibrate(top=5)", *(["centre(by='rows') + calibrate(top=5)"] if pairs else [])],
        "notebooks": ["01", "02", "03", "04", *(["05"] if len(facts.languages) > 1 else [])],
    }

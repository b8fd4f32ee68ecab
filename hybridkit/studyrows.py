"""The rows of a study in its run folder: read once, those that every strategy can use, and those of one model."""

import json
import logging
from functools import cached_property
from importlib.metadata import version
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from hybridkit import __version__
from hybridkit.cell import Cell
from hybridkit.corpus import ParallelCorpus
from hybridkit.errors import InputError
from hybridkit.files import sweep
from hybridkit.hygiene import leaks_of, without_leaks
from hybridkit.lexicon import remember
from hybridkit.places import runs_folder
from hybridkit.products import write
from hybridkit.sampling import common_rows, parse
from hybridkit.seeds import generator
from hybridkit.sources.rowsets import corpus_key, kept_corpus, source_hashes
from hybridkit.study import Study, open_study

log = logging.getLogger("hybridkit")
_VERSIONED = ("torch", "transformers", "sentence-transformers", "tokenizers", "numpy", "pandas")


class StudyRows:
    """The rows that a study trains on, in its run folder; `folder` is runs/NAME unless given."""

    def __init__(self, study: Study | str | Path, folder: Path | None = None) -> None:
        self.study = study if isinstance(study, Study) else open_study(study)
        self.folder = folder or runs_folder() / self.study.name
        self._corpus: tuple[object, ParallelCorpus] | None = None  # of the last model asked for
        self._rows_of: dict[tuple[str, ...], int] = {}
        sweep(self.folder)
        self.write_json("settings.json", self.study.written(self.folder))
        if self.study.folder is not None:
            remember(Path(self.study.folder))
        self.write_json("versions.json", {"hybridkit": __version__} | {name: version(name) for name in _VERSIONED})

    def write_json(self, name: str, value: Any) -> None:  # noqa: ANN401  any JSON value
        """Write a JSON file of the run folder, unless it holds just that already."""
        write(self.folder / name, json.dumps(value, indent=2, ensure_ascii=False) + "\n")

    @cached_property
    def rows(self) -> ParallelCorpus:
        """Every row of the study's files in the study's languages, before any is dropped."""
        settings, files = self.study.rows, [self.study.at(name) for name in self.study.rows.files]
        hashes = source_hashes(files)
        self.write_json("data.json", hashes)
        corpus = kept_corpus(self.folder / "corpus" / corpus_key(hashes), files)
        return corpus if settings.languages is None else corpus.keep_languages(settings.languages)

    @cached_property
    def usable_rows(self) -> ParallelCorpus:
        """The rows that no benchmark holds and that every strategy can use; strategies do not count with `each`."""
        each = self.study.rows.use == "each"
        usable = common_rows(self.rows, [] if each else self.study.every_strategy())
        kept = without_leaks(self.rows, usable, self.leaks)
        if kept.sum() < usable.sum():
            log.info("%d rows are dropped that a benchmark holds too", usable.sum() - kept.sum())
        if each and kept.all():
            return self.rows
        if kept.sum() < len(self.rows):
            log.info("%d of %d rows can be used by every strategy; the rest is dropped", kept.sum(), len(self.rows))
        return self.rows.select(kept)

    @cached_property
    def leaks(self) -> pd.DataFrame:
        """Rows of the study's files that a benchmark of it holds too; none of them is trained on (see `hygiene`)."""
        return leaks_of(self.study, self.rows, self.folder)

    @cached_property
    def parts(self) -> tuple[ParallelCorpus, ParallelCorpus]:
        """Training rows and held-out rows; they share no text and no passage_id."""
        return self.usable_rows.split(self.study.rows.held_out)

    def corpus(self, cell: Cell) -> ParallelCorpus:
        """The training rows of a model."""
        key = (cell.strategy if self.study.rows.use == "each" else "", cell.languages, cell.rows, cell.seed)
        if self._corpus is None or key != self._corpus[0]:
            corpus = self._in_languages(cell.languages, cell.strategy)
            if cell.rows > len(corpus):
                raise InputError(f"study {self.study.name}: {cell}: there are only {len(corpus)} rows; give fewer")
            if cell.rows:  # those of a smaller number are among those of a larger one
                corpus = corpus.select(np.sort(generator(cell.seed, "rows").permutation(len(corpus))[: cell.rows]))
            self._corpus = (key, corpus)
        return self._corpus[1]

    def rows_of(self, languages: tuple[str, ...]) -> int:
        """How many training rows every strategy of the part "diversity" can use in some languages; 0 where none."""
        if languages not in self._rows_of:
            self._rows_of[languages] = len(self._in_languages(languages))
        return self._rows_of[languages]

    def _in_languages(self, languages: tuple[str, ...], strategy: str = "") -> ParallelCorpus:
        """The training rows in some languages (all where none is named) that the strategies can use there."""
        corpus, diversity = self.parts[0], self.study.diversity
        if languages and set(languages) != set(corpus.languages):
            corpus = corpus.keep_languages(languages)
            sizes = diversity.strategies if diversity else {}
            usable = common_rows(corpus, [parse(text) for text, of in sizes.items() if len(languages) in of])
            corpus = corpus if usable.all() else corpus.select(usable)
        return corpus.select(parse(strategy).usable(corpus)) if strategy and self.study.rows.use == "each" else corpus

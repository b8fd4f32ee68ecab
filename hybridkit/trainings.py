"""The trainings of a study in its run folder: rows, batch plans and models, each made once and whole."""

import json
import logging
from collections.abc import Iterator
from contextlib import nullcontext
from dataclasses import asdict
from functools import cached_property
from importlib.metadata import version
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pandas as pd

from hybridkit import __version__
from hybridkit import encoder as encoders
from hybridkit.benchmark import Benchmark
from hybridkit.cell import Cell
from hybridkit.corpus import ParallelCorpus
from hybridkit.errors import InputError
from hybridkit.files import digest, sha256_file, sweep, write_text
from hybridkit.places import runs_folder
from hybridkit.sampling import BatchPlan, Strategy, common_rows, parse
from hybridkit.sources.rowsets import source_hashes, write_pooled
from hybridkit.study import UNTRAINED, EncoderSettings, Study, open_study, strategy_at
from hybridkit.training import TrainingSettings, train
from hybridkit.workers import threads

if TYPE_CHECKING:
    from sentence_transformers import SentenceTransformer

log = logging.getLogger("hybridkit")
HELD_OUT = "held-out.json"  # beside a model: its scores on the held-out rows
_VERSIONED = ("torch", "transformers", "sentence-transformers", "tokenizers", "numpy", "pandas")


class Trainings:
    """What a study has trained so far, and trains when it is asked for: corpus, plans, models.

    Every product is written to a temporary name and renamed, so that a kill at any moment leaves only whole ones; a
    second run reads them. Its name is the hash of what it was made from. `folder` is runs/NAME unless given.
    """

    def __init__(self, study: Study | str | Path, folder: Path | None = None) -> None:
        self.study = study if isinstance(study, Study) else open_study(study)
        self.folder = folder or runs_folder() / self.study.name
        self._model_keys: dict[Cell, str] = {}
        sweep(self.folder)
        self.write_json("settings.json", asdict(self.study))
        self.write_json("versions.json", {"hybridkit": __version__} | {name: version(name) for name in _VERSIONED})

    def write_json(self, name: str, value: Any) -> None:  # noqa: ANN401  any JSON value
        """Write a JSON file of the run folder, unless it holds just that already."""
        text = json.dumps(value, indent=2, ensure_ascii=False) + "\n"
        path = self.folder / name
        if not path.is_file() or path.read_text(encoding="utf-8") != text:
            write_text(path, text)

    def cells(self, part: str = "main") -> list[Cell]:
        """The models of a part, the untrained one first, then seed by seed so that an early stop leaves whole seeds."""
        if part == "curve":
            curve = self.study.curve
            return [Cell(str(strategy_at(a)), s, part) for s in curve.seeds for a in curve.alphas] if curve else []
        trained = [Cell(str(parse(text)), seed) for seed in self.study.seeds for text in self.study.strategies]
        return ([Cell(UNTRAINED)] if self.study.untrained else []) + trained

    @cached_property
    def rows(self) -> ParallelCorpus:
        """Every row of the study's files in the study's languages, before any is dropped."""
        settings = self.study.rows
        hashes = source_hashes(settings.files)
        self.write_json("data.json", hashes)
        folder = self.folder / "corpus" / digest(hashes)[:16]
        if not folder.is_dir():
            write_pooled(folder, settings.files)
        corpus = ParallelCorpus.open(folder)
        return corpus if settings.languages is None else corpus.keep_languages(settings.languages)

    @cached_property
    def usable_rows(self) -> ParallelCorpus:
        """The rows that every strategy of the study and its curve can use; all of them when the study says `each`."""
        if self.study.rows.use == "each":
            return self.rows
        usable = self.rows.select(common_rows(self.rows, self.study.every_strategy()))
        if len(usable) < len(self.rows):
            log.info("%d of %d rows can be used by every strategy; the rest is dropped", len(usable), len(self.rows))
        return usable

    @cached_property
    def parts(self) -> tuple[ParallelCorpus, ParallelCorpus]:
        """Training rows and held-out rows; they share no text and no passage_id."""
        return self.usable_rows.split(self.study.rows.held_out)

    def corpus(self, cell: Cell) -> ParallelCorpus:
        """The training rows of a model."""
        corpus = self.parts[0]
        return corpus.select(parse(cell.strategy).usable(corpus)) if self.study.rows.use == "each" else corpus

    def settings(self, part: str) -> tuple[EncoderSettings, TrainingSettings]:
        """Encoder and training of a part of the study."""
        source = self.study if part == "main" else self.study.curve
        if source is None:
            raise InputError(f"study {self.study.name}: it has no curve; add the key curve")
        return source.encoder, source.training

    def plan(self, cell: Cell) -> BatchPlan:
        """The batch plan of a model."""
        corpus, (_, training) = self.corpus(cell), self.settings(cell.part)
        key = digest(corpus.fingerprint, cell.strategy, training.steps, training.batch_size, cell.seed)
        path = self.folder / "plans" / f"{cell.slug}-{key[:16]}.parquet"
        if path.is_file():
            return BatchPlan.read(path)
        strategy: Strategy = parse(cell.strategy)
        plan = strategy.plan(corpus, training.steps, training.batch_size, cell.seed)
        plan.write(path, corpus)
        return plan

    def open_encoder(self, part: str = "main") -> "SentenceTransformer":
        """The encoder that a part's trainings start from; one made from scratch is made once and kept."""
        settings, _ = self.settings(part)
        if settings.name != "static":
            model = encoders.open(settings.name)
            model.prompts.update(settings.prompts or {})
            return model
        folder = self.folder / "models" / f"static-{self.encoder_key(part)[:16]}"
        if not folder.is_dir():
            texts = self.parts[0].iter_texts()
            encoders.save(encoders.make(texts, settings.vocab_size, settings.dim, settings.seed), folder)
        return encoders.open(folder)

    def encoder_key(self, part: str = "main") -> str:
        """Hash of what a part's trainings start from."""
        settings, _ = self.settings(part)
        if settings.name == "static":
            return digest(asdict(settings), self.parts[0].fingerprint)
        folder = Path(settings.name)  # of the user's own: hashed whole; a hub model is known by its name
        files = sorted(path for path in folder.rglob("*") if path.is_file()) if folder.is_dir() else []
        return digest(asdict(settings), "", *([str(path.relative_to(folder)), sha256_file(path)] for path in files))

    def model_key(self, cell: Cell) -> str:
        """Hash of everything that a model is made from."""
        if cell not in self._model_keys:
            _, training = self.settings(cell.part)
            start = self.encoder_key(cell.part)
            trained = cell.strategy != UNTRAINED
            self._model_keys[cell] = digest(start, self.plan(cell).fingerprint, training.key) if trained else start
        return self._model_keys[cell]

    def model_folder(self, cell: Cell) -> Path:
        """Where a model lies, or will lie once it is trained."""
        return self.folder / "models" / f"{cell.slug}-{self.model_key(cell)[:16]}"

    def train(self, cell: Cell) -> Path:
        """Train a model unless it is there; gives its folder."""
        folder = self.model_folder(cell)
        if not folder.is_dir():
            from hybridkit.card import model_card

            settings, training = self.settings(cell.part)
            corpus, plan = self.corpus(cell), self.plan(cell)

            def beside(model: "SentenceTransformer") -> dict[str, str]:
                scores = self.held_out_scores(model)
                card = model_card(self, cell, corpus, plan, scores)
                source = json.dumps({"source": f"study {self.study.name}: {cell}"})
                return {"README.md": card, HELD_OUT: json.dumps(scores, indent=2) + "\n", encoders.SOURCE_FILE: source}

            measure = self.held_out_scores if training.evaluate_every else None
            with threads(1) if settings.name == "static" else nullcontext():
                train(self.open_encoder(cell.part), corpus, plan, training, folder, beside=beside, measure=measure)
        return folder

    def open_model(self, cell: Cell) -> "SentenceTransformer":
        """A model of the study, trained now if it has not been."""
        return self.open_encoder(cell.part) if cell.strategy == UNTRAINED else encoders.open(self.train(cell))

    def losses(self, cell: Cell) -> pd.DataFrame:
        """The log of a training: step, kind, loss, learning_rate."""
        return pd.read_json(self.train(cell) / "steps.jsonl", lines=True)

    @cached_property
    def held_out(self) -> Benchmark:
        """The benchmark of the study's held-out rows; InputError where no rows are held out."""
        if len(self.parts[1]) == 0:
            raise InputError(f"study {self.study.name}: no rows are held out; set rows.held_out, say to 0.05")
        return Benchmark.from_corpus(self.parts[1], "held-out")

    def held_out_scores(self, model: "SentenceTransformer") -> dict[str, float]:
        """Scores of any encoder on the held-out rows: the mean of mono, cross and pool AP first; empty without rows."""
        from hybridkit.evaluation.settings import evaluate_encoder

        if len(self.parts[1]) == 0:
            return {}
        training = self.study.training
        return evaluate_encoder(model, self.held_out, training.max_length, training.precision, training.watch)

    def __iter__(self) -> Iterator[Cell]:
        """Every model of the study: its main part, then its curve."""
        return iter([*self.cells("main"), *self.cells("curve")])

"""The trainings of a study in its run folder: rows, batch plans and models, each made once and whole."""

import json
from collections.abc import Callable, Iterator
from contextlib import nullcontext
from dataclasses import asdict, replace
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, TypeVar

import pandas as pd

from hybridkit.data.benchmark import Benchmark
from hybridkit.data.rows import VERSION
from hybridkit.data.sources.lexicons import lexicons_from
from hybridkit.errors import InputError
from hybridkit.models import encoder as encoders
from hybridkit.models.training import TrainingSettings, train
from hybridkit.sampling import BatchPlan, Strategy, codeswitch, parse
from hybridkit.study.model_spec import ModelSpec, design
from hybridkit.study.settings import UNTRAINED, EncoderSettings, Study, strategy_at
from hybridkit.study.training_rows import StudyRows
from hybridkit.utils.files import digest, sha256_file, write_text
from hybridkit.utils.parallel import threads
from hybridkit.utils.products import adopt, changed, is_whole, kept, remove, seal

if TYPE_CHECKING:
    from sentence_transformers import SentenceTransformer


HELD_OUT = "held-out.json"  # beside a model: its scores on the held-out rows
BESIDE = {"README.md", HELD_OUT, encoders.SOURCE_FILE}  # made from a trained model
CURVES = ("alpha", "rows", "batch_size", "pairs")
T = TypeVar("T")


class Trainings(StudyRows):
    """What a study has trained so far, and trains when it is asked for: plans and models on its rows.

    Every product is written to a temporary name and renamed, so that a kill at any moment leaves only whole ones; a
    second run reads them. Its name is the hash of what it was made from. `folder` is runs/NAME unless given.
    """

    def __init__(self, study: Study | str | Path, folder: Path | None = None) -> None:
        super().__init__(study, folder)
        self._model_keys: dict[ModelSpec, str] = {}
        self._encoder_keys: dict[str, str] = {}  # by part

    def models(self, part: str = "main") -> list[ModelSpec]:
        """The models of a part, the untrained one first, then seed by seed so that an early stop leaves whole seeds."""
        if part == "curve":
            return list(dict.fromkeys(spec for section in CURVES for spec in self.curve_models(section)))
        if part == "diversity":
            return list(dict.fromkeys(design(self)["model"]))
        trained = [ModelSpec(text, seed) for seed in self.study.seeds for text in self.study.strategies]
        return ([ModelSpec(UNTRAINED)] if self.study.untrained else []) + trained

    def curve_models(self, section: str) -> list[ModelSpec]:
        """The models of one curve, seed by seed: over "alpha", "rows" or "batch_size", or the compared "pairs"."""
        curve = self.study.curve
        if curve is None:
            return []
        training = self.settings("curve")[1]
        draws = training.steps * training.batch_size
        texts = {"alpha": [str(strategy_at(alpha)) for alpha in curve.alphas], "pairs": curve.pairs}
        if section in texts:
            return [ModelSpec(text, seed, "curve") for seed in curve.seeds for text in texts[section]]
        at = [(count, 0, 0) for count in curve.rows]
        if section == "batch_size":  # the same number of draws in all
            at = [(0, size, max(1, draws // size)) for size in curve.batch_sizes]
        return [
            ModelSpec(text, seed, "curve", (), rows, size, steps)
            for seed in curve.seeds
            for rows, size, steps in at
            for text in curve.strategies
        ]

    def settings(self, part: str) -> tuple[EncoderSettings, TrainingSettings]:
        """Encoder and training of a part of the study."""
        return self.study.section(part)[:2]

    def benchmarks(self, part: str) -> tuple[str, ...]:
        """Names of the benchmarks that the models of a part are evaluated on."""
        return self.study.section(part)[2]

    def training(self, spec: ModelSpec) -> TrainingSettings:
        """How a model is trained: as its part says, with what the model has of its own."""
        part = self.settings(spec.section)[1]
        return replace(part, batch_size=spec.batch_size or part.batch_size, steps=spec.steps or part.steps)

    def plan(self, spec: ModelSpec) -> BatchPlan:
        """The batch plan of a model."""
        corpus, training = self.corpus(spec), self.training(spec)
        strategy: Strategy = parse(spec.strategy)
        home = Path(self.study.folder) if self.study.folder else None
        with lexicons_from(home):
            words = strategy.lexicons(corpus.languages).fingerprint if isinstance(strategy, codeswitch) else ""
        drawn = (spec.strategy, training.steps, training.batch_size, spec.seed)
        key = digest(corpus.fingerprint, *drawn, {"groups": VERSION, "lexicon": words})

        def make(path: Path) -> None:
            with lexicons_from(home):
                strategy.plan(corpus, training.steps, training.batch_size, spec.seed).write(path, corpus)

        return kept(self.folder / "plans" / f"{spec.slug}-{key[:16]}.parquet", make, BatchPlan.read)

    def open_encoder(self, part: str = "main") -> "SentenceTransformer":
        """The encoder that a part's trainings start from; one made from scratch is made once and kept."""
        settings, _ = self.settings(part)
        if settings.name != "static":
            model = encoders.open(self.study.encoder_at(settings.name))
            encoders.set_prompts(model, settings.prompts or {})
            return model

        def make(folder: Path) -> None:
            texts = self.split[0].iter_texts()
            encoders.save(encoders.make(texts, settings.vocab_size, settings.dim, settings.seed), folder)

        return kept(self.folder / "models" / f"static-{self.encoder_key(part)[:16]}", make, encoders.open)

    def encoder_key(self, part: str = "main") -> str:
        """Hash of what a part's trainings start from."""
        if part not in self._encoder_keys:
            self._encoder_keys[part] = self._encoder_key(self.settings(part)[0])
        return self._encoder_keys[part]

    def _encoder_key(self, settings: EncoderSettings) -> str:
        if settings.name == "static":
            return digest(asdict(settings), self.split[0].fingerprint)
        # a folder of the user's own is hashed whole; a hub model is known by its name and commit
        name = self.study.encoder_at(settings.name)
        folder = Path(name)
        files = sorted(path for path in folder.rglob("*") if path.is_file()) if folder.is_dir() else []
        hashes = [[str(path.relative_to(folder)), sha256_file(path)] for path in files]
        # 2: earlier versions trained some models of a folder otherwise (padded on the left, scaled embeddings, prompts)
        return digest(asdict(settings), encoders.revision(name) or ("2" if files else ""), *hashes)

    def model_key(self, spec: ModelSpec) -> str:
        """Hash of everything that a model is made from."""
        if spec not in self._model_keys:
            training = self.training(spec)
            start = self.encoder_key(spec.section)
            trained = spec.strategy != UNTRAINED
            self._model_keys[spec] = digest(start, self.plan(spec).fingerprint, training.key) if trained else start
        return self._model_keys[spec]

    def model_folder(self, spec: ModelSpec) -> Path:
        """Where a model lies, or will lie once it is trained."""
        return self.folder / "models" / f"{spec.slug}-{self.model_key(spec)[:16]}"

    def train(self, spec: ModelSpec) -> Path:
        """Train a model unless it is there and whole; gives its folder.

        Where only what stands beside the weights is damaged, that is written anew, without a training.
        """
        folder = self.model_folder(spec)
        if is_whole(folder):
            return folder
        lost = changed(folder) if folder.is_dir() else []
        with threads(1) if self.settings(spec.section)[0].name == "static" else nullcontext():
            if lost and {path.name for path in lost} <= BESIDE:
                for path in lost:
                    path.unlink(missing_ok=True)
                for name, text in self._beside(spec, encoders.open(folder)).items():
                    write_text(folder / name, text)
            else:
                remove(folder)
                self._train(spec, folder)
        seal(folder)
        return folder

    def _train(self, spec: ModelSpec, folder: Path) -> None:
        training = self.training(spec)
        train(
            self.open_encoder(spec.section),
            self.corpus(spec),
            self.plan(spec),
            training,
            folder,
            beside=lambda model: self._beside(spec, model),
            measure=(lambda model: self.held_out_scores(model, spec.section)) if training.evaluate_every else None,
        )

    def _beside(self, spec: ModelSpec, model: "SentenceTransformer") -> dict[str, str]:
        """What stands beside a model's weights, by file name: its card, its held-out scores, where it comes from."""
        from hybridkit.study.model_card import model_card

        scores = self.held_out_scores(model, spec.section)
        card = model_card(self, spec, self.corpus(spec), self.plan(spec), scores)
        source = json.dumps({"source": f"study {self.study.name}: {spec}"})
        return {"README.md": card, HELD_OUT: json.dumps(scores, indent=2) + "\n", encoders.SOURCE_FILE: source}

    def read_model(self, spec: ModelSpec, read: Callable[[Path], T]) -> T:
        """What a function reads from a model's folder, trained now if it has not been.

        Raises InputError where an earlier version's model, which has no checksums, cannot be read: what took hours is
        thrown away by people only.
        """
        folder = self.train(spec)
        try:
            found = read(folder)
        except InputError:
            raise
        except (OSError, ValueError, TypeError) as error:
            why = str(error).partition("\n")[0][:200]
            raise InputError(f"{folder}: damaged ({why}); remove the folder, and the model is trained again") from error
        adopt(folder)
        return found

    def open_model(self, spec: ModelSpec) -> "SentenceTransformer":
        """A model of the study, trained now if it has not been."""
        return self.open_encoder(spec.section) if spec.strategy == UNTRAINED else self.read_model(spec, encoders.open)

    def losses(self, spec: ModelSpec) -> pd.DataFrame:
        """The log of a training: step, kind, loss, learning_rate."""
        return self.read_model(spec, lambda folder: pd.read_json(folder / "steps.jsonl", lines=True))

    def kept_scores(self, spec: ModelSpec) -> dict[str, float]:
        """The scores of a model on the held-out rows that were taken when it was trained."""
        return self.read_model(spec, lambda folder: dict(json.loads((folder / HELD_OUT).read_bytes())))

    @cached_property
    def held_out(self) -> Benchmark:
        """The benchmark of the study's held-out rows; InputError where no rows are held out."""
        if len(self.split[1]) == 0:
            raise InputError(f"study {self.study.name}: no rows are held out; set rows.held_out, say to 0.05")
        return Benchmark.from_corpus(self.split[1], "held-out")

    def held_out_scores(self, model: "SentenceTransformer", part: str = "main") -> dict[str, float]:
        """Scores of any encoder on the held-out rows: the mean of mono, cross and pool AP first; empty without rows.

        Texts are cut and numbers rounded as in the trainings of `part`.
        """
        from hybridkit.evaluation.encoder_scores import evaluate_encoder

        if len(self.split[1]) == 0:
            return {}
        training = self.settings(part)[1]
        return evaluate_encoder(model, self.held_out, training.max_length, training.precision, training.watch)

    def __iter__(self) -> Iterator[ModelSpec]:
        """Every model that the study's notebooks make: of its main part, its curve, its diversity."""
        return iter([spec for part in self.study.sections for spec in self.models(part)])

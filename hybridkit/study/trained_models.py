"""The batch plans and models of a study in its run folder, each made once and whole."""

import json
from collections.abc import Callable
from contextlib import nullcontext
from dataclasses import asdict, replace
from pathlib import Path
from typing import TYPE_CHECKING, TypeVar

import pandas as pd

from hybridkit.data.rows import VERSION
from hybridkit.data.sources.lexicons import lexicons_from, remember
from hybridkit.errors import InputError
from hybridkit.models import encoder as encoders
from hybridkit.models.interpolation import interpolate
from hybridkit.models.launch import launch
from hybridkit.models.training import train
from hybridkit.sampling import BatchPlan, Strategy, codeswitch, parse
from hybridkit.sampling.plan import FORMAT as DRAWS
from hybridkit.study.model_card import held_out_section, model_card
from hybridkit.study.model_spec import ModelSpec
from hybridkit.study.settings import UNTRAINED, EncoderSettings, Study
from hybridkit.study.training_rows import TrainingRows
from hybridkit.utils.characters import safe
from hybridkit.utils.files import digest, sha256_file, write_text
from hybridkit.utils.parallel import threads
from hybridkit.utils.products import adopt, changed, is_whole, kept, remove, seal

if TYPE_CHECKING:
    from sentence_transformers import SentenceTransformer


HELD_OUT = "held-out.json"  # beside a model: its scores on the held-out rows
BESIDE = {"README.md", HELD_OUT, encoders.SOURCE_FILE}  # made from a trained model
T = TypeVar("T")


class TrainedModels:
    """The batch plans and models of a study in its run folder, made when they are first used.

    Every product is written to a temporary name and renamed, so that a kill at any moment leaves only whole ones; a
    second run reads them. Its name is the hash of what it was made from.
    """

    def __init__(self, study: Study, folder: Path, rows: TrainingRows) -> None:
        self.study = study
        self.folder = folder
        self.rows = rows
        self._keys: dict[ModelSpec, str] = {}
        self._encoder_keys: dict[tuple[str, int], str] = {}  # by section and seed

    def plan(self, spec: ModelSpec) -> BatchPlan:
        """Return the batch plan of a model."""
        corpus, training = self.rows.of(spec), spec.training(self.study)
        strategy: Strategy = parse(spec.strategy)
        home = Path(self.study.folder) if self.study.folder else None
        if home is not None:  # the texts of a plan are switched later, by a lexicon found by its hash
            remember(home)
        with lexicons_from(home):
            words = strategy.lexicons(corpus.languages).fingerprint if isinstance(strategy, codeswitch) else ""
        drawn = (spec.strategy, training.steps, training.batch_size, spec.seed)
        key = digest(corpus.fingerprint, *drawn, {"groups": VERSION, "draws": DRAWS, "lexicon": words})

        def make(path: Path) -> None:
            with lexicons_from(home):
                strategy.plan(corpus, training.steps, training.batch_size, spec.seed).write(path, corpus)

        return kept(self.folder / "plans" / f"{spec.slug}-{key[:16]}.parquet", make, BatchPlan.read)

    def encoder(self, section: str = "main", seed: int = 0) -> "SentenceTransformer":
        """Return the encoder that a section's trainings start from.

        One made from scratch is made once for each seed, from other random vectors, and kept.
        """
        settings = self._start(section, seed)
        if settings.name != "static":
            model = encoders.open(self.study.encoder_at(settings.name))
            encoders.set_prompts(model, settings.prompts or {})
            return model

        def make(folder: Path) -> None:
            texts = self.rows.split[0].iter_texts()
            encoders.save(encoders.make(texts, settings.vocab_size, settings.dim, settings.seed), folder)

        return kept(self.folder / "models" / f"static-{self.encoder_key(section, seed)[:16]}", make, encoders.open)

    def encoder_key(self, section: str = "main", seed: int = 0) -> str:
        """Return the hash of what a section's trainings with a seed start from."""
        if (section, seed) not in self._encoder_keys:
            self._encoder_keys[section, seed] = self._encoder_key(self._start(section, seed))
        return self._encoder_keys[section, seed]

    def _start(self, section: str, seed: int) -> EncoderSettings:
        settings = self.study.section(section).encoder
        return replace(settings, seed=(settings.seed + seed) % 2**32) if settings.name == "static" else settings

    def _encoder_key(self, settings: EncoderSettings) -> str:
        if settings.name == "static":
            return digest(asdict(settings), self.rows.split[0].fingerprint)
        # a folder of the user's own is hashed whole; a hub model is known by its name and commit
        name = self.study.encoder_at(settings.name)
        folder = Path(name)
        files = sorted(path for path in folder.rglob("*") if path.is_file()) if folder.is_dir() else []
        hashes = [[str(path.relative_to(folder)), sha256_file(path)] for path in files]
        # 2: earlier versions trained some models of a folder otherwise (padded on the left, scaled embeddings, prompts)
        return digest(asdict(settings), encoders.revision(name) or ("2" if files else ""), *hashes)

    def key(self, spec: ModelSpec) -> str:
        """Return the hash of everything that a model is made from."""
        if spec not in self._keys:
            found = self.encoder_key(spec.section, spec.seed)
            if spec.strategy != UNTRAINED:
                found = digest(found, self.plan(spec).fingerprint, spec.training(self.study).key)
            self._keys[spec] = found
        return self._keys[spec]

    def path(self, spec: ModelSpec) -> Path:
        """Return the folder of a model, there or not."""
        return self.folder / "models" / f"{spec.slug}-{self.key(spec)[:16]}"

    def train(self, spec: ModelSpec) -> Path:
        """Train a model unless it is there and whole, and return its folder.

        Where only files beside the weights are damaged, they are written again, without a training.
        """
        folder = self.path(spec)
        if is_whole(folder):
            return folder
        lost = changed(folder) if folder.is_dir() else []
        with threads(1) if self.study.section(spec.section).encoder.name == "static" else nullcontext():
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
        processes = spec.training(self.study).processes
        if processes == 1:
            self.train_here(spec, folder)
            return
        self.plan(spec)  # made once, before those who start from it
        self.encoder(spec.section, spec.seed)
        launch(processes, "hybridkit.study.train_one", str(self.folder), json.dumps(asdict(spec)))

    def train_here(self, spec: ModelSpec, folder: Path) -> None:
        """Train a model in this process, which may be one of several (`train_one`), and write it to a folder."""
        training = spec.training(self.study)
        train(
            self.encoder(spec.section, spec.seed),
            self.rows.of(spec),
            self.plan(spec),
            training,
            folder,
            beside=lambda model: self._beside(spec, model),
            measure=(lambda model: self.score_held_out(model, spec.section)) if training.evaluate_every else None,
            logs=self.folder / "logs" / folder.name,
        )

    def _beside(self, spec: ModelSpec, model: "SentenceTransformer") -> dict[str, str]:
        """The texts beside a model's weights by file name: its card, its held-out scores, where it comes from."""
        corpus, rows = self.rows.of(spec), ", ".join(self.study.rows.files)
        scores = self.score_held_out(model, spec.section)
        card = model_card(
            f"Made by [hybridkit](https://arxiv.org/abs/2408.10536)'s study `{self.study.name}` "
            f"({safe(self.study.title)}).",
            self.study.section(spec.section).encoder.name,
            spec.strategy,
            corpus,
            {
                "seed": spec.seed,
                "training rows": f"{len(corpus):,} of {rows}",
                "languages": len(corpus.languages),
                "corpus": f"`{corpus.fingerprint}`",
                "batch plan": f"`{self.plan(spec).fingerprint}`",
                **spec.training(self.study).written,
            },
            held_out_section(scores, len(self.rows.split[1])),
        )
        source = json.dumps({"source": f"study {self.study.name}: {spec}"})
        return {"README.md": card, HELD_OUT: json.dumps(scores, indent=2) + "\n", encoders.SOURCE_FILE: source}

    def read(self, spec: ModelSpec, read: Callable[[Path], T]) -> T:
        """Return what a function reads from a model's folder, trained first if it is missing.

        Raises InputError where a model without checksums cannot be read: what took hours is removed by people only.
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

    def open(self, spec: ModelSpec) -> "SentenceTransformer":
        """Return a model of the study, trained first if it is missing, with the weights of its remedy."""
        if spec.strategy == UNTRAINED:
            return self.encoder(spec.section, spec.seed)
        found, share = self.read(spec, encoders.open), spec.chain.weights
        return found if share is None else interpolate(self.encoder(spec.section, spec.seed), found, share)

    def losses(self, spec: ModelSpec) -> pd.DataFrame:
        """Return the log of a training: step, kind, loss, learning_rate."""
        return self.read(spec, lambda folder: pd.read_json(folder / "steps.jsonl", lines=True))

    def held_out_scores(self, spec: ModelSpec) -> dict[str, float]:
        """Return the scores of a model on the held-out rows, which were taken when it was trained."""
        return self.read(spec, lambda folder: dict(json.loads((folder / HELD_OUT).read_bytes())))

    def score_held_out(self, model: "SentenceTransformer", section: str = "main") -> dict[str, float]:
        """Scores of any encoder on the held-out rows: the mean of mono, cross and pool AP first; empty without rows.

        Texts are cut and numbers rounded as in the trainings of `section`.
        """
        from hybridkit.evaluation.encoder_scores import evaluate_encoder

        if len(self.rows.split[1]) == 0:
            return {}
        training = self.study.section(section).training
        return evaluate_encoder(model, self.rows.held_out, training.max_length, training.precision, training.watch)

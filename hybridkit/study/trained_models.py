"""The batch plans and models of a study in its run folder, each made once and whole."""

import json
from collections.abc import Callable, Iterator
from contextlib import nullcontext
from dataclasses import asdict, fields, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

import pandas as pd

from hybridkit.data.rows import VERSION
from hybridkit.data.sources.lexicons import lexicons_from, remember
from hybridkit.errors import InputError
from hybridkit.models import encoder as encoders
from hybridkit.models import reranker
from hybridkit.models.embedding import cuts_texts
from hybridkit.models.interpolation import interpolate
from hybridkit.models.launch import launch
from hybridkit.models.reranker_training import RerankerSettings, train_reranker
from hybridkit.models.training import TrainingSettings, open_texts, train
from hybridkit.sampling import BatchPlan, Strategy, codeswitch, parse
from hybridkit.sampling.codeswitch import rate_sentences
from hybridkit.sampling.plan import FORMAT as DRAWS
from hybridkit.sampling.plan_pairs import PlanPairs
from hybridkit.study.model_card import held_out_section, model_card
from hybridkit.study.model_spec import ModelSpec
from hybridkit.study.settings import RERANKER, UNTRAINED, EncoderSettings, Study
from hybridkit.study.training_rows import TrainingRows
from hybridkit.utils.characters import safe
from hybridkit.utils.files import digest, sha256_file, write_text
from hybridkit.utils.naming import meant
from hybridkit.utils.parallel import threads
from hybridkit.utils.products import adopt, changed, is_whole, kept, remove, seal

if TYPE_CHECKING:
    from sentence_transformers import CrossEncoder, SentenceTransformer


HELD_OUT = "held-out.json"  # beside a model: its scores on the held-out rows
BESIDE = {"README.md", HELD_OUT, encoders.SOURCE_FILE}  # made from a trained model
NEVER_CUTS = "this encoder takes texts of any length and never cuts; leave it out"
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
        self._start_weights: dict[str, str] = {}  # hashes by such a key

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

    def check(self, spec: ModelSpec) -> None:
        """Raise InputError for a plan or texts that a model cannot be trained on."""
        plan, corpus, training = self.plan(spec), self.rows.of(spec), self._how(spec)
        if isinstance(training, RerankerSettings):
            PlanPairs(plan, corpus, training.negatives, training.ratio)
        else:
            open_texts(plan, corpus, training)

    def _how(self, spec: ModelSpec) -> "TrainingSettings | RerankerSettings":
        """How a model is trained, with the place of the re-ranker that it learns from."""
        training: TrainingSettings | RerankerSettings = spec.training(self.study)
        if isinstance(training, RerankerSettings) or not training.margin_mse:
            return training
        folder = self.path(spec.reranker) if spec.teacher else self.study.encoder_at(training.reranker)
        return replace(training, reranker=str(folder))

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

    def check_settings(self) -> None:
        """Raise InputError, with all of them, for settings that do not fit the encoders of the study's sections.

        An encoder made from scratch cuts no text and has one table of weights; any other has neither a vocabulary nor
        a size to choose. It is opened only where parts of it are named.
        """
        found = [text for section in self.study.own_sections() for text in self._unfit(section)]
        if found:
            what = "setting does" if len(found) == 1 else f"{len(found)} settings do"
            raise InputError(f"study {self.study.name}: {what} not fit the encoder: {'; '.join(dict.fromkeys(found))}")

    def _unfit(self, section: str) -> Iterator[str]:
        """Settings of a section that do not fit its encoder, each with what to do."""
        settings = self.study.section(section)
        of = "" if section == "main" else f"{section}."
        start, freeze = settings.encoder, settings.training.freeze
        cuts = {f"{of}training": settings.training.max_length, "evaluation": self.study.evaluation.max_length}
        lengths = {f"{key}.max_length": length for key, length in cuts.items() if length is not None}
        if start.name == "static":
            yield from (f"{key}: {length} ({NEVER_CUTS})" for key, length in lengths.items())
            if freeze:
                yield f"{of}training.freeze: {list(freeze)} (static has one table of weights, which is trained)"
            return
        for one in fields(EncoderSettings):
            if one.name in ("vocab_size", "dim", "seed") and getattr(start, one.name) != one.default:
                yield f"{of}encoder.{one.name}: {getattr(start, one.name)} (it is of an encoder made from scratch)"
        if not lengths and not freeze:
            return
        pairs = section == RERANKER
        model = reranker.start(self.study.encoder_at(start.name)) if pairs else self.encoder(section)
        if not pairs and not cuts_texts(model):
            yield from (f"{key}: {length} ({NEVER_CUTS})" for key, length in lengths.items())
        names = [name for name, _ in model.named_parameters()]
        for part in freeze:
            if not any(part in name for name in names):
                words = dict.fromkeys(word for name in names for word in name.split(".") if not word.isdigit())
                yield f"{of}training.freeze: {part!r} is in the name of no parameter{meant(part, words)}"

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
        return digest(asdict(settings), *self._content(settings.name))

    def _content(self, name: str) -> list[Any]:
        """What a model is known by: a folder of the user's own by its files, a hub model by its commit."""
        name = self.study.encoder_at(name)
        folder = Path(name)
        files = sorted(path for path in folder.rglob("*") if path.is_file()) if folder.is_dir() else []
        hashes = [[str(path.relative_to(folder)), sha256_file(path)] for path in files]
        # 2: earlier versions trained some models of a folder otherwise (padded on the left, scaled embeddings, prompts)
        return [encoders.revision(name) or ("2" if files else ""), *hashes]

    def key(self, spec: ModelSpec) -> str:
        """Return the hash of everything that a model is made from."""
        if spec not in self._keys:
            found = self.encoder_key(spec.section, spec.seed)
            if spec.strategy != UNTRAINED:
                found = digest(found, self.plan(spec).fingerprint, spec.training(self.study).key, *self._teacher(spec))
            self._keys[spec] = found
        return self._keys[spec]

    def _teacher(self, spec: ModelSpec) -> list[Any]:
        """What the re-ranker is known by that a model learns from; empty where it learns from none."""
        if spec.teacher:
            return [{RERANKER: self.key(spec.reranker)}]
        name = getattr(spec.training(self.study), "reranker", "")
        own_folder = Path(self.study.encoder_at(name)).is_dir()
        return [{RERANKER: [*([] if own_folder else [name]), *self._content(name)]}] if name else []

    def path(self, spec: ModelSpec) -> Path:
        """Return the folder of a model, there or not."""
        return self.folder / "models" / f"{spec.slug}-{self.key(spec)[:16]}"

    def train(self, spec: ModelSpec, share: Callable[[int], None] | None = None) -> Path:
        """Train a model unless it is there and whole, and return its folder.

        Where only files beside the weights are damaged, they are written again, without a training. Where several
        processes train it together, `share` starts them, given their number, and waits until the folder is there;
        unless given, they are started on this machine.
        """
        folder = self.path(spec)
        if is_whole(folder):
            return folder
        lost = changed(folder) if folder.is_dir() else []
        with threads(1) if self.study.section(spec.section).encoder.name == "static" else nullcontext():
            if lost and {path.name for path in lost} <= BESIDE:
                for path in lost:
                    path.unlink(missing_ok=True)
                model = None if spec.section == RERANKER else encoders.open(folder)
                for name, text in self._beside(spec, model).items():
                    write_text(folder / name, text)
            else:
                remove(folder)
                self._train(spec, folder, share)
        seal(folder)
        return folder

    def _train(self, spec: ModelSpec, folder: Path, share: Callable[[int], None] | None) -> None:
        training = self._how(spec)
        if isinstance(training, RerankerSettings) or training.processes == 1:
            self.train_here(spec, folder)
            return
        self.plan(spec)  # made once, before those who start from it
        self.encoder(spec.section, spec.seed)
        if share is not None:
            share(training.processes)
        else:
            launch(training.processes, "hybridkit.study.train_one", str(self.folder), json.dumps(asdict(spec)))

    def train_here(self, spec: ModelSpec, folder: Path) -> None:
        """Train a model in this process, which may be one of several (`train_one`), and write it to a folder."""
        training = self._how(spec)
        if isinstance(training, RerankerSettings):
            model = reranker.start(self.study.encoder_at(self.study.section(RERANKER).encoder.name), spec.seed)
            plan, corpus = self.plan(spec), self.rows.of(spec)
            train_reranker(model, corpus, plan, training, folder, beside=lambda _: self._beside(spec, None))
            return
        if spec.teacher:
            self.train(spec.reranker)
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

    def _beside(self, spec: ModelSpec, model: "SentenceTransformer | None") -> dict[str, str]:
        """The texts beside a model's weights by file name: its card, its held-out scores, where it comes from.

        Without a model they are those of a re-ranker, which has no held-out scores.
        """
        corpus, rows, plan = self.rows.of(spec), ", ".join(self.study.rows.files), self.plan(spec)
        scores = self.score_held_out(model, spec.section) if model else {}
        rates = (
            {} if model else {f"words switched, {name}": text for name, text in rate_sentences(plan, corpus).items()}
        )
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
                "batch plan": f"`{plan.fingerprint}`",
                **spec.training(self.study).written,
                **rates,
            },
            held_out_section(scores, len(self.rows.split[1])) if model else "",
            self.study.rows.files,
            "sentence-similarity" if model else "text-ranking",
        )
        source = json.dumps({"source": f"study {self.study.name}: {spec}"} | (self._noted_start(spec) if model else {}))
        return {"README.md": card, HELD_OUT: json.dumps(scores, indent=2) + "\n", encoders.SOURCE_FILE: source}

    def _noted_start(self, spec: ModelSpec) -> dict[str, str]:
        """The name and the hash of the encoder that a model was trained from, where the name opens it anywhere."""
        name = self.study.section(spec.section).encoder.name
        if name == "static" or Path(self.study.encoder_at(name)).is_absolute():
            return {}
        key = self.encoder_key(spec.section, spec.seed)
        if key not in self._start_weights:  # of the encoder as it is opened: that of the training is trained by now
            self._start_weights[key] = encoders.weights_hash(self.encoder(spec.section, spec.seed))
        return {"start": name, "start_weights": self._start_weights[key]}

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

    def open_reranker(self, spec: ModelSpec) -> "CrossEncoder":
        """Return a re-ranker of the study, trained first if it is missing."""
        return self.read(spec, reranker.open)

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

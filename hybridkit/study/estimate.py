"""Before a run: missing files, rows by language, steps, disk, and the time that a few steps predict."""

import logging
import shutil
import signal
import time
from collections import Counter
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, nullcontext, suppress
from dataclasses import dataclass, replace
from itertools import product
from pathlib import Path
from tempfile import TemporaryDirectory
from threading import current_thread, main_thread
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from hybridkit.data.collection import POOL, Collection
from hybridkit.data.corpus import ParallelCorpus
from hybridkit.data.sources.hub_rows import MARK, HubRows
from hybridkit.data.sources.open_benchmarks import base_name
from hybridkit.data.sources.registry import DATA_SETS, data_set, locate, pins
from hybridkit.errors import InputError
from hybridkit.models import e5_small, model_folders, reranker, use_multilingual
from hybridkit.models import encoder as encoders
from hybridkit.models.reranker_training import RerankerSettings, train_reranker
from hybridkit.models.training import TrainingSettings, train
from hybridkit.retrieval.rerank import pairs_in
from hybridkit.sampling.plan import BatchPlan
from hybridkit.sampling.plan_texts import PlanTexts
from hybridkit.study.card_cost import SHARE, hours, step_cost
from hybridkit.study.model_spec import ModelSpec
from hybridkit.study.run import Run
from hybridkit.study.settings import RERANKER, UNTRAINED, Study
from hybridkit.utils.naming import meant, split_name
from hybridkit.utils.parallel import threads
from hybridkit.utils.products import is_whole

if TYPE_CHECKING:
    from sentence_transformers import CrossEncoder, SentenceTransformer

_STEPS = 4  # the first warms up and is not counted
_ENOUGH = 20.0  # seconds: of steps as slow as this one is enough
_PATIENCE = 30.0  # seconds after which timing a step is given up
_STEP_IN_TEXTS = (3.0, 6.0)  # a step takes as long as encoding its texts so many times: forward, backward, optimiser
log = logging.getLogger("hybridkit")
_TEXTS = (64, 1024)  # of each side, encoded to time the evaluation: the second where the first are too fast
_LONG = 1.0  # seconds that say how long others will take
_PAIRS = 64  # scored by a re-ranker to time it


@dataclass(frozen=True)
class Missing:
    """Something that this machine does not have.

    `kind` is "rows", "benchmark", "collection", "lexicon" or "encoder"; `message` names it and says what to do;
    `fetched` is whether a run fetches it by itself, where there is a network.
    """

    kind: str
    message: str
    fetched: bool = False


def missing(study: Study) -> list[Missing]:
    """Return everything that a study needs and this machine does not have, in the order of the study.

    Example:
        >>> from hybridkit.study.settings import open_study
        >>> missing(open_study("quick"))
        []
    """
    wanted = [("rows", name) for name in study.rows.files]
    wanted += [("benchmark", base_name(name)) for name in study.benchmarks if base_name(name) != "held-out"]
    wanted += [("collection", _without_pool(name)) for name in study.judged]
    wanted += [("lexicon", name) for name in study.lexicons]
    found = [
        Missing(kind, text, fetched)
        for kind, name in dict.fromkeys(wanted)
        for text, fetched in _data(kind, name, study)
    ]
    names = [study.encoder.name, *(study.section(section).encoder.name for section in study.sections)]
    names += study.teachers
    encoders = dict.fromkeys(one for name in names for one in _encoder(name, study.encoder_at(name)))
    return found + [Missing("encoder", *one) for one in encoders]


def _without_pool(name: str) -> str:
    """The collection whose passages a pool is of."""
    base, words = split_name(name)
    left = [word for word in words if word != POOL]
    return name if len(left) == len(words) else base + f"[{','.join(left)}]" * bool(left)


def _data(kind: str, name: str, study: Study) -> Iterator[tuple[str, bool]]:
    name = {"atlas": "atlas-lexicon"}.get(name, name) if kind == "lexicon" else name.removesuffix("-paragraphs")
    if name.startswith(MARK):
        if not HubRows.of(name).file.is_file():
            yield (
                f'{kind} {name}: not here yet; the run streams it from the hub (check first: data check "{name}")',
                True,
            )
        return
    if split_name(name)[0] not in DATA_SETS:
        path = Path(split_name(study.at(name))[0]).expanduser()
        form = "file" if kind in ("rows", "benchmark") else "folder"
        if not (path.is_file() if form == "file" else path.is_dir()):
            near = meant(split_name(name)[0], DATA_SETS)
            why = f"no such {form} ({path}), and no data set of that name{near}"
            yield f"{kind} {name}: {why}; paths in a study start from its own folder", False
        return
    data = data_set(name)
    if locate(data) is None:
        size = sum(pins().get(file, (0, ""))[0] for file in data.files)
        known = f", {size / 1e6:,.1f} MB" if size else ""
        files = f"{len(data.files)} file{'s' if len(data.files) > 1 else ''}{known}"
        cure = f'hybridkit data fetch "{name}"' if data.address else "put it into a folder that HYBRIDKIT_DATA names"
        yield f"{kind} {name} ({files}; licence {data.licence}): {cure}", bool(data.address)


def _encoder(name: str, path: str) -> Iterator[tuple[str, bool]]:
    if name == "static" or Path(path).expanduser().is_dir():
        return
    if path != name:
        yield f"encoder {name}: no such folder ({path}); paths start from the study's own folder", False
        return
    if name == "use-multilingual":
        if not use_multilingual.is_here():
            yield f"encoder {name}: {use_multilingual.CURE}", False
        return
    if name == "e5-small":
        try:
            e5_small.locate()
            return
        except InputError:
            pass  # no wheel: the hub's
    known = encoders.ALIASES | reranker.ALIASES
    if model_folders.here(known.get(name, name)) is None:
        fetched = reranker.ALIASES.get(name, name)
        yield f"encoder {name} ({known.get(name, 'of the hub')}): hybridkit model fetch {fetched}", True


@dataclass(frozen=True)
class Estimate:
    """What a study has left to do.

    - `missing`: sentences, each with the command that helps;
    - `trainings`: all of them; `left` and `steps`: those that are not made yet;
    - `rows`: the training rows by language (language, queries, passages, negatives); None where they are not here;
    - `disk`: bytes by what they are for; `seconds`: time by what it is for; None without rows and encoder;
    - `longest`: the same where the time of a step is only known as a range, of which `seconds` has the lower end;
    - `free`: bytes that are free on the disk;
    - `card`: of trainings of transformers: operations, tokens, bytes of weights, gradients and moments, and hours on
      cards (`card_cost`); None without such.
    """

    name: str
    missing: list[str]
    trainings: int
    left: int
    steps: int
    rows: pd.DataFrame | None = None
    disk: dict[str, int] | None = None
    seconds: dict[str, float] | None = None
    free: int = 0
    longest: dict[str, float] | None = None
    card: dict[str, Any] | None = None

    def __str__(self) -> str:
        lines = [f"{self.trainings} trainings, {self.left} of them missing: {self.steps:,} steps in all"]
        if self.rows is not None:
            total = f"{self.rows.attrs['rows']:,} training rows, {self.rows.attrs['held_out']:,} held out"
            lines += [total, self.rows.to_string(index=False)]
        if self.disk is not None:
            parts = ", ".join(f"{what} {size / 1e6:,.1f} MB" for what, size in self.disk.items())
            lines.append(f"disk: {sum(self.disk.values()) / 1e9:,.2f} GB ({parts}); {self.free / 1e9:,.1f} GB are free")
        if self.seconds is not None:
            longest = self.longest or self.seconds
            parts = ", ".join(f"{what} {_between(one, longest[what])}" for what, one in self.seconds.items())
            total = _between(sum(self.seconds.values()), sum(longest.values()))
            how = "by first timed steps" if self.longest is None else "a step took too long to be timed"
            lines.append(f"time: about {total} on this machine ({parts}), {how}")
        if self.card is not None:
            times = ", ".join(f"{name} {_span(3600 * one)}" for name, one in self.card["hours"].items())
            lines.append(
                f"trainings on one GPU: {times} ({self.card['operations'] / 1e15:,.2f} PFLOP, "
                f"{self.card['tokens'] / 1e6:,.1f} million tokens, counted from real first steps; {SHARE:.0%} of the "
                f"published bf16 peak is assumed, not measured); {self.card['memory'] / 1e9:,.2f} GB for weights, "
                "gradients and moments, beside the activations"
            )
        if self.missing:
            lines += ["missing:", *(f"  {one}" for one in self.missing)]
        return "\n".join(lines)


def estimate(run: Run) -> Estimate:
    """Estimate what a study has left to do; nothing is fetched, and no training is kept.

    Missing rows and plans are made, as the run itself would. The encoder does the first steps of the first plan of each
    section, and encodes some texts of the first benchmark. A training that stops early takes less time.
    """
    lacking = missing(run.study)
    messages = [one.message for one in lacking]
    # sets of languages are drawn from those of the rows, and rows are compared with the benchmarks
    if any(one.kind in ("rows", "benchmark") for one in lacking):
        known = [section for section in run.study.sections if section != "diversity"]
        specs = [spec for section in known for spec in run.models(section) if spec.strategy != UNTRAINED]
        steps = sum(spec.training(run.study).steps for spec in specs)
        return Estimate(run.study.name, messages, len(specs), len(specs), steps)
    if not lacking:
        run.trained.check_settings()
    specs = [spec for spec in run if spec.strategy != UNTRAINED]
    folders = {run.trained.path(spec): spec for spec in specs}  # sections may share models
    left = [spec for folder, spec in folders.items() if not is_whole(folder, thorough=False)]
    steps = sum(spec.training(run.study).steps for spec in left)
    frame = _rows(run)
    if lacking:
        return Estimate(run.study.name, messages, len(folders), len(left), steps, frame)
    disk = {"corpus": _size(run.folder / "corpus"), "models": 0, "checkpoints while training": 0, "embeddings": 0}
    seconds = {"training": 0.0, "held-out scores": 0.0, "encoding": 0.0}
    card = {"operations": 0.0, "tokens": 0.0, "memory": 0.0}
    counted: set[tuple[str, ...]] = set()  # sections may share models
    slowest = 0.0  # time of trainings, where their steps take as long as they may
    for section in run.study.sections:
        todo = [spec for spec in left if spec.section == section]
        texts, corpora = _texts_left(run, section, counted), _corpora_left(run, section, counted)
        if section == RERANKER:
            _add_rerankers(run, todo, disk, seconds)
            continue
        if not todo and not texts and not corpora:
            continue
        settings = run.study.section(section)
        encoder = run.trained.encoder(section)
        training = todo[0].training(run.study) if todo else settings.training
        sizes = {name: 4 * one.numel() for name, one in encoder.named_parameters()}
        trained = sum(size for name, size in sizes.items() if not any(part in name for part in training.freeze))
        disk["models"] += sum(sizes.values()) * len(todo)
        # two checkpoints, each of the weights that are trained and both moments of the optimiser
        disk["checkpoints while training"] = max(disk["checkpoints while training"], 6 * trained if todo else 0)
        disk["embeddings"] += 4 * (encoder.get_embedding_dimension() or 0) * texts
        log.info("timing how long texts take to encode: %s", settings.encoder.name)
        rate = time_texts(encoder, run, run.study.embedded(settings.benchmarks[0]))
        seconds["encoding"] += rate * texts
        if corpora:
            passages = sum(part.size * models for part, models in corpora)
            seconds["collections"] = seconds.get("collections", 0.0) + time_passages(encoder, run, corpora) * passages
            disk["embeddings"] += 4 * (encoder.get_embedding_dimension() or 0) * passages
        if todo:
            rows = f"{training.batch_size} rows"
            log.info("timing a training step of %s (%s), for at most %.0f s", settings.encoder.name, rows, _PATIENCE)
            with threads(1) if settings.encoder.name == "static" else nullcontext():  # as they are trained
                step = time_step(encoder, run.corpus(todo[0]), run.plan(todo[0]), training)
            low = high = step or 0.0
            if step is None:
                low, high = (factor * rate * 2 * training.batch_size for factor in _STEP_IN_TEXTS)
                log.info("given up; by the time of its texts a step takes %s", _between(low, high))
            else:
                log.info("a step takes %.2g s", step)
            draws = sum(one.steps * one.batch_size for one in [spec.training(run.study) for spec in todo])
            if cost := step_cost(encoder, run.corpus(todo[0]), run.plan(todo[0]), training):
                card["operations"] += cost.operations * draws / training.batch_size
                card["tokens"] += cost.tokens * draws / training.batch_size
                card["memory"] = max(card["memory"], sum(sizes.values()) + 3 * trained)
            seconds["training"] += low * draws / training.batch_size
            slowest += high * draws / training.batch_size
            if any(one.training(run.study).margin_mse for one in todo):
                seconds["re-ranker's scores"] = seconds.get("re-ranker's scores", 0.0) + _time_margins(run, todo)
            if training.evaluate_every and len(run.split[1]):
                times = training.steps // training.evaluate_every * len(todo)
                seconds["held-out scores"] += rate * _size_of(run, "held-out") * times
    free = shutil.disk_usage(run.folder).free
    longest = {**seconds, "training": slowest} if slowest > seconds["training"] else None
    on_cards = {**card, "hours": hours(card["operations"])} if card["operations"] else None
    return Estimate(run.study.name, [], len(folders), len(left), steps, frame, disk, seconds, free, longest, on_cards)


def _add_rerankers(run: Run, todo: list[ModelSpec], disk: dict[str, int], seconds: dict[str, float]) -> None:
    """Add what the re-rankers of a study have left to do; those of a pool are among those of its languages."""
    chosen, specs = run.study.reranker, run.models(RERANKER)
    unranked = [
        (spec, name)
        for name in run.study.section(RERANKER).benchmarks
        for spec in specs
        if spec.strategy != UNTRAINED and not is_whole(run.ranks_path(spec, name), thorough=False)
    ]
    if chosen is None or not (todo or unranked):
        return
    model = reranker.start(run.study.encoder_at(run.study.section(RERANKER).encoder.name))
    disk["models"] += sum(4 * one.numel() for one in model.parameters()) * len(todo)
    if todo:
        step = time_step(model, run.corpus(todo[0]), run.plan(todo[0]), chosen.training)
        if step is None:
            log.info("re-rankers: given up; a step takes more than %.0f s", _PATIENCE)
        seconds["training"] += (_PATIENCE if step is None else step) * chosen.training.steps * len(todo)
    pairs = sum(pairs_in(run.reranked_on(name)[0], chosen.depth) for _, name in unranked)
    seconds["re-ranking"] = time_pairs(model, run, unranked[0][1]) * pairs if unranked else 0.0


def _time_margins(run: Run, todo: list[ModelSpec]) -> float:
    """The seconds that re-rankers take to score the plans of the models that learn from them: two pairs a draw."""
    taught = [(spec, spec.training(run.study)) for spec in todo if spec.training(run.study).margin_mse]
    spec, training = taught[0]
    if spec.teacher:
        model = reranker.start(run.study.encoder_at(run.study.section(RERANKER).encoder.name))
    else:
        model = reranker.open(run.study.encoder_at(training.reranker))
    texts = PlanTexts(run.plan(spec), run.corpus(spec))(np.arange(min(_PAIRS, training.batch_size)))
    return (
        2
        * _time_scores(model, texts["query"], texts["passage"], training)
        * sum(one.steps * one.batch_size for _, one in taught)
    )


def time_pairs(model: "CrossEncoder", run: Run, name: str) -> float:
    """Return the seconds that a pair of a benchmark takes to score; the mean of some queries and passages."""
    settings, sample = run.study.evaluation, run.reranked_on(name)[0]
    queries, passages = (
        frame["text"].iloc[np.linspace(0, len(frame) - 1, _PAIRS).astype(int)].tolist()
        for frame in (sample.queries, sample.passages)
    )
    return _time_scores(model, queries, passages, settings)


def _time_scores(model: "CrossEncoder", queries: list[str], passages: list[str], settings: Any) -> float:
    """The seconds that a pair takes to score, after two that warm up."""
    options: dict[str, Any] = {"max_length": settings.max_length, "precision": settings.precision}
    reranker.score(model, queries[:2], passages[:2], **options)
    start = time.perf_counter()
    reranker.score(model, queries, passages, **options)
    return (time.perf_counter() - start) / len(queries)


def time_step(
    encoder: "SentenceTransformer | CrossEncoder",
    corpus: ParallelCorpus,
    plan: BatchPlan,
    settings: TrainingSettings | RerankerSettings,
) -> float | None:
    """Return the seconds of a training step: the first steps of a plan are done, timed and undone.

    The mean of those after the first; of steps that take longer than 20 s the first one itself. None where no step has
    ended after 30 s, with all that is done before the first one. It is timed in one process: several on a CPU share its
    cores, and on as many GPUs a step takes less.
    """
    from transformers import TrainerCallback

    class Clock(TrainerCallback):
        def __init__(self) -> None:
            self.ends: list[float] = []

        def on_train_begin(self, *_: object, **__: object) -> None:
            self.ends.append(time.perf_counter())

        def on_step_end(self, *_: object, **__: object) -> None:
            self.ends.append(time.perf_counter())
            done = len(self.ends) - 1
            if done == min(_STEPS, len(plan)) or self.ends[-1] - self.ends[0] > _ENOUGH:
                raise _EnoughError

    clock = Clock()
    of_pairs = isinstance(settings, RerankerSettings)
    own: dict[str, Any] = {} if of_pairs else {"evaluate_every": 0, "patience": 0, "processes": 1}
    if isinstance(settings, TrainingSettings) and settings.margin_mse:  # its scores are made before the first step
        own |= {"margin_mse": 0.0, "reranker": "", "contrastive": settings.contrastive or 1.0}
    settings = replace(settings, checkpoint_every=settings.steps + 1, **own)
    train_one: Any = train_reranker if of_pairs else train
    with TemporaryDirectory() as folder, suppress(_EnoughError), _interrupted(_PATIENCE):
        train_one(encoder, corpus, plan, settings, Path(folder) / "timed", callbacks=[clock])
    if len(clock.ends) < 2:
        return None
    first = 0 if len(clock.ends) < 3 else 1
    return (clock.ends[-1] - clock.ends[first]) / (len(clock.ends) - 1 - first)


def time_texts(encoder: "SentenceTransformer", run: Run, name: str) -> float:
    """Return the seconds that a text of a benchmark takes to encode; the mean of some queries and passages."""
    benchmark = run.subset(name)[0]
    spent = count = 0.0  # each side weighs as much as it has texts
    for side, frame in (("query", benchmark.queries), ("passage", benchmark.passages)):
        texts = frame["text"].tolist()
        spent, count = spent + _time_some(encoder, run, side, texts) * len(frame), count + len(frame)
    return spent / max(count, 1)


def time_passages(encoder: "SentenceTransformer", run: Run, corpora: Sequence[tuple[Collection, int]]) -> float:
    """Return the seconds that a passage of some collections takes to encode; the mean of some of each one's first."""
    every = sum(part.size for part, _ in corpora)
    texts: list[str] = []
    for part, _ in corpora:  # as many of each as it is large
        first = next(part.passages())[1]
        count = max(1, _TEXTS[-1] * part.size // every)
        texts += first[:: max(1, len(first) // count)][:count]
    return _time_some(encoder, run, "passage", texts)


def _time_some(encoder: "SentenceTransformer", run: Run, side: str, texts: list[str]) -> float:
    """The seconds that one of some texts takes to encode: of a few, or of more where these say little."""
    from hybridkit.models.embedding import encode

    options: dict[str, Any] = {
        "max_length": run.study.evaluation.max_length,
        "precision": run.study.evaluation.precision,
    }
    encode(encoder, texts[:2], side, **options)
    taken = 0.0
    for count in _TEXTS:
        some = texts[:: max(1, len(texts) // count)]
        start = time.perf_counter()
        encode(encoder, some, side, **options)
        taken = (time.perf_counter() - start) / max(1, len(some))
        if taken * len(some) > _LONG:
            break
    return taken


@contextmanager
def _interrupted(seconds: float) -> Iterator[None]:
    """Raise `_EnoughError` in the block when it has taken so long; only the main thread can be interrupted."""

    def stop(*_: object) -> None:
        raise _EnoughError

    if current_thread() is not main_thread() or not hasattr(signal, "setitimer"):
        yield
        return
    before = signal.signal(signal.SIGALRM, stop)
    signal.setitimer(signal.ITIMER_REAL, seconds)
    try:
        yield
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, before)


class _EnoughError(Exception):
    """Ends a training that is only timed."""


def _rows(run: Run) -> pd.DataFrame:
    corpus = run.split[0]
    counts = {side: (corpus.positions[side] >= 0).sum(axis=0) for side in ("query", "passage", "negative")}
    frame = pd.DataFrame(
        {
            "language": corpus.languages,
            "queries": counts["query"],
            "passages": counts["passage"],
            "negatives": counts["negative"],
        }
    )
    frame.attrs |= {"rows": len(corpus), "held_out": len(run.split[1])}
    return frame


def _evaluated(run: Run, section: str) -> list[ModelSpec]:
    """The models of a section, of the main one with each remedy too where notebook 08 is the study's."""
    return run.systems() if section == "main" and "08" in run.study.notebooks else run.models(section)


def _texts_left(run: Run, section: str, counted: set[tuple[str, ...]]) -> int:
    """Texts of all benchmarks for every model of a section that is not ranked on all of them yet, nor `counted`.

    A remedy in the weights makes another model of it; other remedies start from embeddings that are there.
    """
    specs = _evaluated(run, section)
    left = {
        (run.trained.key(spec), spec.encoded.remedy, run.study.embedded(name))
        for name in run.study.section(section).benchmarks
        for spec in specs
        if not is_whole(run.ranks_path(spec, name), thorough=False)
        and not all(is_whole(path, thorough=False) for path in run.embedding_paths(spec, name))
    } - counted
    counted |= left
    return sum(_size_of(run, name) for *_, name in left)


def _corpora_left(run: Run, section: str, counted: set[tuple[str, ...]]) -> list[tuple[Collection, int]]:
    """The corpora of the judged collections of a section, each with how many models have not encoded it, nor `counted`.

    A pool has the corpora of its languages, and what was searched alone is not encoded again for a pool. A remedy in
    the weights makes another model of it.
    """
    names = run.study.judged_in(section)
    specs = _evaluated(run, section)
    parts: dict[str, Collection] = {}
    wanted: list[tuple[str, ...]] = []
    for one, spec in product(run.collections(*names), specs if names else []):
        done = is_whole(run.judged_path(spec, one, "queries"), thorough=False)
        own = {part.corpus: part for part in one.parts or (one,)}
        parts |= own
        encoded = [(run.trained.key(spec), spec.encoded.remedy, corpus) for corpus in own]
        (counted.update if done else wanted.extend)(encoded)
    left = [pair for pair in dict.fromkeys(wanted) if pair not in counted]
    counted.update(left)
    models = Counter(corpus for *_, corpus in left)
    return [(parts[corpus], count) for corpus, count in models.items()]


def _size_of(run: Run, name: str) -> int:
    benchmark = run.subset(name)[0]
    return len(benchmark.queries) + len(benchmark.passages)


def _size(folder: Path) -> int:
    return sum(path.stat().st_size for path in folder.rglob("*") if path.is_file())


def _between(low: float, high: float) -> str:
    """A time or a range of times as people write it.

    >>> _between(600, 600), _between(600, 1200)
    ('10 min', '10 min to 20 min')
    """
    return _span(low) if _span(low) == _span(high) else f"{_span(low)} to {_span(high)}"


def _span(seconds: float) -> str:
    """A time as people write it.

    >>> _span(42), _span(600), _span(9000), _span(300000)
    ('42 s', '10 min', '2.5 h', '3.5 days')
    """
    for size, word in ((86400 * 1.5, "days"), (5400, "h"), (90, "min")):
        if seconds >= size:
            unit = {"days": 86400, "h": 3600, "min": 60}[word]
            return f"{seconds / unit:.0f} {word}" if word == "min" else f"{seconds / unit:.1f} {word}"
    return f"{seconds:.0f} s"

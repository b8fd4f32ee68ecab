"""Train an encoder on a batch plan by sentence-transformers' trainer; a killed training goes on where it was."""

import json
import logging
import shutil
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import asdict
from itertools import chain
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal

import numpy as np
from pydantic import AfterValidator, Field, Strict, ValidationInfo

from hybridkit.data.corpus import ParallelCorpus
from hybridkit.errors import InputError, first_line
from hybridkit.models.embedding import FAILURES, as_it_was, cut_at, failing_clearly, features_of, prompt_of, rounding
from hybridkit.models.encoder import model_hash, similarity_of
from hybridkit.models.margins import reranker_margins
from hybridkit.models.teacher import teacher_vectors
from hybridkit.sampling.plan import BatchPlan
from hybridkit.sampling.plan_texts import PlanTexts
from hybridkit.utils.files import atomic_folder, digest
from hybridkit.utils.numbers import COUNT, COUNT_OR_NONE, LENGTH, PAIRED, POSITIVE, SHARE_BELOW_1, Range
from hybridkit.utils.progress import calm_bars
from hybridkit.utils.yaml_files import settings

if TYPE_CHECKING:
    from sentence_transformers import SentenceTransformer

# of settings that came later: at these values nothing is trained otherwise than before, so they are left out of keys
PLAIN_LOSS = {
    "margin": 0.0,
    "consistency": 0.0,
    "distillation": 0.0,
    "teacher_language": "en",
    "margin_mse": 0.0,
    "reranker": "",
    "contrastive": 1.0,
}
_LATER = {"mini_batch": 0, "negatives": False, "watch": "AP", **PLAIN_LOSS, "processes": 1}
_BESIDE = {"report_to"}  # settings that no weight depends on
Precision = Literal["float32", "bf16"]
# of a longer plan, looking up the tokens that occur takes longer than training them alone saves
TRIMMED_DRAWS = 1_000_000
log = logging.getLogger("hybridkit")


def _patience(value: int, info: ValidationInfo) -> int:
    if value and info.data.get("evaluate_every") == 0:
        raise InputError(f"must be 0 where evaluate_every is 0 (got {value}): nothing is evaluated to wait for")
    return value


def _margin_mse(value: float, info: ValidationInfo) -> float:
    if value and info.data.get("negatives") is False:
        raise InputError(f"must be 0 where negatives is false (got {value}): its margins are those of hard negatives")
    return value


def _reranker(name: str, info: ValidationInfo) -> str:
    if bool(name) != bool(info.data.get("margin_mse", name)):
        what = "given where margin_mse is above 0: whose margins are they" if not name else "left out: margin_mse is 0"
        raise InputError(f"must be {what} (got {name!r})")
    return name


def _contrastive(value: float, info: ValidationInfo) -> float:
    if not value and info.data.get("distillation") == 0 and info.data.get("margin_mse") == 0:
        why = "nothing would hold texts apart"
        raise InputError(f"must be above 0 where distillation and margin_mse are 0 (got {value}): {why}")
    return value


def _processes(value: int, info: ValidationInfo) -> int:
    size = info.data.get("batch_size", value)
    if size % value:
        raise InputError(f"must divide the batch size, {size} (got {value}): each process has as many rows of a batch")
    return value


@settings("training")
class TrainingSettings:
    """How to train.

    Raises:
        InputError: For a setting outside of its range, with the range.

    Example:
        >>> TrainingSettings(steps=0, batch_size=32)
        Traceback (most recent call last):
        ...
        hybridkit.errors.InputError: training.steps must be a whole number from 1 on (got 0)
    """

    steps: Annotated[int, COUNT]
    batch_size: Annotated[int, PAIRED]
    """Rows of a batch, shared out among the processes."""
    learning_rate: Annotated[float, POSITIVE] = 3e-5
    temperature: Annotated[float, POSITIVE] = 0.05
    """The scores are divided by it."""
    warmup: Annotated[float, SHARE_BELOW_1] = 0.1
    """Share of the steps in which the learning rate rises."""
    weight_decay: Annotated[float, Range(0)] = 0.01
    max_length: Annotated[int, LENGTH] | None = None
    """Tokens of a text; longer ones are cut. The encoder's own limit unless given."""
    precision: Precision = "float32"
    """Arithmetic of the training: float32, or bf16 (autocast)."""
    freeze: tuple[str, ...] = ()
    """Parts of the names of parameters that stay as they are."""
    checkpoint_every: Annotated[int, COUNT] = 50
    """Steps between checkpoints."""
    evaluate_every: Annotated[int, COUNT_OR_NONE] = 0
    """Steps between held-out scores; 0 for none."""
    patience: Annotated[int, COUNT_OR_NONE, AfterValidator(_patience)] = 0
    """Evaluations without a better score after which the training stops; 0 for never."""
    mini_batch: Annotated[int, COUNT_OR_NONE] = 0
    """Texts in memory at a time while gradients are cached (GradCache, arXiv 2101.06983); 0 for the whole batch."""
    negatives: Annotated[bool, Strict()] = False
    """Whether the rows' hard negatives are used too."""
    watch: Annotated[str, Strict(), Field(min_length=1)] = "AP"
    """The held-out score to stop by and to choose a checkpoint by: AP, AP mono, AP en>en, rank_distance, ..."""
    margin: Annotated[float, Range(0)] = 0.0
    """Taken off the cosine of a query and its own passage before the temperature; LaBSE (arXiv 2007.01852) has 0.3, in
    both directions, here it is query to passages only."""
    consistency: Annotated[float, Range(0)] = 0.0
    """Weight of consistency: that a query scores the batch's passages alike in two of its row's languages (symmetric
    KL; arXiv 2509.06195). Queries are encoded twice."""
    distillation: Annotated[float, Range(0)] = 0.0
    """Weight of distillation: that texts of all languages come to lie where the encoder had the row's text in
    teacher_language before the training (arXiv 2004.09813); the mean of 1 - cosine."""
    teacher_language: Annotated[str, Strict(), Field(min_length=1)] = "en"
    """The language of the texts that distillation draws the others to; its own texts are kept where they were."""
    margin_mse: Annotated[float, Range(0), AfterValidator(_margin_mse)] = 0.0
    """Weight of distillation from a re-ranker: that a query's score of its own passage comes to lie as far above that
    of its hard negative as the re-ranker's scores do (MarginMSE, arXiv 2010.02666). It needs negatives."""
    reranker: Annotated[str, Strict(), AfterValidator(_reranker)] = ""
    """The re-ranker that margin_mse learns from: a folder, or a name of the hub."""
    contrastive: Annotated[float, Range(0), AfterValidator(_contrastive)] = 1.0
    """Weight of the contrastive loss, InfoNCE; 0 leaves it out, for distillation alone."""
    processes: Annotated[int, COUNT, AfterValidator(_processes)] = 1
    """Processes that share each batch, one a GPU where there are GPUs: on one machine, or on several of a cluster where
    none has room for all. The sums of gradients are added in another order than in one process, so that the last digits
    of the weights differ."""
    report_to: tuple[str, ...] = ()
    """Trackers that follow the training: tensorboard, wandb, mlflow, trackio, or another of transformers'."""

    @property
    def key(self) -> dict[str, Any]:
        """What a training depends on, for its hash, but for the re-ranker: its name is not what it is."""
        own = {name: value for name, value in self.written.items() if name != "reranker"}
        return {name: value for name, value in own.items() if _LATER.get(name) != value}

    @property
    def written(self) -> dict[str, Any]:
        """The settings as they are written beside a model: without what its weights do not depend on."""
        return {
            name: value
            for name, value in asdict(self).items()
            if name not in _BESIDE and not (name == "processes" and value == 1)
        }


def train(
    encoder: "SentenceTransformer",
    corpus: ParallelCorpus,
    plan: BatchPlan,
    settings: TrainingSettings,
    out: Path,
    *,
    beside: Callable[["SentenceTransformer"], Mapping[str, str]] | None = None,
    measure: Callable[["SentenceTransformer"], Mapping[str, float]] | None = None,
    callbacks: Sequence[Any] = (),
    logs: Path | None = None,
) -> Path:
    """Train on every batch of the plan by in-batch InfoNCE over cosines, and return the model's folder `out`.

    With `settings.consistency` each query is encoded in a second language of its row too, drawn uniformly by the plan's
    seed and whatever the strategy (`twin_languages`); it is the row's own text, also where `codeswitch` switches the
    query itself. Added to the loss, times that weight, is the mean over the rows of half of KL(p || q) + KL(q || p): p
    and q are the softmax of the scores of both over the batch's passages and hard negatives, at the temperature of the
    loss and without the margin. Both learn; neither is a candidate of any query. Rows with a query in one language add
    0. The plan, and what is counted of it, do not have these queries. Held-out scores know none of these terms, and
    stopping early goes by them.

    With `settings.distillation` the encoder as it is at the start is the teacher. Before the training it embeds, in
    their own prompts and at the cut and precision of the training, the texts in `teacher_language` of all rows that are
    drawn (`teacher_vectors`). Added to the loss, times that weight, is the mean over the batch's queries and passages
    of 1 - cosine to the vector of the same row's text of the same side. Negatives and twins have no part in it. A text
    in the teacher's language is kept where it was, a code-switched one is drawn to the vector of the row's own text,
    and a row without a text in that language adds 0. The gradient of InfoNCE is divided by the temperature, this one
    is not: a weight far below 1 / temperature says little. Where `contrastive`, `consistency` and `margin_mse` are 0,
    hard negatives are not read.

    With `settings.margin_mse` the scores of `settings.reranker` are learnt. Before the training it scores the query of
    each draw with its passage and with its hard negative, as they are trained on (`reranker_margins`). Added to the
    loss, times that weight, is the mean over the batch's rows of the squared difference between that margin, of logits,
    and the encoder's, cosine with the passage less cosine with the negative, divided by the temperature and without
    `margin`. A row without a negative adds 0. Where InfoNCE's gradient is bounded, this one grows with the difference.

    Checkpoints are in `out` + ".work" until the end; called again after a kill, the same training (plan, settings and
    encoder) goes on from the last whole one, to the same weights on the same machine. Under `accelerate launch` the
    processes share each batch of the plan. After an error or an interruption the encoder is as it was before.

    Args:
        encoder: The encoder, which is trained in place.
        corpus: The corpus that the plan was made of.
        plan: The batches.
        settings: How to train.
        out: A SentenceTransformer folder to write, with `steps.jsonl` (step, kind, loss, learning_rate; of more than
            plain InfoNCE also its parts, without their weights: infonce, which has the margin, consistency,
            distillation, margin_mse).
        beside: Returns more texts to write into the folder, by file name, such as the model's card.
        measure: Returns held-out scores; `settings.watch` is the one that decides about stopping.
        callbacks: More callbacks of the trainer.
        logs: Folder for what trackers that write files, as tensorboard does, write; `out` + ".logs" unless given.

    Raises:
        InputError: A plan of another corpus, a setting that does not fit the encoder, consistency where no query is
            known in a second language, distillation where no row has a text in the teacher's language, margin_mse where
            no draw has a negative or with what is no re-ranker, or a loss that is not a number.

    Source:
        arXiv 2408.10536, section 2: cross-entropy over the batch's passages, scores divided by the temperature. Margin:
        additive margin softmax, arXiv 2007.01852. Consistency: in the manner of LaKDA, arXiv 2509.06195. Distillation:
        arXiv 2004.09813, section 2, whose squared error on vectors of length 1 is twice 1 - cosine; there the teacher
        is another, monolingual encoder, here the encoder itself. From a re-ranker: arXiv 2010.02666, section 3.2.
    """
    if settings.processes > 1:
        _check_processes(settings.processes)
    work = out.with_name(out.name + ".work")
    prompts = {side: prompt_of(encoder, side) for side in ("query", "passage")}
    texts = open_texts(plan, corpus, settings)
    margins, known = None, []
    if settings.margin_mse:
        margins, hashed = reranker_margins(texts, settings, work)
        known = [hashed]
    key = digest(plan.fingerprint, settings.key, model_hash(encoder), prompts, *known)
    prompts |= {"negative": prompts["passage"], "twin": prompts["query"]}
    _count_alone(texts, settings)
    teacher = teacher_vectors(encoder, texts, settings, work) if settings.distillation else None
    if (compared := similarity_of(encoder)) != "cosine":
        log.warning("the encoder compares by %s; it is trained over cosines, the loss of arXiv 2408.10536", compared)

    def prepare(sped_up: ExitStack) -> str:
        from hybridkit.models.fast_layers import occurring
        from hybridkit.models.loss import Objective, sample_loss
        from hybridkit.models.trainer import check_memory

        objective = Objective.of(settings, teacher, margins)
        weights = settings.consistency, settings.distillation, settings.margin_mse
        places = None if texts.teacher is None else texts.teacher.places[: plan.draws.shape[1]]
        first = next(_batches(texts, prompts))
        with failing_clearly("train on the first batch"):
            check_memory(encoder, [features_of(encoder, *column) for column in first], settings)
            expected = sample_loss(encoder, first, objective, True, places)
        return speed_up(
            sped_up,
            encoder,
            plan.draws[..., 0].size,
            lambda: occurring(encoder, chain.from_iterable(_batches(texts, prompts))),
            lambda: sample_loss(encoder, first, objective, False, places),
            expected,
            # scores are divided by the temperature
            rounding(encoder) * max(1, 0.05 / settings.temperature) * max(1, settings.contrastive, *weights),
        )

    with in_training(encoder, settings, prepare) as packed, calm_bars():
        from hybridkit.models.trainer import plan_trainer, trackers

        trainer = plan_trainer(encoder, texts, prompts, settings, work, key, measure, packed, teacher, margins)
        followers = trackers(settings.report_to, logs or out.with_name(out.name + ".logs"))
        go_on(trainer, settings, work, key, [*followers, *callbacks])
    return write_model(trainer, encoder, plan, out, work, beside)


def go_on(trainer: Any, settings: Any, work: Path, key: str, callbacks: Sequence[Any]) -> None:
    """Run a trainer to its end, from the last whole checkpoint of the training `key` in `work` where there is one."""
    from hybridkit.models.trainer import repeatable, report_out_of_memory

    for callback in callbacks:
        trainer.add_callback(callback)
    checkpoint = _last_whole(work, key)
    with report_out_of_memory(settings), repeatable():
        trainer.train(resume_from_checkpoint=str(checkpoint) if checkpoint else None)


def write_model(
    trainer: Any, model: Any, plan: BatchPlan, out: Path, work: Path, beside: Callable[[Any], Mapping[str, str]] | None
) -> Path:
    """Write the folder `out` of a model whose training is at its end, whole; remove the checkpoints; see `train`."""
    steps = [
        {
            "step": line["step"] - 1,
            "kind": str(plan.kinds[line["step"] - 1]),
            "loss": line["loss"],
            "learning_rate": line["learning_rate"],
            **{part: line[part] for part in ("infonce", "consistency", "distillation", "margin_mse") if part in line},
        }
        for line in trainer.state.log_history
        if "loss" in line
    ]
    if not trainer.is_world_process_zero():
        return out
    with atomic_folder(out) as temporary, calm_bars():
        model.save_pretrained(str(temporary), create_model_card=False, safe_serialization=True)
        (temporary / "steps.jsonl").write_text("".join(json.dumps(line) + "\n" for line in steps))
        for name, text in (beside(model) if beside else {}).items():
            (temporary / name).write_text(text, encoding="utf-8")
    shutil.rmtree(work, ignore_errors=True)
    return out


def open_texts(plan: BatchPlan, corpus: ParallelCorpus, settings: TrainingSettings) -> PlanTexts:
    """Return a plan's texts with what the terms of a training's loss need.

    Raises InputError for a plan of another corpus, for consistency where no query is known in a second language, for
    distillation where no row has a text in the teacher's language, and for margin_mse where no draw has a negative.
    """
    teacher = settings.teacher_language if settings.distillation else ""
    compares = settings.contrastive > 0 or settings.consistency > 0 or settings.margin_mse > 0
    negatives = settings.negatives and compares
    texts = PlanTexts(plan, corpus, negatives=negatives, twins=settings.consistency > 0, teacher=teacher)
    if settings.margin_mse and texts.usable is None:
        raise InputError(
            f"training.margin_mse: no draw of the plan of {plan.strategy} has a hard negative for its batch; "
            "mine some (`hybridkit data negatives`), or set it to 0"
        )
    if settings.consistency:
        require_twins(texts)
    if texts.teacher is not None and not len(texts.teacher):
        raise InputError(
            f"training.distillation: no row of the plan of {plan.strategy} has a text in {teacher!r} "
            f"({', '.join(plan.languages)}); set training.teacher_language to another, or distillation to 0"
        )
    return texts


def require_twins(texts: PlanTexts) -> None:
    """Raise InputError where no query of a plan, whose texts are opened with `twins`, is known in another language."""
    if texts.twins is None:
        raise InputError(
            f"training.consistency: no query of the plan of {texts.plan.strategy} is known in a second language "
            f"({', '.join(texts.plan.languages)}); give rows with queries in several languages, or set it to 0"
        )


def _check_processes(wanted: int) -> None:
    from hybridkit.models.plan_dataset import processes_here

    here = processes_here()[1]
    if here != wanted:
        raise InputError(
            f"training.processes: it is {wanted}, and {here} train together here; start your script by `accelerate "
            f"launch --num_processes {wanted}`, or leave the setting out"
        )


def _count_alone(texts: PlanTexts, settings: TrainingSettings) -> None:
    """Say how many draws of a plan add nothing to consistency, to distillation or to margin_mse."""
    if settings.margin_mse and texts.usable is not None and (alone := int((~texts.usable).sum())):
        log.warning(
            "training.margin_mse: %s of %s draws have no hard negative for their batch and add nothing to it",
            f"{alone:,}",
            f"{texts.usable.size:,}",
        )
    if texts.twins is not None and (alone := int((texts.twins < 0).sum())):
        log.warning(
            "training.consistency: the queries of %s of %s draws are known in one language only and add nothing to it",
            f"{alone:,}",
            f"{texts.twins.size:,}",
        )
    if texts.teacher is not None and (texts.teacher.places < 0).any():
        query, passage = (texts.teacher.places < 0).sum(axis=0).tolist()
        log.warning(
            "training.distillation: the rows of %s queries and of %s passages of %s draws have no such text in %r and "
            "add nothing to it",
            f"{query:,}",
            f"{passage:,}",
            f"{len(texts.teacher.places):,}",
            texts.teacher.language,
        )


@contextmanager
def in_training(encoder: Any, settings: Any, prepare: Callable[[ExitStack], str]) -> Iterator[bool]:
    """Freeze and cut by the settings, speed up where that changes nothing; undo it all, after an error what was learnt.

    `encoder` is a model of sentence-transformers, dual encoder or cross-encoder. `prepare` opens what makes it faster
    while its argument is open, and returns why the kit's loss is not the library's, "" where it is. Yields whether
    batches are packed: where the loss and gradient on texts of the first batch are not those of sentence-transformers,
    nothing is packed, trimmed or sent through oneDNN, with a warning.
    """
    import torch
    from accelerate.utils import extract_model_from_parallel

    frozen = {name for name, _ in encoder.named_parameters() if any(piece in name for piece in settings.freeze)}
    if settings.freeze and not frozen:
        raise InputError(f"training.freeze: {settings.freeze} must occur in the name of a parameter of the encoder")
    # what the encoder itself keeps out of training (a pooler that nothing reads) stays out
    held = [one for name, one in encoder.named_parameters() if one.requires_grad and name in frozen]
    if not any(one.requires_grad and name not in frozen for name, one in encoder.named_parameters()):
        raise InputError(f"training.freeze: {settings.freeze} must leave a parameter to train")
    card, encoder.model_card_data.widget = encoder.model_card_data.widget, [{"text": ""}]  # else the trainer makes some
    for parameter in held:
        parameter.requires_grad_(False)
    try:
        with cut_at(encoder, settings.max_length), as_it_was(encoder), ExitStack() as sped_up:
            if why := prepare(sped_up):
                sped_up.close()
                log.warning("%s; it is trained by sentence-transformers' plain steps, which take longer", why)
            trained = [one for one in encoder.parameters() if one.requires_grad]
            before = [one.detach().clone() for one in trained]
            try:
                yield not why
            except BaseException:
                with torch.no_grad():
                    for parameter, value in zip(trained, before, strict=True):
                        parameter.copy_(value)
                raise
            finally:
                # the trainer wraps forward in autocast; the encoder goes back as it came, for float32 encoding
                extract_model_from_parallel(encoder, keep_fp32_wrapper=False)
    finally:
        encoder.model_card_data.widget = card
        for parameter in held:
            parameter.requires_grad_(True)


def speed_up(
    opened: ExitStack,
    model: Any,
    draws: int,
    tokens: Callable[[], Any],
    sample: Callable[[], tuple[float, float]],
    expected: tuple[float, float],
    noise: float,
) -> str:
    """Trim the vocabulary and use oneDNN while `opened` is open; return why, where that changes the loss, else "".

    Args:
        opened: What is opened is closed with it.
        model: The model.
        draws: Texts of the plan; of more than `TRIMMED_DRAWS` the vocabulary stays whole.
        tokens: Returns the token numbers that occur.
        sample: Returns the kit's loss on a sample and the norm of its gradient.
        expected: The same by sentence-transformers.
        noise: The largest relative difference that is ignored, of the gradient ten times as much.
    """
    from hybridkit.models.fast_layers import can_be_trimmed, onednn_linear, trimmed

    try:
        if draws <= TRIMMED_DRAWS and can_be_trimmed(model):
            opened.enter_context(trimmed(model, tokens()))
        opened.enter_context(onednn_linear(model))
        found = sample()
    except FAILURES as error:
        return f"the kit's batches fail on this encoder ({first_line(error)})"
    if abs(found[0] - expected[0]) <= noise * max(1, expected[0]) and (
        abs(found[1] - expected[1]) <= 10 * noise * max(1, expected[1])
    ):
        return ""
    return (
        f"on texts of the first batch the kit's loss is {found[0]:.6g} (norm of its gradient {found[1]:.6g}), that of "
        f"sentence-transformers {expected[0]:.6g} ({expected[1]:.6g})"
    )


def _batches(texts: PlanTexts, prompts: Mapping[str, str]) -> Iterator[list[tuple[list[str], str, str]]]:
    """The texts of each batch by side, with the side's name and prompt."""
    size = texts.plan.draws.shape[1]
    for first in range(0, len(texts.plan) * size, size):
        yield [(found, side, prompts[side]) for side, found in texts(np.arange(first, first + size)).items()]


def _last_whole(work: Path, key: str) -> Path | None:
    """The last checkpoint that is whole and of this training; others are removed with a warning."""
    from hybridkit.models.plan_dataset import processes_here
    from hybridkit.models.trainer import WHOLE, checkpoint_fault

    last: Path | None = None
    faults = {folder.name: checkpoint_fault(folder, WHOLE, key) for folder in work.glob("checkpoint-*")}
    for name in sorted(faults, key=lambda name: int(name.split("-")[1])):
        fault = faults[name] or _best_fault(work / name, faults)
        if not fault:
            last = work / name
        elif processes_here()[0] == 0:
            log.warning("%s: %s; the training goes on without it", name, fault)
            shutil.rmtree(work / name, ignore_errors=True)
    return last


def _best_fault(checkpoint: Path, faults: Mapping[str, str]) -> str:
    """Why a training that goes on from a checkpoint could not end with the best weights; "" where it can."""
    try:
        best = json.loads((checkpoint / "trainer_state.json").read_bytes())["best_model_checkpoint"]
    except (OSError, ValueError, KeyError, TypeError):  # of an earlier version, whose marks name no files
        return "trainer_state.json is damaged"
    fault = faults.get(Path(best).name, "it is missing") if best else ""
    return fault and f"of {Path(best).name}, whose weights are the best so far, {fault}"

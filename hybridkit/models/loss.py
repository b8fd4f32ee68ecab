"""The loss of a batch: InfoNCE with negatives, margin, consistency, two distillations; texts packed by length."""

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from sentence_transformers.sentence_transformer.losses import (
    CachedMultipleNegativesRankingLoss,
    MarginMSELoss,
    MultipleNegativesRankingLoss,
)
from sentence_transformers.util import all_gather_with_grad, batch_to_device, cos_sim, pairwise_cos_sim
from torch import Tensor, nn

from hybridkit.errors import InputError
from hybridkit.models.embedding import as_it_was, features_of, some_by_length
from hybridkit.models.fast_layers import TrimmedEmbedding

if TYPE_CHECKING:
    from hybridkit.models.training import TrainingSettings

TOKENS_CPU = 1024  # tokens of a micro-batch, padding included; small ones stay in a CPU's cache
TOKENS_ELSEWHERE = 16384  # a GPU wants fewer and larger ones


class Packed(nn.Module):
    """An encoder whose every call is split into micro-batches of like length; the embeddings are the encoder's own.

    The encoder is its attribute `model`, where sentence-transformers' trainer looks for what it has wrapped.
    Features without an attention mask over one kind of padding (static embeddings have no padding) go through whole.
    """

    def __init__(self, model: nn.Module, tokens: int | None = None, output: str = "sentence_embedding") -> None:
        super().__init__()
        self.model = model
        self.tokens, self.output = tokens, output
        # a merged batch is padded with it, as a tokenizer does: some encoders read what is masked
        self.padding = int(getattr(getattr(model, "tokenizer", None), "pad_token_id", None) or 0)

    def forward(self, features: dict[str, Any]) -> dict[str, Tensor]:
        """Return the output (n, dim) of one column of n texts' features: by default their `sentence_embedding`."""
        return {self.output: self.embed([features])[0]}

    def embed(self, columns: Sequence[dict[str, Any]]) -> list[Tensor]:
        """Return an (n, dim) tensor for each column of texts, embedded together where only their tokens differ."""
        sides = [_padding(column) for column in columns]
        if len(columns) == 1 or len(set(sides)) > 1 or None in sides or not _alike(columns):
            return [
                self._embed(column, side) if side else self.inner(column)
                for column, side in zip(columns, sides, strict=True)
            ]
        found = self._embed(_merge(columns, str(sides[0]), self.padding), str(sides[0]))
        return list(found.split([len(column["attention_mask"]) for column in columns]))

    def inner(self, features: dict[str, Any]) -> Tensor:
        """Return what the model makes of a micro-batch."""
        found: Tensor = self.model(features)[self.output]
        return found

    def _embed(self, features: dict[str, Any], side: str) -> Tensor:
        mask = features["attention_mask"]
        lengths = mask.sum(dim=1)
        order = torch.argsort(lengths, stable=True)
        budget = self.tokens or (TOKENS_CPU if lengths.device.type == "cpu" else TOKENS_ELSEWHERE)
        outputs = []
        for some, width in micro_batches(lengths[order].tolist(), budget):
            kept = slice(0, width) if side == "right" else slice(mask.shape[1] - width, None)
            few = dict(features)
            for key, value in features.items():
                if isinstance(value, Tensor):
                    few[key] = value[order[some]]
                    if value.shape[:2] == mask.shape:
                        few[key] = few[key][:, kept]
            outputs.append(self.inner(few))
        back = torch.empty_like(order)
        back[order] = torch.arange(len(order), device=order.device)
        return torch.cat(outputs)[back]


def micro_batches(lengths: Sequence[int], budget: int) -> list[tuple[slice, int]]:
    """Return slices of ascending lengths, each of at most `budget` padded tokens or one text, with their widths.

    >>> micro_batches([3, 4, 4, 9, 30], budget=12)
    [(slice(0, 3, None), 4), (slice(3, 4, None), 9), (slice(4, 5, None), 30)]
    """
    found, first = [], 0
    for number in range(1, len(lengths) + 1):
        if number == len(lengths) or (number + 1 - first) * lengths[number] > budget:
            found.append((slice(first, number), lengths[number - 1]))
            first = number
    return found


def _padding(features: dict[str, Any]) -> str | None:
    """The side on which texts are padded, by their mask; None for features that cannot be split by rows."""
    mask = features.get("attention_mask")
    if not isinstance(mask, Tensor) or mask.ndim != 2 or not len(mask):
        return None
    if any(isinstance(one, Tensor) and (not one.ndim or len(one) != len(mask)) for one in features.values()):
        return None
    lengths, positions = mask.sum(dim=1, keepdim=True), torch.arange(mask.shape[1], device=mask.device)
    if bool((mask == (positions < lengths)).all()):
        return "right"
    return "left" if bool((mask == (positions >= mask.shape[1] - lengths)).all()) else None


def _alike(columns: Sequence[dict[str, Any]]) -> bool:
    """Whether columns differ in their tokens only, so that they can be one batch."""
    first = columns[0]
    for other in columns[1:]:
        if other.keys() != first.keys():
            return False
        for key, value in first.items():
            if not isinstance(value, Tensor):  # length of the prompt, route
                if other[key] != value:
                    return False
            elif not (_by_token(value, first["attention_mask"]) and _by_token(other[key], other["attention_mask"])):
                return False
    return True


def _merge(columns: Sequence[dict[str, Any]], side: str, padding: int) -> dict[str, Any]:
    """One batch of the texts of all columns, each padded to the widest with masked tokens of number `padding`."""
    width = max(column["attention_mask"].shape[1] for column in columns)
    merged = dict(columns[0])
    for key, value in columns[0].items():
        if isinstance(value, Tensor):
            missing = [width - column[key].shape[1] for column in columns]
            pads = [(0, count) if side == "right" else (count, 0) for count in missing]
            fill = padding if key == "input_ids" else 0
            merged[key] = torch.cat(
                [nn.functional.pad(one[key], pad, value=fill) for one, pad in zip(columns, pads, strict=True)]
            )
    return merged


def _by_token(value: Any, mask: Tensor) -> bool:
    return isinstance(value, Tensor) and value.shape == mask.shape


@dataclass(frozen=True)
class Objective:
    """What is minimised, as a function of a batch's embeddings: InfoNCE with a `margin`, and terms beside it.

    See `TrainingSettings` for the numbers; `teacher` has a vector of each text that distillation draws others to, (m,
    dim), `margins` a re-ranker's margin of each draw of the plan, (draws,). Called, it returns the loss and its parts
    by name, detached and without their weights: `infonce` (with the margin), `consistency` (nats a row), `distillation`
    (1 - cosine a text) and `margin_mse` (squared scores a row); none of weight 0, and no parts of plain InfoNCE, which
    is the loss.
    """

    temperature: float
    margin: float = 0.0
    consistency: float = 0.0
    contrastive: float = 1.0
    distillation: float = 0.0
    teacher: np.ndarray | None = field(default=None, repr=False, compare=False)
    margin_mse: float = 0.0
    margins: np.ndarray | None = field(default=None, repr=False, compare=False)

    def __post_init__(self) -> None:
        """Refuse distillation from nothing."""
        if self.distillation and self.teacher is None:
            raise TypeError("distillation needs the vectors of a teacher (`teacher_vectors`)")
        if self.margin_mse and self.margins is None:
            raise TypeError("margin_mse needs the margins of a re-ranker (`reranker_margins`)")

    @classmethod
    def of(
        cls, settings: "TrainingSettings", teacher: np.ndarray | None = None, margins: np.ndarray | None = None
    ) -> "Objective":
        """Return that of a training, with the vectors of its teacher and the margins of its re-ranker if it has one."""
        numbers = settings.temperature, settings.margin, settings.consistency
        return cls(*numbers, settings.contrastive, settings.distillation, teacher, settings.margin_mse, margins)

    def __call__(
        self, embeddings: list[Tensor], labels: Tensor | None, gather: bool = False
    ) -> tuple[Tensor, dict[str, Tensor]]:
        """Return loss and parts of queries, passages, perhaps negatives, and with consistency twins, each (n, dim).

        `labels` are 1 where a row has what its column promises: (n,) for its negative, with consistency (n, 2) for its
        negative and its twin, with distillation (n, 4): then the rows of `teacher` for its query and its passage, -1
        where there is none; with `margin_mse` (n, 5): then the draw's place in `margins`. The candidates of a twin are
        those of its query, so that no twin is a negative.
        """
        scale, parts = 1 / self.temperature, {}
        if (self.consistency or self.distillation or self.margin_mse) and labels is None:
            raise TypeError("labels say what a row has for a term of the loss; with such a term they must be given")
        if self.consistency and labels is not None:
            parts = self._with_twins(embeddings, labels, scale, gather)
        elif self.contrastive:
            present = labels if labels is None or labels.ndim == 1 else labels[:, 0]
            parts["infonce"] = info_nce(embeddings, present, scale, gather, self.margin)
        if self.distillation and labels is not None and self.teacher is not None:
            parts["distillation"] = teacher_distance(embeddings[:2], labels[:, 2:4], self.teacher)
        if self.margin_mse and labels is not None and self.margins is not None:
            wanted = torch.tensor(self.margins[labels[:, 4].cpu().numpy()])
            parts["margin_mse"] = margin_distance(embeddings[:3], labels[:, 0], wanted, scale)
        if parts.keys() == {"infonce"} and self.contrastive == 1:
            return parts["infonce"], {}
        weights = {"infonce": self.contrastive, "consistency": self.consistency}
        weights |= {"distillation": self.distillation, "margin_mse": self.margin_mse}
        loss = torch.stack([weights[name] * value for name, value in parts.items()]).sum()
        return loss, {name: value.detach() for name, value in parts.items()}

    def _with_twins(self, embeddings: list[Tensor], labels: Tensor, scale: float, gather: bool) -> dict[str, Tensor]:
        count, has_twin = len(embeddings[0]), labels[:, 1].to(embeddings[0].device) > 0
        both = [torch.cat([embeddings[0], embeddings[-1]]), *embeddings[1:-1]]
        scores, own = _scores(both, labels[:, 0], scale, gather)
        there = scores[0] != -torch.inf
        infonce = {"infonce": _cross_entropy(scores[:count], own, self.margin * scale)} if self.contrastive else {}
        apart = symmetric_kl(scores[:count][has_twin][:, there], scores[count:][has_twin][:, there])
        return {**infonce, "consistency": apart.sum() / count}


def batch_loss(
    model: nn.Module, objective: Objective, mini_batch: int = 0, bf16: bool = False, packed: bool = True
) -> nn.Module:
    """Return the loss: cross-entropy of each query over passages and hard negatives (arXiv 2408.10536, section 2).

    It is called with the columns query, passage, negative if any row has one, and with consistency twin; for the labels
    see `Objective`: the column of a row without one has a filler that is never compared. Its attribute `parts` has the
    parts of the last loss. With `mini_batch` above 0 gradients are cached (GradCache, arXiv 2101.06983) as
    sentence-transformers does it: the same gradients with the memory of so many texts. Among several processes each
    scores its own queries against the passages of all. Without `packed` each column of texts goes through the encoder
    as in the library.

    Raises InputError for a `mini_batch` with an encoder that has no mini-batches (a static one, which needs none).
    """
    if not mini_batch:
        return _Plain(model, objective, bf16, packed)
    try:
        return _Cached(model, objective, mini_batch, bf16, packed)
    except ValueError as error:
        raise InputError(
            f"training.mini_batch: {mini_batch} is not for this encoder, which has no mini-batches; leave it out"
        ) from error


class _Plain(nn.Module):
    def __init__(self, model: nn.Module, objective: Objective, bf16: bool, packed: bool) -> None:
        super().__init__()
        self.model, self.objective, self.bf16 = Packed(model) if packed else model, objective, bf16
        self.parts: dict[str, Tensor] = {}

    def forward(self, sentence_features: Iterable[dict[str, Tensor]], labels: Tensor | None) -> Tensor:
        with _outer_autocast(self.model, self.bf16):
            if isinstance(self.model, Packed):
                embeddings = self.model.embed(list(sentence_features))
            else:
                embeddings = [self.model(column)["sentence_embedding"] for column in sentence_features]
        loss, self.parts = self.objective(embeddings, labels, _processes() > 1)
        return loss


class _Cached(CachedMultipleNegativesRankingLoss):
    def __init__(self, model: nn.Module, objective: Objective, mini_batch: int, bf16: bool, packed: bool) -> None:
        scale, among = 1 / objective.temperature, _processes() > 1
        super().__init__(model, scale=scale, mini_batch_size=mini_batch, gather_across_devices=among)
        self.model, self.objective, self.bf16 = Packed(model) if packed else model, objective, bf16
        self.parts: dict[str, Tensor] = {}

    def forward(self, sentence_features: Iterable[dict[str, Tensor]], labels: Tensor | None) -> Tensor:
        with _outer_autocast(self.model, self.bf16):
            loss: Tensor = self.forward_cached(sentence_features, labels)
        return loss

    def calculate_loss(
        self, reps: list[list[Tensor]], labels: Tensor | None = None, *, with_backward: bool = False
    ) -> Tensor:
        """Return the loss of the embeddings of mini-batches, for sentence-transformers' cached forward pass."""
        with torch.autocast(reps[0][0].device.type, enabled=False):
            loss, self.parts = self.objective([torch.cat(one) for one in reps], labels, self.gather_across_devices)
            if with_backward:
                loss.backward()
                loss = loss.detach()
        return loss


def _outer_autocast(model: nn.Module, bf16: bool) -> torch.autocast:
    """Autocast around all micro-batches, so that weights become bf16 once a step and not once a micro-batch."""
    return torch.autocast(next(model.parameters()).device.type, torch.bfloat16, enabled=bf16)


def info_nce(
    embeddings: list[Tensor], present: Tensor | None, scale: float, gather: bool = False, margin: float = 0.0
) -> Tensor:
    """Return InfoNCE by cosines of queries (n, dim) over passages (n, dim) and negatives that are `present` (n,).

    `margin` is taken off the cosine of each query and its own passage. The loss is not symmetric: LaBSE (additive
    margin softmax, arXiv 2007.01852) adds the same loss of passages over queries, which is not here.

    >>> query, passage = torch.eye(2), torch.tensor([[1.0, 0.0], [1.0, 0.0]])
    >>> round(float(info_nce([query, passage], None, scale=1.0)), 4)  # ln 2: the passages are equal
    0.6931
    """
    scores, own = _scores(embeddings, present, scale, gather)
    return _cross_entropy(scores, own, margin * scale)


def symmetric_kl(one: Tensor, other: Tensor) -> Tensor:
    """Return half of KL(p || q) + KL(q || p) in nats, (n,); p and q are the softmax of two sets of scores (n, m).

    >>> round(float(symmetric_kl(torch.tensor([[1.0, 0.0]]), torch.tensor([[0.0, 1.0]]))), 4)  # (e - 1) / (e + 1)
    0.4621
    """
    p, q = one.log_softmax(dim=-1), other.log_softmax(dim=-1)
    return ((p.exp() - q.exp()) * (p - q)).sum(dim=-1) / 2


def teacher_distance(embeddings: list[Tensor], places: Tensor, teacher: np.ndarray) -> Tensor:
    """Return the mean over texts of 1 - cosine to their teacher's vectors, which are rows of `teacher` (m, dim).

    `embeddings` are of each side's n texts, (n, dim), `places` (n, sides) the rows of each side's; a text whose place
    is -1 adds 0. Of unit vectors 1 - cosine is half of the squared distance, in which form it is computed, exact near
    0: the mean squared error of arXiv 2004.09813, section 2, but for a constant factor.

    >>> texts, vectors = torch.tensor([[3.0, 0.0], [0.0, 1.0]]), np.array([[1.0, 0.0]], dtype=np.float32)
    >>> float(teacher_distance([texts], torch.tensor([[0], [0]]), vectors))  # cosines of 1 and of 0
    0.5
    """
    place = places.T.reshape(-1)
    known = place >= 0
    vectors = torch.tensor(np.asarray(teacher[place[known].cpu().numpy()]), device=embeddings[0].device)
    texts = torch.cat(embeddings)[known.to(vectors.device)]
    one, other = (nn.functional.normalize(found.float(), dim=-1) for found in (texts, vectors))
    return (one - other).square().sum() / 2 / len(place)


def margin_distance(embeddings: list[Tensor], present: Tensor, wanted: Tensor, scale: float) -> Tensor:
    """Return the mean over n rows of the squared difference between the margins of two models, MarginMSE.

    `embeddings` are of queries, passages and negatives, (n, dim) each; a margin is the cosine with the passage less the
    one with the negative, times `scale`. `wanted` (n,) are the other model's. A row whose negative is not `present`
    (n,) adds 0.

    Source: arXiv 2010.02666, section 3.2; sentence-transformers' `MarginMSELoss` where every row has a negative.

    >>> query, passage, negative = torch.tensor([[1.0, 0.0]]), torch.tensor([[1.0, 0.0]]), torch.tensor([[0.0, 1.0]])
    >>> float(margin_distance([query, passage, negative], torch.tensor([1]), torch.tensor([3.0]), scale=2.0))
    1.0
    """
    known = present.to(embeddings[0].device) > 0
    query, passage, negative = (nn.functional.normalize(one[known].float(), dim=-1) for one in embeddings)
    margins = ((query * passage).sum(dim=-1) - (query * negative).sum(dim=-1)) * scale
    return (margins - wanted.to(known.device)[known]).square().sum() / len(known)


def _scores(embeddings: list[Tensor], present: Tensor | None, scale: float, gather: bool) -> tuple[Tensor, Tensor]:
    """Scores of queries (rows) over the candidates, and the column of each row's own passage, (n,).

    Queries may be a multiple of the n passages, -inf is the score of a negative that is not present.
    """
    unit: list[Any] = [nn.functional.normalize(one.float(), dim=-1) for one in embeddings]
    queries, count, first = unit[0], len(unit[1]), 0
    targets = unit[1:]
    known = None if present is None or len(targets) < 2 else present.to(queries.device) > 0
    if gather:
        targets = [all_gather_with_grad(one) for one in targets]
        first = _rank() * count
        known = None if known is None else all_gather_with_grad(known.float()) > 0
    scores = queries @ torch.cat(targets).T * scale
    if known is not None:
        scores[:, len(targets[0]) :].masked_fill_(~known, -torch.inf)
    return scores, torch.arange(first, first + count, device=queries.device)


def _cross_entropy(scores: Tensor, own: Tensor, margin: float) -> Tensor:
    if margin:
        scores = scores - margin * nn.functional.one_hot(own, scores.shape[1])
    return nn.functional.cross_entropy(scores, own)


def sample_loss(
    encoder: Any,
    columns: Sequence[tuple[list[str], str, str]],
    objective: Objective,
    library: bool = False,
    places: np.ndarray | None = None,
) -> tuple[float, float]:
    """Return the loss of some rows of a batch, of different lengths, and the norm of its gradient; nothing is learnt.

    It is the kit's, or with `library` that of sentence-transformers (`library_loss`), without dropout and in the
    precision of the weights. `columns` have the texts, side and prompt of a batch, the plan's first. With consistency
    the rows are some of those that have a twin, if they are more than one, with distillation of those that have a text
    of the teacher, by `places` (n, 2); each is compared to the next one's, because its own text in the teacher's
    language is at no distance. Negatives are left out; with `margin_mse` every row has one, the next row's passage.
    """
    texts = {side: found for found, side, _ in columns}
    rows = np.arange(len(texts["query"]))
    twin = np.array([int(bool(text)) for text in texts["twin"]]) if objective.consistency else np.zeros_like(rows)
    if places is None or not objective.distillation:
        places = np.full((len(rows), 2), -1)
    for term in (twin[:, None], places + 1):  # above 0 for what a row has
        has = rows[(term[rows] > 0).any(axis=1)]
        rows = has if len(has) > 1 else rows
    rows = rows[some_by_length(np.array([len(texts["passage"][row]) for row in rows]))]
    wanted = {"query": True, "passage": True, "negative": objective.margin_mse > 0, "twin": objective.consistency > 0}
    chosen = [(texts["passage"] if side == "negative" else found, side, prompt) for found, side, prompt in columns]
    features = [
        batch_to_device(
            features_of(encoder, [found[row] for row in np.roll(rows, int(side == "negative"))], side, prompt),
            encoder.device,
        )
        for found, side, prompt in chosen
        if wanted[side]
    ]
    labels = None
    if objective.consistency or objective.distillation or objective.margin_mse:
        has = np.full_like(rows, wanted["negative"])
        labels = torch.tensor(np.column_stack([has, twin[rows], np.roll(places[rows], 1, axis=0), rows]))

    def compute() -> Tensor:
        made = library_loss(encoder, features, labels, objective) if library else None
        loss: Tensor = batch_loss(encoder, objective)(features, labels) if made is None else made
        return loss

    return with_gradient(encoder, compute)


def with_gradient(model: Any, compute: Callable[[], Tensor]) -> tuple[float, float]:
    """Return a loss and the norm of its gradient, without dropout, in the precision of the weights; nothing is learnt.

    `compute` returns the loss of the model, a model of sentence-transformers.
    """
    trained = [one for one in model.parameters() if one.requires_grad]
    with as_it_was(model), torch.enable_grad(), torch.autocast(model.device.type, enabled=False):
        for module in model.modules():
            module.training = isinstance(module, TrimmedEmbedding)
        loss = compute()
        gradients = torch.autograd.grad(loss, trained, allow_unused=True)
    norm = sum(float(one.float().square().sum()) for one in gradients if one is not None) ** 0.5
    return float(loss.detach()), norm


def library_loss(
    encoder: Any, features: list[dict[str, Tensor]], labels: Tensor | None, objective: Objective
) -> Tensor:
    """Return the same loss of queries, passages, negatives and twins by sentence-transformers and PyTorch.

    To compare with, where every row has a negative or none has. InfoNCE is `MultipleNegativesRankingLoss`, with the
    margin in its similarity; consistency is `kl_div` both ways, distillation `cosine_embedding_loss`, that from a
    re-ranker `MarginMSELoss`.
    """
    among, scale = _processes() > 1, 1 / objective.temperature  # among those of a second training in one launch

    def similarity(queries: Tensor, passages: Tensor) -> Tensor:
        own = torch.arange(len(queries), device=queries.device) + (_rank() * len(queries) if among else 0)
        return cos_sim(queries, passages) - objective.margin * nn.functional.one_hot(own, len(passages))

    own = MultipleNegativesRankingLoss(
        encoder, scale=scale, similarity_fct=similarity if objective.margin else cos_sim, gather_across_devices=among
    )
    loss = torch.zeros((), device=encoder.device)
    before_twins = features[: len(features) - (objective.consistency > 0)]
    if objective.contrastive:
        loss = objective.contrastive * own([dict(one) for one in before_twins], None)
    if objective.consistency and labels is not None:
        query, *candidates, twin = (encoder(dict(one))["sentence_embedding"] for one in features)
        passage = torch.cat([all_gather_with_grad(one) if among else one for one in candidates])
        p, q = (nn.functional.log_softmax(cos_sim(one, passage) * scale, dim=-1) for one in (query, twin))
        kl = [nn.functional.kl_div(*both, reduction="none", log_target=True).sum(dim=-1) for both in ((p, q), (q, p))]
        loss = loss + objective.consistency * (sum(kl) / 2 * labels[:, 1].to(p.device)).mean()
    if objective.distillation and labels is not None and objective.teacher is not None:
        for number, column in enumerate(features[:2]):
            found, place = encoder(dict(column))["sentence_embedding"], labels[:, 2 + number].cpu().numpy()
            vectors = torch.tensor(np.asarray(objective.teacher[np.maximum(place, 0)]), device=found.device)
            alike = torch.ones(len(place), device=found.device)
            apart = nn.functional.cosine_embedding_loss(found.float(), vectors, alike, reduction="none")
            loss = loss + objective.distillation / 2 * (apart * torch.tensor(place >= 0, device=found.device)).mean()
    if objective.margin_mse and labels is not None and objective.margins is not None:
        wanted = torch.tensor(objective.margins[labels[:, 4].cpu().numpy()], device=loss.device)
        apart = MarginMSELoss(encoder, lambda one, other: pairwise_cos_sim(one, other) * scale)
        loss = loss + objective.margin_mse * apart([dict(one) for one in features[:3]], wanted)
    return loss


def _processes() -> int:
    return torch.distributed.get_world_size() if _distributed() else 1


def _rank() -> int:
    return torch.distributed.get_rank() if _distributed() else 0


def _distributed() -> bool:
    return bool(torch.distributed.is_available() and torch.distributed.is_initialized())

"""The weights between two encoders: some way from the one at the start to the trained one."""

from __future__ import annotations

from copy import deepcopy
from typing import TYPE_CHECKING

from hybridkit.errors import InputError
from hybridkit.models.embedding import features_of
from hybridkit.utils.numbers import SHARE

if TYPE_CHECKING:
    from sentence_transformers import SentenceTransformer


_CURE = "give the encoder that the training started from"
_TEXTS = ["who wrote the book 1984?", "wer schrieb das Buch", "кто написал книгу", "谁写了这本书", "من كتب الكتاب"]


def interpolate(start: SentenceTransformer, trained: SentenceTransformer, w: float) -> SentenceTransformer:
    """Return a new encoder with the weights (1 - w) * start + w * trained, in float32.

    All but the weights (tokenizer, prompts, lengths) is that of the trained one. What was frozen in training, and so is
    the same in both, stays as it is to the byte; w = 0 gives the start's weights and w = 1 the trained ones.

    Args:
        start: The encoder that the training started from; it is left as it is.
        trained: The encoder after the training; it is left as it is.
        w: The trained one's share, 0 to 1.

    Raises:
        InputError: `w` out of range; encoders of which a weight has another name or shape; other tokens of a text.

    Source:
        WiSE-FT: Wortsman et al., CVPR 2022, arXiv 2109.01903, section 3.

    >>> from hybridkit.models import encoder
    >>> one, other = (encoder.make(["a b c"], vocab_size=10, dim=4, seed=seed) for seed in (0, 1))
    >>> first, last = (next(model.parameters()) for model in (one, other))
    >>> middle = next(interpolate(one, other, 0.5).parameters())
    >>> bool(((first + last) / 2 - middle).abs().max() < 1e-6)
    True
    """
    import torch

    SHARE.check(w, "interpolate: w, the trained encoder's share,")
    before, after = start.state_dict(), trained.state_dict()
    _check(
        {name: tuple(one.shape) for name, one in before.items()},
        {name: tuple(one.shape) for name, one in after.items()},
    )
    if not _same_tokens(start, trained):
        raise InputError(f"interpolate: the two encoders cut texts into other tokens; {_CURE}")
    made = deepcopy(trained)
    with torch.no_grad():
        for name, weight in made.state_dict().items():
            if weight.is_floating_point():
                one, other = (of[name].detach().to(weight.device, torch.float32) for of in (before, after))
                weight.copy_(torch.lerp(one, other, float(w)))  # of equal numbers it is just these
    vars(made)["origin"] = {}
    return made


def _same_tokens(start: SentenceTransformer, trained: SentenceTransformer) -> bool:
    """Whether two encoders read the same of some texts, on both sides."""
    for side in ("query", "passage"):
        one, other = (features_of(model, _TEXTS, side, None) for model in (start, trained))
        if one.keys() != other.keys() or any(str(one[name]) != str(other[name]) for name in one):
            return False
    return True


def _check(before: dict[str, tuple[int, ...]], after: dict[str, tuple[int, ...]]) -> None:
    for here, there, what in ((before, after, "start"), (after, before, "trained encoder")):
        if lone := sorted(here.keys() - there.keys()):
            raise InputError(f"interpolate: only the {what} has the weight {lone[0]} ({len(lone)} such); {_CURE}")
    for name, shape in before.items():
        if shape != after[name]:
            raise InputError(
                f"interpolate: {name} is {shape} in the start and {after[name]} in the trained one; {_CURE}"
            )

"""The remedy in the weights: half-way between the encoder at the start and the trained one."""

from dataclasses import dataclass
from typing import ClassVar

from hybridkit.remedies.parts import Remedy
from hybridkit.utils.numbers import SHARE


@dataclass(frozen=True)
class interpolate(Remedy):  # noqa: N801  written as a part of a chain
    """Take the weights (1 - w) * start + w * trained; see `models.interpolation.interpolate`.

    Raises:
        InputError: `w` outside 0..1.

    Source:
        WiSE-FT: Wortsman et al., CVPR 2022, arXiv 2109.01903, section 3.

    >>> str(interpolate(0.5))
    'interpolate(0.5)'
    """

    w: float = 0.5
    stage: ClassVar[str] = "weights"

    def __post_init__(self) -> None:
        SHARE.check(self.w, "interpolate: w, the trained encoder's share,")

    def __str__(self) -> str:
        """The text that `parse` turns back into the same value."""
        return f"interpolate({self.w!r})"

    @property
    def at_query_time(self) -> str:
        """What is needed when a query is asked."""
        return "the interpolated encoder; no language"

    @property
    def at_index_time(self) -> str:
        """What is needed when passages are indexed."""
        return "the interpolated encoder; no language"

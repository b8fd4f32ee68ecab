"""Numbers: how they are written in tables and sentences, and which ranges settings allow."""

import math
import operator
from collections.abc import Collection
from contextlib import suppress
from dataclasses import dataclass
from typing import Any

from hybridkit.errors import InputError


def number(value: float, sign: str = "") -> str:
    """Return a number with three decimals and no leading zero, as a text.

    >>> number(0.5), number(-0.25), number(0.5, "+"), number(1.5)
    ('.500', '−.250', '+.500', '1.500')
    """
    return bare(format(value, f"{sign}.3f"))


def amount(estimate: float, low: float = math.nan, high: float = math.nan, note: str = "") -> str:
    """Return an effect with its interval as a text, as papers write it.

    >>> amount(0.0124, 0.004, 0.02), amount(-0.002, -0.01, 0.006)
    ('+.012 (.004 to .020)', '−.002 (−.010 to .006), no effect shown')
    >>> amount(0.1, note="no interval: 2 draws")
    '+.100 (no interval: 2 draws)'
    """
    if math.isnan(low) or math.isnan(high):
        return f"{number(estimate, '+')} ({note or 'no interval'})"
    clear = low > 0 or high < 0
    return f"{number(estimate, '+')} ({number(low)} to {number(high)})" + ("" if clear else ", no effect shown")


def bare(text: str) -> str:
    """Return a formatted number with a minus sign for the hyphen and no zero in front of the point.

    >>> bare("-0.250"), bare("+0.5"), bare("10.0")
    ('−.250', '+.5', '10.0')
    """
    text = text.replace("-", "−")
    return text.replace("0.", ".", 1) if text.lstrip("+−").startswith("0.") else text


@dataclass(frozen=True)
class Range:
    """Numbers from `low` to `high` (no end where it is None), `whole` ones or all; the ends belong to it or not.

    >>> Range(1, whole=True).check(0, "training.steps")
    Traceback (most recent call last):
    ...
    hybridkit.errors.InputError: training.steps must be a whole number from 1 on (got 0)
    >>> Range(0, above=True).check(float("inf"), "training.temperature")
    Traceback (most recent call last):
    ...
    hybridkit.errors.InputError: training.temperature must be a number above 0 (got inf)
    """

    low: float | None = None
    high: float | None = None
    whole: bool = False
    above: bool = False
    below: bool = False

    def __str__(self) -> str:
        """Return what is allowed, as the end of "it must be"."""
        text = "a whole number" if self.whole else "a number"
        if self.low is not None:
            text += f" above {self.low}" if self.above else f" from {self.low}"
        if self.high is not None:
            return f"{text} to below {self.high}" if self.below else f"{text} to {self.high}"
        return text if self.low is None or self.above else f"{text} on"

    def check(self, value: object, what: str) -> int | float:
        """Return the value as Python's own number; InputError, which begins with `what`, for a value out of range.

        True, false, nan and infinity are not numbers here, and 2.0 is not a whole number.
        """
        found = self._number(value)
        if found is None or not self._holds(found):
            huge = isinstance(value, int) and value.bit_length() > 256  # Python writes no number of 5,000 digits
            text = "a number of too many digits" if huge else repr(value)
            raise InputError(f"{what} must be {self} (got {text})".lstrip())
        return found

    def __get_pydantic_core_schema__(self, source: Any, handler: Any) -> Any:
        """As an annotation of a setting: `Annotated[int, COUNT]` (pydantic)."""
        from pydantic_core.core_schema import with_info_plain_validator_function

        schema: dict[str, Any] = {"type": "integer" if self.whole else "number"}
        schema |= {} if self.low is None else {"exclusiveMinimum" if self.above else "minimum": self.low}
        schema |= {} if self.high is None else {"exclusiveMaximum" if self.below else "maximum": self.high}
        return with_info_plain_validator_function(
            self._setting, metadata={"pydantic_js_functions": [lambda *_: schema]}
        )

    def _setting(self, value: object, info: Any) -> int | float:
        # YAML 1.1 reads 3e-5 as a text; a 0 that Python code gives stays as it is, and so do the keys of its trainings
        if not self.whole and info.context == "YAML" and (type(value) is int or isinstance(value, str)):
            with suppress(ValueError, OverflowError):
                value = float(value)
        return self.check(value, "")

    def _number(self, value: object) -> int | float | None:
        if isinstance(value, bool) or type(value).__name__ in ("bool", "bool_"):  # Python's and numpy's
            return None
        try:
            return operator.index(value)  # type: ignore[arg-type]  # numpy's whole numbers too
        except TypeError:
            return None if self.whole or not isinstance(value, float) else float(value)

    def _holds(self, value: float) -> bool:
        if not isinstance(value, int) and not math.isfinite(value):
            return False
        low = self.low is None or (value > self.low if self.above else value >= self.low)
        return low and (self.high is None or (value < self.high if self.below else value <= self.high))


COUNT = Range(1, whole=True)  # of steps, of passages
COUNT_OR_NONE = Range(0, whole=True)
LENGTH = Range(4, whole=True)  # tokens of a text: two of them are the model's own
PAIRED = Range(2, whole=True)  # rows of a batch, which need another one beside them
POSITIVE = Range(0, above=True)
SHARE = Range(0, 1)
SHARE_BELOW_1 = Range(0, 1, below=True)
SEED = Range(0, 2**32 - 1, whole=True)  # what the global generators of numpy and PyTorch take


def check_seed(seed: object, what: str = "seed") -> int:
    """Return a seed as an int; InputError, the same everywhere, for any other value.

    >>> check_seed(-1)
    Traceback (most recent call last):
    ...
    hybridkit.errors.InputError: seed must be a whole number from 0 to 4294967295 (got -1)
    """
    return int(SEED.check(seed, what))


def check_choice(value: object, known: Collection[str], what: str) -> None:
    """Raise InputError, which begins with `what`, for a value that is not one of the known words.

    >>> check_choice("fp8", ("float32", "bf16"), "training.precision")
    Traceback (most recent call last):
    ...
    hybridkit.errors.InputError: training.precision must be 'float32' or 'bf16' (got 'fp8')
    """
    if not isinstance(value, str) or value not in known:
        raise InputError(f"{what} must be {' or '.join(map(repr, known))} (got {value!r})")

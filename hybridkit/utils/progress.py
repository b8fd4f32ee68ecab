"""Progress bars on stderr; without a terminal they move at most every ten seconds."""

import sys
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any


def bar(**options: Any) -> Any:
    """Return a progress bar of tqdm with its options (total, desc, unit, disable, ...); it vanishes at the end.

    >>> with bar(total=2, disable=True) as shown:
    ...     shown.update(2)
    """
    from tqdm.auto import tqdm

    calm = 0.5 if sys.stderr.isatty() else 10.0
    return tqdm(mininterval=calm, file=sys.stderr, leave=False, **options)


@contextmanager
def calm_bars() -> Iterator[None]:
    """Keep transformers from drawing a bar for each file it reads or writes."""
    from transformers.utils import logging as transformers_logging

    bars: Any = transformers_logging  # it has no annotations
    shown = bars.is_progress_bar_enabled()
    bars.disable_progress_bar()
    try:
        yield
    finally:
        if shown:
            bars.enable_progress_bar()
